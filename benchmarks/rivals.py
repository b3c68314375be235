"""All ways from words to a face in one table: same generator, encoder, prompts, machine and run.

    python -m benchmarks.rivals                      # the full table, about 25 minutes on two cores
    python -m benchmarks.rivals --quick              # small sizes, to see that it works
    python -m benchmarks.rivals --only random --only ours

Each sampler that is trained gets the same minutes and the same pairs. Every result is kept in
OUT/results/NAME.json as soon as it is there, and every training in OUT/trained/NAME, so that a run
that was cut goes on. Speeds are measured at the end, one rival after the other, the model loaded.
Attributes are counted by the judge, which no rival has seen.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.faces import EVERYDAY, Bench, Sizes, measure_diversity
from benchmarks.measures import Renders, caption_tasks
from recipes.faces.attributes import JUDGED
from recipes.measures import load_judge
from text2face import TextToFace
from text2face.evaluation import baselines
from text2face.evaluation.drawing import draw_at_random, embed
from text2face.evaluation.judge import read
from text2face.evaluation.metrics import frechet_distance
from text2face.evaluation.report import table
from text2face.evaluation.tasks import Task, count_right, read_tasks, share_right
from text2face.loading import fingerprint, load_component
from text2face.prompts import words
from text2face.storage.folders import atomic_file, read_json
from text2face.training import make_bank, preset, read_pairs, train, write_pairs
from text2face.training.pairs import Pairs

LEVELS = (1, 3, 5)
OFFICIAL = "official: nearest neighbours"
SEARCH = "optimisation per prompt"


@dataclass(frozen=True)
class Rival:
    """One way from words to a face."""

    about: str
    trained: str | None = None
    """A preset of `text2face.training`; None = nothing is trained here."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of `drawing.draw`."""
    kind: str = "sampler"
    """"sampler", or one that draws in its own way: "random", "search", "image"."""


RIVALS: Mapping[str, Rival] = {
    "random faces": Rival("the generator's own, whatever the words", kind="random"),
    SEARCH: Rival("StyleCLIP (2103.17249), 300 steps on w", kind="search"),
    "official: text only": Rival(
        "Fast text2StyleGAN (2209.03953) and its losses", "cvae", {"condition": "text"}
    ),
    "official: text + image": Rival(
        "z from the posterior of a random face", "cvae", {"condition": "text"}, "image"
    ),
    OFFICIAL: Rival("its best mode, K = 50, M = 10, α = 0.2", "cvae", {"condition": "neighbours"}),
    "latent CVAE": Rival("the paper's outline in latents", "cvae-latent", {"condition": "text"}),
    "diffusion prior": Rival("in the manner of clip2latent (2210.02347)", "diffusion"),
    "diffusion prior, best of 4": Rival(
        "the same, 4 images a face, the nearest kept", "diffusion", {"best_of": 4}
    ),
    "ours: CVAE in one pass": Rival("trained here", "compact", {"shortlist": 1}),
    "ours: CVAE, shortlist 2": Rival("trained here", "compact", {"shortlist": 2}),
    "ours: CVAE, shortlist 8": Rival("trained here", "compact", {"shortlist": 8}),
    "ours: flow": Rival("trained here, 4 steps", "flow", {"shortlist": 1}),
    "ours: flow, shortlist 8": Rival("trained here, 4 steps", "flow", {"shortlist": 8}),
    "ours: as released": Rival("the bundled sampler and its defaults"),
    "ours: as released, shortlist 8": Rival("the bundled sampler", settings={"shortlist": 8}),
}


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    prompts: int = 150
    """For each number of attributes named."""
    searched: int = 6
    """The same for the search, which is slow."""
    frechet: int = 600
    diverse_prompts: int = 8
    diverse_images: int = 50
    minutes: float = 2.0
    """Of training, for each sampler."""
    pairs: int = 8192
    rounds: int = 5
    """Repetitions of each measurement of time; the median counts."""


QUICK = Plan(20, 1, 60, 2, 10, 0.1, 512, 2)


@dataclass(frozen=True)
class Arena:
    """Everything that the rivals share."""

    pipe: TextToFace
    bench: Bench
    plan: Plan
    out: Path
    threads: int
    pairs_folder: Path
    features: Callable[[Tensor, Tensor], Tensor] | None = None
    """The distance of images for the official losses; None = the encoder's activations."""

    @cached_property
    def pairs(self) -> Pairs:
        folder = self.pairs_folder
        with tqdm(total=self.plan.pairs, desc="pairs", unit="pair", smoothing=0.05) as bar:
            write_pairs(
                self.pipe.generator,
                self.pipe.encoder,
                folder,
                self.plan.pairs,
                on_batch=lambda made: bar.update(made - bar.n),
            )
        return read_pairs(folder, self.plan.pairs)

    @property
    def key(self) -> str:
        """What all results depend on."""
        judge = self.bench.judge.state_dict()["heads.gender.bias"].tolist()
        return self._digest(asdict(self.plan), judge)

    @property
    def training_key(self) -> str:
        """What a training depends on."""
        return self._digest(self.plan.minutes, self.plan.pairs)

    def _digest(self, *facts: Any) -> str:
        models = fingerprint(self.pipe.folder) if self.pipe.folder else None
        content = json.dumps([models, self.threads, *facts], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def result_path(self, name: str) -> Path:
        return self.out / "results" / f"{'-'.join(words(name))}.json"

    def tasks(self) -> dict[str, list[Task]]:
        """The prompts by group."""
        groups = {f"{named} named": self.bench.tasks(named) for named in LEVELS}
        return {**groups, "everyday": read_tasks(EVERYDAY, JUDGED)}

    def trained(self, name: str) -> tuple[TextToFace, dict[str, float]]:
        """A pipeline with a sampler that is trained here, and what that cost."""
        folder = self.out / "trained" / f"{name}-{self.training_key}"
        config = preset(name, minutes=self.plan.minutes)
        if not (folder / "cost.json").exists():
            with tqdm(total=100, desc=f"train {name}", bar_format="{l_bar}{bar}| {elapsed}") as bar:
                last: dict[str, float] = {}

                def report(progress: Any) -> None:
                    bar.update(round(100 * progress.share) - bar.n)
                    last.update(steps=progress.step, minutes=progress.seconds / 60)

                sampler = train(
                    config,
                    self.pipe.generator,
                    self.pipe.encoder,
                    self.pairs,
                    folder / "run",
                    features=self.features,
                    on_step=report,
                )
            sampler = sampler.with_bank(make_bank(self.pairs, self.pipe.encoder))
            sampler.save_pretrained(folder)
            last |= {"pairs seen": last["steps"] * config.batch_size}
            write_json(folder / "cost.json", last)
        defaults = replace(
            self.pipe.config,
            condition=config.condition,
            truncation=config.truncation,
            shortlist=config.shortlist,
        )
        pipe = TextToFace(
            self.pipe.encoder,
            load_component("sampler", folder),
            self.pipe.generator,
            config=defaults,
        )
        return pipe, read_json(folder / "cost.json")


@dataclass(frozen=True)
class RivalBench(Bench):
    """A bench that draws as a rival does."""

    way: Callable[[Tensor, Sequence[int], int], Iterator[Tensor]] | None = None

    def draw(self, embeddings: Tensor) -> Iterator[Tensor]:
        if self.way is None:
            return super().draw(embeddings)
        return self.way(embeddings, range(self.seed, self.seed + len(embeddings)), 16)


def way_of(arena: Arena, rival: Rival, pipe: TextToFace) -> Callable[..., Iterator[Tensor]]:
    """How a rival draws: (embeddings [N, D], N seeds, batch size) → batches of images."""
    settings = dict(rival.settings)
    best_of = settings.pop("best_of", 1)
    chosen = pipe.settings(**settings)

    def by_sampler(embeddings: Tensor, seeds: Sequence[int], size: int) -> Iterator[Tensor]:
        for start in range(0, len(seeds), size):
            yield pipe.decode(
                pipe.latents(
                    embeddings[start : start + size], list(seeds[start : start + size]), chosen
                )
            )

    def by_score(embeddings: Tensor, seeds: Sequence[int], size: int) -> Iterator[Tensor]:
        for embedding, seed in zip(embeddings, seeds, strict=True):
            several = embedding.expand(best_of, -1)
            drawn = range(seed * best_of, (seed + 1) * best_of)
            images = torch.cat(list(by_sampler(several, drawn, size)))
            with torch.inference_mode():
                scores = torch.cosine_similarity(pipe.encoder.encode_image(images), several)
            yield images[scores.argmax()][None]

    def by_image(embeddings: Tensor, seeds: Sequence[int], size: int) -> Iterator[Tensor]:
        for start in range(0, len(seeds), size):
            some = list(seeds[start : start + size])
            with torch.inference_mode():
                sources = torch.cat(list(draw_at_random(pipe, [s + 500_000 for s in some])))
                seen = pipe.encoder.encode_image(sources)
                mean, _ = pipe.sampler.infer(sources, seen)  # type: ignore[attr-defined]
                wanted = embeddings[start : start + size]
                latents = pipe.sampler.sample(wanted, mean)
                centre = pipe.generator.mean_latent
                yield pipe.decode(torch.lerp(centre, latents, chosen.truncation))

    def by_search(embeddings: Tensor, seeds: Sequence[int], size: int) -> Iterator[Tensor]:
        return baselines.optimise(pipe, embeddings, batch_size=1)

    def by_chance(embeddings: Tensor, seeds: Sequence[int], size: int) -> Iterator[Tensor]:
        return draw_at_random(pipe, seeds, batch_size=size)

    if rival.kind == "sampler":
        return by_score if best_of > 1 else by_sampler
    return {"image": by_image, "search": by_search, "random": by_chance}[rival.kind]


def measure(arena: Arena, name: str, real: Any, say: Callable[[str], None]) -> dict[str, Any]:
    """Accuracy, spread and distance of one rival."""
    rival, plan = RIVALS[name], arena.plan
    pipe, cost = arena.trained(rival.trained) if rival.trained else (arena.pipe, {})
    way = way_of(arena, rival, pipe)
    bench = RivalBench(**{**vars(arena.bench), "pipe": pipe, "way": way})
    slow = rival.kind == "search"
    out: dict[str, Any] = {"about": rival.about, "training": cost}
    for group, tasks in arena.tasks().items():
        if slow and group == "everyday":
            continue
        some = tasks[: plan.searched] if slow else tasks
        wanted = embed(pipe.encoder, [task.text for task in some])
        met = count_right(some, read(bench.judge, bench.draw(wanted)), JUDGED)
        out[group] = share_right(met)
        out.setdefault("prompts", {})[group] = len(some)
        say(f"{name}: {group} {out[group]:.1%}")
    if slow:
        return out
    spread = measure_diversity(bench, lambda line: None)["diversity of what is not named"]
    out |= {"spread": spread} if np.isfinite(spread) else {}
    records = arena.bench.test.records
    captions = caption_tasks(records, plan.frechet, np.random.default_rng(0))
    made = read(bench.judge, bench.draw(embed(pipe.encoder, [task.text for task in captions])))
    out["Fréchet"] = frechet_distance(real, made.features)
    say(f"{name}: spread {spread:.1%}, Fréchet {out['Fréchet']:.1f}")
    return out


def measure_speed(arena: Arena, name: str) -> dict[str, float]:
    """Seconds an image in batches of 1 and of 16, from embeddings to images; medians."""
    rival = RIVALS[name]
    pipe = arena.trained(rival.trained)[0] if rival.trained else arena.pipe
    way = way_of(arena, rival, pipe)
    wanted = embed(pipe.encoder, [task.text for task in arena.tasks()["3 named"][:16]])
    out = {}
    for size in (1, 16):
        some = wanted.repeat(-(-size // len(wanted)), 1)[:size]
        rounds = 1 if rival.kind == "search" else arena.plan.rounds
        if rival.kind == "search" and size > 1:
            continue
        spent = []
        for turn in range(rounds + (rival.kind != "search")):
            began = time.perf_counter()
            list(way(some, range(turn * 16, turn * 16 + len(some)), size))
            spent.append((time.perf_counter() - began) / len(some))
        out[f"batch {size}"] = float(np.median(spent[-rounds:]))
    return out


def report(results: Mapping[str, dict[str, Any]], plan: Plan, threads: int) -> str:
    """The table, and the targets with what was reached."""
    head = [
        "faces from", "1 named", "3 named", "5 named", "everyday", "spread", "Fréchet",
        "s an image, batch 1", "batch 16", "minutes of training",
    ]  # fmt: skip
    rows = []
    for name, entry in results.items():
        shares = [entry.get(group) for group in (*(f"{n} named" for n in LEVELS), "everyday")]
        speed, minutes = entry.get("speed", {}), entry["training"].get("minutes")
        rows.append(
            [
                name,
                *(
                    "" if share is None else f"{share:.1%}"
                    for share in (*shares, entry.get("spread"))
                ),
                f"{entry['Fréchet']:.1f}" if "Fréchet" in entry else "",
                *(f"{speed[b]:.4f}" if b in speed else "" for b in ("batch 1", "batch 16")),
                "" if minutes is None else f"{minutes:.1f}",
            ]
        )
    about = (
        f"{plan.prompts} prompts for each number of attributes named ({plan.searched} for "
        f"{SEARCH}), 200 everyday prompts, {plan.frechet:,} faces for the Fréchet distance, spread "
        f"over {plan.diverse_prompts} × {plan.diverse_images} faces, {plan.pairs:,} pairs, "
        f"{threads} threads.\n"
    )
    return f"{about}\n{table(head, rows)}\n{targets(results)}"


def targets(results: Mapping[str, dict[str, Any]]) -> str:
    """What was to be reached, and what was."""
    ours = {name: entry for name, entry in results.items() if name.startswith("ours")}
    fresh = {name: entry for name, entry in ours.items() if RIVALS[name].trained}
    rows = []
    official = [
        entry["5 named"]
        for name, entry in results.items()
        if name.startswith("official") and "5 named" in entry
    ]
    if fresh and official:
        best = max(fresh, key=lambda name: fresh[name]["5 named"])
        gained = 100 * (fresh[best]["5 named"] - max(official))
        rows.append(
            [
                "best sampler at 5 attributes over the official method, equal training",
                "+ 10 points",
                f"{gained:+.1f} points ({best})",
            ]
        )
    search = results.get(SEARCH)
    if search and ours:
        best = max(ours, key=lambda name: ours[name]["5 named"])
        gained = 100 * (ours[best]["5 named"] - search["5 named"])
        reached = f"{gained:+.1f} points at 5 ({best})"
        if search.get("speed") and ours[best].get("speed"):
            faster = search["speed"]["batch 1"] / ours[best]["speed"]["batch 1"]
            many = search["speed"]["batch 1"] / ours[best]["speed"]["batch 16"]
            reached += f", {faster:,.0f} × faster (batch 1), {many:,.0f} × (batch 16)"
        rows.append(
            ["best sampler against optimisation per prompt", "as accurate, 1,000 ×", reached]
        )
    one = results.get("ours: CVAE in one pass", {})
    if search and search.get("speed") and one.get("speed"):
        ratios = [search["speed"]["batch 1"] / one["speed"][b] for b in ("batch 1", "batch 16")]
        rows.append(
            [
                "CVAE in one pass against the same",
                "5,000 × faster",
                f"{ratios[0]:,.0f} × (batch 1), {ratios[1]:,.0f} × (batch 16)",
            ]
        )
    return table(["target", "wanted", "reached"], rows) if rows else ""


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def run(arena: Arena, names: Sequence[str], say: Callable[[str], None]) -> dict[str, Any]:
    """Measure what is not measured yet; then all speeds that are missing, one after another."""
    results: dict[str, Any] = {}
    count = arena.plan.frechet
    real: Any = None
    for name in names:
        path = arena.result_path(name)
        stored = read_json(path) if path.exists() else {}
        if stored.get("key") != arena.key:
            if real is None:
                real = read(arena.bench.judge, arena.bench.test.images(range(count))).features
            stored = {"key": arena.key, **measure(arena, name, real, say)}
            write_json(path, stored)
        results[name] = stored
    for name in names:
        if "speed" not in results[name]:
            results[name]["speed"] = measure_speed(arena, name)
            write_json(arena.result_path(name), results[name])
    return results


@click.command(help=__doc__)
@click.option("--model", help="A folder or hub id; the bundled model if left out.")
@click.option("--judge", type=Path, default=Path("benchmarks/judge"), show_default=True)
@click.option("--train", "train_", type=Path, default=Path("data/train"), show_default=True)
@click.option("--test", type=Path, default=Path("data/test"), show_default=True)
@click.option("--out", type=Path, default=Path("out/rivals"), show_default=True)
@click.option("--only", multiple=True, help="Only rivals whose name begins so.")
@click.option("--quick", is_flag=True, help="Small sizes.")
@click.option("--minutes", type=float, help="Of training, for each sampler.")
@click.option("--prompts", type=click.IntRange(1))
@click.option("--searched", type=click.IntRange(1), help="Prompts to search for; slow.")
@click.option("--pairs", type=click.IntRange(64))
@click.option(
    "--pairs-folder", type=Path, help="Where pairs are, or are made.  [default: OUT/pairs]"
)
@click.option("--frechet", type=click.IntRange(10), help="Faces for the Fréchet distance.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
def main(
    model: str | None,
    judge: Path,
    train_: Path,
    test: Path,
    out: Path,
    only: tuple[str, ...],
    quick: bool,
    threads: int,
    pairs_folder: Path | None,
    **sizes: Any,
) -> None:
    torch.set_num_threads(threads)
    given = {name: value for name, value in sizes.items() if value is not None}
    plan = replace(QUICK if quick else Plan(), **given)
    names = [name for name in RIVALS if not only or name.startswith(only)]
    if not names:
        raise click.BadParameter(f"--only fits none of {', '.join(RIVALS)}")
    pipe = TextToFace.from_pretrained(model)
    counts = Sizes(plan.prompts, plan.frechet, plan.diverse_prompts, plan.diverse_images)
    bench = Bench(pipe, load_judge(judge), Renders.read(train_), Renders.read(test), counts)
    arena = Arena(pipe, bench, plan, out, threads, pairs_folder or out / "pairs")
    results = run(arena, names, lambda line: click.echo(line, err=True))
    text = report(results, plan, threads)
    write_json(out / "rivals.json", {"plan": asdict(plan), "threads": threads, "results": results})
    (out / "rivals.md").write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main()
