"""`text2face train --task inversion`: an inversion encoder for a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from text2face.errors import ArgumentError, quoted

if TYPE_CHECKING:
    from text2face.inversion.training import InversionStep

__all__ = ["run"]


def run(
    model: str | None,
    out: Path,
    samples: int,
    given: Mapping[str, Any],
    *,
    device: str = "auto",
    dry_run: bool = False,
    quiet: bool = False,
) -> None:
    """Train the encoder that finds a latent for a picture, on samples of the generator.

    The state is kept beside `out`, and the same command goes on from it.

    Args:
        model: A folder or hub id; None = the bundled one.
        out: The component folder; `inversion/` of the model to be found there.
        samples: Images drawn by the generator to learn from.
        given: Fields of `InversionTraining` that differ from its defaults.
        device: "auto" or "cpu": it trains on the CPU.
        dry_run: Check everything, write nothing.
        quiet: No progress.

    Raises:
        ArgumentError: A value is out of range.
        CheckpointError: The model or the checkpoint is damaged.
        OutputError: It cannot be written.
    """
    from tqdm import tqdm

    from text2face.inversion.training import InversionTraining, draw_data
    from text2face.inversion.training import train_inversion as train
    from text2face.pipeline import TextToFace
    from text2face.samplers.base import LatentCritic
    from text2face.storage.locks import hold

    config = InversionTraining(**given)
    if device not in ("auto", "cpu"):
        raise ArgumentError(
            f"--device is {quoted(device)} and --task inversion trains on the CPU; expected auto "
            "or cpu; leave it out"
        )
    pipe = TextToFace.from_pretrained(model)
    if dry_run:
        if not quiet:
            click.echo(f"{samples} samples, {config}, into {out}; nothing was written", err=True)
        return
    hidden = True if quiet else None
    with hold(out.parent, out.name):
        with tqdm(total=samples, desc="samples", unit="image", disable=hidden) as bar:
            drawn = draw_data(
                pipe.generator,
                samples,
                config.seed,
                on_batch=lambda made: bar.update(made - bar.n),
            )
        layout = "{l_bar}{bar}| {postfix}"
        with tqdm(total=100, desc="train", disable=hidden, bar_format=layout) as bar:

            def report(progress: InversionStep) -> None:
                bar.n = round(100 * progress.share)
                if progress.step % 20 == 0 or progress.share == 1:
                    bar.set_postfix_str(
                        f"step {progress.step}, error {progress.error:.3f}, "
                        f"{progress.images_per_second:.0f} images/s"
                    )

            encoder = train(
                pipe.generator,
                [drawn],
                config,
                critic=pipe.sampler if isinstance(pipe.sampler, LatentCritic) else None,
                judge=pipe.encoder,
                checkpoint=out.with_name(f"{out.name}.checkpoint"),
                on_step=report,
            )
        encoder.save_pretrained(out)
    click.echo(str(out))
