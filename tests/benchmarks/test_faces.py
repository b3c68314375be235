from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import baselines, faces
from benchmarks.faces import Bench, Sizes, markdown
from benchmarks.measures import (
    NAMES,
    Reading,
    Record,
    Renders,
    Task,
    count_right,
    draw,
    embed,
    everyday_tasks,
    grammar_tasks,
    matching,
    share_right,
)
from recipes.faces.attributes import DETAILS, LABELS
from recipes.train_judge import Judge, JudgeConfig
from tests.tiny import make_pipe

SIZES = Sizes(prompts=3, frechet=12, diverse_prompts=2, diverse_images=4, bank=8, optimised=1)


def make_record(random: np.random.RandomState) -> Record:
    drawn = {name: classes[random.randint(len(classes))] for name, classes in LABELS.items()}
    return {**dict.fromkeys(DETAILS), **drawn, "hair_style": "long"}


class ColourJudge(Judge):
    """Reads arbitrary attributes off the colours of a picture's quarters."""

    def features(self, images: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)

    def classify(self, features: Tensor) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(0)
        return {
            name: (300 * features @ torch.randn(12, len(LABELS[name]), generator=random)).sin()
            for name in LABELS
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
    judge = ColourJudge(JudgeConfig(resolution=32, width=8, feature_dim=12)).eval()
    train = make_renders(tmp_path_factory.mktemp("train"), seed=1)
    return Bench(make_pipe(), judge, train, renders, SIZES)


def test_grammar_tasks_name_as_many_attributes_as_asked(renders: Renders) -> None:
    for named in (1, 3, 5):
        tasks = grammar_tasks(renders.records, 20, named, np.random.default_rng(0))
        assert [len(task.labels) for task in tasks] == [named] * 20
    again = grammar_tasks(renders.records, 20, 5, np.random.default_rng(0))
    assert tasks == again


def test_each_named_attribute_is_counted() -> None:
    tasks = [Task("a", {"gender": "male", "smile": "yes"}), Task("b", {"gender": "female"})]
    labels = np.zeros((2, len(NAMES)), dtype=np.int64)
    met = count_right(tasks, Reading(np.zeros((2, 1), dtype=np.float32), labels))
    assert met["gender"].tolist() == [True, False]
    assert met["smile"].tolist() == [False]
    assert share_right(met) == pytest.approx(1 / 3)


def test_matching_renders(renders: Renders) -> None:
    rows = matching(renders.labels, {"gender": "male", "smile": "yes"})
    assert len(rows)
    assert all(renders.records[row]["gender"] == "male" for row in rows)


def test_faces_in_batches_are_those_of_the_pipeline(bench: Bench) -> None:
    pipe, texts = bench.pipe, ["old man", "red hair", "a woman with glasses"]
    batches = draw(pipe, embed(pipe, texts), [5, 6, 7], batch_size=2)
    images = torch.cat(list(batches))
    for i, text in enumerate(texts):
        face = pipe(text, seed=5 + i).images[0]
        pixels = ((images[i] + 1) * 127.5).round().permute(1, 2, 0).numpy()
        assert np.abs(pixels - np.asarray(face)).max() <= 1


def test_retrieval_finds_the_same_picture(bench: Bench) -> None:
    bank = baselines.embed_renders(bench.pipe, bench.train, 60)
    found = torch.cat(list(baselines.retrieve(bench.train, bank, bank[[7, 3]])))
    expected = torch.cat(list(bench.train.images([7, 3])))
    assert torch.equal(found, expected)


def test_optimisation_comes_nearer_to_the_text(bench: Bench) -> None:
    wanted = embed(bench.pipe, ["old man"])
    cosines = [
        torch.cosine_similarity(
            bench.pipe.encoder.encode_image(
                next(baselines.optimise(bench.pipe, wanted, steps=steps))
            ),
            wanted,
        ).item()
        for steps in (1, 50)
    ]
    assert cosines[1] > cosines[0] + 0.1


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


def test_wrong_labels_in_the_prompts_are_told(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps([{"prompt": "x", "labels": {"gender": "old"}}]))
    with pytest.raises(ValueError, match="unknown label gender"):
        everyday_tasks(path)
