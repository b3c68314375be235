"""Teach the mapping network to reach from z the latents that the synthesis network knows.

    python -m recipes.generator.mapping --run runs/generator --out src/text2face/bundled/generator

A face is a fixed function of z ~ N(0, I) (`recipes.faces.identity`), and its latent a linear
function of its renderer parameters; the network learns the way from one to the other on as many z
as there is time for, without an image.
"""

from __future__ import annotations

import argparse
import math
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.faces.identity import Z_DIM, sample
from recipes.faces.parameters import parameters
from recipes.generator.train import Parameters, new_generator, part
from text2face._folders import atomic_file
from text2face.generators.layers import StyledConv, ToRGB
from text2face.generators.mapping import Mapping
from text2face.generators.stylegan2 import StyleGAN2

LIFT = 3.0
RATE = 0.1  # times the mapping network's multiplier of 0.1


def draw(start: int) -> np.ndarray:
    """The parameters of 1,000 identities, [1000, P] float16."""
    return np.stack([parameters(sample(z)) for z in normals(start)]).astype(np.float16)


def normals(start: int) -> np.ndarray:
    """z of the identities start … start + 999, [1000, Z_DIM]."""
    return np.random.default_rng([7, start]).standard_normal((1000, Z_DIM))


def load(run: Path) -> tuple[StyleGAN2, Parameters]:
    """The averaged synthesis network of a training run and its latents, lifted."""
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    average = state["average"]
    # What the average follows; the adversarial stage holds it still.
    average |= {k: v for k, v in state["trained"].items() if k.startswith("embedding.")}
    generator = new_generator()
    embedding = Parameters(average["embedding.mean"].numel(), generator.w_dim)
    generator.synthesis.load_state_dict(part(average, "synthesis"))
    embedding.load_state_dict(part(average, "embedding"))
    lift(generator, embedding)
    return generator, embedding.requires_grad_(False)


class ExactMapping(Mapping):
    """The function that the mapping network approximates: z → identity → parameters → w."""

    def __init__(self, generator: StyleGAN2, embedding: Parameters) -> None:
        super().__init__(generator.config)
        self.layers = nn.Sequential()
        self.w_avg.copy_(generator.mean_latent)
        self.embedding = embedding

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        values = np.stack([parameters(sample(row)) for row in z.double().numpy()])
        return self.embedding(torch.from_numpy(values))  # type: ignore[no-any-return]


def lift(generator: StyleGAN2, embedding: Parameters) -> None:
    """Move all latents by `LIFT`; the styles take it back.

    The last layer of a mapping network is activated, so w has to be positive for w to be a linear
    function of what comes before, as most of it should be.
    """
    embedding.dense.bias.data += LIFT / embedding.dense.bias_gain
    for module in generator.synthesis.modules():
        if isinstance(module, StyledConv | ToRGB):
            affine = module.affine
            change = LIFT * affine.weight_gain * affine.weight.data.sum(dim=1)
            affine.bias.data -= change / affine.bias_gain


def linearise(mapping: Mapping) -> None:
    """Set the biases so that the layers start in the linear part of their activations."""
    before = 0.0
    for index, layer in enumerate(mapping.layers):
        last = index == len(mapping.layers) - 1
        level = LIFT / math.sqrt(2) if last else 1.0
        drift = before * layer.weight_gain * layer.weight.data.sum(dim=1)
        layer.bias.data.copy_((level - drift) / layer.bias_gain)
        before = math.sqrt(2) * level


def train(
    generator: StyleGAN2, embedding: Parameters, z: Tensor, values: Tensor, steps: int, batch: int
) -> None:
    """Regress the latents of `values` [N, P] on z [N, Z_DIM]; the last 2,000 rows are held out."""
    mapping = generator.mapping.train().requires_grad_(True)
    linearise(mapping)
    latents = torch.cat([embedding(rows.float()) for rows in values.split(10_000)])
    mapping.w_avg.copy_(latents.mean(dim=0))
    z_test, w_test, count = z[-2000:].float(), latents[-2000:], len(z) - 2000
    optimizer = torch.optim.Adam(mapping.parameters(), lr=RATE, betas=(0.9, 0.99), fused=True)
    random = torch.Generator().manual_seed(0)
    for step in range(steps):
        index = torch.randint(count, (batch,), generator=random)
        loss = F.mse_loss(mapping(z[index].float()), latents[index])
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 100) * (1 - 0.99 * step / steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 500 == 499 or step == steps - 1:
            with torch.no_grad():
                error = F.mse_loss(mapping(z_test), w_test) / w_test.var(dim=0).mean()
            print(
                f"step {step + 1}: train {loss.item():.4f}, "
                f"held out {100 * error.item():.1f} % of the variance",
                flush=True,
            )


def exact(generator: StyleGAN2, run: Path) -> StyleGAN2:
    """Put the exact mapping of a training run into the generator that came of it."""
    generator.mapping = ExactMapping(generator, load(run)[1])
    return generator.requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/generator"))
    parser.add_argument("--out", type=Path, default=Path("src/text2face/bundled/generator"))
    parser.add_argument("--identities", type=int, default=160_000)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    generator, embedding = load(arguments.run)
    cache = arguments.run / f"identities-{arguments.identities}.npz"
    starts = range(0, arguments.identities, 1000)
    if not cache.exists():
        with Pool(arguments.jobs) as pool:
            drawn = np.concatenate(pool.map(draw, starts))
        with atomic_file(cache) as file:
            np.savez(file, parameters=drawn)
    values = torch.from_numpy(np.load(cache)["parameters"])
    z = torch.from_numpy(np.concatenate([normals(s) for s in starts]).astype(np.float16))
    train(generator, embedding, z, values, arguments.steps, arguments.batch)
    generator.eval().requires_grad_(False).save_pretrained(arguments.out)


if __name__ == "__main__":
    main()
