"""Identity → image: the one path from a description of a face to its pixels."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recipes.faces import lighting, materials, palette, raster, scene
from recipes.faces.arrays import Floats, Ints, Texels
from recipes.faces.assets import Assets
from recipes.faces.blending import blend
from recipes.faces.camera import POSITION, Crop, Pose
from recipes.faces.fur import FurRenderer
from recipes.faces.identity import Identity
from recipes.faces.lighting import SHADOW_SIZE, Shadow
from recipes.faces.raster import FAR, kernel
from recipes.faces.record import Seen
from recipes.faces.shading import CLOTH, CLOTHES, EYE, JEWELLERY, PLASTIC, Mesh, Textures, shade

SUPERSAMPLING: Final = 2  # rendered this many times larger, then averaged
_EXPOSURE: Final = 1.35


class Renderer:
    """Draws faces. Making one loads the assets (and on the first run ever, fetches and packs them).

    Args:
        cache: Where archives and pack are kept; by default under the user's cache folder.

    Raises:
        AssetError: The assets cannot be had.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._assets = Assets.load(cache)
        self._fur = FurRenderer(self._assets)
        self._textures = Textures(self._assets.textures, self._assets.masks, self._assets.noise)

    def render(self, face: Identity, size: int = 128) -> NDArray[np.uint8]:
        """Draws a face.

        Args:
            face: What to draw.
            size: Pixels a side, at least 16. There is little detail beyond 192.

        Returns:
            uint8 sRGB [size, size, 3].

        Raises:
            ValueError: The size is too small.
        """
        return self.render_seen(face, size)[0]

    def render_seen(self, face: Identity, size: int = 128) -> tuple[NDArray[np.uint8], Seen]:
        """Like `render`, and how much of the picture shows small things."""
        if size < 16:
            raise ValueError(f"size is {size}, expected at least 16 pixels")
        side = size * SUPERSAMPLING
        parts = scene.build(face, self._assets, self._fur)
        pose = Pose.of(face)
        solids, sheets = parts.solids.posed(pose), parts.sheets.posed(pose)
        landmarks = np.concatenate([parts.eyes, parts.mouth])
        landmarks, _ = pose.apply(landmarks, np.zeros_like(landmarks))
        crop = Crop.around(landmarks[:2], landmarks[2:], side)
        on_screen, sheets_on_screen = crop.screen(solids.positions), crop.screen(sheets.positions)

        # the hair's cards are the first of the sheets
        cut = np.full(len(sheets.positions), -1, np.float32)
        hair_faces, hair_texture = sheets.faces[:0], self._textures.atlas[0]
        if parts.hair_cut is not None:
            cut[: len(parts.hair_cut)] = parts.hair_cut
            hair_faces = parts.sheets.first[0]
            hair_texture = self._textures.atlas[sheets.texture[0]]

        lights = lighting.set_up(face)
        transform = lighting.shadow_transform(lighting.key_direction(face))
        shadow = Shadow(_far(SHADOW_SIZE), transform)
        raster.opaque_depth(_transformed(solids, transform), solids.faces, shadow.depth)
        hair = (hair_faces, sheets.uv, cut, hair_texture)
        raster.hair_depth(_transformed(sheets, transform), *hair, shadow.depth)

        depth, triangle = _far(side), np.full((side, side), -1, np.int32)
        barycentric = np.zeros((side, side, 2), np.float32)
        raster.visible_triangles(on_screen, solids.faces, depth, triangle, barycentric)
        front_hair = _far(side)
        raster.hair_depth(sheets_on_screen, *hair, front_hair)

        shown = triangle[(triangle >= 0) & (depth <= front_hair)]
        seen = _seen(solids.kind[shown], solids.colour[shown], side * side)

        image = _background(face, side)
        paint = materials.solid_paint(face, parts.style, self._assets)
        shade(
            triangle,
            barycentric,
            solids,
            paint,
            self._textures,
            lights,
            shadow,
            POSITION,
            image,
        )
        distance = sheets_on_screen[:, 2][sheets.faces].mean(1)
        blend(
            np.argsort(-distance).astype(np.int32),
            sheets_on_screen,
            sheets,
            cut,
            materials.sheet_paint(face, parts.style, self._assets),
            self._textures,
            lights,
            shadow,
            POSITION,
            depth,
            front_hair,
            image,
        )
        return _develop(image), seen


@cache
def _renderer() -> Renderer:
    return Renderer()


def render(face: Identity, size: int = 128) -> NDArray[np.uint8]:
    """Draws a face as uint8 sRGB [size, size, 3], with assets from the default cache."""
    return _renderer().render(face, size)


def _seen(kind: Ints, colour: Ints, area: int) -> Seen:
    """Shares of the area, from kind and colour of each pixel [n] that shows a solid."""
    return Seen(
        clothes=np.count_nonzero((kind == CLOTH) & (colour == CLOTHES)) / area,
        earrings=np.count_nonzero((kind == PLASTIC) & (colour == JEWELLERY)) / area,
        eyes=np.count_nonzero(kind == EYE) / area,
    )


def _far(side: int) -> Floats:
    return np.full((side, side), FAR, np.float32)


def _transformed(mesh: Mesh, transform: Floats) -> Floats:
    moved: Floats = (mesh.positions @ transform[:, :3].T + transform[:, 3]).astype(np.float32)
    return moved


def _background(face: Identity, side: int) -> Floats:
    """A wall [side, side, 3] with a gradient and a vignette, as linear light before exposure."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    across, down = face.background_slope
    gradient = 0.16 * (across * (x - 0.5) + down * (y - 0.5))
    vignette = (0.10 + 0.35 * face.vignette) * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    colour = palette.linear(palette.BACKGROUND[face.background])
    wall = (1 + gradient - vignette)[..., None] * colour
    out: Floats = (-np.log(1 - np.clip(wall, 0.004, 0.95)) / _EXPOSURE).astype(np.float32)
    return out


def _develop(image: Floats) -> Texels:
    """Linear light → film-like exposure → sRGB, averaged over blocks of pixels."""
    light = 1 - np.exp(-_EXPOSURE * np.clip(image, 0, 4))
    curve = 1.055 * np.power(np.maximum(light, 1e-6), 1 / 2.4) - 0.055
    encoded = np.where(light <= 0.0031308, 12.92 * light, curve).astype(np.float32)
    out = np.empty((len(image) // SUPERSAMPLING, len(image) // SUPERSAMPLING, 3), np.float32)
    _average_blocks(encoded, SUPERSAMPLING, out)
    return (out.clip(0, 1) * 255 + 0.5).astype(np.uint8)


@kernel
def _average_blocks(image: Floats, factor: int, out: Floats) -> None:
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for c in range(3):
                total = 0.0
                for j in range(factor):
                    for i in range(factor):
                        total += image[y * factor + j, x * factor + i, c]
                out[y, x, c] = total / (factor * factor)
