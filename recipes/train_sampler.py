"""Train the bundled sampler: what `text2face train` does, with texts of the caption grammar.

No text takes part in the training. Texts are read only afterwards, without their pictures, to find
where texts lie on average: a file of prompts, one a line, or else captions of records. The bank of
conditions holds renders; or, with --known, what the generator draws for the identities of the
pairs, with the latents that drew it.

    python -m recipes.train_sampler --out src/text2face/bundled/sampler --preset compact --minutes 5
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm import tqdm

from recipes.faces.captions import caption
from recipes.generator.known import Known
from recipes.generator.latents import codes
from recipes.generator.mapping import draw_parameters
from recipes.train_judge import to_tensor
from text2face.cli.training import parse_changes, show_training
from text2face.encoders.base import TextImageEncoder
from text2face.evaluation.drawing import embed_images
from text2face.evaluation.judge import round_to_bytes
from text2face.loading import load_component
from text2face.precision import autocast
from text2face.samplers.cvae import CVAESampler
from text2face.samplers.saved import SavedSampler
from text2face.storage.folders import atomic_file
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


@torch.inference_mode()
def pair_identities(
    generator: Any,
    encoder: TextImageEncoder,
    latents_of: Known,
    folder: Path,
    count: int,
    batch_size: int = 32,
    thousand: int = 1000,
) -> Pairs:
    """New identities as pairs: the latent of their parameters, and how the encoder sees its image.

    Their odds are those of the renders. What is there already is read.

    Args:
        generator: Draws them.
        encoder: Embeds the images.
        latents_of: Parameters → latents of this generator.
        folder: Keeps the pairs.
        count: How many.
        batch_size: Images at a time.
        thousand: Pairs in a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in tqdm(range(0, count, thousand), desc="identities", unit="file"):
        path = folder / f"{start:08d}.safetensors"
        if not path.exists():
            rows = torch.from_numpy(draw_parameters(start, thousand).astype(np.float32))
            w = latents_of(rows)
            with autocast("cpu"):
                images = (
                    generator.synthesize(codes(some, generator.num_ws)).float().clamp(-1, 1)
                    for some in torch.split(w, batch_size)
                )
                seen = embed_images(encoder, map(round_to_bytes, images))
            with atomic_file(path) as file:
                file.write(save({"latents": w.half(), "embeddings": seen.half()}))
        parts.append(load_file(path))
    latents, embeddings = (
        torch.cat([part[name] for part in parts])[:count] for name in ("latents", "embeddings")
    )
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
    help="Folder of recipes.generator.grow: draw the latents of identities, not those of z.",
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
        pairs = pair_identities(
            generator, encoder, Known.from_run(known), work / "identities", count, pair_batch
        )
    else:
        pairs = collect_pairs(generator, encoder, work / "pairs", count, config.seed, pair_batch)
    sampler = train_with_progress(config, generator, encoder, pairs, work / name)
    if bank_size:
        if known is None or pairs.latents is None:
            seen = Pairs(None, embed_pictures(encoder, pictures, bank_size))
        else:
            seen = Pairs(pairs.latents[:bank_size], pairs.embeddings[:bank_size])
        sampler = sampler.with_bank(make_bank(seen, encoder, texts))
        if seen.latents is not None and isinstance(sampler, CVAESampler):
            sampler = sampler.with_latents(seen.latents)
    sampler.save_pretrained(out)
    click.echo(f"saved {out}")


if __name__ == "__main__":
    main()
