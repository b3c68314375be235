"""Every layout against the reference implementations, and back through our own folders."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import text2face
from tests import tiny
from tests.checkpoints import writers
from text2face.errors import CheckpointError
from text2face.generators.base import Generator
from text2face.generators.mapping import MappedGenerator

FIXTURES = Path(__file__).parents[1] / "fixtures"
FILES = sorted((FIXTURES / "checkpoints").glob("*.pkl"))


def expected_of(path: Path) -> dict[str, Tensor]:
    beside = path.with_suffix(".npz")
    file = beside if beside.exists() else FIXTURES / "stylegan2" / path.stem / "expected.npz"
    with np.load(file) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


def difference(got: Tensor, expected: Tensor) -> float:
    assert got.shape == expected.shape
    return float((got - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_equals_reference(path: Path) -> None:
    model, expected = text2face.load_generator(path), expected_of(path)
    assert isinstance(model, Generator)
    rows = [np.random.RandomState(int(s)).randn(model.z_dim) for s in expected["seeds"]]
    z, c = torch.from_numpy(np.stack(rows)).float(), expected.get("c")
    psi = float(expected["psi"])
    w = model.map(z, c)  # the fixtures have it once, or once a layer
    assert difference(w if expected["w"].ndim == 3 else w[:, 0], expected["w"]) < 1e-5
    assert difference(model.map(z, c, psi), expected["w_truncated"]) < 1e-5
    assert difference(model.map(z, c, psi, 3), expected["w_truncated_cutoff3"]) < 1e-5
    for mode in ("const", "none", "default"):
        if f"image_{mode}" in expected:
            noise = "const" if mode == "default" else mode
            image = model.synthesize(expected["w_truncated"], noise)
            assert difference(image, expected[f"image_{mode}"]) < 1e-4
    assert difference(model.synthesize(expected["w_plus"]), expected["image_w_plus"]) < 1e-4


@pytest.mark.parametrize("layout", sorted(writers.LAYOUTS))
def test_a_small_file_of_each_layout_is_read(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "network"
    path.write_bytes(writers.LAYOUTS[layout]())
    original = writers.small3() if layout.endswith("3") else writers.small2()
    equal(text2face.load_generator(path), original)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_every_pickle_protocol_is_read(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "network.pkl"
    for model in (writers.small3(c_dim=2), writers.small2(architecture="resnet")):
        path.write_bytes(writers.nvidia(model, protocol))
        equal(text2face.load_generator(path), model)


@pytest.mark.parametrize("resolution", [32, 128])
def test_other_sizes(tmp_path: Path, resolution: int) -> None:
    path = tmp_path / "network.pkl"
    radial = {"conv_kernel": 1, "use_radial_filters": True}
    for model in (
        writers.small2(img_resolution=resolution, channels=None, channel_base=256, channel_max=5),
        writers.small3(img_resolution=resolution, channel_base=512, **radial),
    ):
        path.write_bytes(writers.nvidia(model))
        equal(text2face.load_generator(path), model)


def test_a_network_without_noise_is_read(tmp_path: Path) -> None:
    model, path = writers.small2(), tmp_path / "network.pkl"
    with writers.foreign_modules():
        network = writers.nvidia_tree(model)
        for block in network.state["_modules"]["synthesis"].state["_modules"].values():
            for layer in block.state["_modules"].values():
                layer.state["_parameters"].pop("noise_strength", None)
                layer.state["_buffers"].pop("noise_const", None)
        path.write_bytes(pickle.dumps({"G_ema": network}))
    w = torch.randn(2, model.num_ws, model.w_dim)
    loaded = text2face.load_generator(path)
    assert torch.equal(loaded.synthesize(w), model.synthesize(w, "none"))


def equal(model: Generator, original: MappedGenerator) -> None:
    """The same configuration and weights, hence the same images."""
    assert isinstance(model, type(original))
    ours, theirs = model.state_dict(), original.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
    w = torch.randn(2, original.num_ws, original.w_dim)
    assert torch.equal(model.synthesize(w), original.synthesize(w))


@pytest.mark.parametrize("make", [writers.small2, writers.small3])
def test_our_own_folders_are_read(tmp_path: Path, make: type) -> None:
    model = make()
    model.save_pretrained(tmp_path / "exact", half=False)
    equal(text2face.load_generator(tmp_path / "exact"), model)
    model.save_pretrained(tmp_path / "half")
    halves = text2face.load_generator(tmp_path / "half")
    assert torch.equal(halves.mean_latent, model.mean_latent.half().float())


def test_the_generator_of_a_whole_model_is_read(model: Path) -> None:
    assert isinstance(text2face.load_generator(model), tiny.TinyGenerator)


def test_a_hub_id_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = writers.small2()
    model.save_pretrained(tmp_path, half=False)

    def snapshot(hub_id: str, **options: Any) -> str:
        return str({"someone/cats": tmp_path}[hub_id])

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    equal(text2face.load_generator("someone/cats"), model)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer"),
        (b"\x89HDF\r\n\x1a\n", "neither a pickle nor a file of torch.save"),
        (writers.torch_saved([1, 2]), "holds no generator, but a list"),
        (writers.torch_saved({"model": {}, "step": 3}), "a dict of 2: 'model', 'step'"),
    ],
)
def test_other_files_are_told_apart(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as caught:
        text2face.load_generator(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no file .*network\.pkl; expected a checkpoint"):
        text2face.load_generator(tmp_path / "network.pkl")
    with pytest.raises(CheckpointError, match="no model folder"):
        text2face.load_generator(tmp_path / "network")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("_modules", "mapping", "_modules", "fc0", "activation"), "relu", "activation is 'relu'"),
        (
            ("_modules", "synthesis", "_modules", "b8", "architecture"),
            ["skip"],
            r"is \['skip'\], expected",
        ),
        (("_modules", "synthesis", "_modules"), {}, "parts 'mapping.'"),
        (("_modules", "mapping", "_buffers", "w_avg"), torch.zeros(3), r"\[3\], expected \[8\]"),
        (("_modules", "mapping", "_buffers", "extra"), torch.zeros(3), "unknown tensor"),
        (("_modules", "mapping", "_buffers", "w_avg"), torch.full((8,), torch.inf), "NaN or inf"),
        (("img_resolution",), 64, "got 2 numbers, expected"),
        (("img_resolution",), 1 << 20, "got 1048576, expected a power of two from 8 to 8192"),
        (("z_dim",), "6", "z_dim is '6', expected an integer"),
        (("_modules", "mapping"), None, "no mapping network"),
    ],
)
def test_an_unusual_network_is_refused(
    tmp_path: Path, path: tuple[str, ...], value: object, said: str
) -> None:
    with writers.foreign_modules():
        network = writers.nvidia_tree(writers.small2())
        place = network.state
        for name in path[:-1]:
            place = place[name] if isinstance(place, dict) else place.state[name]
        place = place if isinstance(place, dict) else place.state
        place[path[-1]] = value
        content = pickle.dumps({"G_ema": network})
    (tmp_path / "network.pkl").write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as caught:
        text2face.load_generator(tmp_path / "network.pkl")
    assert "\n" not in str(caught.value)


def test_the_mapper_of_deltaedit_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "net_face.pth"
    torch.save({"sm_coarse.mapping.1.weight": torch.ones(2, 2)}, path)
    for load in (text2face.load_generator, text2face.load_sampler):
        with pytest.raises(CheckpointError, match="mapper of DeltaEdit, which is not used here"):
            load(path)
