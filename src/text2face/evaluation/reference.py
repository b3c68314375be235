"""Reference pictures that generated faces are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from text2face.errors import ArgumentError, one_line
from text2face.pictures import find_pictures, read_picture, why_unreadable

__all__ = ["ReferenceImages"]


@dataclass(frozen=True)
class ReferenceImages:
    """The pictures of a folder, in order: files, or uint8 [N, H, W, 3] in `images.npy`."""

    pictures: NDArray[np.uint8] | Sequence[Path]
    size: int
    """The side that all are given, in pixels."""
    skipped: Sequence[str] = ()
    """Files that are called pictures and are no PNG, JPEG or WebP, with the reason."""
    on_skipped: Callable[[str], object] = lambda line: None
    """Called with each line of `skipped`, and with one for each picture found damaged later."""

    @classmethod
    def read(
        cls, folder: Path, size: int, on_skipped: Callable[[str], object] = lambda line: None
    ) -> ReferenceImages:
        """Find the pictures of a folder and of those in it.

        Args:
            folder: Where they are.
            size: The side that all are given, in pixels.
            on_skipped: Called with a line about each file that is skipped.

        Raises:
            ArgumentError: There are fewer than two.
        """
        if (folder / "images.npy").is_file():
            path = folder / "images.npy"
            try:
                array = np.lib.format.open_memmap(path, mode="r")  # and no zip file
            except (OSError, ValueError, EOFError, SyntaxError) as error:
                raise ArgumentError(
                    f"cannot read {path}: {one_line(error)[:200]}; expected uint8 [N, H, W, 3]"
                ) from None
            shape: tuple[int, ...] = getattr(array, "shape", ())  # of .npz, none
            if len(shape) == 4 and shape[3] == 3 and min(shape) > 0 and array.dtype == np.uint8:
                if len(array) < 2:
                    raise ArgumentError(f"one picture in {path}, expected at least two")
                return cls(array, size)
            raise ArgumentError(
                f"{path} is {getattr(array, 'dtype', 'no array')} {list(shape)}, expected uint8 "
                "[N, H, W, 3]"
            )
        whys = {path: why_unreadable(path) for path in find_pictures(folder)}
        paths = [path for path, why in whys.items() if why is None]
        skipped = [
            f"{path.relative_to(folder)} is no picture ({why})" for path, why in whys.items() if why
        ]
        if len(paths) < 2:
            more = f" ({', '.join(skipped[:3])})" if skipped else ""
            raise ArgumentError(
                f"{len(paths)} pictures in {folder}{more}, expected a folder of at least two, PNG, "
                "JPEG or WebP files of faces"
            )
        for line in skipped:
            on_skipped(line)
        return cls(paths, size, skipped, on_skipped)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.pictures)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits of the pictures' contents, not of their names."""
        digest = hashlib.sha256(str(self.size).encode())
        for picture in self.pictures:
            content = picture.read_bytes() if isinstance(picture, Path) else picture.tobytes()
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()[:16]

    def images(self, rows: Sequence[int], batch_size: int = 100) -> Iterator[Tensor]:
        """Batches of images [n, 3, size, size] in [-1, 1]; damaged pictures are skipped.

        Raises:
            ArgumentError: Fewer than two of several can be read.
        """
        read, damaged = 0, []
        for start in range(0, len(rows), batch_size):
            chosen = []
            for row in rows[start : start + batch_size]:
                try:
                    chosen.append(self._picture(row))
                except ArgumentError as error:
                    damaged.append(str(error).removeprefix("cannot read ").split(";")[0])
                    self.on_skipped(damaged[-1])
            read += len(chosen)
            if chosen:
                pixels = torch.from_numpy(np.stack(chosen).astype(np.float32) / 127.5 - 1)
                yield pixels.permute(0, 3, 1, 2)
        if read < min(2, len(rows)):
            raise ArgumentError(
                f"{read} of {len(rows)} pictures can be read; expected at least two (the first "
                f"problem: {damaged[0]})"
            )

    def _picture(self, row: int) -> NDArray[np.uint8]:
        found = self.pictures[row]
        if not isinstance(found, Path):
            if found.shape[:2] == (self.size, self.size):
                return np.asarray(found)
            return self._resized(Image.fromarray(found))
        return self._resized(read_picture(found))

    def _resized(self, picture: Image.Image) -> NDArray[np.uint8]:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        box = (left, top, left + side, top + side)
        size = (self.size, self.size)
        return np.asarray(picture.resize(size, Image.Resampling.LANCZOS, box=box))
