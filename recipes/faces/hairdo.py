"""Hair that is modelled as cards: its shape, its fringe, and how it fits under a hat."""

from __future__ import annotations

from typing import Final

import numpy as np

from recipes.faces.arrays import Floats, Ints
from recipes.faces.batch import Batch
from recipes.faces.blending import HAIR
from recipes.faces.fitting import Head
from recipes.faces.hats import FEDORAS, HatLine
from recipes.faces.identity import Identity
from recipes.faces.meshes import normals
from recipes.faces.shading import BUN, FELT
from recipes.faces.shapes import sphere

_HEAD_CENTRE: Final = np.array([0, 7.4, 0.45], np.float32)  # hair with more volume swells from here
_LOOK_FROM: Final = np.array([0, 7.35, 0.35], np.float32)  # hair faces away from here


def put_on_hair(
    face: Identity, name: str, head: Head, line: HatLine | None, sheets: Batch, solids: Batch
) -> Floats:
    """Adds the hair `hair/<name>` to the sheets, and a bun to the solids.

    Returns:
        How far beyond the fringe or the hat line each vertex is: no hair where this is > 0.
    """
    assets = head.assets
    proxy = assets.proxies[name]
    hair, faces = proxy.fit(head.body), proxy.faces
    if line is None:
        volume = np.abs(face.hair_volume)
        swell = np.array([1 + 0.03 * volume[0], 1 + 0.03 * volume[1], 1 + 0.02 * volume[2]])
        hair = _HEAD_CENTRE + (hair - _HEAD_CENTRE) * swell.astype(np.float32)
    else:
        hair, faces = _tuck_under(hair, faces, line, brim=face.hat == "fedora")
    if face.hair_length < 1:
        ends = head.mouth_left[1] - 0.05
        hair = hair.copy()
        low = hair[:, 1] < ends
        hair[low, 1] = ends + (hair[low, 1] - ends) * face.hair_length
    if face.mirrored_hair:
        hair = hair * np.array([-1, 1, 1], np.float32)
        faces = faces[:, ::-1]
    cut = np.full(len(hair), -1.0, np.float32)
    if face.bangs:
        cut = _fringe(hair, head.left_eye[1], face.hair_volume[0])
    if line is not None:
        margin = 0.05 if face.hat in FEDORAS else 0.02
        cut = np.maximum(cut, (line.above(hair) + margin).astype(np.float32))
    positions = hair.astype(np.float32)
    sheets.add(
        positions,
        faces,
        HAIR,
        uv=proxy.uv,
        occlusion=proxy.occlusion,
        texture=assets.texture_index[name],
        facing=_bent_normals(positions, np.ascontiguousarray(faces), proxy.weld),
    )
    if face.bun and line is None:
        _add_bun(head, solids)
    return cut


def _tuck_under(hair: Floats, faces: Ints, line: HatLine, brim: bool) -> tuple[Floats, Ints]:
    """Drops hair above the hat line and draws the rest in towards it."""
    above = line.above(hair)
    faces = faces[(above[faces] < (0.0 if brim else -0.02)).any(1)]
    near = np.clip(1 - abs(above) / 0.4, 0, 1)[:, None]
    axis = np.array([0, hair[:, 1].mean(), 0.35])
    hair = hair - (hair - axis) * near * [0.05, 0, 0.05]
    return hair, faces[(above[faces] < 0.1).all(1)]


def _fringe(hair: Floats, eye: float, variation: float) -> Floats:
    """Cuts strands that hang before the eyes: below the brow, in front, and not at the sides."""
    below = eye + 0.22 + 0.02 * variation - hair[:, 1]
    front = hair[:, 2] - 0.85
    inside = 0.62 - abs(hair[:, 0]) + 0.6 * np.clip(hair[:, 2] - 1.2, 0, 1)
    out: Floats = np.minimum(np.minimum(below, front), inside).astype(np.float32)
    return out


def _bent_normals(hair: Floats, faces: Ints, weld: Ints) -> Floats:
    """The cards' normals, turned outward and bent to those of a smooth head of hair."""
    out = normals(hair, faces, weld)
    outward = hair - _LOOK_FROM
    outward[:, 1] *= 0.6
    outward /= np.linalg.norm(outward, axis=1, keepdims=True) + 1e-6
    out *= np.sign((out * outward).sum(1, keepdims=True) + 1e-6)
    return out * 0.6 + outward * 0.6


def _add_bun(head: Head, solids: Batch) -> None:
    top = head.body[:, 1].max()
    bun, faces = sphere(np.array([0, top + 0.10, 0.05]), 0.36, 9)
    bun[:, 1] = (bun[:, 1] - top) * 0.8 + top
    solids.add(bun, faces, FELT, colour=BUN)
