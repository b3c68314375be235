"""Short hair and beards as fur: the skin repeated in layers, with only the strands drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from recipes.faces.arrays import Floats, Ints, smoothstep
from recipes.faces.assets import Assets
from recipes.faces.batch import Batch
from recipes.faces.blending import BEARD, CROP, CURLS
from recipes.faces.fitting import Head
from recipes.faces.hats import HatLine
from recipes.faces.identity import Identity

_LIFT: Final = 0.006  # dm between the skin and the first layer
_BEARD_LAYERS: Final = 8
_BEARD_FALLS: Final = np.array([0, -1, 0.25], np.float32)
_HAIR_LIES: Final = np.array([0, 0.25, -0.3], np.float32)
_UPRIGHT: Final = np.zeros(3, np.float32)
STYLES: Final = ("buzz", "crew", "receding", "horseshoe", "curly shell")


@dataclass(frozen=True)
class Patch:
    """The part of the skin that grows something."""

    vertices: Ints  # [p] of the skin
    faces: Ints  # [f, 3] into the patch
    density: Floats  # [p]

    @classmethod
    def of(cls, density: Floats, faces: Ints) -> Patch:
        """The patch where a density [n] over the skin is above nothing."""
        grown = faces[density[faces].max(1) > 0.03]
        vertices, local = np.unique(grown, return_inverse=True)
        return cls(vertices, local.reshape(-1, 3).astype(np.int32), density[vertices])


class FurRenderer:
    """Knows where on the skin hair and beards grow, and grows them."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    @cached_property
    def _scalp(self) -> Patch:
        return Patch.of(self._assets.scalp, self._assets.skin_faces)

    @cached_property
    def _beards(self) -> dict[str, Patch]:
        beards, faces = self._assets.beards, self._assets.skin_faces
        grown = {
            "moustache": beards["moustache"],
            "goatee": np.maximum(beards["goatee"], beards["moustache"]),
            "short beard": beards["beard"],
            "full beard": beards["beard"],
        }
        return {
            name: Patch.of(np.maximum(density, _spread(density, faces)), faces)
            for name, density in grown.items()
        }

    def grow_beard(self, face: Identity, head: Head, sheets: Batch) -> None:
        patch = self._beards.get(face.facial_hair)
        if patch is None:
            return
        full = 0.18 + 0.14 * face.beard_length
        lengths = {"moustache": 0.06, "goatee": 0.10, "short beard": 0.07, "full beard": full}
        in_front = smoothstep(0.65, 1.2, head.skin[patch.vertices, 2])
        length = lengths[face.facial_hair] * (0.10 + 0.90 * in_front)
        everywhere = np.ones(len(patch.vertices), np.float32)
        self._grow(patch, head, sheets, BEARD, length, _BEARD_FALLS, _BEARD_LAYERS, everywhere)

    def grow_hair(
        self, face: Identity, style: str, head: Head, line: HatLine | None, sheets: Batch
    ) -> None:
        """Grows one of `STYLES`, up to the hat line if there is one."""
        patch = self._scalp
        skin = head.skin[patch.vertices]
        there = np.ones(len(skin), np.float32)
        if line is not None:
            there = there * (line.above(skin) < 0.02)
        height = skin[:, 1] - head.left_eye[1]
        if style == "receding":
            there = there * (
                1 - smoothstep(0.45, 0.75, height) * smoothstep(0.35, 0.75, skin[:, 2])
            )
        if style == "horseshoe":
            there = there * smoothstep(0.62, 0.40, height)
        afro = face.hair == "afro01"
        curls = 0.40 + 0.16 * face.curl if afro else 0.20 + 0.10 * face.curl
        length, layers, lies = {
            "buzz": (0.03, 6, _HAIR_LIES),
            "crew": (0.14, 10, _HAIR_LIES),
            "receding": (0.12, 10, _HAIR_LIES),
            "horseshoe": (0.10, 10, _HAIR_LIES),
            "curly shell": (curls, 20 if afro else 12, _UPRIGHT),
        }[style]
        kind = CURLS if style == "curly shell" else CROP
        self._grow(patch, head, sheets, kind, length, lies, layers, there)

    def _grow(
        self,
        patch: Patch,
        head: Head,
        sheets: Batch,
        kind: int,
        length: Floats | float,
        lies: Floats,
        layers: int,
        density: Floats,
    ) -> None:
        """Adds layers from the skin outwards, of which each leans more to where the hair lies."""
        skin = head.skin[patch.vertices]
        normals = head.skin_normals[patch.vertices]
        uv = self._assets.skin_uv[patch.vertices]
        fade = np.minimum(1, patch.density * 1.5)
        for layer in range(layers):
            height = (layer + 0.5) / layers
            direction = normals * (1 - 0.35 * height) + lies * height * 0.5
            offset = direction * (length * height * fade)[:, None]
            sheets.add(
                skin + offset + normals * _LIFT,
                patch.faces,
                kind,
                uv=uv,
                occlusion=density,
                texture=int(255 * height),
            )


def _spread(density: Floats, faces: Ints) -> Floats:
    """The density [n], grown by one ring of triangles: its edge is then drawn by the mask alone."""
    out = density.copy()
    most = density[faces].max(1) * 0.6
    for k in range(3):
        np.maximum.at(out, faces[:, k], most)
    return out
