"""Captions of many faces, made in advance as arrays, so that training need not wait for words.

What each caption is true of is known from the records, exactly: `fits` tells it of any face.
"""

from __future__ import annotations

import json
import multiprocessing
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recipes.faces.attributes import DETAILS, LABELS
from recipes.faces.captions import BELONGS_TO, Caption, caption, facts, sayable
from recipes.faces.sentences import Record
from text2face.encoders.vocabulary import Vocabulary

# The colour of hair is told by its shade.
KEYS: Final = (*(key for key in (*LABELS, *DETAILS) if key != "hair_color"), "beard_color")
VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    key: {**LABELS, **DETAILS, "beard_color": LABELS["hair_color"]}[key] for key in KEYS
}
COLUMNS: Final[Mapping[tuple[str, str], int]] = {
    pair: column
    for column, pair in enumerate((key, value) for key in KEYS for value in VALUES[key])
}
"""The place of each value of each attribute among all values."""
_ALL: Final = (*LABELS, *DETAILS)
_ASIDE: Final = frozenset({"ethnicity", "body"})  # hardly seen, so seldom asked for
_COLORED: Final = (
    "hair_color",
    "hat_color",
    "clothes_color",
    "eye_color",
    "background",
    "lipstick",
)
_COUNTS: Final = (0.34, 0.26, 0.18, 0.12, 0.06, 0.04)  # how many attributes are named besides who
_CONTEXT: Final = 48
_CHUNK: Final = 2000


@dataclass(frozen=True)
class CaptionBank:
    """N captions, each of a face that it is true of.

    Attributes:
        tokens: Word ids int16 [N, L], padded with 0.
        allowed: With which values each is true: bool [N, len(COLUMNS)]; all false for attributes
            that it does not name.
        named: How many attributes each names: int16 [N].
        faces: The number of the face that it was written for: int32 [N].
    """

    tokens: NDArray[np.int16]
    allowed: NDArray[np.bool_]
    named: NDArray[np.int16]
    faces: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.tokens)


def read_records(folder: Path) -> list[Record]:
    """The records of a data folder."""
    with (folder / "records.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def seen_values(records: Iterable[Record]) -> NDArray[np.bool_]:
    """Which values are seen in faces: bool [N, len(COLUMNS)]; none of what is hidden."""
    rows = []
    for record in records:
        row = np.zeros(len(COLUMNS), np.bool_)
        known = facts(record)
        for key in KEYS:
            if (value := known[key]) is not None:
                row[COLUMNS[key, value]] = True
        rows.append(row)
    return np.array(rows).reshape(-1, len(COLUMNS))


def claimed_values(captions: Iterable[Caption]) -> tuple[NDArray[np.bool_], NDArray[np.int16]]:
    """What captions allow [N, len(COLUMNS)], and how many attributes they name [N]."""
    allowed, named = [], []
    for said in captions:
        row = np.zeros(len(COLUMNS), np.bool_)
        for key, values in said.claims.items():
            row[[COLUMNS[key, value] for value in values]] = True
        allowed.append(row)
        named.append(len(said.claims))
    return np.array(allowed).reshape(-1, len(COLUMNS)), np.array(named, np.int16)


def fits(seen: Tensor, allowed: Tensor, named: Tensor) -> Tensor:
    """Which captions are true of which faces: bool [N, M].

    Args:
        seen: Values of faces, float [N, len(COLUMNS)].
        allowed: Values that captions allow, float [M, len(COLUMNS)].
        named: How many attributes captions name [M].
    """
    return (seen @ allowed.T).round() == named[None]


def long_caption(record: Record, rng: np.random.Generator) -> Caption:
    """A caption that names about four fifths of everything."""
    keep = rng.random(len(_ALL)) < 0.8
    return caption(
        record, rng, attributes=[key for key, kept in zip(_ALL, keep, strict=True) if kept]
    )


class Describer:
    """Writes captions of faces in which all attributes and values are named alike often."""

    def __init__(self, records: Sequence[Record]) -> None:
        """Take the faces."""
        self.records = records
        places: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, record in enumerate(records):
            for key in _ALL:
                if key not in _ASIDE and sayable(record, key):
                    places[key][str(record[key])].append(number)
        self.places = {
            key: [np.array(rows) for rows in values.values()] for key, values in places.items()
        }
        self.keys = tuple(self.places)
        self.colored = tuple(key for key in _COLORED if key in self.places)

    def describe(self, rng: np.random.Generator) -> tuple[Caption, int]:
        """A caption, and the number of its face."""
        kind = rng.random()
        key = self.keys[rng.integers(len(self.keys))]
        if kind < 0.12 and self.colored:
            key = self.colored[rng.integers(len(self.colored))]
        values = self.places[key]
        rows = values[rng.integers(len(values))]
        number = int(rows[rng.integers(len(rows))])
        record = self.records[number]
        if kind > 0.82:  # as people describe, and at length
            make = long_caption if kind > 0.95 else caption
            return make(record, rng), number
        named = [key]
        others = [other for other in self.keys if other != key and sayable(record, other)]
        if kind < 0.12:  # several colours, each with what it belongs to
            others = [other for other in self.colored if other in others]
        count = int(rng.choice(len(_COUNTS), p=_COUNTS)) + (kind < 0.12)
        denied = int(rng.random() < 0.12)
        if denied and rng.random() < 0.5:
            named, count = [], 0
        named += [others[i] for i in rng.permutation(len(others))[:count]]
        named += [BELONGS_TO[name] for name in named if name in BELONGS_TO]
        if rng.random() < 0.75:
            named.append("gender")
            if record["age"] == "child":
                named.append("age")
        if rng.random() < 0.08:
            named.append("ethnicity")
        if rng.random() < 0.05:
            named.append("body")
        return caption(record, rng, attributes=dict.fromkeys(named), denied=denied), number


def make_bank(
    records: Sequence[Record], vocabulary: Vocabulary, *, count: int, seed: int, processes: int
) -> CaptionBank:
    """Write `count` captions of faces, in several processes."""
    jobs = [
        (records, vocabulary, min(_CHUNK, count - start), seed + start)
        for start in range(0, count, _CHUNK)
    ]
    if processes < 2:
        made = [_caption_chunk(job) for job in jobs]
    else:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            made = pool.map(_caption_chunk, jobs, chunksize=1)
    return CaptionBank(*(np.concatenate(parts) for parts in zip(*made, strict=True)))


def _caption_chunk(
    job: tuple[Sequence[Record], Vocabulary, int, int],
) -> tuple[NDArray[np.int16], NDArray[np.bool_], NDArray[np.int16], NDArray[np.int32]]:
    records, vocabulary, count, seed = job
    rng = np.random.default_rng(seed)
    describer = Describer(records)
    captions: list[Caption] = []
    faces = []
    while len(captions) < count:
        said, number = describer.describe(rng)
        if said.claims:
            captions.append(said)
            faces.append(number)
    tokens = np.zeros((count, _CONTEXT), np.int16)
    for row, said in zip(tokens, captions, strict=True):
        ids = vocabulary.encode(said.text)[:_CONTEXT]
        row[: len(ids)] = ids
    return tokens, *claimed_values(captions), np.array(faces, np.int32)
