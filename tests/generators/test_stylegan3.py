"""StyleGAN3's schedule, symmetries and public face; equality is in checkpoints/."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.checkpoints.writers import SMALL3, small3
from text2face.errors import ArgumentError, CheckpointError
from text2face.generators.base import Generator
from text2face.generators.stylegan3 import StyleGAN3, StyleGAN3Config


def test_the_schedule_is_that_of_the_published_networks() -> None:
    bands = StyleGAN3Config().bands  # 1024 pixels, as the names of its layers have it
    assert [(band.size, band.channels) for band in bands] == [
        *((36, 512), (36, 512), (52, 512), (52, 512), (84, 512), (148, 512), (148, 512)),
        *((276, 323), (276, 203), (532, 128), (1044, 81), (1044, 51), (1044, 32)),
        *((1024, 32), (1024, 3)),
    ]
    assert bands[-1].cutoff == bands[-2].cutoff == bands[-3].cutoff == 512
    for band in bands:
        assert band.cutoff + band.half_width >= band.rate / 2 - 1e-9


def test_is_a_generator() -> None:
    model = small3()
    assert isinstance(model, Generator)
    assert model.num_ws == SMALL3.num_layers + 2
    image = model.synthesize(model.map(torch.randn(2, 6), truncation=0.5))
    assert image.shape == (2, 3, 16, 16)
    assert image.dtype == torch.float32


def test_noise_modes_change_nothing_and_are_checked() -> None:
    model = small3()
    w = torch.randn(1, model.num_ws, model.w_dim)
    assert torch.equal(model.synthesize(w, "random"), model.synthesize(w, "none"))
    with pytest.raises(ArgumentError, match="noise mode: got 'loud'"):
        model.synthesize(w, "loud")


def test_batches_agree_with_single_images() -> None:
    model = small3()
    w = torch.randn(3, model.num_ws, model.w_dim)
    alone = torch.cat([model.synthesize(one) for one in w.split(1)])
    assert torch.allclose(model.synthesize(w), alone, atol=1e-6)


def test_bands_of_rows_agree_with_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small3(conv_kernel=1, use_radial_filters=True)
    w = torch.randn(2, model.num_ws, model.w_dim)
    expected = model.synthesize(w)
    monkeypatch.setattr("text2face.generators.filters._BAND", 1)
    assert torch.allclose(model.synthesize(w), expected, atol=1e-6)


@pytest.mark.parametrize("clamp", [None, 256.0])
def test_every_code_and_parameter_has_a_gradient(clamp: float | None) -> None:
    model = small3(conv_clamp=clamp).requires_grad_()
    w = model.map(torch.randn(2, 6))
    w.retain_grad()
    model.synthesize(w).square().sum().backward()
    assert w.grad is not None
    assert (w.grad.abs().amax(dim=(0, 2)) > 0).all()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name


def test_autocast_leaves_it_in_float32() -> None:
    model = small3()
    w = torch.randn(1, model.num_ws, model.w_dim)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.synthesize(w), model.synthesize(w.float()))
    assert model.synthesize(w.double()).dtype == torch.float32


def test_a_translation_moves_the_image() -> None:
    model = small3(num_layers=4, margin_size=6, filter_size=6)
    w = torch.randn(1, model.num_ws, model.w_dim)
    before = model.synthesize(w)
    model.synthesis.input.transform[0, 2] = 2 / 16  # two pixels
    moved = model.synthesize(w)
    inside = (slice(None), slice(None), slice(4, 12))
    right = (before[*inside, 4:10] - moved[*inside, 2:8]).abs().mean()
    left = (before[*inside, 2:8] - moved[*inside, 4:10]).abs().mean()
    assert min(right, left) < 0.01 * max(right, left)


@pytest.mark.parametrize("changes", [{}, {"conv_kernel": 1, "use_radial_filters": True}])
def test_saving_and_loading(tmp_path: Path, changes: dict[str, object]) -> None:
    model = small3(c_dim=3, **changes)
    model.save_pretrained(tmp_path)
    loaded = StyleGAN3.from_pretrained(tmp_path)
    assert loaded.config == model.config
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float()), name


def test_a_damaged_folder_is_told(tmp_path: Path) -> None:
    small3().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    for old, new, said in (
        ('"stylegan3"', '"stylegan2"', "wrong type"),
        ('"num_layers": 3', '"num_layers": 4', "lacks"),
        ('"channel_max": 6', '"channel_max": 7', "expected"),
        ('"w_dim": 8', '"w_dim": 99999999999', "expected"),
        ('"w_dim": 8', '"w_dim": 9999999999999999999', "fits in no memory"),
    ):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(CheckpointError, match=said):
            StyleGAN3.from_pretrained(tmp_path)
        path.write_text(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("img_resolution", 100),
        ("img_resolution", 1 << 20),
        ("num_layers", 2),
        ("num_layers", 1000),
        ("w_dim", 0),
        ("conv_kernel", 5),
        ("filter_size", 1 << 20),
        ("first_cutoff", 100.0),
        ("first_stopband", math.nan),
        ("last_stopband_rel", 0.5),
        ("channel_base", 1),
    ],
)
def test_config_is_checked(field: str, value: float) -> None:
    with pytest.raises(ArgumentError, match=r"bad \w+: got"):
        StyleGAN3Config(**{field: value, "num_critical": 2})  # type: ignore[arg-type]
