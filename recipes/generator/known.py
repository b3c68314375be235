"""Find again which latent a generator keeps for which renderer parameters.

    python -m recipes.generator.known --generator src/text2face/bundled/generator --out known

The latent of a render was a function of its parameters while the generator was trained, and
its mapping network reaches the same latents from z. So many z, the parameters of their faces and
`mapping(z)` show that function without an image, and a generator can be trained further although
nothing but its weights is left. Run it with the odds that the mapping network was trained for:
they say which face belongs to which z. For weights of before the odds for learning:

    git checkout 283c593 -- recipes/faces/odds.py recipes/faces/identity.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from scipy.special import ndtr, ndtri
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.faces.identity import Z_DIM, choices, sample
from recipes.faces.parameters import names, parameters
from recipes.generator.coarse import Residual
from recipes.generator.latents import Scaled
from text2face.dense import normalize_second_moment
from text2face.generators.stylegan2 import StyleGAN2
from text2face.precision import autocast
from text2face.storage.folders import atomic_file

FILE: Final = "known.safetensors"
TRAINED: Final = "trained.safetensors"
"""The same map after `recipes.generator.grow` has trained it along."""
SEED: Final = 5
PAIRS, EPOCHS, BATCH, RATE = 60_000, 9, 256, 1e-3
WIDTH, DEPTH = 512, 2
# The least distance between the values of details whose latents are nearly the same.
MIN_SEPARATION: Final = {
    "earrings": 4.0, "freckles": 4.0, "gold_earrings": 2.0, "eye_color": 3.0, "frame_shape": 2.0,
    "expression": 2.0, "lipstick": 1.5,
}  # fmt: skip


class Known(Scaled):
    """Renderer parameters [N, P] → latents [N, w_dim]: linear, and what a small network adds."""

    apart: Tensor
    """[P, w_dim]: what sets apart the details of `MIN_SEPARATION`."""

    def __init__(self, count: int, w_dim: int) -> None:
        super().__init__(count)
        self.linear = nn.Linear(count, w_dim)
        self.net = nn.Sequential(
            nn.Linear(count, WIDTH),
            *(Residual(WIDTH) for _ in range(DEPTH)),
            nn.LayerNorm(WIDTH),
            nn.Linear(WIDTH, w_dim),
        )
        self.register_buffer("apart", torch.zeros(count, w_dim))

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The map in a file that `main` wrote, frozen."""
        state = load_file(path)
        known = cls(*state["apart"].shape)
        known.load_state_dict(state)
        return known.eval().requires_grad_(False)

    @classmethod
    def from_run(cls, run: Path) -> Self:
        """The map in a folder: as trained along with the generator, if it was."""
        return cls.from_file(run / (TRAINED if (run / TRAINED).exists() else FILE))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            file.write(save(self.state_dict()))

    def forward(self, values: Tensor) -> Tensor:
        x = self.scaled(values)
        return self.linear(x) + self.net(x) + values @ self.apart  # type: ignore[no-any-return]

    def set_apart(self, seed: int = SEED) -> None:
        """Give each value of the details in `MIN_SEPARATION` its own fixed direction."""
        random = torch.Generator().manual_seed(seed)
        directions = torch.randn(self.apart.shape, generator=random)
        directions /= directions.norm(dim=1, keepdim=True)
        lengths = [
            MIN_SEPARATION.get(name, 0.0) if value != "none" else 0.0 for name, value in names()
        ]
        self.apart.copy_(directions * torch.tensor(lengths)[:, None])


def balanced(count: int, seed: int = SEED) -> NDArray[np.float64]:
    """Normal z [count, Z_DIM] of length √Z_DIM; in half of them choices are often drawn evenly.

    So values that are rare are seen with all others.
    """
    random = np.random.default_rng(seed)
    z = random.standard_normal((count, Z_DIM))
    half = count // 2
    for slot, cuts in choices().items():
        edges = np.concatenate([[0.0], ndtr(cuts), [1.0]])
        possible = np.flatnonzero(np.diff(edges) > 1e-6)
        option = random.choice(possible, half)
        share = edges[option] + (edges[option + 1] - edges[option]) * random.random(half)
        even = random.random(half) < 0.5
        z[:half][even, slot] = ndtri(share.clip(1e-6, 1 - 1e-6))[even]
    scaled: NDArray[np.float64] = z / np.sqrt((z**2).mean(1, keepdims=True))
    return scaled


@torch.no_grad()
def pairs(generator: StyleGAN2, count: int) -> tuple[Tensor, Tensor]:
    """Parameters [N, P] of faces and the latents [N, w_dim] that the mapping network has."""
    z = balanced(count)
    rows = torch.from_numpy(np.stack([parameters(sample(each)) for each in z]))
    parts = torch.split(torch.from_numpy(z).float(), 1000)
    return rows, torch.cat([generator.mapping(normalize_second_moment(part)) for part in parts])


def fit(known: Known, rows: Tensor, latents: Tensor, epochs: int = EPOCHS) -> float:
    """Regress latents [N, w_dim] on parameters [N, P].

    Returns:
        The share of the latents' variance that is left on a twentieth that was held out.
    """
    held_out = torch.zeros(len(rows), dtype=torch.bool)
    held_out[::20] = True
    known.fit(rows)
    _solve(known, rows[~held_out], latents[~held_out])
    nn.init.zeros_(known.net[-1].weight)  # type: ignore[arg-type]
    left = latents - known.linear(known.scaled(rows)).detach()
    optimizer = torch.optim.AdamW(known.net.parameters(), lr=0.0, weight_decay=0.05, fused=True)
    seen = torch.where(~held_out)[0]
    random = torch.Generator().manual_seed(SEED)
    steps, step = len(seen) // BATCH * epochs, 0
    for epoch in range(epochs):
        order = seen[torch.randperm(len(seen), generator=random)]
        losses = []
        for index in torch.split(order, BATCH)[: len(seen) // BATCH]:
            rate = RATE * min(1.0, (step + 1) / 200) * (1 - step / steps)
            optimizer.param_groups[0]["lr"] = rate
            with autocast("cpu"):
                found = known.net(known.scaled(rows[index]))
            loss = F.mse_loss(found.float(), left[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
            step += 1
        print(f"epoch {epoch + 1} of {epochs}: {np.mean(losses):.4f}", flush=True)
    with torch.no_grad():
        error = F.mse_loss(known(rows[held_out]), latents[held_out])
    return (error / latents[held_out].var(0).mean()).item()


@torch.no_grad()
def _solve(known: Known, rows: Tensor, latents: Tensor) -> None:
    """Set the linear part by ridge regression."""
    x = known.scaled(rows)
    mean, target = x.mean(0), latents.mean(0)
    centred = (x - mean).double()
    power = centred.T @ centred / len(x)
    power.diagonal().add_(1e-3 * power.diagonal().mean())
    weight = torch.linalg.solve(power, centred.T @ (latents - target).double() / len(x)).float()
    known.linear.weight.copy_(weight.T)
    known.linear.bias.copy_(target - mean @ weight)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--generator", type=Path, default=Path("src/text2face/bundled/generator"), help="folder"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/grown"))
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument(
        "--at-most", type=float, default=0.2, help="share of the variance that may be left"
    )
    arguments = parser.parse_args()
    torch.manual_seed(0)
    rows, latents = pairs(StyleGAN2.from_pretrained(arguments.generator), arguments.pairs)
    known = Known(rows.shape[1], latents.shape[1])
    left = fit(known, rows, latents, arguments.epochs)
    print(f"held out: {100 * left:.1f} % of the variance left", flush=True)
    if left > arguments.at_most:
        raise SystemExit(
            f"{arguments.generator}: {100 * left:.0f} % of the latents' variance is left, expected "
            f"at most {100 * arguments.at_most:.0f} %: its mapping network was trained for other "
            "odds than those of recipes/faces (see --help)"
        )
    known.set_apart()
    known.save(arguments.out / FILE)


if __name__ == "__main__":
    main()
