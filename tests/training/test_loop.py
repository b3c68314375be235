from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.errors import ArgumentError, CheckpointError
from text2face.samplers.cvae import CVAESampler, CVAESamplerConfig
from text2face.training.loop import Progress, TrainingConfig, evidence_bound, train_sampler
from text2face.training.pairs import Pairs
from text2face.training.pseudo_text import PseudoTextConfig

W_DIM, DIM = 12, 8


def make_pairs(count: int = 2000) -> Pairs:
    """Latents of which the embedding tells the first half."""
    random = torch.Generator().manual_seed(0)
    latents = 3 * torch.randn(count, W_DIM, generator=random) + 1
    known = latents[:, : W_DIM // 2] @ torch.randn(W_DIM // 2, DIM, generator=random)
    return Pairs(latents.half(), F.normalize(known + 2, dim=1).half())


def make_config(**changes: Any) -> CVAESamplerConfig:
    shape = {"embedding_dim": DIM, "w_dim": W_DIM, "num_ws": 3, "code_dim": 8, "width": 64}
    return CVAESamplerConfig(**{**shape, "depth": 2, **changes})


def make_training(steps: int, **changes: Any) -> TrainingConfig:
    options = {"minutes": None, "batch_size": 64, "bfloat16": False, "ema": 0.95}
    return TrainingConfig(steps=steps, **{**options, **changes})


def draw(sampler: CVAESampler, condition: Tensor) -> Tensor:
    random = torch.Generator().manual_seed(2)
    return sampler.sample(condition, torch.randn(len(condition), sampler.z_dim, generator=random))


@pytest.mark.parametrize("architecture", ["plain", "residual"])
def test_the_condition_decides_what_it_tells_and_z_the_rest(architecture: Any) -> None:
    pairs = make_pairs()
    config = make_config(architecture=architecture, residual_dim=4)
    sampler = train_sampler(pairs, config, make_training(400))
    embeddings = pairs.embeddings[:500].float()
    drawn = draw(sampler, embeddings)[:, 0]
    error = (drawn - pairs.latents[:500].float()).square().mean(dim=0) / 9
    # Two independent draws differ by 2 variances.
    assert error[: W_DIM // 2].mean() < 0.8
    assert error[W_DIM // 2 :].mean() > 1.2
    assert drawn[:, W_DIM // 2 :].std(dim=0).min() > 1.5


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    pairs, config = make_pairs(), make_config(residual_dim=2)
    options = {"pseudo_text": PseudoTextConfig(0.3, 0.5, 16, 0.1), "consistency": 1.0}
    training = make_training(12, **options)
    whole = train_sampler(pairs, config, training)

    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.step == 5:
            raise Stop

    checkpoint = tmp_path / "work" / "checkpoint.pt"
    with pytest.raises(Stop):
        train_sampler(pairs, config, training, checkpoint=checkpoint, on_step=stop)
    steps: list[int] = []
    resumed = train_sampler(
        pairs, config, training, checkpoint=checkpoint, on_step=lambda p: steps.append(p.step)
    )
    assert steps == list(range(6, 13))
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)


def test_consistency_brings_samples_nearer_to_their_condition() -> None:
    pairs = make_pairs()
    last: dict[float, float] = {}
    for weight in (1e-6, 5.0):
        seen: list[Progress] = []
        train_sampler(
            pairs, make_config(), make_training(150, consistency=weight), on_step=seen.append
        )
        last[weight] = sum(progress.miss for progress in seen[-20:])
    assert last[5.0] < last[1e-6]


def test_the_surrogate_learns_what_the_encoder_sees() -> None:
    pairs = make_pairs()
    sampler = train_sampler(pairs, make_config(), make_training(300))
    looks = sampler.estimate(pairs.latents[:500, None].float().expand(-1, 3, -1))
    seen = pairs.embeddings[:500].float()
    assert (looks * seen).sum(dim=1).mean() > 0.95
    assert (looks * seen.roll(1, 0)).sum(dim=1).mean() < 0.8


def test_the_time_is_kept(tmp_path: Path) -> None:
    seen: list[Progress] = []
    training = TrainingConfig(minutes=1 / 30, batch_size=16, bfloat16=True)
    train_sampler(make_pairs(200), make_config(), training, on_step=seen.append)
    assert seen[-1].share == 1
    assert len(seen) > 1


def test_the_evidence_bound_of_a_perfect_prior_is_the_error_alone() -> None:
    target = torch.randn(4000, 5)
    zeros = torch.zeros(4000, 3)
    loss, error, divergence = evidence_bound(target, torch.zeros_like(target), zeros, zeros)
    assert divergence == 0
    torch.testing.assert_close(loss, 0.5 * torch.log(error), atol=1e-4, rtol=0)
    loss_with_code, _, nats = evidence_bound(target, torch.zeros_like(target), zeros + 1, zeros)
    torch.testing.assert_close(nats, torch.tensor(1.5))
    torch.testing.assert_close(loss_with_code - loss, torch.tensor(1.5 / 5))
    free, _, _ = evidence_bound(target, zeros[:, :1].expand(-1, 5), zeros + 1, zeros, free_bits=0.5)
    torch.testing.assert_close(free, loss_with_code)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    pairs = make_pairs(100)
    with pytest.raises(ArgumentError, match="expected the same"):
        train_sampler(pairs, make_config(w_dim=10), make_training(1))
    with pytest.raises(ArgumentError, match="neither steps nor minutes"):
        TrainingConfig(minutes=None)
    with pytest.raises(ArgumentError, match="bad training"):
        make_training(1, batch_size=0)
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="cannot resume"):
        train_sampler(pairs, make_config(), make_training(1), checkpoint=checkpoint)
    checkpoint.unlink()
    train_sampler(pairs, make_config(), make_training(1), checkpoint=checkpoint)
    with pytest.raises(CheckpointError, match="another sampler"):
        train_sampler(pairs, make_config(width=32), make_training(2), checkpoint=checkpoint)
