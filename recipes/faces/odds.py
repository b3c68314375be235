"""How often a face has what: the probabilities behind `identity.sample`.

Tables need not sum to one. Their order matters: options follow each other along a component of z.
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
    "neutral": 0.36, "smile": 0.27, "big smile": 0.20, "open mouth": 0.03, "sad": 0.03,
    "angry": 0.03, "surprised": 0.03, "closed eyes": 0.02, "pursed lips": 0.01, "wink": 0.01,
    "disgust": 0.01,
}  # fmt: skip

_FEMALE_HAIR: Final = {
    "bob01": 0.15, "bob02": 0.13, "long01": 0.22, "ponytail01": 0.11, "braid01": 0.12,
    "short01": 0.015, "short02": 0.03, "short03": 0.03, "short04": 0.01, "bun": 0.05,
    "afro01": 0.05, "curly shell": 0.06, "buzz": 0.012, "crew": 0.0, "receding": 0.0,
    "horseshoe": 0.0, "bald": 0.013,
}  # fmt: skip
_MALE_HAIR: Final = {
    "bob01": 0.0, "bob02": 0.01, "long01": 0.05, "ponytail01": 0.02, "braid01": 0.0,
    "short01": 0.13, "short02": 0.13, "short03": 0.13, "short04": 0.10, "bun": 0.01, "afro01": 0.06,
    "curly shell": 0.06, "buzz": 0.10, "crew": 0.06, "receding": 0.06, "horseshoe": 0.05,
    "bald": 0.08,
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
    zip(palette.HAIR, (9, 13, 14, 10, 15, 8, 9, 6, 4, 3, 3, 3, 3, 2.5), strict=True)
)
# What takes the place of the above for the old, in middle age, and for peoples mostly black-haired.
OLD_HAIR: Final[Odds] = {"other": 0.2, "grey": 0.46, "white": 0.34}
GREYING_HAIR: Final[Odds] = {"other": 0.75, "grey": 0.25}
DARK_HAIR: Final[Odds] = {"other": 0.38, "black": 0.42, "dark brown": 0.2}

FACIAL_HAIR: Final[Odds] = {
    "none": 0.40, "stubble": 0.15, "moustache": 0.11, "goatee": 0.10, "short beard": 0.12,
    "full beard": 0.12,
}  # fmt: skip
GLASSES: Final[Odds] = {"none": 0.67, "glasses": 0.21, "sunglasses": 0.12}
FRAME_SHAPES: Final = ("round", "rectangular", "oval", "square", "cat-eye", "aviator")
FRAME_COLORS: Final[Odds] = {
    "black": 0.38, "brown": 0.2, "gold": 0.12, "silver": 0.14, "red": 0.08, "blue": 0.08,
}  # fmt: skip
HATS: Final[Odds] = {
    "none": 0.76, "fedora": 0.045, "cocked fedora": 0.025, "beanie": 0.065, "cap": 0.065,
    "headband": 0.04,
}  # fmt: skip
EYE_COLORS: Final[Odds] = {name: 3.0 if name == "brown" else 1.0 for name in catalogue.EYES}
LIGHTS: Final[Odds] = {
    "soft": 0.50, "left": 0.14, "right": 0.14, "top": 0.08, "warm": 0.06, "cool": 0.06,
    "dramatic": 0.01, "backlit": 0.01,
}  # fmt: skip
EARRINGS: Final = ("none", "stud", "hoop")

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
DARK_HAIRED: Final = ("African", "Asian", "South Asian", "Middle Eastern")
