"""`text2face info`: the provenance of an image."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from text2face.cli.options import Command
from text2face.errors import OutputError
from text2face.printing import printable

if TYPE_CHECKING:
    from text2face.provenance import Report

__all__ = ["info"]


@click.command(cls=Command, example="text2face info faces/seed0007.png")
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, or one for each face.")
def info(image: Path, as_json: bool) -> None:
    """Show how an image was made, and check that all it says of itself holds.

    `generate --from-image` draws it again. The exit code is 1 if something does not hold: the mark
    of generated images is missing, texts contradict each other, another program changed the
    pixels, or a C2PA signature is broken.
    """
    from text2face import provenance

    report = provenance.inspect(image)
    if report.pixels == provenance.UNKNOWN_PIXELS:
        report = _drawn_again(image, report)
    about = {
        "digital_source_type": (report.source_type or "").rpartition("/")[2] or None,
        "pixels": report.pixels,
        "content_credentials": report.credentials,
    }
    for facts in [report.edited] if report.edited else map(asdict, report.records):
        if as_json:
            click.echo(json.dumps({**facts, **about, "problems": report.problems}))
            continue
        facts |= facts.pop("settings", {}) | about
        for name, value in facts.items():
            if value is not None:
                click.echo(f"{printable(name)}: {printable(value)}")
    if report.problems:
        raise OutputError(f"{image}: {'; '.join(report.problems)}")


def _drawn_again(image: Path, report: Report) -> Report:
    """What a file says that keeps no sum of its pixels, held against what its record draws.

    Only the model that comes with the package is asked.
    """
    from text2face.editing.records import latent_from_record
    from text2face.pictures import open_image, read_file, read_picture
    from text2face.pipeline import TextToFace

    if open_image(read_file(image), str(image), moving=True).format == "GIF":
        return report
    found = latent_from_record(TextToFace.from_pretrained(), read_picture(image))
    if found.changed:
        problem = "the pixels are not those that the record draws: another program changed them"
        return replace(report, pixels="changed", problems=[*report.problems, problem])
    return report if found.latent is None else replace(report, pixels="as the record draws them")
