"""Captions of many faces, made in advance as arrays, so that training need not wait for words."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recipes.faces import phrases
from recipes.faces.attributes import DETAILS, LABELS
from recipes.faces.captions import Caption, caption, facts, perturbed
from recipes.faces.phrases.everyday import ALIASES, FILLERS
from recipes.faces.sentences import Record
from text2face.encoders.vocabulary import Vocabulary, split

KEYS: Final = (*LABELS, *DETAILS, "adult", "beard_color")
VALUES: Final[tuple[tuple[str, ...], ...]] = (
    *LABELS.values(), *DETAILS.values(), ("no", "yes"), LABELS["hair_color"],
)  # fmt: skip
_NUMBER_OF: Final = [{value: i for i, value in enumerate(values)} for values in VALUES]
_ALL: Final = (*LABELS, *DETAILS)
_CONTEXT: Final = 72
_CHUNK: Final = 500
# Words that the grammar puts in itself.
_GLUE: Final = (
    "his her their him them he she they is are has have does do dont doesnt isnt arent a an and "
    "with who wearing in boy girl latino latina latin someone somebody anyone"
)


@dataclass(frozen=True)
class CaptionBank:
    """K captions for each of N faces, each with a hard negative.

    Attributes:
        tokens: Word ids int16 [N, K, 2, L], padded with 0; the caption, then its negative.
        facts: What it says, as value numbers int8 [N, K, 2, len(KEYS)]; -1 where it says nothing.
    """

    tokens: NDArray[np.int16]
    facts: NDArray[np.int8]


def read_records(folder: Path) -> list[Record]:
    """The records of a data folder."""
    with (folder / "records.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def record_facts(records: Iterable[Record]) -> NDArray[np.int8]:
    """Records → value numbers int8 [N, len(KEYS)]; -2 where hidden, which matches nothing."""
    return np.array([_numbers(facts(record), -2) for record in records], dtype=np.int8)


def caption_facts(captions: Iterable[Caption]) -> NDArray[np.int8]:
    """What captions say as value numbers int8 [N, len(KEYS)]; -1 where they say nothing."""
    return np.array([_numbers({**c.labels, **c.details}, -1) for c in captions], dtype=np.int8)


def _numbers(values: Record, absent: int) -> list[int]:
    return [
        absent if (value := values.get(key)) is None else numbers[value]
        for key, numbers in zip(KEYS, _NUMBER_OF, strict=True)
    ]


def long_caption(record: Record, rng: np.random.Generator) -> Caption:
    """A caption that names about four fifths of everything."""
    keep = rng.random(len(_ALL)) < 0.8
    return caption(
        record, rng, attributes=[key for key, kept in zip(_ALL, keep, strict=True) if kept]
    )


def build_words() -> tuple[str, ...]:
    """All words of the grammar and the fillers."""
    texts = [*_strings(vars(phrases)), *FILLERS, _GLUE]
    texts += [str(n) for low, high in phrases.AGE_NUMBERS.values() for n in range(low, high + 1)]
    words = {
        word
        for text in texts
        for verbs in ({"s": "s"}, {"s": "", "does": "do", "is": "are"})
        for word in split(text.format_map(_Braces(verbs)))
    }
    return tuple(sorted(words))


def aliases_for(words: Collection[str]) -> dict[str, str]:
    """The aliases that are not known words, and stand for words that are."""
    known = set(words)
    return {
        split(word)[0]: target
        for word, target in ALIASES.items()
        if split(word)[0] not in known and set(target.split()) <= known
    }


class _Braces(dict[str, str]):
    """Fills the verbs into a phrase, and nothing into its other braces."""

    def __missing__(self, key: str) -> str:
        return key if key in ("does", "is", "has") else " "


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        keep = {k: v for k, v in value.items() if not (isinstance(k, str) and k.startswith("__"))}
        return [s for item in keep.values() for s in _strings(item)]
    if isinstance(value, tuple):
        return [s for item in value for s in _strings(item)]
    return [value.replace("{}", " ")] if isinstance(value, str) else []


def make_bank(
    records: Sequence[Record], vocabulary: Vocabulary, *, per_face: int, seed: int, processes: int
) -> CaptionBank:
    """Caption every record `per_face` times, the last time at length, in several processes."""
    starts = range(0, len(records), _CHUNK)
    jobs = [(records[s : s + _CHUNK], vocabulary, per_face, seed + s) for s in starts]
    if processes < 2:
        made = [_caption_chunk(job) for job in jobs]
    else:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            made = pool.map(_caption_chunk, jobs, chunksize=1)
    return CaptionBank(np.concatenate([t for t, _ in made]), np.concatenate([f for _, f in made]))


def _caption_chunk(
    job: tuple[Sequence[Record], Vocabulary, int, int],
) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    records, vocabulary, per_face, seed = job
    rng = np.random.default_rng(seed)
    captions: list[Caption] = []
    for record in records:
        for turn in range(per_face):
            make = long_caption if turn == per_face - 1 else caption
            said = make(record, rng)
            captions += [said, perturbed(record, said, rng) if said.labels else said]
    tokens = np.zeros((len(captions), _CONTEXT), np.int16)
    for row, said in zip(tokens, captions, strict=True):
        ids = vocabulary.encode(said.text)[:_CONTEXT]
        row[: len(ids)] = ids
    shape = (len(records), per_face, 2)
    return tokens.reshape(*shape, -1), caption_facts(captions).reshape(*shape, -1)
