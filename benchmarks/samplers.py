"""Compare ways to train the sampler and ways to condition it: accuracy, diversity, distance.

Each variant is trained for `--minutes` on the same pairs, and every condition is tried with it,
with every length of the shortlist.

    python -m benchmarks.samplers --variants compact,flow --conditions text,draw+pull --minutes 5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.faces import Bench, Sizes, measure_diversity, measure_everyday
from benchmarks.measures import Renders, caption_tasks
from recipes.faces.attributes import JUDGED
from recipes.measures import load_judge
from recipes.train_sampler import collect_pairs, read_texts, train_with_progress
from text2face import TextToFace
from text2face.evaluation.judge import read
from text2face.evaluation.metrics import frechet_distance
from text2face.evaluation.tasks import count_right, share_right
from text2face.loading import load_component
from text2face.training import PRESETS, make_bank, preset
from text2face.training.pseudo_text import PseudoTextConfig

MEANS = PseudoTextConfig(average=0.7, dropout=0.05)
# A preset, and what differs from it.
VARIANTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in PRESETS},
    "plain": ("compact", {"shape": {"architecture": "plain", "depth": 4}}),
    "no-consistency": ("compact", {"consistency": 0.0}),
    "noise": ("compact", {"consistency": 0.0, "pseudo_text": PseudoTextConfig(noise=1.0)}),
    "means": ("compact", {"consistency": 0.0, "pseudo_text": MEANS}),
    "means+noise": ("compact", {"consistency": 0.0, "pseudo_text": replace(MEANS, noise=0.5)}),
    "means+consistency": ("compact", {"pseudo_text": MEANS}),
    "beta2": ("compact", {"kl": 2.0}),
    "beta0.5": ("compact", {"kl": 0.5}),
    "no-energy": ("compact", {"energy": 0.0, "consistency": 1.0}),
    "flow-8": ("flow", {"shape": {"steps": 8}}),
    "flow-plain": ("flow", {"consistency": 0.0}),
    "flow-lean": ("flow", {"consistency_batch": 64}),
    "flow-guided": ("flow", {"shape": {"guidance": 1.5}}),
}


COLUMNS = (
    "sampler", "condition", "shortlist", "1 named", "3 named", "5 named", "everyday", "diversity",
    "Fréchet ratio",
)  # fmt: skip


def compare(bench: Bench, conditions: list[str], shortlists: list[int], label: str) -> None:
    """Print one line for each condition and length of the shortlist."""
    count = bench.sizes.frechet
    real = read(bench.judge, bench.test.images(range(count))).features
    free = read(bench.judge, bench.at_random(count)).features
    chance = frechet_distance(real, free)
    tasks = caption_tasks(bench.test.records, count, np.random.default_rng(0))
    for condition, shortlist in product(conditions, shortlists):
        tried = replace(bench, condition=condition, shortlist=shortlist)
        shares = []
        for named in (1, 3, 5):
            asked = tried.tasks(named)
            reading = read(bench.judge, tried.made(asked))
            shares.append(share_right(count_right(asked, reading, JUDGED)))
        shares.append(measure_everyday(tried, lambda line: None)["accuracy, everyday words"])
        ratio = frechet_distance(real, read(bench.judge, tried.made(tasks)).features) / chance
        spread = measure_diversity(tried, lambda line: None)["diversity of what is not named"]
        cells = " | ".join(f"{share:6.1%}" for share in shares)
        click.echo(
            f"| {label} | {condition} | {shortlist} | {cells} | {spread:6.1%} | {ratio:.2f} |"
        )


@click.command(help=__doc__)
@click.option("--model", type=Path, default=Path("src/text2face/bundled"), show_default=True)
@click.option("--judge", type=Path, default=Path("benchmarks/judge"), show_default=True)
@click.option("--train", type=Path, default=Path("data/train"), show_default=True)
@click.option("--test", type=Path, default=Path("data/test"), show_default=True)
@click.option("--work", type=Path, default=Path("data/sampler"), show_default=True)
@click.option(
    "--variants", default=",".join(VARIANTS), help='Also "saved": the model\'s own sampler.'
)
@click.option("--conditions", default="text,shift,project,shift+project,shift+neighbours+pull")
@click.option("--shortlists", default="1", show_default=True, help="Such as 1,4,16.")
@click.option("--minutes", type=float, default=1.0, show_default=True)
@click.option("--pairs", "pair_count", type=int, default=50_000, show_default=True)
@click.option("--bank", "bank_size", type=int, default=10_000, show_default=True)
@click.option("--prompts", type=int, default=150, show_default=True)
@click.option(
    "--faces", type=int, default=1000, show_default=True, help="For the Fréchet distance."
)
@click.option("--diverse", type=(int, int), default=(6, 50), help="Prompts, and faces of each.")
@click.option("--truncation", type=float)
def main(
    model: Path,
    judge: Path,
    train: Path,
    test: Path,
    work: Path,
    variants: str,
    conditions: str,
    shortlists: str,
    minutes: float,
    pair_count: int,
    bank_size: int,
    prompts: int,
    faces: int,
    diverse: tuple[int, int],
    truncation: float | None,
) -> None:
    names = variants.split(",")
    if unknown := [name for name in names if name not in {*VARIANTS, "saved"}]:
        raise click.BadParameter(
            f"unknown {unknown[0]}, expected some of saved, {', '.join(VARIANTS)}"
        )
    generator = load_component("generator", model / "generator")
    encoder = load_component("encoder", model / "encoder")
    renders, held_out = Renders.read(train), Renders.read(test)
    pairs = collect_pairs(generator, encoder, work / "pairs", pair_count, 0, 32)
    bank = make_bank(pairs, encoder, read_texts(None, train / "records.jsonl"), bank_size)
    click.echo(f"| {' | '.join(COLUMNS)} |")
    click.echo("|---" * len(COLUMNS) + "|")
    for name in names:
        if name == "saved":
            sampler = load_component("sampler", model / "sampler")
        else:
            base, changes = VARIANTS[name]
            config = preset(base, minutes=minutes, **changes)
            trained = train_with_progress(config, generator, encoder, pairs)
            sampler = trained.with_bank(bank)
            sampler.save_pretrained(work / "variants" / name)
        bench = Bench(
            TextToFace(encoder, sampler, generator),
            load_judge(judge),
            renders,
            held_out,
            Sizes(prompts, faces, *diverse),
            truncation=truncation,
        )
        compare(bench, conditions.split(","), list(map(int, shortlists.split(","))), name)


if __name__ == "__main__":
    main()
