from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import fairness, named
from benchmarks.measures import ABSENT, Renders
from recipes.faces.attributes import JUDGED
from recipes.faces.identity import identity
from recipes.faces.record import record
from text2face import TextToFace
from text2face.evaluation.judge import Judge, JudgeConfig


class SameJudge(Judge):
    """Reads the first class of every attribute off any picture."""

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :8]

    def classify(self, features: Tensor) -> dict[str, Tensor]:
        zeros = features.new_zeros(len(features), 1)
        return {name: (zeros - torch.arange(len(JUDGED[name]))).float() for name in JUDGED}


@pytest.fixture(scope="module")
def bench(bundled: TextToFace, tmp_path_factory: pytest.TempPathFactory) -> named.Bench:
    folder = tmp_path_factory.mktemp("test")
    records = [record(identity(i)) for i in range(200)]
    (folder / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    pictures = np.random.RandomState(0).randint(0, 255, (200, 32, 32, 3))
    np.save(folder / "images.npy", pictures.astype(np.uint8))
    judge = SameJudge(JudgeConfig(JUDGED, resolution=32, width=4, feature_dim=8)).eval()
    return named.Bench(bundled, judge, Renders.read(folder), faces=1)


def test_each_value_is_named_alone_with_a_person(bench: named.Bench) -> None:
    named._records[:] = bench.test.records
    rng = np.random.default_rng(0)
    for key, values in JUDGED.items():
        for value in values:
            made = None if value in ABSENT else named.phrase(key, value, rng)
            if made is None:
                continue
            text, labels = made
            name = key if key in labels else named._TWINS[key]
            assert text
            if name == key:
                assert value in named.accepted(labels[key]), (text, labels)
            assert len(labels) <= 4, (text, labels)


def test_all_sections_are_measured(bench: named.Bench) -> None:
    said: list[str] = []
    alone = named.measure_alone(bench, said.append)
    shown = {key: entry["appears"] for key, entry in alone["attributes"].items()}
    assert shown["skin"] == pytest.approx(1 / len(JUDGED["skin"]), abs=0.01)
    assert alone["worst attribute"] == min(shown.values())
    colors = named.measure_colors(bench, said.append)
    assert colors["colour stays"] == 1  # every face is read alike
    negations = named.measure_negation(bench, said.append)["negations"]
    assert negations["a man without a beard"] == 1
    assert negations["a woman with short hair and no earrings"] == 1
    assert said


def test_removals_are_counted_where_there_is_something_to_remove(bench: named.Bench) -> None:
    result = named.measure_removal(bench, lambda said: None)
    assert np.isnan(result["removals"]["glasses"])  # the judge never sees any


def test_words_that_change_nothing_move_nobody(bench: named.Bench) -> None:
    assert len(fairness.ADJECTIVES) + len(fairness.ROLES) == 30
    moved = fairness.measure(bench.pipe, bench.judge, faces=10)
    assert set(moved) == {*fairness.ADJECTIVES, *fairness.ROLES}
    assert max(moved.values()) == 0


def test_right_knows_alternatives(bench: named.Bench, tmp_path: Path) -> None:
    reading = bench.made(["a man"])
    first = JUDGED["eye_color"][0]
    assert named.right({"eye_color": (first, "pale")}, reading, 0, "eye_color")
    assert not named.right({"eye_color": "pale"}, reading, 0, "eye_color")
