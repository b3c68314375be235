"""Compiled geometry: vertex normals, the z-buffer, and depth maps (for shadows and for hair).

Screen vertices are (x, y, depth) in pixels and decimetres; the smallest depth is nearest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar, cast

import numpy as np
from numba import njit

from recipes.faces.arrays import Floats, Ints, Texels

P = ParamSpec("P")
R = TypeVar("R")
Triangle = tuple[float, float, float, float, float, float]

FAR: Final = 1e9
HAIR_ALPHA: Final = 110  # of 255: from here on a hair texel hides what is behind it
_DEGENERATE: Final = 1e-10  # twice the area, in square pixels


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles a function with numba, keeping its type for readers and checkers."""
    return cast("Callable[P, R]", njit(cache=True, fastmath=True)(function))


@kernel
def vertex_normals(positions: Floats, faces: Ints, out: Floats) -> None:
    """Area-weighted unit normals [n, 3] of a triangle mesh, into `out`."""
    out[:] = 0
    for t in range(faces.shape[0]):
        a = faces[t, 0]
        b = faces[t, 1]
        c = faces[t, 2]
        ux = positions[b, 0] - positions[a, 0]
        uy = positions[b, 1] - positions[a, 1]
        uz = positions[b, 2] - positions[a, 2]
        vx = positions[c, 0] - positions[a, 0]
        vy = positions[c, 1] - positions[a, 1]
        vz = positions[c, 2] - positions[a, 2]
        nx = uy * vz - uz * vy
        ny = uz * vx - ux * vz
        nz = ux * vy - uy * vx
        for i in (a, b, c):
            out[i, 0] += nx
            out[i, 1] += ny
            out[i, 2] += nz
    for i in range(positions.shape[0]):
        length = np.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2) + 1e-12
        out[i, 0] /= length
        out[i, 1] /= length
        out[i, 2] /= length


@kernel
def corners(screen: Floats, a: int, b: int, c: int) -> Triangle:
    """The screen triangle (x0, y0, x1, y1, x2, y2)."""
    return screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]


@kernel
def double_area(x0: float, y0: float, x1: float, y1: float, x2: float, y2: float) -> float:
    """Twice the signed area, or 0 where the triangle is too thin to fill."""
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    return area if abs(area) >= _DEGENERATE else 0 * area


@kernel
def pixel_range(p0: float, p1: float, p2: float, size: int) -> tuple[int, int]:
    """The pixels [first, last) between the smallest and the largest of three coordinates."""
    low = min(p0, p1, p2)
    high = max(p0, p1, p2)
    if high < 0 or low > size - 1:
        return 0, 0
    return max(0, int(np.ceil(low))), min(size - 1, int(high)) + 1


@kernel
def visible_triangles(
    screen: Floats, faces: Ints, depth: Floats, triangle: Ints, barycentric: Floats
) -> None:
    """Fills the z-buffer: per pixel the nearest depth, its triangle and its first two weights."""
    height, width = depth.shape
    for t in range(faces.shape[0]):
        a = faces[t, 0]
        b = faces[t, 1]
        c = faces[t, 2]
        x0, y0, x1, y1, x2, y2 = corners(screen, a, b, c)
        left, right = pixel_range(x0, x1, x2, width)
        top, bottom = pixel_range(y0, y1, y2, height)
        area = double_area(x0, y0, x1, y1, x2, y2)
        if left >= right or top >= bottom or area == 0:
            continue
        inverse = 1 / area
        for y in range(top, bottom):
            for x in range(left, right):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) * inverse
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) * inverse
                w0 = 1 - w1 - w2
                if w0 < -1e-5 or w1 < -1e-5 or w2 < -1e-5:
                    continue
                z = w0 * screen[a, 2] + w1 * screen[b, 2] + w2 * screen[c, 2]
                if z < depth[y, x]:
                    depth[y, x] = z
                    triangle[y, x] = t
                    barycentric[y, x, 0] = w0
                    barycentric[y, x, 1] = w1


@kernel
def opaque_depth(screen: Floats, faces: Ints, depth: Floats) -> None:
    """Lowers a depth map to the nearest opaque triangle."""
    height, width = depth.shape
    for t in range(faces.shape[0]):
        a = faces[t, 0]
        b = faces[t, 1]
        c = faces[t, 2]
        x0, y0, x1, y1, x2, y2 = corners(screen, a, b, c)
        left, right = pixel_range(x0, x1, x2, width)
        top, bottom = pixel_range(y0, y1, y2, height)
        area = double_area(x0, y0, x1, y1, x2, y2)
        if left >= right or top >= bottom or area == 0:
            continue
        inverse = 1 / area
        for y in range(top, bottom):
            for x in range(left, right):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) * inverse
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) * inverse
                w0 = 1 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * screen[a, 2] + w1 * screen[b, 2] + w2 * screen[c, 2]
                if z < depth[y, x]:
                    depth[y, x] = z


@kernel
def hair_depth(
    screen: Floats, faces: Ints, uv: Floats, cut: Floats, texture: Texels, depth: Floats
) -> None:
    """Lowers a depth map to the nearest solid texel of hair cards.

    Args:
        screen: [n, 3] vertices.
        faces: [f, 3].
        uv: [n, 2] texture coordinates.
        cut: [n] how far beyond the fringe or the hat line: there is no hair where this is > 0.
        texture: [512, 512, 4] uint8; solid where alpha ≥ `HAIR_ALPHA`.
        depth: [height, width], changed in place.
    """
    height, width = depth.shape
    for t in range(faces.shape[0]):
        a = faces[t, 0]
        b = faces[t, 1]
        c = faces[t, 2]
        x0, y0, x1, y1, x2, y2 = corners(screen, a, b, c)
        left, right = pixel_range(x0, x1, x2, width)
        top, bottom = pixel_range(y0, y1, y2, height)
        area = double_area(x0, y0, x1, y1, x2, y2)
        if left >= right or top >= bottom or area == 0:
            continue
        inverse = 1 / area
        for y in range(top, bottom):
            for x in range(left, right):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) * inverse
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) * inverse
                w0 = 1 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * screen[a, 2] + w1 * screen[b, 2] + w2 * screen[c, 2]
                if z >= depth[y, x]:
                    continue
                if w0 * cut[a] + w1 * cut[b] + w2 * cut[c] > 0:
                    continue
                u = w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0]
                v = 1 - (w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1])
                row = min(511, max(0, int(v * 512)))
                column = min(511, max(0, int(u * 512)))
                if texture[row, column, 3] >= HAIR_ALPHA:
                    depth[y, x] = z
