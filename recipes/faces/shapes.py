"""Solids made by formula, for glasses, hats and earrings: (vertices [n, 3], faces [f, 3])."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recipes.faces.arrays import Floats, Ints

Solid = tuple[Floats, Ints]
Path = NDArray[np.floating]  # [n, 3]


def tube(path: Path, radius: float, sides: int = 6, closed: bool = True) -> Solid:
    """A round rod along a path [n, 3], open at its ends unless closed to a ring."""
    count = len(path)
    along = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    if not closed:
        along[0] = path[1] - path[0]
        along[-1] = path[-1] - path[-2]
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    side = np.stack([along[:, 1], -along[:, 0], np.zeros(count)], 1)  # along × z
    parallel = np.linalg.norm(side, axis=1) < 0.2
    side[parallel] = np.cross(along[parallel], [0, 1.0, 0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(along, side)
    turn = np.arange(sides) * 2 * np.pi / sides
    circle = (
        np.cos(turn)[None, :, None] * side[:, None] + np.sin(turn)[None, :, None] * other[:, None]
    )
    vertices = (path[:, None] + radius * circle).reshape(-1, 3)
    i = np.arange(count if closed else count - 1)[:, None]
    j = np.arange(sides)[None]
    a, b = i * sides + j, ((i + 1) % count) * sides + j
    c, d = ((i + 1) % count) * sides + (j + 1) % sides, i * sides + (j + 1) % sides
    halves = [np.stack(corners, -1).reshape(-1, 3) for corners in ((a, b, c), (a, c, d))]
    return vertices.astype(np.float32), np.concatenate(halves).astype(np.int32)


def sphere(centre: Floats, radius: float, rings: int = 8) -> Solid:
    polar = np.linspace(0, np.pi, rings)
    turn = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)
    unit = [[np.sin(p) * np.cos(t), np.cos(p), np.sin(p) * np.sin(t)] for p in polar for t in turn]
    around = 2 * rings
    i = np.arange(rings - 1)[:, None]
    j = np.arange(around)[None]
    a, b = i * around + j, (i + 1) * around + j
    c, d = (i + 1) * around + (j + 1) % around, i * around + (j + 1) % around
    faces = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
    return (np.array(unit) * radius + centre).astype(np.float32), faces.astype(np.int32)


def ring(centre: Floats, radius: float, thickness: float) -> Solid:
    """A hoop that hangs from `centre`, seen a little from the side."""
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    path = [
        centre[0] + 0.03 * np.cos(turn),
        centre[1] - radius + radius * np.cos(turn),
        centre[2] + radius * np.sin(turn),
    ]
    return tube(np.stack(path, 1), thickness, 5)


class Frame(NamedTuple):
    """The rim of one lens: a superellipse |x/a|ᵖ + |y/b|ᵖ = 1."""

    half_width: float
    half_height: float
    power: float


FRAMES: Final = {
    "round": Frame(0.23, 0.23, 2.0),
    "rectangular": Frame(0.285, 0.145, 6.0),
    "oval": Frame(0.27, 0.16, 2.0),
    "square": Frame(0.255, 0.225, 6.0),
    "cat-eye": Frame(0.27, 0.18, 2.6),
    "aviator": Frame(0.275, 0.235, 2.5),
}
_WRAP: Final = 0.16  # how far glasses curve back, at _WRAP_AT from the middle
_WRAP_AT: Final = 0.6


def glasses(
    left_eye: Floats, right_eye: Floats, shape: str, thickness: float, half_head: float
) -> tuple[list[Solid], list[Solid]]:
    """Rims, temples and bridge; and the two lenses."""
    a, b, power = FRAMES[shape]
    front = max(left_eye[2], right_eye[2]) + 0.215
    parts, lenses = [], []
    count = 28
    turn = np.arange(count) * 2 * np.pi / count
    cos, sin = np.cos(turn), np.sin(turn)
    for side, eye in ((1, left_eye), (-1, right_eye)):
        cx, cy = eye[0] + side * 0.03, eye[1] - 0.03
        x = np.sign(cos) * abs(cos) ** (2 / power) * a
        y = np.sign(sin) * abs(sin) ** (2 / power) * b
        if shape == "cat-eye":
            y = y + 0.11 * np.clip(x * side / a, 0, 1) ** 2 * (y > -0.02)
        if shape == "aviator":
            y = np.where(y < 0, y * 1.15, y * 0.65)
            x = x + side * 0.02 * (y < 0)
        rim = np.stack([cx + x, cy + y, front - _WRAP * ((cx + x) / _WRAP_AT) ** 2], 1)
        parts.append(tube(rim, thickness))
        middle = rim.mean(0, keepdims=True) + np.array([0, 0, 0.01])
        lens = np.concatenate([middle, rim]).astype(np.float32)
        fan = np.array([[0, 1 + i, 1 + (i + 1) % count] for i in range(count)], np.int32)
        lenses.append((lens, fan))

        hinge_x = cx + side * a
        hinge = np.array([hinge_x, cy + b * 0.45, front - _WRAP * (hinge_x / _WRAP_AT) ** 2])
        ear = np.array([side * half_head, cy + b * 0.45, 0.35])
        along = np.linspace(0, 1, 8)[:, None]
        temple = hinge + (ear - hinge) * along
        temple[:, 0] += side * 0.06 * np.sin(np.pi * along[:, 0]) ** 0.7
        parts.append(tube(temple, thickness * 0.9, closed=False))
    across = np.linspace(-1, 1, 7)
    inner = left_eye[0] + 0.03 - a
    bridge = [
        across * inner,
        left_eye[1] + 0.05 * (1 - across**2) + 0.02,
        front + 0.03 * (1 - across**2) - _WRAP * (across * inner / _WRAP_AT) ** 2,
    ]
    parts.append(tube(np.stack(bridge, 1), thickness, closed=False))
    return parts, lenses
