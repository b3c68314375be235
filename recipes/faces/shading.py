"""Compiled shading of opaque surfaces: what colour a pixel of the z-buffer has."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from recipes.faces import masks
from recipes.faces.arrays import Floats, Ints, Texels
from recipes.faces.lighting import Lights, Shadow, illuminate, lit
from recipes.faces.palette import LINEAR
from recipes.faces.raster import kernel

# Kinds of opaque surface.
SKIN, EYE, TEETH, TONGUE, CLOTH, PLASTIC, KNIT, FELT = range(8)
# Rows of Paint.colours, and the colour of a triangle.
CLOTHES, HAT, FRAME, JEWELLERY, BUN = range(5)

_SIDE: Final = 512  # texels of every texture
_WRAP: Final = _SIDE - 1
_GLINT_EDGE: Final = 0.988  # the cosine of the catch light's angle


class Mesh(NamedTuple):
    """Triangles ready to draw: n vertices, f faces."""

    positions: Floats  # [n, 3]
    normals: Floats  # [n, 3]
    uv: Floats  # [n, 2]
    occlusion: Floats  # [n]
    faces: Ints  # [f, 3]
    kind: Ints  # [f]
    texture: Ints  # [f] into the atlas; for fur its height, 0…255
    colour: Ints  # [f] into Paint.colours


class Textures(NamedTuple):
    atlas: Texels  # [k, 512, 512, 4]
    masks: Texels  # [512, 512, 8]
    noise: Floats  # [512, 512]


class Paint(NamedTuple):
    """The materials of one face. Colours are linear RGB [3], the rest np.float32 in 0..1."""

    light_skin: int  # textures, mixed by
    dark_skin: int
    darkness: float
    tint: Floats  # factor on the skin
    wrinkles: float  # exponent of the light texture's detail: 1 leaves it, 0 evens it out
    skin_luminance: float  # its mean
    pores: float
    gloss: float
    freckles: float
    blush: float
    eyeshadow: float
    eyeshadow_colour: Floats
    lipstick: float
    lipstick_colour: Floats
    lip_brightness: float  # of these lips, unpainted
    hair_colour: Floats  # painted on the skin, in these amounts
    scalp: float
    beard: float
    moustache: float
    goatee: float
    dye: float  # how much of the clothes' texture is recoloured
    cloth_brightness: float
    colours: Floats  # [5, 3]


@kernel
def mix3(values: Floats, a: int, b: int, c: int, w0: float, w1: float, w2: float, k: int) -> float:
    """Component k of vertex values [n, ·] inside a triangle."""
    value: float = w0 * values[a, k] + w1 * values[b, k] + w2 * values[c, k]
    return value


@kernel
def unit(x: float, y: float, z: float, tiny: float) -> tuple[float, float, float]:
    scale = 1 / np.sqrt(x * x + y * y + z * z + tiny)
    return x * scale, y * scale, z * scale


@kernel
def texel(atlas: Texels, index: int, u: float, v: float, out: Floats) -> None:
    """Bilinear lookup: linear RGB and alpha, into `out` [4]."""
    x = u * _SIDE - 0.5
    y = (1 - v) * _SIDE - 0.5
    x0 = int(np.floor(x))
    y0 = int(np.floor(y))
    fx = x - x0
    fy = y - y0
    x0 = min(_SIDE - 2, max(0, x0))
    y0 = min(_SIDE - 2, max(0, y0))
    for c in range(3):
        out[c] = (
            LINEAR[atlas[index, y0, x0, c]] * (1 - fx) + LINEAR[atlas[index, y0, x0 + 1, c]] * fx
        ) * (1 - fy) + (
            LINEAR[atlas[index, y0 + 1, x0, c]] * (1 - fx)
            + LINEAR[atlas[index, y0 + 1, x0 + 1, c]] * fx
        ) * fy
    out[3] = (
        (atlas[index, y0, x0, 3] * (1 - fx) + atlas[index, y0, x0 + 1, 3] * fx) * (1 - fy)
        + (atlas[index, y0 + 1, x0, 3] * (1 - fx) + atlas[index, y0 + 1, x0 + 1, 3] * fx) * fy
    ) / 255.0


@kernel
def mask_at(mask: Texels, u: float, v: float, channel: int) -> float:
    """Bilinear lookup of one mask, in 0..1."""
    x = u * _SIDE - 0.5
    y = (1 - v) * _SIDE - 0.5
    x0 = min(_SIDE - 2, max(0, int(x)))
    y0 = min(_SIDE - 2, max(0, int(y)))
    fx = x - x0
    fy = y - y0
    value: float = (
        (mask[y0, x0, channel] * (1 - fx) + mask[y0, x0 + 1, channel] * fx) * (1 - fy)
        + (mask[y0 + 1, x0, channel] * (1 - fx) + mask[y0 + 1, x0 + 1, channel] * fx) * fy
    ) / 255.0
    return value


@kernel
def _towards(albedo: Floats, colour: Floats, amount: float) -> None:
    for k in range(3):
        albedo[k] = albedo[k] * (1 - amount) + colour[k] * amount


@kernel
def _skin(
    paint: Paint, textures: Textures, u: float, v: float, work: Floats, albedo: Floats
) -> float:
    """The colour of skin with all that is painted on it, into `albedo`; returns its gloss."""
    noise, mask = textures.noise, textures.masks
    light, dark = work[0], work[1]
    texel(textures.atlas, paint.light_skin, u, v, light)
    texel(textures.atlas, paint.dark_skin, u, v, dark)
    q = paint.darkness
    lit = 0.3 * light[0] + 0.5 * light[1] + 0.2 * light[2]
    deep = max(0.3, min(1.6, lit / paint.skin_luminance)) ** (paint.wrinkles - 1)
    for k in range(3):
        albedo[k] = (light[k] * (1 - q) + dark[k] * q) * paint.tint[k] * deep
    pores = noise[int((1 - v) * 2048) & _WRAP, int(u * 1400) & _WRAP]
    blotches = noise[int((1 - v) * 300 + 40) & _WRAP, int(u * 300) & _WRAP]
    grain = 1 + (pores - 0.5) * 0.10 * paint.pores + (blotches - 0.5) * 0.10
    for k in range(3):
        albedo[k] *= grain
    if paint.freckles > 0:
        spots = noise[int((1 - v) * 900 + 91) & _WRAP, int(u * 900 + 17) & _WRAP]
        s = paint.freckles * mask_at(mask, u, v, masks.FRECKLES)
        s *= max(0.0, min(1.0, (spots - 0.62) * 6))
        albedo[0] *= 1 - 0.35 * s
        albedo[1] *= 1 - 0.55 * s
        albedo[2] *= 1 - 0.65 * s
    s = paint.blush * mask_at(mask, u, v, masks.BLUSH)
    albedo[0] *= 1 + 0.10 * s
    albedo[1] *= 1 - 0.30 * s
    albedo[2] *= 1 - 0.22 * s
    s = paint.eyeshadow * min(1.0, mask_at(mask, u, v, masks.EYESHADOW) * 1.3)
    _towards(albedo, paint.eyeshadow_colour, s)

    lips = mask_at(mask, u, v, masks.LIPS)
    s = paint.lipstick * max(0.0, min(1.0, lips * 1.8 - 0.25))
    brightness = (albedo[0] + albedo[1] + albedo[2]) / 3
    shade = 0.55 + 0.45 * min(2.0, brightness / paint.lip_brightness)
    for k in range(3):
        albedo[k] = albedo[k] * (1 - s) + paint.lipstick_colour[k] * shade * s
    gloss = 0.035 + 0.05 * max(0.0, lips) * (0.4 + paint.lipstick)

    stubble = max(0.0, min(1.0, (pores - 0.5) * 1.6 + 0.75))
    scalp = paint.scalp * mask_at(mask, u, v, masks.SCALP) * stubble
    beard = (
        paint.beard * mask_at(mask, u, v, masks.BEARD)
        + paint.moustache * mask_at(mask, u, v, masks.MOUSTACHE)
        + paint.goatee * mask_at(mask, u, v, masks.GOATEE)
    )
    beard = min(1.0, beard) * max(0.0, min(1.0, (pores - 0.5) * 1.8 + 0.62))
    s = max(scalp, min(0.9, beard))
    _towards(albedo, paint.hair_colour, s)
    matte: float = gloss * (1 - s) * paint.gloss
    return matte


@kernel
def shade(
    triangle: Ints,
    barycentric: Floats,
    mesh: Mesh,
    paint: Paint,
    textures: Textures,
    lights: Lights,
    shadow: Shadow,
    camera: Floats,
    image: Floats,
) -> None:
    """Colours the pixels of `image` [h, w, 3] in which a triangle is visible."""
    height, width = triangle.shape
    noise, key = textures.noise, lights.key_direction
    faces, positions = mesh.faces, mesh.positions
    work = np.zeros((2, 4), np.float32)
    sample = work[0]
    albedo = np.zeros(3, np.float32)
    light = np.zeros(3, np.float32)
    for y in range(height):
        for x in range(width):
            t = triangle[y, x]
            if t < 0:
                continue
            a = faces[t, 0]
            b = faces[t, 1]
            c = faces[t, 2]
            w0 = barycentric[y, x, 0]
            w1 = barycentric[y, x, 1]
            w2 = 1 - w0 - w1
            px = mix3(positions, a, b, c, w0, w1, w2, 0)
            py = mix3(positions, a, b, c, w0, w1, w2, 1)
            pz = mix3(positions, a, b, c, w0, w1, w2, 2)
            nx, ny, nz = unit(
                mix3(mesh.normals, a, b, c, w0, w1, w2, 0),
                mix3(mesh.normals, a, b, c, w0, w1, w2, 1),
                mix3(mesh.normals, a, b, c, w0, w1, w2, 2),
                1e-12,
            )
            u = mix3(mesh.uv, a, b, c, w0, w1, w2, 0)
            v = mix3(mesh.uv, a, b, c, w0, w1, w2, 1)
            sky = w0 * mesh.occlusion[a] + w1 * mesh.occlusion[b] + w2 * mesh.occlusion[c]
            vx, vy, vz = unit(camera[0] - px, camera[1] - py, camera[2] - pz, 0.0)
            kind = mesh.kind[t]
            if kind >= CLOTH and nx * vx + ny * vy + nz * vz < 0:
                nx = -nx
                ny = -ny
                nz = -nz
            sun = lit(px, py, pz, shadow, 4.0 if kind == SKIN else 8.0, 0.035)
            sun = 0.14 + 0.86 * sun
            hx, hy, hz = unit(vx + key[0], vy + key[1], vz + key[2], 1e-9)

            gloss = 0.0
            power = 20.0
            wrap = (0.0, 0.0, 0.0)
            if kind == SKIN:
                gloss = _skin(paint, textures, u, v, work, albedo)
                wrap = (0.45, 0.22, 0.14)
                power = 14.0
            elif kind == EYE:
                texel(textures.atlas, mesh.texture[t], u, v, sample)
                grey = (sample[0] + sample[1] + sample[2]) / 3
                for k in range(3):  # more colour than the texture has, so that it can be named
                    albedo[k] = max(0.0, grey + 1.4 * (sample[k] - grey)) * 0.98
                sky = sky**1.3
                wrap = (0.3, 0.3, 0.3)
                sun = 0.35 + 0.65 * sun
            elif kind == TEETH:
                texel(textures.atlas, mesh.texture[t], u, v, sample)
                if sample[0] > 1.45 * sample[1]:  # gums
                    for k in range(3):
                        albedo[k] = sample[k] * 0.9
                else:
                    for k in range(3):
                        albedo[k] = (0.35 * sample[k] + 0.60) * (1.0 if k < 2 else 0.90)
                gloss = 0.05
                power = 40.0
                sky = min(1.0, 0.12 + 1.5 * sky * sky**0.3)
                sun = 0.45 + 0.55 * sun
            elif kind == TONGUE:
                texel(textures.atlas, mesh.texture[t], u, v, sample)
                for k in range(3):
                    albedo[k] = sample[k]
                gloss = 0.05
                power = 30.0
            elif kind == CLOTH:
                texel(textures.atlas, mesh.texture[t], u, v, sample)
                brightness = 0.3 * sample[0] + 0.5 * sample[1] + 0.2 * sample[2]
                fold = 0.35 + 0.65 * min(2.5, brightness / paint.cloth_brightness)
                colour = paint.colours[mesh.colour[t]]
                for k in range(3):
                    albedo[k] = sample[k] * (1 - paint.dye) + colour[k] * fold * paint.dye
                gloss = 0.01
            else:
                grain = 1.0
                if kind == KNIT:
                    stitch = noise[int(py * 140) & _WRAP, int((px - pz) * 55) & _WRAP]
                    rib = np.sin(np.arctan2(px, pz - 0.4) * 60)
                    grain = 0.72 + 0.4 * stitch + 0.12 * rib
                elif kind == FELT:
                    grain = 0.9 + 0.2 * noise[int(py * 220) & _WRAP, int((px + pz) * 220) & _WRAP]
                else:
                    gloss = 0.12
                power = 50.0
                colour = paint.colours[mesh.colour[t]]
                for k in range(3):
                    albedo[k] = colour[k] * grain

            illuminate(nx, ny, nz, lights, sun, sky, wrap, light)
            halfway = max(0.0, nx * hx + ny * hy + nz * hz)
            facing = nx * vx + ny * vy + nz * vz
            fresnel = (1 - max(0.0, facing)) ** 5
            shine = 0.0
            if gloss > 0:
                towards = max(0.0, min(1.0, (nx * key[0] + ny * key[1] + nz * key[2]) * 3))
                strength = (gloss + 0.25 * fresnel * gloss * 8) * (power + 8) / 25.0
                shine = strength * halfway**power * sun * towards
                if kind == SKIN:
                    shine += gloss * 0.5 * halfway**60 * 4 * sun
            mirror = 0.25 if kind == SKIN else 0.05
            for k in range(3):
                image[y, x, k] = (
                    albedo[k] * light[k]
                    + shine * lights.key[k]
                    + 0.25 * fresnel * sky * lights.sky[k] * mirror
                )
            if kind == EYE:  # the catch light on the cornea, beside the pupil, even in shadow
                gx, gy, gz = unit(hx + 0.6 * vx, hy + 0.6 * vy + 0.06, hz + 0.6 * vz, 1e-9)
                spot = (nx * gx + ny * gy + nz * gz - _GLINT_EDGE) / (1 - _GLINT_EDGE)
                glint = max(0.0, min(1.0, spot * 2.5)) * (0.45 + 0.55 * sun)
                for k in range(3):
                    image[y, x, k] += glint * lights.key[k] + 0.02 * sky * lights.sky[k]
