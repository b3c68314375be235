from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recipes.generator.shards import read


def test_finished_shards_are_one_array(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (7, 4, 4, 3)).astype(np.uint8)
    rows = random.standard_normal((7, 5)).astype(np.float16)
    with pytest.raises(FileNotFoundError, match="no renders in"):
        read(tmp_path)
    for start, stop in ((0, 3), (3, 7)):
        shard = tmp_path / "shards" / f"{start:08d}"
        shard.mkdir(parents=True)
        np.save(shard / "images.npy", images[start:stop])
        np.save(shard / "parameters.npy", rows[start:stop])
    (tmp_path / "shards" / ".00000007.12").mkdir()  # one that is being written
    found, values = read(tmp_path)
    assert len(found) == 7
    assert found.shape == (7, 4, 4, 3)
    index = np.array([6, 2, 3, 0])
    np.testing.assert_array_equal(found[index], images[index])
    np.testing.assert_array_equal(values, rows)

    np.save(tmp_path / "images.npy", images[:5])
    np.save(tmp_path / "parameters.npy", rows[:5])
    (tmp_path / "dataset.json").write_text(json.dumps({}), encoding="utf-8")
    found, values = read(tmp_path)
    assert len(found) == len(values) == 5
