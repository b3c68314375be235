from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from recipes.faces import __main__, dataset, workers
from recipes.faces.attributes import DETAILS, LABELS
from recipes.faces.dataset import DatasetError, Plan, captions_of, write
from recipes.faces.identity import Identity, identity
from recipes.faces.record import Seen, record

SEEN = Seen(clothes=0.1, earrings=0.0, eyes=0.1)


class PlainRenderer:
    """Paints a face in one colour: its darkness."""

    drawn = 0

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache

    def render(self, face: Identity, size: int = 128) -> NDArray[np.uint8]:
        return self.render_seen(face, size)[0]

    def render_seen(self, face: Identity, size: int = 128) -> tuple[NDArray[np.uint8], Seen]:
        PlainRenderer.drawn += 1
        return np.full((size, size, 3), int(255 * face.darkness), np.uint8), SEEN


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "Renderer", PlainRenderer)
    monkeypatch.setattr(dataset, "SHARD", 4)
    PlainRenderer.drawn = 0


def test_a_data_set_is_complete(tmp_path: Path) -> None:
    plan = Plan(seed=3, count=10, size=16, captions=2)
    assert sum(write(tmp_path, plan)) == 10
    files = {"images.npy", "parameters.npy", "records.jsonl", "captions.jsonl", "dataset.json"}
    assert {path.name for path in tmp_path.iterdir()} == files
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert images.shape == (10, 16, 16, 3)
    assert images[7, 0, 0, 0] == int(255 * identity(7, 3).darkness)
    assert np.load(tmp_path / "parameters.npy").shape[0] == 10
    records = _lines(tmp_path / "records.jsonl")
    assert records == [record(identity(index, 3), SEEN) for index in range(10)]
    assert all(set(seen) == set(LABELS) | set(DETAILS) for seen in records)
    captions = _lines(tmp_path / "captions.jsonl")
    assert captions[9] == captions_of(records[9], 3, 9, 2)


def test_finished_shards_are_kept(tmp_path: Path) -> None:
    plan = Plan(seed=3, count=10, size=16)
    steps = write(tmp_path, plan)
    assert next(steps) == 4
    steps.close()
    assert PlainRenderer.drawn == 4
    assert sum(write(tmp_path, plan)) == 10
    assert PlainRenderer.drawn == 10
    assert list(write(tmp_path, plan)) == [10]
    assert PlainRenderer.drawn == 10


def test_another_data_set_is_not_overwritten(tmp_path: Path) -> None:
    list(write(tmp_path, Plan(seed=3, count=4, size=16)))
    with pytest.raises(DatasetError, match=r"holds another data set.*choose another folder"):
        list(write(tmp_path, Plan(seed=4, count=4, size=16)))
    (tmp_path / "dataset.json").write_text("{", encoding="utf-8")
    with pytest.raises(DatasetError, match="holds another data set: None"):
        list(write(tmp_path, Plan(seed=3, count=4, size=16)))


def test_captions_are_seeded() -> None:
    seen = record(identity(5))
    assert captions_of(seen, 1, 5, 3) == captions_of(seen, 1, 5, 3)
    assert captions_of(seen, 1, 5, 3) != captions_of(seen, 2, 5, 3)


def test_the_command_makes_both_halves(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path), "--train", "5", "--test", "3", "--size", "16"]
    result = CliRunner().invoke(__main__.main, [*arguments, "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert len(np.load(tmp_path / "train" / "images.npy")) == 5
    assert len(np.load(tmp_path / "test" / "images.npy")) == 3
    train = (tmp_path / "train" / "records.jsonl").read_text(encoding="utf-8")
    assert train != (tmp_path / "test" / "records.jsonl").read_text(encoding="utf-8")


def test_the_command_explains_a_wrong_folder(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path), "--test", "0", "--size", "16", "--jobs", "1"]
    assert CliRunner().invoke(__main__.main, [*arguments, "--train", "2"]).exit_code == 0
    result = CliRunner().invoke(__main__.main, [*arguments, "--train", "3"])
    assert result.exit_code == 1
    assert "holds another data set" in result.output
    assert "Traceback" not in result.output


def test_the_sheet_is_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__main__, "Renderer", PlainRenderer)
    path = tmp_path / "sheet.png"
    result = CliRunner().invoke(__main__.main, ["--sheet", "9", str(path), "--size", "16"])
    assert result.exit_code == 0, result.output
    assert path.stat().st_size > 0
