"""Many faces from a table of prompts: sharded, resumable to the image, in constant memory.

Image i is row i of the table; a shard is a run of images, drawn by one process from first to last,
one at a time. So every file is the same for any number of processes, and no process needs to know
of another: process r of n draws the shards k with k mod n = r.

While a shard is drawn, each finished image has a line in `NAME.part`; to go on after a stop is to
read that file. The shard's manifest appears when it is whole, and `manifest.jsonl` when all are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.nn import functional as F

from text2face import provenance
from text2face.errors import ArgumentError, OutputError, PromptError
from text2face.faces import to_tensor
from text2face.pictures import decode_image
from text2face.settings import Settings, check_count, check_seed
from text2face.storage.folders import atomic_file, cannot_write
from text2face.storage.locks import hold
from text2face.storage.shards import FolderShard, Shard, TarShard
from text2face.table import Row, read_rows

if TYPE_CHECKING:
    from text2face.pipeline import TextToFace

__all__ = ["BulkJob"]

_BLOCK: Final = 512
_PATIENCE: Final = 60.0
"""Seconds that a process waits for another one to write job.json."""


@dataclass
class BulkJob:
    """A table of prompts and where its faces go."""

    table: Path
    outdir: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    """As for `TextToFace.settings`."""
    seed: int = 0
    """See `read_rows`."""
    shard_size: int = 1000
    tar: bool = False
    """Write `shard-00000.tar` (WebDataset: NAME.png, NAME.json) rather than folders of PNG."""
    duplicates: float | None = None
    """Name in the manifest every image whose embedding has this cosine to an earlier one's."""
    rank: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        check_seed(self.seed)
        check_count("shard_size", self.shard_size)
        if self.duplicates is not None and not 0 < self.duplicates <= 1:
            raise ArgumentError(
                f"the cosine of duplicates is {self.duplicates!r}, expected above 0 and at most 1"
            )

    def run(
        self, pipe: TextToFace, on_image: Callable[[int], object] = lambda count: None
    ) -> Path | None:
        """Draw what is missing of this process's shards.

        Args:
            pipe: The model.
            on_image: Called with the number of images that are finished, drawn now or before.

        Returns:
            The manifest of all images, if all shards are finished; else None.

        Raises:
            ArgumentError: The folder holds another job's images, or the table is none.
            OutputError: It cannot be written.
        """
        settings = pipe.settings(**self.settings)
        total = 0
        for row in read_rows(self.table, self.seed):
            try:
                pipe.resolve(row.prompt, [row.seed], settings)
            except PromptError as error:
                raise PromptError(f"row {row.index + 1} of {self.table}: {error}") from None
            total += 1
        if not total:
            raise PromptError(f"no rows in {self.table}; expected one for each face")
        with hold(self.outdir, wait=_PATIENCE):
            self._claim(pipe, settings, total)
        starts = range(0, total, self.shard_size)
        shards = [self._shard(start, min(start + self.shard_size, total)) for start in starts]
        finished = 0
        for shard in shards[self.rank :: self.processes]:

            def report(made: int, before: int = finished) -> None:
                on_image(before + made)

            with hold(self.outdir, shard.base.name):
                try:
                    self._draw(pipe, settings, shard, report)
                    if self.duplicates is not None:
                        _embed(pipe, shard)
                except OSError as error:
                    raise OutputError(cannot_write(shard.manifest, error)) from None
            finished += shard.last - shard.first
        if all(self._finished(shard) for shard in shards):
            return self._merge(shards)
        return None

    def _claim(self, pipe: TextToFace, settings: Settings, total: int) -> None:
        """Write down what this folder is for, or see that it is for the same."""
        with self.table.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        job = {
            "table": digest,
            "images": total,
            "seed": self.seed,
            "shard_size": self.shard_size,
            "tar": self.tar,
            "settings": asdict(settings),
            "library": pipe.library.digest,
            "weights": pipe.weights,
            "dtype": str(pipe.dtype).removeprefix("torch."),
            "device": pipe.device.type,
            "threads": torch.get_num_threads(),
        }
        path = self.outdir / "job.json"
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is no plain file; remove it, or choose another --outdir")
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            with atomic_file(path) as out:
                out.write((json.dumps(job, indent=2, sort_keys=True) + "\n").encode())
            return
        except ValueError:
            held = None
        if not isinstance(held, dict):
            raise ArgumentError(
                f"{path} is damaged; expected what this folder is for; choose another --outdir"
            )
        now = json.loads(json.dumps(job))
        differing = sorted(
            name for name in now.keys() | held.keys() if now.get(name) != held.get(name)
        )
        if differing:
            name = differing[0]
            was, given = (json.dumps(one.get(name))[:200] for one in (held, now))
            raise ArgumentError(
                f"{path} is of another table, model or settings: its {name} is {was}, now {given}; "
                "choose another --outdir to keep both, or the same settings to go on"
            )

    def _shard(self, start: int, stop: int) -> Shard:
        base = self.outdir / f"shard-{start // self.shard_size:05d}"
        return (TarShard if self.tar else FolderShard)(base, start, stop)

    def _draw(
        self,
        pipe: TextToFace,
        settings: Settings,
        shard: Shard,
        report: Callable[[int], object],
    ) -> None:
        """Draw what is missing of a shard."""
        size = shard.last - shard.first
        if shard.facts() is not None:
            report(size)
            return
        done = shard.resume()
        report(done)
        with shard:
            for row in read_rows(self.table, self.seed, shard.first + done, shard.last):
                content, line = _make(pipe, settings, row)
                shard.add(f"{row.index:09d}", content, line)
                done += 1
                report(done)
        if done < size:
            raise ArgumentError(
                f"{self.table} has changed since it was checked: {done} rows of {size}; expected "
                "it to stay as it is while it is drawn"
            )
        shard.finish()

    def _finished(self, shard: Shard) -> bool:
        facts = shard.facts()
        seen = self.duplicates is None or _embeddings(shard).exists()
        return facts is not None and seen

    def _merge(self, shards: Sequence[Shard]) -> Path:
        """One manifest of all shards; duplicates are named in it."""
        twins = self._twins(shards) if self.duplicates is not None else {}
        path = self.outdir / "manifest.jsonl"
        with atomic_file(path) as out:
            for shard in shards:
                for facts in shard.facts() or ():
                    if facts["index"] in twins:
                        facts["duplicate_of"] = twins[facts["index"]]
                    out.write((json.dumps(facts, ensure_ascii=False) + "\n").encode())
        return path

    def _twins(self, shards: Sequence[Shard]) -> dict[int, int]:
        """Images that look like an earlier one that has no twin itself, by number."""
        found: dict[int, int] = {}
        banks = [
            torch.from_numpy(
                np.fromfile(_embeddings(shard), np.float16).reshape(shard.last - shard.first, -1)
            )
            for shard in shards
        ]
        every = torch.cat(banks)
        for first in range(0, len(every), _BLOCK):
            block = F.normalize(every[first : first + _BLOCK].float(), dim=1)
            for other in range(0, first + 1, _BLOCK):
                near = block @ F.normalize(every[other : other + _BLOCK].float(), dim=1).T
                for i, j in (near >= (self.duplicates or 1)).nonzero().tolist():
                    image, earlier = first + i, other + j
                    if earlier < image and earlier not in found:
                        found.setdefault(image, earlier)
        return found


def _make(pipe: TextToFace, settings: Settings, row: Row) -> tuple[bytes, dict[str, Any]]:
    """The PNG of a row, and what the manifest says of it."""
    (face,) = pipe.draw([row.prompt], [row.seed], settings)
    content = provenance.encode_file(face.image, provenance.make_record(pipe, settings, face))
    line = {
        "index": row.index,
        "prompt": face.prompt,
        **({"template": row.prompt} if face.template else {}),
        "seed": row.seed,
        "score": round(face.score, 6),
        "sha256": hashlib.sha256(content).hexdigest(),
        **({"attributes": row.attributes} if row.attributes else {}),
    }
    return content, line


def _embeddings(shard: Shard) -> Path:
    return shard.base.with_suffix(".embeddings")


@torch.no_grad()
def _embed(pipe: TextToFace, shard: Shard) -> None:
    """Write what the encoder sees in each image of a finished shard, as float16."""
    path = _embeddings(shard)
    size = 2 * (shard.last - shard.first) * pipe.encoder.embedding_dim
    if path.is_file() and not path.is_symlink() and path.stat().st_size == size:
        return
    with atomic_file(path) as file:
        for content in shard.images():
            image = to_tensor(decode_image(content, str(shard.base)))
            seen = pipe.encoder.encode_image(image.to(pipe.device)).float()
            file.write(F.normalize(seen, dim=1).half().cpu().numpy().tobytes())
