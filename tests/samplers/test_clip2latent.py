from __future__ import annotations

from typing import Any

import pytest
import torch

from text2face.errors import ArgumentError
from text2face.samplers.base import LatentSampler
from text2face.samplers.clip2latent import Clip2LatentConfig, Clip2LatentSampler
from text2face.samplers.clip2latent_network import PriorNetwork, default_skip
from text2face.samplers.conditions import ConditionBank

SMALL: dict[str, Any] = {
    "embedding_dim": 12,
    "num_latents": 2,
    "latent_repeats": (4, 6),
    "timesteps": 20,
    "time_rows": 20,
    "depth": 2,
    "heads": 2,
    "head_dim": 8,
    "rotary_dim": 8,
    "hidden_dim": 16,
    "skip": 5,
}


def make_sampler(**changes: Any) -> Clip2LatentSampler:
    torch.manual_seed(0)
    sampler = Clip2LatentSampler(Clip2LatentConfig(**{**SMALL, **changes}))
    return sampler.eval().requires_grad_(False)


def test_it_is_a_sampler_like_any_other() -> None:
    sampler = make_sampler()
    assert isinstance(sampler, LatentSampler)
    assert (sampler.z_dim, sampler.num_ws, sampler.w_dim) == (4 * 2 * 12, 10, 12)
    condition, z = torch.randn(3, 12), torch.randn(3, sampler.z_dim)
    w = sampler.sample(condition, z)
    assert w.shape == (3, 10, 12)
    assert torch.equal(w[:, :1].expand(-1, 4, -1), w[:, :4])
    assert torch.equal(w[:, 4:5].expand(-1, 6, -1), w[:, 4:])
    assert not torch.equal(w[:, 0], w[:, 4])
    torch.testing.assert_close(sampler.sample(3 * condition, z), w)
    torch.testing.assert_close(sampler.sample(condition[1:2], z[1:2]), w[1:2])


def test_sample_is_sample_from_with_the_noise_in_a_row() -> None:
    sampler = make_sampler(embedding_norm=7.0, guidance=3.0)
    condition, z = torch.randn(3, 12), torch.randn(3, sampler.z_dim)
    noise = torch.cat([z.view(3, 4, 2, 12).transpose(0, 1), torch.randn(1, 3, 2, 12)])
    text = 7 * torch.nn.functional.normalize(condition)
    wanted = sampler.sample_from(text, noise, skip=5, guidance=3.0)
    assert torch.equal(sampler.sample(condition, z), wanted)
    # What is drawn at the last step is not used.
    noise[-1] = 0
    assert torch.equal(sampler.sample_from(text, noise, skip=5, guidance=3.0), wanted)
    assert not torch.equal(sampler.sample_from(text, noise, skip=5, guidance=1.0), wanted)


def test_what_is_given_is_left_as_it_was() -> None:
    sampler = make_sampler(text_scale=2.0)
    text, noise = torch.randn(3, 12), torch.randn(5, 3, 2, 12)
    before = (text.clone(), noise.clone())
    one, two = (sampler.sample_from(text, noise, skip=5) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(text, before[0])
    assert torch.equal(noise, before[1])


def test_one_latent_may_have_its_own_axis_or_none() -> None:
    sampler = make_sampler(num_latents=1, latent_repeats=(10,))
    text, noise = torch.randn(3, 12), torch.randn(5, 3, 12)
    flat = sampler.sample_from(text, noise, skip=5)
    assert torch.equal(sampler.sample_from(text, noise[:, :, None], skip=5), flat)


def test_far_tokens_share_buckets() -> None:
    network = PriorNetwork(Clip2LatentConfig(**SMALL))
    with torch.no_grad():
        network.positions[:] = torch.arange(32.0)[:, None]
    buckets = network.bias(200)[0, :, 0].long().tolist()  # the learned key is the farthest
    assert buckets[:16] == list(range(16))
    far = [16, 16, 16, 17, 17, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 21, 21, 21, 21, 22]
    assert buckets[16:41] == [*far, 22, 22, 22, 22, 23]
    assert set(buckets[128:]) == {31}


def test_truncation_pulls_towards_the_own_mean() -> None:
    sampler = make_sampler()
    sampler.latent_mean.normal_()
    text, noise = torch.randn(2, 12), torch.randn(5, 2, 2, 12)
    full, half, none = (sampler.sample_from(text, noise, 5, 2.0, psi) for psi in (1.0, 0.5, 0.0))
    mean = sampler.latent_mean.repeat_interleave(torch.tensor([4, 6]), dim=0).expand(2, -1, -1)
    torch.testing.assert_close(none, mean)
    torch.testing.assert_close(half, (full + mean) / 2)
    assert torch.equal(sampler.sample_from(text, noise, 5, 2.0, 1.5), full)
    without = make_sampler(standardised=False)
    with pytest.raises(ArgumentError, match=r"truncation is 0\.5, expected 1"):
        without.sample_from(text, noise, 5, 2.0, 0.5)


@pytest.mark.parametrize(
    ("timesteps", "skip"), [(1000, 250), (60, 15), (30, 6), (7, 1), (3, 1), (1, 1), (50, 10)]
)
def test_the_usual_skip_takes_four_steps_or_a_few_more(timesteps: int, skip: int) -> None:
    assert default_skip(timesteps) == skip


@pytest.mark.parametrize("skip", [0, -5, 3, 21, 2.0, True])
def test_a_skip_that_does_not_divide_the_schedule_is_refused(skip: Any) -> None:
    with pytest.raises(ArgumentError, match=r"expected a divisor of the schedule's 20 times, such"):
        make_sampler().sample_from(torch.zeros(1, 12), torch.zeros(5, 1, 2, 12), skip)
    with pytest.raises(ArgumentError, match="divisor"):
        Clip2LatentConfig(**{**SMALL, "skip": skip})


@pytest.mark.parametrize(
    ("text", "noise"), [((2, 12), (4, 2, 2, 12)), ((2, 11), (5, 2, 2, 12)), ((2, 12), (5, 2, 12))]
)
def test_shapes_that_do_not_fit_are_refused(text: Any, noise: Any) -> None:
    with pytest.raises(ArgumentError, match=r"expected \[B, 12\] and \[5, B, 2, 12\]"):
        make_sampler().sample_from(torch.zeros(text), torch.zeros(noise), 5)
    with pytest.raises(ArgumentError, match=r"expected \[N, 12\] and \[N, 96\]"):
        make_sampler().sample(torch.zeros(2, 12), torch.zeros(2, 95))


@pytest.mark.parametrize(
    "changes",
    [
        {"heads": 0},
        {"embedding_dim": 10**6},
        {"rotary_dim": 7},
        {"rotary_dim": 16},
        {"time_rows": 19},
        {"latent_repeats": (4,)},
        {"latent_repeats": (4, 0)},
        {"text_scale": 0.0},
        {"embedding_norm": float("inf")},
        {"guidance": float("nan")},
        {"guidance": 2.0, "guidable": False},
        {"bank_size": -1},
    ],
)
def test_configurations_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="expected"):
        Clip2LatentConfig(**{**SMALL, **changes})


def test_it_can_carry_a_bank() -> None:
    sampler = make_sampler()
    assert sampler.bank is None
    bank = ConditionBank(torch.randn(9, 12), torch.randn(12), torch.randn(12))
    carried = sampler.with_bank(bank)
    assert carried.bank is not None
    z = torch.randn(2, sampler.z_dim)
    assert torch.equal(carried.sample(torch.ones(2, 12), z), sampler.sample(torch.ones(2, 12), z))
