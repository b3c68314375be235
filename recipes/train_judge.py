"""Train the judge: a classifier that reads the attributes of a face off its picture.

The judge counts what the benchmarks report and is used for nothing else: no part of the package is
ever trained against it, and it shares neither architecture nor input pipeline with the encoder. It
learns from renders that are shifted, mirrored, blurred and noisy, so that a slightly softer
generated face is judged on its content.

    python -m recipes.train_judge --train data/train --test data/test --minutes 7
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.faces.attributes import LABELS
from text2face._folders import read_config, read_tensors, write_folder
from text2face.errors import CheckpointError

MASKED = -1  # the label of an attribute that cannot be seen


@dataclass(frozen=True)
class JudgeConfig:
    """The judge's shape."""

    resolution: int = 128
    width: int = 32
    feature_dim: int = 192


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(hidden)))


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Judge(nn.Module):
    """A small residual network with one softmax head per entry of `LABELS`.

    The features are taken from a 4×4 layout of the face, since a hat and a beard differ by place.
    """

    def __init__(self, config: JudgeConfig | None = None) -> None:
        super().__init__()
        self.config = config or JudgeConfig()
        width, cells = self.config.width, self.config.resolution // 32
        self.trunk = nn.Sequential(
            nn.PixelUnshuffle(4),
            _convolution(48, width, 1),
            _Residual(width),
            _convolution(width, 2 * width, 2),
            _Residual(2 * width),
            _convolution(2 * width, 4 * width, 2),
            _Residual(4 * width),
            _convolution(4 * width, 4 * width, 2),
            nn.Flatten(),
            nn.Linear(4 * width * cells * cells, self.config.feature_dim),
        )
        self.heads = nn.ModuleDict(
            {name: nn.Linear(self.config.feature_dim, len(LABELS[name])) for name in LABELS}
        )

    def features(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] → features [N, feature_dim] for Fréchet distances."""
        size = self.config.resolution
        if images.shape[-2:] != (size, size):
            images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        return self.trunk(images.clamp(-1, 1))  # type: ignore[no-any-return]

    def classify(self, features: Tensor) -> dict[str, Tensor]:
        """Features [N, feature_dim] → logits [N, classes] per attribute."""
        return {name: head(F.relu(features)) for name, head in self.heads.items()}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images [N, 3, H, W] in [-1, 1] → logits [N, classes] per attribute."""
        return self.classify(self.features(images))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Judge:
        """Load a saved judge in evaluation mode, its parameters frozen."""
        config = read_config(Path(folder))
        if config.get("type") != "judge" or config.get("labels") != _label_lists():
            raise CheckpointError(
                f"{folder}: expected a judge of the present attributes; train one with "
                "python -m recipes.train_judge"
            )
        judge = cls(JudgeConfig(**{key: config[key] for key in asdict(JudgeConfig())}))
        counters = [name for name in judge.state_dict() if name.endswith("num_batches_tracked")]
        expected = {
            name: value.shape for name, value in judge.state_dict().items() if name not in counters
        }
        judge.load_state_dict(read_tensors(Path(folder), expected), strict=False)
        return judge.eval().requires_grad_(False)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` and `model.safetensors` (fp16)."""
        tensors = {
            name: value
            for name, value in self.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        config = {"type": "judge", **asdict(self.config), "labels": _label_lists()}
        write_folder(Path(folder), config, tensors)


def _label_lists() -> dict[str, list[str]]:
    return {name: list(classes) for name, classes in LABELS.items()}


def read_labels(folder: Path) -> NDArray[np.int64]:
    """Read `records.jsonl` → class numbers [N, len(LABELS)], `MASKED` where hidden."""
    with (folder / "records.jsonl").open(encoding="utf-8") as lines:
        records: list[Mapping[str, str | None]] = [json.loads(line) for line in lines]
    numbers = {name: {label: i for i, label in enumerate(LABELS[name])} for name in LABELS}
    rows = [
        [MASKED if (value := record[name]) is None else numbers[name][value] for name in LABELS]
        for record in records
    ]
    return np.array(rows, dtype=np.int64)


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures uint8 [N, H, W, 3] → images float [N, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(pictures.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)


def augment(pictures: NDArray[np.uint8], random: np.random.RandomState) -> Tensor:
    """Shift, mirror, blur, add noise, change the light: uint8 [N, H, W, 3] → float [N, 3, H, W]."""
    count, size = pictures.shape[:2]
    reach = max(size // 20, 1)
    padded = np.pad(pictures, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    moved = np.empty_like(pictures)
    for i, (dy, dx, mirrored) in enumerate(
        zip(
            random.randint(2 * reach + 1, size=count),
            random.randint(2 * reach + 1, size=count),
            random.rand(count) < 0.5,
            strict=True,
        )
    ):
        view = padded[i, dy : dy + size, dx : dx + size]
        moved[i] = view[:, ::-1] if mirrored else view
    images = to_tensor(moved).contiguous(memory_format=torch.channels_last)
    # Half of the pictures are softened, a quarter by each of two strengths: groups are cheap.
    quarter = count // 4
    for start in (0, quarter):
        group = images[start : start + quarter]
        if group.shape[0]:
            images[start : start + quarter] = _blur(group, random.uniform(0.4, 1.6) * size / 128)
    light = torch.from_numpy(random.uniform(0.93, 1.07, (count, 1, 1, 1)).astype(np.float32))
    shade = torch.from_numpy(random.uniform(-0.04, 0.04, (count, 3, 1, 1)).astype(np.float32))
    images.mul_(light).add_(shade)
    noisy = images[quarter // 2 : quarter // 2 + count // 2]
    generator = torch.Generator().manual_seed(int(random.randint(2**31)))
    noisy.add_(torch.randn(noisy.shape, generator=generator), alpha=random.uniform(0, 0.08))
    return images


def _blur(images: Tensor, sigma: float) -> Tensor:
    radius = max(math.ceil(2.5 * sigma), 1)
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).expand(3, 1, 1, -1)
    padded = F.pad(images, (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(padded, taps, groups=3), taps.transpose(2, 3), groups=3)


def judge_loss(logits: Mapping[str, Tensor], labels: Tensor) -> Tensor:
    """The mean over attributes of the cross-entropy over the pictures that show the attribute.

    Args:
        logits: [N, classes] per attribute.
        labels: Class numbers [N, len(LABELS)], `MASKED` where hidden.
    """
    total = torch.zeros(())
    for truth, name in zip(labels.unbind(1), LABELS, strict=True):
        loss = F.cross_entropy(
            logits[name].float(), truth, ignore_index=MASKED, label_smoothing=0.02, reduction="sum"
        )
        total = total + loss / (truth != MASKED).sum().clamp(min=1)
    return total / len(LABELS)


@torch.inference_mode()
def accuracy(
    judge: Judge, pictures: NDArray[np.uint8], labels: NDArray[np.int64], batch_size: int = 250
) -> dict[str, float]:
    """The share of visible attributes that the judge reads correctly, per attribute."""
    right = np.zeros(len(LABELS))
    seen = np.zeros(len(LABELS))
    for start in range(0, len(pictures), batch_size):
        logits = judge(to_tensor(np.asarray(pictures[start : start + batch_size])))
        truth = labels[start : start + batch_size]
        guess = np.stack([logits[name].argmax(1).numpy() for name in LABELS], axis=1)
        right += ((guess == truth) & (truth != MASKED)).sum(axis=0)
        seen += (truth != MASKED).sum(axis=0)
    return {
        name: float(r / s) if s else math.nan
        for name, r, s in zip(LABELS, right, seen, strict=True)
    }


def _batches(count: int, size: int, random: np.random.RandomState) -> Iterator[NDArray[np.int64]]:
    while True:
        order = random.permutation(count)
        for start in range(0, count - size + 1, size):
            yield np.sort(
                order[start : start + size]
            )  # sorted, so that a memory map is read forwards


def train(
    pictures: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    config: JudgeConfig | None = None,
    minutes: float = 7.0,
    steps: int | None = None,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> Judge:
    """Train a judge for `steps` steps, or else for about `minutes` minutes."""
    torch.manual_seed(seed)
    random = np.random.RandomState(seed)
    judge = Judge(config)
    judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch_size = min(batch_size, len(pictures))
    optimiser = torch.optim.AdamW(judge.parameters(), lr=learning_rate, weight_decay=0.02)
    began, recent = time.monotonic(), 0.0
    for step, rows in enumerate(_batches(len(pictures), batch_size, random)):
        progress = step / steps if steps else (time.monotonic() - began) / (60 * minutes)
        if progress >= 1:
            break
        warmth = min(progress / 0.1, 1.0) * (0.5 + 0.5 * math.cos(math.pi * progress))
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * max(warmth, 0.01)
        images = augment(np.asarray(pictures[rows]), random)
        with torch.autocast("cpu", torch.bfloat16):
            logits = judge(images)
        loss = judge_loss(logits, torch.from_numpy(labels[rows]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        recent += (loss.item() - recent) / min(step + 1, 50)
        if step % 50 == 49:
            speed = (step + 1) * batch_size / (time.monotonic() - began)
            click.echo(
                f"step {step + 1}  {progress:4.0%}  loss {recent:.3f}  {speed:.0f} faces/s",
                err=True,
            )
    judge.eval().requires_grad_(False)
    return judge


@click.command(help=__doc__)
@click.option("--train", "train_folder", type=Path, default=Path("data/train"), show_default=True)
@click.option("--test", "test_folder", type=Path, default=Path("data/test"), show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/judge"), show_default=True)
@click.option("--minutes", type=float, default=7.0, show_default=True)
@click.option("--batch-size", type=int, default=128, show_default=True)
@click.option("--learning-rate", type=float, default=2e-3, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    train_folder: Path,
    test_folder: Path,
    out: Path,
    minutes: float,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Train the judge, save it, and print its accuracy on held-out renders."""
    pictures = np.load(train_folder / "images.npy", mmap_mode="r")
    judge = train(
        pictures,
        read_labels(train_folder)[: len(pictures)],
        config=JudgeConfig(resolution=pictures.shape[1]),
        minutes=minutes,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
    )
    judge.save_pretrained(out)
    held_out = np.load(test_folder / "images.npy", mmap_mode="r")
    scores = accuracy(
        Judge.from_pretrained(out), held_out, read_labels(test_folder)[: len(held_out)]
    )
    for name, score in scores.items():
        click.echo(f"{name:12s} {score:6.1%}")
    click.echo(f"{'mean':12s} {np.nanmean(list(scores.values())):6.1%}")


if __name__ == "__main__":
    main()
