"""The free features of a face's shape: morph targets that come in opposite pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Feature:
    """A pair of opposite morph targets, `name-negative` and `name-positive`.

    A symmetric feature has one such pair for each side, prefixed `l-` and `r-`.
    """

    name: str
    spread: float  # standard deviation of its weight
    limit: float  # largest weight
    negative: str
    positive: str
    symmetric: bool = False

    def targets(self, weight: float) -> list[str]:
        """The targets that a weight of this sign moves along."""
        target = f"{self.name}-{self.positive if weight > 0 else self.negative}"
        return [f"{side}-{target}" for side in "lr"] if self.symmetric else [target]


_SIZES: Final = (
    "head-scale-horiz", "head-scale-vert", "head-fat", "head-age", "forehead-scale-vert",
    "forehead-temple", "forehead-nubian", "nose-scale-horiz", "nose-scale-vert",
    "nose-scale-depth", "nose-width1", "nose-width2", "nose-width3", "nose-point-width",
    "nose-hump", "nose-greek", "nose-flaring", "nose-volume", "nose-nostrils-width",
    "mouth-scale-horiz", "mouth-scale-vert", "mouth-upperlip-volume", "mouth-lowerlip-volume",
    "mouth-upperlip-height", "mouth-lowerlip-height", "mouth-cupidsbow", "chin-height",
    "chin-width", "chin-bones", "chin-prominent", "chin-jaw-drop", "chin-prognathism",
    "chin-cleft", "neck-scale-horiz",
)  # fmt: skip
_PAIRED_SIZES: Final = (
    "eye-scale", "eye-height1", "eye-height2", "eye-height3", "eye-bag", "cheek-bones",
    "cheek-inner", "cheek-volume", "ear-scale", "ear-wing", "ear-lobe",
)  # fmt: skip

FEATURES: Final = (
    *(Feature(name, 0.15, 0.45, "decr", "incr") for name in _SIZES),
    Feature("nose-point", 0.20, 0.6, "down", "up"),
    Feature("nose-base", 0.20, 0.6, "down", "up"),
    Feature("nose-curve", 0.20, 0.6, "concave", "convex"),
    Feature("eyebrows-angle", 0.13, 0.6, "down", "up"),
    Feature("eyebrows-trans", 0.20, 0.6, "down", "up"),
    Feature("mouth-trans", 0.22, 0.6, "down", "up"),
    Feature("nose-trans", 0.22, 0.6, "down", "up"),
    Feature("mouth-dimples", 0.20, 0.6, "in", "out"),
    Feature("mouth-laugh-lines", 0.22, 0.6, "in", "out"),
    *(Feature(name, 0.20, 0.7, "decr", "incr", symmetric=True) for name in _PAIRED_SIZES),
    Feature("eye-corner1", 0.27, 0.7, "down", "up", symmetric=True),
    Feature("eye-corner2", 0.30, 0.7, "down", "up", symmetric=True),
    Feature("eye-trans", 0.22, 0.7, "in", "out", symmetric=True),
    Feature("eye-epicanthus", 0.27, 0.7, "in", "out", symmetric=True),
    Feature("eye-eyefold", 0.27, 0.7, "down", "up", symmetric=True),
    Feature("cheek-trans", 0.27, 0.7, "down", "up", symmetric=True),
)

# What women and men have on top of their own features. Raised brows: a resting face looks stern.
FEMALE_BIAS: Final = {
    "chin-jaw-drop": -0.10, "chin-width": -0.14, "chin-bones": -0.12,
    "mouth-upperlip-volume": 0.12, "mouth-lowerlip-volume": 0.14, "nose-scale-vert": -0.10,
    "nose-width2": -0.08, "neck-scale-horiz": -0.22, "head-fat": 0.04, "eyebrows-angle": 0.22,
    "eyebrows-trans": 0.30, "eye-scale": 0.16, "eye-height2": 0.10, "eye-corner2": 0.1,
}  # fmt: skip
MALE_BIAS: Final = {
    "chin-width": 0.08, "chin-bones": 0.10, "neck-scale-horiz": 0.12, "eyebrows-angle": 0.22,
    "eyebrows-trans": 0.14,
}  # fmt: skip
# What tells the ages apart besides the body of that age.
AGE_BIAS: Final[Mapping[str, Mapping[str, float]]] = {
    "child": {
        "head-age": -0.5, "eye-scale": 0.35, "head-fat": 0.15, "cheek-volume": 0.3,
        "nose-scale-vert": -0.3, "nose-scale-depth": -0.2, "chin-height": -0.3,
        "chin-prominent": -0.1, "neck-scale-horiz": -0.35, "mouth-scale-horiz": -0.15,
        "forehead-scale-vert": 0.2, "nose-hump": -0.25,
    },
    "young": {"head-age": -0.15},
    "middle-aged": {"head-age": 0.3, "mouth-laugh-lines": 0.3, "eye-bag": 0.25, "head-fat": 0.08},
    "old": {
        "head-age": 0.6, "mouth-laugh-lines": 0.4, "eye-bag": 0.5, "cheek-volume": -0.25,
        "ear-scale": 0.25, "nose-scale-vert": 0.15, "mouth-upperlip-volume": -0.2,
        "eye-height2": -0.15,
    },
}  # fmt: skip
