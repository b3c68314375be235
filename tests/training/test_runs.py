from __future__ import annotations

from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import tiny
from text2face.training import runs
from text2face.training.loop import Progress


class Counted(runs.SampleGrids):
    """Notes the shares at which grids are drawn, rather than draw them."""

    def _draw(self, trainer: Any) -> None:
        self.drawn.append(round(trainer.share, 2))


@pytest.mark.parametrize(
    ("seconds_of_a_grid", "expected"),
    [
        (0.5, [0.2, 0.4, 0.6, 0.8, 1.0]),
        (3, [0.2, 0.6, 1.0]),  # at 0.6 the two would take 6 of 60 seconds
        (50, [0.2, 1.0]),
    ],
)
def test_grids_take_no_more_than_a_tenth_of_the_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds_of_a_grid: float, expected: list[float]
) -> None:
    clock = count(0, seconds_of_a_grid)
    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    grids = Counted(tmp_path, tiny.TinyGenerator(), tiny.TinyEncoder())
    grids.drawn = []  # type: ignore[attr-defined]
    for step in range(1, 101):
        progress = Progress(step, step / 100, 0.0, {}, 0.0, float(step), 1.0)
        grids(SimpleNamespace(share=step / 100), progress)  # type: ignore[arg-type]
    assert grids.drawn == expected  # type: ignore[attr-defined]
