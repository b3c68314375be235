"""The text that the AUTOMATIC1111 web UI and tools like it write and read.

The prompt, `Negative prompt: …`, and one line of `Name: value` joined by commas; a value with a
comma, a colon, a quote or a line break is written as a JSON string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from text2face.errors import ArgumentError
from text2face.settings import Settings, check_seed, options

__all__ = ["Parameters", "read", "write"]

_NEGATIVE: Final = "negative_prompt"  # has a line of its own
_PAIR: Final = re.compile(r'\s*([^:,"]+):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')


@dataclass(frozen=True)
class Parameters:
    """What the text tells."""

    prompt: str
    seed: int
    settings: Settings
    others: Mapping[str, str]
    """What is no setting, such as "Model" and "Size", by name."""


def write(prompt: str, seed: int, settings: Settings, others: Mapping[str, object]) -> str:
    """Write the text.

    Args:
        prompt: What was asked for.
        seed: Of the face.
        settings: Every option of them gets a name and its value; None and False are left out.
        others: More names and values, in order; None is left out.
    """
    facts: dict[str, object] = {"Steps": 1, "Sampler": settings.condition, "Seed": seed, **others}
    lines = [prompt]
    for option in options():
        value = getattr(settings, option.name)
        if option.name == _NEGATIVE:
            lines += [] if value is None else [f"{option.parameter}: {value}"]
        elif value is not False:
            facts.setdefault(option.parameter, value)
    # The process and version stand last, as readers of older files expect.
    last = {name: facts.pop(name) for name in ("Process", "Version") if name in facts}
    written = {name: value for name, value in (facts | last).items() if value is not None}
    lines.append(", ".join(f"{name}: {_quoted(str(value))}" for name, value in written.items()))
    return "\n".join(lines)


def read(text: str) -> Parameters:
    """Read the text that `write` or another tool has written; unknown names stay in `others`.

    Raises:
        ArgumentError: It is no such text, or a value is out of range.
    """
    *lines, last = text.strip("\n").split("\n")
    pairs = {match[1].strip(): _unquoted(match[2].strip()) for match in _PAIR.finditer(last)}
    if not lines or not pairs.get("Seed", "").isdecimal():
        raise ArgumentError(
            f"no parameters in {text[:60]!r}; expected a prompt, then a line such as "
            "Steps: 1, Seed: 7, Truncation: 0.8"
        )
    values: dict[str, Any] = {}
    for option in options():
        if option.name != _NEGATIVE and option.parameter in pairs:
            values[option.name] = option.parse(pairs.pop(option.parameter))
    mark = "Negative prompt: "
    starts = [i for i, line in enumerate(lines) if line.startswith(mark)]
    if starts:
        negative = "\n".join(lines[starts[-1] :]).removeprefix(mark)
        values[_NEGATIVE] = negative
        lines = lines[: starts[-1]]
    seed = check_seed(int(pairs.pop("Seed")))
    pairs.pop("Steps", None)
    return Parameters("\n".join(lines), seed, replace(Settings(), **values), pairs)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:"\n]', value) else value


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
