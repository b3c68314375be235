"""Messages and exit codes of the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from text2face.printing import printable

__all__ = ["INTERRUPTED", "fail", "note", "run_interruptible"]

INTERRUPTED: Final = 130


def fail(message: str, code: int) -> int:
    """Say in one line what went wrong."""
    note(message)
    return code


def note(message: str) -> None:
    """Say in one line on stderr what the user should know."""
    click.echo(f"text2face: {printable(' '.join(message.split()))}", err=True)


def run_interruptible(work: Callable[[], None]) -> None:
    """Do long work that says what is finished when it is interrupted."""
    try:
        work()
    except KeyboardInterrupt as error:
        raise click.exceptions.Exit(fail(str(error) or "interrupted", INTERRUPTED)) from None
