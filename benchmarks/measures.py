"""What the benchmarks measure with: prompts and what they name, faces drawn, and the judge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.encoder import embed_texts
from recipes.faces.attributes import LABELS
from recipes.faces.captions import caption
from recipes.train_judge import Judge, read_labels, to_tensor
from text2face import TextToFace
from text2face.pipeline import noise

Record = Mapping[str, str | None]
NAMES = tuple(LABELS)
ABSENT = frozenset({"none", "no"})


@dataclass(frozen=True)
class Task:
    """A prompt and what a face made from it should show."""

    text: str
    labels: Mapping[str, str]


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

    def images(self, rows: Sequence[int], batch_size: int = 100) -> Iterator[Tensor]:
        for start in range(0, len(rows), batch_size):
            chosen = list(rows[start : start + batch_size])
            yield to_tensor(np.stack([self.pictures[row] for row in chosen]))


@dataclass(frozen=True)
class Reading:
    """What the judge sees in N pictures."""

    features: NDArray[np.float32]
    """[N, feature_dim]."""
    labels: NDArray[np.int64]
    """Class numbers [N, len(LABELS)]."""


def read(judge: Judge, batches: Iterable[Tensor]) -> Reading:
    """Show batches of images [N, 3, H, W] to the judge."""
    features, labels = [], []
    for images in batches:
        # Eight bits, as the renders and every saved picture have.
        rounded = ((images.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1
        with torch.inference_mode():
            seen = judge.features(rounded)
            logits = judge.classify(seen)
        features.append(seen.float().numpy())
        labels.append(np.stack([logits[name].argmax(1).numpy() for name in NAMES], axis=1))
    return Reading(np.concatenate(features), np.concatenate(labels))


def grammar_tasks(
    records: Sequence[Record], count: int, named: int, rng: np.random.Generator
) -> list[Task]:
    """Prompts of the grammar that name exactly `named` judged attributes of a held-out face.

    That something is absent is named a quarter as often as anything else.
    """
    tasks: list[Task] = []
    while len(tasks) < count:
        record = records[rng.integers(len(records))]
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
            tasks.append(Task(made.text, made.labels))
    return tasks


def caption_tasks(records: Sequence[Record], count: int, rng: np.random.Generator) -> list[Task]:
    """Captions as the encoder is trained on them, one for each record."""
    made = [caption(records[i % len(records)], rng) for i in range(count)]
    return [Task(one.text, one.labels) for one in made]


def everyday_tasks(path: Path) -> list[Task]:
    """The prompts written by hand: a list of {"prompt", "labels"}."""
    tasks = [
        Task(entry["prompt"], entry["labels"])
        for entry in json.loads(path.read_text(encoding="utf-8"))
    ]
    for task in tasks:
        for name, label in task.labels.items():
            if label not in LABELS.get(name, ()):
                raise ValueError(f"{path}: {task.text!r} has the unknown label {name}: {label!r}")
    return tasks


def count_right(tasks: Sequence[Task], reading: Reading) -> dict[str, NDArray[np.bool_]]:
    """For each attribute, whether it was met in each of the tasks that name it."""
    met: dict[str, list[bool]] = {name: [] for name in NAMES}
    for task, seen in zip(tasks, reading.labels, strict=True):
        for name, label in task.labels.items():
            met[name].append(LABELS[name][seen[NAMES.index(name)]] == label)
    return {name: np.array(values, dtype=bool) for name, values in met.items()}


def share_right(met: Mapping[str, NDArray[np.bool_]]) -> float:
    """The share of all named attributes that were met."""
    return float(np.concatenate(list(met.values())).mean())


@torch.inference_mode()
def embed(pipe: TextToFace, texts: Sequence[str]) -> Tensor:
    """Texts → embeddings [N, D] in batches, without the prompt syntax."""
    return F.normalize(embed_texts(pipe.encoder, texts).float(), dim=1)


@torch.inference_mode()
def draw(
    pipe: TextToFace,
    embeddings: Tensor,
    seeds: Sequence[int],
    *,
    condition: str | None = None,
    truncation: float | None = None,
    shortlist: int | None = None,
    batch_size: int = 16,
) -> Iterator[Tensor]:
    """One image for each text embedding [N, D], as the pipeline draws it but in batches."""
    settings = pipe.settings(condition=condition, truncation=truncation, shortlist=shortlist)
    for start in range(0, len(seeds), batch_size):
        chosen = list(seeds[start : start + batch_size])
        yield pipe.decode(pipe.latents(embeddings[start : start + batch_size], chosen, settings))


@torch.inference_mode()
def draw_at_random(
    pipe: TextToFace, seeds: Sequence[int], *, truncation: float = 1.0, batch_size: int = 16
) -> Iterator[Tensor]:
    """Faces that no text asked for."""
    for start in range(0, len(seeds), batch_size):
        z = [noise(seed, pipe.generator.z_dim) for seed in seeds[start : start + batch_size]]
        yield pipe.decode(pipe.generator.map(torch.stack(z), truncation=truncation))


def matching(labels: NDArray[np.int64], wanted: Mapping[str, str]) -> NDArray[np.int64]:
    """The rows of labels [N, len(LABELS)] that show all that is wanted."""
    fits = np.ones(len(labels), dtype=bool)
    for name, label in wanted.items():
        fits &= labels[:, NAMES.index(name)] == LABELS[name].index(label)
    return np.flatnonzero(fits)
