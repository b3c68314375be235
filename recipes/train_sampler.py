"""Train the bundled sampler: what `text2face train` does, with texts of the caption grammar.

No text takes part in the training. Texts are read only afterwards, without their pictures, to find
where texts lie on average: a file of prompts, one a line, or else captions of records. The bank of
conditions holds pictures that the generator was trained on, whose spread is that of faces to draw.

    python -m recipes.train_sampler --out src/text2face/bundled/sampler --preset compact --minutes 5
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from recipes.faces.captions import caption
from recipes.generator.known import Known
from recipes.train_judge import to_tensor
from text2face.cli.training import parse_changes, show_training
from text2face.encoders.base import TextImageEncoder
from text2face.evaluation.drawing import embed_images
from text2face.loading import load_component
from text2face.samplers.cvae import CVAESampler
from text2face.samplers.saved import SavedSampler
from text2face.training import PRESETS, Pairs, TrainingConfig, make_bank, preset, read_pairs, train
from text2face.training.pairs import write_pairs

BUNDLED = Path("src/text2face/bundled")
TEXTS = 5000
_PICTURES = 64


def collect_pairs(
    generator: Any, encoder: TextImageEncoder, folder: Path, count: int, seed: int, batch_size: int
) -> Pairs:
    """Make the pairs that are missing, and read them all."""
    with tqdm(total=count, desc="pairs", unit="pair", smoothing=0.05) as bar:
        write_pairs(
            generator,
            encoder,
            folder,
            count,
            seed,
            batch_size,
            on_batch=lambda made: bar.update(made - bar.n),
        )
    return read_pairs(folder, count)


def embed_pictures(encoder: TextImageEncoder, pictures: Path, count: int) -> Tensor:
    """The first pictures of a file of uint8 [M, H, W, 3] → embeddings [N, D], L2-normalised."""
    stored = np.load(pictures, mmap_mode="r")[:count]
    starts = tqdm(range(0, len(stored), _PICTURES), desc="bank", unit="batch")
    return embed_images(encoder, (to_tensor(stored[i : i + _PICTURES]) for i in starts))


@torch.no_grad()
def pair_renders(
    generator: Any, encoder: TextImageEncoder, known: Path, data: Path, count: int
) -> Pairs:
    """Renders as pairs: the latent that belongs to each one's parameters, and its embedding.

    Rare values come as often as in the renders, and no image has to be drawn.

    Args:
        generator: Whose latents they are.
        encoder: Embeds the renders.
        known: A file of `recipes.generator.known`.
        data: A folder of renders.
        count: How many at most.
    """
    rows = torch.from_numpy(np.load(data / "parameters.npy")[:count].astype(np.float32))
    latents_of = Known.from_file(known)
    latents = torch.cat([latents_of(part) for part in torch.split(rows, 1000)]).half()
    embeddings = embed_pictures(encoder, data / "images.npy", len(rows)).half()
    return Pairs(latents, embeddings, num_ws=generator.num_ws)


def read_texts(prompts: Path | None, records: Path, seed: int = 0) -> list[str]:
    """Prompts from a file, or captions of records that are drawn without their pictures."""
    if prompts is not None:
        return [
            line.strip()
            for line in prompts.read_text(encoding="utf-8").splitlines()
            if line.strip()
        ]
    with records.open(encoding="utf-8") as lines:
        chosen = [json.loads(line) for line, _ in zip(lines, range(TEXTS), strict=False)]
    rng = np.random.default_rng(seed)
    return [caption(record, rng).text for record in chosen]


def train_with_progress(
    config: TrainingConfig,
    generator: Any,
    encoder: TextImageEncoder,
    pairs: Pairs,
    out: Path | None = None,
) -> SavedSampler:
    """Train under a progress bar."""
    with show_training() as on_step:
        return train(config, generator, encoder, pairs, out, on_step=on_step)


@click.command(help=__doc__)
@click.option(
    "--generator", "generator_folder", type=Path, default=BUNDLED / "generator", show_default=True
)
@click.option(
    "--encoder", "encoder_folder", type=Path, default=BUNDLED / "encoder", show_default=True
)
@click.option("--out", type=Path, default=BUNDLED / "sampler", show_default=True)
@click.option(
    "--work",
    type=Path,
    default=Path("data/sampler"),
    show_default=True,
    help="Pairs and checkpoint.",
)
@click.option("--prompts", type=Path, help="Texts, one a line, to find where texts lie.")
@click.option("--records", type=Path, default=Path("data/train/records.jsonl"), show_default=True)
@click.option(
    "--pictures",
    type=Path,
    default=Path("data/train/images.npy"),
    show_default=True,
    help="For the bank.",
)
@click.option(
    "--known",
    type=Path,
    help="Take renders as pairs, with the latents of their parameters (recipes.generator.known).",
)
@click.option("--count", type=click.IntRange(1), default=16_384, show_default=True, help="Pairs.")
@click.option("--pair-batch", type=click.IntRange(1), default=32, show_default=True)
@click.option("--bank", "bank_size", type=click.IntRange(0), default=16_384, show_default=True)
@click.option(
    "--preset", "name", type=click.Choice(list(PRESETS)), default="compact", show_default=True
)
@click.option(
    "--minutes", type=float, default=5.0, show_default=True, help="Of training, over all runs."
)
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="As `text2face train`.")
def main(
    generator_folder: Path,
    encoder_folder: Path,
    out: Path,
    work: Path,
    prompts: Path | None,
    records: Path,
    pictures: Path,
    known: Path | None,
    count: int,
    pair_batch: int,
    bank_size: int,
    name: str,
    minutes: float,
    changes: tuple[str, ...],
) -> None:
    config = preset(name, **parse_changes(changes, minutes=minutes))
    generator = load_component("generator", generator_folder)
    encoder = load_component("encoder", encoder_folder)
    texts = read_texts(prompts, records)
    if known is not None:
        pairs = pair_renders(generator, encoder, known, pictures.parent, count)
    else:
        pairs = collect_pairs(generator, encoder, work / "pairs", count, config.seed, pair_batch)
    sampler = train_with_progress(config, generator, encoder, pairs, work / name)
    if bank_size:
        seen = Pairs(None, embed_pictures(encoder, pictures, bank_size))
        sampler = sampler.with_bank(make_bank(seen, encoder, texts))
        if known is not None and isinstance(sampler, CVAESampler):
            rows = np.load(pictures.parent / "parameters.npy")[: len(seen)].astype(np.float32)
            sampler = sampler.with_latents(Known.from_file(known)(torch.from_numpy(rows)))
    sampler.save_pretrained(out)
    click.echo(f"saved {out}")


if __name__ == "__main__":
    main()
