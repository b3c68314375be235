"""Train a generator further and to twice its size, from its weights alone.

    python -m recipes.generator.known --out runs/grown
    python -m recipes.generator.grow --data data/train --out runs/grown

A block for the new resolution starts by adding nothing. Latents stay near what they were, and move
where details need it: mapping network and sampler are trained again afterwards. Renders are drawn
from the latents of their parameters (`recipes.generator.known`) and compared with the truth: first
at a quarter and at half of the size, where many can be seen in little time; then the whole at half
the size and windows of the full one, on eyes, mouth, ears and the edge of hair more often than
elsewhere. Then critics take part, too. Those that know the render beside what they judge ask for
its strands and irises; others judge what has no render: latents blended and truncated, down to the
mean.
"""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.faces.parameters import names
from recipes.generator.adversary import Adversary, PairedAdversary
from recipes.generator.known import FILE, TRAINED, Known
from recipes.generator.latents import codes, rescale
from recipes.generator.perception import Perception, difference
from recipes.generator.shards import read
from recipes.generator.train import (
    PERCEPTION,
    Faces,
    Stage,
    Trainer,
    options,
    part,
    pyramid_loss,
    reconstruction_loss,
    run,
)
from recipes.generator.windows import Window
from text2face.generators.layers import StyledConv
from text2face.generators.stylegan2 import Block, StyleGAN2
from text2face.precision import autocast

CHANNELS: Final = 24  # of the new block
DISTANCE: Final = 0.5  # weight of the distance where there are critics beside it
PAIRED, MATCHING, FREE, SIGHT = 0.05, 0.15, 0.1, 0.1  # weights of the critics' losses
KNOWN_SPEED: Final = 2.0  # of the latents: what they do not tell apart stays blurred
STAGES: Final = ((4, 0.25), (2, 0.6), (1, 1.0))  # size / resolution, until which progress
RARE: Final = 3.0  # times as often as the average at most
SHOWN: Final = (
    "expression", "hair", "hair_color", "facial_hair", "glasses", "frame_shape", "frame_color",
    "hat", "hat_color", "eye_color", "lipstick", "eyeshadow", "earrings", "freckles",
)  # fmt: skip


class Balanced(Faces):
    """Faces in random order, those with rare values more often."""

    def __init__(self, images: Any, values: Tensor, batch: int, seed: int = 1) -> None:
        super().__init__(images, values, batch, seed)
        self.shares = rarity(values.numpy())

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng([self.seed, step])
        index = random.choice(len(self.shares), self.batch, replace=False, p=self.shares)
        images, values = self.take(np.sort(index))
        return images.float() / 127.5 - 1, values


def rarity(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """How often to take each face [N], from parameters [N, P]; it sums to one.

    A face counts by what it shows of `SHOWN`: 1/√(how frequent) for each value.
    """
    shown = np.array([name in SHOWN and value != "none" for name, value in names()])
    chosen = values[:, shown] > 0.5
    share = (chosen / np.sqrt(chosen.mean(0).clip(1e-3))).sum(1)
    share = (share / share.mean()) ** 2
    share = share.clip(1 / RARE, RARE)
    return np.asarray(share / share.sum(), np.float64)


def grown(generator: StyleGAN2, channels: int = CHANNELS) -> StyleGAN2:
    """The generator with one more block, which adds nothing yet: its images are only enlarged."""
    config = generator.config
    larger = StyleGAN2(
        replace(
            config,
            img_resolution=2 * config.img_resolution,
            channels=(*config.block_channels, channels),
        )
    )
    larger.load_state_dict(generator.state_dict(), strict=False)
    block = cast("Block", larger.synthesis.blocks[-1])
    for layer in block.modules():
        if isinstance(layer, StyledConv):
            rescale(layer)
    if block.to_rgb is not None:
        nn.init.zeros_(block.to_rgb.weight)
    return larger


class Grower(Trainer):
    """A generator that is trained on renders of twice its former size."""

    log_every = 50
    seen_from = 128

    def __init__(
        self,
        faces: Faces,
        out: Path,
        images: int,
        perception: Perception,
        generator: StyleGAN2,
        known: Known,
        learning_rate: float,
        minutes: float | None = None,
        device: str = "cpu",
    ) -> None:
        """Prepare to train.

        Args:
            faces: Renders of the generator's size, and their parameters.
            out: Folder of checkpoints and sheets.
            images: How many to learn from.
            perception: What looks at the images beside the distance.
            generator: The one to train.
            known: Parameters → latents, trained along.
            learning_rate: Its peak.
            minutes: End after these too, if the images are not all seen by then.
            device: Where to train.
        """
        generator.synthesis.requires_grad_(True)
        known.requires_grad_(True)
        stages = (Stage(generator.img_resolution, images),)
        super().__init__(faces, out, stages, perception, generator, known, learning_rate, device)
        generator.mapping.to(device)
        slow = set(known.parameters())
        for group in self.optimizer.param_groups:
            if slow.intersection(group["params"]):
                group["speed"] *= KNOWN_SPEED
        self.seconds = math.inf if minutes is None else 60 * minutes
        self.elapsed = 0.0  # seconds of training
        self.paired = PairedAdversary().to(device)
        self.free = {
            "texture": Adversary([3], depth=3).to(device),
            "sight": Adversary(perception.channels).to(device),
        }

    def state(self) -> dict[str, Any]:
        critics = {name: critic.state() for name, critic in self.free.items()}
        own = {"paired": self.paired.state(), "elapsed": self.elapsed}
        return super().state() | critics | own

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.paired.restore(state["paired"])
        self.elapsed = state["elapsed"]
        for name, critic in self.free.items():
            critic.restore(state[name])

    def progress(self) -> float:
        return max(super().progress(), self.elapsed / self.seconds)

    def stage(self) -> Stage | None:
        size, images = self.stages[0]
        for times, until in STAGES:
            if self.progress() < until:
                return Stage(size // times, images)
        return None

    @torch.no_grad()
    def blends(self, w: Tensor, count: int) -> Tensor:
        """Latents [count, w_dim] that no render has, between those of renders [N, w_dim].

        They are truncated by any ψ from 0 to 1.
        """
        random = torch.Generator().manual_seed(self.step)
        share, kept = torch.rand(2, count, 1, generator=random).to(w.device)
        some = torch.lerp(w[:count], w.roll(1, 0)[:count], 0.5 * share)
        mean = self.embedding(self.faces.values[:256].to(w.device)).mean(0)
        return torch.lerp(mean, some, kept.sqrt())

    def train_step(self, stage: Stage) -> dict[str, float]:
        start = time.monotonic()
        size = self.stages[0].resolution
        numbers = self.train_finely() if stage.resolution == size else super().train_step(stage)
        self.elapsed += time.monotonic() - start
        return numbers

    def settle(self) -> None:
        """Keep the latents as they are on average: critics ask for what parameters do not tell."""
        if next(self.embedding.parameters()).requires_grad:
            self.embedding.load_state_dict(part(self.average, "embedding"))
            self.embedding.requires_grad_(False)

    def train_finely(self) -> dict[str, float]:
        """Learn from the next batch at full size, with critics."""
        self.settle()
        real, values = (tensor.to(self.device) for tensor in self.faces(self.step))
        count, size = real.shape[0], real.shape[-1]
        w = self.embedding(values)
        w = torch.cat([w, self.blends(w, count // 4)])
        noise = "random"  # renders have none, but texture
        x, pyramid = self.synthesise(w, size // 2, noise)
        windows = Window.draw(self.step, size), Window.draw_detail(self.step, size)
        with autocast(w.device):
            inside = [
                window.draw_from(
                    self.generator.synthesis,
                    x,
                    pyramid[-1],
                    codes(w, self.generator.num_ws),
                    noise,
                )
                for window in windows
            ]
        wanted = [window.cut(real) for window in windows]
        distance = pyramid_loss([image[:count] for image in pyramid], real) + torch.stack(
            [reconstruction_loss(a[:count], b) for a, b in zip(inside, wanted, strict=True)]
        ).mean().mul(2)
        half = F.adaptive_avg_pool2d(real, size // 2)
        seen, shown = self.perception.compare(pyramid[-1], half, self.step)
        look = difference([layer[:count] for layer in seen], shown)
        numbers = {"distance": distance.item(), "look": look.item()}
        rate = self.falling_rate()  # the generator waits for its critics
        fake, true = torch.cat([part[:count] for part in inside]), torch.cat(wanted)
        numbers["paired"] = self.paired.learn(true, fake, rate)
        verdict, unlike = self.paired.judge(true, fake)
        loss = DISTANCE * distance + PERCEPTION * look + PAIRED * verdict + MATCHING * unlike
        numbers["unlike"] = unlike.item()
        free = torch.cat([part[count:] for part in inside])
        maps = {
            "texture": ([true[: 2 * len(free)]], [free], FREE),
            "sight": (shown[:-1], seen[:-1], SIGHT),
        }
        for name, (a, b, weight) in maps.items():
            numbers[name] = self.free[name].learn(a, b, rate)
            loss = loss + weight * self.free[name].judge(b)
        numbers["norm"] = self.update(loss, self.rate(), 0.5)
        return numbers

    def save(self) -> None:
        super().save()
        self.keep(self.out / "model")

    def keep(self, out: Path) -> None:
        """Write the generator, averaged over its training so far."""
        kept = StyleGAN2(self.generator.config)
        kept.mapping.load_state_dict(self.generator.mapping.state_dict())
        kept.synthesis.load_state_dict(part(self.average, "synthesis"))
        kept.save_pretrained(out)
        known = deepcopy(self.embedding)
        known.load_state_dict(part(self.average, "embedding"))
        cast("Known", known).save(out.parent / TRAINED)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--generator", type=Path, default=Path("src/text2face/bundled/generator"))
    parser.add_argument("--known", type=Path, help=f"by default OUT/{FILE}")
    parser.add_argument("--out", type=Path, default=Path("runs/grown"))
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--minutes", type=float, help="end after these too")
    parser.add_argument("--channels", type=int, default=CHANNELS, help="of the new block")
    parser.add_argument("--learning-rate", type=float, default=8e-4, help="its peak")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    images, rows = read(arguments.data)
    generator = StyleGAN2.from_pretrained(arguments.generator)
    if generator.img_resolution < images.shape[1]:
        generator = grown(generator, arguments.channels)
    grower = Grower(
        Balanced(images, torch.from_numpy(rows), arguments.batch),
        arguments.out,
        arguments.images,
        Perception.from_pretrained(arguments.encoder),
        generator.train(),
        Known.from_file(arguments.known or arguments.out / FILE),
        arguments.learning_rate,
        arguments.minutes,
        arguments.device,
    )
    run(grower)


if __name__ == "__main__":
    main()
