"""A configuration is held against the weights before anything is built."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from text2face.errors import CheckpointError
from text2face.storage import networks

HOSTILE = Path(__file__).with_name("hostile_folders.py")


def test_no_configuration_costs_more_than_its_weights(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.hostile_folders", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) > 900
    assert [row for row in rows if row["came"].startswith("WRONG")] == []
    assert {row["came"] for row in rows if row["label"].endswith("as it is")} == {"loaded"}


class Tower(nn.Module):
    def __init__(self, layers: int, width: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))


def test_the_making_of_a_network_is_stopped() -> None:
    made = 0

    def make() -> nn.Module:
        nonlocal made
        for _ in range(10**9):
            nn.Linear(1, 1)
            made += 1
        raise AssertionError

    with pytest.raises(CheckpointError, match="far more parts than the 3 tensors"):
        networks.build_on_meta(make, 3, "config.json")
    assert made < 1024
    assert len(Tower(2000).layers) == 2000  # no limit is left behind


def test_other_threads_build_what_they_like() -> None:
    def make() -> nn.Module:
        thread = threading.Thread(target=lambda: built.append(Tower(1500)))
        thread.start()
        thread.join()
        return Tower(1)

    built: list[nn.Module] = []
    assert networks.build_on_meta(make, 2, "config.json").layers[0].weight.is_meta
    assert len(built) == 1


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"layers.0.weight": torch.zeros(2, 2)}, "lacks layers.0.bias"),
        ({"layers.0.weight": torch.zeros(2, 3)}, "lacks"),
        (
            {"layers.0.weight": torch.zeros(2, 2), "layers.0.bias": torch.zeros(2).byte()},
            "numbers of type torch.uint8, expected torch.float32",
        ),
        (
            {"layers.0.weight": torch.zeros(2, 2), "layers.0.bias": torch.zeros(10**6)},
            r"layers.0.bias is \[1000000\], expected \[2\]",
        ),
        ({"a\x1b[2J\n" * 50: torch.zeros(2)}, r"x1b\[2J"),
    ],
)
def test_other_weights_are_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], said: str
) -> None:
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=said) as caught:
        networks.load_network(lambda: Tower(1), tmp_path)
    assert str(caught.value).isprintable()


def test_a_list_of_tensors_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    content = (1 << 34).to_bytes(8, "little") + b"{}"
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged file: .* claims 17179869184 bytes"):
        networks.load_network(lambda: Tower(1), tmp_path)


def test_making_a_network_draws_no_numbers() -> None:
    random = torch.get_rng_state()
    with networks.SkipInit():
        made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Embedding(5, 6), nn.BatchNorm2d(4))
        made.append(nn.Linear(7, 8))
        torch.randn(2, 3)
    assert torch.equal(torch.get_rng_state(), random)
    assert int(made[2].num_batches_tracked) == 0
    with torch.device("meta"), networks.SkipInit():
        assert nn.Linear(9, 10).weight.is_meta


def test_the_bundled_model_is_loaded_without_torchs_compiler() -> None:
    code = (
        "import sys; from text2face import TextToFace; TextToFace.from_pretrained();"
        "print(sorted({'sympy', 'torch._dynamo', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
