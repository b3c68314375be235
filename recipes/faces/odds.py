"""How often a face has what: the probabilities behind `identity.sample`.

They are odds for learning: a value that is rare among people is frequent enough here to be learnt,
and choices depend on each other as little as can be. Tables need not sum to one. Their order
matters: options follow each other along a component of z.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recipes.faces import catalogue, palette

Odds = Mapping[str, float]


def even(options: Mapping[str, object] | tuple[str, ...]) -> Odds:
    return dict.fromkeys(options, 1.0)


AGES: Final[Odds] = {"child": 0.11, "young": 0.45, "middle-aged": 0.24, "old": 0.20}
ETHNICITIES: Final[Odds] = {
    "African": 0.2, "Asian": 0.2, "Caucasian": 0.28, "South Asian": 0.09, "Latino": 0.09,
    "Middle Eastern": 0.07, "mixed": 0.07,
}  # fmt: skip
FACE_SHAPES: Final[Odds] = {
    "none": 0.3, "round": 0.1, "oval": 0.14, "square": 0.08, "rectangular": 0.1, "triangular": 0.08,
    "invertedtriangular": 0.1, "diamond": 0.1,
}  # fmt: skip
EXPRESSIONS: Final[Odds] = {
    "neutral": 0.16, "smile": 0.12, "big smile": 0.11, "open mouth": 0.07, "sad": 0.08,
    "angry": 0.08, "surprised": 0.08, "closed eyes": 0.08, "pursed lips": 0.07, "wink": 0.08,
    "disgust": 0.07,
}  # fmt: skip

_FEMALE_HAIR: Final = {
    "bob01": 0.10, "bob02": 0.10, "long01": 0.26, "ponytail01": 0.10, "braid01": 0.08,
    "short01": 0.04, "short02": 0.03, "short03": 0.04, "short04": 0.03, "bun": 0.09,
    "afro01": 0.05, "curly shell": 0.06, "buzz": 0.015, "crew": 0.0, "receding": 0.0,
    "horseshoe": 0.0, "bald": 0.015,
}  # fmt: skip
_MALE_HAIR: Final = {
    "bob01": 0.0, "bob02": 0.015, "long01": 0.07, "ponytail01": 0.04, "braid01": 0.0,
    "short01": 0.11, "short02": 0.10, "short03": 0.11, "short04": 0.07, "bun": 0.02, "afro01": 0.06,
    "curly shell": 0.06, "buzz": 0.08, "crew": 0.08, "receding": 0.09, "horseshoe": 0.08,
    "bald": 0.09,
}  # fmt: skip
HAIR: Final = tuple(_FEMALE_HAIR)
SHORT_HAIR: Final = ("short01", "short02", "short03", "short04", "buzz", "bald")
TOO_FULL_FOR_A_HEADBAND: Final = ("short01", "short02", "short03", "afro01", "curly shell")


def hair(gender: str, age: str) -> Odds:
    """The cuts of people of a gender; boys are not bald, and the old thin out or set their hair."""
    odds = dict(_FEMALE_HAIR if gender == "female" else _MALE_HAIR)
    if age == "child":
        factors = {"receding": 0.0, "horseshoe": 0.0, "bald": 0.0, "buzz": 0.5}
    elif age == "old" and gender == "female":
        factors = dict.fromkeys(("short01", "short02", "short03", "curly shell"), 2.0)
    elif age == "old":
        factors = {"horseshoe": 2.0, "receding": 1.6, "bald": 1.4}
    else:
        factors = {}
    return {name: value * factors.get(name, 1.0) for name, value in odds.items()}


AFRICAN_CURLS: Final[Odds] = {"other": 0.8, "afro01": 0.12, "curly shell": 0.08}

HAIR_COLORS: Final[Odds] = dict(
    zip(palette.HAIR, (6, 7, 8, 8, 9, 7, 8, 8, 5, 6, 7, 7, 7, 7), strict=True)
)
# What takes the place of the above for the old, in middle age, and for peoples mostly black-haired.
OLD_HAIR: Final[Odds] = {"other": 0.4, "grey": 0.32, "white": 0.28}
GREYING_HAIR: Final[Odds] = {"other": 0.85, "grey": 0.15}
DARK_HAIR: Final[Odds] = {"other": 0.7, "black": 0.2, "dark brown": 0.1}

FACIAL_HAIR: Final[Odds] = {
    "none": 0.32, "stubble": 0.15, "moustache": 0.11, "goatee": 0.10, "short beard": 0.12,
    "full beard": 0.12,
}  # fmt: skip
GLASSES: Final[Odds] = {"none": 0.60, "glasses": 0.28, "sunglasses": 0.12}
FRAME_SHAPES: Final = ("round", "rectangular", "oval", "square", "cat-eye", "aviator")
FRAME_COLORS: Final[Odds] = {
    "black": 0.2, "brown": 0.17, "gold": 0.16, "silver": 0.16, "red": 0.155, "blue": 0.155,
}  # fmt: skip
HATS: Final[Odds] = {
    "none": 0.58, "fedora": 0.06, "cocked fedora": 0.04, "beanie": 0.11, "cap": 0.11,
    "headband": 0.10,
}  # fmt: skip
EYE_COLORS: Final[Odds] = {name: 1.5 if name == "brown" else 1.0 for name in catalogue.EYES}
# What takes the place of the above for peoples mostly dark-eyed.
DARK_EYES: Final[Odds] = {"other": 0.4, "brown": 0.42, "brownlight": 0.18}
MAKEUP: Final[Odds] = {"always": 0.65, "with short hair": 0.2, "never": 0.15}
WEARS_EYESHADOW: Final = 0.65
FRECKLED: Final = 0.25  # of those whose skin shows them
LIGHTS: Final[Odds] = {
    "soft": 0.42, "left": 0.18, "right": 0.18, "top": 0.08, "warm": 0.06, "cool": 0.06,
    "dramatic": 0.01, "backlit": 0.01,
}  # fmt: skip
EARRINGS: Final = ("none", "stud", "hoop")
WOMENS_EARRINGS: Final[Odds] = {"none": 0.3, "stud": 0.35, "hoop": 0.35}
OTHERS_EARRINGS: Final[Odds] = {"none": 0.76, "stud": 0.12, "hoop": 0.12}

SKINS: Final = ("light", "medium", "dark")
SKIN: Final = {
    "African": "dark", "Asian": "light", "Caucasian": "light", "South Asian": "medium",
    "Latino": "medium", "Middle Eastern": "medium",
}  # fmt: skip
# The share of the dark skin texture, lowest and highest. What lies between looks like either.
DARKNESS: Final = {"light": (0, 0.05), "medium": (0.52, 0.68), "dark": (0.88, 1.0)}
# Shares of the african, asian and caucasian morph targets.
ANCESTRY: Final = {
    "African": (1, 0, 0), "Asian": (0, 1, 0), "Caucasian": (0, 0, 1),
    "South Asian": (0.25, 0.15, 0.6), "Latino": (0.15, 0.3, 0.55),
    "Middle Eastern": (0.12, 0, 0.88),
}  # fmt: skip
FRECKLES_SHOW_ON: Final = ("light", "medium")
DARK_HAIRED: Final = ("African", "Asian", "South Asian", "Middle Eastern")
