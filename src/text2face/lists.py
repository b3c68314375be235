"""What templates draw on: a folder of lists, and a file of styles.

Names of lists and styles come from prompts, so from strangers: only files that lie in the folder,
with plain names in .txt and of limited size, are opened.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from text2face.errors import ArgumentError, PromptError, quoted
from text2face.prompts import MAX_CHARACTERS
from text2face.storage.texts import open_text, read_text

__all__ = ["NO_LISTS", "Library", "Style", "read_styles"]

MAX_BYTES: Final = 1 << 20
MAX_LINES: Final = 20_000
MAX_STYLES: Final = 5_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*){0,4}")
_SHOWN: Final = 12
_SLOT: Final = "{prompt}"
_STYLE_KEYS: Final = {
    "name", "prompt", "positive_prompt", "prefix", "suffix", "negative", "negative_prompt", "type",
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """What a name adds to a prompt and to a negative prompt."""

    prompt: str = _SLOT
    """With {prompt} where the prompt goes."""
    negative: str | None = None


class Library:
    """Lists and styles by name.

    ```python
    pipe.library = Library("lists", styles="styles.csv")
    out = pipe("a __mood__ woman with {red|black} hair", num_images=4, seed=7, styles="portrait")
    out[0].prompt, out[0].template
    ```
    """

    def __init__(self, folder: Path | str | None = None, styles: Path | str | None = None) -> None:
        """Take a folder of lists, NAME.txt with a choice a line, and a file of styles.

        Raises:
            ArgumentError: There is no such folder, or the styles are damaged.
        """
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None and not self.folder.is_dir():
            raise ArgumentError(
                f"no folder {folder}; expected one of lists, such as hair.txt with a choice a line"
            )
        self.styles = {} if styles is None else read_styles(Path(styles))
        self._lines: dict[str, tuple[str, ...]] = {}
        self._checked: set[str] = set()

    @property
    def names(self) -> list[str]:
        """The names of the lists."""
        found = []
        for path in sorted(self.folder.rglob("*.txt")) if self.folder else ():
            name = path.relative_to(self.folder or path).with_suffix("").as_posix()
            if _NAME.fullmatch(name):
                found.append(name)
        return found

    @property
    def digest(self) -> str | None:
        """A name of the styles and of all lists that were read; None if there are none."""
        if not self._lines and not self.styles:
            return None
        told = [self._lines, {name: vars(style) for name, style in self.styles.items()}]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def lines(self, name: str) -> tuple[str, ...]:
        """The choices of a list; they are read once.

        Raises:
            PromptError: There is no such list, or it is too large, empty or no text.
        """
        if name not in self._lines:
            self._lines[name] = self._read(name)
        return self._lines[name]

    def checked(self, name: str) -> bool:
        """Whether all lines of a list are known to be templates."""
        return name in self._checked

    def mark(self, name: str) -> None:
        """Remember that all lines of a list are templates."""
        self._checked.add(name)

    def style(self, prompt: str, negative: str | None, names: str) -> tuple[str, str | None]:
        """A prompt and a negative prompt with what styles add to them.

        Args:
            prompt: What is wanted.
            negative: What is not wanted.
            names: One style, or several with commas between, in order.

        Raises:
            PromptError: There is no such style.
        """
        wanted = [names] if names in self.styles else [one.strip() for one in names.split(",")]
        unwanted = [negative] if negative else []
        for name in wanted:
            if name not in self.styles:
                raise PromptError(
                    f"no style {quoted(name)}; expected {_some(list(self.styles), 'styles')}"
                )
            style = self.styles[name]
            prompt = style.prompt.replace(_SLOT, prompt)
            unwanted += [style.negative] if style.negative else []
        return prompt, ", ".join(unwanted) or None

    def _read(self, name: str) -> tuple[str, ...]:
        path = None
        if self.folder is not None and _NAME.fullmatch(name):
            path = self.folder / f"{name}.txt"
            root = self.folder.resolve()
            if not path.is_file() or not path.resolve().is_relative_to(root):
                path = None
        if path is None:
            raise PromptError(
                f"no list {quoted(name)}; expected {_some(self.names, 'lists')}; write \\__ for "
                "the characters themselves"
            )
        if path.stat().st_size > MAX_BYTES:
            raise PromptError(
                f"the list {quoted(name)} has more than {MAX_BYTES >> 10} KiB; expected less"
            )
        try:
            text = read_text(path, name=f"the list {quoted(name)}")
        except ArgumentError as error:
            raise PromptError(str(error)) from None
        stripped = (line.strip().lstrip("\ufeff") for line in re.split(r"\r\n|\r|\n", text))
        lines = tuple(line for line in stripped if line and not line.startswith("#"))
        if not lines or len(lines) > MAX_LINES or max(map(len, lines)) > MAX_CHARACTERS:
            raise PromptError(
                f"the list {quoted(name)} has {len(lines)} choices, expected 1 to {MAX_LINES} of "
                f"at most {MAX_CHARACTERS} characters, one a line"
            )
        return lines


NO_LISTS: Final = Library()


def read_styles(path: Path) -> dict[str, Style]:
    """Read styles: a CSV of the AUTOMATIC1111 web UI, or JSON.

    Args:
        path: A .csv with the columns name, prompt and negative_prompt; or a .json, an object of
            styles by name or a list of styles with names. A style has a prompt, in which {prompt}
            stands for what it is put round, or a prefix and a suffix; and perhaps a
            negative_prompt.

    Raises:
        ArgumentError: It cannot be read, or holds something else.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ArgumentError(f"{path} has more than {MAX_BYTES >> 10} KiB; expected styles")
    except OSError as error:
        raise ArgumentError(
            f"cannot read {path}: {(error.strerror or str(error)).lower()}; expected styles, .csv "
            "or .json"
        ) from None
    entries = _csv_styles(path) if path.suffix.lower() == ".csv" else _json_styles(path)
    found: dict[str, Style] = {}
    for name, values in entries:
        if not name or name in found or len(found) >= MAX_STYLES:
            raise ArgumentError(
                f"{path} has a style {quoted(name)} without a name or twice, or more than "
                f"{MAX_STYLES}; expected each once"
            )
        found[name] = _style(path, name, values)
    return found


def _csv_styles(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with open_text(path, "a CSV of styles: name, prompt, negative_prompt") as file:
        try:
            reader = csv.DictReader(file, strict=True)
            if "name" not in (reader.fieldnames or ()):
                raise ArgumentError(
                    f"{path} has no column name; expected name,prompt,negative_prompt in line 1"
                )
            for row in reader:
                name = (row.pop("name") or "").strip()
                # The web UI writes headings such as "--- Photos ---" between styles.
                if any(row.values()):
                    yield name, {key: value for key, value in row.items() if key in _STYLE_KEYS}
        except csv.Error as error:
            raise ArgumentError(f"{path} is no CSV file: {error}; expected styles") from None


def _json_styles(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        content = json.loads(read_text(path, "JSON with styles"))
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{path} is not JSON: {error}; expected styles by name") from None
    if isinstance(content, list) and all(isinstance(one, dict) for one in content):
        content = [(one.get("name"), one) for one in content]
    elif isinstance(content, dict):
        content = list(content.items())
    else:
        raise ArgumentError(f"{path} holds {quoted(content)}; expected styles by name")
    for name, values in content:
        if not isinstance(name, str) or not isinstance(values, dict):
            raise ArgumentError(f"{path}: the style {quoted(name)} is none; expected texts by name")
        yield name.strip(), values


def _style(path: Path, name: str, values: Mapping[str, Any]) -> Style:
    texts = {key: value for key, value in values.items() if value not in (None, "")}
    wrong = [
        key
        for key, value in texts.items()
        if key not in _STYLE_KEYS or not isinstance(value, str) or len(value) > MAX_CHARACTERS
    ]
    if wrong:
        raise ArgumentError(
            f"{path}: the style {quoted(name)} has a wrong {quoted(wrong[0])}; "
            f"expected texts of at most {MAX_CHARACTERS} characters: prompt, or prefix and suffix, "
            "and negative_prompt"
        )
    prompt = (texts.get("prompt") or texts.get("positive_prompt") or "").strip()
    if not prompt:
        prompt = f"{texts.get('prefix', '')} {_SLOT} {texts.get('suffix', '')}".strip()
    elif _SLOT not in prompt:
        prompt = f"{_SLOT}, {prompt}"
    negative = (texts.get("negative_prompt") or texts.get("negative") or "").strip()
    return Style(re.sub(r"\s+,", ",", prompt), negative or None)


def _some(names: list[str], kind: str) -> str:
    if not names:
        return (
            f"a file of {kind}, and none is given"
            if kind == "styles"
            else ("a folder of lists with it, and it is not there or no folder is given")
        )
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"one of {', '.join(quoted(name) for name in names[:_SHOWN])}{more}"
