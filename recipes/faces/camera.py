"""Posing the head, and the picture's frame: the crop of aligned face data sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from recipes.faces.arrays import Floats, smoothstep
from recipes.faces.fitting import rotation
from recipes.faces.identity import Identity

DISTANCE: Final = 12.0  # dm: the camera looks along -z from here
HEIGHT: Final = 7.0
POSITION: Final = np.array([0, HEIGHT, DISTANCE], np.float32)
_NECK: Final = np.array([0, 6.3, 0.1], np.float32)  # what the head turns about
_TORSO_TURNS: Final = 0.35  # share of the head's yaw
_ZOOM: Final = 1.06  # half-width of the picture over that of the FFHQ crop


@dataclass(frozen=True)
class Pose:
    head: Floats  # [3, 3]
    torso: Floats  # [3, 3]

    @classmethod
    def of(cls, face: Identity) -> Self:
        yaw, pitch, roll = np.deg2rad([face.yaw, face.pitch, face.roll])
        return cls(rotation(yaw, pitch, roll), rotation(np.deg2rad(face.yaw * _TORSO_TURNS), 0, 0))

    def apply(self, points: Floats, normals: Floats) -> tuple[Floats, Floats]:
        """Turns points and normals [n, 3]; from the neck down they follow the torso."""
        share = smoothstep(5.55, 6.35, points[:, 1])[:, None].astype(np.float32)
        by_head, by_torso = (points - _NECK) @ self.head.T, (points - _NECK) @ self.torso.T
        turned = by_head * share + by_torso * (1 - share) + _NECK
        facing = (normals @ self.head.T) * share + (normals @ self.torso.T) * (1 - share)
        return turned.astype(np.float32), facing.astype(np.float32)


def _project(points: Floats) -> Floats:
    """(x, y, depth) on the plane at distance 1; y points down."""
    depth = DISTANCE - points[:, 2]
    flat = [points[:, 0] / depth, -(points[:, 1] - HEIGHT) / depth, depth]
    return np.stack(flat, 1).astype(np.float32)


@dataclass(frozen=True)
class Crop:
    """A square of the projection plane, turned upright."""

    centre: Floats  # [2]
    to_square: Floats  # [2, 2] to -1..1
    size: int  # pixels a side

    @classmethod
    def around(cls, eyes: Floats, mouth: Floats, size: int) -> Self:
        """The FFHQ crop (Karras et al. 2019, `recreate_aligned_images`) for posed landmarks.

        `eyes` and `mouth` are [2, 3]: first the person's left (positive x), then the right.
        """
        right_on_screen, left_on_screen = _project(eyes)[:, :2]
        middle = (left_on_screen + right_on_screen) / 2
        across = right_on_screen - left_on_screen
        corner, other = _project(mouth)[:, :2]
        down = (corner + other) / 2 - middle
        x = across - np.array([-down[1], down[0]])
        x /= np.hypot(*x)
        x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8)
        y = np.array([-x[1], x[0]])
        x, y = x * _ZOOM, y * _ZOOM
        centre = middle + down * 0.1 - y * 0.06
        return cls(centre, np.linalg.inv(np.stack([x, y], 1)), size)

    def screen(self, points: Floats) -> Floats:
        """Pixels and depth [n, 3] of points [n, 3]."""
        projected = _project(points)
        square = (projected[:, :2] - self.centre) @ self.to_square.T
        projected[:, :2] = (square * 0.5 + 0.5) * self.size - 0.5
        return projected.astype(np.float32)
