from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.errors import ArgumentError
from text2face.training.pseudo_text import (
    PseudoText,
    PseudoTextConfig,
    nearest_phrases,
    sample_near,
)
from text2face.training.random import Draws


def make_embeddings(count: int = 400) -> Tensor:
    values = torch.randn(count, 24, generator=torch.Generator().manual_seed(0))
    return F.normalize(values + 1, dim=1)


def random(count: int = 400) -> Draws:
    return Draws(seed=1, step=0, start=0, count=count)


def test_without_options_nothing_changes() -> None:
    embeddings = make_embeddings()
    torch.testing.assert_close(PseudoText(embeddings)(embeddings, random()), embeddings)


def test_noise_turns_by_at_most_its_angle() -> None:
    embeddings = make_embeddings()
    made = PseudoText(embeddings, PseudoTextConfig(noise=0.5))(embeddings, random())
    cosine = (made * embeddings).sum(dim=1)
    assert cosine.min() >= 0.85
    assert cosine.mean() < 0.999


def test_means_are_nearer_to_the_mean_of_all_and_still_near_their_item() -> None:
    embeddings = make_embeddings()
    made = PseudoText(embeddings, PseudoTextConfig(average=1.0))(embeddings, random())
    mean = F.normalize(embeddings.mean(dim=0), dim=0)
    assert (made @ mean).mean() > (embeddings @ mean).mean() + 0.02
    assert (made * embeddings).sum(dim=1).mean() > (made * embeddings.roll(1, 0)).sum(dim=1).mean()


def test_dropout_says_nothing() -> None:
    embeddings = make_embeddings()
    made = PseudoText(embeddings, PseudoTextConfig(dropout=0.5))(embeddings, random())
    silent = (made - F.normalize(embeddings.mean(dim=0), dim=0)).norm(dim=1) < 1e-5
    assert 0.4 < silent.float().mean() < 0.6


def test_it_is_repeatable_and_leaves_its_input() -> None:
    embeddings = make_embeddings()
    before = embeddings.clone()
    pseudo = PseudoText(embeddings, PseudoTextConfig(0.5, 0.5, 16, 0.1))
    assert torch.equal(pseudo(embeddings[:9], random(9)), pseudo(embeddings[:9], random(9)))
    assert torch.equal(embeddings, before)


def test_what_is_wrong_is_said() -> None:
    for bad in ({"noise": -1}, {"average": 1.5}, {"max_neighbours": 1}, {"dropout": -0.1}):
        with pytest.raises(ArgumentError, match=f"pseudo_text.{next(iter(bad))} is"):
            PseudoTextConfig(**bad)


def test_items_do_not_care_who_draws_them() -> None:
    embeddings = make_embeddings()
    pseudo = PseudoText(embeddings, PseudoTextConfig(0.5, 0.5, 16, 0.1))
    whole = pseudo(embeddings[:100], random(100))
    part = pseudo(embeddings[40:100], Draws(seed=1, step=0, start=40, count=60))
    torch.testing.assert_close(part, whole[40:])


def test_samples_near_an_image_are_as_far_as_asked() -> None:
    image = make_embeddings()[0]
    drawn = sample_near(image, 50, strength=1.0, seed=3)
    assert drawn.shape == (50, 24)
    assert abs((drawn @ image).mean() - 0.5**0.5) < 0.08
    assert torch.equal(drawn[:7], sample_near(image, 7, strength=1.0, seed=3))
    with pytest.raises(ArgumentError, match="count 0"):
        sample_near(image, 0)


def test_the_nearest_phrases_are_those_that_tell_it_apart() -> None:
    common = 3 * torch.ones(4)
    texts = torch.eye(4) + common
    found = nearest_phrases(torch.tensor([0.1, 0.9, 0.4, 0.0]), texts, ["a", "b", "c", "d"], 2)
    assert [phrase for phrase, _ in found] == ["b", "c"]
    assert found[0][1] > found[1][1]
    with pytest.raises(ArgumentError, match="at least two"):
        nearest_phrases(texts[0], texts[:1], ["a"])
