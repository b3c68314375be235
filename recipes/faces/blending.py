"""Compiled blending of translucent sheets, farthest first: hair, brows, lashes, fur, lenses."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from recipes.faces import masks
from recipes.faces.arrays import Floats, Ints
from recipes.faces.lighting import Lights, Shadow, illuminate, lit
from recipes.faces.raster import corners, double_area, kernel, pixel_range
from recipes.faces.shading import Mesh, Textures, mask_at, mix3, texel, unit

# Kinds of sheet. The last three are layers of fur: their `texture` is their height, 0…255.
HAIR, BROW, LASH, LENS, BEARD, CROP, CURLS = range(7)

_WRAP: Final = 511
_BEHIND: Final = 0.012  # dm: hair this far behind the front of the hair still shows
_INVISIBLE: Final = 0.02  # opacity
# Noise cells across the skin: strands of straight fur (down, across), their fine part, and curls.
_STRANDS_DOWN, _STRANDS_ACROSS, _STRANDS_FINE, _CURLS = 1500.0, 420.0, 640.0, 560.0


class SheetPaint(NamedTuple):
    """Colours [3] and amounts (as np.float32) of one face's sheets."""

    colours: Floats  # [7, 3], by kind
    hair_brightness: float  # the median luminance of the hair's texture
    brow_strength: float
    lens_opacity: float
    beard_masks: Ints  # [2] mask channels of the beard; -1 for none


@kernel
def _fur_opacity(
    kind: int,
    height: float,
    u: float,
    v: float,
    density: float,
    paint: SheetPaint,
    textures: Textures,
) -> tuple[float, float]:
    """Opacity and brightness of one layer of fur: strands are where the noise is high."""
    noise = textures.noise
    if kind == CURLS:
        strand = noise[int((1 - v) * _CURLS) & _WRAP, int(u * _CURLS) & _WRAP] * 1.0
    else:
        broad = noise[int((1 - v) * _STRANDS_DOWN) & _WRAP, int(u * _STRANDS_ACROSS) & _WRAP]
        row = int((1 - v) * _STRANDS_FINE + 7) & _WRAP
        strand = 0.72 * broad + 0.28 * noise[row, int(u * _STRANDS_FINE + 3) & _WRAP]
    covered = 0.0
    if kind == BEARD:
        for k in range(2):
            if paint.beard_masks[k] >= 0:
                covered = max(covered, mask_at(textures.masks, u, v, paint.beard_masks[k]))
    else:
        covered = max(covered, mask_at(textures.masks, u, v, masks.SCALP))
    covered = min(1.0, covered * density * 1.25)
    opacity = (covered * (1.15 - height * 0.70) - (1 - strand) * 0.95) * 3.2
    brightness = 0.45 + 0.5 * height + 0.45 * (strand - 0.5)
    return max(0.0, min(1.0, opacity)), brightness


@kernel
def blend(
    order: Ints,
    screen: Floats,
    mesh: Mesh,
    cut: Floats,
    paint: SheetPaint,
    textures: Textures,
    lights: Lights,
    shadow: Shadow,
    camera: Floats,
    depth: Floats,
    front_hair: Floats,
    image: Floats,
) -> None:
    """Draws sheets over `image` [h, w, 3].

    Args:
        order: Triangles from far to near.
        screen: [n, 3] vertices.
        mesh: The sheets; `occlusion` is openness for hair and density for fur.
        cut: [n]: hair ends where this passes 0.
        paint: Their materials.
        textures: Atlas, masks and noise.
        lights: The lights.
        shadow: The key light's shadow map.
        camera: [3].
        depth: [h, w] z-buffer of the opaque surfaces.
        front_hair: [h, w] depth of the nearest solid hair: what lies behind it is dropped.
        image: Changed in place.
    """
    image_height, width = depth.shape
    noise, key = textures.noise, lights.key_direction
    faces, positions = mesh.faces, mesh.positions
    sample = np.zeros(4, np.float32)
    light = np.zeros(3, np.float32)
    for o in range(order.shape[0]):
        t = order[o]
        a = faces[t, 0]
        b = faces[t, 1]
        c = faces[t, 2]
        x0, y0, x1, y1, x2, y2 = corners(screen, a, b, c)
        left, right = pixel_range(x0, x1, x2, width)
        top, bottom = pixel_range(y0, y1, y2, image_height)
        area = double_area(x0, y0, x1, y1, x2, y2)
        if left >= right or top >= bottom or area == 0:
            continue
        inverse = 1 / area
        kind = mesh.kind[t]
        height = mesh.texture[t] / 255.0
        colour = paint.colours[kind]
        slack = _BEHIND if kind == BROW else 0.0
        for y in range(top, bottom):
            for x in range(left, right):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) * inverse
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) * inverse
                w0 = 1 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * screen[a, 2] + w1 * screen[b, 2] + w2 * screen[c, 2]
                if z > depth[y, x] + slack or z > front_hair[y, x] + _BEHIND:
                    continue
                u = mix3(mesh.uv, a, b, c, w0, w1, w2, 0)
                v = mix3(mesh.uv, a, b, c, w0, w1, w2, 1)
                sky = w0 * mesh.occlusion[a] + w1 * mesh.occlusion[b] + w2 * mesh.occlusion[c]
                brightness = 0.5
                if kind <= LASH:
                    texel(textures.atlas, mesh.texture[t], u, v, sample)
                    opacity = sample[3] * 1.0
                    brightness = 0.3 * sample[0] + 0.5 * sample[1] + 0.2 * sample[2]
                    if kind == HAIR:  # a ragged edge where it is cut
                        edge = w0 * cut[a] + w1 * cut[b] + w2 * cut[c]
                        edge += 0.05 * (noise[int(x * 5) & _WRAP, 37] - 0.5)
                        opacity *= max(0.0, min(1.0, -edge * 30 + 0.5))
                    if kind == BROW:
                        opacity = min(1.0, opacity * paint.brow_strength)
                elif kind == LENS:
                    opacity = paint.lens_opacity * 1.0
                else:
                    opacity, brightness = _fur_opacity(kind, height, u, v, sky, paint, textures)
                if opacity < _INVISIBLE:
                    continue

                px = mix3(positions, a, b, c, w0, w1, w2, 0)
                py = mix3(positions, a, b, c, w0, w1, w2, 1)
                pz = mix3(positions, a, b, c, w0, w1, w2, 2)
                nx, ny, nz = unit(
                    mix3(mesh.normals, a, b, c, w0, w1, w2, 0),
                    mix3(mesh.normals, a, b, c, w0, w1, w2, 1),
                    mix3(mesh.normals, a, b, c, w0, w1, w2, 2),
                    1e-12,
                )
                vx, vy, vz = unit(camera[0] - px, camera[1] - py, camera[2] - pz, 0.0)
                if nx * vx + ny * vy + nz * vz < 0:
                    nx = -nx
                    ny = -ny
                    nz = -nz
                hx, hy, hz = unit(vx + key[0], vy + key[1], vz + key[2], 1e-9)
                halfway = max(0.0, nx * hx + ny * hy + nz * hz)
                if kind == LENS:
                    glare = halfway**30
                    mirror = 0.06 + 0.25 * max(0.0, ny + 0.1)
                    for k in range(3):
                        image[y, x, k] = (
                            image[y, x, k] * (1 - opacity)
                            + opacity * colour[k]
                            + glare * 0.03 * lights.key[k] * (0.3 + opacity)
                            + mirror * 0.08 * lights.sky[k]
                        )
                    continue

                sun = lit(px, py, pz, shadow, 5.0, 0.05)
                shine = 0.0
                if kind == HAIR:
                    openness = 0.25 + 0.75 * sky
                    relative = brightness / paint.hair_brightness
                    tone = 0.42 + 0.50 * min(2.2, relative)
                    highlight: float = halfway**12 * 0.12 + halfway**50 * 0.15
                    shine = 0.6 * highlight * sun * min(2.0, relative)
                elif kind <= LASH:
                    openness = 0.6
                    tone = 1.0
                else:
                    openness = 0.35 + 0.5 * height
                    tone = 0.35 + brightness
                    shine = 0.02 * halfway**12 * sun
                illuminate(nx, ny, nz, lights, sun, openness, (0.4, 0.4, 0.4), light)
                for k in range(3):
                    gleam = shine * lights.key[k] * (0.3 + 0.7 * min(1.0, colour[k] * 4))
                    lighted = colour[k] * tone * light[k] + gleam
                    image[y, x, k] = image[y, x, k] * (1 - opacity) + opacity * lighted
