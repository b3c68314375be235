"""Measure a model: do its faces show what the words say, look like renders, and vary; how fast?

    python -m benchmarks.faces                       # the model that comes with the package
    python -m benchmarks.faces --quick               # fewer faces
    python -m benchmarks.faces --condition shift     # another way to condition

Attributes are counted by the judge (`recipes/train_judge.py`), a network that nothing was trained
against. Prompts come from held-out records. Unconditional samples are not truncated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks.measures import NAMES, Renders, as_rows, caption_tasks, grammar_tasks
from recipes.faces.attributes import JUDGED
from recipes.measures import load_judge
from recipes.train_judge import MASKED
from text2face import TextToFace
from text2face.evaluation import baselines
from text2face.evaluation.drawing import draw, draw_at_random, embed, embed_images
from text2face.evaluation.judge import Judge, Predictions, read
from text2face.evaluation.metrics import entropy, frechet_distance, kernel_distance
from text2face.evaluation.tasks import Task, count_right, matching, read_tasks, share_right

EVERYDAY = Path(__file__).parent / "everyday_prompts.json"
TARGETS: Mapping[str, float] = {
    "accuracy, 1 named": 0.95,
    "accuracy, 3 named": 0.93,
    "accuracy, 5 named": 0.90,
    "accuracy, 7 named": 0.86,
    "accuracy, everyday words": 0.92,
    "Fréchet, text-made / unconditional": 1.2,
    "Fréchet, unconditional / renders": 1.4,
    "diversity of what is not named": 0.85,
    "ms for four images": 250.0,
}


@dataclass(frozen=True)
class Sizes:
    """How much is drawn for each figure."""

    prompts: int = 1000
    frechet: int = 5000
    diverse_prompts: int = 24
    diverse_images: int = 100
    bank: int = 20_000
    optimised: int = 8


LEVELS = (1, 3, 5, 7)
QUICK = Sizes(150, 1000, 8, 60, 3000, 2)


@dataclass(frozen=True)
class Bench:
    """The model, the judge and the renders, with the settings of this run."""

    pipe: TextToFace
    judge: Judge
    train: Renders
    test: Renders
    sizes: Sizes
    condition: str | None = None
    truncation: float | None = None
    shortlist: int | None = None
    seed: int = 0

    def made(self, tasks: Sequence[Task]) -> Iterator[Tensor]:
        """One face for each task."""
        return self.draw(embed(self.pipe.encoder, [task.text for task in tasks]))

    def draw(self, embeddings: Tensor) -> Iterator[Tensor]:
        """One face for each embedding [N, D]."""
        return draw(
            self.pipe,
            embeddings,
            range(self.seed, self.seed + len(embeddings)),
            condition=self.condition,
            truncation=self.truncation,
            shortlist=self.shortlist,
        )

    def at_random(self, count: int) -> Iterator[Tensor]:
        """Faces that no text asked for."""
        return draw_at_random(self.pipe, range(self.seed, self.seed + count))

    def tasks(self, named: int) -> list[Task]:
        """Prompts of the grammar; the same in every run with the same sizes."""
        rng = np.random.default_rng(named)
        return grammar_tasks(self.test.records, self.sizes.prompts, named, rng)


def timed(judge: Judge, images: Iterator[Tensor], count: int) -> tuple[Predictions, float]:
    """What the judge reads, and the seconds that each image took to make."""
    spent = 0.0

    def watched() -> Iterator[Tensor]:
        nonlocal spent
        while True:
            began = time.perf_counter()
            batch = next(images, None)
            spent += time.perf_counter() - began
            if batch is None:
                return
            yield batch

    return read(judge, watched()), spent / count


def measure_accuracy(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """How often what is named is shown, for the model and for what it is held against."""
    test_rows = range(min(len(bench.test.pictures), 10 * bench.sizes.prompts))
    renders = read(bench.judge, bench.test.images(test_rows))
    truth = bench.test.labels[: len(test_rows)]
    ceiling = (as_rows(renders) == truth)[truth != MASKED].mean()
    out: dict[str, Any] = {"judge on renders": float(ceiling), "attributes": {}, "baselines": {}}
    known = range(min(bench.sizes.bank, len(bench.train.pictures)))
    bank = embed_images(bench.pipe.encoder, bench.train.images(known))
    for named in LEVELS:
        tasks = bench.tasks(named)
        embeddings = embed(bench.pipe.encoder, [task.text for task in tasks])
        few = min(bench.sizes.optimised, len(tasks))
        rows: list[tuple[str, Iterator[Tensor], int]] = [
            ("text to face", bench.draw(embeddings), len(tasks)),
            ("random faces", bench.at_random(len(tasks)), len(tasks)),
            (
                "best render",
                bench.train.images(baselines.retrieve(bank, embeddings)),
                len(tasks),
            ),
        ]
        if few:
            search = baselines.optimise(bench.pipe, embeddings[:few])
            rows.append(("optimised per prompt", search, few))
        for what, images, count in rows:
            reading, seconds = timed(bench.judge, images, count)
            met = count_right(tasks[:count], reading, JUDGED)
            entry = out["baselines"].setdefault(what, {})
            entry[f"{named} named"] = share_right(met)
            entry["seconds an image"] = seconds
            entry["faces"] = entry.get("faces", 0) + count
            if what == "text to face":
                out[f"accuracy, {named} named"] = share_right(met)
                for name, values in met.items():
                    if len(values):
                        out["attributes"].setdefault(name, {})[f"{named} named"] = values.mean()
            say(f"{named} named, {what}: {share_right(met):.1%}, {seconds:.3f} s an image")
    return out


def measure_everyday(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """The same for prompts written by hand, four faces each, with the prompt syntax."""
    tasks = read_tasks(EVERYDAY, JUDGED)
    with torch.inference_mode():
        embeddings = torch.stack([bench.pipe.embed(task.text) for task in tasks])
    reading = read(bench.judge, bench.draw(embeddings.repeat_interleave(4, dim=0)))
    repeated = [task for task in tasks for _ in range(4)]
    met = count_right(repeated, reading, JUDGED)
    per_prompt = [
        share_right(count_right(repeated[i : i + 4], reading[i : i + 4], JUDGED))
        for i in range(0, len(repeated), 4)
    ]
    worst = [tasks[i].text for i in np.argsort(per_prompt)[:10]]
    say(f"everyday words: {share_right(met):.1%}")
    return {
        "accuracy, everyday words": share_right(met),
        "attributes": {
            name: {"everyday": values.mean()} for name, values in met.items() if len(values)
        },
        "worst everyday prompts": worst,
    }


def measure_distance(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """Fréchet and kernel distances to held-out renders, over the judge's features."""
    count = bench.sizes.frechet
    rows = range(min(count, len(bench.test.pictures)))
    real = read(bench.judge, bench.test.images(rows)).features
    rows = range(min(count, len(bench.train.pictures)))
    other = read(bench.judge, bench.train.images(rows)).features
    free = read(bench.judge, bench.at_random(count)).features
    tasks = caption_tasks(bench.test.records, count, np.random.default_rng(0))
    made = read(bench.judge, bench.made(tasks)).features
    floor, chance, words = (frechet_distance(real, side) for side in (other, free, made))
    say(f"Fréchet: renders {floor:.3f}, unconditional {chance:.3f}, text-made {words:.3f}")
    return {
        "Fréchet, renders": floor,
        "Fréchet, unconditional": chance,
        "Fréchet, text-made": words,
        "Fréchet, text-made / unconditional": words / chance,
        "Fréchet, unconditional / renders": chance / floor,
        "kernel, unconditional": kernel_distance(real, free),
        "kernel, text-made": kernel_distance(real, made),
    }


def measure_diversity(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """The spread of what a prompt leaves open, over that of as many renders that fit the prompt.

    Sums of entropies are compared, so that attributes that hardly vary count little. Both sides
    are read by the judge and are equally many, which makes their bias the same.
    """
    rng = np.random.default_rng(7)
    images = bench.sizes.diverse_images
    spread, full = np.zeros(len(NAMES)), np.zeros(len(NAMES))
    done = 0
    while done < bench.sizes.diverse_prompts:
        task = grammar_tasks(bench.test.records, 1, (1, 2, 3)[done % 3], rng)[0]
        rows = matching(bench.train.classes, task.labels, JUDGED)
        if len(rows) < images:
            continue
        done += 1
        chosen = np.sort(rng.choice(rows, images, replace=False))
        fitting = read(bench.judge, bench.train.images(chosen.tolist()))
        made = read(bench.judge, bench.made([task] * images))
        for column, name in enumerate(NAMES):
            if name not in task.labels:
                spread[column] += entropy(made.classes[name], len(JUDGED[name]))
                full[column] += entropy(fitting.classes[name], len(JUDGED[name]))
    share = spread.sum() / full.sum() if full.sum() else float("nan")
    say(f"diversity: {share:.1%}")
    return {
        "diversity of what is not named": share,
        "attributes": {
            name: {"diversity": spread[i] / full[i]} for i, name in enumerate(NAMES) if full[i] > 0
        },
    }


def measure_time(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """The median time from words to four images, the model loaded and warm."""
    spent = []
    for i in range(13):
        began = time.perf_counter()
        bench.pipe("an old man with a white beard and round glasses", num_images=4, seed=i)
        spent.append(1000 * (time.perf_counter() - began))
    median = float(np.median(spent[3:]))
    say(f"four images: {median:.0f} ms with {torch.get_num_threads()} threads")
    return {"ms for four images": median, "threads": torch.get_num_threads()}


def markdown(results: Mapping[str, Any]) -> str:
    """The results as tables."""
    lines = ["| what | result | target |", "|---|---|---|"]
    for what, value in results.items():
        if isinstance(value, float):
            target = TARGETS.get(what)
            wanted = ""
            if target is not None:
                most = what.startswith(("Fréchet", "ms"))
                good = value <= target if most else value >= target
                wanted = f"{'≤' if most else '≥'} {_number(what, target)} {'✓' if good else '✗'}"
            lines.append(f"| {what} | {_number(what, value)} | {wanted} |")
    if held := results.get("baselines"):
        lines += ["", "| faces from | 1 named | 3 named | 5 named | 7 named | s an image | faces |"]
        lines += ["|---" * 7 + "|"]
        for what, entry in held.items():
            shares = " | ".join(f"{entry[f'{named} named']:.1%}" for named in LEVELS)
            lines.append(
                f"| {what} | {shares} | {entry['seconds an image']:.3f} | {entry['faces']} |"
            )
    if attributes := results.get("attributes"):
        columns = (*(f"{named} named" for named in LEVELS), "everyday", "diversity")
        lines += ["", f"| attribute | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for name, entry in attributes.items():
            cells = [f"{entry[column]:.1%}" if column in entry else "" for column in columns]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _number(what: str, value: float) -> str:
    if what.startswith("ms"):
        return f"{value:.0f}"
    if what.startswith(("Fréchet", "kernel")):
        return f"{value:.3g}"
    return f"{value:.1%}"


SECTIONS: Mapping[str, Callable[[Bench, Callable[[str], None]], dict[str, Any]]] = {
    "accuracy": measure_accuracy,
    "everyday": measure_everyday,
    "distance": measure_distance,
    "diversity": measure_diversity,
    "time": measure_time,
}


def run(bench: Bench, sections: Sequence[str], say: Callable[[str], None]) -> dict[str, Any]:
    """Measure some sections and join what they say of each attribute."""
    results: dict[str, Any] = {}
    attributes: dict[str, dict[str, float]] = {}
    for section in sections:
        found = SECTIONS[section](bench, say)
        for name, entry in found.pop("attributes", {}).items():
            attributes.setdefault(name, {}).update({k: float(v) for k, v in entry.items()})
        results |= {k: float(v) if isinstance(v, np.floating) else v for k, v in found.items()}
    return {**results, "attributes": attributes}


@click.command(help=__doc__)
@click.option("--model", help="A folder or hub id; the bundled model if left out.")
@click.option("--judge", type=Path, default=Path("benchmarks/judge"), show_default=True)
@click.option("--train", type=Path, default=Path("data/train"), show_default=True)
@click.option("--test", type=Path, default=Path("data/test"), show_default=True)
@click.option("--out", type=Path, default=Path("out/benchmarks"), show_default=True)
@click.option("--quick", is_flag=True, help="Fewer faces.")
@click.option(
    "--condition", help="How the text conditions the sampler; the model's own if left out."
)
@click.option("--truncation", type=float, help="ψ; the model's own if left out.")
@click.option("--shortlist", type=click.IntRange(1), help="The model's own if left out.")
@click.option("--optimised", type=click.IntRange(0), help="Prompts to optimise for; slow.")
@click.option(
    "--section", "sections", multiple=True, type=click.Choice(list(SECTIONS)), help="Only these."
)
def main(
    model: str | None,
    judge: Path,
    train: Path,
    test: Path,
    out: Path,
    quick: bool,
    condition: str | None,
    truncation: float | None,
    shortlist: int | None,
    optimised: int | None,
    sections: tuple[str, ...],
) -> None:
    sizes = QUICK if quick else Sizes()
    if optimised is not None:
        sizes = Sizes(**{**vars(sizes), "optimised": optimised})
    bench = Bench(
        TextToFace.from_pretrained(model),
        load_judge(judge),
        Renders.read(train),
        Renders.read(test),
        sizes,
        condition,
        truncation,
        shortlist,
    )
    results = run(bench, sections or list(SECTIONS), lambda line: click.echo(line, err=True))
    out.mkdir(parents=True, exist_ok=True)
    (out / "faces.json").write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    (out / "faces.md").write_text(markdown(results))
    click.echo(markdown(results))


if __name__ == "__main__":
    main()
