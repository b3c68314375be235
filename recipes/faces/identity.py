"""z ~ N(0, I) → everything that decides how a face looks.

Numbers are components of z, scaled and clipped. A choice cuts one component at the quantiles of its
odds. Where odds depend on who the face is, each group has a component of its own, so that all cuts
stay where they are: a mapping network can learn them (`recipes.generator.mapping`). z is read from
left to right and every face reads all of it, so a component means the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

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
    skin_tone: float  # -0.06..0.06
    redness: float  # -0.08..0.08
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
    light_warmth: float  # -0.1..0.1
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
        self.cuts: dict[int, NDArray[np.float64]] = {}  # of the components that choices read

    def take(self, count: int = 1) -> NDArray[np.float64]:
        self.used += count
        return self._z[self.used - count : self.used]

    def normal(self, spread: float = 1.0, limit: float = 3.0) -> float:
        return min(max(float(self.take()[0] * spread), -limit), limit)

    def uniform(self) -> float:
        return float(ndtr(self.take()[0]))

    def happens(self, probability: float) -> bool:
        return self.choice({"yes": probability, "no": 1 - probability}) == "yes"

    def choice(self, table: odds.Odds) -> str:
        """Draws a key with probability proportional to its value."""
        names = list(table)
        self.cuts[self.used] = cuts(table)
        return names[int(np.searchsorted(self.cuts[self.used], self.take()[0], side="right"))]

    def any_of(self, options: Sequence[Option]) -> Option:
        """Draws one of the options, all equally likely."""
        return options[int(self.choice(odds.even(tuple(map(str, range(len(options)))))))]


def cuts(table: odds.Odds) -> NDArray[np.float64]:
    """Where the options of a table meet on a normal variable: [len(table) - 1], rising."""
    shares = np.array(list(table.values()), float)
    return np.asarray(ndtri(np.minimum(shares.cumsum() / shares.sum(), 1.0)[:-1]))


def choices() -> dict[int, NDArray[np.float64]]:
    """The components of z that choices read, each with its cuts."""
    draws = Draws(np.zeros(Z_DIM))
    read(draws)
    return draws.cuts


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
    gender = d.choice({"female": 0.5, "male": 0.5})
    age = d.choice(odds.AGES)
    ethnicity = d.choice(odds.ETHNICITIES)
    female, child = gender == "female", age == "child"
    dark_haired = ethnicity in odds.DARK_HAIRED
    weight, muscle = d.normal(0.42, 1.0), d.normal(0.3, 0.8)
    face_shape, face_shape_strength = d.choice(odds.FACE_SHAPES), 0.15 + 0.4 * d.uniform()
    expression, expression_strength = d.choice(odds.EXPRESSIONS), 0.75 + 0.25 * d.uniform()
    mouth_detail, brow_lift = d.uniform(), d.uniform()
    brows, lashes = d.any_of(catalogue.BROWS), d.any_of(catalogue.LASHES)
    yaw, pitch, roll = d.normal(7.5, 20), d.normal(3.5, 9), d.normal(2, 6)

    cuts_of = {  # middle age wears its hair as the young do
        (g, a): d.choice(odds.hair(g, a))
        for g in ("female", "male")
        for a in ("child", "young", "old")
    }
    hair = cuts_of[gender, "young" if age == "middle-aged" else age]
    african_hair = d.choice(odds.AFRICAN_CURLS)
    if ethnicity == "African" and african_hair != "other":
        hair = african_hair
    mirrored = d.happens(0.5)
    fringe = d.happens(0.35)
    length = d.choice({"1.0": 0.45, "0.6": 0.3, "0.28": 0.25})
    volume = (d.normal(1.0, 2.5), d.normal(1.0, 2.5), d.normal(1.0, 2.5))
    curl = d.uniform()
    hair_color, old, greying, dark = (
        d.choice(table)
        for table in (odds.HAIR_COLORS, odds.OLD_HAIR, odds.GREYING_HAIR, odds.DARK_HAIR)
    )
    if dark_haired and dark != "other":
        hair_color = dark
    if age == "middle-aged" and greying != "other":
        hair_color = greying
    if age == "old" and old != "other":
        hair_color = old
    facial_hair, beard_length = d.choice(odds.FACIAL_HAIR), d.uniform()

    glasses = d.choice(odds.GLASSES)
    frame_shape, frame_color = d.choice(odds.even(odds.FRAME_SHAPES)), d.choice(odds.FRAME_COLORS)
    frame_thickness = d.uniform()
    hat, hat_color = d.choice(odds.HATS), d.choice(odds.even(palette.CLOTH))
    any_eye, dark_eye = d.choice(odds.EYE_COLORS), d.choice(odds.DARK_EYES)
    dark_eyed = dark_haired or ethnicity == "Latino"
    likes_makeup = d.choice(odds.MAKEUP)
    lipstick = d.choice(odds.even(palette.LIPSTICK))
    eyeshadow, wears_eyeshadow = (
        d.choice(odds.even(palette.EYESHADOW)),
        d.happens(odds.WEARS_EYESHADOW),
    )
    earrings, others_earrings = d.choice(odds.WOMENS_EARRINGS), d.choice(odds.OTHERS_EARRINGS)
    freckled = d.happens(odds.FRECKLED)
    female_suit = d.choice(odds.even(catalogue.FEMALE_SUITS))
    male_suit = d.choice(odds.even(catalogue.MALE_SUITS))
    clothes_color = d.choice(odds.even(palette.CLOTH))

    background = d.choice(odds.even(palette.BACKGROUND))
    slope, vignette = (d.normal(1.0, 2.0), d.normal(1.0, 2.0)), d.uniform()
    light, azimuth, elevation = d.choice(odds.LIGHTS), d.uniform(), d.uniform()
    warmth, rim, azimuth_shift = d.normal(0.04, 0.1), d.uniform(), d.normal(10, 20)
    mixture = [d.uniform(), d.uniform(), d.uniform()]
    mixed_skin = d.choice(odds.even(odds.SKINS))
    skin = odds.SKIN.get(ethnicity, mixed_skin)
    least, most = odds.DARKNESS[skin]
    darkness = least + (most - least) * d.uniform()
    tone, redness, gloss = d.normal(0.03, 0.06), d.normal(0.03, 0.08), 0.5 + 0.7 * d.uniform()
    blush, skin_texture = d.uniform(), d.uniform()
    age_detail, age_direction = d.uniform(), d.uniform()
    features = tuple(d.normal(feature.spread, feature.limit) for feature in FEATURES)
    gaze, gaze_yaw, gaze_pitch = d.uniform(), d.normal(1.0, 2.0), d.normal(1.0, 2.0)
    gold, black_lenses = d.happens(0.6), d.happens(0.7)

    bun = hair == "bun"
    if bun:
        hair = "short04"
    woman = female and not child
    makeup = woman and (
        likes_makeup == "always" or (likes_makeup != "never" and hair in odds.SHORT_HAIR)
    )
    if not woman:
        earrings = others_earrings
    if hat == "headband" and hair in odds.TOO_FULL_FOR_A_HEADBAND:
        hat = "none"
    bangs = hair in ("bob01", "bob02", "short03") or (hair == "braid01" and fringe)
    hair_length = float(length) if hair == "long01" else 1.0
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
        freckles=skin in odds.FRECKLES_SHOW_ON and freckled and age != "old",
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
        eye_color=dark_eye if dark_eyed and dark_eye != "other" else any_eye,
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
