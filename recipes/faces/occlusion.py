"""Ambient occlusion: how much of the sky each vertex sees past the head, the hair and itself."""

from __future__ import annotations

from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recipes.faces.arrays import Floats
from recipes.faces.raster import kernel

REACH: Final = 1.5  # decimetres: what is farther away does not darken
_LIFT: Final = 0.012  # start of a ray above its surface


class Occluders(NamedTuple):
    """Triangles as a corner and two edges, each [n, 3]."""

    corner: Floats
    edge1: Floats
    edge2: Floats

    @classmethod
    def of(cls, positions: Floats, faces: NDArray[np.integer]) -> Self:
        triangles = positions[faces]
        first = triangles[:, 0]
        return cls(first, triangles[:, 1] - first, triangles[:, 2] - first)

    def joined(self, other: Occluders) -> Occluders:
        return Occluders(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


def sphere_directions(count: int = 40) -> Floats:
    """Evenly spread unit vectors [count, 3] (a Fibonacci sphere)."""
    k = np.arange(count) + 0.5
    polar = np.arccos(1 - 2 * k / count)
    turn = np.pi * (1 + 5**0.5) * k
    directions = [np.cos(turn) * np.sin(polar), np.cos(polar), np.sin(turn) * np.sin(polar)]
    return np.stack(directions, 1).astype(np.float32)


def openness(points: Floats, normals: Floats, around: Occluders, directions: Floats) -> Floats:
    """The share [n] of directions above the surface, weighted by cosine, that is not blocked."""
    return _cast_rays(points, normals, around.corner, around.edge1, around.edge2, directions, REACH)


@kernel
def _cast_rays(
    points: Floats,
    normals: Floats,
    corner: Floats,
    edge1: Floats,
    edge2: Floats,
    directions: Floats,
    reach: float,
) -> Floats:
    """Möller–Trumbore against every triangle; the first hit counts, a far one a little less."""
    count = len(points)
    out = np.ones(count, np.float32)
    for i in range(count):
        blocked = 0.0
        total = 0.0
        for k in range(len(directions)):
            dx, dy, dz = directions[k]
            cosine = dx * normals[i, 0] + dy * normals[i, 1] + dz * normals[i, 2]
            if cosine <= 0.05:
                continue
            total += cosine
            ox = points[i, 0] + normals[i, 0] * _LIFT
            oy = points[i, 1] + normals[i, 1] * _LIFT
            oz = points[i, 2] + normals[i, 2] * _LIFT
            for t in range(len(corner)):
                hx = dy * edge2[t, 2] - dz * edge2[t, 1]
                hy = dz * edge2[t, 0] - dx * edge2[t, 2]
                hz = dx * edge2[t, 1] - dy * edge2[t, 0]
                determinant = edge1[t, 0] * hx + edge1[t, 1] * hy + edge1[t, 2] * hz
                if abs(determinant) < 1e-9:
                    continue
                f = 1 / determinant
                sx = ox - corner[t, 0]
                sy = oy - corner[t, 1]
                sz = oz - corner[t, 2]
                u = f * (sx * hx + sy * hy + sz * hz)
                if u < 0 or u > 1:
                    continue
                qx = sy * edge1[t, 2] - sz * edge1[t, 1]
                qy = sz * edge1[t, 0] - sx * edge1[t, 2]
                qz = sx * edge1[t, 1] - sy * edge1[t, 0]
                v = f * (dx * qx + dy * qy + dz * qz)
                if v < 0 or u + v > 1:
                    continue
                distance = f * (edge2[t, 0] * qx + edge2[t, 1] * qy + edge2[t, 2] * qz)
                if distance > 0.004 and distance < reach:
                    blocked += cosine * (1 - distance / reach * 0.5)
                    break
        if total > 0:
            out[i] = 1 - blocked / total
    return out
