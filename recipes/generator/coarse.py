"""Teach a small network what a face looks like from afar.

    python -m recipes.generator.coarse --data data/train --out runs/generator

Where the hair ends and which way the shoulders turn depends on many of the renderer's parameters
at once, and a generator would learn it at fifty images a second. A network of a few dense layers
learns it at ten thousand, as the main components of the pictures; these numbers are then parameters
like the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.generator.latents import Scaled
from text2face.precision import autocast
from text2face.storage.folders import atomic_file

COARSE = "coarse.safetensors"
SIZE = 64  # pixels of the pictures
COUNT = 208  # components: they leave 4 % of the variance
WIDTH, DEPTH = 768, 4
SHOWN = 20_000  # pictures that the components are found in
BATCH = 256
RATE = 1e-3


class Residual(nn.Module):
    """A residual block of dense layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(F.gelu(self.up(self.norm(x))))  # type: ignore[no-any-return]


class Coarse(Scaled):
    """Renderer parameters [N, P] → components of the picture [N, K], first the main ones."""

    def __init__(self, parameters: int, count: int = COUNT) -> None:
        super().__init__(parameters)
        self.net = nn.Sequential(
            nn.Linear(parameters, WIDTH),
            *(Residual(WIDTH) for _ in range(DEPTH)),
            nn.LayerNorm(WIDTH),
            nn.Linear(WIDTH, count),
        )

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The network in a file that `main` wrote."""
        state = load_file(path)
        coarse = cls(state["mean"].numel(), state[f"net.{DEPTH + 2}.bias"].numel())
        coarse.load_state_dict(state)
        return coarse.requires_grad_(False)

    def forward(self, values: Tensor) -> Tensor:
        return self.net(self.scaled(values))  # type: ignore[no-any-return]

    @torch.no_grad()
    def extend(self, values: Tensor) -> Tensor:
        """The parameters, followed by the components: [N, P + K]."""
        return torch.cat([torch.cat([x, self(x)], dim=1) for x in torch.split(values, 10_000)])


def read_extended(data: Path, run: Path) -> tuple[np.ndarray, Tensor]:
    """The images of a data set [N, H, W, 3], in their file, and its extended parameters."""
    images = np.load(data / "images.npy", mmap_mode="r")
    rows = np.load(data / "parameters.npy")[: len(images)].astype(np.float32)
    return images, Coarse.from_file(run / COARSE).extend(torch.from_numpy(rows))


@torch.no_grad()
def find_components(images: np.ndarray, count: int) -> Tensor:
    """The main components of images [N, H, W, 3] uint8 at `SIZE` pixels (arXiv 0909.4061): [N, K].

    Each is divided by the root of its spread, so that small ones count as well.
    """

    def rows(start: int) -> Tensor:
        pixels = torch.from_numpy(images[start : start + 1000]).permute(0, 3, 1, 2)
        return F.adaptive_avg_pool2d(pixels.float() / 127.5 - 1, SIZE).flatten(1)

    starts = range(0, len(images), 1000)
    shown = torch.cat([rows(start) for start in starts if start < SHOWN])
    mean = shown.mean(0)
    _, _, axes = torch.pca_lowrank(shown - mean, q=count, center=False, niter=3)
    values = torch.cat([(rows(start) - mean) @ axes for start in starts])
    return values * values.std(0).rsqrt()


def train(coarse: Coarse, parameters: Tensor, wanted: Tensor, epochs: int) -> None:
    """Regress components [N, K] on parameters [N, P]."""
    coarse.fit(parameters)
    optimizer = torch.optim.AdamW(coarse.parameters(), weight_decay=0.02, fused=True)
    random = torch.Generator().manual_seed(0)
    steps = len(parameters) // BATCH
    for epoch in range(epochs):
        losses = []
        order = torch.randperm(len(parameters), generator=random)
        for step, index in enumerate(torch.split(order, BATCH)[:steps], start=epoch * steps):
            rate = RATE * min(1.0, (step + 1) / 200) * (1 - step / (epochs * steps))
            for group in optimizer.param_groups:
                group["lr"] = rate
            with autocast("cpu"):
                found = coarse(parameters[index])
            loss = F.mse_loss(found.float(), wanted[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1} of {epochs}: {np.mean(losses):.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/train"))
    parser.add_argument("--out", type=Path, default=Path("runs/generator"))
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--components", type=int, default=COUNT)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    images = np.load(arguments.data / "images.npy", mmap_mode="r")
    parameters = torch.from_numpy(np.load(arguments.data / "parameters.npy").astype(np.float32))
    components = find_components(images, arguments.components)
    coarse = Coarse(parameters.shape[1], arguments.components)
    train(coarse, parameters, components, arguments.epochs)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with atomic_file(arguments.out / COARSE) as file:
        file.write(save(coarse.state_dict()))


if __name__ == "__main__":
    main()
