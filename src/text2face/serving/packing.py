"""Encoding of faces as image files, in a few threads, cancelled with the request."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from text2face import provenance
from text2face.pictures import resized
from text2face.serving.engine import Busy, Drawn, Engine

__all__ = ["Pack", "Packing"]

_T = TypeVar("_T")
_SMALL = 2**15  # pixels


@dataclass(frozen=True)
class Pack:
    """Faces, and the files that they are to become."""

    drawn: Sequence[Drawn]
    side: int
    """Pixels."""
    kind: str
    quality: int | None
    sign: provenance.Signer | None

    @property
    def small(self) -> bool:
        """Whether it is done sooner than a thread is called."""
        return len(self.drawn) * self.side**2 <= _SMALL and self.sign is None

    def files(self, wanted: Callable[[], bool] = lambda: True) -> list[bytes]:
        """Make the files, as long as somebody wants them."""
        made = []
        for one in self.drawn:
            if not wanted():
                break
            image = resized(one.face.image, self.side)
            record = one.record.at(self.side, drawn=one.face.image.width)
            made.append(
                provenance.encode_file(
                    image, record, self.kind, quality=self.quality, sign=self.sign
                )
            )
        return made


class Packing:
    """Threads that pack, and the number of faces whose requests are not answered yet."""

    def __init__(self, engine: Engine) -> None:
        """Allow twice as many faces as may wait to be drawn."""
        self._pool = ThreadPoolExecutor(2, "text2face-packer")
        self._engine = engine
        self._open = 0

    @contextlib.contextmanager
    def room(self, count: int) -> Iterator[None]:
        """Count the faces of a request until it is answered.

        Raises:
            Busy: There are too many.
        """
        if self._open and self._open + count > 2 * self._engine.config.queue:
            raise Busy(self._open, 1)
        self._open += count
        try:
            yield
        finally:
            self._open -= count

    def submit(self, function: Callable[[], _T]) -> Future[_T]:
        """Have it done in a thread."""
        return self._pool.submit(function)
