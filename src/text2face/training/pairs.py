"""Training pairs for nothing: z → w → image → its embedding (clip2latent, arXiv 2210.02347).

No photograph, no inversion and no text is needed: the generator makes the pictures, and the latent
of each is known exactly. `training.photos` makes pairs of photographs in the same files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError, CheckpointError
from text2face.generators.base import Generator
from text2face.generators.mapping import rgb
from text2face.storage.folders import atomic_file
from text2face.training.distributed import barrier, hold_together, rank, world_size
from text2face.training.quality import Quality, draw_for_encoder

__all__ = [
    "Mixing",
    "Pairs",
    "make_pairs",
    "normal_rows",
    "read_pairs",
    "stored_quality",
    "weights_fingerprint",
    "write_pairs",
]

_SERIES: Final = "series"
_CHUNK: Final = 8192
SHARD_SIZE: Final = 1024
"""Pairs in a shard: the unit that is resumed, and that processes share out."""


@dataclass(frozen=True)
class Pairs:
    """N images: their embeddings, and their latents or their pixels."""

    latents: Tensor | None
    """fp16 [N, w_dim], the one code that all layers share, or [N, num_ws, w_dim]; None for photos
    whose latents are unknown."""
    embeddings: Tensor
    """[N, D], fp16, L2-normalised."""
    images: Tensor | None = None
    """[N, 3, H, W], uint8; None where the generator can make them again."""
    num_ws: int | None = None
    """Latent codes of one image; None = not known."""
    layer_groups: tuple[int, ...] = ()
    """How many layers always have a code in common, from the first; () = all have."""
    series: Mapping[str, str] = field(default_factory=dict)
    """What the pairs were made with, as the shards say."""

    def __len__(self) -> int:
        """N."""
        return len(self.embeddings)

    def seen(self, rows: Tensor | slice) -> Tensor:
        """Embeddings [n, D], float32, L2-normalised."""
        return F.normalize(self.embeddings[rows].float(), dim=1)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """The mean embedding [D], and the mean square of a component's distance from it []."""
        total = torch.zeros(2, self.embeddings.shape[1], dtype=torch.float64)
        for start in range(0, len(self), _CHUNK):
            part = self.seen(slice(start, start + _CHUNK)).double()
            total += torch.stack([part.sum(dim=0), part.square().sum(dim=0)])
        mean, square = total / len(self)
        return mean.float(), (square - mean.square()).mean().float()

    def codes(self, rows: Tensor | slice, num_ws: int) -> Tensor:
        """Latents as every network takes them, w [n, num_ws, w_dim], float32.

        Raises:
            ArgumentError: These are photos without latents.
        """
        if self.latents is None:
            raise ArgumentError("these pairs are of photos without latents; invert the photos")
        chosen = self.latents[rows].float()
        return chosen[:, None].expand(-1, num_ws, -1) if chosen.ndim == 2 else chosen


@dataclass(frozen=True)
class Mixing:
    """Style mixing: images whose layers come from several latents (W+)."""

    latents: int = 1
    """From how many at most; the number is drawn for each image, and 1 is W."""
    crossovers: tuple[int, ...] = ()
    """The layers at which another latent may begin, such as (4, 8); () = any."""

    def layer_groups(self, num_ws: int) -> tuple[int, ...]:
        """How many layers always have a code in common.

        Raises:
            ArgumentError: A crossover is not within the layers.
        """
        if self.latents == 1:
            return ()
        places = sorted(set(self.crossovers)) or list(range(1, num_ws))
        if not places or places[0] < 1 or places[-1] >= num_ws:
            raise ArgumentError(
                f"crossovers are {list(self.crossovers)}, expected layers from 1 to {num_ws - 1}"
            )
        return tuple(b - a for a, b in pairwise([0, *places, num_ws]))


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
    mixing: Mixing | None = None,
    start: int = 0,
    quality: Quality | None = None,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], object] = lambda made: None,
) -> Pairs:
    """Make pairs in memory.

    Pair i depends on `seed` and i only, except for the last bits of its numbers, which may change
    with the batch, the number of threads and the machine.

    Args:
        generator: Without classes.
        encoder: Only its image tower is used.
        count: How many pairs.
        seed: Of the whole series.
        batch_size: Images at once.
        mixing: Whether latents are mixed; None = W.
        start: The number of the first pair.
        quality: How the images are drawn; None = whole, in float32. Autocast outside has no effect.
        device: Where generator and encoder are.
        on_batch: Called with the number of pairs made after each batch.

    Raises:
        ArgumentError: The counts are not positive, or the generator needs a class or is not RGB.
    """
    if count < 1 or batch_size < 1 or start < 0:
        raise ArgumentError(
            f"count is {count}, batch_size {batch_size}, start {start}; expected at least 1, 1, 0"
        )
    generator = _checked(generator)
    mixing = mixing or Mixing()
    groups = mixing.layer_groups(generator.num_ws)
    latents, embeddings = [], []
    with ExitStack() as stack:
        for kind in {"cpu", torch.device(device).type}:
            stack.enter_context(torch.autocast(kind, enabled=False))
        for first in range(start, start + count, batch_size):
            last = min(first + batch_size, start + count)
            w = _latents(generator, first, last, seed, mixing, groups, device)
            images = draw_for_encoder(generator, w, quality)
            embedding = F.normalize(encoder.encode_image(images).float(), dim=1)
            latents.append((w if groups else w[:, 0]).half().cpu())
            embeddings.append(embedding.half().cpu())
            on_batch(last - start)
        made = torch.cat(latents), torch.cat(embeddings)
    return Pairs(*made, num_ws=generator.num_ws, layer_groups=groups)


def _checked(generator: Generator) -> Generator:
    if generator.c_dim:
        raise ArgumentError(
            f"the generator needs one of {generator.c_dim} classes; expected one without classes"
        )
    return rgb(generator)


def _latents(
    generator: Generator,
    first: int,
    last: int,
    seed: int,
    mixing: Mixing,
    groups: tuple[int, ...],
    device: torch.device | str,
) -> Tensor:
    """Latents [last - first, num_ws, w_dim]."""
    z = normal_rows(first, last, generator.z_dim, seed).to(device)
    w = generator.map(z)
    if not groups:
        return w
    parents = [w]
    for parent in range(1, mixing.latents):
        rows = [
            np.random.RandomState([seed, i, parent]).randn(generator.z_dim)
            for i in range(first, last)
        ]
        parents.append(generator.map(torch.from_numpy(np.array(rows, np.float32)).to(device)))
    borders = np.cumsum(groups)
    sources = np.zeros((last - first, generator.num_ws), dtype=np.int64)
    for row, i in enumerate(range(first, last)):
        random = np.random.RandomState([seed, i, 0, 1])
        cuts = min(random.randint(mixing.latents), len(borders) - 1)
        for parent, cut in enumerate(sorted(random.choice(borders[:-1], cuts, replace=False)), 1):
            sources[row, cut:] = parent
    stacked = torch.stack(parents, dim=1)
    chosen = torch.from_numpy(sources).to(device)
    items = torch.arange(len(stacked), device=device)[:, None]
    layers = torch.arange(generator.num_ws, device=device)[None]
    return stacked[items, chosen, layers]


def write_pairs(
    generator: Generator,
    encoder: TextImageEncoder,
    folder: str | Path,
    count: int,
    seed: int = 0,
    batch_size: int = 64,
    *,
    mixing: Mixing | None = None,
    quality: Quality | None = None,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int], object] = lambda made: None,
) -> None:
    """Make pairs shard by shard in a folder; shards that are there already are kept.

    Each shard appears whole or not at all, and names the series that it belongs to: the seed and
    the weights of both models. Processes under torchrun take turns at the shards. A shard's
    batches are its own, so that any number of processes, with as many threads each, writes the
    same bytes. Arguments as for `make_pairs`; `on_batch` counts this process's pairs.

    Raises:
        ArgumentError: See `make_pairs`.
        CheckpointError: The folder holds shards of another series.
        OutputError: It cannot be written.
    """
    generator = _checked(generator)
    mixing = mixing or Mixing()
    series = {
        "seed": str(seed),
        "batch_size": str(batch_size),
        "generator": weights_fingerprint(generator),
        "encoder": weights_fingerprint(encoder),
        "num_ws": str(generator.num_ws),
        "layer_groups": json.dumps(mixing.layer_groups(generator.num_ws)),
        "mixing": str(mixing.latents),
    }
    if quality not in (None, Quality()):
        series["quality"] = str(quality)

    def make(start: int, size: int, report: Callable[[int], object]) -> dict[str, Tensor]:
        pairs = make_pairs(
            generator,
            encoder,
            size,
            seed,
            batch_size,
            mixing=mixing,
            start=start,
            quality=quality,
            device=device,
            on_batch=report,
        )
        assert pairs.latents is not None  # they come from a generator
        return {"latents": pairs.latents, "embeddings": pairs.embeddings}

    write_shards(Path(folder), count, series, make, on_batch)


def write_shards(
    folder: Path,
    count: int,
    series: Mapping[str, str],
    make: Callable[[int, int, Callable[[int], object]], Mapping[str, Tensor]],
    on_batch: Callable[[int], object],
) -> None:
    """Make this process's share of shards, but for those that are there.

    Args:
        folder: Where.
        count: Pairs of all shards.
        series: What all of them were made with.
        make: Gives a shard's tensors from the number of its first pair and its size; it reports
            how many of them are made.
        on_batch: Called with the number of pairs that this process has made or found.
    """
    with hold_together(folder):
        _write_shards(folder, count, series, make, on_batch)
        barrier()


def _write_shards(
    folder: Path,
    count: int,
    series: Mapping[str, str],
    make: Callable[[int, int, Callable[[int], object]], Mapping[str, Tensor]],
    on_batch: Callable[[int], object],
) -> None:
    done = 0
    writing: Future[None] | None = None
    with ThreadPoolExecutor(1, "text2face-shards") as writer:  # the next shard is drawn meanwhile
        for index, start in enumerate(range(0, count, SHARD_SIZE)):
            if index % world_size() != rank():
                continue
            path = folder / f"pairs-{index:06d}.safetensors"
            size = min(SHARD_SIZE, count - start)
            if not (path.exists() and _whole_shard(path, series, size)):

                def report(made: int, before: int = done) -> None:
                    on_batch(before + made)

                tensors = make(start, size, report)
                if writing is not None:
                    writing.result()  # one shard waits at most, and no fault is lost
                said = {**series, "start": str(start)}
                writing = writer.submit(_write_shard, path, dict(tensors), said)
            done += size
            on_batch(done)
        if writing is not None:
            writing.result()


def _write_shard(path: Path, tensors: dict[str, Tensor], series: Mapping[str, str]) -> None:
    with atomic_file(path) as file:
        # One entry: several would be written in an order that changes.
        file.write(save(tensors, metadata={_SERIES: json.dumps(dict(series), sort_keys=True)}))


def stored_quality(folder: Path) -> Quality | None:
    """How the images of the pairs in a folder were drawn; None if there are none yet.

    Raises:
        ArgumentError: It is not known here.
    """
    for path in sorted(folder.glob("pairs-*.safetensors")):
        try:
            with safe_open(path, framework="pt") as shard:
                drawn = _series(shard.metadata()).get("quality")
        except (SafetensorError, OSError, ValueError):
            continue
        return Quality.parse(drawn) if drawn else Quality()
    return None


def read_pairs(folder: str | Path, count: int | None = None) -> Pairs:
    """Read the pairs of a folder in order.

    Args:
        folder: Written by `write_pairs` or `write_photo_pairs`.
        count: How many; None = all.

    Raises:
        CheckpointError: There are none, or not enough, or a shard is missing, damaged or of
            another series than the others.
    """
    parts: dict[str, list[Tensor]] = {}
    series: dict[str, str] | None = None
    found = 0
    folder = Path(folder)
    for path in sorted(folder.glob("pairs-*.safetensors")):
        try:
            with safe_open(path, framework="pt") as shard:
                said = _series(shard.metadata())
                tensors = {name: shard.get_tensor(name) for name in shard.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(
                f"damaged file: {path} ({error}); delete it and make the pairs again"
            ) from None
        start = said.pop("start", None)
        if series is not None and (said != series or tensors.keys() != parts.keys()):
            raise CheckpointError(
                f"{path} is of another series of pairs than those before it: {json.dumps(said)}, "
                f"expected {json.dumps(series)}; keep each series in a folder of its own"
            )
        if start is not None and int(start) != found:
            raise CheckpointError(
                f"{path} begins with pair {start}, expected {found}; a shard is missing: make the "
                "pairs again, which keeps those that are there"
            )
        series = said
        for name, tensor in tensors.items():
            parts.setdefault(name, []).append(tensor)
        found += len(tensors.get("embeddings", ()))
        if count is not None and found >= count:
            break
    if not found or (count is not None and found < count):
        raise CheckpointError(
            f"{folder} holds {found} pairs, expected {count or 'some'}; make the pairs first"
        )
    whole = {name: torch.cat(tensors)[:count] for name, tensors in parts.items()}
    for name, tensor in whole.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            row = int((~tensor.isfinite()).flatten(1).any(dim=1).nonzero()[0])
            raise CheckpointError(
                f"damaged pairs: the {name} of pair {row} in {folder} hold NaN or infinity; delete "
                f"that shard and make the pairs again"
            )
    series = series or {}
    latents = whole.get("latents")
    num_ws = int(series["num_ws"]) if "num_ws" in series else None
    groups = tuple(json.loads(series.get("layer_groups", "[]")))
    if latents is not None and latents.ndim == 3:  # of inverted photos, or mixed
        num_ws = latents.shape[1]
        groups = groups or (1,) * num_ws
    return Pairs(
        latents,
        whole["embeddings"],
        whole.get("images"),
        num_ws=num_ws,
        layer_groups=groups,
        series=series,
    )


def _series(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """What a shard says that it was made with."""
    said = dict(metadata or {})
    return dict(json.loads(said[_SERIES])) if _SERIES in said else said


def _whole_shard(path: Path, series: Mapping[str, str], size: int) -> bool:
    """Whether a shard holds `size` pairs; it must be of this series."""
    try:
        with safe_open(path, framework="pt") as shard:
            metadata = _series(shard.metadata())
            held: int = shard.get_slice("embeddings").get_shape()[0]
    except (SafetensorError, OSError, ValueError):
        return False
    compared = {**series, "quality": series.get("quality")}  # one of the two may not say it
    different = {key for key, value in compared.items() if metadata.get(key) != value}
    if different:
        raise CheckpointError(
            f"{path} was made with another {' and '.join(sorted(different))}: "
            f"{json.dumps(metadata)}, expected {json.dumps(dict(series))}; choose another folder"
        )
    return held >= size


def weights_fingerprint(model: object) -> str:
    """16 hexadecimal digits that tell one set of weights from another."""
    digest = hashlib.sha256(type(model).__name__.encode())
    if isinstance(model, nn.Module):
        for tensor in model.state_dict().values():
            digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
