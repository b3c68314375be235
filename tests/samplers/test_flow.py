from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from text2face.errors import ArgumentError
from text2face.samplers.base import LatentCritic, LatentSampler
from text2face.samplers.flow import FlowSampler, FlowSamplerConfig

SMALL: dict[str, Any] = {"embedding_dim": 8, "w_dim": 12, "num_ws": 4, "width": 16, "depth": 2}


def make_sampler(**changes: Any) -> FlowSampler:
    torch.manual_seed(0)
    return FlowSampler(FlowSamplerConfig(**{**SMALL, "surrogate_width": 16, **changes})).eval()


@pytest.mark.parametrize("schedule", ["flow", "diffusion"])
@pytest.mark.parametrize("layer_groups", [(), (1, 3)])
def test_it_draws_latents_of_the_right_shape(schedule: str, layer_groups: tuple[int, ...]) -> None:
    sampler = make_sampler(schedule=schedule, layer_groups=layer_groups, guidance=2.0)
    assert isinstance(sampler, LatentSampler)
    assert isinstance(sampler, LatentCritic)
    w = sampler.sample(torch.randn(5, 8), torch.randn(5, sampler.z_dim))
    assert w.shape == (5, 4, 12)
    assert torch.equal(w[:, 1], w[:, 3])
    assert torch.equal(w[:, 0], w[:, 1]) == (not layer_groups)
    assert sampler.estimate(w).shape == (5, 8)


def test_z_decides_and_only_the_direction_of_the_condition_counts() -> None:
    sampler, condition, z = make_sampler(), torch.randn(2, 8), torch.randn(2, 12)
    drawn = sampler.sample(condition, z)
    torch.testing.assert_close(drawn, sampler.sample(7 * condition, z))
    torch.testing.assert_close(drawn[1:], sampler.sample(condition[1:], z[1:]))


@pytest.mark.parametrize("schedule", ["flow", "diffusion"])
def test_with_the_true_prediction_one_step_and_many_reach_the_data(schedule: str) -> None:
    sampler = make_sampler(schedule=schedule)
    data, z = torch.randn(3, 12), torch.randn(3, 12)
    target = sampler.target(data, z)
    sampler.predict = lambda x, time, condition, known: target  # type: ignore[method-assign]
    for steps in (1, 4, 9):
        reached = sampler.follow(z, torch.zeros(3, 8), steps)
        torch.testing.assert_close(reached, data, rtol=1e-2, atol=1e-2)


def test_blends_go_from_noise_to_data() -> None:
    for schedule in ("flow", "diffusion"):
        sampler, data, z = make_sampler(schedule=schedule), torch.randn(3, 12), torch.randn(3, 12)
        torch.testing.assert_close(sampler.blend(data, z, torch.zeros(3, 1)), z)
        torch.testing.assert_close(sampler.blend(data, z, torch.ones(3, 1)), data)


def test_a_latent_has_a_z_that_draws_it_again() -> None:
    sampler = make_sampler(steps=64)
    condition, z = torch.randn(3, 8), torch.randn(3, 12)
    w = sampler.sample(condition, z)
    mean, log_variance = sampler.infer(w, condition)
    assert log_variance.max() < -10
    again = sampler.sample(condition, mean)
    with pytest.raises(ArgumentError, match="cannot be followed backwards"):
        make_sampler(schedule="diffusion").infer(w, condition)
    assert (again - w).norm() < 0.2 * (w - sampler.sample(condition, torch.randn(3, 12))).norm()


def test_guidance_of_zero_ignores_the_condition() -> None:
    sampler, z = make_sampler(guidance=0.0), torch.randn(2, 12)
    a, b = sampler.sample(torch.randn(2, 8), z), sampler.sample(torch.randn(2, 8), z)
    torch.testing.assert_close(a, b)


def test_it_survives_the_disk(tmp_path: Path) -> None:
    sampler = make_sampler(layer_groups=(1, 3), guidance=1.5)
    sampler.latent_mean.normal_()
    sampler.save_pretrained(tmp_path)
    loaded = FlowSampler.from_pretrained(tmp_path)
    assert loaded.config == sampler.config
    condition, z = torch.randn(2, 8), torch.randn(2, 24)
    torch.testing.assert_close(
        loaded.sample(condition, z), sampler.sample(condition, z), rtol=0.02, atol=0.02
    )


def test_what_is_wrong_is_said() -> None:
    sampler = make_sampler()
    with pytest.raises(ArgumentError, match=r"expected \[N, 8\] and \[N, 12\]"):
        sampler.sample(torch.randn(2, 8), torch.randn(2, 7))
    for changes in (
        {"depth": 0},
        {"layer_groups": (1, 2)},
        {"schedule": "walk"},
        {"steps": 0},
        {"guidance": -1.0},
    ):
        with pytest.raises(ArgumentError, match="bad "):
            dataclasses.replace(sampler.config, **changes)
