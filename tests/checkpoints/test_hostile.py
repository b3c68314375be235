"""Hostile files: nothing runs, nothing but our own error comes out, in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from tests.checkpoints.assembler import MARK
from tests.checkpoints.audit import audited
from tests.checkpoints.hostile import CORPUS
from tests.checkpoints.writers import LAYOUTS
from text2face import load_generator
from text2face.errors import CheckpointError
from text2face.foreign.files import read_pickle


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have everything imported that is imported late, so that the audit stays silent."""
    path = tmp_path_factory.mktemp("warm") / "network"
    for make in LAYOUTS.values():
        path.write_bytes(make())
        load_generator(path)


def test_there_are_enough_tricks() -> None:
    assert len(set(CORPUS.values())) == len(CORPUS) >= 100


@pytest.mark.parametrize("trick", CORPUS)
def test_a_hostile_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trick: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "network.pkl"
    path.write_bytes(CORPUS[trick])
    start = time.process_time()
    with pytest.raises(CheckpointError) as caught, audited():
        load_generator(path)
    assert time.process_time() - start < 20
    assert not (tmp_path / MARK).exists()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_the_machine_refuses_what_has_no_header_by_name() -> None:
    content = CORPUS["reduce in protocol 0"]
    with pytest.raises(CheckpointError, match=r"asks for 'os\.system'"), audited():
        read_pickle(memoryview(content), "network.pkl")


@pytest.mark.parametrize("trick", ["a dict a byte", "zip bomb", "views of stride zero"])
def test_memory_is_bounded(tmp_path: Path, trick: str) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(CORPUS[trick])
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            load_generator(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200e6
