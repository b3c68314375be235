from __future__ import annotations

import gc
import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch: several processes share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests import tiny
from text2face import TextToFace
from text2face.cli import main
from text2face.storage.locks import hold

TESTS = Path(__file__).parent
SLOW = (
    "benchmarks/test_*.py",
    "checkpoints/test_channels.py",
    "checkpoints/test_fast_text2stylegan.py",
    "checkpoints/test_mutations.py",
    "cli/test_edit.py",
    "cli/test_train.py",
    "docs/test_*.py",
    "editing/test_*.py",
    "evaluation/test_evaluate.py",
    "examples/test_*.py",
    "inversion/test_inversion.py",
    "inversion/test_psp.py",
    "provenance/test_pixels.py",
    "recipes/test_*.py",
    "recipes/generator/test_*.py",
    "serving/test_*.py",
    "storage/test_networks.py",
    "training/test_loop.py",
    "training/test_processes.py",
    "test_bulk.py",
    "test_bundled.py",
    "test_declaration.py",
    "test_extending.py",
    "test_import.py",
    "test_named.py",
)
"""Files that take seconds to run or to import; `-m "not slow"` does not import them."""

settings.register_profile("text2face", deadline=None)  # the machine may be busy
settings.load_profile("text2face")


def _is_slow(path: Path) -> bool:
    return any(path.match(f"{TESTS.name}/{pattern}") for pattern in SLOW)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a slow file without importing it."""
    quick = config.option.markexpr == "not slow" and collection_path.suffix == ".py"
    return True if quick and _is_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow files."""
    for item in items:
        if _is_slow(item.path):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module", autouse=True)
def _collected() -> Iterator[None]:
    """What a file of tests leaves open is told there, and not in whatever test comes next."""
    yield
    gc.collect()
    gc.freeze()  # what lives on is not looked at again: a collection takes a hundredth then


@pytest.fixture(scope="session")
def pipe() -> TextToFace:
    """A pipeline of tiny components, in memory."""
    return tiny.make_pipe()


@pytest.fixture(scope="session")
def bundled() -> TextToFace:
    """The model that comes with the package."""
    return TextToFace.from_pretrained()


@pytest.fixture
def model(tmp_path: Path, pipe: TextToFace) -> Path:
    """The tiny pipeline in a folder."""
    tiny.register()
    folder = tmp_path / "model"
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Run the command line in this process and return its exit code; faults are raised."""
    monkeypatch.setenv("TEXT2FACE_TRACEBACK", "1")
    threads = torch.get_num_threads()
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}

    def call(*arguments: object) -> int:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        assert isinstance(stop.value.code, int)
        return stop.value.code

    yield call
    torch.set_num_threads(threads)  # --threads is of the process
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture
def held() -> Callable[..., AbstractContextManager[None]]:
    """Hold a folder as another process does; a thread has a hold of its own."""

    @contextmanager
    def holding(folder: Path, *part: str) -> Iterator[None]:
        taken, done = threading.Event(), threading.Event()

        def work() -> None:
            with hold(folder, *part):
                taken.set()
                done.wait()

        thread = threading.Thread(target=work)
        thread.start()
        assert taken.wait(60)
        try:
            yield
        finally:
            done.set()
            thread.join()

    return holding
