"""Identity → weights of the morph targets: age and build, features, expression."""

from __future__ import annotations

from typing import Final

import numpy as np

from recipes.faces.arrays import Floats
from recipes.faces.assets import Assets
from recipes.faces.catalogue import ANCESTRIES
from recipes.faces.features import AGE_BIAS, FEATURES, FEMALE_BIAS, MALE_BIAS
from recipes.faces.identity import Identity

Weights = dict[str, float]

OPEN_MOUTH: Final = ("big smile", "open mouth", "surprised", "disgust", "sad")
_LOWERED_BROWS: Final = ("angry", "surprised", "disgust", "sad")
_SMALLEST: Final = 1e-3


def morph(face: Identity, assets: Assets) -> Floats:
    """The body's vertices [v, 3] for this face, in decimetres."""
    weights = np.zeros(len(assets.targets), np.float32)
    for name, weight in _weights(face).items():
        index = assets.target_index.get(name)  # not every pair of the table exists in both signs
        if index is not None:
            weights[index] = weight
    moved: Floats = assets.rest + (assets.morphs @ weights).reshape(-1, 3)
    return moved


def _weights(face: Identity) -> Weights:
    weights: Weights = {}
    _add_build(weights, face)
    _add_features(weights, face)
    _add_expression(weights, face)
    return weights


def _add(weights: Weights, name: str, weight: float) -> None:
    if abs(weight) > _SMALLEST:
        weights[name] = weights.get(name, 0) + weight


def _ages(face: Identity) -> Weights:
    """Shares of the child, young and old bodies."""
    detail = face.age_detail
    if face.age == "child":
        child = 1.05 + 0.2 * detail  # beyond the child of the meshes, who is in her teens
        return {"child": child, "young": 1 - child}
    if face.age == "young":
        drift = 0.06 * detail
        return {"young": 1 - drift, "child" if face.age_direction < 0.4 else "old": drift}
    if face.age == "middle-aged":
        old = 0.56 + 0.12 * detail
        return {"young": 1 - old, "old": old}
    old = 1.1 + 0.15 * detail
    return {"old": old, "young": 1 - old}


def _three_way(value: float, noun: str) -> Weights:
    """-1..1 → shares of the targets for its minimum, average and maximum."""
    return {
        f"min{noun}": max(0, -value),
        f"max{noun}": max(0, value),
        f"average{noun}": 1 - abs(value),
    }


def _add_build(weights: Weights, face: Identity) -> None:
    muscle = min(face.muscle, 0.15) - 0.15 if face.gender == "female" else face.muscle
    by_weight, by_muscle = _three_way(face.weight, "weight"), _three_way(muscle, "muscle")
    for age, share in _ages(face).items():
        for ancestry, part in zip(ANCESTRIES, face.ancestry, strict=True):
            _add(weights, f"{ancestry}-{face.gender}-{age}", share * part)
        for weight_name, weight in by_weight.items():
            for muscle_name, strength in by_muscle.items():
                name = f"universal-{face.gender}-{age}-{muscle_name}-{weight_name}"
                _add(weights, name, share * weight * strength)


def _add_features(weights: Weights, face: Identity) -> None:
    female = face.gender == "female"
    if face.face_shape != "none":
        strength = face.face_shape_strength * (0.7 if female else 1.0)
        _add(weights, f"head-{face.face_shape}", strength)
    bias = FEMALE_BIAS if female else MALE_BIAS
    aged = AGE_BIAS[face.age]
    for feature, own in zip(FEATURES, face.features, strict=True):
        weight = own + bias.get(feature.name, 0.0) + aged.get(feature.name, 0.0)
        for target in feature.targets(weight):
            _add(weights, target, abs(weight))


def _add_expression(weights: Weights, face: Identity) -> None:
    def move(unit: str, weight: float) -> None:
        for ancestry, part in zip(ANCESTRIES, face.ancestry, strict=True):
            _add(weights, f"x-{ancestry}-{unit}", weight * part)

    def both(unit: str, weight: float) -> None:
        move(unit.replace("*", "left"), weight)
        move(unit.replace("*", "right"), weight)

    expression, strength = face.expression, face.expression_strength
    if expression == "neutral":
        move("mouth-corner-puller", 0.16 + 0.10 * face.mouth_detail)
    if expression not in _LOWERED_BROWS:  # a face at rest looks stern with its brows down
        both("eyebrows-*-inner-up", 0.32 + 0.12 * face.brow_lift)
        both("eyebrows-*-up", 0.14)
    if expression == "smile":
        move("mouth-corner-puller", 0.85 * strength)
        move("mouth-retraction", 0.15 * strength)
        both("eye-*-slit", 0.22 * strength)
    elif expression == "big smile":
        move("mouth-corner-puller", 0.95 * strength)
        move("mouth-parling", 0.75 * strength)
        move("mouth-upward-retraction", 0.28 * strength)
        move("mouth-open", 0.12 * face.mouth_detail)
        both("eye-*-slit", 0.3 * strength)
        both("eyebrows-*-up", 0.2)
    elif expression == "open mouth":
        move("mouth-open", 0.45 * strength)
        move("mouth-upward-retraction", 0.18)
    elif expression == "sad":
        move("mouth-depression", 0.75 * strength)
        both("eyebrows-*-inner-up", 0.9 * strength)
        both("eye-*-slit", 0.2)
    elif expression == "angry":
        both("eyebrows-*-down", 1.0 * strength)
        move("mouth-compression", 0.5 * strength)
        both("eye-*-slit", 0.4 * strength)
        move("nose-compression", 0.5)
    elif expression == "surprised":
        both("eyebrows-*-up", 1.0 * strength)
        both("eyebrows-*-extern-up", 0.5 * strength)
        both("eye-*-opened-up", 0.8 * strength)
        move("mouth-open", 0.42 * strength)
        move("mouth-upward-retraction", 0.12)
    elif expression == "closed eyes":
        both("eye-*-closure", 1.0)
    elif expression == "wink":
        move("eye-left-closure", 1.0)
        move("mouth-corner-puller", 0.25)
        move("eye-right-slit", 0.2)
    elif expression == "pursed lips":
        move("mouth-pursing", 1.0 * strength)
    elif expression == "disgust":
        both("nose-*-elevation", 1.0 * strength)
        move("mouth-elevation", 0.45 * strength)
        both("eyebrows-*-down", 0.5)
        both("eye-*-slit", 0.3)
