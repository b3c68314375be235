"""Layouts of files in the wild, and that the advice of a refusal leads to a file that loads."""

from __future__ import annotations

import argparse
import collections
import datetime
import pathlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.checkpoints import writers
from text2face import load_generator
from text2face.errors import CheckpointError
from text2face.generators.stylegan2 import StyleGAN2

FIXTURES = Path(__file__).parents[1] / "fixtures" / "checkpoints"


def same(model: Any, original: StyleGAN2) -> None:
    ours, theirs = model.state_dict(), original.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert name == "mapping.w_avg" or torch.equal(tensor, theirs[name]), name


def nvidia_state(model: Any) -> dict[str, Tensor]:
    return {writers._nvidia_name(k, model): v for k, v in model.state_dict().items()}


def changed(**changes: Any) -> StyleGAN2:
    return writers.small2(mapping_lr_multiplier=0.01, **changes)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("inside", [True, False])
def test_wrappers_of_pytorch_are_looked_through(tmp_path: Path, prefix: str, inside: bool) -> None:
    model = writers.small2()
    state = writers.rosinality_tree(model)["g_ema"]
    state = {f"{prefix}{name}": tensor for name, tensor in state.items()}
    torch.save({"g_ema": state} if inside else state, tmp_path / "network.pt")
    same(load_generator(tmp_path / "network.pt"), model)
    state = {f"{prefix}{name}": tensor for name, tensor in nvidia_state(changed()).items()}
    torch.save({"G_ema": state} if inside else state, tmp_path / "network.pt")
    same(load_generator(tmp_path / "network.pt"), changed())


def test_a_file_without_noise_gets_one_that_stays(tmp_path: Path) -> None:
    model = writers.small2()
    state = writers.rosinality_tree(model)["g_ema"]
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("noises.")}
    torch.save({"g_ema": kept}, tmp_path / "network.pt")
    first, second = (load_generator(tmp_path / "network.pt") for _ in range(2))
    w = torch.randn(2, model.num_ws, model.w_dim)
    assert torch.equal(first.synthesize(w), second.synthesize(w))
    assert torch.equal(first.synthesize(w, "none"), model.synthesize(w, "none"))
    noise = [v for k, v in first.state_dict().items() if k.endswith("noise_const")]  # type: ignore[attr-defined]
    assert [len(one) for one in noise] == [4, 8, 8]
    assert 0.5 < torch.cat([one.flatten() for one in noise]).std() < 1.5


@pytest.mark.parametrize(
    "changes",
    [{}, {"architecture": "resnet"}, {"architecture": "orig"}, {"c_dim": 3}, {"mapping_layers": 3}],
)
@pytest.mark.parametrize("form", ["pt", "safetensors", "folderless"])
def test_the_state_dict_of_a_network_of_nvidia(
    tmp_path: Path, changes: dict[str, Any], form: str
) -> None:
    model = changed(**changes)
    path = tmp_path / f"network.{form}"
    state = {name: tensor.contiguous() for name, tensor in nvidia_state(model).items()}
    if form == "pt":
        torch.save({"G_ema": state}, path)
    else:
        save_file(state, path)
    loaded = load_generator(path)
    same(loaded, model)
    assert torch.equal(loaded.mean_latent, model.mean_latent)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("stylegan3-*.pkl")), ids=lambda p: p.stem)
@pytest.mark.parametrize("inside", [True, False])
def test_the_state_dict_of_a_stylegan3(tmp_path: Path, path: Path, inside: bool) -> None:
    whole: Any = load_generator(path)
    filters = {
        f"synthesis.{name}.{kind}": getattr(layer, kind)
        for name, layer in zip(
            writers._layer_names(whole.config), whole.synthesis.layers, strict=True
        )
        for kind in ("up_filter", "down_filter")
        if getattr(layer, kind) is not None
    }
    state = nvidia_state(whole) | filters
    torch.save({"G_ema": state} if inside else state, tmp_path / "network.pt")
    loaded: Any = load_generator(tmp_path / "network.pt")
    same(loaded, whole)
    w = torch.randn(1, whole.num_ws, whole.w_dim)
    assert torch.equal(loaded.synthesize(w), whole.synthesize(w))
    last = max(filters)
    torch.save({**state, last: 1.1 * filters[last]}, tmp_path / "network.pt")
    with pytest.raises(CheckpointError, match=r"filter"):
        load_generator(tmp_path / "network.pt")


def test_a_stylegan3_of_another_schedule_is_refused(tmp_path: Path) -> None:
    torch.save(
        nvidia_state(writers.small3(channel_base=100, channel_max=50)), tmp_path / "network.pt"
    )
    with pytest.raises(CheckpointError, match=r"state dict of a StyleGAN3.*a \.pkl"):
        load_generator(tmp_path / "network.pt")


@pytest.mark.parametrize("layout", ["rosinality", "nvidia"])
def test_a_lone_safetensors_file(tmp_path: Path, layout: str) -> None:
    model = changed()
    state = nvidia_state(model) if layout == "nvidia" else writers.rosinality_tree(model)["g_ema"]
    path = tmp_path / "network.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    same(load_generator(path), model)
    content = path.read_bytes()
    for length in (0, 7, 9, 100, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            load_generator(path)


@pytest.mark.parametrize(
    "extra",
    [
        pathlib.PureWindowsPath(r"C:\logs\run"),
        pathlib.PurePosixPath("/logs"),
        torch.float16,
        [torch.bfloat16, torch.int64],
        collections.defaultdict(list, {"loss": [1.0]}),
        collections.defaultdict(float),
        collections.Counter(a=3),
        random.Random(3).getstate(),
        np.random.RandomState(3).get_state(),
        np.random.RandomState(3),
        np.random.default_rng(3),
        torch.get_rng_state(),
        argparse.Namespace(size=8, path=pathlib.PurePosixPath("a"), dtype=torch.float32),
        datetime.datetime(2024, 5, 1, 12),
        torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))]).state_dict(),
        {"betas": (0.0, 0.99), "flag": True, "none": None, "numbers": np.arange(3)},
    ],
    ids=lambda extra: type(extra).__name__,
)
def test_what_lies_beside_the_weights_is_passed_over(tmp_path: Path, extra: object) -> None:
    model = writers.small2()
    for legacy in (False, True):
        tree = writers.rosinality_tree(model) | {"extra": extra}
        (tmp_path / "network.pt").write_bytes(writers.torch_saved(tree, legacy=legacy))
        same(load_generator(tmp_path / "network.pt"), model)


def test_a_path_of_windows_is_passed_over(tmp_path: Path) -> None:
    class WindowsPath:  # which cannot be made elsewhere
        def __reduce__(self) -> tuple[Any, ...]:
            return WindowsPath, ("C:\\\\", "logs")

    WindowsPath.__module__, WindowsPath.__qualname__ = "pathlib", "WindowsPath"
    own = pathlib.WindowsPath
    vars(pathlib)["WindowsPath"] = WindowsPath
    try:
        tree = writers.rosinality_tree(writers.small2()) | {"out": WindowsPath()}
        (tmp_path / "network.pt").write_bytes(writers.torch_saved(tree))
    finally:
        vars(pathlib)["WindowsPath"] = own
    same(load_generator(tmp_path / "network.pt"), writers.small2())


@pytest.mark.parametrize("architecture", ["skip", "resnet"])
@pytest.mark.parametrize(
    "features",
    [{"embed_features": 5}, {"layer_features": 7}, {"embed_features": 3, "layer_features": 9}],
)
def test_the_widths_of_the_mapping_network_are_inferred(
    tmp_path: Path, features: dict[str, int], architecture: str
) -> None:
    model = changed(c_dim=4, mapping_layers=3, architecture=architecture, **features)
    path = tmp_path / "network.pkl"
    path.write_bytes(writers.nvidia(model))
    loaded = load_generator(path)
    same(loaded, model)
    z, c = torch.randn(2, model.z_dim), torch.eye(4)[:2]
    assert torch.equal(loaded.map(z, c), model.map(z, c))
    loaded.save_pretrained(tmp_path / "saved", half=False)  # type: ignore[attr-defined]
    again = load_generator(tmp_path / "saved")
    assert torch.equal(again.map(z, c), model.map(z, c))
    state = {k: v.contiguous() for k, v in nvidia_state(model).items()}
    save_file(state, tmp_path / "network.safetensors")
    same(load_generator(tmp_path / "network.safetensors"), model)


def test_a_generator_without_its_average_loads(tmp_path: Path) -> None:
    model = changed()
    other = writers.randomised(changed(), seed=1)
    for average, plain, state in (
        ("g_ema", "g", lambda one: writers.rosinality_tree(one)["g_ema"]),
        ("G_ema", "G", nvidia_state),
    ):
        torch.save({plain: state(model), "d": {}}, tmp_path / "network.pt")
        same(load_generator(tmp_path / "network.pt"), model)
        torch.save({plain: state(other), average: state(model)}, tmp_path / "network.pt")
        same(load_generator(tmp_path / "network.pt"), model)


def test_other_files_say_what_they_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "network.npz", a=np.zeros(3))
    with pytest.raises(CheckpointError, match=r"archive of NumPy arrays \(\.npz\)"):
        load_generator(tmp_path / "network.npz")
    for page in (b"\n <!DOCTYPE html>", b"\xef\xbb\xbf<html>", b"\r\n\t<HTML>"):
        (tmp_path / "network.pkl").write_bytes(page)
        with pytest.raises(CheckpointError, match="is a web page"):
            load_generator(tmp_path / "network.pkl")
