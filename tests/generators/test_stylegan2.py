"""StyleGAN2 against the reference implementations, and its public face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from text2face.errors import ArgumentError, CheckpointError
from text2face.generators import stylegan2
from text2face.generators.base import Generator
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config

FIXTURES = Path(__file__).parents[1] / "fixtures" / "stylegan2"
NAMES = ("stylegan2-ada-32", "stylegan2-ada-16-conditional", "stylegan2-64")
TINY = StyleGAN2Config(
    z_dim=8, w_dim=12, img_resolution=16, channels=(8, 8, 4), mapping_layers=2, conv_clamp=64.0
)


@pytest.fixture(scope="module", params=NAMES)
def golden(request: pytest.FixtureRequest) -> tuple[StyleGAN2, dict[str, Tensor]]:
    folder = FIXTURES / request.param
    with np.load(folder / "expected.npz") as file:
        expected = {key: torch.from_numpy(file[key]) for key in file}
    return StyleGAN2.from_pretrained(folder), expected


def tiny(**changes: object) -> StyleGAN2:
    torch.manual_seed(0)
    model = StyleGAN2(StyleGAN2Config(**{**vars(TINY), **changes}))  # type: ignore[arg-type]
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("noise_strength", "bias", "w_avg")):
                tensor.add_(torch.randn_like(tensor))
    return model.eval().requires_grad_(False)


def latents(model: StyleGAN2, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, model.num_ws, model.w_dim, generator=generator)


def difference(got: Tensor, expected: Tensor) -> float:
    assert got.shape == expected.shape
    return float((got - expected).abs().max() / expected.abs().max())


def inputs(model: StyleGAN2, expected: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    rows = [np.random.RandomState(int(s)).randn(model.z_dim) for s in expected["seeds"]]
    return torch.from_numpy(np.stack(rows)).float(), expected.get("c")


def test_mapping_equals_reference(golden: tuple[StyleGAN2, dict[str, Tensor]]) -> None:
    model, expected = golden
    z, c = inputs(model, expected)
    psi = float(expected["psi"])
    w = expected["w"][:, None].expand(-1, model.num_ws, -1)
    assert difference(model.map(z, c), w) < 1e-5
    assert difference(model.map(z, c, psi), expected["w_truncated"]) < 1e-5
    assert difference(model.map(z, c, psi, 3), expected["w_truncated_cutoff3"]) < 1e-5


def test_synthesis_equals_reference(golden: tuple[StyleGAN2, dict[str, Tensor]]) -> None:
    model, expected = golden
    for noise_mode in ("const", "none"):
        image = model.synthesize(expected["w_truncated"], noise_mode)
        assert difference(image, expected[f"image_{noise_mode}"]) < 1e-4
    assert difference(model.synthesize(expected["w_plus"]), expected["image_w_plus"]) < 1e-4


def test_is_a_generator() -> None:
    model = tiny()
    assert isinstance(model, Generator)
    assert model.num_ws == 2 * 4 - 2
    assert torch.equal(model.mean_latent, model.mapping.w_avg)


def test_truncation() -> None:
    model = tiny()
    z = torch.randn(3, model.z_dim)
    w = model.map(z)
    assert torch.equal(w[:, 0], w[:, -1])
    mean = model.mean_latent.expand_as(w)
    assert torch.allclose(model.map(z, truncation=0.0), mean)
    assert torch.allclose(model.map(z, truncation=0.5), (w + mean) / 2, atol=1e-6)
    part = model.map(z, truncation=0.5, truncation_cutoff=2)
    assert torch.allclose(part[:, :2], ((w + mean) / 2)[:, :2], atol=1e-6)
    assert torch.equal(part[:, 2:], w[:, 2:])
    assert torch.equal(model.map(z, truncation=0.5, truncation_cutoff=0), w)


def test_noise_modes() -> None:
    model = tiny()
    w = latents(model)
    assert torch.equal(model.synthesize(w), model.synthesize(w, "const"))
    torch.manual_seed(3)
    first = model.synthesize(w, "random")
    assert not torch.allclose(first, model.synthesize(w, "random"))
    torch.manual_seed(3)
    assert torch.equal(first, model.synthesize(w, "random"))
    for name, parameter in model.named_parameters():
        if name.endswith("noise_strength"):
            parameter.zero_()
    assert torch.allclose(model.synthesize(w), model.synthesize(w, "none"))


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_pyramid_ends_with_the_image(architecture: str) -> None:
    model = tiny(architecture=architecture)
    w = latents(model)
    activation, images = model.synthesis.pyramid(w)
    assert activation.shape[-1] == 16
    sizes = [4, 8, 16] if architecture == "skip" else [16]
    assert [image.shape[-1] for image in images] == sizes
    assert torch.equal(images[-1], model.synthesize(w))


def test_every_code_and_parameter_has_a_gradient() -> None:
    for architecture in ("skip", "resnet", "orig"):
        model = tiny(architecture=architecture, conv_clamp=None).requires_grad_()
        z = torch.randn(2, model.z_dim)
        w = model.map(z)
        w.retain_grad()
        model.synthesize(w).square().sum().backward()
        assert w.grad is not None
        assert (w.grad.abs().amax(dim=(0, 2)) > 0).all()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_clamp_limits_activations() -> None:
    model = tiny(conv_clamp=0.01)
    assert float(model.synthesize(latents(model)).abs().max()) <= 0.01 * 3  # one RGB a resolution
    assert float(tiny().synthesize(latents(model)).abs().max()) > 0.1


def test_bfloat16_is_close() -> None:
    model = tiny()
    w = latents(model)
    expected = model.synthesize(w)
    with torch.autocast("cpu", torch.bfloat16):
        image = model.synthesize(model.map(torch.randn(2, 8)))
        assert image.dtype == torch.float32
        image = model.synthesize(w)
    assert 0 < difference(image, expected) < 0.05


def test_batches_agree_with_single_images() -> None:
    model = tiny()
    w = latents(model, 4)
    alone = torch.cat([model.synthesize(one) for one in w.split(1)])
    assert difference(model.synthesize(w), alone) < 1e-5


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("rows", [2, 5, 40])
def test_tiles_make_no_difference(
    architecture: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny(architecture=architecture, img_resolution=32, channels=(8, 8, 6, 4))
    w = latents(model, 7)
    for noise_mode in ("const", "none"):
        expected = model.synthesize(w, noise_mode)
        with torch.no_grad(), monkeypatch.context() as patch:
            # At 32 pixels these are rows of the input of one sample, or more than two samples.
            patch.setattr(stylegan2, "_TILE", rows * 4 * 16 * 4 * 4)
            assert difference(model.synthesize(w, noise_mode), expected) < 1e-5


def test_double_precision() -> None:
    model = tiny()
    w = latents(model)
    expected = model.synthesize(w)
    assert difference(model.double().synthesize(w.double()), expected) < 1e-5


@pytest.mark.parametrize("architecture", ["skip", "resnet"])
def test_saving_and_loading(tmp_path: Path, architecture: str) -> None:
    model = tiny(architecture=architecture, c_dim=3)
    model.save_pretrained(tmp_path)
    loaded = StyleGAN2.from_pretrained(tmp_path)
    assert loaded.config == model.config
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float()), name


def test_loading_tells_what_is_wrong(tmp_path: Path) -> None:
    tiny().save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    text = config.read_text()
    for old, new, said in (
        ("stylegan2", "stylegan9", "wrong type"),
        ('"z_dim"', '"y_dim"', "y_dim"),
        ('"img_resolution": 16', '"img_resolution": 17', "17"),
        ('"w_dim": 12', '"w_dim": 13', "13"),
    ):
        assert old in text
        config.write_text(text.replace(old, new))
        with pytest.raises(CheckpointError, match=said) as caught:
            StyleGAN2.from_pretrained(tmp_path)
        assert "\n" not in str(caught.value)


def test_channels() -> None:
    config = StyleGAN2Config(img_resolution=64, channel_base=1024, channel_max=32)
    assert config.block_channels == (32, 32, 32, 32, 16)
    assert StyleGAN2Config(img_resolution=8, channels=[5, 4]).channels == (5, 4)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="got 2 numbers, expected 3"):
        StyleGAN2Config(img_resolution=16, channels=(8, 8))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("img_resolution", 4),
        ("img_resolution", 100),
        ("architecture", "u"),
        ("w_dim", 0),
        ("c_dim", -1),
    ],
)
def test_config_is_checked(field: str, value: object) -> None:
    with pytest.raises(ArgumentError, match=field):
        StyleGAN2Config(**{field: value})  # type: ignore[arg-type]


def test_shapes_are_checked() -> None:
    model, conditional = tiny(), tiny(c_dim=3)
    w = latents(model)
    z = torch.randn(2, 8)
    with pytest.raises(ArgumentError, match=r"z: got \[2, 7\], expected \[N, 8\]"):
        model.map(z[:, :7])
    with pytest.raises(ArgumentError, match="got some, expected none"):
        model.map(z, torch.eye(3)[:2])
    with pytest.raises(ArgumentError, match=r"expected c of shape \[N, 3\]"):
        conditional.map(z)
    with pytest.raises(ArgumentError, match=r"c: got \[3, 3\], expected \[2, 3\]"):
        conditional.map(z, torch.eye(3))
    with pytest.raises(ArgumentError, match=r"w: got \[2, 12\], expected \[N, 6, 12\]"):
        model.synthesize(w[:, 0])
    with pytest.raises(ArgumentError, match="noise mode: got 'loud'"):
        model.synthesize(w, "loud")
