from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from text2face import TextToFace
from text2face.registry import names
from text2face.samplers.flow import FlowSampler
from text2face.training.config import PRESETS
from text2face.training.pairs import read_pairs
from text2face.training.runs import new_run

Run = Callable[..., int]
Held = Callable[..., AbstractContextManager[None]]
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
    grids = sorted(path.name for path in (folder / "samples").iterdir())
    assert 1 <= len(grids) <= 5  # fewer where they take longer than the training
    assert grids[-1] == "step-000012.jpg"
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


def test_sample_grids_are_small_or_left_out(
    parts: list[object], pairs: Path, run: Run, tmp_path: Path
) -> None:
    arguments = ["train", *parts, *SMALL, "--pairs", pairs, "--steps", 2, "-o", tmp_path / "runs"]
    assert run(*arguments, "--no-samples") == 0
    assert not (tmp_path / "runs" / "00000-flow" / "samples").exists()


def test_pairs_are_drawn_as_asked_for(
    parts: list[object], run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["pairs", *parts, "--count", 5, "-o", tmp_path / "p"]
    assert run(*arguments, "--dtype", "bfloat16") == 0
    said = capsys.readouterr().err
    assert "images are drawn in bfloat16: the encoder sees the same with a cosine of" in said
    assert "GB of memory" in said
    assert read_pairs(tmp_path / "p").series["quality"] == "bfloat16"
    assert run(*arguments) == 0  # the same command without it goes on in the same way
    assert run(*arguments, "--dtype", "float32") == 1
    assert "another quality" in capsys.readouterr().err
    assert run(*arguments, "--resolution", 64) == 2
    assert "expected one that the generator has an image of: 8" in capsys.readouterr().err


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
    missing = ["pairs", *parts[2:], "--generator", "/no/such.pkl", "-o", tmp_path / "more"]
    assert run(*missing, "--dry-run") == 1
    assert "no file /no/such.pkl" in capsys.readouterr().err
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
    assert tuple(PRESETS) == names("preset")


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


def test_a_folder_that_another_process_writes_is_left_alone(
    model: Path,
    parts: list[object],
    pairs: Path,
    run: Run,
    held: Held,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with held(pairs):
        assert run("pairs", *parts, "--count", 50, "-o", pairs) == 1
    assert f"{pairs} is being written by another process" in capsys.readouterr().err
    arguments = ["train", *parts, *SMALL, "--pairs", pairs, "-o", tmp_path / "runs"]
    arguments += ["--steps", 2, "--batch-size", 8, "--resume", "auto", "-q"]
    assert run(*arguments) == 0
    folder = tmp_path / "runs/00000-flow"
    (folder / "model/pipeline.json").unlink()
    before = (folder / "log.jsonl").read_bytes()
    with held(folder):
        assert run(*arguments) == 1
    assert f"{folder} is being written by another process" in capsys.readouterr().err
    assert (folder / "log.jsonl").read_bytes() == before
    assert not (tmp_path / "runs/00001-flow").exists()
    assert run(*arguments) == 0
    out = tmp_path / "converted"
    with held(out):
        assert run("convert", model / "generator", out) == 1
        assert "being written by another process" in capsys.readouterr().err
    inversion = ["train", "--task", "inversion", "--model", model, "--steps", 1, "--count", 8]
    with held(tmp_path / "runs", "inversion"):
        assert run(*inversion, "-o", tmp_path / "runs", "-q") == 1
        assert "being written by another process" in capsys.readouterr().err


def test_runs_that_start_at_once_have_numbers_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: new_run(tmp_path, "ab"[i % 2], {"i": i}), range(16)))
    assert sorted(int(folder.name[:5]) for folder in made) == list(range(16))


def test_a_failure_leaves_no_empty_folder(
    parts: list[object], pairs: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new/er"
    assert run("pairs", *parts, "--generator", tmp_path / "no.pkl", "-o", new) == 2
    assert run("pairs", "--generator", tmp_path / "no.pkl", "-o", new, "--dry-run") == 1
    assert run("pairs", *parts, "--crossovers", "99", "--mix", 2, "-o", new, "--dry-run") == 2
    assert run("train", *parts, "--pairs", pairs, "-o", new, "--set", "shape.width=x") == 2
    assert run("train", *parts, "--pairs", pairs, "-o", new, "--device", "meta") == 2
    assert run("convert", tmp_path / "no.pkl", new) == 1
    assert not (tmp_path / "new").exists()
    assert capsys.readouterr().err.count("text2face: ") == 6


def test_what_inversion_has_no_use_for_is_refused(
    model: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--task", "inversion", "--model", model, "-o", tmp_path / "runs"]
    for name, value in {
        "--set": "nonsense",
        "--preset": "cvae",
        "--generator": "x",
        "--encoder": "x",
        "--pairs": "x",
        "--resume": "auto",
        "--texts": "x",
        "--sample-prompts": "x",
        "--name": "x",
    }.items():
        assert run(*arguments, name, value) == 2
        assert f"{name} does not go with --task inversion" in capsys.readouterr().err
    assert run(*arguments, "--tensorboard") == 2
    assert run(*arguments, "--settings") == 2
    assert run(*arguments, "--device", "cuda:9") == 2
    assert run(*arguments, "--batch-size", 0) == 2
    assert run("train", "--model", model) == 2
    assert "--model does not go with --task sampler" in capsys.readouterr().err
    assert run(*arguments, "--dry-run", "--steps", 3) == 0
    assert "nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "change",
    ["adam_betas=3", 'adam_betas="ab"', "adam_betas=[1]", "adam_betas=[0.9,null]", "steps=1.5",
     "shape=3", "pseudo_text=3", "pseudo_text.noise=x", "pseudo_text.magic=1", "objective=[]",
     "standardise=1", "bfloat16=null", "condition=3", "minutes=NaN", "ema=true", "clip=[]",
     "seed=" + "9" * 400],
)  # fmt: skip
def test_settings_of_another_type_are_told(
    run: Run, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", "--dry-run", "--set", change) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert change.split("=")[0].split(".")[0] in err
