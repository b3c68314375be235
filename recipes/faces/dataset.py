"""Renders numbered faces into a folder: images, what they show, captions and parameters.

    FOLDER/images.npy        uint8 [N, size, size, 3], can be memory-mapped
    FOLDER/records.jsonl     what can be seen of each face (see `record`)
    FOLDER/captions.jsonl    a few captions of each face: a JSON list a line
    FOLDER/parameters.npy    float16 [N, P] (see `parameters`)
    FOLDER/dataset.json      how it was made; written last, so its presence means: complete

Face i depends on the seed and on i alone. Work is done in shards that are written under
another name and then moved into place: an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from recipes.faces.captions import caption
from recipes.faces.identity import identity
from recipes.faces.parameters import parameters
from recipes.faces.record import Record, record
from recipes.faces.renderer import Renderer
from recipes.faces.workers import shards_of, spread

SHARD: Final = 500  # faces
LINES: Final = ("records.jsonl", "captions.jsonl")
ARRAYS: Final = ("images.npy", "parameters.npy")
DONE: Final = "dataset.json"
_CAPTION_STREAM: Final = 1  # apart from the random numbers that the face is made of


@dataclass(frozen=True)
class Plan:
    """What a folder holds."""

    seed: int
    count: int
    size: int = 128
    captions: int = 4  # for each face

    def shards(self) -> list[range]:
        return shards_of(self.count, SHARD)


class DatasetError(RuntimeError):
    """A folder that cannot take this data set. One line: what, got, expected, fix."""


def write(
    folder: Path, plan: Plan, cache: Path | None = None, jobs: int = 1
) -> Generator[int, None, None]:
    """Renders a data set into `folder`, or finishes it; yields how many faces each shard adds.

    Raises:
        DatasetError: The folder holds another data set.
        AssetError: The assets cannot be had.
    """
    if _is_complete(folder, plan):
        yield plan.count
        return
    shards = folder / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    _claim(shards / "plan.json", plan)
    waiting = []
    for faces in plan.shards():
        if _shard(shards, faces).exists():
            yield len(faces)
        else:
            waiting.append(faces)
    yield from spread(partial(_write_shard, shards, plan), waiting, cache, jobs)
    _join(folder, shards, plan)


def render_shard(faces: range, plan: Plan, renderer: Renderer) -> dict[str, Any]:
    """Renders some faces; the keys are the file names of a data set."""
    people = [identity(index, plan.seed) for index in faces]
    drawn = [renderer.render_seen(face, plan.size) for face in people]
    records = [record(face, seen) for face, (_, seen) in zip(people, drawn, strict=True)]
    return {
        "images.npy": np.stack([image for image, _ in drawn]),
        "parameters.npy": np.stack([parameters(face) for face in people]).astype(np.float16),
        "records.jsonl": records,
        "captions.jsonl": [
            captions_of(seen, plan.seed, index, plan.captions)
            for index, seen in zip(faces, records, strict=True)
        ],
    }


def captions_of(seen: Record, seed: int, index: int, count: int) -> list[str]:
    """The captions of face `index`: the same for the same seed."""
    rng = np.random.default_rng([seed, index, _CAPTION_STREAM])
    return [caption(seen, rng).text for _ in range(count)]


def _shard(shards: Path, faces: range) -> Path:
    return shards / f"{faces.start:08d}"


def _write_shard(shards: Path, plan: Plan, faces: range, renderer: Renderer) -> int:
    target = _shard(shards, faces)
    staged = shards / f".{target.name}.{os.getpid()}"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    try:
        for name, content in render_shard(faces, plan, renderer).items():
            if name in ARRAYS:
                np.save(staged / name, content)
            else:
                lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in content)
                (staged / name).write_text(lines, encoding="utf-8")
        os.replace(staged, target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return len(faces)


def _is_complete(folder: Path, plan: Plan) -> bool:
    if not (folder / DONE).exists():
        return False
    _check(folder / DONE, plan)
    return True


def _claim(path: Path, plan: Plan) -> None:
    if path.exists():
        _check(path, plan)
    else:
        path.write_text(json.dumps(asdict(plan)) + "\n", encoding="utf-8")


def _check(path: Path, plan: Plan) -> None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if found != asdict(plan):
        raise DatasetError(
            f"{path.parent} holds another data set: {found}, expected {asdict(plan)}; "
            "choose another folder or delete this one"
        )


def _join(folder: Path, shards: Path, plan: Plan) -> None:
    """Joins the shards into the files of the data set, and removes them."""
    for name in ARRAYS:
        staged = folder / f".{name}"
        joined: NDArray[Any] | None = None
        for faces in plan.shards():
            part = np.load(_shard(shards, faces) / name, mmap_mode="r")
            if joined is None:
                shape = (plan.count, *part.shape[1:])
                joined = open_memmap(staged, mode="w+", dtype=part.dtype, shape=shape)
            joined[faces.start : faces.stop] = part
        if joined is not None:
            cast("np.memmap[Any, Any]", joined).flush()
        os.replace(staged, folder / name)
    for name in LINES:
        staged = folder / f".{name}"
        with staged.open("w", encoding="utf-8") as file:
            for faces in plan.shards():
                file.write((_shard(shards, faces) / name).read_text(encoding="utf-8"))
        os.replace(staged, folder / name)
    staged = folder / f".{DONE}"
    staged.write_text(json.dumps(asdict(plan)) + "\n", encoding="utf-8")
    os.replace(staged, folder / DONE)
    shutil.rmtree(shards)
