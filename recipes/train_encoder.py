"""Train the compact text-image encoder on rendered faces and captions.

Contrastive (InfoNCE both ways, learned temperature), with what a rendered data set makes possible:

- Records are known, so a caption's true matches in the batch are known. From a text, all faces that
  match it are equally right; from a face, other captions that are true of it do not count as wrong.
- Half of the captions come with a hard negative, the same words but for one attribute.
- One linear head reads all attributes off the embeddings of both towers, so that a face keeps what
  its caption does not name, and words and pictures mean the same by the same direction.

    python -m recipes.train_encoder --data data/train --test data/test --minutes 12
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.caption_bank import (
    KEYS,
    VALUES,
    CaptionBank,
    aliases_for,
    build_words,
    make_bank,
    read_records,
    record_facts,
)
from recipes.faces.attributes import LABELS
from recipes.faces.phrases.everyday import FILLERS
from text2face.encoders.compact import CompactConfig, CompactEncoder
from text2face.encoders.vocabulary import UNKNOWN, Vocabulary
from text2face.evaluation.reader import Reader
from text2face.precision import autocast
from text2face.storage.folders import atomic_file

_DETAIL_WEIGHT: Final = 0.3  # of an attribute nobody is judged on, in the attribute loss
_MAX_SCALE: Final = 50.0


@dataclass(frozen=True)
class Settings:
    """How to train."""

    minutes: float = 12.0
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    attribute_weight: float = 4.0
    gap_weight: float = 1.0
    captions_per_face: int = 4
    threads: int = 2
    seed: int = 0


class Heads(nn.Module):
    """What only training needs: the temperature, and one linear reading of all attributes."""

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(14.0)))
        self.attributes = nn.Linear(embedding_dim, sum(map(len, VALUES)))

    def attribute_loss(self, embeddings: Tensor, facts: Tensor) -> Tensor:
        """Cross-entropy of known attributes: embeddings [N, D], facts [N, K], < 0 if unknown."""
        logits = self.attributes(embeddings * 16).split([len(v) for v in VALUES], dim=1)
        total, weights = embeddings.new_zeros(()), 0.0
        for key, scores, truth in zip(KEYS, logits, facts.unbind(1), strict=True):
            weight = 1.0 if key in LABELS else _DETAIL_WEIGHT
            loss = F.cross_entropy(scores, truth.clamp(min=-1), ignore_index=-1, reduction="sum")
            total = total + weight * loss / (truth >= 0).sum().clamp(min=1)
            weights += weight
        return total / weights


def matches(record_facts: Tensor, caption_facts: Tensor) -> Tensor:
    """Which captions [M, K] are true of which records [N, K]: bool [N, M]."""
    said = caption_facts[None]
    return ((said < 0) | (said == record_facts[:, None])).all(2)


def contrastive_loss(
    images: Tensor, texts: Tensor, negatives: Tensor, scale: Tensor, match: Tensor, false: Tensor
) -> Tensor:
    """InfoNCE (van den Oord et al., 2018, arXiv 1807.03748) both ways, with known matches.

    Args:
        images: Unit embeddings [N, D].
        texts: Unit embeddings [N, D]; text i was written for image i.
        negatives: Unit embeddings [M, D] of captions that are false of some image each.
        scale: The inverse temperature.
        match: bool [N, N], image i fits text j.
        false: bool [N, M], image i does not fit negative j.
    """
    similar = scale * images @ texts.T
    own = torch.eye(len(images), dtype=torch.bool)
    to_text = torch.cat(
        [
            similar.masked_fill(match & ~own, -math.inf),
            (scale * images @ negatives.T).masked_fill(~false, -math.inf),
        ],
        dim=1,
    )
    from_image = F.cross_entropy(to_text, torch.arange(len(images)))
    shares = (match | own).float()
    shares = shares / shares.sum(0, keepdim=True)
    # Less the entropy of the target: then 0 is perfect for captions of any length.
    from_text = -(shares * (similar.log_softmax(0) - shares.clamp(min=1e-9).log())).sum(0).mean()
    return (from_image + from_text) / 2


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


def augment_tokens(
    tokens: NDArray[np.int16], fillers: NDArray[np.int16], rng: np.random.Generator
) -> Tensor:
    """Throw in words that say nothing, known and unknown ones: ids [N, L] → [N, L' ≤ L]."""
    tokens = tokens.copy()
    for row in (tokens[i] for i in np.flatnonzero(rng.random(len(tokens)) < 0.3)):
        length = int((row > 0).sum())
        place = int(rng.integers(length + 1))
        word = UNKNOWN if rng.random() < 0.4 else int(rng.choice(fillers))
        row[place + 1 :] = row[place:-1].copy()
        row[place] = word
    return torch.from_numpy(tokens[:, : max(int((tokens > 0).sum(1).max()), 1)].astype(np.int64))


def encode_by_length(encoder: CompactEncoder | Reader, tokens: Tensor, groups: int = 6) -> Tensor:
    """`encode_tokens`, texts of like length together: attention costs the length squared."""
    lengths = (tokens > 0).sum(1)
    order = lengths.argsort()
    parts = [
        encoder.encode_tokens(tokens[rows, : int(lengths[rows].max())])
        for rows in order.chunk(groups)
    ]
    return torch.cat(parts)[order.argsort()]


class Trainer:
    """An encoder in training: parts, state, one step."""

    def __init__(self, encoder: CompactEncoder, settings: Settings) -> None:
        self.settings = settings
        self.encoder = encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.heads = Heads(encoder.embedding_dim)
        self.average = copy.deepcopy(encoder).requires_grad_(False).eval()
        parameters = [*self.encoder.named_parameters(), *self.heads.named_parameters()]
        matrices = [p for _, p in parameters if p.ndim > 1]
        others = [p for _, p in parameters if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
        )
        known = {word: encoder.vocabulary.encode(word) for word in FILLERS}
        self.fillers = np.array([ids[0] for ids in known.values() if len(ids) == 1], np.int16)
        self.step, self.seconds = 0, 0.0

    def train_batch(
        self,
        pictures: NDArray[np.uint8],
        tokens: NDArray[np.int16],
        said: NDArray[np.int8],
        seen: NDArray[np.int8],
        rng: np.random.Generator,
    ) -> float:
        """One step on pictures [N, H, W, 3], captions [N, 2, L] saying [N, 2, K], faces [N, K]."""
        progress = min(self.seconds / (60 * self.settings.minutes), 1.0)
        warmth = min(progress / 0.05, 1.0) * (0.5 + 0.5 * math.cos(math.pi * progress))
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * max(warmth, 0.005)
        count = len(pictures)
        half = count // 2
        images = augment_images(pictures, rng)
        texts = augment_tokens(np.concatenate([tokens[:, 0], tokens[:half, 1]]), self.fillers, rng)
        truth, claims = torch.from_numpy(seen).long(), torch.from_numpy(said).long()
        negative_claims = claims[:half, 1]
        with autocast("cpu"):
            image = self.encoder.encode_image(images)
            text = encode_by_length(self.encoder, texts)
        loss = contrastive_loss(
            image,
            text[:count],
            text[count:],
            self.heads.log_scale.exp().clamp(max=_MAX_SCALE),
            matches(truth, claims[:, 0]),
            ~matches(truth, negative_claims),
        )
        readings = self.heads.attribute_loss(image, truth) + self.heads.attribute_loss(
            text, torch.cat([claims[:, 0], negative_claims])
        )
        gap = (image.mean(0) - text[:count].mean(0)).square().sum()
        total = loss + self.settings.attribute_weight * readings + self.settings.gap_weight * gap
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.encoder.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        self._average()
        return loss.item()

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(0.998, 1 - 1 / (1 + 0.1 * self.step))
        state = self.encoder.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(state[name], 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        """Everything that resuming needs."""
        return {
            "words": list(self.encoder.config.words),
            "encoder": self.encoder.state_dict(),
            "heads": self.heads.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        for part in ("encoder", "heads", "average", "optimiser"):
            getattr(self, part).load_state_dict(state[part])
        self.step, self.seconds = state["step"], state["seconds"]


def train(
    pictures: NDArray[np.uint8],
    seen: NDArray[np.int8],
    bank: CaptionBank,
    trainer: Trainer,
    checkpoint: Path | None = None,
) -> CompactEncoder:
    """Train until the minutes are over; the averaged encoder.

    Args:
        pictures: uint8 [N, H, W, 3].
        seen: Facts of the records [N, K].
        bank: Their captions.
        trainer: New, or resumed.
        checkpoint: Where to save the state every two minutes.
    """
    settings = trainer.settings
    rng = np.random.default_rng([settings.seed, trainer.step])
    began = saved = time.monotonic() - trainer.seconds
    size = min(settings.batch_size, len(pictures))
    order = rng.permutation(len(pictures))
    place, recent, first, before = 0, 0.0, trainer.step, trainer.seconds
    while trainer.seconds < 60 * settings.minutes:
        if place + size > len(order):
            order, place = rng.permutation(len(pictures)), 0
        rows = order[place : place + size]
        place += size
        turns = rng.integers(bank.tokens.shape[1], size=size)
        loss = trainer.train_batch(
            np.asarray(pictures[rows]),
            bank.tokens[rows, turns],
            bank.facts[rows, turns],
            seen[rows],
            rng,
        )
        trainer.seconds = time.monotonic() - began
        recent += (loss - recent) / min(trainer.step - first, 50)
        if trainer.step % 50 == 0:
            speed = (trainer.step - first) * size / (trainer.seconds - before)
            click.echo(
                f"step {trainer.step}  {trainer.seconds / 60:.1f}/{settings.minutes:g} min  "
                f"loss {recent:.3f}  {speed:.0f} faces/s",
                err=True,
            )
        if checkpoint and time.monotonic() - saved > 120:
            saved = time.monotonic()
            save_checkpoint(trainer, checkpoint)
    return trainer.average


def save_checkpoint(trainer: Trainer, path: Path) -> None:
    """Write the trainer's state, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        torch.save(trainer.state_dict(), file)


@click.command(help=__doc__)
@click.option("--data", type=Path, default=Path("data/train"), show_default=True)
@click.option("--out", type=Path, default=Path("src/text2face/bundled/encoder"), show_default=True)
@click.option("--checkpoint", type=Path, default=Path("runs/encoder.pt"), show_default=True)
@click.option(
    "--resume/--fresh", default=False, help="Go on from the checkpoint.", show_default=True
)
@click.option("--minutes", type=float, default=Settings.minutes, show_default=True)
@click.option("--batch-size", type=int, default=Settings.batch_size, show_default=True)
@click.option("--learning-rate", type=float, default=Settings.learning_rate, show_default=True)
@click.option(
    "--captions-per-face", type=int, default=Settings.captions_per_face, show_default=True
)
@click.option("--threads", type=int, default=Settings.threads, show_default=True)
@click.option("--seed", type=int, default=Settings.seed, show_default=True)
def main(data: Path, out: Path, checkpoint: Path, resume: bool, **settings: Any) -> None:
    chosen = Settings(**settings)
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(chosen.seed)
    state = torch.load(checkpoint, weights_only=True) if resume and checkpoint.is_file() else None
    words = tuple(state["words"]) if state else build_words()
    aliases = aliases_for(words)
    pictures = np.load(data / "images.npy", mmap_mode="r")
    records = read_records(data)[: len(pictures)]
    began = time.monotonic()
    bank = make_bank(
        records,
        Vocabulary(words, aliases),
        per_face=chosen.captions_per_face,
        seed=chosen.seed,
        processes=chosen.threads,
    )
    click.echo(
        f"{bank.tokens.shape[0]} faces captioned in {time.monotonic() - began:.0f} s", err=True
    )
    trainer = Trainer(CompactEncoder(CompactConfig(words=words, aliases=aliases)), chosen)
    if state:
        trainer.load_state_dict(state)
    encoder = train(pictures, record_facts(records), bank, trainer, checkpoint)
    save_checkpoint(trainer, checkpoint)
    encoder.save_pretrained(out)
    click.echo(f"{out}: measure it with python -m benchmarks.encoder --encoder {out}", err=True)


if __name__ == "__main__":
    main()
