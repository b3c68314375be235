"""Train the inversion encoder of the bundled generator, on its samples and on renders; it resumes.

    python -m recipes.train_inversion --minutes 7 --out src/text2face/bundled/inversion

A render is known by its parameters, and its latent is a function of them that the generator was
trained with (`recipes.generator.train` or `.grow`). So every render of the data set has a latent to
be learnt from. Without that training's folder, the generator's own samples have to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click
import torch
from tqdm import tqdm

from recipes.generator.coarse import COARSE, read_extended
from recipes.generator.known import Known
from recipes.generator.mapping import load
from recipes.generator.shards import read
from text2face.generators.base import Generator
from text2face.inversion.encoder import InversionEncoder
from text2face.inversion.training import (
    InversionData,
    InversionStep,
    InversionTraining,
    draw_data,
    train_inversion,
)
from text2face.loading import load_component

BUNDLED = Path("src/text2face/bundled")


def read_renders(folder: Path, run: Path) -> InversionData:
    """A folder of rendered faces, with the latent of each, by the generator's training."""
    if (run / COARSE).exists():
        images, values = read_extended(folder, run)
        return InversionData(images, load(run)[1](values).half())
    pictures, rows = read(folder)
    return InversionData(cast("Any", pictures), Known.from_run(run)(torch.from_numpy(rows)).half())


def train_with_progress(
    generator: Generator,
    sources: list[InversionData],
    config: InversionTraining,
    critic: object,
    judge: object,
    checkpoint: Path | None,
) -> InversionEncoder:
    """Train under a progress bar."""
    with tqdm(total=100, desc="train", bar_format="{l_bar}{bar}| {elapsed} {postfix}") as bar:

        def report(progress: InversionStep) -> None:
            bar.n = round(100 * progress.share)
            if progress.step % 20 == 0 or progress.share == 1:
                bar.set_postfix_str(
                    f"step {progress.step}, error {progress.error:.3f}, "
                    f"{progress.images_per_second:.0f} images/s"
                )

        return train_inversion(
            generator,
            sources,
            config,
            critic=critic,  # type: ignore[arg-type]
            judge=judge,  # type: ignore[arg-type]
            checkpoint=checkpoint,
            on_step=report,
        )


@click.command(help=__doc__)
@click.option("--model", type=Path, default=BUNDLED, show_default=True)
@click.option("--renders", type=Path, default=Path("data/train"), show_default=True)
@click.option("--run", type=Path, default=Path("runs/generator"), show_default=True)
@click.option("--out", type=Path, default=BUNDLED / "inversion", show_default=True)
@click.option("--work", type=Path, default=Path("data/inversion"), show_default=True)
@click.option("--samples", type=click.IntRange(1), default=4000, show_default=True)
@click.option("--minutes", type=float, default=7.0, show_default=True)
@click.option("--image-share", type=float, default=0.25, show_default=True)
@click.option("--batch-size", type=int, default=64, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    model: Path,
    renders: Path,
    run: Path,
    out: Path,
    work: Path,
    samples: int,
    minutes: float,
    image_share: float,
    batch_size: int,
    seed: int,
) -> None:
    generator, sampler, encoder = (
        load_component(kind, model / kind) for kind in ("generator", "sampler", "encoder")
    )
    sources = []
    if renders.is_dir() and run.is_dir():
        sources.append(read_renders(renders, run))
    with tqdm(total=samples, desc="samples", unit="image") as bar:
        sources.append(
            draw_data(generator, samples, seed, on_batch=lambda made: bar.update(made - bar.n))
        )
    config = InversionTraining(
        minutes=minutes, image_share=image_share, batch_size=batch_size, seed=seed
    )
    checkpoint = work / "checkpoint.pt"
    made = train_with_progress(generator, sources, config, sampler, encoder, checkpoint)
    made.save_pretrained(out)
    click.echo(f"saved {out}")


if __name__ == "__main__":
    main()
