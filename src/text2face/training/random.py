"""Random numbers that belong to an item of a step, whichever process draws them.

Philox (Salmon et al., SC 2011) turns a counter into random bits. The counter here is made of the
step, the stream's name and the item, so that any rank draws its own items' numbers at once, and a
training that is resumed needs no state.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Draws", "permutation"]

_WORDS = 8  # 32-bit numbers in one value of the counter


@dataclass(frozen=True)
class Draws:
    """The random numbers of some items of a step."""

    seed: int
    step: int
    start: int
    """The number, within the batch of all ranks, of this rank's first item."""
    count: int

    def uniform(self, stream: str, dim: int = 1) -> Tensor:
        """[count, dim], from 0 to below 1; each stream is independent of the others."""
        bits = self._bits(stream, self.start, self.count, dim)
        return torch.from_numpy((bits >> 8).astype(np.float32) * np.float32(2**-24))

    def normal(self, stream: str, dim: int) -> Tensor:
        """[count, dim] from N(0, 1) by the Box-Muller transform."""
        half = (dim + 1) // 2
        bits = self._bits(stream, self.start, self.count, 2 * half)
        uniform = ((bits >> 8).astype(np.float32) + np.float32(0.5)) * np.float32(2**-24)
        radius = np.sqrt(-2 * np.log(uniform[:, :half]))
        angle = np.float32(2 * np.pi) * uniform[:, half:]
        drawn = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return torch.from_numpy(np.ascontiguousarray(drawn[:, :dim]))

    def groups(self, size: int) -> list[tuple[Draws, slice]]:
        """Every group of `size` items of the whole batch that this rank holds some of.

        Returns:
            Draws that are the same for all of the group, and where its items are among ours.
        """
        found = []
        for group in range(self.start // size, -(-(self.start + self.count) // size)):
            first = max(group * size - self.start, 0)
            last = min((group + 1) * size - self.start, self.count)
            found.append((Draws(self.seed, self.step, group, 1), slice(first, last)))
        return found

    def _bits(self, stream: str, start: int, count: int, dim: int) -> NDArray[np.uint32]:
        blocks = -(-dim // _WORDS)
        key = [self.seed % 2**64, zlib.crc32(stream.encode())]
        philox = np.random.Philox(counter=[start * blocks, self.step, 0, 0], key=key)
        raw = philox.random_raw(count * blocks * _WORDS // 2).view(np.uint32)
        return raw.reshape(count, blocks * _WORDS)[:, :dim]


def permutation(seed: int, epoch: int, count: int) -> Tensor:
    """The order in which an epoch goes through its items [count]."""
    order = np.random.Generator(np.random.Philox(key=[seed % 2**64, epoch])).permutation(count)
    return torch.from_numpy(order)
