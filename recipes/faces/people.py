"""Several pictures of one person: what a face is stays, what it does and wears changes.

Hair, facial hair, expression, pose, gaze, light, background and everything worn are those of
another face of the same gender and age, so that they suit each other. Bones, features, skin and
eyes stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recipes.faces.identity import Identity, identity
from recipes.faces.renderer import Renderer
from recipes.faces.workers import shards_of, spread
from text2face.storage.folders import atomic_file, make_folder

SEED_PEOPLE: Final = 20242
SHARD: Final = 100  # people
CHANGING: Final = (
    "expression", "expression_strength", "mouth_detail", "brow_lift", "yaw", "pitch", "roll",
    "gaze_at_camera", "gaze_yaw", "gaze_pitch", "gloss", "hair", "hair_color", "bun", "bangs",
    "mirrored_hair", "hair_length", "hair_volume", "curl", "facial_hair", "beard_length", "glasses",
    "frame_shape", "frame_color", "frame_thickness", "black_lenses", "hat", "hat_color", "makeup",
    "lipstick", "eyeshadow", "wears_eyeshadow", "earrings", "gold_earrings", "suit",
    "clothes_color", "background", "background_slope", "vignette", "light", "light_azimuth",
    "light_azimuth_shift", "light_elevation", "light_warmth", "rim_light",
)  # fmt: skip


def views(person: int, number: int, seed: int = SEED_PEOPLE) -> Iterator[Identity]:
    """The first `number` pictures of a person; the same for the same seed."""
    who = identity(person, seed)
    looks = (identity(index, seed + 1) for index in count(person * 1000))
    fitting = (look for look in looks if (look.gender, look.age) == (who.gender, who.age))
    for _, look in zip(range(number), fitting, strict=False):
        yield replace(who, **{name: getattr(look, name) for name in CHANGING})


def write_people(
    folder: Path,
    people: int,
    number: int,
    size: int = 128,
    seed: int = SEED_PEOPLE,
    cache: Path | None = None,
    jobs: int = 1,
) -> Iterator[int]:
    """Render `number` pictures of each person, shard by shard; yields how many people each adds.

    Shards that are there already are kept, and each appears whole or not at all.
    """
    make_folder(folder)
    waiting = []
    for several in shards_of(people, SHARD):
        if _shard(folder, several, number, size, seed).exists():
            yield len(several)
        else:
            waiting.append(several)
    yield from spread(partial(_write_shard, folder, number, size, seed), waiting, cache, jobs)


def _write_shard(
    folder: Path, number: int, size: int, seed: int, people: range, renderer: Renderer
) -> int:
    drawn = [
        np.stack([renderer.render(face, size) for face in views(person, number, seed)])
        for person in people
    ]
    with atomic_file(_shard(folder, people, number, size, seed)) as file:
        np.save(file, np.stack(drawn))
    return len(people)


def _shard(folder: Path, people: range, number: int, size: int, seed: int) -> Path:
    return folder / f"seed{seed}-{number}x{size}-{people.start:06d}.npy"


def read_people(
    folder: Path, people: int, number: int, size: int = 128, seed: int = SEED_PEOPLE
) -> NDArray[np.uint8]:
    """Pictures uint8 [people, number, size, size, 3]."""
    paths = [_shard(folder, some, number, size, seed) for some in shards_of(people, SHARD)]
    return np.concatenate([np.load(path) for path in paths])[:people]
