"""Where on the skin things go: lips, beard, blush…, painted from landmarks into the body's texture.

The masks are functions of the position on an average head, so every identity shares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from recipes.faces.arrays import Floats, Texels, smoothstep
from recipes.faces.raster import kernel

SIZE: Final = 512  # texels a side

# Channels of the mask texture, in order.
CHANNELS: Final = (
    "scalp", "lips", "beard", "moustache", "goatee", "eyeshadow", "blush", "freckles",
)  # fmt: skip
SCALP, LIPS, BEARD, MOUSTACHE, GOATEE, EYESHADOW, BLUSH, FRECKLES = range(8)


@dataclass(frozen=True)
class Landmarks:
    """Vertices of the body, found as the vertices that certain morph targets move most."""

    mouth_left: int
    mouth_right: int
    nose_tip: int
    lobe_left: int
    lobe_right: int
    chin: int


@dataclass(frozen=True)
class Regions:
    """What the masks are painted from: landmark heights and soft regions on the average head."""

    positions: Floats  # [v, 3] of the average head
    lips: Floats  # [v] in 0..1
    ears: NDArray[np.bool_]  # [v]
    landmarks: Landmarks
    mouth_centre: Floats  # [3]
    left_eye: Floats  # [3]
    ear_depth: float  # z of the ears

    def masks(self, x: Floats, y: Floats, z: Floats, lips: Floats, ears: Floats) -> Floats:
        """All channels but the scalp, at points of the average head.

        Args:
            x: Points, any shape S; `y` and `z` the same.
            y: Height.
            z: Depth, towards the viewer.
            lips: How much a point belongs to the lips.
            ears: How much a point belongs to the ears.

        Returns:
            S + [7] in 0..1, channels as in `CHANNELS[1:]`.
        """
        mark, at = self.landmarks, self.positions
        mouth, width = self.mouth_centre[1], at[mark.mouth_left, 0]
        nose, chin, eye = at[mark.nose_tip, 1] - 0.10, at[mark.chin, 1], self.left_eye[1]
        side = abs(x)
        not_lips = 1 - smoothstep(0.10, 0.35, lips)
        not_ears = 1 - smoothstep(0.2, 0.6, ears)
        front = smoothstep(0.7, 0.95, z)

        sideways = smoothstep(width * 1.1, 0.74, side)
        beard_line = mouth + 0.04 + (eye - 0.15 - mouth) * sideways**1.4
        beard = (
            smoothstep(-0.07, 0.06, beard_line - y)
            * smoothstep(chin - 0.50, chin - 0.22, y)
            * smoothstep(self.ear_depth - 0.10, self.ear_depth + 0.08, z)
        )
        across = (side / (width * 1.25)).clip(0, 1.5)
        upper = nose - 0.03 - 0.17 * across**1.6
        lower = mouth - 0.02 - 0.16 * across**2.2
        moustache = (
            smoothstep(upper + 0.035, upper - 0.035, y)
            * smoothstep(lower - 0.03, lower + 0.03, y)
            * smoothstep(1.12, 0.9, across)
            * front
        )
        goatee = (
            smoothstep(width * 1.05, width * 0.6, side)
            * smoothstep(mouth - 0.08, mouth - 0.17, y)
            * smoothstep(chin - 0.22, chin - 0.10, y)
            * smoothstep(0.6, 0.8, z)
        )
        beard = np.maximum(beard, moustache) * not_lips * not_ears
        eyeshadow = (
            smoothstep(eye - 0.04, eye + 0.02, y)
            * smoothstep(eye + 0.22, eye + 0.10, y)
            * np.exp(-(((side - self.left_eye[0]) / 0.2) ** 2))
            * smoothstep(0.85, 0.95, z)
        )
        blush = np.exp(
            -(((side - 0.42) / 0.16) ** 2 + ((y - (eye - 0.38)) / 0.14) ** 2)
        ) * smoothstep(0.4, 0.6, z)
        freckles = (
            np.exp(-(((y - (eye - 0.25)) / 0.2) ** 2))
            * smoothstep(0.75, 0.45, side)
            * smoothstep(0.6, 0.8, z)
        )
        channels = [
            lips, beard, moustache * not_lips, goatee * not_lips, eyeshadow, blush, freckles,
        ]  # fmt: skip
        return np.stack(channels, -1).astype(np.float32)


def find_regions(average: Floats, shift: dict[str, Floats], left_eye: Floats) -> Regions:
    """Finds lips, ears and landmarks on the average head [v, 3].

    `shift` gives, per morph target, how far [v] it moves each vertex.
    """
    x, y, z = average.T
    lip_shift = shift["mouth-upperlip-volume-incr"] + shift["mouth-lowerlip-volume-incr"]
    lips = (lip_shift / np.percentile(lip_shift[lip_shift > 0], 80)).clip(0, 1)
    lip_vertices = np.where(lip_shift > 0.3 * lip_shift.max())[0]
    corner = shift["mouth-angles-up"]
    nose = np.where(shift["nose-point-up"] > 0)[0]

    def ear(side: str, sign: int) -> tuple[NDArray[np.int64], int]:
        wing, lobe = shift[f"{side}-ear-wing-incr"], shift[f"{side}-ear-lobe-incr"]
        vertices = np.where(wing > 0.3 * wing.max())[0]
        lobes = np.where(lobe > 0.3 * lobe.max())[0]
        lowest = lobes[np.argmin(y[lobes] - sign * 0.5 * x[lobes])]
        return vertices[sign * x[vertices] > 0.4], int(lowest)

    left_ear, lobe_left = ear("l", 1)
    right_ear, lobe_right = ear("r", -1)
    chin = shift["chin-height-incr"]
    chins = np.where((chin > 0.6 * chin.max()) & (abs(x) < 0.08) & (z > 1.1))[0]
    return Regions(
        positions=average,
        lips=lips,
        ears=np.isin(np.arange(len(average)), np.concatenate([left_ear, right_ear])),
        landmarks=Landmarks(
            mouth_left=int(np.argmax(corner * (x > 0))),
            mouth_right=int(np.argmax(corner * (x < 0))),
            nose_tip=int(nose[np.argmax(z[nose])]),
            lobe_left=lobe_left,
            lobe_right=lobe_right,
            chin=int(chins[np.argmin(y[chins])]),
        ),
        mouth_centre=average[lip_vertices].mean(0),
        left_eye=left_eye,
        ear_depth=z[left_ear].mean(),
    )


@kernel
def bake(
    uv: NDArray[np.float64], faces: NDArray[np.int32], values: Floats, size: int
) -> tuple[Floats, Texels]:
    """Draws vertex values [n, c] into a texture [size, size, c], one texel beyond each edge.

    Also returns which texels [size, size] lie inside a triangle.
    """
    channels = values.shape[1]
    out = np.zeros((size, size, channels), np.float32)
    covered = np.zeros((size, size), np.uint8)
    for t in range(len(faces)):
        a, b, c = faces[t]
        x0 = uv[a, 0] * size - 0.5
        y0 = (1 - uv[a, 1]) * size - 0.5
        x1 = uv[b, 0] * size - 0.5
        y1 = (1 - uv[b, 1]) * size - 0.5
        x2 = uv[c, 0] * size - 0.5
        y2 = (1 - uv[c, 1]) * size - 0.5
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        for y in range(max(0, int(min(y0, y1, y2)) - 1), min(size, int(max(y0, y1, y2)) + 3)):
            for x in range(max(0, int(min(x0, x1, x2)) - 1), min(size, int(max(x0, x1, x2)) + 3)):
                w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
                w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
                w0 = 1 - w1 - w2
                if w0 < -0.15 or w1 < -0.15 or w2 < -0.15:
                    continue
                inside = w0 >= 0 and w1 >= 0 and w2 >= 0
                if inside or covered[y, x] == 0:
                    for k in range(channels):
                        out[y, x, k] = w0 * values[a, k] + w1 * values[b, k] + w2 * values[c, k]
                    if inside:
                        covered[y, x] = 1
    return out, covered


def paint_masks(
    regions: Regions, vertices: NDArray[np.int32], uv: Floats, faces: NDArray[np.int32]
) -> tuple[Floats, NDArray[np.bool_]]:
    """The seven masks as a texture [512, 512, 7], and which texels the body uses [512, 512].

    They are computed per texel: interpolating vertex values would blur the beard line.
    """
    at_vertices = np.concatenate(
        [
            regions.positions[vertices],
            regions.lips[vertices][:, None],
            regions.ears[vertices][:, None].astype(np.float32),
        ],
        1,
    )
    texels, covered = bake(uv.astype(np.float64), faces, at_vertices, SIZE)
    inside = covered > 0
    masks = regions.masks(*np.moveaxis(texels, -1, 0)) * inside[..., None]
    spread = ndimage.grey_dilation(masks, (3, 3, 1)) * ~inside[..., None]
    return np.maximum(masks, spread), inside


def paint_head(
    heights: Floats, uv: Floats, faces: NDArray[np.int32], low: float = 6.3, high: float = 6.5
) -> NDArray[np.bool_]:
    """Which texels [512, 512] belong to the head: those above the neck. `heights` [n] is y."""
    above = smoothstep(low, high, heights)[:, None]
    return bake(uv.astype(np.float64), faces, above, SIZE)[0][:, :, 0] > 0.5


def find_scalp(painted: Texels, head: NDArray[np.bool_]) -> Floats:
    """Where hair grows [512, 512], read off a skin [512, 512, 3] that has it painted on."""
    grey = painted.astype(np.float32) @ np.array([0.3, 0.59, 0.11], np.float32)
    scalp = (1 - ((ndimage.gaussian_filter(grey, 1.0) - 30) / 30).clip(0, 1)) * head
    labels, count = ndimage.label(scalp > 0.5)
    sizes = ndimage.sum(np.ones_like(labels), labels, range(1, count + 1))
    large = np.isin(labels, 1 + np.where(sizes > 3000)[0])
    scalp = scalp * ndimage.binary_dilation(large, iterations=6)
    out: Floats = ndimage.gaussian_filter(scalp, 1.0)
    return out


def remove_painted_hair(
    skin: Texels, scalp: Floats, head: NDArray[np.bool_], used: NDArray[np.bool_]
) -> Texels:
    """Fills the scalp of a skin [512, 512, 3] with the tone around it, keeping a little texture."""

    def blur(image: Floats, sigma: float) -> Floats:
        return np.stack([ndimage.gaussian_filter(image[:, :, c], sigma) for c in range(3)], 2)

    image = skin.astype(np.float32)
    hairy = scalp > 0.08
    bare = ((1 - ndimage.binary_dilation(hairy, iterations=3)) * head * used).astype(np.float32)
    fill = np.zeros_like(image)
    done = np.zeros(bare.shape, bool)
    for sigma in (3, 6, 12, 24, 48, 96):  # the nearest bare skin first
        weight = ndimage.gaussian_filter(bare, sigma)
        tone = blur(image * bare[..., None], sigma)
        new = (weight > 0.02) & ~done
        fill[new] = (tone / np.maximum(weight, 1e-6)[..., None])[new]
        done |= new
    fill = blur(fill, 4)
    detail = image - blur(image, 3)
    edge = ndimage.binary_dilation(hairy, iterations=2).astype(np.float32)
    amount = ndimage.gaussian_filter(edge, 2)[..., None] * head[..., None]
    cleaned: Floats = image * (1 - amount) + (fill + detail * 0.15) * amount
    return cleaned.clip(0, 255).astype(np.uint8)
