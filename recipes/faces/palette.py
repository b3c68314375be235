"""Colours by name, as sRGB, and the way from sRGB to the linear light that is rendered in."""

from __future__ import annotations

from typing import Final

import numpy as np

from recipes.faces.arrays import Floats, Texels

_LEVELS: Final = np.arange(256) / 255.0
# sRGB level 0…255 → linear light (IEC 61966-2-1)
LINEAR: Final[Floats] = np.where(
    _LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4
).astype(np.float32)


def linear(colour: str) -> Floats:
    """Linear RGB [3] of a hexadecimal sRGB colour such as `2e1f16`."""
    return np.array([LINEAR[level] for level in bytes.fromhex(colour)], np.float32)


def luminance(texture: Texels) -> Floats:
    """A rough linear luminance [h, w] of an image [h, w, ≥ 3]."""
    out: Floats = LINEAR[texture[..., :3]] @ np.array([0.3, 0.5, 0.2], np.float32)
    return out


HAIR: Final = {
    "black": "171412", "dark brown": "2e1f16", "brown": "4f3522", "light brown": "7a5534",
    "blond": "b8925a", "platinum blond": "ded0ae", "red": "7e3a1e", "auburn": "5c2517",
    "grey": "8f8d8a", "white": "e4e2de", "pink": "d9709b", "blue": "3d6bb0", "purple": "6a4694",
    "green": "4b8a5a",
}  # fmt: skip
CLOTH: Final = {
    "black": "1d1d20", "white": "e8e8e6", "grey": "8a8c90", "navy": "232e52", "blue": "3b66a8",
    "red": "a62b2b", "burgundy": "6a2130", "green": "3f7a4a", "olive": "6b6b3a", "yellow": "d9b13c",
    "orange": "cc6a2c", "pink": "d690a4", "purple": "67478f", "brown": "6b4a33", "beige": "cdb893",
    "teal": "2f7d80",
}  # fmt: skip
BACKGROUND: Final = {
    "white": "f4f4f2", "grey": "98999c", "black": "26272b", "blue": "5c8fd0", "green": "72ab70",
    "teal": "3f9c9a", "yellow": "ecd468", "orange": "e3944c", "brown": "7d5b42", "beige": "dccbab",
    "pink": "e6aabc", "purple": "8c70ba",
}  # fmt: skip
LIPSTICK: Final = {
    "red": "a8121e", "pink": "d8558a", "nude": "b98468", "plum": "5e1a3c", "coral": "e0603c",
}  # fmt: skip
EYESHADOW: Final = {
    "brown": "5a3a2c", "blue": "4a6a9c", "purple": "6a4a86", "green": "4e7a5c", "smoky": "2c2a2e",
    "pink": "b8708a",
}  # fmt: skip
FRAME: Final = {
    "black": "121214", "brown": "6e4222", "gold": "c89a2e", "silver": "b4b8c0", "red": "b01c28",
    "blue": "2450b0",
}  # fmt: skip
UNPAINTED_LIPS: Final = "b85a5c"
GOLD_RING, SILVER_RING = "d9b44a", "cfd2d8"
BLACK_LENS, BROWN_LENS = "14161a", "3a2a18"
LASHES: Final = "120d0b"
DARK_BROWS, DARK_BEARD = "4a3524", "2e1f16"  # under dyed hair brows and beard keep a natural colour
