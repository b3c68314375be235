"""Text files of users, in any Unicode encoding with a byte order mark, else UTF-8."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from text2face.errors import ArgumentError, PromptError

__all__ = ["open_text", "read_prompts", "read_text"]

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAVE: Final = "save it as UTF-8 text"


@contextmanager
def open_text(path: Path, what: str = "a text file", name: str | None = None) -> Iterator[IO[str]]:
    """Open a text file; what its first bytes do not tell otherwise is UTF-8.

    Line ends stay as they are: `newline=""`, as the csv module wants it.

    Args:
        path: Which.
        what: What is expected, for errors.
        name: What errors call it; None = its path.

    Raises:
        ArgumentError: It cannot be read, or is no text; also while it is read.
    """
    name = name or str(path)
    try:
        with path.open("rb") as file:
            encoding = _encoding(file.read(4))
            file.seek(0)
            with io.TextIOWrapper(file, encoding=encoding, newline="") as text:
                yield text
    except UnicodeError as error:
        raise ArgumentError(f"{_no_text(name, error)}; expected {what}; {_SAVE}") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ArgumentError(f"cannot read {name}: {why}; expected {what}") from None


def read_text(source: Path | str, what: str = "a text file", name: str | None = None) -> str:
    """All of a text file; "-" is the standard input. Arguments as for `open_text`.

    Raises:
        ArgumentError: It cannot be read, or is no text.
    """
    if source == "-":
        name = "the standard input"
        try:
            content = sys.stdin.buffer.read()
            text = content.decode(_encoding(content[:4]))
        except UnicodeError as error:
            raise ArgumentError(f"{_no_text(name, error)}; expected {what}; {_SAVE}") from None
        except (OSError, AttributeError) as error:  # closed, so that there is none
            raise ArgumentError(
                f"cannot read the standard input ({error}); expected {what}"
            ) from None
    else:
        name = name or str(source)
        with open_text(Path(source), what, name) as file:
            text = file.read()
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ArgumentError(
            f"a zero byte in line {line} of {name}; expected {what}; {_SAVE} (UTF-16 is known by "
            "its first bytes, FF FE)"
        )
    return text


def read_prompts(source: Path | str) -> list[str]:
    """The prompts of a text file, one a line; empty lines and lines that begin with # are none.

    Only line feeds and carriage returns end a line: other separators of Unicode are white space.

    Args:
        source: A path; "-" is the standard input.

    Raises:
        ArgumentError: It cannot be read, or is no text.
        PromptError: There is none in it.
    """
    text = read_text(source, "a text file with one prompt a line", f"the prompts in {source}")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    stripped = (line.strip().lstrip("\ufeff") for line in lines)  # a mark between joined files
    wanted = [line for line in stripped if line and not line.startswith("#")]
    if not wanted:
        raise PromptError(f"no prompt in {source}; expected one a line")
    return wanted


def _encoding(first: bytes) -> str:
    return next((name for mark, name in _MARKS if first.startswith(mark)), "utf-8")


def _no_text(name: str, error: UnicodeError) -> str:
    verb = "are" if name.startswith("the prompts") else "is"
    if isinstance(error, UnicodeDecodeError):
        return f"{name} {verb} not {error.encoding.upper()} (byte {error.start})"
    return f"{name} {verb} not text ({error})"
