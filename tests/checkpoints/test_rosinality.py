"""Weights as rosinality/stylegan2-pytorch names them, alone and inside pSp, e4e and others."""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from text2face import load_generator
from text2face.errors import CheckpointError
from text2face.generators.stylegan2 import StyleGAN2

FIXTURE = Path(__file__).parents[1] / "fixtures" / "fast-text2stylegan"


def values(key: str, entry: dict[str, Any]) -> Tensor:
    """One tensor of the fixture, by its formula."""
    if "values" in entry:
        return torch.tensor(entry["values"])
    normal = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(entry["shape"])
    scaled = normal.astype(np.float32) * np.float32(entry["scale"])
    return torch.from_numpy(scaled + np.float32(entry.get("offset", 0)))


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    description = json.loads((FIXTURE / "fast-text2stylegan.json").read_text())
    tensors = {
        key.removeprefix("decoder."): values(key, entry)
        for key, entry in description["state_dict"].items()
        if key.startswith("decoder.")
    }
    average = description["latent_avg"]
    return tensors | {"latent_avg": values(average["seed_key"], average)}


def save(path: Path, weights: dict[str, Tensor], layout: str, *, legacy: bool = False) -> Path:
    tensors = dict(weights)
    average = tensors.pop("latent_avg")
    if layout == "alone":
        tree: dict[str, Any] = {"g_ema": tensors, "latent_avg": average[0], "args": namespace()}
    elif layout == "bare":
        tree = tensors | {"latent_avg": average[0]}
    else:
        inside = {f"decoder.{name}": tensor for name, tensor in tensors.items()}
        inside["encoder.body.0.weight"] = torch.randn(3, 3)
        opts = vars(namespace()) if layout == "e4e" else namespace()
        repeated = average.repeat(8, 1) if layout == "psp" else average
        tree = {"state_dict": inside, "latent_avg": repeated, "opts": opts}
    torch.save(tree, path, _use_new_zipfile_serialization=not legacy)
    return path


def namespace() -> argparse.Namespace:
    return argparse.Namespace(size=32, exp_dir=Path("logs/run"), lr=np.float64(2e-4))


def difference(got: Tensor, expected: Tensor) -> float:
    assert got.shape == expected.shape
    return float((got - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("layout", ["alone", "bare", "e4e", "psp"])
def test_equals_reference(tmp_path: Path, weights: dict[str, Tensor], layout: str) -> None:
    path = save(tmp_path / "network.pt", weights, layout, legacy=layout == "psp")
    model = load_generator(path)
    assert isinstance(model, StyleGAN2)
    assert (model.z_dim, model.w_dim, model.num_ws, model.img_resolution) == (512, 512, 8, 32)
    with np.load(FIXTURE / "fast-text2stylegan.npz") as file:
        expected = {key: torch.from_numpy(file[key]) for key in file}
    z = torch.from_numpy(np.random.RandomState(14).standard_normal((3, 512)).astype(np.float32))
    assert difference(model.map(z)[:, 0], expected["generator_w_from_z"]) < 1e-5
    assert difference(model.mean_latent, weights["latent_avg"][0]) < 1e-6
    for truncation in ("1.0", "0.9"):
        w = torch.lerp(model.mean_latent, expected["w"], float(truncation))
        image = model.synthesize(w[:, None].repeat(1, 8, 1))
        assert difference(image, expected[f"image_truncation_{truncation}"]) < 1e-4


def test_a_training_checkpoint_has_its_mean_latent_measured(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    tensors = {name: tensor for name, tensor in weights.items() if name != "latent_avg"}
    torch.save({"g": tensors, "g_ema": tensors}, tmp_path / "100000.pt")
    model = load_generator(tmp_path / "100000.pt")
    z = torch.randn(20_000, 512, generator=torch.Generator().manual_seed(5))
    assert difference(model.mean_latent, model.map(z)[:, 0].mean(dim=0)) < 0.2


def test_what_does_not_fit_is_told(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    for name, tensor, said in (
        ("convs.1.conv.weight", None, "lacks tensor convs.1.conv.weight"),
        ("convs.1.activate.bias", torch.zeros(7), r"\[7\], expected \[32\]"),
        ("convs.1.activate.bias", torch.full((32,), torch.nan), "activate.bias holds NaN"),
        ("convs.0.conv.blur.kernel", torch.ones(4, 4), "blur.kernel .* not the usual one"),
        ("attention.weight", torch.zeros(3), "unknown tensor 'attention.weight'"),
        ("latent_avg", torch.zeros(1, 7), r"latent_avg is \[7\]"),
        ("input.input", torch.zeros(2, 32, 4, 4), "wrong weights"),
    ):
        changed = weights | {name: tensor}
        if tensor is None:
            del changed[name]
        with pytest.raises(CheckpointError, match=said) as caught:
            load_generator(save(tmp_path / "network.pt", changed, "alone"))
        assert "\n" not in str(caught.value)
