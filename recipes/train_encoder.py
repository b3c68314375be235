"""Train the compact text-image encoder on rendered faces and captions, in two halves.

1. The image tower learns to read all attributes off a picture, rare values as well as common ones:
   what a linear head cannot find in an embedding, no word can point at.
2. Its embeddings of all renders are made once. Then what captions claim learns to match a linear
   map of these embeddings, and the text tower learns to read the claims (`recipes.match_words`).

    python -m recipes.train_encoder --data data/train --minutes 25 --word-minutes 8
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.caption_bank import VALUES, make_bank, read_records, seen_values
from recipes.match_words import Matching, train_words
from recipes.vocabulary import make_words
from text2face.encoders.compact import CompactConfig, CompactEncoder
from text2face.precision import autocast
from text2face.storage.folders import atomic_file

SHAPE: Final[dict[str, Any]] = {"image_widths": (48, 96, 160, 256), "image_depths": (1, 1, 1, 1)}
_HARDLY_SEEN: Final = {"ethnicity": 0.2, "body": 0.2}  # how much less they count


@dataclass(frozen=True)
class Settings:
    """How to train the image tower."""

    minutes: float = 25.0
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0


class Readings(nn.Module):
    """A linear reading of all attributes, which only training needs."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.linear = nn.Linear(inputs, sum(map(len, VALUES.values())))

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, D] → logits [N, values]."""
        return self.linear(self.norm(features))  # type: ignore[no-any-return]


def value_weights(seen: NDArray[np.bool_]) -> Tensor:
    """How much each value counts [values]: 1/√frequency, 1 on average within its attribute."""
    counts = seen.sum(axis=0).clip(1).astype(np.float64)
    weights = 1 / np.sqrt(counts)
    start = 0
    for values in VALUES.values():
        part = slice(start, start + len(values))
        weights[part] /= (weights[part] * counts[part]).sum() / counts[part].sum()
        start += len(values)
    return torch.from_numpy(weights).float()


def reading_loss(logits: Tensor, seen: Tensor, weights: Tensor) -> Tensor:
    """The mean over attributes of the cross-entropy over the faces that show them.

    Args:
        logits: [N, values].
        seen: 1 for the value of each attribute that can be seen [N, values].
        weights: [values].
    """
    total, start, all_of = logits.new_zeros(()), 0, 0.0
    for key, values in VALUES.items():
        part = slice(start, start + len(values))
        start += len(values)
        wanted = seen[:, part] * weights[part]
        loss = -(wanted * logits[:, part].log_softmax(dim=1)).sum()
        share = _HARDLY_SEEN.get(key, 1.0)
        total = total + share * loss / seen[:, part].sum().clamp(min=1)
        all_of += share
    return total / all_of


def accuracy(logits: Tensor, seen: Tensor) -> dict[str, float]:
    """The share of visible attributes that are read correctly, per attribute."""
    out, start = {}, 0
    for key, values in VALUES.items():
        part = slice(start, start + len(values))
        start += len(values)
        shown = seen[:, part].sum(dim=1) > 0
        right = logits[shown, part].argmax(dim=1) == seen[shown, part].argmax(dim=1)
        out[key] = float(right.float().mean())
    return out


def augment_images(pictures: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Shift, mirror, soften, add noise, change the light: uint8 [N, H, W, 3] → [N, 3, H, W].

    In groups of a sixteenth of the batch that share their shift and softness, which is cheap.
    """
    count, size = pictures.shape[:2]
    reach = max(size // 24, 1)
    light = rng.uniform(0.94, 1.06, (count, 1, 1, 1)) * rng.uniform(0.985, 1.015, (count, 1, 1, 3))
    gain = torch.from_numpy((light / 127.5).astype(np.float32))
    offset = torch.from_numpy(rng.uniform(-1.05, -0.95, (count, 1, 1, 1)).astype(np.float32))
    images = torch.empty(count, size, size, 3)
    step = max(count // 16, 1)
    for start in range(0, count, step):
        some = slice(start, start + step)
        down, across = rng.integers(-reach, reach + 1, (2, 1)) + np.arange(size)
        across = across[:: rng.choice((-1, 1))].clip(0, size - 1)
        moved = pictures[some][:, down.clip(0, size - 1)][:, :, across]
        images[some] = torch.from_numpy(moved).mul(gain[some]).add_(offset[some])
        group = images[some].permute(0, 3, 1, 2)
        softness = rng.random()
        if softness < 0.2:
            group.copy_(F.avg_pool2d(group, 3, stride=1, padding=1, count_include_pad=False))
        elif softness < 0.45:
            small = int(size * rng.uniform(0.4, 0.8))
            soft = F.interpolate(group, (small, small), mode="bilinear", antialias=True)
            group.copy_(F.interpolate(soft, (size, size), mode="bilinear"))
        if rng.random() < 0.3:
            group.add_(torch.randn(group.shape), alpha=rng.uniform(0.01, 0.08))
    return images.permute(0, 3, 1, 2)


class Trainer:
    """The image tower in training: parts, state, one step."""

    def __init__(self, encoder: CompactEncoder, weights: Tensor, settings: Settings) -> None:
        self.settings, self.weights = settings, weights
        self.image = encoder.image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.readings = Readings(encoder.embedding_dim)
        self.average = copy.deepcopy(nn.ModuleList([self.image, self.readings]))
        self.average.requires_grad_(False).eval()
        parameters = [*self.image.parameters(), *self.readings.parameters()]
        self.optimiser = torch.optim.AdamW(
            [
                {
                    "params": [p for p in parameters if p.ndim > 1],
                    "weight_decay": settings.weight_decay,
                },
                {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
        )
        self.step = 0
        self.seconds = 0.0

    def train_batch(
        self, pictures: NDArray[np.uint8], seen: NDArray[np.bool_], rng: np.random.Generator
    ) -> float:
        """One step on pictures uint8 [N, H, W, 3] and their values [N, values]; the loss."""
        progress = self.seconds / (60 * self.settings.minutes)
        rate = min(self.step / 100, 1.0) * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0)))
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * max(rate, 0.005)
        images = augment_images(pictures, rng)
        with autocast("cpu"):
            features = self.image(images)
        logits = self.readings(features.float())
        loss = reading_loss(logits, torch.from_numpy(seen).float(), self.weights)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.image.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        self._average()
        return loss.item()

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(0.997, 1 - 1 / (1 + 0.1 * self.step))
        state = nn.ModuleList([self.image, self.readings]).state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(state[name], 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        """Everything that resuming needs."""
        return {
            "image": self.image.state_dict(),
            "readings": self.readings.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        for part in ("image", "readings", "average", "optimiser"):
            getattr(self, part).load_state_dict(state[part])
        self.step, self.seconds = state["step"], state["seconds"]


def train_pictures(
    pictures: NDArray[np.uint8],
    seen: NDArray[np.bool_],
    trainer: Trainer,
    checkpoint: Path | None = None,
    watch: Callable[[Trainer], None] = lambda trainer: None,
) -> None:
    """Train the image tower until the minutes are over.

    Args:
        pictures: uint8 [N, H, W, 3].
        seen: Which values are seen in them [N, values].
        trainer: New, or resumed.
        checkpoint: Where to save the state every two minutes.
        watch: Called as often.
    """
    settings = trainer.settings
    rng = np.random.default_rng([settings.seed, trainer.step])
    began = saved = time.monotonic() - trainer.seconds
    recent, first, before = 0.0, trainer.step, trainer.seconds
    for rows in _batches(len(pictures), min(settings.batch_size, len(pictures)), rng):
        if trainer.seconds >= 60 * settings.minutes:
            break
        loss = trainer.train_batch(np.asarray(pictures[rows]), seen[rows], rng)
        trainer.seconds = time.monotonic() - began
        recent += (loss - recent) / min(trainer.step - first, 50)
        if trainer.step % 50 == 0:
            speed = (trainer.step - first) * len(rows) / (trainer.seconds - before)
            click.echo(
                f"step {trainer.step}  {trainer.seconds / 60:.1f}/{settings.minutes:g} min  "
                f"loss {recent:.3f}  {speed:.0f} faces/s",
                err=True,
            )
        if time.monotonic() - saved > 120:
            saved = time.monotonic()
            if checkpoint:
                save_checkpoint(trainer, checkpoint)
            watch(trainer)


def _batches(count: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    while True:
        order = rng.permutation(count)
        for start in range(0, count - size + 1, size):
            yield np.sort(order[start : start + size])


def save_checkpoint(trainer: Trainer, path: Path) -> None:
    """Write the trainer's state, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        torch.save(trainer.state_dict(), file)


@torch.inference_mode()
def read_features(image: nn.Module, pictures: NDArray[np.uint8], batch_size: int = 128) -> Tensor:
    """What the image tower gives for pictures uint8 [N, H, W, 3]: [N, D], not normalised."""
    parts = []
    for start in range(0, len(pictures), batch_size):
        batch = np.asarray(pictures[start : start + batch_size]).astype(np.float32)
        with autocast("cpu"):
            parts.append(image(torch.from_numpy(batch / 127.5 - 1).permute(0, 3, 1, 2)).float())
    return torch.cat(parts)


class _Words:
    """The text tower alone, as what is trained."""

    def __init__(self, encoder: CompactEncoder) -> None:
        self.encode_tokens = encoder.encode_tokens
        self.parameters = encoder.text.parameters


@torch.no_grad()
def fold(encoder: CompactEncoder, matching: Matching) -> None:
    """Put the linear map of image embeddings into the last layer of the image tower."""
    out, linear = encoder.image.out, matching.linear
    bias = linear.weight @ (out.bias - matching.mean)
    out.weight.copy_(linear.weight @ out.weight)
    out.bias.copy_(bias + linear.bias)


@click.command(help=__doc__)
@click.option("--data", type=Path, default=Path("data/train"), show_default=True)
@click.option("--out", type=Path, default=Path("src/text2face/bundled/encoder"), show_default=True)
@click.option("--checkpoint", type=Path, default=Path("runs/encoder.pt"), show_default=True)
@click.option(
    "--resume/--fresh", default=False, help="Go on from the checkpoint.", show_default=True
)
@click.option("--minutes", type=float, default=25.0, show_default=True, help="On pictures.")
@click.option("--word-minutes", type=float, default=8.0, show_default=True, help="On words.")
@click.option("--captions", type=click.IntRange(1), default=200_000, show_default=True)
@click.option("--faces", type=click.IntRange(1), help="Of the data.  [default: all]")
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    data: Path,
    out: Path,
    checkpoint: Path,
    resume: bool,
    minutes: float,
    word_minutes: float,
    captions: int,
    faces: int | None,
    threads: int,
    seed: int,
) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    pictures = np.load(data / "images.npy", mmap_mode="r")[:faces]
    records = read_records(data)[: len(pictures)]
    seen = seen_values(records)
    size = pictures.shape[1]
    shape = {**SHAPE, "image_size": size, "image_patch": max(size // 32, 1)}
    encoder = CompactEncoder(CompactConfig(**make_words(), **shape))
    trainer = Trainer(encoder, value_weights(seen), Settings(minutes=minutes, seed=seed))
    if resume and checkpoint.is_file():
        trainer.load_state_dict(torch.load(checkpoint, weights_only=True))
    train_pictures(pictures, seen, trainer, checkpoint)
    save_checkpoint(trainer, checkpoint)
    encoder.image.load_state_dict(trainer.average[0].state_dict())
    encoder.eval()
    features = read_features(encoder.image, pictures)
    bank = make_bank(records, encoder.vocabulary, count=captions, seed=seed, processes=threads)
    matching = train_words(
        _Words(encoder),
        features,
        seen,
        bank,
        minutes=word_minutes,
        outputs=encoder.embedding_dim,
        seed=seed,
    )
    fold(encoder, matching)
    encoder.save_pretrained(out)
    click.echo(f"{out}: measure it with python -m benchmarks.encoder --encoder {out}", err=True)


if __name__ == "__main__":
    main()
