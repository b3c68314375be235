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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from recipes.faces.attributes import JUDGED
from text2face.evaluation.judge import Judge, JudgeConfig
from text2face.precision import autocast

MASKED = -1  # the label of an attribute that cannot be seen


def read_labels(folder: Path) -> NDArray[np.int64]:
    """Read `records.jsonl` → class numbers [N, len(JUDGED)], `MASKED` where hidden."""
    with (folder / "records.jsonl").open(encoding="utf-8") as lines:
        records: list[Mapping[str, str | None]] = [json.loads(line) for line in lines]
    numbers = {name: {label: i for i, label in enumerate(JUDGED[name])} for name in JUDGED}
    rows = [
        [MASKED if (value := record[name]) is None else numbers[name][value] for name in JUDGED]
        for record in records
    ]
    return np.array(rows, dtype=np.int64)


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures uint8 [N, H, W, 3] → images float [N, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(pictures.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)


def augment(
    pictures: NDArray[np.uint8], random: np.random.RandomState, shift: float = 0.05
) -> Tensor:
    """Shift, mirror, blur, add noise, change the light: uint8 [N, H, W, 3] → float [N, 3, H, W]."""
    count, size = pictures.shape[:2]
    reach = max(int(size * shift), 1)
    padded = np.pad(pictures, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    moved = np.empty_like(pictures)
    corners = random.randint(0, 2 * reach + 1, (count, 2))
    mirrored = random.rand(count) < 0.5
    for i, (top, left) in enumerate(corners):
        view = padded[i, top : top + size, left : left + size]
        moved[i] = view[:, ::-1] if mirrored[i] else view
    images = to_tensor(moved).contiguous(memory_format=torch.channels_last)
    # Half of the pictures are softened, a quarter by each of two strengths: groups are cheap.
    quarter = count // 4
    for start in (0, quarter):
        group = images[start : start + quarter]
        if group.shape[0]:
            images[start : start + quarter] = _blur(group, random.uniform(0.3, 1.2) * size / 128)
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


def class_weights(labels: NDArray[np.int64]) -> list[Tensor]:
    """How much each class counts, per attribute: 1/√frequency, 1 on average over the faces.

    Args:
        labels: Class numbers [N, len(JUDGED)], `MASKED` where hidden.
    """
    out = []
    for column, classes in zip(labels.T, JUDGED.values(), strict=True):
        counts = np.bincount(column[column != MASKED], minlength=len(classes))
        weights = 1 / np.sqrt(counts.clip(1))
        mean = (weights * counts).sum() / max(counts.sum(), 1)
        out.append(torch.tensor(weights / mean if mean else weights, dtype=torch.float32))
    return out


def judge_loss(
    logits: Mapping[str, Tensor], labels: Tensor, weights: Sequence[Tensor] | None = None
) -> Tensor:
    """The mean over attributes of the cross-entropy over the pictures that show the attribute.

    Args:
        logits: [N, classes] per attribute.
        labels: Class numbers [N, len(JUDGED)], `MASKED` where hidden.
        weights: How much each class counts, per attribute; None = all alike.
    """
    total = torch.zeros(())
    for column, (truth, name) in enumerate(zip(labels.unbind(1), JUDGED, strict=True)):
        loss = F.cross_entropy(
            logits[name].float(),
            truth,
            weights[column] if weights is not None else None,
            ignore_index=MASKED,
            label_smoothing=0.02,
            reduction="sum",
        )
        total = total + loss / (truth != MASKED).sum().clamp(min=1)
    return total / len(JUDGED)


@torch.inference_mode()
def accuracy(
    judge: Judge, pictures: NDArray[np.uint8], labels: NDArray[np.int64], batch_size: int = 250
) -> dict[str, float]:
    """The share of visible attributes that the judge reads correctly, per attribute."""
    right = np.zeros(len(JUDGED))
    seen = np.zeros(len(JUDGED))
    for start in range(0, len(pictures), batch_size):
        logits = judge(to_tensor(np.asarray(pictures[start : start + batch_size])))
        truth = labels[start : start + batch_size]
        guess = np.stack([logits[name].argmax(1).numpy() for name in JUDGED], axis=1)
        right += ((guess == truth) & (truth != MASKED)).sum(axis=0)
        seen += (truth != MASKED).sum(axis=0)
    return {
        name: float(r / s) if s else math.nan
        for name, r, s in zip(JUDGED, right, seen, strict=True)
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
    judge = Judge(config or JudgeConfig(JUDGED))
    judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch_size = min(batch_size, len(pictures))
    weights = class_weights(labels)
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
        with autocast("cpu"):
            logits = judge(images)
        loss = judge_loss(logits, torch.from_numpy(labels[rows]), weights)
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
@click.option("--width", type=int, default=48, show_default=True)
@click.option("--batch-size", type=int, default=128, show_default=True)
@click.option("--learning-rate", type=float, default=2e-3, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    train_folder: Path,
    test_folder: Path,
    out: Path,
    minutes: float,
    width: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Train the judge, save it, and print its accuracy on held-out renders."""
    pictures = np.load(train_folder / "images.npy", mmap_mode="r")
    judge = train(
        pictures,
        read_labels(train_folder)[: len(pictures)],
        config=JudgeConfig(
            JUDGED, pictures.shape[1], patch=max(pictures.shape[1] // 32, 1), width=width
        ),
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
