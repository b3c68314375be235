"""Hats: two fitted fedoras, and a beanie, a cap and a headband grown from the head itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from recipes.faces.arrays import Floats
from recipes.faces.batch import Batch
from recipes.faces.fitting import Head
from recipes.faces.meshes import normals
from recipes.faces.shading import FELT, HAT, KNIT
from recipes.faces.shapes import tube

FEDORAS: Final = ("fedora", "cocked fedora")


@dataclass(frozen=True)
class HatLine:
    """The plane normal · p = offset: hair above it is under the hat."""

    normal: NDArray[np.float64]  # [3]
    offset: float

    def above(self, points: Floats) -> NDArray[np.floating]:
        """Heights [n] of points [n, 3] over the plane."""
        return points @ self.normal - self.offset


def put_on_fedora(head: Head, name: str, solids: Batch) -> HatLine:
    proxy = head.assets.proxies[f"hat/{name}"]
    hat = proxy.fit(head.body)
    facing = normals(hat.astype(np.float32), proxy.faces, proxy.weld)
    solids.add(hat, proxy.faces, FELT, colour=HAT, facing=facing)
    return HatLine(np.array([0, 1, 0.0]), hat[:, 1].min() + 0.25)


def put_on_knitwear(head: Head, name: str, solids: Batch, over_hair: bool) -> HatLine:
    """A beanie or a cap: the scalp above a tilted plane, pushed outward, and a rim."""
    beanie = name == "beanie"
    eye = head.left_eye
    tilt, above_eyes = (-0.22, 0.36) if beanie else (-0.12, 0.42)
    normal = np.array([0, 1, tilt])
    line = HatLine(normal, eye[1] + above_eyes + normal[2] * eye[2])
    faces, skin = head.assets.skin_faces, head.skin
    height = line.above(skin)
    covered = (height[faces] > -0.02).all(1) & (skin[faces][:, :, 1].min(1) > 6.9)
    used, crown_faces = np.unique(faces[covered], return_inverse=True)
    height = height[used]
    thickness = (0.13 if beanie else 0.10) * np.clip(0.55 + height * 2.2, 0.5, 1)[:, None]
    if over_hair:
        thickness = thickness + 0.05
    crown = skin[used] + head.skin_normals[used] * thickness
    if beanie:
        crown[:, 1] += 0.22 * np.clip(height - 0.35, 0, 1) ** 1.2
    material = KNIT if beanie else FELT
    solids.add(crown, crown_faces.reshape(-1, 3), material, colour=HAT)

    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    edge = crown[height < 0.10]
    middle = (edge[:, 2].max() + edge[:, 2].min()) / 2
    half_width = abs(edge[:, 0]).max() + 0.01
    half_depth = (edge[:, 2].max() - edge[:, 2].min()) / 2 + 0.01
    x, z = half_width * np.sin(turn), middle + half_depth * np.cos(turn)
    y = line.offset + 0.03 - tilt * z
    if beanie:
        solids.add(*tube(np.stack([x, y + 0.05, z], 1), 0.1, 8), KNIT, colour=HAT)
        return line
    solids.add(*tube(np.stack([x, y, z], 1), 0.045, 6), FELT, colour=HAT)
    _add_peak(line, tilt, middle, half_width, half_depth, solids)
    return line


def _add_peak(
    line: HatLine, tilt: float, middle: float, half_width: float, half_depth: float, solids: Batch
) -> None:
    """The peak of a cap: rows of points, each farther out and lower than the one before."""
    turn = np.linspace(-1.15, 1.15, 14)
    rows = []
    for out in np.linspace(0, 1, 5):
        reach = 0.62 * out * np.cos(turn * 1.15) ** 0.6
        x = half_width * np.sin(turn)
        root = line.offset + 0.04 - tilt * (middle + half_depth * np.cos(turn))
        bend = 0.26 * out * out + 0.05 * out + 0.12 * (x / half_width) ** 2 * out
        z = middle + (half_depth + reach) * np.cos(turn)
        rows.append(np.stack([x, root - 0.05 - bend, z], 1))
    across = len(turn)
    faces = []
    for row in range(len(rows) - 1):
        for column in range(across - 1):
            q = row * across + column
            faces += [[q, q + 1, q + across + 1], [q, q + across + 1, q + across]]
    solids.add(np.concatenate(rows), np.array(faces), FELT, colour=HAT)


def put_on_headband(head: Head, solids: Batch, over_hair: bool) -> None:
    """Three stacked rings that follow the head's outline in a tilted plane."""
    tilt = 0.45
    eye, skin = head.left_eye, head.skin
    level = eye[1] + 0.33 - tilt * eye[2]
    near = abs(skin @ np.array([0, 1, -tilt]) - level) < 0.09
    outline = skin[near & (skin[:, 1] > 7)]
    middle = (outline[:, 2].max() + outline[:, 2].min()) / 2
    bearing = np.arctan2(outline[:, 0], outline[:, 2] - middle)
    distance = np.hypot(outline[:, 0], outline[:, 2] - middle)
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    apart = np.abs((bearing[None] - turn[:, None] + np.pi) % (2 * np.pi) - np.pi)
    radius = np.array(
        [distance[a < 0.2].max() if (a < 0.2).any() else distance[np.argmin(a)] for a in apart]
    )
    radius = ndimage.gaussian_filter1d(radius, 1.2, mode="wrap") + (0.10 if over_hair else 0.035)
    x, z = radius * np.sin(turn), middle + radius * np.cos(turn)
    y = level + tilt * z
    for shift in (-0.05, 0, 0.05):
        solids.add(*tube(np.stack([x, y + shift, z], 1), 0.035, 6), FELT, colour=HAT)
