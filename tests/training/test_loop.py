from __future__ import annotations

import dataclasses
import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from tests.tiny import TinyConfig, TinyEncoder, TinyGenerator
from text2face.errors import ArgumentError, CheckpointError, TrainingError
from text2face.samplers.cvae import CVAESampler
from text2face.training import PRESETS, Pairs, Progress, TrainingConfig, loop, preset, train
from text2face.training.loop import Trainer
from text2face.training.pseudo_text import PseudoTextConfig

W_DIM, DIM = 12, 8
SMALL: dict[str, Any] = {"width": 64, "depth": 2, "surrogate_width": 64}
OPTIONS: dict[str, Any] = {"batch_size": 64, "bfloat16": False, "ema": 0.95}


def make_pairs(count: int = 2000) -> Pairs:
    """Latents of which the embedding tells the first half."""
    random = torch.Generator().manual_seed(0)
    latents = 3 * torch.randn(count, W_DIM, generator=random) + 1
    known = latents[:, : W_DIM // 2] @ torch.randn(W_DIM // 2, DIM, generator=random)
    return Pairs(latents.half(), F.normalize(known + 2, dim=1).half(), num_ws=3)


def make_config(name: str, steps: int | None, **changes: Any) -> TrainingConfig:
    shape = {**SMALL, **changes.pop("shape", {})}
    if PRESETS[name].objective == "bound":
        shape |= {"code_dim": 8}
    return preset(name, **{**OPTIONS, "steps": steps, "shape": shape, **changes})


def run(config: TrainingConfig, pairs: Pairs, out: Path | None = None, **options: Any) -> Any:
    return train(config, None, None, pairs, out, **options)


def draw(sampler: Any, condition: Tensor) -> Tensor:
    random = torch.Generator().manual_seed(2)
    return sampler.sample(condition, torch.randn(len(condition), sampler.z_dim, generator=random))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("compact", {"architecture": "plain"}),
        ("compact", {}),
        ("flow", {}),
        ("diffusion", {"guidance": 1.0, "steps": 8}),
    ],
)
def test_the_condition_decides_what_it_tells_and_z_the_rest(
    name: str, shape: dict[str, Any]
) -> None:
    pairs = make_pairs()
    config = make_config(name, 300, shape=shape, pseudo_text=PseudoTextConfig())
    sampler = run(config, pairs)
    embeddings = pairs.embeddings[:500].float()
    drawn = draw(sampler, embeddings)[:, 0]
    error = (drawn - pairs.latents[:500].float()).square().mean(dim=0) / 9
    # Two independent draws differ by 2 variances.
    assert error[: W_DIM // 2].mean() < 0.8
    assert error[W_DIM // 2 :].mean() > 1.2
    assert drawn[:, W_DIM // 2 :].std(dim=0).min() > 1.5


@pytest.mark.parametrize("name", ["compact", "flow"])
def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, name: str
) -> None:
    pairs = make_pairs(100)
    noise = PseudoTextConfig(0.3, 0.5, 16, 0.1)
    config = make_config(name, 12, pseudo_text=noise, batch_size=32)
    whole = run(config, pairs, tmp_path / "whole", log_every=1)

    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.step == 7:
            raise Stop

    out = tmp_path / "run"
    with pytest.raises(Stop):
        run(config, pairs, out, save_minutes=1e-9, log_every=1, on_step=stop)
    steps: list[int] = []
    resumed = run(config, pairs, out, log_every=1, on_step=lambda p: steps.append(p.step))
    assert steps == list(range(7, 13))
    for name_, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name_], tensor)
    logs = [
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (tmp_path / "whole", out)
    ]
    assert [line["step"] for line in logs[1]] == list(range(1, 13))
    assert [line["loss"] for line in logs[0]] == [line["loss"] for line in logs[1]]
    assert not next(
        iter(run(config, pairs, out, on_step=lambda p: pytest.fail("done")).parameters())
    ).requires_grad


@pytest.mark.parametrize(("name", "items"), [("compact", None), ("flow", 16)])
def test_consistency_brings_samples_nearer_to_their_condition(name: str, items: int | None) -> None:
    pairs, last = make_pairs(), {}
    for weight in (1e-6, 5.0):
        seen: list[Progress] = []
        config = make_config(
            name, 150, consistency=weight, consistency_from=0.0, consistency_batch=items
        )
        run(config, pairs, on_step=seen.append)
        last[weight] = sum(progress.parts["miss"] for progress in seen[-20:])
    assert last[5.0] < last[1e-6]


def test_the_surrogate_learns_what_the_encoder_sees() -> None:
    pairs = make_pairs()
    sampler = run(make_config("compact", 300, consistency=0.0), pairs)
    looks = sampler.estimate(pairs.codes(slice(0, 500), 3))
    seen = pairs.embeddings[:500].float()
    assert (looks * seen).sum(dim=1).mean() > 0.95
    assert (looks * seen.roll(1, 0)).sum(dim=1).mean() < 0.8


def test_the_outline_learns_latents_as_they_are() -> None:
    pairs = make_pairs()
    config = preset("cvae-latent", steps=200, learning_rate=5e-3, shape={"width": 64})
    seen: list[Progress] = []
    sampler = run(config, pairs, on_step=seen.append)
    assert isinstance(sampler, CVAESampler)
    assert sampler.config.architecture == "outline"
    assert torch.equal(sampler.latent_std, torch.ones_like(sampler.latent_std))
    assert seen[-1].parts["error"] < 0.6 * seen[0].parts["error"]


@pytest.mark.parametrize("name", ["cvae", "cvae-w+"])
def test_the_papers_cvae_learns_through_generator_and_encoder(name: str) -> None:
    generator = TinyGenerator(TinyConfig(num_ws=10))
    encoder = TinyEncoder(TinyConfig(num_ws=10))
    latents = generator.map(torch.randn(64, 6))[:, 0]
    images = generator.synthesize(latents[:, None].expand(-1, 10, -1)).clamp(-1, 1)
    embeddings = F.normalize(encoder.encode_image(images), dim=1)
    pixels = ((images + 1) * 127.5).round().to(torch.uint8)
    for pairs in (Pairs(latents, embeddings, num_ws=10), Pairs(None, embeddings, pixels)):
        seen: list[Progress] = []
        config = preset(name, steps=40, learning_rate=3e-3)
        sampler = train(
            config,
            generator,
            encoder,
            pairs,
            features=lambda a, b: (a - b).abs().flatten(1).mean(dim=1),
            on_step=seen.append,
        )
        assert seen[-1].loss < seen[0].loss
        assert seen[0].parts.keys() == {"features", "miss", "norm", "kl", "gradient"}
        assert sampler.sample(embeddings[:3], torch.randn(3, sampler.z_dim)).shape == (3, 10, 12)
        assert not torch.equal(sampler.posterior.image[1].running_mean, torch.zeros(32))


def test_consistency_through_the_generator_comes_last() -> None:
    generator, encoder = TinyGenerator(), TinyEncoder()
    latents = generator.map(torch.randn(64, 6))
    embeddings = F.normalize(encoder.encode_image(generator.synthesize(latents)), dim=1)
    pairs = Pairs(latents[:, 0], embeddings, num_ws=4)
    seen: list[Progress] = []
    config = make_config("flow", 10, generator_consistency=1.0, generator_from=0.5, batch_size=16)
    train(config, generator, encoder, pairs, on_step=seen.append)
    assert ["generator_miss" in progress.parts for progress in seen] == [False] * 5 + [True] * 5
    with pytest.raises(ArgumentError, match="needs the generator and the encoder"):
        run(config, pairs)


def test_mixed_latents_have_a_code_for_each_group() -> None:
    latents = torch.randn(200, 3, W_DIM).half()
    pairs = Pairs(latents, F.normalize(torch.randn(200, DIM), dim=1), num_ws=3, layer_groups=(1, 2))
    sampler = run(make_config("flow", 3), pairs)
    assert sampler.config.layer_groups == (1, 2)
    assert sampler.z_dim == 2 * W_DIM


def test_every_item_is_taken_once_in_an_epoch() -> None:
    trainer = Trainer(make_config("compact", 10, batch_size=32), make_pairs(64))
    rows = []
    for trainer.step in range(4):
        rows.append(trainer.rows())
    assert sorted(torch.cat(rows[:2]).tolist()) == list(range(64))
    assert sorted(torch.cat(rows[2:]).tolist()) == list(range(64))
    assert not torch.equal(rows[0], rows[2])


def test_the_time_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(0, 0.1)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    seen: list[Progress] = []
    config = make_config("compact", None, batch_size=16, bfloat16=True, minutes=1 / 60)
    run(config, make_pairs(200), on_step=seen.append)
    assert seen[-1].share == 1
    # A second is the whole: a step takes a tenth of it, and what lies between two steps another.
    assert [round(progress.share, 1) for progress in seen[:3]] == [0.1, 0.3, 0.5]
    assert len(seen) == 6


def test_what_is_not_finite_stops_the_training_and_saves_the_batch(tmp_path: Path) -> None:
    pairs = make_pairs(100)
    pairs.latents[17] = float("nan")
    with pytest.raises(TrainingError, match=r"diverged at step 0.*failed-step000000-rank0"):
        run(make_config("compact", 5, batch_size=100), pairs, tmp_path)
    kept = load_file(tmp_path / "failed-step000000-rank0.safetensors")
    assert 17 in kept["rows"].tolist()
    assert kept["latents"].shape == (100, 3, W_DIM)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    pairs, config = make_pairs(100), make_config("compact", 1)
    with pytest.raises(ArgumentError, match="neither steps nor minutes"):
        run(preset("compact"), pairs)
    with pytest.raises(ArgumentError, match=r"expected \(8, 3, 12\) from the pairs"):
        run(make_config("compact", 1, shape={"w_dim": 10}), pairs)
    with pytest.raises(ArgumentError, match="has no 'colour'"):
        run(make_config("compact", 1, shape={"colour": 10}), pairs)
    with pytest.raises(ArgumentError, match="the generator's"):
        train(config, TinyGenerator(), None, pairs)
    with pytest.raises(ArgumentError, match="hold no latents"):
        run(config, Pairs(None, pairs.embeddings, torch.zeros(100, 3, 8, 8), num_ws=3))
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="cannot resume"):
        run(config, pairs, tmp_path)
    checkpoint.unlink()
    run(config, pairs, tmp_path)
    with pytest.raises(CheckpointError, match="another training: its config"):
        run(make_config("compact", 2), pairs, tmp_path)
    other = dataclasses.replace(pairs, series={"generator": "another"})
    with pytest.raises(CheckpointError, match="another training: its pairs"):
        run(config, other, tmp_path)
