"""The vocabulary of the compact encoder: look-up, endings, aliases and typing errors."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PADDING: Final = 0
UNKNOWN: Final = 1
FIRST_WORD: Final = 2
PERSON: Final = "person"

_TOKEN: Final = re.compile(r"\d+s(?![^\W_])|\d+|[^\W\d_]+")
_PEOPLE: Final = frozenset(
    [
        "person",
        "human",
        "man",
        "woman",
        "boy",
        "girl",
        "child",
        "kid",
        "baby",
        "lady",
        "guy",
        "gentleman",
        "male",
        "female",
        "dude",
        "bloke",
        "fellow",
        "chap",
        "gal",
        "lad",
        "lass",
        "youth",
        "senior",
        "pensioner",
        "grandpa",
        "grandma",
        "granny",
        "mum",
        "mom",
        "dad",
        "mother",
        "father",
        "parent",
        "someone",
        "somebody",
        "anyone",
        "face",
        "redhead",
        "blonde",
        "brunette",
    ]
)
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


@dataclass(frozen=True)
class Word:
    """One word, or several that mean something together, and what they are read as."""

    text: str
    """As it stands in the text, in lower case."""
    read: tuple[str, ...] | None
    """The known words in its place, none for a word that says nothing; None = not known."""
    guessed: bool = False
    """Whether it is taken for a typing error."""


class Vocabulary:
    """A closed list of words with a forgiving look-up.

    A word that is not in the list is tried, in this order, as an alias, as a number near a known
    one, with another ending (plural, -ish, -ly), as two known words written as one ("redhaired"),
    and with one typing error. Real words are not taken for typing errors.
    """

    def __init__(
        self,
        words: Sequence[str],
        aliases: Mapping[str, str] | None = None,
        *,
        roles: Collection[str] = (),
        real: Collection[str] = (),
    ) -> None:
        """Take the words.

        Args:
            words: The known words in lower case; word i has the id `FIRST_WORD + i`.
            aliases: Further words, or several with spaces between them, each with the known words
                in its place; `""` for none.
            roles: Words for somebody that tell nothing of looks, such as "nurse". They are read as
                `PERSON`, if that is a known word, and count as unknown.
            real: Words that are no typing errors of known ones.
        """
        self.words = tuple(words)
        self.aliases = dict(aliases or {})
        self.roles = frozenset(roles)
        self.real = frozenset(real)
        self._ids = {word: FIRST_WORD + i for i, word in enumerate(self.words)}
        self._numbers = sorted(int(word) for word in self.words if word.isdecimal())
        self._longest = max((name.count(" ") + 1 for name in self.aliases), default=1)

    def __len__(self) -> int:
        """The number of ids, padding and the unknown word included."""
        return FIRST_WORD + len(self.words)

    def read(self, text: str) -> list[Word]:
        """The words of a text, each with what it is read as."""
        words = split(text)
        found: list[Word] = []
        place = 0
        while place < len(words):
            for length in range(min(self._longest, len(words) - place), 0, -1):
                together = " ".join(words[place : place + length])
                if length == 1:
                    found.append(self._find(together))
                elif (known := self.aliases.get(together)) is not None:
                    found.append(Word(together, tuple(known.split())))
                else:
                    continue
                place += length
                break
        return found

    def encode(self, text: str) -> list[int]:
        """The ids of the known words of a text: what is not known has no effect.

        A word for somebody, such as "nurse", is `PERSON` where nobody else is named. "An" is "a",
        since the word that it was written for may be gone.
        """
        words = self.read(text)
        known = [part for word in words for part in word.read or ()]
        somebody = any(part in _PEOPLE for part in known)
        parts = [part for word in words for part in self._parts(word, somebody)]
        return [self._ids["a" if part == "an" and "a" in self._ids else part] for part in parts]

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that are not known in any spelling, in order, once each."""
        return list(dict.fromkeys(word.text for word in self.read(text) if word.read is None))

    def corrections(self, text: str) -> dict[str, str]:
        """The words of a text that are taken for typing errors, and what they are read as."""
        return {
            word.text: " ".join(word.read) for word in self.read(text) if word.guessed and word.read
        }

    def _parts(self, word: Word, somebody: bool) -> tuple[str, ...]:
        if word.read is None and self._is_role(word.text) and PERSON in self._ids:
            return () if somebody else (PERSON,)
        return word.read or ()

    def _is_role(self, word: str) -> bool:
        return not self.roles.isdisjoint({word, *_other_endings(word)})

    def _find(self, word: str) -> Word:
        """What one word is read as."""
        if word in self.roles:
            return Word(word, None)
        if word in self._ids:
            return Word(word, (word,))
        if (known := self.aliases.get(word)) is not None:
            return Word(word, tuple(known.split()))
        if word.isdecimal():
            number = self._near_number(word)
            return Word(word, None if number is None else (number,))
        for candidate in _other_endings(word):
            if candidate in self._ids:
                return Word(word, (candidate,))
            if (known := self.aliases.get(candidate)) is not None:
                return Word(word, tuple(known.split()))
            if candidate in self.roles:
                return Word(word, None)
        if word in self.real or len(word) > _LONGEST:
            return Word(word, None)
        for cut in range(3, len(word) - 2):
            if word[:cut] in self._ids and word[cut:] in self._ids:
                return Word(word, (word[:cut], word[cut:]))
        for near in _one_typing_error(word):
            if near in self._ids:
                return Word(word, (near,), guessed=True)
            if self.aliases.get(near):
                return Word(word, tuple(self.aliases[near].split()), guessed=True)
        return Word(word, None)

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
    if len(word) < 4:
        return
    pairs = [
        (word[:i], word[i:]) for i in range(1, len(word) + 1)
    ]  # the first letter is seldom wrong
    yield from (a + b[1] + b[0] + b[2:] for a, b in pairs if len(b) > 1)
    yield from (a + b[1:] for a, b in pairs if b and len(word) > 4)
    yield from (a + c + b for a, b in pairs for c in _LETTERS)
    if len(word) > 4:
        yield from (a + c + b[1:] for a, b in pairs if b for c in _LETTERS)
