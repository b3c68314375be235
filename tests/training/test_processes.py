from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.processes import CONFIGS, KILLS


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `tests.training.processes` leaves behind."""
    folder = tmp_path_factory.mktemp("processes")
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root / "src"), str(root)])
    run = subprocess.run(
        [sys.executable, "-m", "tests.training.processes", str(folder)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert run.returncode == 0, run.stderr
    return folder


def test_a_training_killed_at_random_ends_with_the_same_bits(out: Path) -> None:
    assert json.loads((out / "kills.json").read_text()) == KILLS
    killed = torch.load(out / "killed" / "final.pt")
    whole = torch.load(out / "compact-1" / "final.pt")
    assert killed.keys() == whole.keys()
    for name, tensor in whole.items():
        assert torch.equal(killed[name], tensor), name


@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_reach_the_losses_of_one(out: Path, name: str) -> None:
    one, two = (json.loads((out / f"{name}-{n}" / "losses.json").read_text()) for n in (1, 2))
    assert len(one) == CONFIGS[name].steps
    tolerance = 5e-3 if CONFIGS[name].bfloat16 else 1e-4
    torch.testing.assert_close(torch.tensor(two), torch.tensor(one), rtol=tolerance, atol=tolerance)


def test_any_number_of_processes_writes_the_same_pairs(out: Path) -> None:
    one, three = (sorted((out / f"pairs-{n}").iterdir()) for n in (1, 3))
    assert [path.name for path in one] == [path.name for path in three]
    assert len(one) == 7
    for a, b in zip(one, three, strict=True):
        assert a.read_bytes() == b.read_bytes()
