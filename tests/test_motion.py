from __future__ import annotations

import pytest
from PIL import Image

from text2face.errors import ArgumentError
from text2face.motion import grid_sheet, ping_pong

FRAMES = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]


def test_a_loop_goes_there_and_back() -> None:
    assert ping_pong(FRAMES) == [*FRAMES, FRAMES[1]]


def test_a_grid_has_a_picture_for_every_pair() -> None:
    drawn: list[tuple[int, str]] = []

    def draw(x: int, y: str) -> Image.Image:
        drawn.append((x, y))
        return FRAMES[0]

    sheet = grid_sheet(draw, ("psi", [1, 2]), ("words", ["a", "b"]))
    assert drawn == [(1, "a"), (2, "a"), (1, "b"), (2, "b")]
    assert sheet.width == 2 * (8 + 4) + 4
    with pytest.raises(ArgumentError, match="without values"):
        grid_sheet(draw, ("psi", []), ("words", ["a"]))
