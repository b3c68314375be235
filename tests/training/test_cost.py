from __future__ import annotations

import re
from pathlib import Path

import pytest

from text2face import TextToFace
from text2face.training.cost import duration, pairs_cost, seconds_per_pair
from text2face.training.pairs import SHARD_SIZE, write_pairs


@pytest.mark.parametrize(
    ("seconds", "told"),
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
def test_time_as_people_say_it(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_the_cost_is_that_of_the_pairs_that_are_missing(pipe: TextToFace, tmp_path: Path) -> None:
    drawer, seer = pipe.generator, pipe.encoder
    assert 0 < seconds_per_pair(drawer, seer) < 1
    told = pairs_cost(drawer, seer, tmp_path, 16_384)
    assert re.fullmatch(r"16,384 pairs: about \d+ \w+ on this machine \([\de.-]+ s each\)", told)
    write_pairs(drawer, seer, tmp_path, SHARD_SIZE)
    told = pairs_cost(drawer, seer, tmp_path, 3 * SHARD_SIZE)
    assert told.startswith("2,048 pairs: about")
    assert told.endswith("each, 1,024 are there)")
    assert pairs_cost(drawer, seer, tmp_path, SHARD_SIZE) == "1,024 pairs: all are there"
