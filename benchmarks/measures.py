"""What the benchmarks measure with: rendered faces, prompts and what they name, and the judge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recipes.faces.attributes import LABELS
from recipes.faces.captions import caption
from recipes.train_judge import read_labels, to_tensor
from text2face.evaluation.judge import Reading
from text2face.evaluation.tasks import Task

Record = Mapping[str, str | None]
NAMES = tuple(LABELS)
ABSENT = frozenset({"none", "no"})


@dataclass(frozen=True)
class Renders:
    """A folder of rendered faces."""

    pictures: NDArray[np.uint8]
    records: list[Record]
    labels: NDArray[np.int64]

    @classmethod
    def read(cls, folder: Path) -> Renders:
        pictures = np.load(folder / "images.npy", mmap_mode="r")
        with (folder / "records.jsonl").open(encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        return cls(pictures, records[: len(pictures)], read_labels(folder)[: len(pictures)])

    @cached_property
    def classes(self) -> dict[str, NDArray[np.int64]]:
        """The class numbers [N] of each attribute, negative where hidden."""
        return {name: self.labels[:, column] for column, name in enumerate(NAMES)}

    def images(self, rows: Sequence[int], batch_size: int = 100) -> Iterator[Tensor]:
        for start in range(0, len(rows), batch_size):
            chosen = list(rows[start : start + batch_size])
            yield to_tensor(np.stack([self.pictures[row] for row in chosen]))


def as_rows(reading: Reading) -> NDArray[np.int64]:
    """What the judge reads as class numbers [N, len(NAMES)]."""
    return np.stack([reading.classes[name] for name in NAMES], axis=1)


def grammar_tasks(
    records: Sequence[Record], count: int, named: int, rng: np.random.Generator
) -> list[Task]:
    """Prompts of the grammar that name exactly `named` judged attributes of a held-out face.

    That something is absent is named a quarter as often as anything else.
    """
    tasks: list[Task] = []
    while len(tasks) < count:
        record = records[int(rng.integers(len(records)))]
        sayable = [
            name
            for name in NAMES
            if record[name] is not None and (record[name] not in ABSENT or rng.random() < 0.25)
        ]
        if len(sayable) < named:
            continue
        chosen = [sayable[i] for i in rng.permutation(len(sayable))[:named]]
        made = caption(record, rng, attributes=chosen)
        if len(made.labels) == named:
            tasks.append(Task(made.text, made.labels, f"{named} named"))
    return tasks


def caption_tasks(records: Sequence[Record], count: int, rng: np.random.Generator) -> list[Task]:
    """Captions as the encoder is trained on them, one for each record."""
    made = [caption(records[i % len(records)], rng) for i in range(count)]
    return [Task(one.text, one.labels) for one in made]
