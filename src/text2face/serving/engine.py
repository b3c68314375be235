"""The queue between clients and the model: faces of equal settings are drawn in one batch."""

from __future__ import annotations

import contextlib
import heapq
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import torch
from PIL import Image
from torch import Tensor

from text2face import provenance
from text2face.pictures import decode_image, open_image
from text2face.pipeline import Face, TextToFace
from text2face.prompts import Prompt
from text2face.provenance import Record
from text2face.settings import Settings

__all__ = ["Busy", "Closed", "Drawn", "Engine", "EngineConfig"]

LARGE: Final = 2**22  # pixels of a picture of which one at a time is worked on
_SMOOTHING: Final = 0.1  # how fast the estimate of seconds per face follows


class Busy(Exception):
    """The queue is full."""

    def __init__(self, waiting: int, retry_after: int) -> None:
        """Say how many faces wait and in how many seconds to come again."""
        super().__init__(f"{waiting} faces are waiting already; try again in {retry_after} s")
        self.retry_after = retry_after


class Closed(Exception):
    """The engine takes no more work."""


@dataclass(frozen=True)
class EngineConfig:
    """How much is done at once."""

    workers: int = 0
    """Threads that draw, each on one core; 0 = one for each core, and one on a GPU."""
    batch: int = 8
    """Faces in one pass at most."""
    queue: int = 256
    """Faces that may wait at most."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A face with the record that goes into its file; equal to itself alone."""

    face: Face
    record: Record


class _Request:
    """What one client waits for."""

    def __init__(
        self,
        count: int,
        timeout: float,
        keep: int | None = None,
        on_face: Callable[[Drawn], object] | None = None,
    ) -> None:
        self.future: Future[list[Drawn]] = Future()
        self.keep = keep
        self.on_face = on_face
        self.deadline = time.monotonic() + timeout
        self._results: list[Drawn | None] = [None] * count
        self._lock = threading.Lock()
        self._settled = False

    def wanted(self) -> bool:
        """Whether someone still waits for it."""
        if time.monotonic() > self.deadline:
            self.settle(TimeoutError())
        return not self.future.done()

    def finish(self, index: int, drawn: Drawn) -> None:
        """One face is there."""
        with self._lock:
            self._results[index] = drawn
            done = [result for result in self._results if result is not None]
        if self.on_face and not self.future.done():
            self.on_face(drawn)
        if len(done) == len(self._results):
            if self.keep is not None:
                done = heapq.nlargest(self.keep, done, key=lambda one: one.face.score)
            self.settle(done)

    def settle(self, outcome: list[Drawn] | BaseException) -> None:
        """Give the outcome to who waits, if it is the first and someone does."""
        with self._lock:
            if self._settled:
                return
            self._settled = True
        if not self.future.set_running_or_notify_cancel():
            return
        if isinstance(outcome, list):
            self.future.set_result(outcome)
        else:
            self.future.set_exception(outcome)


@dataclass
class _Item:
    """One face to draw, or one call to make."""

    job: _Request
    index: int
    text: str | Prompt = ""
    embedding: Tensor | None = None
    seed: int = 0
    settings: Settings | None = None
    call: Callable[[], Drawn] | None = None


@dataclass
class Statistics:
    """What has been done so far."""

    faces: int = 0
    passes: int = 0
    sizes: dict[int, int] = field(default_factory=dict)
    """How many passes there were of each size."""
    seconds: float = 0.0


class Engine:
    """Draws for many clients at once with a few threads.

    Every thread always uses one core, so that an image does not depend on how busy
    the server is: it equals, bit for bit, what `TextToFace` makes with one thread.
    """

    def __init__(self, pipe: TextToFace, config: EngineConfig | None = None) -> None:
        """Start the threads.

        Args:
            pipe: The model.
            config: How much at once.
        """
        self.pipe = pipe
        self.config = config or EngineConfig()
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        alone = pipe.device.type != "cpu"
        self.workers = self.config.workers or (1 if alone else cores or 1)
        self.statistics = Statistics()
        self._waiting: deque[_Item] = deque()
        self._large = threading.Lock()
        self._admitted = 0  # faces whose words are not read yet
        # Words are read in their order, by one thread: odd ones take long, and drawing goes on.
        self._reader = ThreadPoolExecutor(1, "text2face-reader", torch.set_num_threads, (1,))
        self._closing = False
        self._change = threading.Condition()
        self._pace = 0.1  # seconds a face, all threads together
        torch.set_num_threads(1)
        self._threads = [
            threading.Thread(target=self._work, name=f"text2face-{i}", daemon=True)
            for i in range(self.workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Faces in the queue."""
        return len(self._waiting) + self._admitted

    @property
    def closing(self) -> bool:
        """Whether no more work is taken."""
        return self._closing

    def draw(
        self,
        text: str | Prompt,
        seeds: Sequence[int],
        settings: Settings,
        *,
        keep: int | None = None,
        timeout: float = math.inf,
        on_face: Callable[[Drawn], object] | None = None,
        on_read: Callable[[Prompt], object] | None = None,
    ) -> Future[list[Drawn]]:
        """Ask for faces of one prompt.

        Args:
            text: The prompt.
            seeds: One for each face.
            settings: See `TextToFace.settings`.
            keep: Give only this many, best first; None = all, in order.
            timeout: Seconds after which the request is dropped.
            on_face: Called with each face as it is drawn, in a thread of the engine.
            on_read: Called with each prompt when it has been read, before any face: one, or those
                that seeds make of a template.

        Returns:
            The faces to come; cancelling it takes those out of the queue that are not begun. It may
            raise `TimeoutError`, or what the pipeline raises, such as `PromptError`.

        Raises:
            Busy: The queue is full.
            Closed: The engine takes no more work.
        """
        job = _Request(len(seeds), timeout, keep, on_face)
        with self._change:
            self._check(len(seeds))  # before the words cost anything
            self._admitted += len(seeds)
            self._reader.submit(self._read, job, text, seeds, settings, on_read)
        return job.future

    def _read(
        self,
        job: _Request,
        text: str | Prompt,
        seeds: Sequence[int],
        settings: Settings,
        on_read: Callable[[Prompt], object] | None,
    ) -> None:
        """Read a prompt and put its faces into the queue, where they have been counted already."""
        items: list[_Item] = []
        try:
            if job.wanted():
                prompts = self.pipe.resolve(text, seeds, settings)
                if on_read:
                    for prompt in dict.fromkeys(prompts):
                        on_read(prompt)
                embeddings = self.pipe.embed_all(prompts)
                items = [
                    _Item(job, index, prompts[index], embeddings[index], seed, settings)
                    for index, seed in enumerate(seeds)
                ]
        except BaseException as error:  # passed to the client; the thread survives
            job.settle(error)
        with self._change:
            self._admitted -= len(seeds)
            self._waiting.extend(items)
            self._change.notify_all()

    def call(
        self, functions: Sequence[Callable[[], Drawn]], *, timeout: float = math.inf
    ) -> Future[list[Drawn]]:
        """Have something else made by the same threads, one result for each function.

        Raises:
            Busy: The queue is full.
            Closed: The engine takes no more work.
        """
        job = _Request(len(functions), timeout)
        self._enter([_Item(job, i, call=function) for i, function in enumerate(functions)])
        return job.future

    @contextlib.contextmanager
    def picture(self, content: bytes, *, max_pixels: int) -> Iterator[Image.Image]:
        """Decode an upload, in a thread of the engine, as long as it is worked on.

        Pixels take hundreds of times the room of a file, and many times more while they are worked
        on. So of large pictures one at a time is decoded, and made smaller: models draw far less.

        Args:
            content: The file.
            max_pixels: Larger ones are refused.

        Raises:
            ArgumentError: It cannot be read, or has too many pixels.
        """
        header = open_image(content, "the image", max_pixels=max_pixels)
        factor = math.ceil(math.sqrt(header.width * header.height / LARGE))
        with self._large if factor > 1 else contextlib.nullcontext():
            image = decode_image(content, "the image", max_pixels=max_pixels)
            yield image.reduce(factor) if factor > 1 else image

    def close(self) -> None:
        """Take no more work, finish what was accepted, and end the threads."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        self._reader.shutdown()
        for thread in self._threads:
            thread.join()

    def _check(self, count: int) -> None:
        if self._closing:
            raise Closed
        waiting = self.waiting
        # A large request may enter an empty queue.
        if waiting and waiting + count > self.config.queue:
            raise Busy(waiting, max(1, math.ceil(waiting * self._pace)))

    def _enter(self, items: Sequence[_Item]) -> None:
        with self._change:
            self._check(len(items))
            self._waiting.extend(items)
            self._change.notify(len(items))

    def _take(self) -> list[_Item]:
        """Wait for work: the face that has waited longest, and others of its settings."""
        with self._change:
            while True:
                while not self._waiting and not (self._closing and not self._admitted):
                    self._change.wait()
                if not self._waiting:
                    return []
                first = self._waiting.popleft()
                if first.job.wanted():
                    break
            taken = [first]
            if first.call is None:
                # A fair share, so that no thread stands idle beside a full pass.
                share = math.ceil((1 + len(self._waiting)) / self.workers)
                most = min(share, self.config.batch)
                passed = []
                while self._waiting and len(taken) < most:
                    item = self._waiting.popleft()
                    if item.call is not None or item.settings != first.settings:
                        passed.append(item)
                    elif item.job.wanted():
                        taken.append(item)
                self._waiting.extendleft(reversed(passed))
            return taken

    def _work(self) -> None:
        torch.set_num_threads(1)  # it is a property of the thread
        while items := self._take():
            start = time.perf_counter()
            self._serve(items)
            self._count(len(items), time.perf_counter() - start)

    def _serve(self, items: Sequence[_Item]) -> None:
        """Draw, and settle every request; the thread survives any exception."""
        try:
            drawn = self._draw(items)
        except BaseException as error:
            if len(items) == 1:
                items[0].job.settle(error)
            for item in items if len(items) > 1 else ():
                self._serve([item])  # what is wrong with one is nothing to the others
        else:
            for item, one in zip(items, drawn, strict=True):
                item.job.finish(item.index, one)

    def _draw(self, items: Sequence[_Item]) -> list[Drawn]:
        if items[0].call is not None:
            return [items[0].call()]
        settings = items[0].settings
        embeddings = [item.embedding for item in items if item.embedding is not None]
        if settings is None:
            raise ValueError("an item without settings")
        faces = self.pipe.draw_together(
            [item.text for item in items],
            torch.stack(embeddings),
            [item.seed for item in items],
            settings,
        )
        return [Drawn(face, provenance.make_record(self.pipe, settings, face)) for face in faces]

    def _count(self, faces: int, seconds: float) -> None:
        with self._change:
            done = self.statistics
            done.faces += faces
            done.passes += 1
            done.seconds += seconds
            done.sizes[faces] = done.sizes.get(faces, 0) + 1
            pace = seconds / faces / self.workers
            self._pace += _SMOOTHING * (pace - self._pace)
