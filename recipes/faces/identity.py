"""z ~ N(0, I) → everything that decides how a face looks.

Numbers are components of z, scaled and clipped. Choices take one component per option and pick by
the Gumbel-max rule: the odds hold exactly, and the border between two options is smooth in z. z is
read from left to right and every face reads all of it, so a component means the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from recipes.faces import catalogue, odds, palette
from recipes.faces.features import FEATURES

Z_DIM: Final = 512  # components of z; those beyond the last choice are unused
SEED_TRAIN, SEED_TEST = 20240, 20241

Option = TypeVar("Option")


@dataclass(frozen=True)
class Identity:
    """All that the renderer needs to know. Shares and amounts are in 0..1 unless said otherwise."""

    # who
    gender: str
    age: str
    age_detail: float
    age_direction: float
    ethnicity: str
    ancestry: tuple[float, float, float]  # african, asian, caucasian
    weight: float  # -1..1
    muscle: float  # -0.8..0.8
    # shape
    face_shape: str
    face_shape_strength: float
    features: tuple[float, ...]  # weights of features.FEATURES
    brows: int
    lashes: int
    # expression and pose
    expression: str
    expression_strength: float
    mouth_detail: float
    brow_lift: float
    yaw: float  # degrees
    pitch: float
    roll: float
    gaze_at_camera: float
    gaze_yaw: float  # standard deviations
    gaze_pitch: float
    # skin
    skin: str
    darkness: float
    skin_tone: float  # -0.12..0.12
    redness: float  # -0.1..0.1
    gloss: float
    blush: float
    skin_texture: float
    freckles: bool
    # hair
    hair: str
    hair_color: str
    bun: bool
    bangs: bool
    mirrored_hair: bool
    hair_length: float
    hair_volume: tuple[float, float, float]
    curl: float
    facial_hair: str
    beard_length: float
    # what is worn
    glasses: str
    frame_shape: str
    frame_color: str
    frame_thickness: float
    black_lenses: bool
    hat: str
    hat_color: str
    eye_color: str
    makeup: bool
    lipstick: str
    eyeshadow: str
    wears_eyeshadow: bool
    earrings: str
    gold_earrings: bool
    suit: str
    clothes_color: str
    # around
    background: str
    background_slope: tuple[float, float]
    vignette: float
    light: str
    light_azimuth: float
    light_azimuth_shift: float  # degrees
    light_elevation: float
    light_warmth: float  # -0.12..0.12
    rim_light: float

    def skin_textures(self) -> tuple[str, str]:
        """The light and the dark skin texture that are mixed by `darkness`."""
        age = {"child": "young", "middle-aged": "middleage"}.get(self.age, self.age)
        count = catalogue.LIGHT_SKINS[age]
        number = 3 if self.ethnicity == "Asian" else 1 + int(self.skin_texture * 0.999 * count)
        folder = f"skin/{age}/{self.gender}"
        return f"{folder}/light{min(number, count)}", f"{folder}/dark"


class Draws:
    """Reads z from left to right."""

    def __init__(self, z: NDArray[np.float64]) -> None:
        self._z = z
        self.used = 0

    def take(self, count: int = 1) -> NDArray[np.float64]:
        self.used += count
        return self._z[self.used - count : self.used]

    def normal(self, spread: float = 1.0, limit: float = 3.0) -> float:
        return min(max(float(self.take()[0] * spread), -limit), limit)

    def uniform(self) -> float:
        return float(ndtr(self.take()[0]))

    def happens(self, probability: float) -> bool:
        return self.uniform() < probability

    def choice(self, table: odds.Odds) -> str:
        """Draws a key with probability proportional to its value."""
        names = list(table)
        uniform = np.clip(ndtr(self.take(len(names))), 1e-12, 1 - 1e-12)
        gumbel = -np.log(-np.log(uniform))
        share = np.array(list(table.values()), float)
        share = share / share.sum()
        score = np.where(share > 0, np.log(np.maximum(share, 1e-30)) + gumbel, -1e30)
        return names[int(np.argmax(score))]

    def any_of(self, options: Sequence[Option]) -> Option:
        return options[int(np.argmax(self.take(len(options))))]


def draw(seed: int, index: int) -> NDArray[np.float64]:
    """The z [Z_DIM] of face number `index` of the data set `seed`."""
    return np.random.default_rng([seed, index]).standard_normal(Z_DIM)


def identity(index: int, seed: int = SEED_TRAIN) -> Identity:
    """Face number `index` of the data set `seed`."""
    return sample(draw(seed, index))


def sample(z: NDArray[np.float64]) -> Identity:
    """The face of z [Z_DIM].

    Raises:
        ValueError: z has another shape.
    """
    if z.shape != (Z_DIM,):
        raise ValueError(f"z has shape {z.shape}, expected ({Z_DIM},)")
    return read(Draws(z))


def read(d: Draws) -> Identity:
    """Reads a face. The order of the lines is the meaning of z: append, never reorder."""
    gender = "female" if d.uniform() < 0.5 else "male"
    age = d.choice(odds.AGES)
    ethnicity = d.choice(odds.ETHNICITIES)
    female, child, old = gender == "female", age == "child", age == "old"
    dark_haired = ethnicity in odds.DARK_HAIRED
    weight, muscle = d.normal(0.42, 1.0), d.normal(0.3, 0.8)
    face_shape, face_shape_strength = d.choice(odds.FACE_SHAPES), 0.15 + 0.4 * d.uniform()
    expression, expression_strength = d.choice(odds.EXPRESSIONS), 0.75 + 0.25 * d.uniform()
    mouth_detail, brow_lift = d.uniform(), d.uniform()
    brows, lashes = d.any_of(catalogue.BROWS), d.any_of(catalogue.LASHES)
    yaw, pitch, roll = d.normal(12, 30), d.normal(5.5, 13), d.normal(2.6, 8)

    hair, mirrored = d.choice(odds.hair(gender, age, ethnicity)), d.happens(0.5)
    fringe, length = d.uniform(), d.uniform()
    volume = (d.normal(1.0, 2.5), d.normal(1.0, 2.5), d.normal(1.0, 2.5))
    curl = d.uniform()
    hair_color = d.choice(odds.hair_color(age, dark_haired))
    facial_hair, beard_length = d.choice(odds.FACIAL_HAIR), d.uniform()

    glasses = d.choice(odds.GLASSES)
    frame_shape, frame_color = d.choice(odds.even(odds.FRAME_SHAPES)), d.choice(odds.FRAME_COLORS)
    frame_thickness = d.uniform()
    hat, hat_color = d.choice(odds.HATS), d.choice(odds.even(palette.CLOTH))
    any_eye, light_brown = d.choice(odds.EYE_COLORS), d.happens(0.2)
    dark_eyed = dark_haired or ethnicity == "Latino"
    likes_makeup = d.uniform()
    lipstick = d.choice(odds.even(palette.LIPSTICK))
    eyeshadow, wears_eyeshadow = d.choice(odds.even(palette.EYESHADOW)), d.happens(0.5)
    jewellery, freckled = d.uniform(), d.uniform()
    female_suit = d.choice(odds.even(catalogue.FEMALE_SUITS))
    male_suit = d.choice(odds.even(catalogue.MALE_SUITS))
    clothes_color = d.choice(odds.even(palette.CLOTH))

    background = d.choice(odds.even(palette.BACKGROUND))
    slope, vignette = (d.normal(1.0, 2.0), d.normal(1.0, 2.0)), d.uniform()
    light, azimuth, elevation = d.choice(odds.LIGHTS), d.uniform(), d.uniform()
    warmth, rim, azimuth_shift = d.normal(0.05, 0.12), d.uniform(), d.normal(10, 20)
    mixture = [d.uniform(), d.uniform(), d.uniform()]
    mixed_skin = d.choice(odds.even(odds.SKINS))
    skin = odds.SKIN.get(ethnicity, mixed_skin)
    least, most = odds.DARKNESS[skin]
    darkness = least + (most - least) * d.uniform()
    tone, redness, gloss = d.normal(0.06, 0.12), d.normal(0.04, 0.1), 0.5 + 0.7 * d.uniform()
    blush, skin_texture = d.uniform(), d.uniform()
    age_detail, age_direction = d.uniform(), d.uniform()
    features = tuple(d.normal(feature.spread, feature.limit) for feature in FEATURES)
    gaze, gaze_yaw, gaze_pitch = d.uniform(), d.normal(1.0, 2.0), d.normal(1.0, 2.0)
    gold, black_lenses = d.happens(0.6), d.happens(0.7)

    bun = hair == "bun"
    if bun:
        hair = "short04"
    makeup = female and not child and likes_makeup < (0.8 if hair in odds.SHORT_HAIR else 0.5)
    if female and not child:
        earrings = "none" if jewellery < 0.5 else "stud" if jewellery < 0.8 else "hoop"
    else:
        earrings = "stud" if jewellery > 0.97 else "none"
    if hat == "headband" and hair in odds.TOO_FULL_FOR_A_HEADBAND:
        hat = "none"
    bangs = hair in ("bob01", "bob02", "short03") or (hair == "braid01" and fringe < 0.35)
    if hair == "long01":
        hair_length = 1.0 if length < 0.45 else 0.6 if length < 0.75 else 0.28
    else:
        hair_length = 1.0
    return Identity(
        gender=gender,
        age=age,
        age_detail=age_detail,
        age_direction=age_direction,
        ethnicity=ethnicity,
        ancestry=_ancestry(ethnicity, mixture),
        weight=weight,
        muscle=muscle,
        face_shape=face_shape,
        face_shape_strength=face_shape_strength,
        features=features,
        brows=brows,
        lashes=lashes,
        expression=expression,
        expression_strength=expression_strength,
        mouth_detail=mouth_detail,
        brow_lift=brow_lift,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        gaze_at_camera=gaze,
        gaze_yaw=gaze_yaw,
        gaze_pitch=gaze_pitch,
        skin=skin,
        darkness=darkness,
        skin_tone=tone,
        redness=redness,
        gloss=gloss,
        blush=blush,
        skin_texture=skin_texture,
        freckles=ethnicity == "Caucasian" and freckled < 0.2 and not old,
        hair=hair,
        hair_color=hair_color,
        bun=bun,
        bangs=bangs,
        mirrored_hair=mirrored,
        hair_length=hair_length,
        hair_volume=volume,
        curl=curl,
        facial_hair="none" if female or child else facial_hair,
        beard_length=beard_length,
        glasses=glasses,
        frame_shape=frame_shape,
        frame_color=frame_color,
        frame_thickness=frame_thickness,
        black_lenses=black_lenses,
        hat=hat,
        hat_color=hat_color,
        eye_color=("brownlight" if light_brown else "brown") if dark_eyed else any_eye,
        makeup=makeup,
        lipstick=lipstick,
        eyeshadow=eyeshadow,
        wears_eyeshadow=wears_eyeshadow,
        earrings=earrings,
        gold_earrings=gold,
        suit=female_suit if female else male_suit,
        clothes_color=clothes_color,
        background=background,
        background_slope=slope,
        vignette=vignette,
        light=light,
        light_azimuth=azimuth,
        light_azimuth_shift=azimuth_shift,
        light_elevation=elevation,
        light_warmth=warmth,
        rim_light=rim,
    )


def _ancestry(ethnicity: str, mixture: list[float]) -> tuple[float, float, float]:
    """Mostly the shares of the ethnicity, and a tenth of a mixture of one's own."""
    own = np.array([0.02 + share for share in mixture])
    own = own**2 / np.sum(own**2)
    main = np.array(odds.ANCESTRY.get(ethnicity, tuple(own)))
    african, asian, caucasian = (main * 0.9 + 0.1 * own).tolist()
    return african, asian, caucasian
