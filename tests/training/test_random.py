from __future__ import annotations

import torch

from text2face.training.random import Draws, permutation


def test_numbers_belong_to_their_item_whoever_draws_them() -> None:
    whole, part = Draws(3, 5, 0, 64), Draws(3, 5, 40, 24)
    for dim in (1, 7, 8, 129):
        assert torch.equal(whole.normal("z", dim)[40:], part.normal("z", dim))
        assert torch.equal(whole.uniform("t", dim)[40:], part.uniform("t", dim))


def test_seed_step_stream_and_item_each_matter() -> None:
    drawn = [
        Draws(0, 0, 0, 4).normal("z", 50),
        Draws(1, 0, 0, 4).normal("z", 50),
        Draws(0, 1, 0, 4).normal("z", 50),
        Draws(0, 0, 4, 4).normal("z", 50),
        Draws(0, 0, 0, 4).normal("code", 50),
    ]
    rows = torch.cat(drawn)
    assert len(rows.unique(dim=0)) == len(rows)
    assert torch.corrcoef(rows).fill_diagonal_(0).abs().max() < 0.6


def test_they_are_normal_and_uniform() -> None:
    drawn = Draws(0, 0, 0, 2000).normal("z", 50)
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1) < 0.01
    assert abs((drawn > 1.959964).float().mean() - 0.025) < 0.002
    flat = Draws(0, 0, 0, 2000).uniform("t", 50)
    assert flat.min() >= 0
    assert flat.max() < 1
    assert abs(flat.mean() - 0.5) < 0.005


def test_groups_are_those_of_the_whole_batch() -> None:
    whole = Draws(0, 0, 0, 100).groups(32)
    assert [items for _, items in whole] == [
        slice(0, 32), slice(32, 64), slice(64, 96), slice(96, 100)
    ]  # fmt: skip
    part = Draws(0, 0, 50, 50).groups(32)
    assert [items for _, items in part] == [slice(0, 14), slice(14, 46), slice(46, 50)]
    assert [draws for draws, _ in part] == [draws for draws, _ in whole[1:]]


def test_every_epoch_has_an_order_of_its_own() -> None:
    orders = [permutation(0, epoch, 100) for epoch in range(3)]
    assert all(sorted(order.tolist()) == list(range(100)) for order in orders)
    assert not torch.equal(orders[0], orders[1])
    assert torch.equal(permutation(0, 1, 100), orders[1])
