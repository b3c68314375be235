from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from tests import tiny
from text2face import ArgumentError, PromptError, TextToFace
from text2face.serving.engine import Busy, Closed, Drawn, Engine, EngineConfig


class Gate:
    """A pipeline that draws only when it may."""

    def __init__(self) -> None:
        self.pipe = tiny.make_pipe()
        self.open = threading.Event()
        self.sizes: list[int] = []
        draw = self.pipe.draw_together

        def wait(texts: Any, *arguments: Any) -> Any:
            self.open.wait(60)
            self.sizes.append(len(texts))
            return draw(texts, *arguments)

        self.pipe.draw_together = wait  # type: ignore[method-assign]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def engine(gate: Gate) -> Iterator[Engine]:
    engine = Engine(gate.pipe, EngineConfig(workers=1, batch=4, queue=10))
    yield engine
    gate.open.set()
    engine.close()


def settle(engine: Engine, waiting: int) -> None:
    """Wait until so many faces are left in the queue."""
    deadline = time.monotonic() + 30
    while engine.waiting != waiting and time.monotonic() < deadline:
        time.sleep(0.005)
    assert engine.waiting == waiting


def ask(engine: Engine, text: str = "a man", seeds: Any = (1,), **options: Any) -> Any:
    return engine.draw(text, seeds, engine.pipe.settings(), **options)


def test_requests_of_many_clients_are_drawn_in_one_pass(engine: Engine, gate: Gate) -> None:
    first = ask(engine)
    settle(engine, 0)  # it is in the thread's hands
    others = [ask(engine, text, [seed]) for seed in range(3) for text in ("a man", "a woman")]
    gate.open.set()
    faces = [future.result(60)[0] for future in [first, *others]]
    assert gate.sizes == [1, 4, 2]
    for drawn in faces:
        (alone,) = tiny.make_pipe().draw(
            [drawn.face.prompt], [drawn.face.seed], engine.pipe.settings()
        )
        assert drawn.face.image.tobytes() == alone.image.tobytes()
        assert drawn.record.threads == 1


def test_other_settings_are_another_pass(engine: Engine, gate: Gate) -> None:
    first = ask(engine)
    settle(engine, 0)
    plain, wild = engine.pipe.settings(), engine.pipe.settings(diversity=2.0)
    futures = [engine.draw("a man", [i], [plain, wild][i % 2]) for i in range(4)]
    gate.open.set()
    results = [future.result(60)[0] for future in [first, *futures]]
    assert gate.sizes == [1, 2, 2]
    assert [one.record.settings.diversity for one in results] == [1, 1, 2, 1, 2]


def test_a_full_queue_says_when_to_come_again(engine: Engine, gate: Gate) -> None:
    first = ask(engine)
    settle(engine, 0)
    accepted = ask(engine, seeds=range(10))
    with pytest.raises(Busy) as busy:
        ask(engine)
    assert busy.value.retry_after >= 1
    gate.open.set()
    assert len(first.result(60)) == 1
    assert [drawn.face.seed for drawn in accepted.result(60)] == list(range(10))


def test_what_nobody_waits_for_is_not_drawn(engine: Engine, gate: Gate) -> None:
    first = ask(engine)
    settle(engine, 0)
    gone = ask(engine, seeds=range(8))
    late = ask(engine, timeout=0.0)
    assert gone.cancel()
    stays = ask(engine, seeds=[5])
    gate.open.set()
    assert stays.result(60)[0].face.seed == 5
    with pytest.raises(TimeoutError):
        late.result(60)
    with pytest.raises(CancelledError):
        gone.result(60)
    first.result(60)
    assert sum(gate.sizes) == 2


def test_the_best_come_first(engine: Engine, gate: Gate) -> None:
    gate.open.set()
    seen: list[Drawn] = []
    best = ask(engine, seeds=range(9), keep=3, on_face=seen.append).result(60)
    scores = [drawn.face.score for drawn in best]
    assert len(seen) == 9
    assert scores == sorted((one.face.score for one in seen), reverse=True)[:3]


def test_a_failure_is_nothing_to_others(engine: Engine, gate: Gate) -> None:
    draw = gate.pipe.draw_together

    def fail_on_red(texts: Any, *arguments: Any) -> Any:
        faces = draw(texts, *arguments)
        if "red hair" in [text.text for text in texts]:
            raise MemoryError
        return faces

    gate.pipe.draw_together = fail_on_red  # type: ignore[method-assign]
    first = ask(engine)
    settle(engine, 0)
    futures = [ask(engine, text) for text in ("a man", "red hair", "a woman")]
    gate.open.set()
    first.result(60)
    with pytest.raises(MemoryError):
        futures[1].result(60)
    assert [len(futures[i].result(60)) for i in (0, 2)] == [1, 1]


def test_closing_finishes_what_was_accepted(gate: Gate) -> None:
    engine = Engine(gate.pipe, EngineConfig(workers=2))
    futures: list[Future[list[Drawn]]] = [ask(engine, seeds=range(5)) for _ in range(4)]
    closing = threading.Thread(target=engine.close)
    closing.start()
    while not engine.closing:
        time.sleep(0.001)
    with pytest.raises(Closed):
        ask(engine)
    gate.open.set()
    closing.join(60)
    assert [len(future.result(0)) for future in futures] == [5] * 4


def test_bad_words_and_settings_never_reach_the_queue(engine: Engine) -> None:
    refused = ask(engine, "xyzzy")
    with pytest.raises(PromptError):
        refused.result(60)
    with pytest.raises(ArgumentError):
        engine.draw("a man", [1], engine.pipe.settings(truncation=9))
    settle(engine, 0)


def test_the_bundled_model_draws_what_the_library_draws(bundled: TextToFace) -> None:
    import torch

    threads = torch.get_num_threads()
    engine = Engine(bundled, EngineConfig(workers=2))
    futures = [
        ask(engine, text, [seed]) for seed in (3, 4, 5) for text in ("an old man", "a bald woman")
    ]
    drawn = [future.result(120)[0] for future in futures]
    engine.close()
    settings = bundled.settings()
    for one in drawn:  # this thread has one thread too, for the engine set it
        (alone,) = bundled.draw([one.face.prompt], [one.face.seed], settings)
        assert one.face.image.tobytes() == alone.image.tobytes()
    torch.set_num_threads(threads)
