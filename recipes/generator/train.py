"""Train the bundled generator on rendered faces.

    python -m recipes.generator.train --data data/train --out runs/generator

Every render is known by its parameters, so the synthesis network first learns to draw what the
renderer draws (regression), and a discriminator then teaches it texture. During both, the latent of
a render is a linear function of its parameters; `recipes.generator.mapping` teaches the mapping
network to reach the same latents from z.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.generator.networks import Discriminator
from text2face._folders import atomic_file
from text2face.generators.layers import Dense
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config

CHANNELS = (256, 256, 192, 96, 48, 32)  # at 4, 8, …, 128 pixels
STAGES = (100_000, 100_000, 100_000, 200_000)
CROP = 64  # the discriminator judges texture: regression takes care of the whole
DISCRIMINATOR_CHANNELS = (32, 64, 128, 192, 192)  # at 64, 32, …, 4 pixels


@dataclass(frozen=True)
class Stage:
    """A stretch of training."""

    resolution: int
    images: int
    adversarial: bool
    learning_rate: float = 2e-3
    decay: bool = False


class Parameters(nn.Module):
    """Renderer parameters [N, P] → latent codes [N, w_dim], linear."""

    mean: Tensor
    scale: Tensor

    def __init__(self, count: int, w_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))
        self.dense = Dense(count, w_dim, lr_multiplier=4)  # few of its columns matter at a time

    def fit(self, values: Tensor) -> None:
        """Centre and scale the parameters; the root keeps rare choices from dwarfing the others."""
        self.mean.copy_(values.mean(0))
        self.scale.copy_(values.std(0).clamp(min=0.02).rsqrt())

    def forward(self, values: Tensor) -> Tensor:
        return self.dense((values - self.mean) * self.scale)  # type: ignore[no-any-return]


class Faces:
    """Rendered images and their parameters, in an order that depends on the position alone."""

    def __init__(self, folder: Path, batch: int, seed: int = 1) -> None:
        self.images = np.load(folder / "images.npy", mmap_mode="r")
        self.parameters = torch.from_numpy(np.load(folder / "parameters.npy").astype(np.float32))
        self.batch, self.seed = batch, seed

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Batch `step` of endless epochs: images [N, 3, H, W] and parameters [N, P]."""
        per_epoch = len(self.images) // self.batch
        epoch, position = divmod(step, per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
        index = np.sort(order[position * self.batch : (position + 1) * self.batch])
        images = torch.from_numpy(self.images[index]).permute(0, 3, 1, 2)
        return images.float() / 127.5 - 1, self.parameters[index]


def reconstruction_loss(pyramid: list[Tensor], real: Tensor) -> Tensor:
    """Absolute error at each resolution from 16 up, and of the gradients of the last image."""
    loss = real.new_zeros(())
    for image in pyramid:
        if image.shape[-1] >= 16:
            loss = loss + (image - F.adaptive_avg_pool2d(real, image.shape[-1])).abs().mean()
    error = pyramid[-1] - real
    dx, dy = error.diff(dim=3).abs().mean(), error.diff(dim=2).abs().mean()
    return loss + 2 * (dx + dy)


def random_crops(real: Tensor, fake: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """The same window of `CROP` pixels of both, another one for each step."""
    top, left = np.random.default_rng([2, step]).integers(0, real.shape[-1] - CROP + 1, 2)
    window = (..., slice(top, top + CROP), slice(left, left + CROP))
    return real[window], fake[window]


def discriminator_loss(
    model: Discriminator, real: Tensor, fake: Tensor, penalty: float | None
) -> Tensor:
    """Non-saturating logistic loss; `penalty` adds R1 (arXiv 1801.04406) with this weight."""
    with torch.autocast(real.device.type, torch.bfloat16):
        logits = model(torch.cat([real, fake]))
    real_logits, fake_logits = logits.chunk(2)
    loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
    if penalty is not None:
        few = real[: max(4, len(real) // 2)].requires_grad_()
        (gradient,) = torch.autograd.grad(model(few).sum(), few, create_graph=True)
        loss = loss + penalty * gradient.square().sum(dim=(1, 2, 3)).mean()
    return loss


def part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of one network among those of several."""
    prefix = name + "."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def new_generator() -> StyleGAN2:
    """The generator before training."""
    generator = StyleGAN2(
        StyleGAN2Config(
            img_resolution=128, channels=CHANNELS, mapping_layers=3, mapping_lr_multiplier=0.1
        )
    )
    for block in generator.synthesis.blocks:
        block.to_rgb.weight.data.mul_(0.1)  # a full-size start gives gradients of norm 50
    return generator


class Trainer:
    """The networks, their averages and their optimisers."""

    def __init__(
        self, faces: Faces, out: Path, stages: tuple[Stage, ...], device: str = "cpu"
    ) -> None:
        self.faces, self.out, self.stages, self.device = faces, out, stages, device
        torch.manual_seed(0)
        self.generator = new_generator()
        self.embedding = Parameters(faces.parameters.shape[1], self.generator.w_dim)
        self.embedding.fit(faces.parameters)
        self.discriminator = Discriminator(DISCRIMINATOR_CHANNELS).to(device)
        self.trained = nn.ModuleDict(
            {"synthesis": self.generator.synthesis, "embedding": self.embedding}
        ).to(device)
        self.average = {k: v.clone() for k, v in self.trained.state_dict().items()}
        self.optimizer = torch.optim.Adam(
            self.trained.parameters(), lr=2e-3, betas=(0.5, 0.99), fused=True
        )
        self.rival = torch.optim.Adam(
            self.discriminator.parameters(), lr=2e-3, betas=(0.0, 0.99), fused=True
        )
        self.step = 0

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "trained": self.trained.state_dict(),
            "average": self.average,
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rival": self.rival.state_dict(),
        }

    def save(self) -> None:
        with atomic_file(self.out / "checkpoint.pt") as file:
            torch.save(self.state(), file)

    def begin(self, path: Path) -> None:
        """Start from the networks of an earlier training, see `--keep`."""
        state = {k: v.float() for k, v in load_file(path, device=self.device).items()}
        self.trained.load_state_dict(part(state, "trained"))
        self.discriminator.load_state_dict(part(state, "discriminator"))
        self.average = {k: v.clone() for k, v in self.trained.state_dict().items()}

    def keep(self, path: Path) -> None:
        """Write the averaged networks in fp16, small enough to be kept for another training."""
        state = {f"trained.{k}": v for k, v in self.average.items()}
        state |= {f"discriminator.{k}": v for k, v in self.discriminator.state_dict().items()}
        with atomic_file(path) as file:
            file.write(save({k: v.half().contiguous().cpu() for k, v in state.items()}))

    def resume(self) -> None:
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self.device)
        self.step, self.average = state["step"], state["average"]
        for name in ("trained", "discriminator", "optimizer", "rival"):
            getattr(self, name).load_state_dict(state[name])

    def stage(self) -> tuple[Stage, float] | None:
        """The current stage and how much of it is done, in [0, 1); None at the end."""
        seen = self.step * self.faces.batch
        for stage in self.stages:
            if seen < stage.images:
                return stage, seen / stage.images
            seen -= stage.images
        return None

    def pyramid(self, parameters: Tensor, resolution: int) -> list[Tensor]:
        w = self.embedding(parameters)[:, None].expand(-1, self.generator.num_ws, -1)
        with torch.autocast(w.device.type, torch.bfloat16):
            return self.generator.synthesis.pyramid(w, "random", resolution)

    def train_step(self, stage: Stage, progress: float) -> dict[str, float]:
        real, parameters = (tensor.to(self.device) for tensor in self.faces(self.step))
        # From here on latents keep their meaning, so that the mapping network can learn meanwhile.
        self.embedding.requires_grad_(not stage.adversarial)
        warm_up = min(1.0, (self.step + 1) / 200)
        rate = stage.learning_rate * warm_up
        if stage.decay:
            rate *= 0.5 + 0.5 * math.cos(math.pi * progress)
        if stage.resolution < real.shape[-1]:
            real = F.adaptive_avg_pool2d(real, stage.resolution)
        real = real.contiguous(memory_format=torch.channels_last)
        pyramid = self.pyramid(parameters, stage.resolution)
        rec = reconstruction_loss(pyramid, real)
        loss, numbers = rec, {"rec": rec.item()}
        if stage.adversarial:
            real, fake = random_crops(real, pyramid[-1], self.step)
            penalty = 16 * 0.5 * 0.3 if self.step % 16 == 0 else None
            verdict = discriminator_loss(self.discriminator, real, fake.detach(), penalty)
            self._update(self.rival, verdict, rate)
            self.discriminator.requires_grad_(False)
            with torch.autocast(real.device.type, torch.bfloat16):
                with torch.no_grad():
                    _, target = self.discriminator.features(real)
                logits, features = self.discriminator.features(fake)
            self.discriminator.requires_grad_(True)
            match = torch.stack(
                [F.l1_loss(a.float(), b.float()) for a, b in zip(features, target, strict=True)]
            ).sum()
            adversarial = F.softplus(-logits).mean()
            loss = 4 * rec + 0.6 * match + 0.3 * adversarial
            numbers |= {"match": match.item(), "adv": adversarial.item()}
        numbers["norm"] = self._update(self.optimizer, loss, rate)
        decay = min(0.999, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            now = self.trained.state_dict()
            torch._foreach_lerp_([self.average[k] for k in now], list(now.values()), 1 - decay)
        self.step += 1
        return numbers

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor, rate: float) -> float:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)
        if not math.isfinite(norm):
            raise FloatingPointError(f"the gradient is {norm} at step {self.step}")
        optimizer.step()
        return float(norm)

    @torch.no_grad()
    def sheet(self, count: int = 32) -> None:
        """Renders above and what the averaged network makes of their parameters below."""
        current = {k: v.clone() for k, v in self.trained.state_dict().items()}
        self.trained.load_state_dict(self.average)
        real = torch.from_numpy(self.faces.images[:count].copy()).permute(0, 3, 1, 2)
        stage = self.stage() or (self.stages[-1], 1.0)
        size = stage[0].resolution
        parameters = self.faces.parameters[:count].to(self.device)
        fake = self.pyramid(parameters, size)[-1].float().cpu()
        self.trained.load_state_dict(current)
        fake = F.interpolate(fake, size=128, mode="nearest")
        fake8 = (fake * 127.5 + 128).clamp(0, 255).byte()
        both = torch.stack([real.unflatten(0, (-1, 8)), fake8.unflatten(0, (-1, 8))], 1)
        rows = both.flatten(0, 1).permute(0, 3, 1, 4, 2).reshape(-1, 8 * 128, 3)
        seen = self.step * self.faces.batch
        Image.fromarray(rows.numpy()).save(self.out / f"sheet-{seen:08d}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/train"))
    parser.add_argument("--out", type=Path, default=Path("runs/generator"))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument(
        "--images",
        type=int,
        nargs=4,
        default=STAGES,
        metavar="N",
        help="images of regression at 32, 64, 128 px, and of the adversarial stage",
    )
    parser.add_argument(
        "--start", type=Path, help="begin with the networks in this file, such as start.safetensors"
    )
    parser.add_argument("--keep", type=Path, help="only write the networks of a run to this file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    stages = (
        Stage(32, arguments.images[0], adversarial=False),
        Stage(64, arguments.images[1], adversarial=False),
        Stage(128, arguments.images[2], adversarial=False),
        Stage(128, arguments.images[3], adversarial=True, learning_rate=2e-3, decay=True),
    )
    trainer = Trainer(
        Faces(arguments.data, arguments.batch), arguments.out, stages, arguments.device
    )
    if arguments.start:
        trainer.begin(arguments.start)
    trainer.resume()
    if arguments.keep:
        trainer.keep(arguments.keep)
        return
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    saved = shown = time.monotonic()
    seen, sums = trainer.step, dict[str, float]()
    while not stopped and (now := trainer.stage()):
        for name, value in trainer.train_step(*now).items():
            sums[name] = sums.get(name, 0.0) + value
        if trainer.step % 200 == 0:
            seconds, count = time.monotonic() - shown, trainer.step - seen
            line = {k: round(v / count, 4) for k, v in sums.items()}
            line |= {
                "images": trainer.step * trainer.faces.batch,
                "images_per_second": round(count * trainer.faces.batch / seconds, 1),
            }
            print(json.dumps(line), flush=True)
            shown, seen, sums = time.monotonic(), trainer.step, {}
        if time.monotonic() - saved > 180:
            trainer.save()
            trainer.sheet()
            saved = time.monotonic()
    trainer.save()
    trainer.sheet()
    if stopped:
        sys.exit(130)


if __name__ == "__main__":
    main()
