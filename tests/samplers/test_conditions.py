from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.errors import ArgumentError
from text2face.registry import names
from text2face.samplers.conditions import ConditionBank, make_condition

DIM = 32


def make_bank(size: int = 300) -> ConditionBank:
    random = torch.Generator().manual_seed(0)
    offset = 2 * torch.randn(DIM, generator=random) / DIM**0.5
    images = F.normalize(torch.randn(size, DIM, generator=random) / DIM**0.5 + offset, dim=1)
    return ConditionBank(images, images.mean(dim=0), -images.mean(dim=0))


def make_texts(count: int = 3) -> Tensor:
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", [*names("condition"), "shift+neighbours+pull"])
def test_every_item_depends_on_its_own_seed_alone(name: str) -> None:
    bank, texts = make_bank(), make_texts()
    together = make_condition(name, texts, bank=bank, seeds=[4, 5, 6])
    alone = make_condition(name, texts[1:2], bank=bank, seeds=[5])
    assert together.shape == (3, DIM)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(together[1:2], alone)


@pytest.mark.parametrize("name", ["noise", "neighbours", "draw"])
def test_several_draws_of_an_item_differ_and_begin_as_one_does(name: str) -> None:
    bank, texts = make_bank(), make_texts(2)
    one = make_condition(name, texts, bank=bank, seeds=[7, 8])
    three = make_condition(name, texts, bank=bank, seeds=[7, 8], draws=3)
    assert three.shape == (6, DIM)
    torch.testing.assert_close(three[::3], one)
    assert not torch.allclose(three[0], three[1])


@pytest.mark.parametrize("name", ["noise", "neighbours", "draw"])
def test_other_seeds_give_other_conditions(name: str) -> None:
    one, two = make_condition(name, make_texts(1)[0], bank=make_bank(), seeds=[0, 1])
    assert not torch.allclose(one, two)


def test_text_is_the_normalised_embedding() -> None:
    texts = make_texts()
    got = make_condition("text", texts, bank=None, seeds=[0, 1, 2])
    torch.testing.assert_close(got, F.normalize(texts, dim=1))


def test_shift_moves_the_mean_of_texts_to_the_mean_of_images() -> None:
    bank = make_bank()
    got = make_condition("shift", bank.text_mean[None], bank=bank, seeds=[0])
    # The means are shorter than 1, so that the normalised text is beyond its mean.
    assert F.cosine_similarity(got, bank.image_mean[None]).item() > 0.7


def test_neighbours_are_convex_sums_of_images_near_the_text() -> None:
    bank = make_bank()
    text = bank.embeddings[:1]
    got = make_condition("neighbours", text.expand(20, -1), bank=bank, seeds=range(20))
    assert (got @ text.T).mean() > (bank.embeddings @ text.T).mean()
    nearest = (text @ bank.embeddings.T).topk(50).indices[0]
    weights = torch.linalg.lstsq(bank.embeddings[nearest].T[None], got[:1, :, None]).solution
    assert torch.dist(bank.embeddings[nearest].T @ weights[0], got[0][:, None]) < 1e-3


def test_draw_returns_an_image_of_the_bank() -> None:
    bank = make_bank()
    got = make_condition("draw", make_texts(1), bank=bank, seeds=[3])
    torch.testing.assert_close((got @ bank.embeddings.T).max(), torch.tensor(1.0))


@pytest.mark.parametrize("first", [0, 7, 2**32 - 64])
def test_draw_spreads_its_choices_over_seeds_in_a_row(first: int) -> None:
    images = torch.eye(DIM)[:8]
    bank = ConditionBank(images, images.mean(dim=0), images.mean(dim=0))
    text = torch.ones(64, DIM)  # as near to each of the eight
    drawn = make_condition("draw", text, bank=bank, seeds=range(first, first + 64)).argmax(dim=1)
    assert drawn.bincount(minlength=8).tolist() == pytest.approx([8] * 8, abs=1)
    assert all(len(set(four.tolist())) == 4 for four in drawn.unfold(0, 4, 1))


def test_seeds_in_a_row_share_no_image_among_several_draws() -> None:
    bank = ConditionBank(torch.eye(DIM), torch.zeros(DIM), torch.zeros(DIM))
    got = make_condition("draw", torch.ones(8, DIM), bank=bank, seeds=range(8), draws=4)
    drawn = [set(some.tolist()) for some in got.argmax(dim=1).view(8, 4)]
    for first in range(5):
        assert len(set.union(*drawn[first : first + 4])) == sum(map(len, drawn[first : first + 4]))


def test_draw_gives_no_image_more_than_an_eighth() -> None:
    bank = ConditionBank(torch.eye(DIM), torch.zeros(DIM), torch.zeros(DIM))
    text = torch.eye(DIM)[:1] + torch.eye(DIM)[1:2] / 2  # 1 and 2 are far nearer than others
    drawn = make_condition("draw", text.expand(64, -1), bank=bank, seeds=range(64)).argmax(dim=1)
    counts = drawn.bincount(minlength=DIM)
    assert counts[:2].tolist() == pytest.approx([8, 8], abs=1)
    assert (counts[2:] <= 3).all()


def test_four_seeds_in_a_row_share_no_image_however_near_it_is() -> None:
    bank = make_bank()
    text = bank.embeddings[:1]
    got = make_condition("draw", text.expand(40, -1), bank=bank, seeds=range(5, 45), draws=8)
    drawn = [set(some.tolist()) for some in (got @ bank.embeddings.T).argmax(dim=1).view(40, 8)]
    for first in range(37):
        four = drawn[first : first + 4]
        assert len(set.union(*four)) == sum(map(len, four))
    assert any(0 in some for some in drawn)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_draw_does_with_fewer_images_than_seeds(size: int) -> None:
    got = make_condition("draw", make_texts(1)[0], bank=make_bank(size), seeds=range(8))
    assert got.isfinite().all()
    assert len(got.unique(dim=0)) == size


def test_pull_reaches_the_cosine_of_the_nearest_images() -> None:
    bank, texts = make_bank(), make_texts(8)
    seeds = range(8)
    before = make_condition("neighbours", texts, bank=bank, seeds=seeds)
    after = make_condition("neighbours+pull", texts, bank=bank, seeds=seeds)
    text = F.normalize(texts, dim=1)
    wanted = (text @ bank.embeddings.T).topk(10, dim=1).values[:, -1]
    near = (after * text).sum(dim=1)
    assert (near >= wanted - 1e-4).all()
    assert (near >= (before * text).sum(dim=1) - 1e-5).all()


def test_small_banks_do() -> None:
    got = make_condition("neighbours+pull", make_texts(1), bank=make_bank(2), seeds=[0])
    assert got.isfinite().all()


def test_what_is_wrong_is_said() -> None:
    texts = make_texts()
    with pytest.raises(ArgumentError, match="unknown condition 'nonsense'"):
        make_condition("shift+nonsense", texts, bank=make_bank(), seeds=[0, 1, 2])
    with pytest.raises(ArgumentError, match="needs a bank"):
        make_condition("shift", texts, bank=None, seeds=[0, 1, 2])
    with pytest.raises(ArgumentError, match=r"expected \[2, D\]"):
        make_condition("text", texts, bank=None, seeds=[0, 1])
