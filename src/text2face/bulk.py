"""Many faces from a table of prompts: sharded, resumable to the image, in constant memory.

Image i is row i of the table; a shard is a run of images, drawn by one process from first to last,
one at a time. So every file is the same for any number of processes, and no process needs to know
of another: process r of n draws the shards k with k mod n = r.

While a shard is drawn, each finished image has a line in `NAME.part`; to go on after a stop is to
read that file. The shard's manifest appears when it is whole, and `manifest.jsonl` when all are.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.nn import functional as F

from text2face import provenance
from text2face.errors import ArgumentError, OutputError, PromptError
from text2face.faces import to_tensor
from text2face.settings import Settings, check_count, check_seed
from text2face.storage.folders import atomic_file, cannot_write, check_writable, make_folder

if TYPE_CHECKING:
    from text2face.faces import Face
    from text2face.pipeline import TextToFace

__all__ = ["BulkJob", "Row", "read_rows", "world"]

_NAMES: Final = ("prompt", "seed")
_BLOCK: Final = 512


@dataclass(frozen=True)
class Row:
    """One image to draw."""

    index: int
    prompt: str
    seed: int
    attributes: dict[str, str]
    """The other columns of the table."""


def read_rows(table: Path, seed: int = 0, start: int = 0, stop: int | None = None) -> Iterator[Row]:
    """Read a CSV file with a header, row by row.

    Args:
        table: With a column `prompt`, perhaps a column `seed`; other columns are kept.
        seed: Row i without a seed of its own has seed + i.
        start: The first row to give.
        stop: The first row not to give; None = all.

    Raises:
        ArgumentError: It is no such table, or a seed is none.
        PromptError: A prompt is empty.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if "prompt" not in (reader.fieldnames or ()):
                raise ArgumentError(
                    f"{table} has the columns {reader.fieldnames}, expected one named prompt in "
                    "the first line"
                )
            for index, values in enumerate(itertools.islice(reader, start, stop), start):
                prompt = (values.get("prompt") or "").strip()
                if not prompt:
                    raise PromptError(f"row {index + 1} of {table} has no prompt; expected one")
                given = (values.get("seed") or "").strip()
                if given and not given.isdecimal():
                    raise ArgumentError(
                        f"row {index + 1} of {table} has the seed {given!r}, expected a whole "
                        "number"
                    )
                chosen = check_seed(int(given) if given else seed + index)
                others = {
                    str(name): value
                    for name, value in values.items()
                    if name and name not in _NAMES and isinstance(value, str) and value
                }
                yield Row(index, prompt, chosen, others)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ArgumentError(f"cannot read {table}: {why}; expected a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ArgumentError(
            f"{table} is no CSV file in UTF-8 ({error}); save it as CSV, UTF-8"
        ) from None


def world() -> tuple[int, int]:
    """This process's number and how many there are, as torchrun says.

    Raises:
        ArgumentError: RANK and WORLD_SIZE do not fit together.
    """
    values = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    if not all(value.isdecimal() for value in values) or not 0 <= int(values[0]) < int(values[1]):
        raise ArgumentError(
            f"RANK and WORLD_SIZE are {values[0]!r} and {values[1]!r}, expected numbers as "
            "torchrun sets them"
        )
    return int(values[0]), int(values[1])


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
        check_writable(self.outdir)
        settings = pipe.settings(**self.settings)
        total = 0
        for row in read_rows(self.table, self.seed):
            try:
                pipe.unknown_words([row.prompt], settings)
            except PromptError as error:
                raise PromptError(f"row {row.index + 1} of {self.table}: {error}") from None
            total += 1
        if not total:
            raise PromptError(f"no rows in {self.table}; expected one for each face")
        self._claim(pipe, settings, total)
        shards = -(-total // self.shard_size)
        finished = 0
        for shard in range(self.rank, shards, self.processes):
            start = shard * self.shard_size
            stop = min(start + self.shard_size, total)

            def report(made: int, before: int = finished) -> None:
                on_image(before + made)

            self._shard(pipe, settings, shard, start, stop, report)
            finished += stop - start
        if all(self._manifest(shard).exists() for shard in range(shards)):
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
            "weights": pipe.weights,
            "threads": torch.get_num_threads(),
        }
        path = self.outdir / "job.json"
        text = json.dumps(job, indent=2, sort_keys=True) + "\n"
        with suppress(FileNotFoundError):
            if path.read_text(encoding="utf-8") != text:
                raise ArgumentError(
                    f"{path} is of another table, model or settings; choose another --outdir to "
                    "keep both, or the same settings to go on"
                )
            return
        with atomic_file(path) as out:
            out.write(text.encode())

    def _manifest(self, shard: int) -> Path:
        return self.outdir / f"shard-{shard:05d}.jsonl"

    def _shard(
        self,
        pipe: TextToFace,
        settings: Settings,
        shard: int,
        start: int,
        stop: int,
        report: Callable[[int], object],
    ) -> None:
        manifest = self._manifest(shard)
        if manifest.exists():
            report(stop - start)
            return
        writer = (_TarWriter if self.tar else _FolderWriter)(manifest.with_suffix(""))
        done = writer.resume()
        report(done)
        embeddings = manifest.with_suffix(".embeddings")
        try:
            with writer, embeddings.open("ab") as seen:
                seen.truncate(done * pipe.encoder.embedding_dim * 2 if self.duplicates else 0)
                for row in read_rows(self.table, self.seed, start + done, stop):
                    content, line, face = _draw(pipe, settings, row)
                    if self.duplicates is not None:
                        seen.write(_embedding(pipe, face))
                        seen.flush()
                    writer.add(f"{row.index:09d}", content, line)
                    done += 1
                    report(done)
            if self.duplicates is None:
                embeddings.unlink()
            writer.finish()
        except OSError as error:
            raise OutputError(cannot_write(manifest, error)) from None

    def _merge(self, shards: int) -> Path:
        """One manifest of all shards; duplicates are named in it."""
        twins = self._twins(shards) if self.duplicates is not None else {}
        path = self.outdir / "manifest.jsonl"
        with atomic_file(path) as out:
            for shard in range(shards):
                with self._manifest(shard).open(encoding="utf-8") as lines:
                    for line in lines:
                        facts = json.loads(line)
                        if facts["index"] in twins:
                            facts["duplicate_of"] = twins[facts["index"]]
                        out.write((json.dumps(facts, ensure_ascii=False) + "\n").encode())
        return path

    def _twins(self, shards: int) -> dict[int, int]:
        """Images that look like an earlier one that has no twin itself, by number."""
        found: dict[int, int] = {}
        paths = [self._manifest(shard).with_suffix(".embeddings") for shard in range(shards)]
        counts = [min(self.shard_size, _lines(self._manifest(shard))) for shard in range(shards)]
        banks = [
            torch.from_numpy(np.fromfile(path, np.float16).reshape(count, -1))
            for path, count in zip(paths, counts, strict=True)
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


def _draw(pipe: TextToFace, settings: Settings, row: Row) -> tuple[bytes, dict[str, Any], Face]:
    """The PNG of a row, what the manifest says of it, and the face."""
    (face,) = pipe.draw([row.prompt], [row.seed], settings)
    content = provenance.encode(face.image, provenance.describe(pipe, settings, face))
    line = {
        "index": row.index,
        "prompt": row.prompt,
        "seed": row.seed,
        "score": round(face.score, 6),
        "sha256": hashlib.sha256(content).hexdigest(),
        **({"attributes": row.attributes} if row.attributes else {}),
    }
    return content, line, face


@torch.no_grad()
def _embedding(pipe: TextToFace, face: Face) -> bytes:
    """What the encoder sees in a face, as float16."""
    seen = pipe.encoder.encode_image(to_tensor(face.image).to(pipe.device)).float()
    return F.normalize(seen, dim=1).half().cpu().numpy().tobytes()


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


class _Writer:
    """Writes the images of a shard and, line by line, what is finished."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.part = base.with_suffix(".part")
        self.lines: io.BufferedWriter | None = None

    def resume(self) -> int:
        """Keep the whole lines whose images are there; the number of them."""
        kept: list[bytes] = []
        if self.part.exists():
            for line in self.part.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n") or not self.has(json.loads(line)):
                    break
                kept.append(line)
            with atomic_file(self.part) as file:
                file.writelines(kept)
        self.rewind(json.loads(kept[-1]) if kept else None)
        return len(kept)

    def has(self, facts: Mapping[str, Any]) -> bool:
        raise NotImplementedError

    def rewind(self, last: Mapping[str, Any] | None) -> None:
        """Drop what was written after the last line that is kept."""

    def __enter__(self) -> _Writer:
        self.lines = self.part.open("ab")
        return self

    def __exit__(self, *error: object) -> None:
        if self.lines is not None:
            self.lines.close()

    def add(self, name: str, content: bytes, facts: dict[str, Any]) -> None:
        """Write one image, then its line."""
        facts = {**facts, **self.store(name, content, facts)}
        if self.lines is None:
            raise RuntimeError("the writer is not open")
        self.lines.write((json.dumps(facts, ensure_ascii=False) + "\n").encode())
        self.lines.flush()

    def store(self, name: str, content: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def finish(self) -> None:
        os.replace(self.part, self.base.with_suffix(".jsonl"))


class _FolderWriter(_Writer):
    """shard-00000/000000000.png."""

    def has(self, facts: Mapping[str, Any]) -> bool:
        path = self.base.parent / str(facts["file"])
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == facts["sha256"]

    def store(self, name: str, content: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
        make_folder(self.base)
        path = self.base / f"{name}.png"
        with atomic_file(path) as file:
            file.write(content)
        return {"file": f"{self.base.name}/{path.name}"}


class _TarWriter(_Writer):
    """shard-00000.tar, as WebDataset reads it; the same bytes whenever it is written."""

    @property
    def _path(self) -> Path:
        return self.base.with_suffix(".tar.part")

    def has(self, facts: Mapping[str, Any]) -> bool:
        return self._path.exists() and self._path.stat().st_size >= int(facts["end"])

    def rewind(self, last: Mapping[str, Any] | None) -> None:
        with self._path.open("ab") as file:
            file.truncate(int(last["end"]) if last else 0)

    def store(self, name: str, content: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
        told = json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()
        with self._path.open("ab") as file:
            for suffix, data in (("png", content), ("json", told)):
                entry = tarfile.TarInfo(f"{name}.{suffix}")
                entry.size = len(data)
                padding = -len(data) % tarfile.BLOCKSIZE
                file.write(entry.tobuf(tarfile.USTAR_FORMAT) + data + bytes(padding))
            end = file.tell()
        return {"file": f"{self.base.name}.tar", "end": end}

    def finish(self) -> None:
        with self._path.open("ab") as file:
            file.write(bytes(2 * tarfile.BLOCKSIZE))
        os.replace(self._path, self.base.with_suffix(".tar"))
        super().finish()
