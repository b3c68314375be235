from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recipes import train_identity
from recipes.faces import people
from recipes.faces.identity import Identity, identity
from recipes.faces.parameters import columns_of, parameters
from recipes.train_identity import groups_of, measure, person_columns, train
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

    monkeypatch.setattr(people, "Renderer", Painter)
    assert sum(people.write_people(tmp_path, 120, 2, size=4)) == 120
    monkeypatch.setattr(people, "Renderer", None)
    assert sum(people.write_people(tmp_path, 120, 2, size=4)) == 120
    pictures = people.read_people(tmp_path, 110, 2, size=4)
    assert pictures.shape == (110, 2, 4, 4, 3)
    assert (pictures[:, 0] == pictures[:, 1]).all()


def test_a_person_is_not_what_they_wear_or_which_group_they_are_of() -> None:
    chosen = set(person_columns().tolist())
    for name in ("hair", "glasses", "hat", "expression", "gender", "age", "background"):
        columns = columns_of(name)
        assert not chosen & set(range(columns.start, columns.stop))
    width, features = len(parameters(identity(0))), len(identity(0).features)
    seen = set(range(width - features, width)) & chosen
    assert len(seen) > 0.8 * features


def test_it_learns_whose_picture_it_is() -> None:
    random = np.random.RandomState(0)
    colours = random.randint(60, 200, (12, 1, 1, 1, 3))
    pictures = (colours + random.randint(0, 30, (12, 3, 32, 32, 3))).astype(np.uint8)
    wanted = ((colours - 130) / 40).astype(np.float32).reshape(12, 1, 3).repeat(3, axis=1)
    config = IdentityConfig(32, 8, 3)
    flat = pictures.reshape(36, 32, 32, 3)
    network = train(flat, wanted.reshape(36, 3), config=config, steps=80, batch_size=16)
    found = measure(network, pictures, np.arange(12) % 2)
    assert found["same"] > found["strangers"] + 0.2
    assert found["nearest is the same"] > 0.7
    assert found["strangers"] < found["threshold"] <= 1


def test_people_alike_share_a_group() -> None:
    groups = groups_of(60, train_identity.SEED_STRANGERS)
    assert len(groups) == 60
    assert 10 < len(set(groups.tolist())) < 60
