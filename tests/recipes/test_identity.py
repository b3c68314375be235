from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from recipes.faces import odds
from recipes.faces.attributes import DETAILS, LABELS
from recipes.faces.identity import SEED_TEST, Z_DIM, Draws, choices, draw, identity, read, sample
from recipes.faces.parameters import parameters
from recipes.faces.record import Seen, record


def test_a_face_is_a_function_of_seed_and_index() -> None:
    assert identity(7) == identity(7)
    assert identity(7) != identity(8)
    assert identity(7) != identity(7, SEED_TEST)


def test_the_first_face_never_changes() -> None:
    seen = record(identity(0))
    assert seen["gender"] == "female"
    assert seen["hair_cut"] == "bob"
    assert seen["expression"] == "smile"
    assert seen["background"] == "white"


def test_every_face_reads_the_same_components() -> None:
    used = set()
    for index in range(200):
        draws = Draws(draw(1, index))
        read(draws)
        used.add(draws.used)
    assert used == {141}


def test_z_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"z has shape \(3,\), expected \(512,\)"):
        sample(np.zeros(3))


def test_choices_follow_their_odds() -> None:
    rng = np.random.default_rng(0)
    table = {"a": 1.0, "b": 3.0, "never": 0.0}
    counts = Counter(Draws(rng.standard_normal(1)).choice(table) for _ in range(4000))
    assert counts["never"] == 0
    assert counts["b"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_a_choice_changes_only_at_its_cuts() -> None:
    for slot, cuts in choices().items():
        finite = np.unique(cuts[np.isfinite(cuts)])
        for low, high in zip([-4.0, *finite], [*finite, 4.0], strict=True):
            seen = []
            for share in (0.01, 0.5, 0.99):
                z = np.zeros(Z_DIM)
                z[slot] = low + share * (high - low)
                seen.append(parameters(sample(z)))
            np.testing.assert_array_equal(seen[0], seen[1])
            np.testing.assert_array_equal(seen[1], seen[2])


def test_records_speak_the_shared_vocabulary() -> None:
    vocabulary = {**LABELS, **DETAILS}
    for index in range(300):
        seen = record(identity(index))
        assert set(seen) == set(vocabulary)
        for key, value in seen.items():
            assert value is None or value in vocabulary[key], (key, value)


def test_hidden_things_are_not_recorded() -> None:
    for index in range(300):
        face = identity(index)
        seen = record(face)
        if face.glasses == "sunglasses":
            assert seen["eye_color"] is None
            assert seen["eyeshadow"] is None
        if face.expression == "closed eyes":
            assert seen["eye_color"] is None
        if face.hat in ("beanie", "cap") and face.hair in odds.SHORT_HAIR:
            assert seen["hair_color"] is None
            assert seen["hair_style"] is None
        if face.gender == "female" or face.age == "child":
            assert seen["facial_hair"] == "none"


def test_what_a_picture_hardly_shows_is_not_recorded() -> None:
    face = next(f for f in map(identity, range(100)) if f.earrings == "hoop")
    assert record(face, Seen(clothes=0.1, earrings=0.01, eyes=0.01)) == record(face)
    seen = record(face, Seen(clothes=0.004, earrings=0.0002, eyes=0.001))
    assert seen["clothes_color"] is seen["earrings"] is seen["eye_color"] is None
    bare = next(f for f in map(identity, range(100)) if f.earrings == "none")
    assert record(bare, Seen(clothes=0.1, earrings=0.0, eyes=0.01))["earrings"] == "none"


def test_what_is_rare_among_people_is_frequent_enough_to_be_learnt() -> None:
    records = [record(identity(index)) for index in range(3000)]
    for key in ("expression", "freckles", "earrings", "eye_color", "frame_color", "hair_shade"):
        shares = Counter(seen[key] for seen in records)
        for value in DETAILS[key]:
            assert shares[value] > 0.025 * len(records), (key, value)


def test_parameters_have_one_length_and_unit_scale() -> None:
    rows = np.stack([parameters(identity(index)) for index in range(60)])
    assert rows.shape == (60, 303)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert np.abs(rows).max() < 6


def test_parameters_ignore_a_hidden_choice() -> None:
    face = next(f for f in map(identity, range(100)) if f.glasses == "none")
    other = {**vars(face), "frame_color": "red" if face.frame_color != "red" else "blue"}
    np.testing.assert_array_equal(parameters(face), parameters(type(face)(**other)))


def test_z_is_read_from_the_left() -> None:
    z = draw(1, 2)
    z[141:] = 0
    assert sample(z) == sample(draw(1, 2))
    assert z.shape == (Z_DIM,)
