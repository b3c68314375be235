from __future__ import annotations

import pytest

from text2face.printing import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a man, 帽子, “naïve”, a\u3000b", "a man, 帽子, “naïve”, a\u3000b"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[8m\x9b8m\x00\x7f", "\\x1b[8m\\x9b8m\\x00\\x7f"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\u202eevil\u2066\u200f\u00ad\ufeff", "\\u202eevil\\u2066\\u200f\\xad\\ufeff"),
        ("\ud800 \ue000 \U000e0041", "\\ud800 \\ue000 \\U000e0041"),
        ("می\u200cخواهم 👩\u200d🦰", "می\u200cخواهم 👩\u200d🦰"),
        (3.5, "3.5"),
    ],
)
def test_text_from_outside_is_one_line_that_drives_nothing(text: object, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut() -> None:
    assert printable("a" * 10, 4) == "aaa…"
    assert printable("abcd", 4) == "abcd"
