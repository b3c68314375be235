"""Train the reader: a second text-image encoder to score faces with, through the judge's eyes.

The features of all renders are read once; then only a small text tower and a projection are
trained, contrastively, which takes minutes. The reader shares nothing with the encoder that the
faces are made with: not the weights, not the pictures' network, not the size of its words.

    python -m recipes.train_reader --data data/train --test data/test --minutes 4
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn

from recipes.caption_bank import (
    CaptionBank,
    aliases_for,
    build_words,
    long_caption,
    make_bank,
    read_records,
    record_facts,
)
from recipes.measures import load_judge, recall
from recipes.train_encoder import contrastive_loss, encode_by_length, matches
from recipes.train_judge import to_tensor
from text2face.encoders.vocabulary import Vocabulary
from text2face.evaluation.drawing import embed
from text2face.evaluation.judge import Judge
from text2face.evaluation.reader import Reader, ReaderConfig

_BATCH = 250


@torch.inference_mode()
def judge_features(judge: Judge, folder: Path, count: int | None = None) -> Tensor:
    """The judge's features [N, feature_dim] of the renders of a data folder."""
    pictures = np.load(folder / "images.npy", mmap_mode="r")[:count]
    parts = [
        judge.features(to_tensor(np.asarray(pictures[start : start + _BATCH])))
        for start in range(0, len(pictures), _BATCH)
    ]
    return torch.cat(parts).float()


def train(
    reader: Reader,
    features: Tensor,
    facts: Tensor,
    bank: CaptionBank,
    *,
    minutes: float,
    batch_size: int = 256,
    learning_rate: float = 2e-3,
    noise: float = 0.15,
    seed: int = 1,
) -> Reader:
    """Train on features [N, D] of faces with the facts [N, K], and captions of them.

    Args:
        reader: Trained in place.
        features: Of the judge.
        facts: What is seen (`recipes.caption_bank.record_facts`).
        bank: Captions, each with a hard negative.
        minutes: How long.
        batch_size: Faces in a step.
        learning_rate: The peak.
        noise: How far features are moved, in standard deviations of each.
        seed: Of everything random.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    scale = nn.Parameter(torch.tensor(math.log(14.0)))
    optimiser = torch.optim.AdamW(
        [*reader.parameters(), scale], lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.02
    )
    spread = features.std(dim=0)
    batch_size = min(batch_size, len(features))
    began, recent, step = time.monotonic(), 0.0, 0
    while (progress := (time.monotonic() - began) / (60 * minutes)) < 1:
        warmth = min(progress / 0.05 + 0.02, 1.0) * (0.5 + 0.5 * math.cos(math.pi * progress))
        optimiser.param_groups[0]["lr"] = learning_rate * max(warmth, 0.005)
        rows = torch.from_numpy(rng.integers(len(features), size=batch_size))
        turns = rng.integers(bank.tokens.shape[1], size=batch_size)
        half = batch_size // 2
        said = torch.from_numpy(bank.facts[rows, turns]).long()
        tokens = bank.tokens[rows, turns]
        words = torch.from_numpy(np.concatenate([tokens[:, 0], tokens[:half, 1]]).astype(np.int64))
        seen = features[rows]
        image = reader.encode_features(seen + noise * spread * torch.randn_like(seen))
        text = encode_by_length(reader, words)
        loss = contrastive_loss(
            image,
            text[:batch_size],
            text[batch_size:],
            scale.exp().clamp(max=50.0),
            matches(facts[rows], said[:, 0]),
            ~matches(facts[rows], said[:half, 1]),
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        recent += (loss.item() - recent) / min(step, 50)
        if step % 100 == 0:
            click.echo(f"step {step}  {progress:4.0%}  loss {recent:.3f}", err=True)
    reader.eval().requires_grad_(False)
    return reader


@click.command(help=__doc__)
@click.option("--data", type=Path, default=Path("data/train"), show_default=True)
@click.option("--test", type=Path, default=Path("data/test"), show_default=True)
@click.option("--judge", type=Path, default=Path("benchmarks/judge"), show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/reader"), show_default=True)
@click.option("--minutes", type=float, default=4.0, show_default=True)
@click.option("--captions-per-face", type=int, default=3, show_default=True)
@click.option("--faces", type=int, help="Only so many.  [default: all]")
def main(
    data: Path,
    test: Path,
    judge: Path,
    out: Path,
    minutes: float,
    captions_per_face: int,
    faces: int | None,
) -> None:
    """Train the reader, save it, and print how well it finds held-out renders."""
    eyes = load_judge(judge)
    words = build_words()
    config = ReaderConfig(words, aliases_for(words), eyes.config.feature_dim)
    records = read_records(data)[:faces]
    click.echo("captions and features", err=True)
    bank = make_bank(
        records,
        Vocabulary(config.words, config.aliases),
        per_face=captions_per_face,
        seed=10_007,
        processes=1,
    )
    features = judge_features(eyes, data, faces)
    facts = torch.from_numpy(record_facts(records)).long()
    reader = train(Reader(config, eyes), features, facts, bank, minutes=minutes)
    reader.save_pretrained(out)
    reader = Reader.from_pretrained(out, eyes)
    rng = np.random.default_rng(0)
    texts = [long_caption(record, rng).text for record in read_records(test)]
    found = recall(reader.encode_features(judge_features(eyes, test)), embed(reader, texts))
    for name, share in found.items():
        click.echo(f"{name:16s} {share:7.1%}")


if __name__ == "__main__":
    main()
