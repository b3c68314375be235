from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from recipes.faces.identity import identity
from recipes.faces.parameters import names, parameters
from recipes.generator.grow import Balanced, Grower, grown, rarity
from recipes.generator.known import Known
from recipes.generator.windows import Window
from tests.recipes.generator.test_train import perception
from text2face.generators.layers import upsample
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config


def small() -> StyleGAN2:
    torch.manual_seed(0)
    return StyleGAN2(StyleGAN2Config(img_resolution=64, channels=(8, 8, 8, 8, 8), z_dim=16))


def test_a_grown_generator_draws_the_same_faces_larger() -> None:
    generator = small()
    larger = grown(generator, channels=4)
    assert larger.config.channels == (8, 8, 8, 8, 8, 4)
    z = torch.randn(2, 16)
    torch.testing.assert_close(larger.mapping(z), generator.mapping(z))
    w = generator.map(z)
    again = larger.synthesize(larger.map(z), "none")
    torch.testing.assert_close(again, upsample(generator.synthesize(w, "none")))


def test_rare_values_are_taken_more_often() -> None:
    rows = np.stack([parameters(identity(i)) for i in range(400)])
    shares = rarity(rows)
    np.testing.assert_allclose(shares.sum(), 1)
    column = names().index(("hat_color", "green"))
    green = rows[:, column] > 0.5
    assert shares[green].mean() > 1.2 * shares[~green].mean()
    assert shares.max() < 10 * shares.min()


def grower(out: Path, generator: StyleGAN2) -> Grower:
    rows = np.stack([parameters(identity(i)) for i in range(16)])
    images = np.random.default_rng(0).integers(0, 255, (16, 128, 128, 3)).astype(np.uint8)
    torch.manual_seed(1)
    known = Known(rows.shape[1], generator.w_dim)
    known.set_apart()
    faces = Balanced(images, torch.from_numpy(rows), batch=8)
    return Grower(faces, out, 40, perception(), generator, known, 1e-3)


def test_growing_trains_synthesis_and_latents_and_resumes(tmp_path: Path) -> None:
    generator = grown(small(), channels=4)
    trained = grower(tmp_path, generator)
    before = {k: v.clone() for k, v in trained.trained.state_dict().items()}
    mapping = {k: v.clone() for k, v in generator.mapping.state_dict().items()}
    numbers, sizes = [], []
    while now := trained.stage():
        sizes.append(now.resolution)
        numbers.append(trained.train_step(now))
    assert sizes == [32, 32, 64, 128, 128]
    assert [("paired" in line) for line in numbers] == [size == 128 for size in sizes]
    assert all(np.isfinite(list(line.values())).all() for line in numbers)
    after = trained.trained.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "synthesis.blocks.5.to_rgb.weight" in changed
    assert "synthesis.const" in changed
    assert "embedding.linear.weight" in changed
    assert not {"embedding.apart", "embedding.mean", "embedding.scale"} & changed
    for name, value in generator.mapping.state_dict().items():
        assert torch.equal(value, mapping[name])
    trained.save()
    again = grower(tmp_path, grown(small(), channels=4))
    again.resume()
    assert again.stage() is None
    for one, other in zip(
        trained.paired.layers.parameters(), again.paired.layers.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    kept = StyleGAN2.from_pretrained(tmp_path / "model")
    assert kept.img_resolution == 128
    average = trained.average["synthesis.const"]
    torch.testing.assert_close(kept.synthesis.const, average, rtol=1e-3, atol=1e-3)
    known = Known.from_run(tmp_path)
    assert torch.equal(known.linear.weight, trained.average["embedding.linear.weight"])


def test_growing_ends_when_its_time_is_up(tmp_path: Path) -> None:
    trained = grower(tmp_path, grown(small(), channels=4))
    trained.seconds = 100.0
    assert trained.progress() == 0
    trained.elapsed = 75.0
    assert trained.progress() == 0.75
    trained.elapsed = 101.0
    assert trained.stage() is None


def test_blends_reach_from_the_mean_to_faces(tmp_path: Path) -> None:
    trained = grower(tmp_path, grown(small(), channels=4))
    w = trained.embedding(trained.faces.values).detach()
    found = torch.cat([trained.blends(w, 8) for trained.step in range(50)])
    distance = (found - w.mean(dim=0)).norm(dim=1)
    assert found.shape == (400, w.shape[1])
    assert distance.min() < 0.2 * distance.max()


def test_a_window_on_a_detail_lies_in_the_image() -> None:
    windows = [Window.draw_detail(step, 256) for step in range(100)]
    assert all(0 <= place <= 192 and place % 2 == 0 for window in windows for place in window)
    assert len(set(windows)) > 90
    image = torch.zeros(1, 1, 256, 256)
    for window in windows:
        window.cut(image).add_(1)
    eyes, corner = image[..., 110:130, 85:110].mean(), image[..., :20, :20].mean()
    assert eyes > 2 * corner
