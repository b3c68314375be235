"""Everything that text2face raises on purpose, as one tree.

    Text2FaceError
    ├── PromptError       a prompt that cannot be read, or that says nothing the encoder knows
    ├── ArgumentError     a setting out of range or of the wrong type (a ValueError too)
    ├── InversionError    a picture that cannot become a latent: no face, no encoder, too small
    ├── CheckpointError   weights that are missing, damaged, of another shape, or out of reach
    ├── TrainingError     a training that cannot go on: its numbers are no longer finite
    └── OutputError       a result that cannot be written: folder, existing file, full disk

Each message is one line that says what is wrong, what was got, what was expected and what to do.
Much of what a message quotes comes from files of others: `quoted` and `one_line` escape and shorten
it, and every error passes its message through `one_line` once more.
"""

from __future__ import annotations

import dataclasses
import reprlib
from typing import Final

__all__ = [
    "ArgumentError",
    "CheckpointError",
    "InversionError",
    "OutputError",
    "PromptError",
    "Text2FaceError",
    "TrainingError",
]

_MAX_TEXT: Final = 80
_MAX_LINE: Final = 1500


class _Short(reprlib.Repr):
    """Values of any size and depth in at most a few hundred characters."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 6

    def repr_str(self, x: str, level: int) -> str:
        """Text: escaped as in Python's source code."""
        return repr(x) if len(x) <= _MAX_TEXT else repr(x[: _MAX_TEXT - 3]) + "…"

    def repr_int(self, x: int, level: int) -> str:
        """Numbers; the interpreter does not write out those of thousands of digits."""
        return repr(x) if x.bit_length() < 256 else f"an integer of {x.bit_length()} bits"

    def repr_instance(self, x: object, level: int) -> str:
        """Other objects: what a dataclass holds, or the name of the type."""
        name = type(x).__name__
        if not dataclasses.is_dataclass(x) or level <= 0:
            return repr(x) if isinstance(x, float | bool | None) else name
        held = (f"{f.name}={self.repr1(getattr(x, f.name), level - 1)}"
                for f in dataclasses.fields(x) if f.repr)  # fmt: skip
        return f"{name}({', '.join(held)})"


_short = _Short()


def quoted(value: object) -> str:
    """A value from outside as it may stand in a message: escaped, and short whatever it is.

    A list that holds itself twice, forty times over, is a few bytes in a file and 10¹² characters
    as text: at most two levels of it are shown.
    """
    return one_line(_short.repr(value))


def one_line(text: object) -> str:
    """Text as it may be printed: one line, control characters escaped, the middle of much cut."""
    line = str(text)
    if len(line) > _MAX_LINE:
        line = f"{line[: _MAX_LINE // 2]} … {line[-_MAX_LINE // 4 :]}"
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out: Python's, that of torch's tensors, or that of a GPU."""
    if isinstance(error, MemoryError):
        return True
    kinds = {kind.__name__ for kind in type(error).__mro__}
    said = ("can't allocate memory", "not enough memory")  # torch's, of a CPU
    return isinstance(error, RuntimeError) and (
        "OutOfMemoryError" in kinds or any(part in str(error) for part in said)
    )


class Text2FaceError(Exception):
    """The root of the tree: catch this to catch them all."""

    def __init__(self, message: object = "") -> None:
        """Take the message, made fit for one line of a terminal."""
        super().__init__(one_line(message))


class PromptError(Text2FaceError):
    """A prompt that cannot be read, or in which the encoder knows no word."""


class ArgumentError(Text2FaceError, ValueError):
    """A setting out of range or of the wrong type."""


class InversionError(Text2FaceError):
    """A picture that cannot become a latent: no face in it, too small, or nothing to encode it."""


class CheckpointError(Text2FaceError):
    """Weights or their configuration: missing, damaged, of another shape, or out of reach."""


class TrainingError(Text2FaceError):
    """A training that cannot go on: its numbers are no longer finite."""


class OutputError(Text2FaceError):
    """A result that cannot be written."""
