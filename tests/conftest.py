from __future__ import annotations

import gc
import os
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

settings.register_profile("text2face", deadline=None)  # the machine may be busy
settings.load_profile("text2face")


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
