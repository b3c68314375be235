"""Training pairs for nothing: z → w → image → its embedding (clip2latent, arXiv 2210.02347).

No photograph, no inversion and no text is needed: the generator makes the pictures, and the latent
of each is known exactly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from text2face._folders import atomic_file, make_folder
from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError, CheckpointError
from text2face.generators.base import Generator

__all__ = ["Pairs", "make_pairs", "normal_rows", "read_pairs", "write_pairs"]

SHARD_SIZE: Final = 4096


@dataclass(frozen=True)
class Pairs:
    """N latents and the embeddings of their images."""

    latents: Tensor
    """[N, w_dim], fp16: the one code that all layers share."""
    embeddings: Tensor
    """[N, D], fp16, L2-normalised."""

    def __len__(self) -> int:
        """N."""
        return len(self.latents)


def normal_rows(start: int, stop: int, dim: int, seed: int) -> Tensor:
    """Rows start to stop - 1 of an endless normal matrix [∞, dim]; each row has its own seed."""
    rows = [np.random.RandomState([seed, i]).randn(dim) for i in range(start, stop)]
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(-1, dim))


@torch.no_grad()
def make_pairs(
    generator: Generator,
    encoder: TextImageEncoder,
    count: int,
    seed: int = 0,
    batch_size: int = 64,
    *,
    start: int = 0,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], object] = lambda made: None,
) -> Pairs:
    """Make pairs in memory.

    Pair i depends on `seed` and i only, except for the last bits of its numbers, which may change
    with the batch and the machine.

    Args:
        generator: Without classes.
        encoder: Only its image tower is used.
        count: How many pairs.
        seed: Of the whole series.
        batch_size: Images at once.
        start: The number of the first pair.
        device: Where generator and encoder are.
        on_batch: Called with the number of pairs made after each batch.

    Raises:
        ArgumentError: The counts are not positive.
    """
    if count < 1 or batch_size < 1 or start < 0:
        raise ArgumentError(
            f"count is {count}, batch_size {batch_size}, start {start}; expected at least 1, 1, 0"
        )
    latents, embeddings = [], []
    for first in range(start, start + count, batch_size):
        last = min(first + batch_size, start + count)
        w = generator.map(normal_rows(first, last, generator.z_dim, seed).to(device))
        images = generator.synthesize(w).clamp(-1, 1)
        embedding = F.normalize(encoder.encode_image(images).float(), dim=1)
        latents.append(w[:, 0].half().cpu())
        embeddings.append(embedding.half().cpu())
        on_batch(last - start)
    return Pairs(torch.cat(latents), torch.cat(embeddings))


def write_pairs(
    generator: Generator,
    encoder: TextImageEncoder,
    folder: Path,
    count: int,
    seed: int = 0,
    batch_size: int = 64,
    *,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], object] = lambda made: None,
) -> None:
    """Make pairs shard by shard in a folder; shards that are there already are kept.

    Each shard appears whole or not at all, and names the series that it belongs to: the seed and
    the weights of both models. Arguments as for `make_pairs`.

    Raises:
        CheckpointError: The folder holds shards of another series.
        OutputError: It cannot be written.
    """
    series = {"seed": str(seed), "models": _fingerprint(generator, encoder)}
    make_folder(folder)
    for index, start in enumerate(range(0, count, SHARD_SIZE)):
        path = folder / f"pairs-{index:04d}.safetensors"
        size = min(SHARD_SIZE, count - start)
        if path.exists() and _whole_shard(path, series, size):
            on_batch(start + size)
            continue

        def report(made: int, start: int = start) -> None:
            on_batch(start + made)

        pairs = make_pairs(
            generator,
            encoder,
            size,
            seed,
            batch_size,
            start=start,
            device=device,
            on_batch=report,
        )
        with atomic_file(path) as file:
            tensors = {"latents": pairs.latents, "embeddings": pairs.embeddings}
            file.write(save(tensors, metadata={**series, "start": str(start)}))


def read_pairs(folder: Path, count: int | None = None) -> Pairs:
    """Read the pairs of a folder in order.

    Args:
        folder: Written by `write_pairs`.
        count: How many; None = all.

    Raises:
        CheckpointError: There are none, or not enough, or a shard is damaged.
    """
    latents, embeddings = [], []
    for path in _shards(folder):
        try:
            with safe_open(path, framework="pt") as shard:
                latents.append(shard.get_tensor("latents"))
                embeddings.append(shard.get_tensor("embeddings"))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"damaged file: {path} ({error}); delete it and make the pairs again"
            ) from None
    found = sum(len(shard) for shard in latents)
    if not found or (count is not None and found < count):
        raise CheckpointError(
            f"{folder} holds {found} pairs, expected {count or 'some'}; make the pairs first"
        )
    return Pairs(torch.cat(latents)[:count], torch.cat(embeddings)[:count])


def _shards(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("pairs-*.safetensors"))


def _whole_shard(path: Path, series: dict[str, str], size: int) -> bool:
    """Whether a shard holds at least `size` pairs; it must be of this series."""
    try:
        with safe_open(path, framework="pt") as shard:
            metadata = shard.metadata() or {}
            held: int = shard.get_slice("latents").get_shape()[0]
    except (SafetensorError, OSError):
        return False
    if any(metadata.get(key) != value for key, value in series.items()):
        raise CheckpointError(
            f"{path} was made with another seed, generator or encoder: {json.dumps(metadata)}, "
            f"expected {json.dumps(series)}; choose another folder"
        )
    return held >= size


def _fingerprint(*models: object) -> str:
    """16 hexadecimal digits that tell one set of weights from another."""
    digest = hashlib.sha256()
    for model in models:
        digest.update(type(model).__name__.encode())
        if isinstance(model, nn.Module):
            for tensor in model.state_dict().values():
                digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
