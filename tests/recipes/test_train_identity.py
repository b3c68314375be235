from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recipes import train_identity
from recipes.faces import people, workers
from recipes.faces.identity import Identity
from recipes.train_identity import attraction_loss, groups_of, measure, train
from text2face.evaluation.identity import IdentityConfig


def test_pictures_of_a_person_differ_in_what_changes_only() -> None:
    first, second, third = people.views(7, 3)
    assert (first, second) == tuple(people.views(7, 2))
    changed = {name for name in vars(first) if getattr(first, name) != getattr(second, name)}
    assert changed
    assert changed <= set(people.CHANGING)
    assert first.features == third.features
    assert next(people.views(8, 1)).features != first.features


def test_people_are_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Painter:
        def __init__(self, cache: Path | None) -> None: ...

        def render(self, face: Identity, size: int) -> NDArray[np.uint8]:
            return np.full((size, size, 3), face.gender == "female", np.uint8)

    monkeypatch.setattr(workers, "Renderer", Painter)
    assert sum(people.write_people(tmp_path, 120, 2, size=4)) == 120
    monkeypatch.setattr(workers, "Renderer", None)
    assert sum(people.write_people(tmp_path, 120, 2, size=4)) == 120
    pictures = people.read_people(tmp_path, 110, 2, size=4)
    assert pictures.shape == (110, 2, 4, 4, 3)
    assert (pictures[:, 0] == pictures[:, 1]).all()


def test_partners_attract_and_others_repel() -> None:
    vectors = torch.eye(4)
    assert attraction_loss(vectors, vectors, 16.0) < 0.01
    assert attraction_loss(vectors, vectors.roll(1, 0), 16.0) > 5


def test_it_learns_whose_picture_it_is() -> None:
    random = np.random.RandomState(0)
    colours = random.randint(60, 200, (12, 1, 1, 1, 3))
    pictures = (colours + random.randint(0, 30, (12, 3, 32, 32, 3))).astype(np.uint8)
    groups = np.arange(12) % 2
    network = train(
        pictures, groups, config=IdentityConfig(32, (0, 0, 32), 8, 16), steps=60, batch_size=8
    )
    found = measure(network, pictures, groups)
    assert found["same"] > found["strangers"] + 0.2
    assert found["nearest is the same"] > 0.7
    assert found["strangers"] < found["threshold"] <= 1


def test_people_alike_share_a_group() -> None:
    groups = groups_of(60, train_identity.SEED_STRANGERS)
    assert len(groups) == 60
    assert 10 < len(set(groups.tolist())) < 60
