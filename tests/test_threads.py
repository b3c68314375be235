from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from text2face import provenance

NAMES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def seen_by_openmp(code: str, given: Mapping[str, str]) -> str:
    """What OpenMP prints about itself when it is loaded."""
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    return subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**kept, "OMP_DISPLAY_ENV": "VERBOSE", **given},
    ).stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="GNU OpenMP")
@pytest.mark.parametrize(
    ("code", "given", "expected"),
    [
        ("import text2face, torch", {}, "GOMP_SPINCOUNT = '10000'"),
        ("import text2face, torch", {"GOMP_SPINCOUNT": "77"}, "GOMP_SPINCOUNT = '77'"),
        ("import text2face, torch", {"OMP_WAIT_POLICY": "PASSIVE"}, "GOMP_SPINCOUNT = '0'"),
        ("import torch, text2face", {}, "GOMP_SPINCOUNT = '300000'"),
    ],
)
def test_threads_wait_little_unless_the_user_says_otherwise(
    code: str, given: Mapping[str, str], expected: str
) -> None:
    told = seen_by_openmp(code, {"OMP_NUM_THREADS": "1", **given})
    assert expected in told


def test_threads_are_counted_by_the_command_line(run: Callable[..., int], model: Path) -> None:
    count = torch.get_num_threads() + 1
    folder = model.parent
    command = ("generate", "an old man", "--seed", 7, "--model", model)
    assert run(*command, "--threads", count, "-o", folder / "a.png") == 0
    assert torch.get_num_threads() == count
    assert os.environ["OMP_NUM_THREADS"] == str(count)
    assert provenance.read(folder / "a.png")[0].threads == count


def test_threads_that_are_chosen_win_over_those_of_the_image_to_draw_again(
    run: Callable[..., int], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count, folder = torch.get_num_threads(), model.parent
    again = ("generate", "--model", model, "--from-image", folder / "a.png")
    assert run("generate", "a man", "--model", model, "-o", folder / "a.png") == 0
    assert run(*again, "--threads", count + 1, "-o", folder / "b.png") == 0
    assert provenance.read(folder / "b.png")[0].threads == count + 1
    assert f"drawn with --threads {count}" in capsys.readouterr().err
    assert run(*again, "-o", folder / "c.png") == 0
    assert provenance.read(folder / "c.png")[0].threads == count


@pytest.mark.parametrize("count", ["0", "-1", "x", "1025"])
def test_a_wrong_number_of_threads_is_refused(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], count: str
) -> None:
    assert run("generate", "a man", "--threads", count) == 2
    assert "--threads" in capsys.readouterr().err
