"""`text2face words`: the words that a model knows."""

from __future__ import annotations

import json
import textwrap
from typing import Final

import click

from text2face.cli.options import Command
from text2face.errors import ArgumentError

__all__ = ["words"]

_WIDTH: Final = 88


@click.command(cls=Command, example="text2face words --about hair")
@click.option("--encoder", help="A folder, hub id or known name.  [default: bundled]")
@click.option("--about", help="Only the words that speak of this, such as hair.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def words(encoder: str | None, about: str | None, as_json: bool) -> None:
    """List the words that say something about a face, by what they speak of.

    Other forms of them (plurals, typing errors) and many words beside them are read too.
    """
    from text2face.cli.training import load_any_encoder
    from text2face.encoders.base import WordEncoder

    loaded = load_any_encoder(encoder)
    if not isinstance(loaded, WordEncoder) or not loaded.known_words():
        raise ArgumentError("this encoder has no list of words; it reads any text")
    known = loaded.known_words()
    if about is not None and about not in known:
        raise ArgumentError(f"no words about {about!r}; expected one of {', '.join(known)}")
    chosen = known if about is None else {about: known[about]}
    if as_json:
        click.echo(json.dumps(chosen, ensure_ascii=False))
        return
    for name, found in chosen.items():
        click.echo(name)
        listed = ", ".join(found)
        click.echo(textwrap.fill(listed, _WIDTH, initial_indent="  ", subsequent_indent="  "))
