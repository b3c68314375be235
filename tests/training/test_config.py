from __future__ import annotations

import json

import pytest

from text2face.errors import ArgumentError
from text2face.training import PRESETS, TrainingConfig, preset


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name: str) -> None:
    config = preset(name, steps=7)
    assert TrainingConfig(**json.loads(json.dumps(config.to_json()))) == config


def test_a_shape_is_merged() -> None:
    assert preset("cvae-w+", shape={"code_dim": 9}).shape == {"variant": "w+", "code_dim": 9}


def test_the_papers_numbers() -> None:
    paper = PRESETS["cvae"]
    assert (paper.features, paper.similarity, paper.latent_norm, paper.kl) == (1, 1, 2e-4, 0.2)
    assert (paper.learning_rate, paper.batch_size) == (2e-4, 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0, expected a whole number from 1"),
        ({"minutes": -1}, "minutes is -1"),
        ({"ema": 1.0}, "ema is 1.0"),
        ({"learning_rate": "fast"}, "expected a number"),
        ({"objective": "magic"}, "objective is 'magic'"),
        ({"schedule": "up"}, "schedule is 'up'"),
        ({"adam_betas": (0.9, 1.0)}, "adam_betas"),
        ({"colour": 1}, "no 'colour'"),
        ({"batch_size": float("nan")}, "batch_size is nan"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        preset("compact", **changes)
    with pytest.raises(ArgumentError, match="no preset 'best'"):
        preset("best")


def test_minutes_are_a_number_however_they_are_written() -> None:
    assert preset("flow", minutes=3).to_json() == preset("flow", minutes=3.0).to_json()
    assert str(preset("flow", minutes=3).minutes) == "3.0"
    assert preset("flow", steps=1e3).steps == 1000
