from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import faces, figures, rivals
from benchmarks.faces import Bench, Sizes
from benchmarks.measures import Renders
from benchmarks.rivals import Arena, Plan
from recipes.faces.attributes import DETAILS, JUDGED
from tests import tiny
from text2face.evaluation import baselines
from text2face.evaluation.judge import Judge, JudgeConfig

PLAN = Plan(3, 1, 12, 1, 2, 1e-3, 64, 1)


class SameJudge(Judge):
    """Takes everybody for the first of each class."""

    def classify(self, features: Tensor) -> dict[str, Tensor]:
        zeros = features.new_zeros(len(features), 1)
        return {name: (zeros - torch.arange(len(JUDGED[name]))).float() for name in JUDGED}


@pytest.fixture
def arena(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arena:
    random = np.random.RandomState(0)
    records = []
    for _ in range(40):
        drawn = {name: classes[random.randint(len(classes))] for name, classes in JUDGED.items()}
        records.append(
            {
                **dict.fromkeys(DETAILS),
                **drawn,
                "hair_style": "long",
                "age": "old",
                "hair_cut": "long straight",
            }
        )
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    np.save(tmp_path / "images.npy", random.randint(0, 256, (40, 32, 32, 3)).astype(np.uint8))
    prompts = [{"prompt": "old man with a hat", "labels": {"gender": "male", "age": "old"}}]
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    for module in (faces, rivals):
        monkeypatch.setattr(module, "EVERYDAY", tmp_path / "prompts.json")
    optimise = baselines.optimise
    monkeypatch.setattr(
        baselines, "optimise", lambda pipe, e, batch_size: optimise(pipe, e, steps=2)
    )
    judge = SameJudge(JudgeConfig(JUDGED, resolution=32, width=4, feature_dim=8)).eval()
    renders = Renders.read(tmp_path)
    pipe = tiny.make_pipe()
    bench = Bench(pipe, judge, renders, renders, Sizes(3, 12, 1, 2))

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().mean(dim=(1, 2, 3))

    return Arena(pipe, bench, PLAN, tmp_path / "out", 1, tmp_path / "pairs", distance)


def test_all_rivals_stand_in_one_table_and_a_cut_run_goes_on(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    names = list(rivals.RIVALS)
    results = rivals.run(arena, names, said.append)
    assert json.loads(json.dumps(results)) == results
    assert all(entry["speed"]["batch 1"] > 0 for entry in results.values())
    assert results[rivals.SEARCH].pop("prompts") == {f"{n} named": 1 for n in rivals.LEVELS}
    for name in set(names) - {rivals.SEARCH}:
        assert results[name]["5 named"] == results["random faces"]["5 named"]  # as the judge is
    assert results["official: text only"]["training"]["minutes"] >= PLAN.minutes
    text = rivals.report(results, PLAN, 1)
    assert all(name in text for name in names)
    assert "+ 10 points | +0.0 points" in text
    assert "5,000 × faster" in text
    # Nothing is measured twice; what was lost is measured again.
    arena.result_path("random faces").unlink()
    again: list[str] = []
    monkeypatch.setattr(rivals, "train", None)
    assert list(rivals.run(arena, names, again.append)) == names
    assert {line.split(":")[0] for line in again} == {"random faces"}


def test_the_image_gives_its_z(arena: Arena) -> None:
    """Text + image: the face follows the source image, and the words."""
    pipe, _ = arena.trained("cvae")
    rival = rivals.RIVALS["official: text + image"]
    way = rivals.way_of(arena, rival, pipe)
    words = torch.randn(2, pipe.encoder.embedding_dim, generator=torch.Generator().manual_seed(0))
    same, other_seed, other_words = (
        torch.cat(list(way(e, seeds, 1)))
        for e, seeds in ((words, [1, 1]), (words, [2, 3]), (words.flip(0), [1, 1]))
    )
    assert torch.allclose(same.flip(0), other_words, atol=1e-5)
    assert not torch.allclose(same, other_seed)


def test_tables_go_between_their_marks(
    arena: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    Path("docs/results.md").write_text("a\n<!-- words -->\nold\n<!-- end of words -->\nb\n")
    groups = {"1 named": {"prompts": 2, "accuracy": 0.5, "accuracy ±": 0.1}}
    words = {"groups": groups, "attributes": {"hat": {"1 named": 0.5}}}
    material = figures.Material(
        arena.pipe, arena.bench.test, tmp_path, {}, {"sections": {"words": words}}
    )
    for _ in range(2):
        figures.write_tables(material)
        text = Path("docs/results.md").read_text()
        assert text.startswith("a\n<!-- words -->\n| prompts that name")
        assert "| 1 named | 2 | 50.0% ± 10.0 |" in text
        assert "old" not in text
        assert text.endswith("<!-- end of words -->\nb\n")
    figures.draw_results(material)
