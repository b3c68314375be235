"""The asset pack: everything a renderer needs, computed once (`packing`) and kept in one .npz."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recipes.faces import catalogue, masks, packing
from recipes.faces.arrays import Arrays, Floats, Ints, Texels
from recipes.faces.masks import Landmarks
from recipes.faces.meshes import Proxy
from recipes.faces.palette import LINEAR, luminance

VERSION: Final = 1


@dataclass(frozen=True)
class Assets:
    """Meshes, morph targets, textures and masks.

    The body is given twice: as `rest` vertices, which morphs move, and as a skin whose vertices are
    split at texture seams and point into them.
    """

    rest: Floats  # [v, 3]
    skin_vertices: Ints  # [n] into rest
    skin_uv: Floats  # [n, 2]
    skin_faces: Ints  # [f, 3] into the skin
    skin_occlusion: Floats  # [n]
    hair_shade: dict[str, Floats]  # hair name → [n]: openness of the skin under that hair
    scalp: Floats  # [n]: how much hair grows at a skin vertex
    beards: dict[str, Floats]  # beard, moustache, goatee → [n], the same for facial hair
    landmarks: Landmarks
    target_names: list[str]
    targets: NDArray[np.float16]  # [t, v, 3]
    proxies: dict[str, Proxy]
    lower_teeth: NDArray[np.bool_]  # [n] of the teeth
    textures: Texels  # [k, 512, 512, 4]
    texture_names: list[str]
    masks: Texels  # [512, 512, 8], channels of masks.CHANNELS
    noise: Floats  # [512, 512] in 0..1, tileable

    @cached_property
    def morphs(self) -> csr_matrix:
        """[3v, t]: times target weights gives displacements."""
        return csr_matrix(self.targets.astype(np.float32).reshape(len(self.targets), -1).T)

    @cached_property
    def target_index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.target_names)}

    @cached_property
    def texture_index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.texture_names)}

    @cached_property
    def body_faces(self) -> Ints:
        """[f, 3]: the skin's triangles, as body vertices."""
        return self.skin_vertices[self.skin_faces]

    @cached_property
    def brightness(self) -> dict[str, float]:
        """The median luminance of each texture of hair, cloth and skin, where it is solid."""
        out = {}
        for name, index in self.texture_index.items():
            if name.startswith(("hair/", "suit/", "skin/")):
                texture = self.textures[index]
                out[name] = float(np.median(luminance(texture)[texture[..., 3] > 128]))
        return out

    @cached_property
    def skin_balance(self) -> dict[str, Floats]:
        """Per skin texture the factor [3] that brings the cheeks of light skins to one tone."""
        area = self.masks[..., masks.BLUSH].astype(np.float32) + self.masks[..., masks.FRECKLES]
        area = area / 255.0
        tones = {
            name: (LINEAR[self.textures[i][..., :3]] * area[..., None]).sum((0, 1)) / area.sum()
            for name, i in self.texture_index.items()
            if name.startswith("skin/")
        }
        young = [tone for name, tone in tones.items() if "young" in name and "light" in name]
        reference = np.mean(young, 0)
        even = np.ones(3, np.float32)
        return {
            name: ((reference / tone) ** 0.85).astype(np.float32) if "light" in name else even
            for name, tone in tones.items()
        }

    @classmethod
    def load(cls, cache: Path | None = None) -> Self:
        """Reads the pack from `cache`, first building it if need be (2 minutes; fetches 120 MB).

        Raises:
            AssetError: An archive cannot be had or is not the pinned one.
        """
        cache = cache or default_cache()
        path = cache / f"pack-{VERSION}.npz"
        if not path.exists():
            staged = cache / f".{path.name}.{os.getpid()}.npz"
            try:
                np.savez(staged, allow_pickle=False, **packing.build(cache))
                os.replace(staged, path)
            finally:
                staged.unlink(missing_ok=True)
        with np.load(path) as stored:
            return cls.from_arrays(dict(stored))

    @classmethod
    def from_arrays(cls, pack: Arrays) -> Self:
        return cls(
            rest=pack["rest"],
            skin_vertices=pack["skin_vertices"],
            skin_uv=pack["skin_uv"],
            skin_faces=pack["skin_faces"],
            skin_occlusion=pack["skin_occlusion"],
            hair_shade={f"hair/{n}": pack[f"hair_shade/{n}"] for n in catalogue.HAIR},
            scalp=pack["scalp"],
            beards={n: pack[f"beards/{n}"] for n in ("beard", "moustache", "goatee")},
            landmarks=Landmarks(*pack["landmarks"].tolist()),
            target_names=pack["target_names"].tolist(),
            targets=pack["targets"],
            proxies={name: Proxy.from_arrays(name, pack) for name in catalogue.PROXIES},
            lower_teeth=pack["lower_teeth"],
            textures=pack["textures"],
            texture_names=pack["texture_names"].tolist(),
            masks=pack["masks"],
            noise=pack["noise"],
        )


def default_cache() -> Path:
    """The folder for archives and the pack, under $XDG_CACHE_HOME or ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "text2face" / "faces"
