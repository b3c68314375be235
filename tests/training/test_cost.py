from __future__ import annotations

import re
from pathlib import Path

import pytest

from text2face import TextToFace
from text2face.training.cost import duration, pairs_cost, seconds_per_pair
from text2face.training.pairs import SHARD_SIZE, write_pairs


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.01, "1 s"),
        (40, "40 s"),
        (89, "89 s"),
        (91, "2 min"),
        (720, "12 min"),
        (7200, "2 h"),
        (100_000, "28 h"),
        (200_000, "2 days"),
    ],
)
def test_time_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_cost_is_that_of_the_pairs_that_are_missing(pipe: TextToFace, tmp_path: Path) -> None:
    generator, encoder = pipe.generator, pipe.encoder
    assert 0 < seconds_per_pair(generator, encoder) < 1
    text = pairs_cost(generator, encoder, tmp_path, 16_384)
    cost = r"\([\de.-]+ s each, [\d.]+ GB of memory\)"
    assert re.fullmatch(rf"16,384 pairs: about \d+ \w+ on this machine {cost}", text)
    write_pairs(generator, encoder, tmp_path, SHARD_SIZE)
    text = pairs_cost(generator, encoder, tmp_path, 3 * SHARD_SIZE)
    assert text.startswith("2,048 pairs: about")
    assert text.endswith("GB of memory, 1,024 are there)")
    assert pairs_cost(generator, encoder, tmp_path, SHARD_SIZE) == "1,024 pairs: all are there"
