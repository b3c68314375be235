"""What a phrase says, read off the tables that it comes from: several values may share a phrase.

"Blue eyes" are true of three shades, "frowning" of sad and of angry faces. So a caption claims a
set of values for each attribute that it names, and is true of a face that has one of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, TypeAlias

from recipes.faces import phrases as ph
from recipes.faces.attributes import DETAILS, LABELS

Claims: TypeAlias = Mapping[str, frozenset[str]]
"""The values of each named attribute with which a text is true."""

VALUES: Final[Mapping[str, tuple[str, ...]]] = {**LABELS, **DETAILS}
SHADES: Final[Mapping[str, frozenset[str]]] = {
    "brown": frozenset({"dark brown", "brown", "light brown"}),
    "blond": frozenset({"blond", "platinum"}),
    "red": frozenset({"red", "auburn"}),
}
"""The shades of a hair colour, where there are several."""
_EXPRESSIONS: Final = {**ph.SMILE_EXPRESSION, **ph.EXPRESSION}
# Where the phrases of a part of a sentence come from, the coarser attribute first.
_SOURCES: Final[Mapping[str, tuple[tuple[str, Mapping[str, ph.Forms]], ...]]] = {
    "hair_style": (("hair_style", ph.HAIR_STYLE), ("hair_cut", ph.HAIR_CUT)),
    "facial_hair": (("facial_hair", ph.FACIAL_HAIR), ("beard_length", ph.BEARD_LENGTH)),
    "smile": (("smile", ph.SMILE), ("expression", _EXPRESSIONS)),
    "expression": (("expression", _EXPRESSIONS),),
    "glasses": (("glasses", ph.GLASSES),),
    "hat": (("hat", ph.HAT),),
    "skin": (("skin", ph.SKIN),),
    "body": (("body", ph.BODY),),
    "earrings": (("earrings", ph.EARRINGS),),
    "bangs": (("bangs", ph.BANGS),),
    "freckles": (("freckles", ph.FRECKLES),),
}


def shades(color: str) -> frozenset[str]:
    """The shades that people call by a hair colour."""
    return SHADES.get(color, frozenset({color}))


@cache
def read_phrase(part: str, phrase: str) -> Claims:
    """What a phrase of a part of a sentence claims; nothing if it is in none of its tables."""
    for key, table in _SOURCES.get(part, ()):
        values = [
            value
            for value, forms in table.items()
            if any(phrase in some for some in forms.values())
        ]
        if values:
            return {key: frozenset(values)}
    return {}


@cache
def read_color(key: str, word: str) -> Claims:
    """What the name of a colour claims of an attribute such as `eye_color`."""
    if key == "hair_color":
        found = [shade for shade, words in ph.HAIR_SHADE.items() if word in words]
        for color, words in ph.HAIR_COLOR.items():
            found += shades(color) if word in words else ()
        return {"hair_shade": frozenset(found)}
    table = {
        "background": ph.BACKGROUND_WORDS,
        "eye_color": ph.EYE_WORDS,
        "lipstick": ph.LIP_WORDS,
        "eyeshadow": ph.SHADOW_WORDS,
        "frame_shape": ph.FRAME_SHAPE,
    }.get(key, ph.HUES)
    return {key: frozenset(v for v in VALUES[key] if word in table.get(v, ()))}


@cache
def read_age(age: str, phrase: str) -> frozenset[str]:
    """The ages that a phrase fits; one with a number in it fits that of its number alone."""
    if "{n}" in phrase or "{age}" in phrase:
        return frozenset({age})
    tables: Iterable[tuple[str, tuple[str, ...]]] = [
        *ph.AGE.items(),
        *ph.AGE_ADJECTIVES.items(),
        *ph.AGE_POSTS.items(),
        *((key[1], words) for key, words in ph.AGED_GENDER.items()),
    ]
    return frozenset(value for value, words in tables if phrase in words)


def all_but(key: str, *values: str) -> Claims:
    """The claim that an attribute has none of some values."""
    return {key: frozenset(VALUES[key]) - set(values)}


def both(one: Claims, other: Claims) -> dict[str, frozenset[str]]:
    """What two claims say together."""
    joined = dict(one)
    for key, values in other.items():
        joined[key] = joined[key] & values if key in joined else values
    return joined
