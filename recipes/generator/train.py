"""Train the bundled generator on rendered faces.

    python -m recipes.generator.train --data data/train --out runs/generator

Every render is known by its parameters, so the synthesis network first learns to draw what the
renderer draws (regression, also as the text-image encoder sees it), and critics of what the
encoder sees then teach it texture. During both, the latent of a render is a linear function of its
parameters; `recipes.generator.mapping` teaches the mapping network to reach the same latents from
z.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.generator.adversary import Adversary
from recipes.generator.latents import CONVOLUTION, Parameters, balance, codes, modulated
from recipes.generator.perception import Perception, difference
from recipes.generator.windows import Window
from text2face._folders import atomic_file
from text2face.generators.layers import StyledConv
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config

CHANNELS = (256, 256, 192, 96, 48, 32)  # at 4, 8, …, 128 pixels
STAGES = (100_000, 100_000, 100_000, 200_000)
PERCEPTION = 0.5  # its weight
VERDICT = 0.5  # weight of the critics
DISTANCE = 0.25  # weight of the absolute error beside critics: it asks for blur


@dataclass(frozen=True)
class Stage:
    """A stretch of training."""

    resolution: int
    images: int
    adversarial: bool


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


def reconstruction_loss(image: Tensor, real: Tensor) -> Tensor:
    """The absolute error of an image and of its gradients."""
    error = image - real
    return error.abs().mean() + error.diff(dim=3).abs().mean() + error.diff(dim=2).abs().mean()


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
            img_resolution=128, channels=CHANNELS, mapping_layers=6, mapping_lr_multiplier=1.0
        )
    )
    for block in generator.synthesis.blocks:
        block.to_rgb.weight.data.mul_(0.1)  # a full-size start gives gradients of norm 50
    for layer in modulated(generator):
        if isinstance(layer, StyledConv):
            layer.weight.data.mul_(CONVOLUTION)
    return generator


class Trainer:
    """The networks, their averages and their optimisers."""

    def __init__(
        self,
        faces: Faces,
        out: Path,
        stages: tuple[Stage, ...],
        perception: Perception,
        learning_rate: float = 1e-3,
        device: str = "cpu",
    ) -> None:
        self.faces, self.out, self.stages, self.device = faces, out, stages, device
        self.learning_rate = learning_rate
        self.perception = perception.to(device)
        torch.manual_seed(0)
        self.generator = new_generator()
        self.embedding = Parameters(faces.parameters.shape[1], self.generator.w_dim)
        self.embedding.fit(faces.parameters)
        self.adversary = Adversary(self.perception.channels).to(device)
        self.trained = nn.ModuleDict(
            {"synthesis": self.generator.synthesis, "embedding": self.embedding}
        ).to(device)
        self.average = {k: v.clone() for k, v in self.trained.state_dict().items()}
        self.optimizer = torch.optim.Adam(self.trained.parameters(), fused=True)
        self.step = 0

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "trained": self.trained.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "adversary": self.adversary.state(),
        }

    def save(self) -> None:
        with atomic_file(self.out / "checkpoint.pt") as file:
            torch.save(self.state(), file)

    def begin(self, path: Path, generator: Path) -> None:
        """Start from an earlier training: what `keep` wrote, and the generator that came of it."""
        state = {k: v.float() for k, v in load_file(path, device=self.device).items()}
        synthesis = StyleGAN2.from_pretrained(generator).synthesis
        self.generator.synthesis.load_state_dict(synthesis.state_dict())
        self.embedding.load_state_dict(part(state, "embedding"))
        self.embedding.centre(self.faces.parameters.to(self.device))
        balance(self.generator, self.embedding)
        self.average = {k: v.clone() for k, v in self.trained.state_dict().items()}

    def keep(self, path: Path) -> None:
        """Write in fp16 what goes on with the training but is not part of the generator."""
        state = {k: v for k, v in self.average.items() if k.startswith("embedding.")}
        with atomic_file(path) as file:
            file.write(save({k: v.half().contiguous().cpu() for k, v in state.items()}))

    def resume(self) -> None:
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self.device)
        self.step, self.average = state["step"], state["average"]
        for name in ("trained", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.adversary.restore(state["adversary"])

    def stage(self) -> Stage | None:
        """The current stage; None at the end."""
        seen = self.step * self.faces.batch
        for stage in self.stages:
            if seen < stage.images:
                return stage
            seen -= stage.images
        return None

    def progress(self) -> float:
        """How much of all stages is done, in [0, 1]."""
        return self.step * self.faces.batch / sum(stage.images for stage in self.stages)

    def synthesise(
        self, w: Tensor, resolution: int, noise_mode: str = "none"
    ) -> tuple[Tensor, list[Tensor]]:
        """The last activation and the images at each resolution, of latents [N, w_dim]."""
        with torch.autocast(w.device.type, torch.bfloat16):
            return self.generator.synthesis.pyramid(
                codes(w, self.generator.num_ws), noise_mode, resolution
            )

    def blends(self, w: Tensor) -> Tensor:
        """Latents between those of renders and nearer to their mean, as samplers and truncation
        give them. What is halfway between two choices has to look like a face as well.
        """
        mean = self.embedding.dense.bias * self.embedding.dense.bias_gain
        share = 0.3 * torch.rand(len(w), 1, device=w.device)
        kept = 0.7 + 0.3 * torch.rand(len(w), 1, device=w.device)
        return mean + kept * (torch.lerp(w, w.roll(1, 0), share) - mean)

    def train_step(self, stage: Stage) -> dict[str, float]:
        real, parameters = (tensor.to(self.device) for tensor in self.faces(self.step))
        rate = self.learning_rate * min(1.0, (self.step + 1) / 200)
        rate *= 0.5 + 0.5 * math.cos(math.pi * self.progress())
        w = self.embedding(parameters)
        count, size = len(w), real.shape[-1]
        if stage.adversarial:
            w = torch.cat([w, self.blends(w[: count // 2])])
        whole = min(stage.resolution, size // 2)  # beyond that, only a window
        noise = "random" if stage.adversarial else "none"  # renders have none, but texture
        x, pyramid = self.synthesise(w, whole, noise)
        image, wanted = pyramid[-1], F.adaptive_avg_pool2d(real, whole)
        loss = pyramid_loss([image[:count] for image in pyramid], real)
        numbers = {"rec": loss.item()}
        if stage.resolution == size:
            window = Window.draw(self.step, size)
            with torch.autocast(w.device.type, torch.bfloat16):
                inside = window.draw_from(
                    self.generator.synthesis, x, image, codes(w, self.generator.num_ws), noise
                )
            local = reconstruction_loss(inside[:count], window.cut(real))
            numbers["local"] = local.item()
            loss = loss + local
            image, wanted = window.paste(inside, image), window.paste(window.cut(real), wanted)
        with torch.no_grad():
            shown = self.perception.look(wanted, self.step)
        seen = self.perception.look(image, self.step)
        look = difference([x[:count] for x in seen], shown)
        numbers["look"] = look.item()
        loss = loss * (DISTANCE if stage.adversarial else 1.0) + PERCEPTION * look
        if stage.adversarial:
            numbers["critics"] = self.adversary.learn(shown[:-1], seen[:-1], rate)
            verdict = self.adversary.judge(seen[:-1])
            numbers["verdict"] = verdict.item()
            loss = loss + VERDICT * verdict
        numbers["norm"] = self._update(loss, rate, 0.5 if stage.adversarial else 0.9)
        decay = min(0.997, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            now = self.trained.state_dict()
            torch._foreach_lerp_([self.average[k] for k in now], list(now.values()), 1 - decay)
        self.step += 1
        return numbers

    def _update(self, loss: Tensor, rate: float, momentum: float) -> float:
        for group in self.optimizer.param_groups:
            group["lr"], group["betas"] = rate, (momentum, 0.99)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.trained.parameters(), 1.0)
        if not math.isfinite(norm):
            raise FloatingPointError(f"the gradient is {norm} at step {self.step}")
        self.optimizer.step()
        return float(norm)

    @torch.no_grad()
    def sheet(self, count: int = 32) -> None:
        """Renders above and what the averaged network makes of their parameters below."""
        current = {k: v.clone() for k, v in self.trained.state_dict().items()}
        self.trained.load_state_dict(self.average)
        real = torch.from_numpy(self.faces.images[:count].copy()).permute(0, 3, 1, 2)
        stage = self.stage() or self.stages[-1]
        parameters = self.faces.parameters[:count].to(self.device)
        fake = self.synthesise(self.embedding(parameters), stage.resolution)[1][-1].cpu()
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
        "--start",
        type=Path,
        nargs=2,
        metavar=("FILE", "GENERATOR"),
        help="go on from the networks in start.safetensors and in a generator's folder",
    )
    parser.add_argument("--keep", type=Path, help="only write such a FILE of a run")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="its peak")
    parser.add_argument(
        "--encoder",
        type=Path,
        default=Path("src/text2face/bundled/encoder"),
        help="the text-image encoder to look through",
    )
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
        Stage(128, arguments.images[3], adversarial=True),
    )
    trainer = Trainer(
        Faces(arguments.data, arguments.batch),
        arguments.out,
        stages,
        Perception.from_pretrained(arguments.encoder),
        arguments.learning_rate,
        arguments.device,
    )
    if arguments.start:
        trainer.begin(*arguments.start)
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
    seen, told = trainer.step, defaultdict[str, list[float]](list)
    while not stopped and (now := trainer.stage()):
        for name, value in trainer.train_step(now).items():
            told[name].append(value)
        if trainer.step % 200 == 0:
            seconds, count = time.monotonic() - shown, trainer.step - seen
            line = {k: round(sum(v) / len(v), 4) for k, v in told.items()}
            line |= {
                "images": trainer.step * trainer.faces.batch,
                "images_per_second": round(count * trainer.faces.batch / seconds, 1),
            }
            print(json.dumps(line), flush=True)
            shown, seen = time.monotonic(), trainer.step
            told.clear()
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
