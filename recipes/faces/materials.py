"""Identity → the colours and amounts that the shaders paint with."""

from __future__ import annotations

from typing import Final, cast

import numpy as np

from recipes.faces import masks, palette
from recipes.faces.arrays import Floats
from recipes.faces.assets import Assets
from recipes.faces.blending import BEARD, BROW, CROP, CURLS, HAIR, LASH, LENS, SheetPaint
from recipes.faces.fur import STYLES
from recipes.faces.identity import Identity
from recipes.faces.palette import linear
from recipes.faces.shading import Paint

_DYED: Final = ("pink", "blue", "purple", "green")
_PALE: Final = ("platinum blond", "white")
_WRINKLES: Final = {"child": 0.7, "young": 0.85, "middle-aged": 1.75, "old": 1.8}
_BLACK: Final = np.zeros(3, np.float32)
_TINTS: Final = {
    "Latino": (0.97, 0.92, 0.85),
    "Middle Eastern": (0.97, 0.92, 0.85),
    "Asian": (1.02, 0.99, 0.92),
}


def f32(value: float) -> float:
    """A number in single precision: the kernels are compiled for that."""
    return cast("float", np.float32(value))


def _skin_tint(face: Identity, balance: Floats) -> Floats:
    """The factor [3] on the mixed skin textures."""
    tone = np.clip(0.94 + face.skin_tone, 0.78, 1.1)
    redness = np.array([1 + face.redness, 1, 1 - face.redness * 0.6])
    aged = 0.94 if face.age == "old" else 1.0
    # the lightest skins would be over-exposed
    light = 0.80 + 0.20 * (1 - np.exp(-4 * face.darkness)) if face.darkness < 0.1 else 1.0
    tint: Floats = (redness * tone * balance * aged * light).astype(np.float32)
    people = np.array(_TINTS.get(face.ethnicity, (1, 1, 1)))
    tint = (tint * people).astype(np.float32)
    return tint


def _scalp_paint(style: str, has_cards: bool) -> float:
    """How strongly hair is painted on the scalp beneath the strands."""
    painted = {"buzz": 0.55, "crew": 0.85, "curly shell": 0.85}
    fallback = 0.75 if has_cards and style not in STYLES else 0.0
    return painted.get(style, fallback)


def solid_paint(face: Identity, style: str, assets: Assets) -> Paint:
    """The materials of skin, clothes and what is worn. `style` is the hair as it is worn."""
    light_skin, dark_skin = face.skin_textures()
    hair = linear(palette.HAIR[face.hair_color])
    lipstick, lips = 0.0, _BLACK
    if face.makeup:
        lipstick, lips = 0.8, linear(palette.LIPSTICK[face.lipstick])
    elif face.gender == "female":
        lipstick, lips = 0.3, linear(palette.UNPAINTED_LIPS) * (1 - 0.55 * face.darkness)
    shadowed = face.makeup and face.wears_eyeshadow
    blush = 0.15 + 0.35 * face.blush + (0.5 if face.makeup else 0)
    beard = {"stubble": 0.55, "short beard": 0.8, "full beard": 0.8}
    moustache = {"moustache": 0.8, "goatee": 0.8}
    colours = [
        linear(palette.CLOTH[face.clothes_color]),
        linear(palette.CLOTH[face.hat_color]),
        linear(palette.FRAME[face.frame_color]),
        linear(palette.GOLD_RING if face.gold_earrings else palette.SILVER_RING),
        hair * 0.8,
    ]
    return Paint(
        light_skin=assets.texture_index[light_skin],
        dark_skin=assets.texture_index[dark_skin],
        darkness=f32(face.darkness),
        tint=_skin_tint(face, assets.skin_balance[light_skin]),
        wrinkles=f32(_WRINKLES[face.age]),
        skin_luminance=f32(assets.brightness[light_skin]),
        pores=f32(2 if face.age == "old" else 1),
        gloss=f32(face.gloss),
        freckles=f32(face.freckles),
        blush=f32(blush * (0.5 if face.age == "old" else 1)),
        eyeshadow=f32(0.7 if shadowed else 0),
        eyeshadow_colour=linear(palette.EYESHADOW[face.eyeshadow]) if shadowed else _BLACK,
        lipstick=f32(lipstick),
        lipstick_colour=lips.astype(np.float32),
        lip_brightness=f32(0.33 * (1 - 0.85 * face.darkness)),
        hair_colour=(hair * 0.6).astype(np.float32),
        scalp=f32(_scalp_paint(style, f"hair/{style}" in assets.proxies)),
        beard=f32(beard.get(face.facial_hair, 0)),
        moustache=f32(moustache.get(face.facial_hair, 0)),
        goatee=f32(0.8 if face.facial_hair == "goatee" else 0),
        dye=f32(0.6 if face.suit == "male_elegantsuit01" else 0.85),
        cloth_brightness=f32(max(assets.brightness[f"suit/{face.suit}"], 0.02)),
        colours=np.array(colours, np.float32),
    )


def sheet_paint(face: Identity, style: str, assets: Assets) -> SheetPaint:
    """The materials of hair, brows, lashes, fur and lenses."""
    hair = linear(palette.HAIR[face.hair_color])
    colours = np.zeros((7, 3), np.float32)
    colours[HAIR] = hair
    colours[BROW] = hair * 0.6
    if face.hair_color in _DYED + _PALE:
        colours[BROW] = linear(palette.DARK_BROWS)
    colours[LASH] = linear(palette.LASHES)
    colours[LENS] = linear(palette.BLACK_LENS if face.black_lenses else palette.BROWN_LENS)
    colours[BEARD] = linear(palette.DARK_BEARD) if face.hair_color in _DYED else hair * 0.8
    colours[CROP] = colours[CURLS] = hair * 0.85
    beard_masks = {
        "moustache": (masks.MOUSTACHE, -1),
        "goatee": (masks.GOATEE, masks.MOUSTACHE),
        "short beard": (masks.BEARD, -1),
        "full beard": (masks.BEARD, -1),
    }
    return SheetPaint(
        colours=colours,
        hair_brightness=f32(max(assets.brightness.get(f"hair/{style}", 0.1), 0.004)),
        brow_strength=f32(1.0 if face.gender == "male" else 0.72),
        lens_opacity=f32(0.93 if face.glasses == "sunglasses" else 0.04),
        beard_masks=np.array(beard_masks.get(face.facial_hair, (-1, -1)), np.int32),
    )
