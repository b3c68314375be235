from __future__ import annotations

import pytest
from PIL import Image

from text2face.errors import ArgumentError
from text2face.sheet import contact_sheet

RED, GREEN = (Image.new("RGB", (20, 10), color) for color in ("red", "green"))


def test_images_lie_in_rows() -> None:
    page = contact_sheet([RED, RED, GREEN], columns=2)
    assert page.size == (2 * 20 + 3 * 4, 2 * 10 + 3 * 4)
    assert page.getpixel((30, 5)) == (255, 0, 0)
    assert page.getpixel((5, 20)) == (0, 128, 0)
    assert page.getpixel((40, 20)) == (255, 255, 255)


def test_captions_stand_above_their_rows() -> None:
    plain = contact_sheet([RED, GREEN], columns=1)
    page = contact_sheet([RED, GREEN], columns=1, captions=["red", "a very long caption"])
    assert page.height > plain.height
    assert page.getcolors(10_000) != plain.getcolors(10_000)


@pytest.mark.parametrize(
    ("images", "columns", "captions"),
    [
        ([], 1, None),
        ([RED], 0, None),
        ([RED, RED.resize((3, 3))], 1, None),
        ([RED, GREEN], 1, ["red"]),
    ],
)
def test_what_makes_no_sheet_is_an_error(
    images: list[Image.Image], columns: int, captions: list[str] | None
) -> None:
    with pytest.raises(ArgumentError, match="expected"):
        contact_sheet(images, columns, captions)
