"""Teach the mapping network to reach from z the latents that the synthesis network knows.

    python -m recipes.generator.mapping --run runs/generator

A face is a fixed function of z ~ N(0, I) (`recipes.faces.identity`), and its latent one of its
renderer parameters. That function jumps where a choice changes, which a network is
slow to learn; so it is built first and trained after: two layers make steps at the cuts of all
choices, and the next ones products of these, chosen by how much they explain (whose hair it is,
whether it is seen). No image takes part.
"""

from __future__ import annotations

import argparse
import math
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recipes.faces.identity import choices, draw, sample
from recipes.faces.parameters import parameters
from recipes.generator.coarse import COARSE, Coarse
from recipes.generator.known import FILE, TRAINED, Known
from recipes.generator.latents import Parameters, lift, speeds
from recipes.generator.train import CHECKPOINT, new_generator, part
from text2face.dense import Dense, normalize_second_moment
from text2face.generators.mapping import Mapping
from text2face.generators.stylegan2 import StyleGAN2
from text2face.precision import autocast
from text2face.storage.folders import atomic_file

SEED = 7  # of the identities learnt from, which are those of no data set
RAMP = 0.04  # the width of a step, in standard deviations of z
RAISE = 4.5  # keeps a component of z positive
SLOPE, GAIN = 0.2, math.sqrt(2)  # of the activation
HELD_OUT = 2000
BUILT_ON = 10_000
AXES = 64
RATE = 5e-4


def normals(count: int, start: int = 0) -> Tensor:
    """z of some identities as the network sees them, of length √Z_DIM: [count, Z_DIM]."""
    z = np.stack([draw(SEED, i) for i in range(start, start + count)])
    return normalize_second_moment(torch.from_numpy(z))


def draw_parameters(start: int, count: int = 1000) -> np.ndarray:
    """The parameters of some identities, [count, P] float16."""
    rows = [parameters(sample(z)) for z in normals(count, start).numpy()]
    return np.stack(rows).astype(np.float16)


def draw_all(count: int, jobs: int) -> np.ndarray:
    """The parameters of the first identities, [count, P] float16."""
    with get_context("spawn").Pool(jobs) as pool:  # a fork would hang in torch
        return np.concatenate(pool.map(draw_parameters, range(0, count, 1000)))[:count]


def load(run: Path) -> tuple[StyleGAN2, Parameters]:
    """The averaged synthesis network of a training run, and parameters → its latents."""
    average = torch.load(run / CHECKPOINT, weights_only=True)["average"]
    generator = new_generator()
    embedding = Parameters(average["embedding.mean"].numel(), generator.w_dim)
    generator.synthesis.load_state_dict(part(average, "synthesis"))
    embedding.load_state_dict(part(average, "embedding"))
    lift(generator, embedding)
    return generator, embedding.requires_grad_(False)


class LayerBuilder:
    """Collects the weights and bias of a layer, unit by unit."""

    def __init__(self) -> None:
        self.rows: list[tuple[dict[int, float], float]] = []

    def add(self, inputs: dict[int, float], bias: float = 0.0) -> int:
        """One unit, before its activation; returns its number."""
        self.rows.append((inputs, bias))
        return len(self.rows) - 1

    def carry(self, unit: int, bias: float = 0.0) -> int:
        """A unit that hands on a positive number, plus `bias`."""
        return self.add({unit: 1 / GAIN}, bias / GAIN)

    def step(self, unit: int, cut: float) -> tuple[int, int]:
        """Two units whose difference climbs from SLOPE·GAIN to GAIN as `unit` passes `cut`."""
        start = 0.5 - cut / RAMP
        return self.add({unit: 1 / RAMP}, start), self.add({unit: 1 / RAMP}, start - 1)

    def merge(self, pair: tuple[int, int]) -> int:
        """A unit that makes of such a pair a positive number that climbs by 1."""
        share = 1 / (GAIN * GAIN * (1 - SLOPE))
        return self.add({pair[0]: share, pair[1]: -share})

    def both(self, a: int, b: int) -> int:
        """A unit that adds what is missing to a product of two merged steps."""
        return self.add({a: 1, b: 1}, -1 - 2 * SLOPE / (1 - SLOPE))

    def lay(self, layer: Dense) -> None:
        """Write the rows into a layer; the units that are left keep their random weights."""
        weight, bias = layer.weight.data, layer.bias.data
        for row, (inputs, constant) in enumerate(self.rows):
            weight[row] = 0
            for column, value in inputs.items():
                weight[row, column] = value / layer.weight_gain
            bias[row] = constant / layer.bias_gain


@torch.no_grad()
def build(mapping: Mapping, z: Tensor, latents: Tensor) -> None:
    """Lay steps into the first layers, products into the next, the linear solution into the last.

    Half of the steps are made by the first layer and half by the second, as two units each for all
    of them would be more than one layer has.
    """
    cuts = choices()
    steps = [
        (slot, float(cut))
        for slot in cuts
        for cut in np.unique(cuts[slot][np.isfinite(cuts[slot])])
    ]
    early, late = steps[: len(steps) // 2], steps[len(steps) // 2 :]
    numbers = [slot for slot in range(max(cuts) + 1) if slot not in cuts]

    first = LayerBuilder()
    pairs = [first.step(slot, cut) for slot, cut in early]
    raised = {slot: first.carry(slot, RAISE) for slot, _ in late}
    numbered = [first.carry(slot, RAISE) for slot in numbers]

    second = LayerBuilder()
    merged = [second.merge(pair) for pair in pairs]
    pairs = [second.step(raised[slot], cut + RAISE) for slot, cut in late]
    numbered = [second.carry(unit) for unit in numbered]

    third = LayerBuilder()
    binary = [third.carry(unit) for unit in merged] + [third.merge(pair) for pair in pairs]
    numbered = [third.carry(unit) for unit in numbered]
    layers = [layer for layer in mapping.layers if isinstance(layer, Dense)]
    first.lay(layers[0])
    second.lay(layers[1])
    for layer in layers[:2]:  # as they are kept in the file
        for tensor in layer.parameters():
            tensor.data.copy_(tensor.data.half())
        layer.requires_grad_(False)
    third.lay(layers[2])
    outputs = normalize_second_moment(z)
    for layer in layers[:3]:
        outputs = layer(outputs)
    for index in range(3, len(layers) - 1):
        layer = layers[index]
        builder = LayerBuilder()
        kept = [builder.carry(unit) for unit in binary]
        numbered = [builder.carry(unit) for unit in numbered]
        free = (layer.weight.shape[0] - len(builder.rows)) // (len(layers) - 1 - index)
        known = outputs[:, binary + numbered]
        found = best_products(outputs[:, binary], residual(known, latents), free)
        products = [builder.both(binary[i], binary[j]) for i, j in found]
        binary = kept + products
        builder.lay(layer)
        outputs = layer(outputs)
    solve(layers[-1], outputs, latents)


def residual(known: Tensor, latents: Tensor) -> Tensor:
    """What is left of the latents after linear regression on what is known."""
    weight, bias = regress(known, latents)
    return latents - known @ weight.T - bias


def regress(known: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression: weight [w_dim, K] and bias [w_dim]."""
    mean, target_mean = known.mean(0), latents.mean(0)
    centred, target = (known - mean).double(), (latents - target_mean).double()
    power = centred.T @ centred / len(known)
    power.diagonal().add_(1e-3 * power.diagonal().mean())
    weight = torch.linalg.solve(power, centred.T @ target / len(known)).T.float()
    return weight, target_mean - weight @ mean


def best_products(units: Tensor, left: Tensor, count: int) -> list[tuple[int, int]]:
    """The pairs among units [N, K], each low or high, whose product explains most of what is left.

    Matching pursuit (Mallat and Zhang, 1993), a few products at a time.
    """
    high = (units > units.mean(0)).float()
    left = left @ torch.linalg.eigh(left.T @ left)[1][:, -AXES:]  # nearly all of it lies there
    chosen: list[tuple[int, int]] = []
    rounds = 8
    for turn in range(rounds):
        scores = torch.zeros(units.shape[1], units.shape[1])
        for i in range(units.shape[1] - 1):
            products = high[:, i : i + 1] * high[:, i + 1 :]
            products = products - products.mean(0)
            spread = products.square().sum(0)
            gain = (products.T @ left).square().sum(1) / spread.clamp(min=1e-3 * len(left))
            scores[i, i + 1 :] = gain
        for i, j in chosen:
            scores[i, j] = 0
        wanted = count * (turn + 1) // rounds - len(chosen)
        best = scores.flatten().topk(wanted).indices.tolist()
        chosen += [divmod(index, units.shape[1]) for index in best]
        added = torch.stack([high[:, i] * high[:, j] for i, j in chosen[-wanted:]], dim=1)
        left = residual(added, left)
    return chosen


def solve(last: Dense, hidden: Tensor, latents: Tensor) -> None:
    """Start the last layer from the linear solution."""
    weight, bias = regress(hidden, latents)
    last.weight.data.copy_(weight / GAIN / last.weight_gain)
    last.bias.data.copy_(bias / GAIN / last.bias_gain)


def train(generator: StyleGAN2, z: Tensor, latents: Tensor, steps: int, batch: int) -> None:
    """Regress latents [N, w_dim] on z [N, Z_DIM]; the last rows are held out."""
    mapping = generator.mapping.train().requires_grad_(True)
    mapping.w_avg.copy_(latents.mean(dim=0))
    few = min(len(z) - HELD_OUT, BUILT_ON)
    build(mapping, z[:few].float(), latents[:few])
    fixed, tail = mapping.layers[:2], mapping.layers[2:]
    with torch.no_grad():
        steps_of = [fixed(normalize_second_moment(rows.float())) for rows in torch.split(z, 10_000)]
    inputs = torch.cat(steps_of)
    held_out, wanted, count = inputs[-HELD_OUT:], latents[-HELD_OUT:], len(z) - HELD_OUT
    groups = [{"params": [p], "speed": speed} for p, speed in speeds(tail)]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), fused=True)
    random = torch.Generator().manual_seed(0)

    def report(step: int, loss: float) -> None:
        with torch.no_grad():
            error = F.mse_loss(tail(held_out), wanted) / wanted.var(dim=0).mean()
        share = 100 * error.item()
        print(f"step {step}: train {loss:.4f}, held out {share:.1f} % of the variance", flush=True)

    report(0, math.nan)
    for step in range(steps):
        index = torch.randint(count, (batch,), generator=random)
        with autocast("cpu"):
            w = tail(inputs[index])
        loss = F.mse_loss(w.float(), latents[index])
        rate = RATE * min(1.0, (step + 1) / 100) * (1 - step / steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["speed"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 500 == 499 or step == steps - 1:
            report(step + 1, loss.item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/generator"))
    parser.add_argument("--out", type=Path, default=Path("runs/generator/model"))
    parser.add_argument("--identities", type=int, default=160_000)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--generator",
        type=Path,
        help=f"a generator folder whose latents RUN/{TRAINED} or RUN/{FILE} knows, instead of a "
        "training run",
    )
    arguments = parser.parse_args()
    cache = arguments.run / f"identities-{arguments.identities}.npy"
    if not cache.exists():
        rows = draw_all(arguments.identities, arguments.jobs)
        with atomic_file(cache) as file:
            np.save(file, rows)
    drawn = torch.split(torch.from_numpy(np.load(cache)), 10_000)
    if arguments.generator:
        generator = StyleGAN2.from_pretrained(arguments.generator)
        known = Known.from_run(arguments.run)
        latents = torch.cat([known(rows.float()) for rows in drawn])
    else:
        generator, embedding = load(arguments.run)
        coarse = Coarse.from_file(arguments.run / COARSE)
        latents = torch.cat([embedding(coarse.extend(rows.float())) for rows in drawn])
    z = normals(arguments.identities).half()
    train(generator, z, latents, arguments.steps, arguments.batch)
    generator.eval().requires_grad_(False).save_pretrained(arguments.out)


if __name__ == "__main__":
    main()
