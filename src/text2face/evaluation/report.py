"""Figures of an evaluation → Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from text2face.printing import three_digits

__all__ = ["markdown", "number", "section", "table"]

_TITLES = {"editing": "Text + image"}
"""Where the title is not the section's name."""

_GROUP_COLUMNS = (
    "accuracy", "score, second encoder", "R-precision, second encoder", "score, own encoder",
    "R-precision, own encoder",
)  # fmt: skip
_SHARES = (
    "accuracy", "R-precision", "precision", "recall", "coverage", "spread", "appears", "stay",
    "same person by", "distance within",
)  # fmt: skip


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"


def number(name: str, value: object) -> str:
    """A figure as people write it: shares in percent."""
    if value is None or value == "":
        return ""
    if isinstance(value, float):
        if any(word in name for word in _SHARES):
            return f"{value:.1%}"
        return three_digits(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def markdown(results: Mapping[str, Any]) -> str:
    """The report: one heading for each section, and what is not available, with the reason."""
    parts = [f"# Evaluation of {results['model']}\n", _about(results["settings"])]
    for name, entry in results["sections"].items():
        parts += [f"## {_TITLES.get(name, name.capitalize())}\n", section(name, entry)]
    if training := results.get("training"):
        parts += ["## Training\n", _plain(training)]
    if missing := results["not available"]:
        rows = [[what, why] for what, why in missing.items()]
        parts += ["## Not available\n", table(["what", "why"], rows)]
    return "\n".join(parts)


def section(name: str, entry: Mapping[str, Any]) -> str:
    """The tables of one section."""
    if name == "words":
        parts = [_groups(entry["groups"])]
        parts += [_attributes(entry["attributes"])] if entry["attributes"] else []
    elif name == "distances":
        parts = [_distances(entry)]
    else:
        parts = [_plain(entry)]
        parts += [_edited(entry["attributes"])] if name == "editing" else []
    return "\n".join(parts)


def _about(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {number('', value)}" for name, value in settings.items()) + "\n"


def _plain(entry: Mapping[str, Any]) -> str:
    rows = [
        [name, number(name, value)]
        for name, value in entry.items()
        if not isinstance(value, Mapping | list)
    ]
    return table(["what", "result"], rows)


def _groups(groups: Mapping[str, Mapping[str, Any]]) -> str:
    columns = [c for c in _GROUP_COLUMNS if any(c in entry for entry in groups.values())]
    rows = []
    for name, entry in groups.items():
        cells = [number(column, entry.get(column)) for column in columns]
        if "accuracy ±" in entry and "accuracy" in columns:
            cells[columns.index("accuracy")] += f" ± {100 * entry['accuracy ±']:.1f}"
        rows.append([name, str(entry["prompts"]), *cells])
    return table(["prompts that name", "prompts", *columns], rows)


def _attributes(attributes: Mapping[str, Mapping[str, float]]) -> str:
    groups = list(dict.fromkeys(group for entry in attributes.values() for group in entry))
    rows = [
        [name, *(number("accuracy", entry.get(group)) for group in groups)]
        for name, entry in attributes.items()
    ]
    return table(["attribute", *groups], rows)


def _edited(attributes: Mapping[str, Mapping[str, float | None]]) -> str:
    rows = [
        [name, number("appears", entry["appears"]), number("stays", entry["stays"])]
        for name, entry in attributes.items()
    ]
    return table(["attribute", "appears where named", "stays where not"], rows)


def _distances(distances: Mapping[str, Any]) -> str:
    sides = {name: entry for name, entry in distances.items() if isinstance(entry, Mapping)}
    columns = list(next(iter(sides.values())))
    rows = [
        [name, *(number(column, entry.get(column)) for column in columns)]
        for name, entry in sides.items()
    ]
    about = (
        f"{distances['faces']:,} faces against {distances['pictures']:,} pictures; features: "
        f"{distances['features of']}\n"
    )
    if "warning" in distances:
        about += f"\n{distances['warning']}\n"
    return about + "\n" + table(["faces", *columns], rows)
