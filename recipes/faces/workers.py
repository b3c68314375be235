"""Work that wants a renderer, in this process or spread over several."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from recipes.faces.renderer import Renderer

Item = TypeVar("Item")
Result = TypeVar("Result")


def shards_of(count: int, size: int) -> list[range]:
    """The numbers from 0 to `count`, `size` at a time."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def spread(
    work: Callable[[Item, Renderer], Result],
    items: Sequence[Item],
    cache: Path | None = None,
    jobs: int = 1,
) -> Generator[Result, None, None]:
    """Does `work(item, renderer)` for all items; yields results as they come, in any order.

    `work` can be pickled. An interrupt lets the items at hand finish and starts no more.

    Raises:
        AssetError: The assets cannot be had.
    """
    if not items:
        return
    if jobs == 1 or len(items) == 1:
        renderer = Renderer(cache)
        for item in items:
            yield work(item, renderer)
        return
    Renderer(cache)  # fetches and packs the assets once, before there are many who want them
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start, (cache,))
    try:
        futures = [pool.submit(_call, work, item) for item in items]
        for done in as_completed(futures):
            yield done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_own: list[Renderer] = []  # of this process, made when it starts


def _start(cache: Path | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    _own.append(Renderer(cache))


def _call(work: Callable[[Item, Renderer], Result], item: Item) -> Result:
    return work(item, _own[0])
