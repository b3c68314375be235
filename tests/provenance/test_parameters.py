from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2face.errors import ArgumentError
from text2face.provenance import parameters
from text2face.settings import Settings

SETTINGS = Settings(
    truncation=0.8,
    truncation_cutoff=3,
    condition="draw+pull",
    noise_mode="none",
    negative_prompt="a beard,\na hat: any",
    literal=True,
)


def test_the_text_is_read_back() -> None:
    text = parameters.write("a man, 40", 7, SETTINGS, {"Model": 'a, "b": c', "Process": None})
    found = parameters.read(text)
    assert (found.prompt, found.seed, found.settings) == ("a man, 40", 7, SETTINGS)
    assert found.others == {"Model": 'a, "b": c'}


@given(
    prompt=st.text(st.characters(exclude_categories=["C"]), min_size=1).filter(str.strip),
    truncation=st.floats(0, 2),
    diversity=st.floats(0, 5),
)
def test_numbers_come_back_exactly(prompt: str, truncation: float, diversity: float) -> None:
    settings = Settings(truncation=truncation, diversity=diversity)
    found = parameters.read(parameters.write(prompt, 7, settings, {}))
    assert found.settings == settings


def test_the_text_of_another_tool_is_read() -> None:
    text = "a man\nNegative prompt: a hat\nSteps: 20, Sampler: text, CFG scale: 7, Seed: 5, ENSD: 1"
    found = parameters.read(text)
    assert found.settings == Settings(condition="text", negative_prompt="a hat")
    assert found.others == {"CFG scale": "7", "ENSD": "1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a man", "no parameters in 'a man'"),
        ("a man\nSteps: 1", "no parameters"),
        ("a man\nSeed: 1, Truncation: 9", "truncation is 9.0, expected"),
        ("a man\nSeed: 1, Noise mode: loud", "noise_mode is 'loud', expected one of"),
        ("a man\nSeed: 99999999999", "seed is 99999999999"),
    ],
)
def test_what_is_no_such_text_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        parameters.read(text)
