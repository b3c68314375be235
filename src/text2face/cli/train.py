"""The options of `pairs` and `train`; what they do is in `cli.training`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from text2face.cli.names import RegisteredName
from text2face.cli.options import Command, device_options, dtype_option, reject_options

_PATH = click.Path(path_type=Path)
_SOURCE = "folder, hub id or known name.  [default: bundled]"
_SAMPLER_OPTIONS = (
    "preset_name", "generator_source", "encoder_source", "folder", "changes", "settings", "resume",
    "texts", "sample_prompts", "no_samples", "sample_size", "name", "dtype", "tensorboard",
)  # fmt: skip
"""What `--task inversion` has no use for."""


@click.command(cls=Command, example="text2face pairs --count 16384 -o pairs")
@click.option(
    "--generator",
    "generator_source",
    help="A file, folder, hub id or known name.  [default: bundled]",
)
@click.option(
    "--encoder", "encoder_source", help="A folder, hub id or known name.  [default: bundled]"
)
@click.option("--photos", type=_PATH, help="Make pairs of the images below this folder instead.")
@click.option("--invert", help="Find the photos' latents by this model's inversion encoder.")
@click.option("--count", type=click.IntRange(1), default=16384, show_default=True)
@click.option("-o", "--out", "folder", type=_PATH, required=True, help="For the shards.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Images at once.  [default: 32, or fewer]",
)
@click.option(
    "--resolution", type=click.IntRange(4), metavar="PIXELS",
    help="What the encoder sees is drawn up to this.  [default: the least that it sees no less in]",
)  # fmt: skip
@click.option(
    "--mix", type=click.IntRange(1, 16), default=1, show_default=True,
    help="Mix the layers of up to so many latents (W+); 1 = W.",
)  # fmt: skip
@click.option("--crossovers", help="Where another latent may begin, such as 4,8.  [default: any]")
@click.option(
    "--size", type=click.IntRange(32, 1024), default=256, show_default=True,
    help="Side of stored photos.",
)  # fmt: skip
@click.option(
    "--max-skipped", type=click.IntRange(0), default=10, show_default=True,
    help="How many photos may be unreadable.",
)  # fmt: skip
@device_options
@dtype_option("bfloat16 where it is fast and the encoder sees no less")
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def pairs(**options: Any) -> None:
    """Make training pairs: latents drawn from the generator, and what the encoder sees in them.

    Shards that are there are kept. Under `torchrun -m text2face pairs` any number of processes
    makes the same files.
    """
    context = click.get_current_context()
    if options["photos"] is None:
        reject_options(context, ("invert", "size", "max_skipped"), "no --photos", "add --photos")
    else:
        names = (
            "generator_source", "count", "seed", "mix", "crossovers", "resolution", "dtype",
        )  # fmt: skip
        reject_options(context, names, "--photos", "each photo is one pair")
    if options["mix"] == 1:
        reject_options(context, ("crossovers",), "no --mix", "add --mix 2")
    from text2face.cli.training import make_pairs_command

    make_pairs_command(**options)


@click.command(cls=Command, example="text2face train --preset flow --minutes 5 -o runs")
@click.option(
    "--task", type=click.Choice(["sampler", "inversion"]), default="sampler", show_default=True
)
@click.option("--model", help="Of an inversion: a folder or hub id.  [default: bundled]")
@click.option(
    "--preset", "preset_name", type=RegisteredName("preset"), default="flow", show_default=True
)
@click.option(
    "--generator",
    "generator_source",
    help="A file, folder, hub id or known name.  [default: bundled]",
)
@click.option(
    "--encoder", "encoder_source", help="A folder, hub id or known name.  [default: bundled]"
)
@click.option("--pairs", "folder", type=_PATH, help="Of `text2face pairs`.  [default: OUT/pairs]")
@click.option(
    "--count", type=click.IntRange(1),
    help="Pairs, or samples of an inversion, to make first.  [default: 16384, 4000]",
)  # fmt: skip
@click.option("-o", "--out", type=_PATH, default="runs", show_default=True)
@click.option("--steps", type=int, help="Optimiser steps.")
@click.option(
    "--minutes", type=float, help="Without pairs; not to be resumed bit for bit.  [default: 5]"
)
@click.option("--batch-size", type=int, help="Of all processes together.  [default: preset's]")
@click.option("--learning-rate", type=float, help="At its peak.  [default: preset's]")
@click.option("--seed", type=int, help="Of everything random.  [default: 0]")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="See --settings.")
@click.option("--settings", is_flag=True, help="Show all that can be set, in this preset.")
@click.option(
    "--resume", default="none", show_default=True, metavar="auto|none|RUN",
    help="auto: the newest unfinished run with these options.",
)  # fmt: skip
@click.option("--texts", type=_PATH, help="Prompts, one a line, to find where texts lie.")
@click.option("--sample-prompts", type=_PATH, help="Prompts, one a line, of the sample grids.")
@click.option("--no-samples", is_flag=True, help="No sample grids.")
@click.option(
    "--sample-size", type=click.IntRange(16, 1024), default=256, show_default=True,
    help="Side of the faces in the sample grids.",
)  # fmt: skip
@click.option("--name", default="unnamed", help="The model's name.")
@device_options
@dtype_option("bfloat16 where it is fast and the encoder sees no less")
@click.option("--tensorboard", is_flag=True, help="Also write statistics for TensorBoard.")
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def train(
    task: str,
    model: str | None,
    count: int | None,
    changes: tuple[str, ...],
    settings: bool,
    steps: int | None,
    minutes: float | None,
    batch_size: int | None,
    learning_rate: float | None,
    seed: int | None,
    **options: Any,
) -> None:
    """Train a sampler for any generator and encoder, without text; the result is a model folder.

    OUT gets a numbered folder with checkpoints, statistics (log.jsonl), sample grids and, in the
    end, the model. Under `torchrun -m text2face train` processes share each batch.

    With --task inversion, OUT/inversion becomes the encoder that finds latents for pictures; put it
    into the model's folder.
    """
    given = {
        "steps": steps,
        "minutes": minutes,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    if task == "inversion":
        from text2face.cli.inversion import run

        reject_options(click.get_current_context(), _SAMPLER_OPTIONS, "--task inversion")
        chosen = {name: value for name, value in given.items() if value is not None}
        kept = {name: options[name] for name in ("device", "dry_run", "quiet")}
        run(model, options["out"] / "inversion", count or 4000, chosen, **kept)
        return
    reject_options(
        click.get_current_context(),
        {"model"},
        "--task sampler",
        "give --generator and --encoder",
    )
    if options["folder"] is not None:
        reject_options(click.get_current_context(), ("count",), "--pairs", "all of them are used")
    if options["no_samples"]:
        names = ("sample_prompts", "sample_size")
        reject_options(click.get_current_context(), names, "--no-samples")
    from text2face.cli.training import parse_changes, show_settings, train_command

    if settings:
        show_settings(options["preset_name"])
        return
    train_command(changes=parse_changes(changes, **given), count=count or 16384, **options)
