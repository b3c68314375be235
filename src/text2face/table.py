"""A table of prompts: a CSV file, read row by row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from text2face.errors import ArgumentError, PromptError
from text2face.settings import check_seed
from text2face.storage.texts import open_text

__all__ = ["Row", "read_rows"]

_NAMES: Final = ("prompt", "seed")
_KIND: Final = "a CSV file with a column named prompt"


@dataclass(frozen=True)
class Row:
    """One image to draw."""

    index: int
    prompt: str
    seed: int
    attributes: dict[str, str]
    """The other columns of the table."""


def read_rows(table: Path, seed: int = 0, start: int = 0, stop: int | None = None) -> Iterator[Row]:
    """Read a CSV file with a header, row by row.

    Args:
        table: With a column `prompt`, perhaps a column `seed`; other columns are kept. Empty lines
            are no rows.
        seed: Row i without a seed of its own has seed + i.
        start: The first row to give.
        stop: The first row not to give; None = all.

    Raises:
        ArgumentError: It is no such table, a seed is none, or quotes do not match.
        PromptError: A prompt is empty.
    """
    with open_text(table, _KIND) as file:
        reader = csv.reader(file, strict=True)
        try:
            names = [name.strip() for name in next(reader, [])]
            _check_header(table, names)
            index = 0
            for cells in reader:
                if not cells:
                    continue
                if stop is not None and index >= stop:
                    return
                if index >= start:
                    yield _row(table, names, cells, index, seed)
                index += 1
        except csv.Error as error:
            raise ArgumentError(
                f"{table} is no CSV file: {error}, at line {reader.line_num}; expected a quote at "
                'both ends of a cell, and "" for a quote inside'
            ) from None


def _check_header(table: Path, names: list[str]) -> None:
    if "prompt" not in names:
        raise ArgumentError(
            f"{table} has the columns {names[:20]}, expected one named prompt in the first line, "
            "with commas between columns"
        )
    for name in names:
        if name and names.count(name) > 1:
            raise ArgumentError(f"{table} has two columns named {name!r}; expected one of each")


def _row(table: Path, names: list[str], cells: list[str], index: int, seed: int) -> Row:
    where = f"row {index + 1} of {table}"
    if any(cells[len(names) :]):
        raise ArgumentError(
            f"{where} has {len(cells)} cells, expected at most {len(names)} as in the first line; "
            'put quotes round a prompt with a comma: "old, with a hat"'
        )
    values = dict(zip(names, cells, strict=False))
    prompt = values["prompt"].strip() if len(cells) > names.index("prompt") else ""
    if not prompt:
        raise PromptError(f"{where} has no prompt; expected one")
    if "\n" in prompt or "\r" in prompt:
        raise ArgumentError(
            f"{where} has a prompt of several lines; expected one line; a quote is not closed, or "
            "put the prompt on one line"
        )
    given = values.get("seed", "").strip()
    if given and not given.isdecimal():
        raise ArgumentError(f"{where} has the seed {given[:40]!r}, expected a whole number")
    try:
        chosen = check_seed(int(given) if given else seed + index)
    except ValueError as error:  # out of range, or of thousands of digits
        raise ArgumentError(f"{where}: {str(error)[:100]}") from None
    others = {
        name: value for name, value in values.items() if name and name not in _NAMES and value
    }
    return Row(index, prompt, chosen, others)
