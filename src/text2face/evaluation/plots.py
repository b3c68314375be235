"""Plots of figures, in one plain style."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from text2face.errors import ArgumentError
from text2face.storage.folders import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "plot_attributes", "plot_editing", "plot_rising_detail", "plotted"]

COLOURS: Final = ("#2a6f97", "#d1495b", "#edae49", "#66a182", "#6b4e71", "#8d99ae")
_STYLE: Final = {
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.dpi": 150,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#e3e3e3",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@contextmanager
def plotted(path: Path, width: float = 6.4, height: float = 3.6, columns: int = 1) -> Iterator[Any]:
    """Axes to draw on, or a row of them, saved as a PNG when done.

    Raises:
        ArgumentError: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise ArgumentError(
            "plots need matplotlib; expected it to be installed: pip install 'text2face[evaluate]'"
        ) from None
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type, unused-ignore]
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, columns)
        yield axes
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    with atomic_file(path) as file:
        file.write(buffer.getvalue())


def plot_rising_detail(path: Path, lines: Mapping[str, Mapping[int, float]]) -> None:
    """Accuracy against the number of attributes that a prompt names, a line for each sampler."""
    with plotted(path) as axes:
        draw_rising_detail(axes, lines)


def draw_rising_detail(axes: Axes, lines: Mapping[str, Mapping[int, float]]) -> None:
    """The same on axes that are there."""
    for i, (name, points) in enumerate(lines.items()):
        shares = [100 * share for share in points.values()]
        colour = COLOURS[i % len(COLOURS)]
        style = "o-" if i < len(COLOURS) else "s--"
        axes.plot(list(points), shares, style, color=colour, label=name, markersize=4)
    axes.set_xticks(sorted({x for points in lines.values() for x in points}))
    axes.set_xlabel("attributes named")
    axes.set_ylabel("of them shown, %")
    axes.set_ylim(0, 102)
    axes.set_title("Rising detail")
    if len(lines) > 1:
        axes.legend(loc="lower left", ncols=2)


def plot_attributes(path: Path, attributes: Mapping[str, float]) -> None:
    """How often each attribute is shown where it is named."""
    ordered = sorted(attributes.items(), key=lambda item: item[1])
    with plotted(path, height=0.6 + 0.3 * len(ordered)) as axes:
        names = [name.replace("_", " ") for name, _ in ordered]
        bars = axes.barh(names, [100 * share for _, share in ordered], color=COLOURS[0])
        axes.bar_label(bars, fmt="%.0f", padding=3)
        axes.set_xlim(0, 108)
        axes.grid(False, axis="y")
        axes.set_xlabel("shown where named, %")
        axes.set_title("By attribute")


def plot_editing(path: Path, attributes: Mapping[str, Mapping[str, float | None]]) -> None:
    """How often an edit shows what it names, and how often it leaves what it does not."""
    names = list(attributes)[::-1]
    with plotted(path, height=0.9 + 0.36 * len(names)) as axes:
        for offset, (what, colour) in ((0.2, ("appears", 0)), (-0.2, ("stays", 3))):
            shares = [100 * (attributes[name][what] or 0) for name in names]
            places = [i + offset for i in range(len(names))]
            label = "appears where named" if what == "appears" else "stays where not named"
            bars = axes.barh(places, shares, 0.36, color=COLOURS[colour], label=label)
            axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=7)
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.set_xlim(0, 108)
        axes.grid(False, axis="y")
        axes.set_xlabel("%")
        axes.set_title("Text + image")
        axes.figure.legend(loc="outside lower center", ncols=2)
