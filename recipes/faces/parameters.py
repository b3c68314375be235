"""A face as one vector: what a generator may be conditioned on while it is trained.

One-hot choices, all zero where the choice cannot be seen, followed by numbers of about unit scale.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from recipes.faces import catalogue, odds, palette
from recipes.faces.arrays import Floats
from recipes.faces.identity import Identity, identity

_OPTIONS: Final[dict[str, tuple[object, ...]]] = {
    "gender": ("male", "female"),
    "age": tuple(odds.AGES),
    "ethnicity": tuple(odds.ETHNICITIES),
    "face_shape": tuple(odds.FACE_SHAPES),
    "expression": tuple(odds.EXPRESSIONS),
    "brows": catalogue.BROWS,
    "lashes": catalogue.LASHES,
    "hair": tuple(name for name in odds.HAIR if name != "bun"),
    "hair_color": tuple(palette.HAIR),
    "facial_hair": tuple(odds.FACIAL_HAIR),
    "glasses": tuple(odds.GLASSES),
    "frame_shape": odds.FRAME_SHAPES,
    "frame_color": tuple(odds.FRAME_COLORS),
    "hat": tuple(odds.HATS),
    "hat_color": tuple(palette.CLOTH),
    "eye_color": catalogue.EYES,
    "lipstick": tuple(palette.LIPSTICK),
    "eyeshadow": tuple(palette.EYESHADOW),
    "earrings": odds.EARRINGS,
    "suit": catalogue.FEMALE_SUITS + catalogue.MALE_SUITS,
    "clothes_color": tuple(palette.CLOTH),
    "background": tuple(palette.BACKGROUND),
    "light": tuple(odds.LIGHTS),
    "skin": odds.SKINS,
}


_FLAGS: Final = ("makeup", "bun", "bangs", "mirrored_hair", "freckles", "gold_earrings")


def names() -> list[tuple[str, str]]:
    """The name of each column of the vector [P] and the value it stands for, if it is a choice."""
    columns = [(name, str(option)) for name, options in _OPTIONS.items() for option in options]
    columns += [(name, "yes") for name in _FLAGS]
    rest = len(parameters(identity(0))) - len(columns)
    return columns + [("number", str(index)) for index in range(rest)]


def _hidden(face: Identity) -> set[str]:
    """The choices that make no difference to this face."""
    hidden = set()
    if face.glasses == "none":
        hidden |= {"frame_shape", "frame_color"}
    if face.glasses == "sunglasses":
        hidden |= {"eye_color"}
    if face.hat == "none":
        hidden |= {"hat_color"}
    if not face.makeup:
        hidden |= {"lipstick", "eyeshadow"}
    if not face.wears_eyeshadow:
        hidden |= {"eyeshadow"}
    if face.hair == "bald":
        hidden |= {"hair_color"}
    return hidden


def _signed(share: float) -> float:
    """0..1 → -1..1."""
    return share * 2 - 1


def parameters(face: Identity) -> Floats:
    """The vector [P] of a face; P is the same for all."""
    hidden = _hidden(face)
    choices = []
    for name, options in _OPTIONS.items():
        one_hot = np.zeros(len(options), np.float32)
        if name not in hidden:
            one_hot[options.index(getattr(face, name))] = 1
        choices.append(one_hot)
    numbers = [
        face.makeup,
        face.bun,
        face.bangs,
        face.mirrored_hair,
        face.freckles,
        face.gold_earrings * (face.earrings != "none"),
        face.black_lenses * (face.glasses == "sunglasses"),
        face.hair_length,
        face.weight / 0.42,
        face.muscle / 0.3,
        (face.face_shape_strength - 0.35) * 6 * (face.face_shape != "none"),
        (face.expression_strength - 0.875) * 10,
        _signed(face.mouth_detail),
        _signed(face.brow_lift),
        face.yaw / 12,
        abs(face.yaw) / 12,
        face.pitch / 5.5,
        face.roll / 2.6,
        *face.hair_volume,
        _signed(face.curl),
        _signed(face.beard_length),
        _signed(face.frame_thickness),
        *face.background_slope,
        _signed(face.vignette),
        _signed(face.light_azimuth),
        abs(_signed(face.light_azimuth)),
        _signed(face.light_elevation),
        face.light_warmth * 20,
        _signed(face.rim_light),
        face.light_azimuth_shift / 10,
        *((share - 0.33) * 3 for share in face.ancestry),
        _signed(face.darkness),
        face.skin_tone * 16,
        face.redness * 25,
        face.gloss * 2 - 1.5,
        _signed(face.blush),
        _signed(face.skin_texture),
        _signed(face.age_detail),
        _signed(face.age_direction),
        _signed(face.gaze_at_camera),
        face.gaze_yaw,
        face.gaze_pitch,
        face.gaze_at_camera * face.yaw / 12,
    ]
    features = [weight / 0.2 for weight in face.features]
    return np.concatenate([*choices, np.array(numbers + features, np.float32)])
