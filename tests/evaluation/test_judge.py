from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from text2face.errors import ArgumentError, CheckpointError
from text2face.evaluation.judge import Judge, JudgeConfig, read

LABELS = {"gender": ("male", "female"), "hat": ("none", "cap", "beanie")}
TINY = JudgeConfig(LABELS, resolution=32, width=8, feature_dim=6)


@pytest.fixture
def judge() -> Judge:
    torch.manual_seed(0)
    return Judge(TINY).eval()


def test_a_saved_judge_reads_the_same(judge: Judge, tmp_path: Path) -> None:
    judge.load_state_dict({k: v.half().float() for k, v in judge.state_dict().items()})
    judge.save_pretrained(tmp_path)
    loaded = Judge.from_pretrained(tmp_path)
    assert loaded.config == TINY
    images = torch.rand(3, 3, 40, 40) * 2 - 1
    assert torch.equal(loaded.features(images), judge.features(images))


def test_reading(judge: Judge) -> None:
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 4 - 2
    reading = read(judge, [images[:2], images[2:]])
    assert reading.features.shape == (5, 6)
    assert {name: len(seen) for name, seen in reading.classes.items()} == {"gender": 5, "hat": 5}
    alone = read(judge, [images[3:4]])
    np.testing.assert_allclose(alone.features, reading[3:4].features, atol=1e-5)
    assert reading[3:4].classes["hat"] == alone.classes["hat"]


def test_what_is_wrong_is_said(judge: Judge, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="at least two classes"):
        JudgeConfig({"gender": ("male",)})
    with pytest.raises(ArgumentError, match="8 patches divide"):
        JudgeConfig(LABELS, resolution=100)
    judge.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "type": "cvae"}))
    with pytest.raises(CheckpointError, match="expected 'judge'"):
        Judge.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "labels": {"hat": ["a", "b"]}}))
    with pytest.raises(CheckpointError, match="unknown heads"):
        Judge.from_pretrained(tmp_path)
