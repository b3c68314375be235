"""Prompts, what a face made from them should show, and how often faces do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from text2face.errors import ArgumentError
from text2face.evaluation.judge import Predictions
from text2face.storage.texts import read_prompts, read_text

__all__ = ["Labels", "Task", "accepted", "count_right", "matching", "read_tasks", "share_right"]

Labels = Mapping[str, tuple[str, ...]]
"""The classes of each attribute."""


@dataclass(frozen=True)
class Task:
    """A prompt and what a face made from it should show."""

    text: str
    labels: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """The class of each attribute that the prompt names, or several that are all right ("blue eyes"
    may be light or dark blue); empty if nobody knows."""
    group: str = ""
    """Tasks of one group are counted together."""


def read_tasks(path: Path, labels: Labels | None = None) -> list[Task]:
    """Read prompts.

    Args:
        path: Text with a prompt a line; or JSON, a list of {"prompt", "labels", "group"}, of which
            the last two may be left out. The group of all others is the name of the file.
        labels: The classes that a prompt may name; None = any.

    Raises:
        ArgumentError: The file cannot be read, or a prompt names what is not in `labels`.
        PromptError: There is none in it.
    """
    group = path.stem.removesuffix("_prompts")
    if path.suffix.lower() != ".json":
        return [Task(text, {}, group) for text in read_prompts(path)]
    content = read_text(path, "prompts as JSON", f"the prompts in {path}")
    try:
        tasks = [
            Task(entry["prompt"], _tuples(entry.get("labels", {})), entry.get("group", group))
            for entry in json.loads(content)
        ]
        if not all(isinstance(t.text, str) and isinstance(t.group, str) for t in tasks):
            raise TypeError
        named = [(name, accepted(label)) for task in tasks for name, label in task.labels.items()]
        if not all(isinstance(one, str) for name, label in named for one in (name, *label)):
            raise TypeError
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ArgumentError(
            f'{path} holds no prompts; expected text with one a line, or JSON such as [{{"prompt": '
            '"an old man", "labels": {"age": "old"}}]'
        ) from None
    if not tasks:
        raise ArgumentError(f"no prompt in {path}; expected at least one")
    for task in tasks:
        for name, label in task.labels.items():
            if labels is not None and not set(accepted(label)) <= set(labels.get(name, ())):
                raise ArgumentError(
                    f"{path}: {task.text!r} has the unknown label {name}: {label!r}; expected one "
                    f"of {', '.join(labels.get(name, labels))}"
                )
    return tasks


def _tuples(labels: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples, since JSON has none."""
    return {
        name: tuple(label) if isinstance(label, list) else label for name, label in labels.items()
    }


def accepted(label: str | tuple[str, ...]) -> tuple[str, ...]:
    """The classes that are right where a task says so."""
    return (label,) if isinstance(label, str) else label


def count_right(
    tasks: Sequence[Task], reading: Predictions, labels: Labels
) -> dict[str, NDArray[np.bool_]]:
    """For each attribute, whether it was met in each of the tasks that name it."""
    met: dict[str, list[bool]] = {name: [] for name in labels}
    for row, task in enumerate(tasks):
        for name, label in task.labels.items():
            met[name].append(labels[name][reading.classes[name][row]] in accepted(label))
    return {name: np.array(values, dtype=bool) for name, values in met.items()}


def share_right(met: Mapping[str, NDArray[np.bool_]]) -> float:
    """The share of all named attributes that were met; NaN if none is named."""
    values = np.concatenate(list(met.values()))
    return float(values.mean()) if len(values) else float("nan")


def matching(
    classes: Mapping[str, NDArray[np.int64]],
    wanted: Mapping[str, str | tuple[str, ...]],
    labels: Labels,
) -> NDArray[np.int64]:
    """The rows of class numbers [N] per attribute that show all that is wanted."""
    fits = np.ones(len(next(iter(classes.values()))), dtype=bool)
    for name, label in wanted.items():
        right = [labels[name].index(one) for one in accepted(label)]
        fits &= np.isin(classes[name], right)
    return np.flatnonzero(fits)
