"""A data set of renders, finished or still being rendered, as one array of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.faces.dataset import DONE


class Images:
    """Images uint8 [N, H, W, 3] that stay in their files."""

    def __init__(self, parts: list[NDArray[np.uint8]]) -> None:
        self.parts = parts
        self.starts = np.cumsum([0, *(len(part) for part in parts)])
        self.count = int(self.starts[-1])
        self.shape = (self.count, *parts[0].shape[1:])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Some images [K, H, W, 3], by their numbers."""
        out = np.empty((len(index), *self.shape[1:]), np.uint8)
        for row, number in enumerate(index):
            part = int(np.searchsorted(self.starts, number, side="right")) - 1
            out[row] = self.parts[part][number - self.starts[part]]
        return out


def read(folder: Path) -> tuple[Images, NDArray[np.float32]]:
    """The images of a data set and its parameters [N, P]: all, or those of its finished shards.

    Raises:
        FileNotFoundError: There is no picture yet.
    """
    finished = (folder / DONE).exists()
    folders = [folder] if finished else sorted((folder / "shards").glob("[0-9]*"))
    if not folders:
        raise FileNotFoundError(f"no renders in {folder}: run python -m recipes.faces first")
    images = Images([np.load(each / "images.npy", mmap_mode="r") for each in folders])
    rows = np.concatenate([np.load(each / "parameters.npy") for each in folders])
    return images, rows.astype(np.float32)
