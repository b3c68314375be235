from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recipes.faces.attributes import JUDGED
from recipes.train_judge import (
    MASKED,
    accuracy,
    augment,
    class_weights,
    judge_loss,
    read_labels,
    to_tensor,
    train,
)
from text2face.evaluation.judge import Judge, JudgeConfig

TINY = JudgeConfig(JUDGED, resolution=32, width=8, feature_dim=16)


def make_faces(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures whose upper half shows the gender and whose lower half the smile."""
    random = np.random.RandomState(seed)
    labels = np.stack([random.randint(len(classes), size=count) for classes in JUDGED.values()], 1)
    pictures = random.randint(0, 40, (count, 32, 32, 3)).astype(np.uint8)
    names = list(JUDGED)
    pictures[:, :16] += (200 * labels[:, names.index("gender")])[:, None, None, None].astype("u1")
    pictures[:, 16:] += (200 * labels[:, names.index("smile")])[:, None, None, None].astype("u1")
    return pictures, labels


def test_it_learns_what_can_be_seen(tmp_path: Path) -> None:
    pictures, labels = make_faces(256)
    labels[::3, 0] = MASKED
    judge = train(pictures, labels, config=TINY, steps=120, batch_size=64)
    judge.save_pretrained(tmp_path)
    loaded = Judge.from_pretrained(tmp_path)
    scores = accuracy(loaded, *make_faces(128, seed=1))
    assert set(scores) == set(JUDGED)
    assert scores["gender"] > 0.95
    assert scores["smile"] > 0.95
    assert scores["background"] < 0.4
    assert loaded.features(torch.zeros(2, 3, 64, 64)).shape == (2, 16)


def test_hidden_attributes_cost_nothing() -> None:
    labels = torch.full((4, len(JUDGED)), MASKED)
    logits = {name: torch.randn(4, len(JUDGED[name]), requires_grad=True) for name in JUDGED}
    assert judge_loss(logits, labels).item() == 0
    labels[0, 0] = 1
    judge_loss(logits, labels).backward()  # type: ignore[no-untyped-call]
    gradient = logits["gender"].grad
    assert gradient is not None
    assert gradient[0].abs().sum() > 0
    assert gradient[1:].abs().sum() == 0


def test_rare_classes_count_more() -> None:
    labels = np.zeros((100, len(JUDGED)), np.int64)
    labels[:10] = 1
    labels[0] = MASKED
    for weights in class_weights(labels):
        assert weights[1] / weights[0] == pytest.approx((90 / 9) ** 0.5)
        assert (90 * weights[0] + 9 * weights[1]) / 99 == pytest.approx(1)


def test_augmented_pictures_keep_their_content() -> None:
    pictures, _ = make_faces(40)
    images = augment(pictures, np.random.RandomState(0))
    plain = to_tensor(pictures)
    assert images.shape == plain.shape
    assert not torch.equal(images, plain)
    # Halves of different brightness stay so.
    before = plain[:, :, :12].mean(dim=(1, 2, 3)) - plain[:, :, 20:].mean(dim=(1, 2, 3))
    after = images[:, :, :12].mean(dim=(1, 2, 3)) - images[:, :, 20:].mean(dim=(1, 2, 3))
    assert (before - after).abs().max() < 0.3


def test_labels_are_read_in_the_order_of_the_vocabulary(tmp_path: Path) -> None:
    record: dict[str, str | None] = {name: classes[-1] for name, classes in JUDGED.items()}
    record["hair_color"] = None
    (tmp_path / "records.jsonl").write_text(json.dumps(record) + "\n")
    expected = [MASKED if name == "hair_color" else len(JUDGED[name]) - 1 for name in JUDGED]
    assert read_labels(tmp_path).tolist() == [expected]
