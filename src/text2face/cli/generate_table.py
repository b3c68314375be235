"""`text2face generate --prompts big.csv`: a table of prompts, by one process or by torchrun."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from text2face.cli.models import prepare
from text2face.errors import ArgumentError

__all__ = ["run"]

_REFUSED = ("save_latents", "grid", "candidates", "keep", "seeds", "from_image", "num_images")


def run(table: Path, given: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Draw the faces of a CSV file that are missing in --outdir.

    Args:
        table: The CSV file.
        given: The `Settings` that were given, by name.
        options: The other options of `text2face generate`.

    Raises:
        ArgumentError: An option does not go with a table.
        KeyboardInterrupt: With a message that says how many faces are finished.
    """
    odd = [name for name in _REFUSED if options.get(name)]
    if odd:
        raise ArgumentError(
            f"--{odd[0].replace('_', '-')} does not go with a table of prompts; expected one row "
            "of the table for each face; leave it out"
        )
    import torch
    from tqdm import tqdm

    from text2face.bulk import BulkJob
    from text2face.pipeline import TextToFace
    from text2face.training.distributed import world

    rank, processes = world()
    # One thread in each process: their number changes the last bits of an image.
    torch.set_num_threads(1)
    chosen = {name: options[name] for name in ("accept_licence", "offline", "quiet")}
    prepare(options["model"], **chosen)
    pipe = TextToFace.from_pretrained(options["model"])
    pipe.to(options["device"], getattr(torch, options["dtype"] or "float32"))
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
