"""`text2face train --task inversion`: an inversion encoder for a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from text2face.inversion.training import Report

__all__ = ["run"]


def run(
    model: str | None,
    out: Path,
    samples: int = 4000,
    minutes: float = 7.0,
    steps: int | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> None:
    """Train the encoder that finds a latent for a picture, on samples of the generator.

    The state is kept beside `out`, and the same command goes on from it.

    Args:
        model: A folder or hub id; None = the bundled one.
        out: The component folder; `inversion/` of the model to be found there.
        samples: Images drawn by the generator to learn from.
        minutes: Time, over all runs.
        steps: Steps instead of minutes.
        seed: Of everything random.
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
    from text2face.storage.folders import check_writable

    config = InversionTraining(minutes=minutes, steps=steps, seed=seed)
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
            [drawn],
            config,
            critic=pipe.sampler if isinstance(pipe.sampler, LatentCritic) else None,
            judge=pipe.encoder,
            checkpoint=out.with_name(f"{out.name}.checkpoint"),
            on_step=report,
        )
    encoder.save_pretrained(out)
