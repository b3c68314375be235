"""Lights: a key light with a shadow map, sky and ground, a fill and a rim. All in linear RGB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recipes.faces import palette
from recipes.faces.arrays import Floats
from recipes.faces.identity import Identity
from recipes.faces.raster import kernel

SHADOW_SIZE: Final = 224  # texels a side of the shadow map
_SHADOW_SPAN: Final = 4.4  # dm that it covers
_SHADOW_CENTRE: Final = np.array([0, 7.1, 0.6])


class Lights(NamedTuple):
    """Directions are unit vectors [3] towards the light, the others colours [3]."""

    key_direction: Floats
    key: Floats
    sky: Floats
    ground: Floats
    fill_direction: Floats
    fill: Floats
    rim_direction: Floats
    rim: Floats


class Shadow(NamedTuple):
    """What the key light sees: `depth` [s, s], and the `transform` [3, 4] to its (x, y, depth)."""

    depth: Floats
    transform: Floats


@dataclass(frozen=True)
class _Plan:
    azimuth: float  # degrees; 0 is from the camera
    elevation: float
    key: float = 1.45
    ambient: float = 0.55
    fill: float = 0.25
    rim: float = 0.15
    warmth: float = 0.0


def _plan(face: Identity) -> _Plan:
    plan = _Plan(
        azimuth=-50 + 100 * face.light_azimuth,
        elevation=15 + 35 * face.light_elevation,
        rim=0.15 * face.rim_light,
        warmth=face.light_warmth,
    )
    match face.light:
        case "left":
            return replace(plan, azimuth=-62 + face.light_azimuth_shift, ambient=0.38)
        case "right":
            return replace(plan, azimuth=62 + face.light_azimuth_shift, ambient=0.38)
        case "top":
            return replace(plan, elevation=65)
        case "warm":
            return replace(plan, warmth=0.22)
        case "cool":
            return replace(plan, warmth=-0.2)
        case "dramatic":
            side = float(np.sign(plan.azimuth))
            return replace(plan, azimuth=66 * side, ambient=0.24, fill=0.10, key=1.8)
        case "soft":
            return replace(plan, key=1.15, ambient=0.70, fill=0.28)
        case "backlit":
            return replace(plan, key=0.9, ambient=0.75, rim=1.3)
    raise ValueError(f"unknown light {face.light!r}")


def key_direction(face: Identity) -> NDArray[np.float64]:
    """The unit vector [3] towards the key light."""
    plan = _plan(face)
    azimuth, elevation = np.deg2rad(plan.azimuth), np.deg2rad(plan.elevation)
    across = np.cos(elevation)
    return np.array([np.sin(azimuth) * across, np.sin(elevation), np.cos(azimuth) * across])


def set_up(face: Identity) -> Lights:
    """The lights of a face. The background colours the sky a little."""
    plan = _plan(face)
    azimuth = np.deg2rad(plan.azimuth)
    fill = np.array([-np.sin(azimuth), 0.1, 0.8])
    rim = np.array([-np.sign(plan.azimuth) * 0.75, 0.35, -0.6])
    warm = np.array([1 + plan.warmth, 1, 1 - plan.warmth])
    counter_warm = np.array([1 - 0.5 * plan.warmth, 1, 1 + 0.5 * plan.warmth])
    wall = palette.linear(palette.BACKGROUND[face.background])
    bounce = 0.25 * wall / max(wall.mean(), 0.15) * min(1.0, wall.mean() + 0.4)
    colours = (
        key_direction(face),
        plan.key * warm,
        plan.ambient * (counter_warm * 0.75 + bounce),
        plan.ambient * 0.55 * np.array([1.05, 0.97, 0.9]),
        fill / np.linalg.norm(fill),
        np.full(3, plan.fill),
        rim / np.linalg.norm(rim),
        plan.rim * warm[::-1],
    )
    return Lights(*(np.ascontiguousarray(colour, np.float32) for colour in colours))


def shadow_transform(towards: NDArray[np.float64]) -> Floats:
    """The matrix [3, 4] from the scene to texels and depth of the map for a light at `towards`."""
    right = np.cross([0, 1, 0], towards)
    right /= np.linalg.norm(right)
    up = np.cross(towards, right)
    scale = SHADOW_SIZE / _SHADOW_SPAN
    out = np.zeros((3, 4), np.float32)
    out[0, :3] = right * scale
    out[0, 3] = SHADOW_SIZE / 2 - right @ _SHADOW_CENTRE * scale
    out[1, :3] = -up * scale
    out[1, 3] = SHADOW_SIZE / 2 + up @ _SHADOW_CENTRE * scale
    out[2, :3] = -towards
    out[2, 3] = towards @ _SHADOW_CENTRE
    return out


@kernel
def lit(px: float, py: float, pz: float, shadow: Shadow, softness: float, bias: float) -> float:
    """How much of the key light reaches a point: a 4×4 tent filter of exponential shadows."""
    depth = shadow.depth
    m = shadow.transform
    height, width = depth.shape
    x = m[0, 0] * px + m[0, 1] * py + m[0, 2] * pz + m[0, 3]
    y = m[1, 0] * px + m[1, 1] * py + m[1, 2] * pz + m[1, 3]
    z = m[2, 0] * px + m[2, 1] * py + m[2, 2] * pz + m[2, 3]
    light = 0.0
    total = 0.0
    x0 = int(x)
    y0 = int(y)
    for j in range(-1, 3):
        for i in range(-1, 3):
            column = x0 + i
            row = y0 + j
            if column < 0 or row < 0 or column >= width or row >= height:
                light += 1
                total += 1
                continue
            weight = max(0.0, 1.9 - abs(column - x)) * max(0.0, 1.9 - abs(row - y))
            behind = z - depth[row, column] - bias
            light += weight * (1.0 if behind <= 0 else np.exp(-behind * softness))
            total += weight
    return light / max(total, 1e-6)


@kernel
def illuminate(
    nx: float,
    ny: float,
    nz: float,
    lights: Lights,
    light: float,
    open_sky: float,
    wrap: tuple[float, float, float],
    out: Floats,
) -> None:
    """The diffuse light [3] on a surface with normal n, into `out`.

    `light` is the share of the key light that arrives and `open_sky` the ambient occlusion. `wrap`,
    per colour, lets light reach round the edge, as it does through skin and hair.
    """
    key = lights.key_direction
    facing = nx * key[0] + ny * key[1] + nz * key[2]
    up = 0.5 + 0.5 * ny
    fill = lights.fill_direction
    filled = max(0.0, (nx * fill[0] + ny * fill[1] + nz * fill[2]) * 0.5 + 0.5)
    rim = lights.rim_direction
    rimmed = max(0.0, nx * rim[0] + ny * rim[1] + nz * rim[2])
    for c in range(3):
        w = wrap[c]
        diffuse = max(0.0, (facing + w) / (1 + w))
        arriving = light if w == 0 else light * (1 - 0.30 * w) + 0.30 * w * light**0.5
        ambient = lights.ground[c] * (1 - up) + lights.sky[c] * up
        occlusion = open_sky if c > 0 else open_sky**0.8
        out[c] = (
            lights.key[c] * diffuse * arriving
            + (ambient + lights.fill[c] * filled * filled) * occlusion
            + lights.rim[c] * rimmed * occlusion
        )
