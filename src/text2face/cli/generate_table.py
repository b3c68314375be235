"""`text2face generate --prompts big.csv`: a table of prompts, by one process or by torchrun."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from text2face.cli.models import prepare
from text2face.errors import PromptError
from text2face.printing import printable

__all__ = ["run"]


def run(table: Path, given: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Draw the faces of a CSV file that are missing in --outdir.

    Args:
        table: The CSV file.
        given: The `Settings` that were given, by name.
        options: The other options of `text2face generate`.

    Raises:
        ArgumentError: The table, a setting or the device is wrong.
        KeyboardInterrupt: With a message that says how many faces are finished.
    """
    import torch
    from tqdm import tqdm

    from text2face.bulk import BulkJob
    from text2face.loading import choose_device
    from text2face.pipeline import TextToFace
    from text2face.precision import number_type
    from text2face.samplers.conditions import check_condition
    from text2face.settings import Settings
    from text2face.table import read_rows
    from text2face.templates import prompts_of
    from text2face.training.distributed import world

    rank, processes = world()
    choose_device(options["device"])
    settings = Settings(**given)
    check_condition(settings.condition)
    for row in read_rows(table, options["seed"] or 0):  # before the model, which takes longer
        try:
            (prompt,) = prompts_of(row.prompt, [row.seed], settings, options["library"])
        except PromptError as error:
            raise PromptError(f"row {row.index + 1} of {table}: {error}") from None
        if options["dry_run"]:
            click.echo(f"seed {row.seed}  {printable(prompt.text)}")
    if options["dry_run"]:
        return
    # One thread in each process: their number changes the last bits of an image.
    torch.set_num_threads(1)
    chosen = {name: options[name] for name in ("accept_licence", "offline", "quiet")}
    prepare(options["model"], **chosen)
    pipe = TextToFace.from_pretrained(options["model"])
    pipe.library = options["library"]
    pipe.to(options["device"], number_type(options["dtype"]))
    job = BulkJob(
        table,
        options["outdir"],
        dict(given),
        seed=options["seed"] or 0,
        shard_size=options["shard_size"],
        tar=options["tar"],
        duplicates=options["duplicates"],
        rank=rank,
        processes=processes,
    )
    finished = 0
    quiet = True if options["quiet"] else None
    with tqdm(unit="face", disable=quiet, desc=f"{rank + 1}/{processes}") as bar:

        def report(count: int) -> None:
            nonlocal finished
            finished = count
            bar.update(count - bar.n)

        try:
            manifest = job.run(pipe, report)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted: {finished} faces are finished, in {job.outdir}; the same command "
                "goes on"
            ) from None
    if manifest is not None and not options["quiet"]:
        click.echo(str(manifest), file=sys.stdout)
