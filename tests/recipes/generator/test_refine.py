from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from recipes.faces.identity import identity
from recipes.faces.parameters import parameters
from recipes.generator.mapping import normals
from recipes.generator.refine import Refiner, known
from recipes.generator.train import Faces, new_generator
from tests.recipes.generator.test_train import perception
from text2face.generators.stylegan2 import StyleGAN2


def test_refinement_changes_all_but_the_steps_and_resumes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = new_generator()
    images = np.random.default_rng(0).integers(0, 255, (8, 128, 128, 3)).astype(np.uint8)
    faces = Faces(images, torch.randn(8, generator.z_dim), batch=4)
    refiner = Refiner(faces, tmp_path, 16, perception(), generator, 1e-3)
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    numbers = []
    while now := refiner.stage():
        numbers.append(refiner.train_step(now))
    assert len(numbers) == 4
    assert all(np.isfinite(list(line.values())).all() for line in numbers)
    same = {k for k, v in generator.state_dict().items() if torch.equal(v, before[k])}
    assert {"mapping.layers.0.weight", "mapping.layers.1.weight"} <= same
    assert not {"mapping.layers.2.weight", "synthesis.const"} & same
    refiner.save()
    again = Refiner(faces, tmp_path, 16, perception(), new_generator(), 1e-3)
    again.resume()
    assert again.stage() is None
    for name, value in refiner.adversary.state_dict().items():
        assert torch.equal(again.adversary.state_dict()[name], value)
    again.keep(tmp_path / "model")
    kept = StyleGAN2.from_pretrained(tmp_path / "model").synthesis.const
    torch.testing.assert_close(kept, refiner.average["synthesis.const"], rtol=1e-3, atol=1e-3)


def test_faces_whose_choices_hang_on_the_length_of_z_are_left_out() -> None:
    rows = np.stack([parameters(identity(i, seed=3)) for i in range(40)]).astype(np.float32)
    rows[7, 0] += 1  # as if another choice had been made
    same, z = known(rows, 3, jobs=1)
    assert 7 not in same
    assert len(same) > 20
    torch.testing.assert_close(z, normals(40, seed=3)[same].float())
