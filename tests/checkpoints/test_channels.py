"""Generators of grey pictures draw RGB ones; those of two or four channels are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests import tiny
from tests.checkpoints import writers
from text2face import TextToFace, load_generator
from text2face.errors import ArgumentError, CheckpointError
from text2face.generators.mapping import rgb
from text2face.generators.stylegan2 import StyleGAN2
from text2face.pipeline import to_pil
from text2face.training.pairs import make_pairs, write_pairs

Run = Callable[..., int]

MODELS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (writers.small2, {}),
    (writers.small2, {"architecture": "resnet"}),
    (writers.small2, {"architecture": "orig"}),
    (writers.small3, {}),
]


def write(model: Any, folder: Path, form: str) -> Path:
    path = folder / f"network.{form}"
    if form == "pkl":
        path.write_bytes(writers.nvidia(model))
    elif form == "pt":
        torch.save(writers.rosinality_tree(model), path)
    else:
        model.save_pretrained(path, half=False)
    return path


def cases() -> list[tuple[Callable[..., Any], dict[str, Any], str]]:
    made = [(*model, form) for model in MODELS for form in ("pkl", "folder")]
    return [*made, (*MODELS[0], "pt")]


@pytest.mark.parametrize(("make", "changes", "form"), cases())
def test_grey_pictures_have_three_equal_channels(
    tmp_path: Path, make: Callable[..., Any], changes: dict[str, Any], form: str
) -> None:
    grey = make(img_channels=1, **changes)
    loaded: Any = load_generator(write(grey, tmp_path, form))
    w = torch.randn(2, grey.num_ws, grey.w_dim)
    expected = grey.synthesize(w)
    assert expected.shape[1] == 1
    assert torch.equal(loaded.synthesize(w), expected)
    coloured: Any = rgb(loaded)
    got = coloured.synthesize(w)
    assert coloured.img_channels == coloured.config.img_channels == 3
    torch.testing.assert_close(got, expected.expand(-1, 3, -1, -1), rtol=1e-5, atol=1e-6)
    for one, three in zip(to_pil(expected), to_pil(got), strict=True):
        assert one.mode == three.mode == "RGB"
        assert np.abs(np.asarray(one, int) - np.asarray(three, int)).max() <= 1
    assert not any(p.requires_grad for p in coloured.parameters())
    coloured.save_pretrained(tmp_path / "again", half=False)
    assert torch.equal(load_generator(tmp_path / "again").synthesize(w), got)


def test_a_generator_that_is_rgb_already_stays_as_it_is() -> None:
    model = writers.small2()
    assert rgb(model) is model.as_rgb() is model


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("form", ["pkl", "folder", "pt"])
def test_other_channels_are_refused_where_they_come_in(
    tmp_path: Path,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    channels: int,
    form: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("text2face.generators.mapping.check_channels", lambda channels: None)
        path = write(writers.small2(img_channels=channels), tmp_path, form)
    said = rf"pictures of {channels} channels \(img_channels\), expected 3"
    with pytest.raises(CheckpointError, match=said):
        load_generator(path)
    for command in (
        ("train", "--generator", path, "--count", 8, "--steps", 2, "-o", tmp_path / "runs"),
        ("pairs", "--generator", path, "--count", 8, "-o", tmp_path / "pairs"),
        ("convert", path, tmp_path / "out"),
    ):
        capsys.readouterr()
        assert run(*command) == 1, command
        error = capsys.readouterr().err
        assert f"pictures of {channels} channels (img_channels), expected 3" in error
        assert len(error.strip().splitlines()) == 1, error
    assert not list(tmp_path.glob("pairs/*.safetensors"))


class Grey(nn.Module):
    """A generator of another kind, with one channel."""

    z_dim, c_dim, w_dim, num_ws, img_resolution = 6, 0, 12, 4, 8

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.img_channels = channels
        self.mean_latent = torch.zeros(self.w_dim)

    def map(self, z: torch.Tensor, *_: object) -> torch.Tensor:
        return torch.zeros(len(z), self.num_ws, self.w_dim)

    def synthesize(self, w: torch.Tensor, noise_mode: str = "const") -> torch.Tensor:
        raise AssertionError("it is refused before it draws")


@pytest.mark.parametrize(("channels", "said"), [(1, "1 channel "), (4, "4 channels ")])
def test_a_generator_of_ones_own_is_refused_too(
    tmp_path: Path, pipe: TextToFace, channels: int, said: str
) -> None:
    generator = Grey(channels)
    with pytest.raises(ArgumentError, match=rf"{said}\(img_channels\), expected 3"):
        TextToFace(pipe.encoder, pipe.sampler, generator)
    with pytest.raises(ArgumentError, match=rf"{said}\(img_channels\), expected 3"):
        make_pairs(generator, pipe.encoder, 2)
    with pytest.raises(ArgumentError, match=rf"{said}\(img_channels\), expected 3"):
        write_pairs(generator, pipe.encoder, tmp_path / "pairs", 2)
    assert not (tmp_path / "pairs").exists()
    tiny.register()
    tiny.TinyGenerator(replace(tiny.TinyConfig(), img_channels=channels)).save_pretrained(
        tmp_path / "tiny"
    )
    with pytest.raises(ArgumentError, match=rf"{said}\(img_channels\), expected 3"):
        TextToFace(pipe.encoder, pipe.sampler, load_generator(tmp_path / "tiny"))


def test_pictures_of_other_channels_are_none() -> None:
    for channels in (2, 4):
        with pytest.raises(ArgumentError, match=r"expected \[N, 3, H, W\]"):
            to_pil(torch.zeros(1, channels, 8, 8))


def test_a_network_of_grey_pictures_goes_through_pairs_and_training(
    tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "grey.pt"
    grey: StyleGAN2 = writers.small2(img_channels=1)
    torch.save(writers.rosinality_tree(grey), path)
    options = ("--count", 8, "--steps", 2, "-o", tmp_path / "runs", "-q")
    assert run("train", "--generator", path, *options) == 0
    (model,) = tmp_path.glob("runs/*/model")
    face = TextToFace.from_pretrained(model)("an old man", seed=1).images[0]
    red, green, blue = face.split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()
