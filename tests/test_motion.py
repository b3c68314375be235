from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from text2face.errors import ArgumentError
from text2face.motion import grid_sheet, loop_of, write_animation

FRAMES = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_moving_pictures_move(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"move{suffix}"
    write_animation(path, loop_of(FRAMES), fps=10, comment="<made/>")
    with Image.open(path) as image:
        assert image.n_frames == 4  # type: ignore[attr-defined]
        assert image.info["loop"] == 0
    assert b"<made/>" in path.read_bytes()


def test_bad_moving_pictures_are_named(tmp_path: Path) -> None:
    for name, frames in (("a.mp4", FRAMES), ("a.gif", FRAMES[:1])):
        with pytest.raises(ArgumentError, match="moving picture"):
            write_animation(tmp_path / name, frames)


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
