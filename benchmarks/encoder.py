"""How well the encoder matches words and faces: retrieval and zero-shot attributes, held out.

python -m benchmarks.encoder --encoder src/text2face/bundled/encoder --test data/test
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipes.caption_bank import long_caption, read_records
from recipes.faces.attributes import LABELS
from recipes.faces.captions import caption
from recipes.faces.sentences import Record
from recipes.measures import recall
from text2face.encoders.base import TextImageEncoder
from text2face.encoders.compact import CompactEncoder

_BATCH: Final = 250
_PROMPTS_PER_CLASS: Final = 24


@torch.inference_mode()
def embed_images(encoder: TextImageEncoder, pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures uint8 [N, H, W, 3] → embeddings [N, D]."""
    parts = []
    for start in range(0, len(pictures), _BATCH):
        batch = torch.from_numpy(pictures[start : start + _BATCH].astype(np.float32) / 127.5 - 1)
        parts.append(encoder.encode_image(batch.permute(0, 3, 1, 2)))
    return torch.cat(parts)


@torch.inference_mode()
def embed_texts(encoder: TextImageEncoder, texts: Sequence[str]) -> Tensor:
    """N texts → embeddings [N, D]."""
    return torch.cat(
        [encoder.encode_text(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
    )


def zero_shot(
    encoder: TextImageEncoder, images: Tensor, records: Sequence[Record], seed: int = 0
) -> dict[str, float]:
    """Accuracy per judged attribute, the class whose prompts lie nearest on average."""
    rng = np.random.default_rng(seed)
    result = {}
    for name, classes in LABELS.items():
        means = []
        for value in classes:
            template: dict[str, str | None] = {**_neutral(records[0]), name: value}
            texts = [
                caption(template, rng, attributes=[name]).text for _ in range(_PROMPTS_PER_CLASS)
            ]
            means.append(embed_texts(encoder, texts).mean(0))
        guesses = (images @ torch.nn.functional.normalize(torch.stack(means), dim=1).T).argmax(1)
        right = [
            classes[int(guess)] == record[name]
            for guess, record in zip(guesses, records, strict=True)
            if record[name] is not None
        ]
        result[name] = float(np.mean(right)) if right else float("nan")
    return result


def _neutral(record: Record) -> dict[str, str | None]:
    """A record in which everything is hidden, but of a grown-up."""
    return {**dict.fromkeys(record), "age": "young"}


def milliseconds(call: Callable[[], object], repeats: int = 20) -> float:
    """The median time of a call."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return float(np.median(times) * 1000)


def measure(encoder: TextImageEncoder, folder: Path) -> dict[str, Mapping[str, float]]:
    """All figures of this benchmark, over the faces of a data folder."""
    pictures = np.load(folder / "images.npy", mmap_mode="r")
    records = read_records(folder)[: len(pictures)]
    rng = np.random.default_rng(0)
    texts = [long_caption(record, rng).text for record in records]
    images = embed_images(encoder, pictures)
    words = embed_texts(encoder, texts)
    accuracy = zero_shot(encoder, images, records)
    one = torch.zeros(1, 3, *pictures.shape[1:3])
    with torch.inference_mode():
        speed = {
            "text, ms": milliseconds(lambda: encoder.encode_text(texts[:1])),
            "image, ms": milliseconds(lambda: encoder.encode_image(one)),
        }
    return {
        f"retrieval among {len(records)} faces": recall(images, words),
        "zero-shot accuracy": {**accuracy, "mean": float(np.nanmean(list(accuracy.values())))},
        "geometry": {
            "modality gap": float((images.mean(0) - words.mean(0)).norm()),
            "cosine of pairs": float((images * words).sum(1).mean()),
        },
        f"speed, {torch.get_num_threads()} threads": speed,
    }


def report(encoder: TextImageEncoder, folder: Path) -> None:
    """Print all figures."""
    for title, figures in measure(encoder, folder).items():
        click.echo(title)
        for name, figure in figures.items():
            share = title.startswith(("retrieval", "zero-shot"))
            click.echo(f"  {name:16s} {figure:7.1%}" if share else f"  {name:16s} {figure:7.3f}")


@click.command(help=__doc__)
@click.option(
    "--encoder", type=Path, default=Path("src/text2face/bundled/encoder"), show_default=True
)
@click.option("--test", type=Path, default=Path("data/test"), show_default=True)
@click.option("--threads", type=int, default=2, show_default=True)
def main(encoder: Path, test: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    report(CompactEncoder.from_pretrained(encoder), test)


if __name__ == "__main__":
    main()
