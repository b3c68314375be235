"""Configuration files beside foreign checkpoints: small YAML files, read as plain data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from text2face.errors import CheckpointError, quoted

__all__ = ["YamlSettings", "read_yaml"]

_MAX_BYTES: Final = 64 << 10
_MAX_DEPTH: Final = 16
_MAX_HOPS: Final = 8
_REFERENCE: Final = re.compile(r"\$\{([\w.]+)\}")


class YamlSettings:
    """The settings of a file by their dotted names, such as `model.network.dim`."""

    def __init__(self, tree: Mapping[Any, Any], source: Path) -> None:
        """Wrap what a file holds.

        Args:
            tree: Nested mappings; a text such as `${model.network.dim}` stands for that setting.
            source: The file, for messages.
        """
        self._tree = tree
        self.source = source

    def get(self, name: str, default: Any = None) -> Any:
        """A setting, or the default where there is none.

        Raises:
            CheckpointError: It stands for another one that is missing, or for itself.
        """
        value: Any = self._find(name)
        for _ in range(_MAX_HOPS):
            match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
            if match is None:
                return default if value is None else value
            value = self._find(match[1])
            if value is None:
                self.wrong(name, "a value; the setting that it stands for is missing")
        self.wrong(name, "a value; the settings stand for each other in a circle")

    def names(self, section: str) -> list[str]:
        """The names in a section."""
        found = self._find(section)
        return [str(name) for name in found] if isinstance(found, Mapping) else []

    def boolean(self, name: str, default: bool) -> bool:
        """A setting that has to be true or false."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            self.wrong(name, "true or false")
        return value

    def number(self, name: str, default: float) -> float:
        """A setting that has to be a finite number."""
        value = self.get(name, default)
        if isinstance(value, str):  # YAML 1.1 takes 1e-4 for text
            try:
                value = float(value)
            except ValueError:
                self.wrong(name, "a number")
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(name, "a number")
        if not math.isfinite(value):
            self.wrong(name, "a finite number")
        return float(value)

    def integers(self, name: str, default: Sequence[int] | None) -> list[int]:
        """A setting that has to be a list of some whole numbers from 0."""
        value = self.get(name, default)
        value = list(value) if isinstance(value, list | tuple) else None
        if not value or not all(type(item) is int and 0 <= item < 1 << 31 for item in value):
            self.wrong(name, "a list of whole numbers")
        return value

    def wrong(self, name: str, expected: str) -> NoReturn:
        """Refuse a setting.

        Raises:
            CheckpointError: Always.
        """
        raise CheckpointError(
            f"bad setting: {self.source}: {quoted(name)} is {quoted(self._find(name))}, "
            f"expected {expected}"
        )

    def _find(self, name: str) -> Any:
        value: Any = self._tree
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


def read_yaml(path: Path) -> YamlSettings:
    """Read a YAML file: plain values only, of bounded size and depth, without aliases.

    Raises:
        CheckpointError: It is missing, too large, or no such file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path}: {(error.strerror or 'unknown').lower()}; expected the YAML file "
            "of a checkpoint"
        ) from None
    if len(content) > _MAX_BYTES:
        raise CheckpointError(
            f"{path} is longer than {_MAX_BYTES >> 10} KiB; expected the YAML file of a checkpoint"
        )
    try:
        text = content.decode("utf-8")
        _check_events(text, path)
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise CheckpointError(
            f"damaged file: {path} is no YAML{where}; expected the YAML file of a checkpoint"
        ) from None
    if not isinstance(tree, dict):
        raise CheckpointError(
            f"damaged file: {path} holds {quoted(tree)}, expected settings by name"
        )
    return YamlSettings(tree, path)


def _check_events(text: str, path: Path) -> None:
    """Refuse what could grow on the way to plain data: aliases, deep nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise CheckpointError(f"refused: {path} has an alias (*), expected plain settings")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise CheckpointError(
                f"refused: {path} is nested deeper than {_MAX_DEPTH}, expected plain settings"
            )
