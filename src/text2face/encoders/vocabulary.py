"""The words that the compact encoder knows, and what it makes of people's spelling."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

PADDING: Final = 0
UNKNOWN: Final = 1
FIRST_WORD: Final = 2

_TOKEN: Final = re.compile(r"\d+s(?![^\W_])|\d+|[^\W\d_]+")
_APOSTROPHES: Final = re.compile(r"(?<=\w)['’ʼ](?=\w)")
_ENDINGS: Final = (
    ("", "s"),
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("y", ""),
    ("ish", ""),
    ("ly", ""),
)
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_MAX_YEARS: Final = 120
_LONGEST: Final = 40  # letters of a word that may be misspelt: the search grows with their square


class Vocabulary:
    """A closed list of words with a forgiving look-up.

    A word that is not in the list is tried, in this order, as an alias, as a number near a known
    one, with another ending (plural, -ish, -ly), as two known words written as one ("redhaired"),
    and with one typing error.
    """

    def __init__(self, words: Sequence[str], aliases: Mapping[str, str] | None = None) -> None:
        """Take the words.

        Args:
            words: The known words in lower case; word i has the id `FIRST_WORD + i`.
            aliases: Further words, each with the known words in its place; `""` for none.
        """
        self.words = tuple(words)
        self.aliases = dict(aliases or {})
        self._ids = {word: FIRST_WORD + i for i, word in enumerate(self.words)}
        self._numbers = sorted(int(word) for word in self.words if word.isdecimal())

    def __len__(self) -> int:
        """The number of ids, padding and the unknown word included."""
        return FIRST_WORD + len(self.words)

    def encode(self, text: str) -> list[int]:
        """The ids of a text's words; `UNKNOWN` for each word that is none."""
        return [
            i
            for word in split(text)
            for i in (self._look_up(word) if self._knows(word) else [UNKNOWN])
        ]

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that are not known in any spelling, in order, once each."""
        return list(dict.fromkeys(word for word in split(text) if not self._knows(word)))

    def _knows(self, word: str) -> bool:
        return self._find(word) is not None

    def _look_up(self, word: str) -> list[int]:
        return [self._ids[part] for part in (self._find(word) or "").split()]

    def _find(self, word: str) -> str | None:
        """The known word or words behind `word`, or None."""
        if word in self._ids:
            return word
        if (known := self.aliases.get(word)) is not None:
            return known
        if word.isdecimal():
            return self._near_number(word)
        if len(word) > _LONGEST:
            return None
        for candidate in _other_endings(word):
            if candidate in self._ids:
                return candidate
            if (known := self.aliases.get(candidate)) is not None:
                return known
        for cut in range(3, len(word) - 2):
            if word[:cut] in self._ids and word[cut:] in self._ids:
                return f"{word[:cut]} {word[cut:]}"
        return next((near for near in _one_typing_error(word) if near in self._ids), None)

    def _near_number(self, word: str) -> str | None:
        number = int(word[:4])
        if not self._numbers or number > _MAX_YEARS:
            return None
        return str(min(self._numbers, key=lambda known: (abs(known - number), -known)))


def split(text: str) -> list[str]:
    """The words of a text in lower case, without accents and apostrophes; "25yo" is two words."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return _TOKEN.findall(_APOSTROPHES.sub("", plain))


def _other_endings(word: str) -> Iterator[str]:
    for old, new in _ENDINGS:
        if len(word) - len(old) >= 3 and word.endswith(old):
            yield word.removesuffix(old) + new


def _one_typing_error(word: str) -> Iterator[str]:
    """Words one slip away: two letters swapped, one too many, too few or wrong; no short words."""
    if len(word) < 5:
        return
    pairs = [
        (word[:i], word[i:]) for i in range(1, len(word) + 1)
    ]  # the first letter is seldom wrong
    yield from (a + b[1] + b[0] + b[2:] for a, b in pairs if len(b) > 1)
    yield from (a + b[1:] for a, b in pairs if b and len(word) > 5)
    yield from (a + c + b for a, b in pairs for c in _LETTERS)
    if len(word) > 5:
        yield from (a + c + b[1:] for a, b in pairs if b for c in _LETTERS)
