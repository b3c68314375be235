from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from text2face.errors import ArgumentError, OutputError
from text2face.training.distributed import hold_together, join, local_device, world

NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK")
CPU = torch.device("cpu")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def change(text: str) -> None:
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
        for setting in text.split():
            monkeypatch.setenv(*setting.split("=", 1))

    return change


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 1)),
        ("RANK=0", (0, 1)),
        ("WORLD_SIZE=1", (0, 1)),
        ("RANK=0 WORLD_SIZE=1", (0, 1)),
        ("RANK=2 WORLD_SIZE=3", (2, 3)),
    ],
)
def test_the_world(
    environment: Callable[[str], None], text: str, expected: tuple[int, int]
) -> None:
    environment(text)
    assert world() == expected


@pytest.mark.parametrize(
    "text",
    ["RANK=1", "WORLD_SIZE=2", "RANK=2 WORLD_SIZE=2", "RANK=-1 WORLD_SIZE=2", "RANK=a WORLD_SIZE=2",
     "RANK=0 WORLD_SIZE=0", "RANK=0 WORLD_SIZE=two", "RANK=0.0 WORLD_SIZE=2", "RANK= WORLD_SIZE=2",
     "RANK=0 WORLD_SIZE=" + "9" * 5000],
)  # fmt: skip
def test_half_a_world_is_told(environment: Callable[[str], None], text: str) -> None:
    environment(text)
    with pytest.raises(ArgumentError, match=r"RANK is .* expected numbers as torchrun sets them"):
        world()
    with pytest.raises(ArgumentError, match="RANK is"), join(CPU):
        pass


@pytest.mark.parametrize(
    "text",
    ["", "MASTER_ADDR=127.0.0.1", "MASTER_PORT=29511", "MASTER_ADDR=127.0.0.1 MASTER_PORT=x",
     "MASTER_ADDR=127.0.0.1 MASTER_PORT=0", "MASTER_ADDR=127.0.0.1 MASTER_PORT=70000",
     "MASTER_ADDR= MASTER_PORT=29511"],
)  # fmt: skip
def test_half_a_place_is_told(environment: Callable[[str], None], text: str) -> None:
    environment(f"RANK=0 WORLD_SIZE=2 {text}")
    with pytest.raises(ArgumentError, match="but MASTER_ADDR is"), join(CPU):
        pass


def test_one_process_needs_no_place(environment: Callable[[str], None]) -> None:
    for text in ("", "MASTER_ADDR=127.0.0.1", "MASTER_ADDR=nowhere.invalid MASTER_PORT=1"):
        environment(f"RANK=0 WORLD_SIZE=1 {text}")
        with join(CPU):
            pass


def test_a_port_that_is_taken_is_told(environment: Callable[[str], None]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment(f"RANK=0 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT={port}")
        with pytest.raises(ArgumentError, match=f"cannot meet 2 processes at .*:{port}"), join(CPU):
            pass


def test_waiting_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import torch; from text2face.training.distributed import join\n"
    code += "with join(torch.device('cpu')): pass"
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    process = subprocess.Popen(
        ["env", "RANK=0", "WORLD_SIZE=2", *(f"{k}={v}" for k, v in place.items()),
         sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    began = time.monotonic()
    line = process.stderr.readline()
    process.kill()
    process.communicate()
    assert line == f"text2face: waiting for 2 processes at 127.0.0.1:{port}\n"
    assert time.monotonic() - began < 120


@pytest.mark.parametrize("name", ["meta", "cuda:99", "tpu", "", "cpu:x", "privateuseone"])
def test_devices_that_compute_nothing_are_told(name: str) -> None:
    with pytest.raises(ArgumentError, match="no device"):
        local_device(name)


def test_holding_together_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a file is in the way"), hold_together(tmp_path / "file"):
        pass
    with hold_together(tmp_path / "out"):
        assert (tmp_path / "out/.text2face.lock").exists()
