from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.tiny import TinyEncoder
from text2face import TextToFace, registry
from text2face.evaluation import evaluate
from text2face.evaluation.evaluate import Bench, NotAvailable, Sizes
from text2face.evaluation.identity import IdentityConfig, IdentityNetwork
from text2face.evaluation.judge import Judge, JudgeConfig
from text2face.evaluation.report import number
from text2face.evaluation.tasks import Task

LABELS = {"gender": ("male", "female"), "hat": ("none", "cap"), "age": ("young", "old")}
TASKS = [
    {"prompt": "a man", "labels": {"gender": "male"}, "group": "1 named"},
    {"prompt": "a woman", "labels": {"gender": "female"}, "group": "1 named"},
    {"prompt": "an old man with a hat", "labels": {"age": "old", "hat": "cap"}, "group": "2 named"},
    {"prompt": "a young woman", "labels": {"age": "young"}, "group": "2 named"},
]


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    Judge(JudgeConfig(LABELS, resolution=32, width=4, feature_dim=6)).save_pretrained(
        tmp_path / "assets" / "judge"
    )
    IdentityNetwork(IdentityConfig(32, (0, 0, 32), 4, 6, held=("gender",))).save_pretrained(
        tmp_path / "assets" / "identity"
    )
    (tmp_path / "assets" / "rising_prompts.json").write_text(json.dumps(TASKS))
    return tmp_path / "assets"


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    pixels = np.random.RandomState(0).randint(0, 256, (30, 8, 8, 3)).astype(np.uint8)
    np.save(folder / "images.npy", pixels)
    return folder


def arguments(model: Path, assets: Path, out: Path, *more: object) -> list[object]:
    sizes = ["--image-count", 20, "--edit-count", 3, "--batch-size", 4]
    return ["evaluate", model, "-o", out, "--assets", assets, *sizes, *more]


def test_one_command_reports_all_it_can(
    run: Callable[..., int],
    model: Path,
    assets: Path,
    reference: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    command = arguments(model, assets, out, "--reference", reference)
    assert run(*command) == 0
    report = capsys.readouterr().out
    assert report.strip() == (out / "evaluation.md").read_text().strip()
    results = json.loads((out / "evaluation.json").read_text())
    groups = results["sections"]["words"]["groups"]
    assert {name: entry["prompts"] for name, entry in groups.items()} == {
        "1 named": 2,
        "2 named": 2,
    }
    assert 0 <= groups["1 named"]["accuracy"] <= 1
    assert results["sections"]["distances"]["features of"] == "judge"
    assert results["sections"]["time"]["ms an image, batch 1"] > 0
    assert "needs another encoder" in results["not available"]["words: score, second encoder"]
    assert (out / "rising-detail.png").read_bytes().startswith(b"\x89PNG")
    # What is finished is not measured again, and stays the same.
    find = registry.find
    monkeypatch.setattr(
        registry,
        "find",
        lambda kind, name: _measured_again if kind == "metric" else find(kind, name),
    )
    assert run(*command, "--only", "words", "--only", "distances") == 0
    again = json.loads((out / "evaluation.json").read_text())
    for section in ("words", "distances"):
        assert again["sections"][section] == results["sections"][section]
    with pytest.raises(ZeroDivisionError):
        run(*command, "--only", "words", "--seed", 1)


def _measured_again(bench: Bench) -> dict[str, Any]:
    raise ZeroDivisionError


def test_a_model_without_a_judge(
    run: Callable[..., int], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.txt").write_text("an old man\na woman with red hair\n")
    out = tmp_path / "out"
    command = ["evaluate", model, "-o", out, "--image-count", 20, "--no-plots", "-q"]
    command += ["--diversity-count", 3]
    assert run(*command, "--prompts", "prompts.txt", "--second-encoder", model / "encoder") == 0
    results = json.loads((out / "evaluation.json").read_text())
    entry = results["sections"]["words"]["groups"]["prompts"]
    assert entry["score, second encoder"] == pytest.approx(entry["score, own encoder"], abs=1e-3)
    assert "accuracy" not in entry
    missing = results["not available"]
    assert "judge" in missing["words: accuracy"]
    assert "--reference" in missing["distances: all"]
    assert "judge" in missing["diversity: spread of what is not named"]
    assert results["sections"]["diversity"]["held against"] == "random faces"
    assert results["sections"]["diversity"]["faces of each"] == 3


def test_bad_input_is_told_in_one_line(
    run: Callable[..., int],
    model: Path,
    assets: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    for command, message in (
        (["evaluate", model, "-o", out], "no prompts"),
        (arguments(model, tmp_path / "none", out), "no folder"),
        (arguments(model, assets, out, "--reference", tmp_path / "none"), "0 pictures"),
        (
            arguments(model, assets, out, "--prompts", "none.json"),
            "cannot read the prompts in none.json",
        ),
        (arguments(model, assets, out, "--trunc", 9), "truncation"),
        (arguments(model, assets, out, "--only", "luck"), "luck"),
    ):
        assert run(*command) != 0
        said = capsys.readouterr().err.strip()
        assert message in said
        assert "Traceback" not in said


class EditablePipe:
    """A pipeline whose edits change nothing."""

    def __init__(self, pipe: TextToFace) -> None:
        self._pipe = pipe
        self.sampler = SimpleNamespace(infer=None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)

    def edit(self, face: Tensor, prompt: str) -> Any:
        from text2face.pipeline import to_pil

        return SimpleNamespace(image=to_pil(self._pipe.decode(face[None]))[0])


class BrightnessJudge(Judge):
    """Takes bright pictures for women, everybody for young, and sees no hats."""

    first = torch.tensor([9.0, 0.0])

    def features(self, images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3))[:, None].expand(-1, self.config.feature_dim)

    def classify(self, features: Tensor) -> dict[str, Tensor]:
        bright = features[:, :1] > 0
        logits = 9 * torch.cat([~bright, bright], dim=1).float()
        return {
            name: logits if name == "gender" else 0 * logits + self.first for name in self.labels
        }


def test_edits_that_change_nothing(pipe: TextToFace) -> None:
    judge = BrightnessJudge(JudgeConfig(LABELS, resolution=32, width=4, feature_dim=6))
    tasks = [Task("a woman", {"gender": "female"}), Task("a cap", {"hat": "cap"})]
    torch.manual_seed(0)
    bench = Bench(
        EditablePipe(pipe),  # type: ignore[arg-type]
        tasks,
        judge,
        IdentityNetwork(IdentityConfig(32, (0, 0, 32), 4, 6, held=("gender",))).eval(),
        sizes=Sizes(edits=12),
    )
    found = evaluate.measure_editing(bench)
    assert found["edits"] == 12
    assert found["named attribute appears"] == 0
    assert found["other attributes stay"] == 1
    assert found["identity, cosine"] == pytest.approx(1, abs=1e-3)
    assert 0 < found["identity, edits of"] < 12


def test_no_posterior_no_edits(pipe: TextToFace) -> None:
    class Plain:
        sampler = object()

        def edit(self) -> None: ...

    with pytest.raises(NotAvailable, match="no posterior"):
        evaluate.measure_editing(Bench(Plain(), []))  # type: ignore[arg-type]


def test_results_are_kept_by_content(
    run: Callable[..., int], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    random = np.random.RandomState(0)

    def picture(name: str) -> None:
        pixels = random.randint(0, 256, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(pictures / name)

    for name in ("a.png", "b.png", "c.png"):
        picture(name)
    (tmp_path / "prompts.txt").write_text("a man\na woman\n")
    second = tmp_path / "second"
    TinyEncoder().save_pretrained(second)
    command = ["evaluate", model, "-o", out, "--prompts", tmp_path / "prompts.txt"]
    command += ["--reference", pictures, "--only", "distances", "--image-count", 10, "--no-plots"]
    command += ["--second-encoder", second]

    def measured() -> bool:
        assert run(*command) == 0
        return "measuring distances" in capsys.readouterr().err

    assert measured()
    assert not measured()
    picture("d.png")  # one more
    assert measured()
    about = (pictures / "a.png").stat()
    content = (pictures / "a.png").read_bytes()
    (pictures / "a.png").write_bytes((pictures / "b.png").read_bytes())
    (pictures / "b.png").write_bytes(content)  # the same files under other names, and dates
    os.utime(pictures / "a.png", ns=(about.st_atime_ns, about.st_mtime_ns))
    assert measured()
    (pictures / "c.png").unlink()
    assert measured()
    other = TinyEncoder()
    other.pixels.mul_(2)
    other.save_pretrained(second)  # another model in the same folder
    assert measured()
    (tmp_path / "prompts.txt").write_text("a man\nan old woman\n")
    assert measured()
    (out / "sections/distances.json").write_text("{}")  # damaged
    assert measured()
    assert not measured()


def test_few_pictures_are_warned_of(
    run: Callable[..., int],
    model: Path,
    assets: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures = tmp_path / "few"
    pictures.mkdir()
    pixels = np.random.RandomState(0).randint(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    np.save(pictures / "images.npy", pixels)
    more = ["--reference", pictures, "--only", "distances", "--no-plots"]
    assert run(*arguments(model, assets, tmp_path / "out", *more)) == 0
    out, err = capsys.readouterr()
    assert "Fréchet distances of 5 pictures in 6 dimensions" in err
    assert "Fréchet distances of 5 pictures in 6 dimensions" in out


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1219.6, "1,220"),
        (999.4, "999"),
        (999.9, "1,000"),
        (-1e5, "-100,000"),
        (12.345, "12.3"),
        (4.88e-6, "4.88e-06"),
    ],
)
def test_numbers_are_written_out(value: float, text: str) -> None:
    assert number("ms an image", value) == text


def test_damaged_arrays_are_told(
    run: Callable[..., int],
    model: Path,
    assets: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pictures = tmp_path / "damaged"
    pictures.mkdir()
    for content in (b"", b"\x93NUMPY", b"no array", b"PK\x03\x04", pickle.dumps({"a": 1})):
        (pictures / "images.npy").write_bytes(content)
        assert run(*arguments(model, assets, tmp_path / "out", "--reference", pictures)) == 2
        err = capsys.readouterr().err
        assert "images.npy" in err
        assert err.count("\n") == 1
