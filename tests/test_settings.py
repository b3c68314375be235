from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from text2face.errors import ArgumentError
from text2face.settings import Settings, choose_seeds


@pytest.mark.parametrize(
    "values",
    [
        {"truncation": -0.1},
        {"truncation": 2.1},
        {"truncation": float("nan")},
        {"truncation": "0.5"},
        {"truncation": True},
        {"truncation_cutoff": -1},
        {"truncation_cutoff": 1.5},
        {"diversity": -1},
        {"diversity": float("inf")},
        {"condition": 3},
        {"noise_mode": "loud"},
        {"literal": "yes"},
    ],
)
def test_a_setting_out_of_range_is_named_with_what_was_got(values: dict[str, Any]) -> None:
    ((name, value),) = values.items()
    with pytest.raises(ArgumentError, match=f"^{name} is {value!r}, expected"):
        Settings(**values)


@pytest.mark.parametrize(
    ("arguments", "seeds", "keep"),
    [
        ({"seed": 7, "num_images": 3}, [7, 8, 9], None),
        ({"seed": [4, 1]}, [4, 1], None),
        ({"seed": np.int64(3)}, [3], None),
        ({"seed": 0, "candidates": 4, "keep": 2}, [0, 1, 2, 3], 2),
        ({"seed": 0, "candidates": 4, "num_images": 2}, [0, 1, 2, 3], 2),
        ({"seed": 2**32 - 1}, [2**32 - 1], None),
    ],
)
def test_seeds_follow_each_other(arguments: Any, seeds: list[int], keep: int | None) -> None:
    assert choose_seeds(**arguments) == (seeds, keep)


def test_a_random_seed_is_drawn_anew() -> None:
    assert len({choose_seeds(None, 2)[0][0] for _ in range(5)}) > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"seed": 2**32 - 1, "num_images": 2}, "seed is 4294967296"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": "7"}, "seed is '7'"),
        ({"seed": []}, "0 seeds for 1 images"),
        ({"seed": [1, 2], "num_images": 3}, "2 seeds for 3 images"),
        ({"seed": 1, "num_images": 0}, "num_images is 0"),
        ({"seed": 1, "num_images": 10**9}, "num_images is 1000000000"),
        ({"seed": 1, "num_images": True}, "num_images is True"),
        ({"seed": 1, "keep": 2}, "keep is 2 without candidates"),
        ({"seed": 1, "candidates": 0}, "candidates is 0"),
        ({"seed": 1, "candidates": 2, "keep": 3}, "keep is 3, expected .* to 2"),
        ({"seed": 1, "candidates": 5, "keep": 3, "num_images": 4}, "num_images is 4 and keep is 3"),
    ],
)
def test_seeds_and_counts_out_of_range_are_errors(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        choose_seeds(**arguments)
