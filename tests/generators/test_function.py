from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from text2face.errors import ArgumentError, CheckpointError
from text2face.generators import wrap
from text2face.generators.base import Generator
from text2face.generators.function import FunctionGenerator, find_function
from text2face.training.pairs import weights_fingerprint


def ramp(z: Tensor) -> Tensor:
    return torch.tanh(z[:, :3, None, None].expand(-1, -1, 16, 16))


def test_a_function_is_a_generator() -> None:
    generator = wrap(ramp, z_dim=5)
    assert isinstance(generator, Generator)
    assert (generator.w_dim, generator.num_ws, generator.img_resolution) == (5, 1, 16)
    z = torch.randn(2, 5)
    w = generator.map(z)
    assert torch.equal(w, z[:, None])
    assert torch.equal(generator.synthesize(w), ramp(z))
    assert torch.equal(generator.map(z, truncation=0.5), 0.5 * w)
    assert torch.equal(generator.map(z, truncation=0.5, truncation_cutoff=0), w)
    assert torch.equal(generator.mean_latent, torch.zeros(5))


def test_it_comes_back_by_its_name(tmp_path: Path) -> None:
    generator = wrap(ramp, z_dim=5)
    generator.save_pretrained(tmp_path)
    assert FunctionGenerator.from_pretrained(tmp_path) is generator
    wrap(ramp, z_dim=6)
    with pytest.raises(CheckpointError, match="has changed"):
        FunctionGenerator.from_pretrained(tmp_path)


def test_a_folder_runs_nothing_by_itself(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"type": "function", "function": "os:getcwd", "z_dim": 5, "img_resolution": 16}'
    )
    with pytest.raises(CheckpointError, match="not run unasked; expected its module as a plugin"):
        FunctionGenerator.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["os", "os:get cwd", "a b:c", "", 7, "os.system('x'):y"])
def test_a_name_that_is_none_is_an_error(name: Any, tmp_path: Path) -> None:
    import json

    content = {"type": "function", "function": name, "z_dim": 5, "img_resolution": 16}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError):
        FunctionGenerator.from_pretrained(tmp_path)


def test_two_functions_have_two_fingerprints() -> None:
    def other(z: Tensor) -> Tensor:
        return -ramp(z)

    assert weights_fingerprint(wrap(ramp, z_dim=5)) != weights_fingerprint(wrap(other, z_dim=5))


def test_a_network_is_evaluated_and_frozen() -> None:
    network = nn.Sequential(nn.Linear(4, 12), nn.Dropout(), nn.Unflatten(1, (3, 2, 2)))
    generator = wrap(network, z_dim=4)
    assert not network.training
    assert not any(p.requires_grad for p in generator.parameters())
    assert generator.config.function.endswith("test_function:Sequential")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda z: z, r"float32 \[1, 5\] for z \[1, 5\], expected float \[1, 3, H, H\]"),
        (lambda z: torch.zeros(1, 3, 8, 9), r"\[1, 3, 8, 9\]"),
        (lambda z: torch.zeros(1, 3, 8, 8).int(), "int32"),
        (lambda z: None, "gives NoneType"),
        (7, "is a int, expected a function"),
    ],
)
def test_a_function_of_something_else_is_an_error(function: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        wrap(function, z_dim=5)


def test_a_name_on_the_command_line_finds_it(tmp_path: Path) -> None:
    path = tmp_path / "drawn_by_name.py"
    path.write_text(
        "import torch\ndef face(z): return torch.zeros(len(z), 3, 8, 8)\nface.z_dim = 4\n"
    )
    found = find_function(f"{path}:face")
    assert found is not None
    assert (found.z_dim, found.img_resolution) == (4, 8)
    assert find_function("owner/name") is None
    assert find_function("stylegan2-ffhq") is None
    with pytest.raises(ArgumentError, match="is missing; expected a generator"):
        find_function(f"{path}:body")
    with pytest.raises(ArgumentError, match="cannot import the plugin"):
        find_function("no_such_module:face")
