"""Train the bundled generator on rendered faces.

    python -m recipes.generator.coarse --data data/train --out runs/generator
    python -m recipes.generator.train --data data/train --out runs/generator

Every render is known by its parameters, so the synthesis network learns to draw what the renderer
draws (regression, also as the text-image encoder sees it). The latent of a render is a linear
function of its parameters and of what they look like from afar (`recipes.generator.coarse`).
`recipes.generator.mapping` then teaches the mapping network to reach the same latents from z, and
`recipes.generator.refine` adds texture.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.generator.coarse import read_extended
from recipes.generator.latents import Parameters, codes, modulated, rescale, speeds
from recipes.generator.perception import Perception, difference
from recipes.generator.windows import Window
from text2face.generators.layers import StyledConv
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from text2face.precision import autocast
from text2face.storage.folders import atomic_file

CHANNELS = (256, 256, 192, 96, 48, 32)  # at 4, 8, …, 128 pixels
CHECKPOINT = "checkpoint.pt"
STAGES = (60_000, 50_000, 150_000, 130_000)
SMALL = 0.1  # of 2
PERCEPTION = 0.5  # its weight


class Stage(NamedTuple):
    """A stretch of training."""

    resolution: int
    images: int


class Faces:
    """Images and what they are drawn from, in an order that depends on the position alone."""

    def __init__(
        self,
        images: np.ndarray,
        values: Tensor,
        batch: int,
        seed: int = 1,
    ) -> None:
        """Keep some faces.

        Args:
            images: [F, H, W, 3] uint8, which may stay in its file.
            values: A row for each face.
            batch: Faces at a time.
            seed: Of the order.
        """
        self.images, self.values, self.batch, self.seed = images, values, batch, seed

    def take(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Some faces: images [N, 3, H, W] uint8 and values [N, V]."""
        images = torch.from_numpy(self.images[index])
        return images.permute(0, 3, 1, 2), self.values[index]

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Batch `step` of endless epochs: images [N, 3, H, W] in [-1, 1] and values [N, V]."""
        per_epoch = len(self.values) // self.batch
        epoch, position = divmod(step, per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.values))
        index = np.sort(order[position * self.batch : (position + 1) * self.batch])
        images, values = self.take(index)
        return images.float() / 127.5 - 1, values


def reconstruction_loss(image: Tensor, real: Tensor) -> Tensor:
    """The error of an image and of its gradients: absolute, and square where it is small."""
    error = image - real
    errors = (error, error.diff(dim=3), error.diff(dim=2))
    return torch.stack([huber(x) for x in errors]).sum()


def huber(error: Tensor) -> Tensor:
    """The mean absolute error, but for errors below `SMALL`: flat areas would drown the rest."""
    return F.smooth_l1_loss(error, torch.zeros_like(error), beta=SMALL)


def pyramid_loss(pyramid: list[Tensor], real: Tensor) -> Tensor:
    """The reconstruction loss at each resolution from 16 up."""
    losses = [
        reconstruction_loss(image, F.adaptive_avg_pool2d(real, image.shape[-1]))
        for image in pyramid
        if image.shape[-1] >= 16
    ]
    return torch.stack(losses).sum()


def part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of one network among those of several."""
    prefix = name + "."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def new_generator() -> StyleGAN2:
    """The generator before training."""
    generator = StyleGAN2(
        StyleGAN2Config(
            img_resolution=128, channels=CHANNELS, mapping_layers=8, mapping_lr_multiplier=1.0
        )
    )
    for layer in modulated(generator):
        if isinstance(layer, StyledConv):
            rescale(layer)
        else:
            layer.weight.data.mul_(0.1)  # a full-size start gives gradients of norm 50
    return generator


class Drawn(NamedTuple):
    """What was drawn."""

    image: Tensor
    """[M, 3, H, W]"""
    wanted: Tensor
    """[N, 3, H, W], of the first of them."""
    loss: Tensor
    """How far they are from each other."""


class Trainer:
    """The networks, their averages and their optimiser."""

    log_every = 200  # steps
    seen_from = 32  # pixels: there is nothing to see before

    def __init__(
        self,
        faces: Faces,
        out: Path,
        stages: tuple[Stage, ...],
        perception: Perception,
        generator: StyleGAN2,
        embedding: nn.Module,
        learning_rate: float,
        device: str = "cpu",
    ) -> None:
        """Prepare to train a generator, and what turns values into its latents [N, w_dim]."""
        self.faces, self.out, self.stages, self.device = faces, out, stages, device
        self.learning_rate = learning_rate
        self.perception = perception.to(device)
        self.generator, self.embedding = generator, embedding
        self.trained = nn.ModuleDict(
            {"synthesis": self.generator.synthesis, "embedding": self.embedding}
        ).to(device)
        self.average = {k: v.clone() for k, v in self.trained.state_dict().items()}
        self.optimizer = torch.optim.Adam(
            [{"params": [parameter], "speed": speed} for parameter, speed in speeds(self.trained)],
            fused=True,
        )
        self.step = 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "step": self.step,
            "trained": self.trained.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint holds."""
        self.step, self.average = state["step"], state["average"]
        self.trained.load_state_dict(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])

    def save(self) -> None:
        with atomic_file(self.out / CHECKPOINT) as file:
            torch.save(self.state(), file)

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one."""
        path = self.out / CHECKPOINT
        if path.exists():
            self.restore(torch.load(path, weights_only=True, map_location=self.device))

    def stage(self) -> Stage | None:
        """The current stage; None at the end."""
        seen = self.step * self.faces.batch
        for stage in self.stages:
            if seen < stage.images:
                return stage
            seen -= stage.images
        return None

    def progress(self) -> float:
        """How much of the training is done, in 0..1."""
        return self.step * self.faces.batch / sum(stage.images for stage in self.stages)

    def rate(self) -> float:
        """The learning rate: a short rise, then half a cosine."""
        return min(1.0, (self.step + 1) / 200) * self.falling_rate()

    def falling_rate(self) -> float:
        """The learning rate without its rise."""
        return self.learning_rate * (0.5 + 0.5 * math.cos(math.pi * self.progress()))

    def synthesise(
        self, w: Tensor, resolution: int, noise_mode: str = "none"
    ) -> tuple[Tensor, list[Tensor]]:
        """The last activation and the images at each resolution, of latents [N, w_dim]."""
        with autocast(w.device):
            return self.generator.synthesis.pyramid(
                codes(w, self.generator.num_ws), noise_mode, resolution
            )

    def draw(self, w: Tensor, real: Tensor, resolution: int, noise_mode: str = "none") -> Drawn:
        """Draw latents [M, w_dim], the first of which are those of real [N, 3, H, W]."""
        count, size = len(real), real.shape[-1]
        whole = min(resolution, size // 2)  # beyond that, only a window
        x, pyramid = self.synthesise(w, whole, noise_mode)
        image, wanted = pyramid[-1], F.adaptive_avg_pool2d(real, whole)
        loss = pyramid_loss([image[:count] for image in pyramid], wanted)
        if resolution == size:
            window = Window.draw(self.step, size)
            with autocast(w.device):
                inside = window.draw_from(
                    self.generator.synthesis, x, image, codes(w, self.generator.num_ws), noise_mode
                )
            loss = loss + reconstruction_loss(inside[:count], window.cut(real))
            image, wanted = window.paste(inside, image), window.paste(window.cut(real), wanted)
        return Drawn(image, wanted, loss)

    def train_step(self, stage: Stage) -> dict[str, float]:
        """Learn from the next batch; the losses, to be printed."""
        real, values = (tensor.to(self.device) for tensor in self.faces(self.step))
        drawn = self.draw(self.embedding(values), real, stage.resolution)
        loss, numbers = drawn.loss, {"distance": drawn.loss.item()}
        if stage.resolution >= self.seen_from:
            look = difference(*self.perception.compare(drawn.image, drawn.wanted, self.step))
            numbers["look"] = look.item()
            loss = loss + PERCEPTION * look
        numbers["norm"] = self.update(loss, self.rate(), 0.9)
        return numbers

    def update(self, loss: Tensor, rate: float, momentum: float) -> float:
        """Take a step and average the networks; the gradient's norm.

        Raises:
            FloatingPointError: The gradient is not finite.
        """
        for group in self.optimizer.param_groups:
            group["lr"], group["betas"] = rate * group["speed"], (momentum, 0.99)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.trained.parameters(), 1.0)
        if not math.isfinite(norm):
            raise FloatingPointError(f"the gradient is {norm} at step {self.step}")
        self.optimizer.step()
        decay = min(0.997, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            now = self.trained.state_dict()
            torch._foreach_lerp_([self.average[k] for k in now], list(now.values()), 1 - decay)
        self.step += 1
        return float(norm)

    @torch.no_grad()
    def sheet(self, count: int = 32) -> None:
        """Renders above and what the averaged network makes of their parameters below."""
        count = min(count, len(self.faces.values)) // 8 * 8  # eight in a row
        if not count:
            return
        current = {k: v.clone() for k, v in self.trained.state_dict().items()}
        self.trained.load_state_dict(self.average)
        real, values = self.faces.take(np.arange(count))
        stage = self.stage() or self.stages[-1]
        w = self.embedding(values.to(self.device))
        fake = self.synthesise(w, stage.resolution)[1][-1].cpu()
        self.trained.load_state_dict(current)
        side = real.shape[-1]
        fake = F.interpolate(fake, size=side, mode="nearest")
        fake8 = (fake * 127.5 + 128).clamp(0, 255).byte()
        both = torch.stack([x.reshape(-1, 8, *x.shape[1:]) for x in (real, fake8)], 1)
        rows = both.flatten(0, 1).permute(0, 3, 1, 4, 2).reshape(-1, 8 * side, 3)
        seen = self.step * self.faces.batch
        Image.fromarray(rows.numpy()).save(self.out / f"sheet-{seen:08d}.png")


def run(trainer: Trainer) -> None:
    """Train to the end, or until a signal; print the losses and keep checkpoints and sheets."""
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    trainer.out.mkdir(parents=True, exist_ok=True)
    trainer.resume()
    saved = shown = time.monotonic()
    seen, losses = trainer.step, defaultdict[str, list[float]](list)
    while not stopped and (now := trainer.stage()):
        for name, value in trainer.train_step(now).items():
            losses[name].append(value)
        if trainer.step % trainer.log_every == 0:
            seconds, count = time.monotonic() - shown, trainer.step - seen
            line = {k: round(sum(v) / len(v), 4) for k, v in losses.items()}
            line |= {
                "images": trainer.step * trainer.faces.batch,
                "images_per_second": round(count * trainer.faces.batch / seconds, 1),
            }
            print(json.dumps(line), flush=True)
            shown, seen = time.monotonic(), trainer.step
            losses.clear()
        if time.monotonic() - saved > 180:
            trainer.save()
            trainer.sheet()
            saved = time.monotonic()
    trainer.save()
    trainer.sheet()
    if stopped:
        sys.exit(130)


def options(description: str | None) -> argparse.ArgumentParser:
    """The options that all trainings of the generator have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=Path("data/train"))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument(
        "--encoder",
        type=Path,
        default=Path("src/text2face/bundled/encoder"),
        help="the text-image encoder to look through",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/generator"))
    parser.add_argument(
        "--images",
        type=int,
        nargs=4,
        default=STAGES,
        metavar="N",
        help="images at 16, 32, 64 and 128 px",
    )
    parser.add_argument("--learning-rate", type=float, default=8e-4, help="its peak")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    faces = Faces(*read_extended(arguments.data, arguments.out), arguments.batch)
    torch.manual_seed(0)
    generator = new_generator()
    embedding = Parameters(faces.values.shape[1], generator.w_dim)
    embedding.fit(faces.values)
    trainer = Trainer(
        faces,
        arguments.out,
        tuple(Stage(16 << i, count) for i, count in enumerate(arguments.images)),
        Perception.from_pretrained(arguments.encoder),
        generator,
        embedding,
        arguments.learning_rate,
        arguments.device,
    )
    run(trainer)


if __name__ == "__main__":
    main()
