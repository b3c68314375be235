from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from text2face import TextToFace
from text2face.cli import train
from text2face.samplers.flow import FlowSampler
from text2face.training.config import PRESETS

Run = Callable[..., int]
SMALL = ["--set", "shape.width=16", "--set", "shape.depth=1", "--set", "shape.surrogate_width=16"]


@pytest.fixture
def parts(model: Path) -> list[object]:
    return ["--generator", model, "--encoder", model / "encoder", "--device", "cpu"]


@pytest.fixture
def pairs(model: Path, parts: list[object], run: Run, tmp_path: Path) -> Path:
    assert run("pairs", *parts, "--count", 50, "-o", tmp_path / "pairs", "-q") == 0
    return tmp_path / "pairs"


def test_one_command_goes_from_nothing_to_a_model(
    model: Path, parts: list[object], run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    arguments = ["train", *parts, *SMALL, "--count", 40, "-o", out, "--batch-size", 8]
    arguments += ["--steps", 12, "--name", "mine", "--resume", "auto"]
    assert run(*arguments) == 0
    folder = out / "00000-flow"
    assert json.loads((folder / "config.json").read_text())["training"]["steps"] == 12
    assert json.loads((folder / "log.jsonl").read_text().splitlines()[-1])["step"] == 12
    assert (folder / "checkpoint.pt").exists()
    assert len(list((folder / "samples").iterdir())) == 10
    pipe = TextToFace.from_pretrained(folder / "model")
    assert isinstance(pipe.sampler, FlowSampler)
    assert pipe.config.name == "mine"
    assert pipe.config.condition == "draw+pull"
    assert pipe.sampler.bank is not None
    assert len(pipe.sampler.bank.embeddings) == 40
    assert pipe("an old man", seed=1).images[0].size == (8, 8)
    assert run(*arguments) == 0  # that run is finished: a new one
    assert (out / "00001-flow" / "model" / "pipeline.json").exists()
    (out / "00001-flow" / "model" / "pipeline.json").unlink()
    assert run(*arguments) == 0
    assert (out / "00001-flow" / "model" / "pipeline.json").exists()
    assert not (out / "00002-flow").exists()
    assert "resumed" in capsys.readouterr().err
    assert run("train", *parts, "--steps", 5, "-o", out, "--resume", out / "00001-flow") == 1
    assert "is another training" in capsys.readouterr().err


def test_pairs_of_another_network_are_refused(
    model: Path, pairs: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.tiny import TinyEncoder

    other = TinyEncoder()
    other.pixels.mul_(2)
    other.save_pretrained(tmp_path / "other")
    arguments = ["--generator", model, "--pairs", pairs, "--device", "cpu", "-o", tmp_path / "runs"]
    assert run("train", *arguments, "--encoder", tmp_path / "other", "--steps", 1) == 2
    assert "made with another encoder" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    arguments += ["--encoder", model, "--steps", 1]
    assert run("train", *arguments, "--set", "magic=1") == 2
    assert "no 'magic'" in capsys.readouterr().err
    assert run("train", *arguments, "--set", "shape.magic=1") == 2
    assert "no 'magic'" in capsys.readouterr().err
    assert run("train", *arguments, "--set", "ema") == 2
    assert "name=value" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(
    parts: list[object], pairs: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    assert run("train", *parts, "--pairs", pairs, "-o", out, "--dry-run") == 0
    assert run("train", *parts, "-o", out, "--dry-run") == 0
    assert run("pairs", *parts, "-o", tmp_path / "more", "--dry-run") == 0
    assert not out.exists()
    assert not (tmp_path / "more").exists()
    said = capsys.readouterr().err
    assert "parameters; nothing was written" in said
    assert "16384 pairs in 16 shards" in said


def test_pairs_of_photos(
    model: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(3):
        Image.fromarray(np.full((40, 30, 3), 50 * i, np.uint8)).save(photos / f"{i}.png")
    (photos / "9.png").write_bytes(b"no")
    arguments = ["pairs", "--photos", photos, "--encoder", model, "--device", "cpu"]
    assert run(*arguments, "-o", tmp_path / "p", "--size", 32) == 0
    assert "skipped 9.png" in capsys.readouterr().err
    assert run(*arguments, "-o", tmp_path / "p", "--generator", model) == 2
    assert run(*arguments, "-o", tmp_path / "p", "--invert", model) == 2
    assert "no inversion encoder" in capsys.readouterr().err
    assert run("pairs", "--photos", tmp_path / "none", "-o", tmp_path / "q") == 2


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="it is installed")
def test_tensorboard_is_optional(
    parts: list[object], pairs: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", *parts, *SMALL, "--pairs", pairs, "-o", tmp_path / "runs", "--steps", 1]
    assert run(*arguments, "--tensorboard") == 2
    assert "text2face[train]" in capsys.readouterr().err


def test_settings_explain_themselves(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--settings", "--preset", "cvae") == 0
    said = capsys.readouterr().out
    assert "learning_rate = 0.0002\n    Adam's, at its peak." in said
    assert tuple(PRESETS) == train.PRESETS


def test_an_image_is_described(
    model: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, phrases = tmp_path / "face.png", tmp_path / "phrases.txt"
    Image.fromarray(np.full((40, 30, 3), 90, np.uint8)).save(image)
    phrases.write_text("an old man\na young woman with red hair\na man with qwertz\n")
    arguments = ["describe", image, "--encoder", model, "--phrases", phrases]
    assert run(*arguments, "--json", "--samples", 3, "-o", tmp_path / "e.safetensors") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["phrase"] for line in lines} == {"an old man", "a young woman with red hair"}
    assert (tmp_path / "e.safetensors").exists()
    assert run(*arguments, "--samples", 3) == 2
    assert run("describe", phrases, "--encoder", model) == 2
