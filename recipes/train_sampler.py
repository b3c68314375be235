"""Train the sampler: pairs drawn from the generator itself, then the CVAE; both resume.

No text takes part in the training. Texts are read only afterwards, without their pictures, to find
where texts lie on average: a file of prompts, one a line, or else captions of records.

    python -m recipes.train_sampler --out src/text2face/bundled/sampler --minutes 5
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from recipes.faces.captions import caption
from text2face._loading import load_component
from text2face.encoders.base import TextImageEncoder
from text2face.samplers.conditions import ConditionBank
from text2face.samplers.cvae import CVAESampler, CVAESamplerConfig
from text2face.training.loop import Progress, TrainingConfig, train_sampler
from text2face.training.pairs import Pairs, read_pairs, write_pairs
from text2face.training.pseudo_text import PseudoTextConfig

BUNDLED = Path("src/text2face/bundled")
TEXTS = 5000


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


@torch.no_grad()
def make_bank(
    pairs: Pairs, encoder: TextImageEncoder, texts: list[str], size: int
) -> ConditionBank:
    """The first `size` image embeddings, the mean of all, and the mean of the texts."""
    images = F.normalize(pairs.embeddings.float(), dim=1)
    rows: list[Tensor] = [
        F.normalize(encoder.encode_text(texts[start : start + 250]).float(), dim=1)
        for start in range(0, len(texts), 250)
    ]
    return ConditionBank(images[:size], images.mean(dim=0), torch.cat(rows).mean(dim=0))


def train_with_progress(
    pairs: Pairs, sampler: CVAESamplerConfig, training: TrainingConfig, checkpoint: Path | None
) -> CVAESampler:
    """Train under a progress bar."""
    with tqdm(total=100, desc="train", bar_format="{l_bar}{bar}| {elapsed} {postfix}") as bar:

        def report(progress: Progress) -> None:
            bar.n = round(100 * progress.share)
            if progress.step % 20 == 0 or progress.share == 1:
                bar.set_postfix_str(
                    f"step {progress.step}, error {progress.error:.3f}, KL {progress.kl:.1f}, "
                    f"miss {progress.miss:.3f}, {progress.pairs_per_second:.0f} pairs/s"
                )

        return train_sampler(pairs, sampler, training, checkpoint=checkpoint, on_step=report)


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
@click.option("--count", type=click.IntRange(1), default=50_000, show_default=True, help="Pairs.")
@click.option("--pair-batch", type=click.IntRange(1), default=32, show_default=True)
@click.option("--bank", "bank_size", type=click.IntRange(0), default=10_000, show_default=True)
@click.option(
    "--minutes", type=float, default=5.0, show_default=True, help="Of training, over all runs."
)
@click.option(
    "--architecture",
    type=click.Choice(["plain", "residual"]),
    default="residual",
    show_default=True,
)
@click.option("--width", type=int, default=512, show_default=True)
@click.option("--depth", type=int, default=3, show_default=True)
@click.option("--code-dim", type=int, default=128, show_default=True)
@click.option("--residual-dim", type=int, default=0, show_default=True)
@click.option("--batch-size", type=int, default=256, show_default=True)
@click.option("--learning-rate", type=float, default=1e-2, show_default=True)
@click.option("--beta", type=float, default=1.0, show_default=True)
@click.option("--free-bits", type=float, default=0.0, show_default=True)
@click.option("--noise", type=float, default=0.0, show_default=True, help="Pseudo-text: largest ξ.")
@click.option(
    "--average", type=float, default=0.0, show_default=True, help="Pseudo-text: share of means."
)
@click.option("--max-neighbours", type=int, default=256, show_default=True)
@click.option("--dropout", type=float, default=0.0, show_default=True)
@click.option("--consistency", type=float, default=1.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    generator_folder: Path,
    encoder_folder: Path,
    out: Path,
    work: Path,
    prompts: Path | None,
    records: Path,
    count: int,
    pair_batch: int,
    bank_size: int,
    minutes: float,
    architecture: Any,
    width: int,
    depth: int,
    code_dim: int,
    residual_dim: int,
    batch_size: int,
    learning_rate: float,
    beta: float,
    free_bits: float,
    noise: float,
    average: float,
    max_neighbours: int,
    dropout: float,
    consistency: float,
    seed: int,
) -> None:
    generator = load_component("generator", generator_folder)
    encoder = load_component("encoder", encoder_folder)
    texts = read_texts(prompts, records)
    pairs = collect_pairs(generator, encoder, work / "pairs", count, seed, pair_batch)
    sampler_config = CVAESamplerConfig(
        embedding_dim=encoder.embedding_dim,
        w_dim=generator.w_dim,
        num_ws=generator.num_ws,
        code_dim=code_dim,
        residual_dim=residual_dim,
        architecture=architecture,
        width=width,
        depth=depth,
    )
    training = TrainingConfig(
        minutes=minutes,
        batch_size=batch_size,
        learning_rate=learning_rate,
        beta=beta,
        free_bits=free_bits,
        pseudo_text=PseudoTextConfig(noise, average, max_neighbours, dropout),
        consistency=consistency,
        seed=seed,
    )
    sampler = train_with_progress(pairs, sampler_config, training, work / "checkpoint.pt")
    if bank_size:
        sampler = sampler.with_bank(make_bank(pairs, encoder, texts, bank_size))
    sampler.save_pretrained(out)
    click.echo(f"saved {out}")


if __name__ == "__main__":
    main()
