"""`text2face train-inversion`: an inversion encoder for a model, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from text2face.errors import ArgumentError

if TYPE_CHECKING:
    from text2face.inversion.training import InversionData, Report

__all__ = ["run", "train_inversion"]


@click.command("train-inversion")
@click.option("--model", help="A folder or hub id.  [default: bundled]")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="inversion/")
@click.option("--samples", type=int, default=4000, show_default=True, help="Drawn to learn from.")
@click.option("--minutes", type=float, default=7.0, show_default=True, help="Over all runs.")
@click.option("--steps", type=int, help="Steps instead of minutes.")
@click.option("--image-share", type=float, default=0.25, show_default=True, help="See e4e.")
@click.option("--images", type=click.Path(path_type=Path), help="uint8 .npy [N, H, W, 3].")
@click.option("--latents", type=click.Path(path_type=Path), help="Theirs, .npy [N, w_dim].")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def train_inversion(
    model: str | None,
    out: Path,
    samples: int,
    minutes: float,
    steps: int | None,
    image_share: float,
    images: Path | None,
    latents: Path | None,
    seed: int,
    quiet: bool,
) -> None:
    """Train the encoder that finds a latent for a picture, on samples of the generator.

    The state is kept in OUT.checkpoint and the same command goes on from it.
    """
    run(model, out, samples, minutes, steps, image_share, images, latents, seed, quiet)
    click.echo(str(out))


def run(
    model: str | None,
    out: Path,
    samples: int = 4000,
    minutes: float = 7.0,
    steps: int | None = None,
    image_share: float = 0.25,
    images: Path | None = None,
    latents: Path | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> None:
    """Train the inversion encoder of a model and save it; for `text2face train --task inversion`.

    Args:
        model: A folder or hub id; None = the bundled one.
        out: The component folder; `inversion/` of the model to be found there.
        samples: Images drawn by the generator to learn from.
        minutes: Time, over all runs.
        steps: Steps instead of minutes.
        image_share: The last part of the training, in which images are compared.
        images: Further images, uint8 [N, H, W, 3] as .npy.
        latents: Their latents, [N, w_dim] as .npy.
        seed: Of everything random.
        quiet: No progress.

    Raises:
        ArgumentError: A value is out of range, or images come without latents.
        CheckpointError: The model or the checkpoint is damaged.
        OutputError: It cannot be written.
    """
    from tqdm import tqdm

    from text2face._folders import check_writable
    from text2face.inversion.training import InversionTraining, draw_data
    from text2face.inversion.training import train_inversion as train
    from text2face.pipeline import TextToFace
    from text2face.samplers.base import LatentCritic

    config = InversionTraining(minutes=minutes, steps=steps, image_share=image_share, seed=seed)
    known = _read(images, latents)
    check_writable(out.parent)
    pipe = TextToFace.from_pretrained(model)
    hidden = True if quiet else None
    with tqdm(total=samples, desc="samples", unit="image", disable=hidden) as bar:
        drawn = draw_data(
            pipe.generator, samples, seed, on_batch=lambda made: bar.update(made - bar.n)
        )
    with tqdm(total=100, desc="train", disable=hidden, bar_format="{l_bar}{bar}| {postfix}") as bar:

        def report(progress: Report) -> None:
            bar.n = round(100 * progress.share)
            if progress.step % 20 == 0 or progress.share == 1:
                bar.set_postfix_str(
                    f"step {progress.step}, error {progress.error:.3f}, "
                    f"{progress.images_per_second:.0f} images/s"
                )

        encoder = train(
            pipe.generator,
            [*known, drawn],
            config,
            critic=pipe.sampler if isinstance(pipe.sampler, LatentCritic) else None,
            judge=pipe.encoder,
            checkpoint=out.with_name(f"{out.name}.checkpoint"),
            on_step=report,
        )
    encoder.save_pretrained(out)


def _read(images: Path | None, latents: Path | None) -> list[InversionData]:
    if (images is None) != (latents is None):
        raise ArgumentError("--images and --latents go together; one of them is missing")
    if images is None or latents is None:
        return []
    import numpy as np
    import torch

    from text2face.inversion.training import InversionData

    try:
        pixels = np.load(images, mmap_mode="r", allow_pickle=False)
        codes = np.load(latents, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArgumentError(
            f"cannot read {images} and {latents} ({error}); expected .npy files"
        ) from None
    if pixels.dtype != np.uint8:
        raise ArgumentError(f"{images} holds {pixels.dtype}, expected uint8")
    return [InversionData(pixels, torch.from_numpy(codes))]
