from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import faces
from benchmarks.faces import Bench, Sizes, markdown
from benchmarks.measures import Record, Renders, grammar_tasks
from recipes.faces.attributes import DETAILS, JUDGED
from recipes.measures import load_judge
from tests.tiny import make_pipe
from text2face.errors import CheckpointError
from text2face.evaluation import baselines
from text2face.evaluation.judge import Judge, JudgeConfig

SIZES = Sizes(prompts=3, frechet=12, diverse_prompts=2, diverse_images=4, bank=8, optimised=1)


def make_record(random: np.random.RandomState) -> Record:
    drawn = {name: classes[random.randint(len(classes))] for name, classes in JUDGED.items()}
    drawn |= {"hair_style": "long", "hair_cut": "long straight"}
    return {**dict.fromkeys(DETAILS), **drawn}


class ColourJudge(Judge):
    """Reads arbitrary attributes off the colours of a picture's quarters."""

    def features(self, images: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)

    def classify(self, features: Tensor) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(0)
        return {
            name: (300 * features @ torch.randn(12, len(JUDGED[name]), generator=random)).sin()
            for name in JUDGED
        }


def make_renders(folder: Path, seed: int) -> Renders:
    random = np.random.RandomState(seed)
    records = [make_record(random) for _ in range(60)]
    (folder / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    pictures = random.randint(0, 255, (60, 32, 32, 3)) * random.rand(60, 1, 1, 3)
    np.save(folder / "images.npy", pictures.astype(np.uint8))
    return Renders.read(folder)


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> Renders:
    return make_renders(tmp_path_factory.mktemp("test"), seed=0)


@pytest.fixture(scope="module")
def bench(renders: Renders, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    judge = ColourJudge(JudgeConfig(JUDGED, resolution=32, width=8, feature_dim=12)).eval()
    train = make_renders(tmp_path_factory.mktemp("train"), seed=1)
    return Bench(make_pipe(), judge, train, renders, SIZES)


def test_grammar_tasks_name_as_many_attributes_as_asked(renders: Renders) -> None:
    for named in (1, 3, 5):
        tasks = grammar_tasks(renders.records, 20, named, np.random.default_rng(0))
        assert [len(task.labels) for task in tasks] == [named] * 20
    again = grammar_tasks(renders.records, 20, 5, np.random.default_rng(0))
    assert tasks == again


def test_all_figures_are_measured_and_shown(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [{"prompt": "old man with a hat", "labels": {"gender": "male", "age": "old"}}]
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    monkeypatch.setattr(faces, "EVERYDAY", tmp_path / "prompts.json")
    optimise = baselines.optimise
    monkeypatch.setattr(baselines, "optimise", lambda pipe, e: optimise(pipe, e, steps=2))
    said: list[str] = []
    results = faces.run(bench, list(faces.SECTIONS), said.append)
    assert json.loads(json.dumps(results)) == results
    for what in faces.TARGETS:
        assert np.isfinite(results[what])
        assert what in markdown(results)
    assert set(results["baselines"]) == {
        "text to face",
        "random faces",
        "best render",
        "optimised per prompt",
    }
    assert said


def test_a_judge_of_other_attributes_is_refused(tmp_path: Path) -> None:
    Judge(JudgeConfig({"mood": ("good", "bad")}, resolution=32, width=8)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="present attributes"):
        load_judge(tmp_path)
