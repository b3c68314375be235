from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recipes.faces.identity import identity
from recipes.faces.parameters import parameters
from recipes.generator.latents import Parameters, codes, lift, speeds
from recipes.generator.perception import Perception
from recipes.generator.train import Faces, Stage, Trainer, new_generator
from recipes.generator.windows import Window
from text2face.encoders.compact import CompactConfig, CompactEncoder


@pytest.fixture
def faces() -> Faces:
    """Sixteen plain pictures whose shade is the age of the face."""
    rows = np.stack([parameters(identity(i)) for i in range(16)])
    shades = (rows[:, 2:6].argmax(1) * 60 + 30).astype(np.uint8)
    images = np.broadcast_to(shades[:, None, None, None], (16, 128, 128, 3))
    return Faces(images, torch.from_numpy(rows), batch=8)


def perception() -> Perception:
    torch.manual_seed(0)
    return Perception(CompactEncoder(CompactConfig(words=("a",), image_widths=(8, 16, 16, 16))))


def test_each_epoch_shows_every_face_once(faces: Faces) -> None:
    rows = torch.cat([faces(step)[1] for step in range(2)])
    assert torch.equal(rows.sort(dim=0).values, faces.values.sort(dim=0).values)
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


def trainer_of(faces: Faces, out: Path) -> Trainer:
    torch.manual_seed(0)
    generator = new_generator()
    embedding = Parameters(faces.values.shape[1], generator.w_dim)
    embedding.fit(faces.values)
    stages = tuple(Stage(size, 16) for size in (16, 32, 64, 128))
    return Trainer(faces, out, stages, perception(), generator, embedding, 1e-3)


def test_training_goes_through_all_stages_and_resumes(faces: Faces, tmp_path: Path) -> None:
    trainer = trainer_of(faces, tmp_path)
    numbers = []
    while now := trainer.stage():
        numbers.append(trainer.train_step(now))
    assert trainer.step == 8
    assert {"distance", "look"} <= set(numbers[-1])
    assert numbers[1]["distance"] < numbers[0]["distance"]
    trainer.save()
    again = trainer_of(faces, tmp_path)
    again.resume()
    assert again.step == 8
    for name, value in trainer.average.items():
        assert torch.equal(again.average[name], value)
    trainer.sheet(count=32)
    with Image.open(tmp_path / "sheet-00000064.png") as sheet:  # of all 16 faces
        assert sheet.size == (8 * 128, 4 * 128)


def test_lifting_changes_no_image() -> None:
    generator, embedding = new_generator().requires_grad_(False), Parameters(7, 512)
    embedding.requires_grad_(False)
    for block in generator.synthesis.blocks:
        block.conv.bias.normal_()
    values = torch.randn(2, 7)
    before = generator.synthesize(codes(embedding(values), generator.num_ws), "none")
    lift(generator, embedding)
    after = generator.synthesize(codes(embedding(values), generator.num_ws), "none")
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


def test_a_step_is_as_long_as_without_equalised_learning_rates() -> None:
    generator = new_generator()
    dense = generator.synthesis.blocks[1].conv.affine
    found = dict(speeds(generator.synthesis))
    assert len(found) == sum(1 for _ in generator.synthesis.parameters())
    assert found[dense.weight] * dense.weight_gain == pytest.approx(1)
    weight = generator.synthesis.blocks[1].conv.weight
    assert found[weight] == 1
    plain = torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3).weight
    assert weight.std().item() == pytest.approx(plain.std().item(), rel=0.02)


def test_a_window_is_pasted_into_its_place() -> None:
    window = Window(10, 40)
    around, inside = torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64, requires_grad=True)
    image = window.paste(inside, around)
    assert torch.equal(window.cut(image), inside)
    assert image.sum() == 3 * 64 * 64
    image.sum().backward()
    assert torch.equal(inside.grad, torch.ones_like(inside))
