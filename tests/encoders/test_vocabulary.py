from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2face.encoders.vocabulary import FIRST_WORD, UNKNOWN, Vocabulary, split

WORDS = (
    "a",
    "man",
    "with",
    "red",
    "hair",
    "haired",
    "glasses",
    "moustache",
    "grey",
    "8",
    "25",
    "70",
    "20s",
    "dont",
)


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(WORDS, {"specs": "glasses", "ginger": "red haired", "lol": ""})


def read(vocabulary: Vocabulary, text: str) -> list[str]:
    return [
        "?" if i == UNKNOWN else vocabulary.words[i - FIRST_WORD] for i in vocabulary.encode(text)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A man, with RED hair!", "a man with red hair"),
        ("red-haired", "red haired"),
        ("redhaired man", "red haired man"),
        ("specs", "glasses"),
        ("ginger lol", "red haired"),
        ("galsses", "glasses"),
        ("moustaches", "moustache"),
        ("mustache", "moustache"),
        ("reddish", "?"),
        ("greyish", "grey"),
        ("don't", "dont"),
        ("73yo", "70 ?"),
        ("in his 20s", "? ? 20s"),
        ("24", "25"),
        ("1999", "?"),
        ("mañ", "man"),
        ("", ""),
        ("人", "?"),
    ],
)
def test_words_are_read(vocabulary: Vocabulary, text: str, expected: str) -> None:
    assert read(vocabulary, text) == expected.split()


def test_unknown_words_come_in_order_and_once(vocabulary: Vocabulary) -> None:
    assert vocabulary.unknown_words("zebra man, yak with Zebra glasses") == ["zebra", "yak"]
    assert vocabulary.unknown_words("a man with ginger hair") == []


def test_short_words_are_not_corrected(vocabulary: Vocabulary) -> None:
    assert vocabulary.unknown_words("mam red rod") == ["mam", "rod"]


def test_length_counts_every_id(vocabulary: Vocabulary) -> None:
    assert len(vocabulary) == FIRST_WORD + len(WORDS)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    vocabulary = Vocabulary(WORDS)
    ids = vocabulary.encode(text)
    assert all(UNKNOWN <= i < len(vocabulary) for i in ids)
    assert set(vocabulary.unknown_words(text)) <= set(split(text))
    assert (UNKNOWN in ids) == bool(vocabulary.unknown_words(text))
