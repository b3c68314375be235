"""Train the reader: a second text-image encoder to score faces with, through the judge's eyes.

The features of all renders are read once; then only a small text tower and a projection are
trained to match words and faces, which takes minutes. The reader shares nothing with the encoder
that the faces are made with: not the weights, not the pictures' network, not the size of its words.

    python -m recipes.train_reader --data data/train --test data/test --minutes 4
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipes.caption_bank import CaptionBank, long_caption, make_bank, read_records, seen_values
from recipes.match_words import train_words
from recipes.measures import load_judge, recall
from recipes.train_judge import to_tensor
from recipes.vocabulary import aliases_for, build_words
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
    seen: NDArray[np.bool_],
    bank: CaptionBank,
    *,
    minutes: float,
    seed: int = 1,
) -> Reader:
    """Train on features [N, F] of faces that show some values, and captions of them."""
    matching = train_words(
        reader, features, seen, bank, minutes=minutes, outputs=reader.embedding_dim, seed=seed
    )
    with torch.no_grad():
        reader.image.weight.copy_(matching.linear.weight)
        reader.image.bias.copy_(matching.linear.bias - matching.linear.weight @ matching.mean)
    return reader.eval().requires_grad_(False)


@click.command(help=__doc__)
@click.option("--data", type=Path, default=Path("data/train"), show_default=True)
@click.option("--test", type=Path, default=Path("data/test"), show_default=True)
@click.option("--judge", type=Path, default=Path("benchmarks/judge"), show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/reader"), show_default=True)
@click.option("--minutes", type=float, default=4.0, show_default=True)
@click.option("--captions", type=click.IntRange(1), default=100_000, show_default=True)
@click.option("--faces", type=int, help="Only so many.  [default: all]")
def main(
    data: Path,
    test: Path,
    judge: Path,
    out: Path,
    minutes: float,
    captions: int,
    faces: int | None,
) -> None:
    """Train the reader, save it, and print how well it finds held-out renders."""
    eyes = load_judge(judge)
    words = build_words()
    config = ReaderConfig(words, aliases_for(words), eyes.config.feature_dim)
    records = read_records(data)[:faces]
    click.echo("captions and features", err=True)
    vocabulary = Vocabulary(config.words, config.aliases)
    bank = make_bank(records, vocabulary, count=captions, seed=10_007, processes=1)
    features = judge_features(eyes, data, faces)
    reader = train(Reader(config, eyes), features, seen_values(records), bank, minutes=minutes)
    reader.save_pretrained(out)
    reader = Reader.from_pretrained(out, eyes)
    rng = np.random.default_rng(0)
    texts = [long_caption(record, rng).text for record in read_records(test)]
    found = recall(reader.encode_features(judge_features(eyes, test)), embed(reader, texts))
    for name, share in found.items():
        click.echo(f"{name:16s} {share:7.1%}")


if __name__ == "__main__":
    main()
