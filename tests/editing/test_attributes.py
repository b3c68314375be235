"""Sliders stand where a face stands, and move it as far as they say."""

from __future__ import annotations

import pytest
import torch

from tests import tiny
from text2face import TextToFace
from text2face.editing.attributes import find_sliders, positions, slide
from text2face.editing.operations import neighbour
from text2face.errors import ArgumentError
from text2face.faces import Face


@pytest.fixture(scope="module")
def face(bundled: TextToFace) -> Face:
    (drawn,) = bundled.draw(["a woman with brown hair"], [8], bundled.settings())
    return drawn


def test_the_model_has_sliders_for_what_it_draws(bundled: TextToFace) -> None:
    sliders = find_sliders(bundled)
    assert {"age", "smile", "glasses", "hair length"} <= {one.name for one in sliders}
    strengths = [one.strength for one in sliders]
    assert strengths == sorted(strengths, reverse=True)
    assert all(one.low < one.high for one in sliders)
    assert find_sliders(bundled) is sliders  # found once


@pytest.mark.parametrize("name", ["age", "smile", "glasses", "beard"])
def test_a_slider_moves_what_it_names(bundled: TextToFace, face: Face, name: str) -> None:
    low, high = (slide(bundled, face.latent, {name: end}) for end in (0.0, 1.0))
    (slider,) = (one for one in find_sliders(bundled) if one.name == name)
    seen = bundled.encoder.encode_image(bundled.decode(torch.stack([low, high]))).float()
    scores = (seen @ slider.axis).tolist()
    assert scores[1] - scores[0] > 0.5 * (slider.high - slider.low)  # in the pictures too
    assert positions(bundled, low)[name] < 0.15
    assert positions(bundled, high)[name] > 0.85
    others = {one: place for one, place in positions(bundled, high).items() if one != name}
    before = positions(bundled, face.latent)
    assert sum(abs(place - before[one]) for one, place in others.items()) / len(others) < 0.2


def test_where_it_stands_already_it_stays(bundled: TextToFace, face: Face) -> None:
    here = positions(bundled, face.latent)["age"]
    moved = slide(bundled, face.latent, {"age": here})
    assert (moved - face.latent).abs().max() < 0.02 * face.latent.abs().max()
    assert torch.equal(slide(bundled, face.latent, {}), face.latent)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"charm": 0.5}, "unknown slider 'charm'"), ({"age": 1.5}, "age is 1.5"), ({"age": -1}, "-1")],
)
def test_odd_values_are_refused(
    bundled: TextToFace, face: Face, values: dict[str, float], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        slide(bundled, face.latent, values)


def test_a_model_without_a_critic_has_none() -> None:
    pipe = tiny.make_pipe()
    (drawn,) = pipe.draw(["a man"], [1], pipe.settings())
    assert find_sliders(pipe) == ()
    assert positions(pipe, drawn.latent) == {}
    with pytest.raises(ArgumentError, match="no sliders"):
        slide(pipe, drawn.latent, {"age": 0.5})


def test_a_map_has_one_face_at_each_place(pipe: TextToFace) -> None:
    (drawn,) = pipe.draw(["a man"], [1], pipe.settings())
    middle = neighbour(pipe, drawn, 3, 0, 0)
    assert torch.allclose(middle.latent, drawn.latent, atol=1e-5)
    places = [(right, down) for right in (-1, 0, 1) for down in (-1, 0, 1)]
    faces = [neighbour(pipe, drawn, 3, *place) for place in places]
    assert len({tuple(face.latent.flatten().tolist()) for face in faces}) == 9
    again = neighbour(pipe, drawn, 3, 1, -1)
    assert torch.equal(again.latent, faces[places.index((1, -1))].latent)
    with pytest.raises(ArgumentError, match="amount"):
        neighbour(pipe, drawn, 3, 1, 0, amount=2)
