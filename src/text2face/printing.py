"""Escaping of untrusted text before it is printed."""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["printable", "three_digits"]

_JOINERS: Final = "\u200c\u200d"
"""Part of the spelling of Persian, of the scripts of India, and of emoji."""
_UNSEEN: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def printable(text: object, most: int | None = None) -> str:
    r"""Text as one line that cannot drive a terminal, such as "a\nb" for two lines.

    Control characters, line separators, what turns the direction of writing, and what has no
    shape are written as their escapes; letters of any script stay.

    Args:
        text: What is to be printed.
        most: Longer text is cut to so many characters.
    """
    shown = "".join(
        ascii(letter)[1:-1]
        if unicodedata.category(letter) in _UNSEEN and letter not in _JOINERS
        else letter
        for letter in str(text)
    )
    return shown if most is None or len(shown) <= most else shown[: most - 1] + "…"


def three_digits(value: float) -> str:
    """A number as people read it: three digits, or all before the point; no 1.22e+03."""
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e15 else f"{value:.3g}"
