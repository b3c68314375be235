"""Pairs of photographs: what the encoder sees in them, with the pictures themselves as targets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError
from text2face.pictures import READ_SUFFIXES, find_pictures, read_picture
from text2face.storage.folders import atomic_file
from text2face.training.distributed import hold_together, rank
from text2face.training.pairs import weights_fingerprint, write_shards

__all__ = ["Inverter", "find_photos", "fit_photo", "load_photo", "write_photo_pairs"]

_NAMED: Final = 5


class Inverter(Protocol):
    """What finds the latent of a photograph."""

    def __call__(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] → w [N, num_ws, w_dim]."""
        ...


def find_photos(folder: Path) -> list[Path]:
    """All images below a folder, in the order of their names.

    Raises:
        ArgumentError: There is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise ArgumentError(f"no folder {folder}; expected one that holds photos")
    found = find_pictures(folder)
    if not found:
        raise ArgumentError(
            f"no photo in {folder}; expected files that end in {', '.join(READ_SUFFIXES)}, in "
            "it or in folders below"
        )
    return found


def load_photo(path: Path, size: int) -> Tensor:
    """A photo of any size and mode as uint8 [3, size, size]: turned upright, its middle square.

    Raises:
        ArgumentError: It cannot be read.
    """
    return fit_photo(read_picture(path), size)


def fit_photo(picture: Image.Image, size: int) -> Tensor:
    """The middle square of an RGB picture as uint8 [3, size, size]."""
    fitted = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1).contiguous()


def readable_photos(folder: Path, size: int, max_skipped: int) -> tuple[list[Path], list[str]]:
    """The photos that can be read, and why each other cannot.

    Raises:
        ArgumentError: More than `max_skipped` cannot, or none can.
    """
    good: list[Path] = []
    skipped: list[str] = []
    for path in find_photos(folder):
        try:
            load_photo(path, size)
        except ArgumentError as error:
            why = str(error).removeprefix(f"cannot read {path}: ").split(";")[0]
            skipped.append(f"{path.relative_to(folder)} ({why})")
        else:
            good.append(path)
    if len(skipped) > max_skipped or not good:
        more = f" and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
        raise ArgumentError(
            f"{len(skipped)} of {len(skipped) + len(good)} photos in {folder} cannot be read, "
            f"expected at most {max_skipped}: {', '.join(skipped[:_NAMED])}{more}; remove or "
            "replace them, or allow more to be skipped"
        )
    return good, skipped


def write_photo_pairs(
    encoder: TextImageEncoder,
    photos: Path,
    folder: Path,
    *,
    size: int = 256,
    batch_size: int = 32,
    max_skipped: int = 10,
    inverter: Inverter | None = None,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], object] = lambda made: None,
) -> list[str]:
    """Make pairs of photos shard by shard; shards that are there already are kept.

    Args:
        encoder: Only its image tower is used.
        photos: A folder of images in any layout.
        folder: For the shards: embeddings, uint8 images [N, 3, size, size], and latents.
        size: Side of the stored images; photos of any size are cut to a square and resized.
        batch_size: Images at once.
        max_skipped: How many photos may be unreadable; their names are given back, and stand in
            `skipped.json`.
        inverter: Finds the latents, so that every sampler can learn from the pairs; None = there
            are none, and only the objective "images" can.
        device: Where encoder and inverter are.
        on_batch: Called with the number of pairs that this process has made or found.

    Returns:
        The photos that were skipped, with the reason.

    Raises:
        ArgumentError: There is no photo, or too many cannot be read.
        CheckpointError: The folder holds shards of another series.
        OutputError: It cannot be written.
    """
    paths, skipped = readable_photos(photos, size, max_skipped)
    listing = hashlib.sha256()
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        listing.update(f"{path.relative_to(photos).as_posix()} {content}\n".encode())
    series = {
        "photos": listing.hexdigest()[:16],
        "size": str(size),
        "batch_size": str(batch_size),
        "encoder": weights_fingerprint(encoder),
        "inverted": str(inverter is not None),
    }

    @torch.no_grad()
    def make(start: int, count: int, report: Callable[[int], object]) -> dict[str, Tensor]:
        parts: dict[str, list[Tensor]] = {}
        for first in range(start, start + count, batch_size):
            chosen = paths[first : min(first + batch_size, start + count)]
            pixels = torch.stack([load_photo(path, size) for path in chosen])
            images = pixels.to(device).float() / 127.5 - 1
            seen = F.normalize(encoder.encode_image(images).float(), dim=1)
            made = {"images": pixels, "embeddings": seen.half().cpu()}
            if inverter is not None:
                made["latents"] = inverter(images).half().cpu()
            for name, tensor in made.items():
                parts.setdefault(name, []).append(tensor)
            report(min(first + batch_size, start + count) - start)
        return {name: torch.cat(tensors) for name, tensors in parts.items()}

    with hold_together(folder):
        if rank() == 0 and skipped:
            with atomic_file(folder / "skipped.json") as file:
                file.write((json.dumps(skipped, indent=2, ensure_ascii=False) + "\n").encode())
        write_shards(folder, len(paths), series, make, on_batch)
    return skipped
