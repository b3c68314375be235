from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from recipes.generator.latents import Parameters
from recipes.generator.refine import Refiner
from recipes.generator.train import Faces, new_generator
from tests.recipes.generator.test_train import perception
from text2face.generators.stylegan2 import StyleGAN2
from text2face.samplers.cvae import CVAESampler, CVAESamplerConfig


def test_refinement_changes_the_synthesis_network_only_and_resumes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = new_generator()
    images = np.random.default_rng(0).integers(0, 255, (8, 128, 128, 3)).astype(np.uint8)
    faces = Faces(images, torch.randn(8, 30), batch=4)
    embedding = Parameters(30, generator.w_dim).requires_grad_(False)
    refiner = Refiner(faces, tmp_path, 16, perception(), generator, embedding, 1e-3)
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    numbers = []
    while now := refiner.stage():
        numbers.append(refiner.train_step(now))
    assert len(numbers) == 4
    assert all(np.isfinite(list(line.values())).all() for line in numbers)
    same = {k for k, v in generator.state_dict().items() if torch.equal(v, before[k])}
    assert {name for name in before if name.startswith("mapping.")} <= same
    assert "synthesis.const" not in same
    refiner.save()
    again = Refiner(faces, tmp_path, 16, perception(), new_generator(), embedding, 1e-3)
    again.resume()
    assert again.stage() is None
    for kind, critic in refiner.critics.items():
        for name, value in critic.state_dict().items():
            assert torch.equal(again.critics[kind].state_dict()[name], value)
    again.keep(tmp_path / "model")
    kept = StyleGAN2.from_pretrained(tmp_path / "model").synthesis.const
    torch.testing.assert_close(kept, refiner.average["synthesis.const"], rtol=1e-3, atol=1e-3)


def test_latents_of_the_sampler_are_judged_as_well(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sampler = CVAESampler(CVAESamplerConfig(width=16, code_dim=8, bank_size=5))
    sampler.bank_embeddings.normal_()
    images = np.zeros((8, 128, 128, 3), np.uint8)
    faces = Faces(images, torch.randn(8, 30), batch=4)
    alone, both = (
        Refiner(
            faces, tmp_path, 16, perception(), new_generator(), Parameters(30, 512), 1e-3, given
        )
        for given in (None, sampler)
    )
    both.generator.load_state_dict(alone.generator.state_dict())
    assert alone.blends(6).shape == both.blends(6).shape == (6, 512)
    drawn = both.sampled(sampler, 4, torch.Generator().manual_seed(0))
    assert drawn.shape == (4, 512)
    assert not torch.equal(alone.blends(6), both.blends(6))
    assert np.isfinite(list(both.train_step(both.stages[0]).values())).all()
