"""Triangle meshes: reading them, welding them, and fitting clothes and hair to a body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from recipes.faces.arrays import Arrays, Floats, Ints
from recipes.faces.raster import vertex_normals

_QUAD, _MATERIAL, _UV = 1, 2, 8  # type bits of a face in the three.js JSON format, version 3


@dataclass(frozen=True)
class MeshFile:
    """One mesh as stored: triangles index positions and texture coordinates apart."""

    positions: Floats  # [n, 3], decimetres, y up, z towards the viewer
    uv: Floats  # [t, 2]
    faces: NDArray[np.int64]  # [f, 3] into positions
    uv_faces: NDArray[np.int64]  # [f, 3] into uv
    materials: NDArray[np.str_]  # [f]
    document: Mapping[str, Any]


def read_mesh(data: bytes) -> MeshFile:
    """Reads a three.js JSON mesh (format 3), cutting quads into triangles.

    Raises:
        ValueError: A face carries something other than corners, a material and one set of UVs.
    """
    document = json.loads(data)
    names = [material.get("DbgName") for material in document["materials"]]
    stream: list[int] = document["faces"]
    faces, uv_faces, materials = [], [], []
    at = 0
    while at < len(stream):
        kind = stream[at]
        if kind & ~(_QUAD | _MATERIAL | _UV) or not kind & _UV:
            raise ValueError(f"face type {kind} at {at} is not a plain textured triangle or quad")
        corners = 4 if kind & _QUAD else 3
        at += 1
        vertex = stream[at : at + corners]
        at += corners
        material = 0
        if kind & _MATERIAL:
            material = stream[at]
            at += 1
        uv = stream[at : at + corners]
        at += corners
        for k in range(1, corners - 1):
            faces.append([vertex[0], vertex[k], vertex[k + 1]])
            uv_faces.append([uv[0], uv[k], uv[k + 1]])
            materials.append(names[material])
    return MeshFile(
        positions=np.array(document["vertices"], np.float32).reshape(-1, 3),
        uv=np.array(document["uvs"][0], np.float32).reshape(-1, 2),
        faces=np.array(faces),
        uv_faces=np.array(uv_faces),
        materials=np.array(materials),
        document=document,
    )


def split_at_seams(
    faces: NDArray[np.int64], uv_faces: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Ints]:
    """Gives each (position, uv) pair a vertex of its own: (position index, uv index, faces)."""
    base = 10**6
    pairs, corner = np.unique(faces.reshape(-1) * base + uv_faces.reshape(-1), return_inverse=True)
    return pairs // base, pairs % base, corner.reshape(-1, 3).astype(np.int32)


def normals(positions: Floats, faces: Ints, weld: Ints | None = None) -> Floats:
    """Unit normals [n, 3] per vertex; with `weld` [n], vertices of one number share theirs."""
    if weld is None:
        out = np.zeros_like(positions)
        vertex_normals(positions, faces, out)
        return out
    count = int(weld.max()) + 1
    welded = np.zeros((count, 3), np.float32)
    welded[weld] = positions
    out = np.zeros_like(welded)
    vertex_normals(welded, weld[faces].astype(np.int32), out)
    return out[weld]


@dataclass(frozen=True)
class Proxy:
    """A mesh that follows the body: each vertex hangs on three body vertices, plus an offset.

    position = sum of weights · body[references] + offset · scale, where the scale per axis is a
    distance between two body vertices over the same distance on the body it was made for.
    """

    references: Ints  # [n, 3]
    weights: Floats  # [n, 3]
    offsets: Floats  # [n, 3]
    uv: Floats  # [n, 2]
    faces: Ints  # [f, 3]
    weld: Ints  # [n]: vertices that differ only in uv have the same number
    scale_pairs: Ints  # [3, 2] body vertices, per axis
    scale_distances: Floats  # [3]
    hidden: NDArray[np.int64]  # body vertices that lie under it
    occlusion: Floats  # [n]: 1 = open, 0 = enclosed

    def fit(self, body: Floats) -> Floats:
        """Positions [n, 3] on a body [v, 3]."""
        scale = np.array(
            [
                abs(body[a, axis] - body[b, axis]) / self.scale_distances[axis]
                for axis, (a, b) in enumerate(self.scale_pairs)
            ],
            np.float32,
        )
        r, w = self.references, self.weights
        on_body: Floats = body[r[:, 0]] * w[:, :1]
        on_body = on_body + body[r[:, 1]] * w[:, 1:2] + body[r[:, 2]] * w[:, 2:3]
        return on_body + self.offsets * scale

    def arrays(self, name: str) -> Arrays:
        """The proxy as entries `name/field` of an .npz."""
        return {f"{name}/{field}": getattr(self, field) for field in PROXY_FIELDS}

    @classmethod
    def from_arrays(cls, name: str, pack: Mapping[str, NDArray[Any]]) -> Self:
        return cls(**{field: pack[f"{name}/{field}"] for field in PROXY_FIELDS})


PROXY_FIELDS: Final = tuple(field.name for field in fields(Proxy))


def weld_numbers(references: Ints, weights: Floats, offsets: Floats) -> Ints:
    """Numbers [n] that are equal for vertices at the same place of every body."""
    key = np.concatenate(
        [
            references,
            np.round(weights * 1e4).astype(np.int64),
            np.round(offsets * 1e4).astype(np.int64),
        ],
        1,
    )
    return np.unique(key, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)
