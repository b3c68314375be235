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

from recipes.faces.attributes import JUDGED
from recipes.faces.captions import BELONGS_TO, Caption, caption, sayable
from recipes.train_judge import read_labels, to_tensor
from text2face.evaluation.judge import Predictions
from text2face.evaluation.tasks import Task

Record = Mapping[str, str | None]
NAMES = tuple(JUDGED)
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


def as_rows(reading: Predictions) -> NDArray[np.int64]:
    """What the judge reads as class numbers [N, len(NAMES)]."""
    return np.stack([reading.classes[name] for name in NAMES], axis=1)


def labels_of_caption(said: Caption) -> dict[str, str | tuple[str, ...]]:
    """What a caption claims of judged attributes: the class that it names, or all that would do.

    A claim that leaves out less than half of the classes, as a denial does, is kept too, but that
    grown-ups are no children.
    """
    labels: dict[str, str | tuple[str, ...]] = {}
    for name, values in said.claims.items():
        if name in JUDGED and not (name == "age" and len(values) == 3):
            classes = tuple(value for value in JUDGED[name] if value in values)
            labels[name] = classes[0] if len(classes) == 1 else classes
    return labels


def grammar_tasks(
    records: Sequence[Record], count: int, named: int, rng: np.random.Generator
) -> list[Task]:
    """Prompts of the grammar that name exactly `named` judged attributes of a held-out face.

    All attributes are as likely. That something is absent is named a quarter as often as anything
    else.
    """
    tasks: list[Task] = []
    while len(tasks) < count:
        record = records[int(rng.integers(len(records)))]
        able = [
            name
            for name in NAMES
            if sayable(record, name) and (record[name] not in ABSENT or rng.random() < 0.25)
        ]
        chosen = [able[i] for i in rng.permutation(len(able))[:named]]
        chosen += [BELONGS_TO[name] for name in chosen if name in BELONGS_TO]
        said = caption(record, rng, attributes=dict.fromkeys(chosen))
        labels = labels_of_caption(said)
        if len(labels) == named:
            tasks.append(Task(said.text, labels, f"{named} named"))
    return tasks


def caption_tasks(records: Sequence[Record], count: int, rng: np.random.Generator) -> list[Task]:
    """Captions as the encoder is trained on them, one for each record."""
    made = [caption(records[i % len(records)], rng) for i in range(count)]
    return [Task(one.text, labels_of_caption(one)) for one in made]
