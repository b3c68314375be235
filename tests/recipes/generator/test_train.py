from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.faces.identity import identity
from recipes.faces.parameters import parameters
from recipes.generator.latents import Parameters, balance, codes, lift
from recipes.generator.perception import Perception
from recipes.generator.train import Faces, Stage, Trainer, new_generator
from recipes.generator.windows import Window
from text2face.encoders.compact import CompactConfig, CompactEncoder
from text2face.generators.stylegan2 import StyleGAN2


@pytest.fixture
def faces(tmp_path: Path) -> Faces:
    """Sixteen plain pictures whose shade is the age of the face."""
    rows = np.stack([parameters(identity(i)) for i in range(16)])
    shades = (rows[:, 2:6].argmax(1) * 60 + 30).astype(np.uint8)
    np.save(
        tmp_path / "images.npy", np.broadcast_to(shades[:, None, None, None], (16, 128, 128, 3))
    )
    np.save(tmp_path / "parameters.npy", rows.astype(np.float16))
    return Faces(tmp_path, batch=8)


def perception() -> Perception:
    torch.manual_seed(0)
    return Perception(CompactEncoder(CompactConfig(words=("a",), image_widths=(8, 16, 16, 16))))


def test_each_epoch_shows_every_face_once(faces: Faces) -> None:
    rows = torch.cat([faces(step)[1] for step in range(2)])
    assert torch.equal(rows.sort(dim=0).values, faces.parameters.sort(dim=0).values)
    assert not torch.equal(faces(0)[1], faces(2)[1])


@pytest.mark.parametrize("place", [(0, 0), (0, 64), (64, 30), (28, 62)])
def test_a_window_is_what_the_whole_image_shows_there(place: tuple[int, int]) -> None:
    generator = new_generator().requires_grad_(False)
    for block in generator.synthesis.blocks:
        block.to_rgb.weight.mul_(10)
        block.conv.bias.normal_()
    w = codes(torch.randn(2, generator.w_dim), generator.num_ws)
    x, before = generator.synthesis.pyramid(w, "none", 64)
    window = Window(*place)
    drawn = window.draw_from(generator.synthesis, x, before[-1], w)
    torch.testing.assert_close(drawn, window.cut(generator.synthesize(w, "none")))


def test_windows_reach_every_pixel() -> None:
    seen = np.zeros((128, 128), bool)
    for step in range(500):
        window = Window.draw(step, 128)
        seen[window.top : window.top + 64, window.left : window.left + 64] = True
    assert seen.all()


def test_centring_moves_no_latent() -> None:
    values = torch.randn(50, 7)
    embedding = Parameters(7, 5)
    embedding.fit(values)
    moved = values + 1
    before = embedding(moved)
    embedding.centre(moved)
    torch.testing.assert_close(embedding(moved), before)
    mean = embedding.dense.bias * embedding.dense.bias_gain
    torch.testing.assert_close(before.mean(0), mean, rtol=1e-4, atol=1e-5)


def test_training_goes_through_all_stages_and_resumes(faces: Faces, tmp_path: Path) -> None:
    stages = tuple(Stage(size, 16, size == 128) for size in (32, 64, 128))
    trainer = Trainer(faces, tmp_path, stages, perception())
    numbers = []
    while now := trainer.stage():
        numbers.append(trainer.train_step(now))
    assert trainer.step == 6
    assert {"rec", "local", "look", "critics", "verdict"} <= set(numbers[-1])
    assert numbers[1]["rec"] < numbers[0]["rec"]
    trainer.save()
    again = Trainer(faces, tmp_path, stages, perception())
    again.resume()
    assert again.step == 6
    for name, value in trainer.average.items():
        assert torch.equal(again.average[name], value)
    trainer.sheet(count=8)
    assert (tmp_path / "sheet-00000048.png").exists()


@pytest.mark.parametrize("change", [lift, balance])
def test_neither_lift_nor_balance_changes_an_image(
    change: Callable[[StyleGAN2, Parameters], None],
) -> None:
    generator, embedding = new_generator().requires_grad_(False), Parameters(7, 512)
    embedding.requires_grad_(False)
    embedding.dense.bias.normal_()
    for block in generator.synthesis.blocks:
        block.conv.bias.normal_()
    values = torch.randn(2, 7)
    before = generator.synthesize(codes(embedding(values), generator.num_ws), "none")
    change(generator, embedding)
    after = generator.synthesize(codes(embedding(values), generator.num_ws), "none")
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


def test_an_earlier_training_can_be_gone_on_from(faces: Faces, tmp_path: Path) -> None:
    trainer = Trainer(faces, tmp_path, (Stage(32, 8, adversarial=False),), perception())
    trainer.train_step(trainer.stages[0])
    trainer.trained.load_state_dict(trainer.average)
    trainer.keep(tmp_path / "start.safetensors")
    trainer.generator.save_pretrained(tmp_path / "generator")
    other = Trainer(faces, tmp_path, trainer.stages, perception())
    other.begin(tmp_path / "start.safetensors", tmp_path / "generator")
    with torch.no_grad():
        images = [
            some.synthesise(some.embedding(faces.parameters[:4]), 32)[1][-1]
            for some in (trainer, other)
        ]
    assert (images[0] - images[1]).abs().max() < 0.05 * images[0].std() + 0.01


def test_a_window_is_pasted_into_its_place() -> None:
    window = Window(10, 40)
    around, inside = torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64, requires_grad=True)
    image = window.paste(inside, around)
    assert torch.equal(window.cut(image), inside)
    assert image.sum() == 3 * 64 * 64
    image.sum().backward()
    assert torch.equal(inside.grad, torch.ones_like(inside))
