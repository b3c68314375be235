from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2face.encoders.vocabulary import FIRST_WORD, Vocabulary, split

WORDS = (
    "a",
    "man",
    "person",
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
    aliases = {"specs": "glasses", "ginger": "red haired", "lol": "", "salt n pepper": "grey"}
    return Vocabulary(WORDS, aliases, roles=("nurse",), real=("bred",))


def read(vocabulary: Vocabulary, text: str) -> list[str]:
    return [vocabulary.words[i - FIRST_WORD] for i in vocabulary.encode(text)]


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
        ("hair salt n pepper", "hair grey"),
        ("salt n hair", "hair"),
        ("a rich man", "a man"),
        ("glases", "glasses"),
        ("har", ""),
        ("haair bred", "hair"),
        ("mustache", "moustache"),
        ("reddish", ""),
        ("greyish", "grey"),
        ("don't", "dont"),
        ("73yo", "70"),
        ("in his 20s", "20s"),
        ("24", "25"),
        ("1999", ""),
        ("mañ", "man"),
        ("", ""),
        ("人", ""),
    ],
)
def test_words_are_read(vocabulary: Vocabulary, text: str, expected: str) -> None:
    assert read(vocabulary, text) == expected.split()


def test_unknown_words_come_in_order_and_once(vocabulary: Vocabulary) -> None:
    assert vocabulary.unknown_words("zebra man, yak with Zebra glasses") == ["zebra", "yak"]
    assert vocabulary.unknown_words("a man with ginger hair") == []


def test_short_words_are_not_corrected(vocabulary: Vocabulary) -> None:
    assert vocabulary.unknown_words("mam red rod") == ["mam", "rod"]


def test_corrections_are_told_and_real_words_are_not_corrected(vocabulary: Vocabulary) -> None:
    assert vocabulary.corrections("a galsses man with hiar, specks") == {
        "galsses": "glasses", "hiar": "hair", "specks": "glasses",
    }  # fmt: skip
    assert vocabulary.corrections("bred") == {}
    assert vocabulary.unknown_words("bred") == ["bred"]


def test_who_somebody_is_says_nothing_of_looks(vocabulary: Vocabulary) -> None:
    assert read(vocabulary, "a nurse with glasses") == ["a", "person", "with", "glasses"]
    assert vocabulary.unknown_words("two nurses") == ["two", "nurses"]
    assert read(vocabulary, "a nurse, a man with glasses") == ["a", "a", "man", "with", "glasses"]
    assert read(vocabulary, "nurses") == ["person"]


def test_an_unknown_word_leaves_no_trace_in_the_article() -> None:
    vocabulary = Vocabulary(("a", "an", "man", "old"))
    assert vocabulary.encode("an honest man") == vocabulary.encode("a man")
    assert vocabulary.encode("an old man") == vocabulary.encode("a old man")


def test_length_counts_every_id(vocabulary: Vocabulary) -> None:
    assert len(vocabulary) == FIRST_WORD + len(WORDS)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    vocabulary = Vocabulary(WORDS)
    ids = vocabulary.encode(text)
    assert all(FIRST_WORD <= i < len(vocabulary) for i in ids)
    assert set(vocabulary.unknown_words(text)) <= set(split(text))
    assert len(ids) >= len(split(text)) - sum(
        word in vocabulary.unknown_words(text) for word in split(text)
    )
