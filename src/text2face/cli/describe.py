"""`text2face describe`: the pseudo-text of an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click

from text2face.cli.options import Command, reject_options, threads_option
from text2face.errors import ArgumentError

__all__ = ["describe"]

_PATH: Final = click.Path(path_type=Path)
_SIDE: Final = 256


@click.command(cls=Command, example="text2face describe photo.png -n 5")
@click.argument("image", type=_PATH)
@click.option("--encoder", help="A folder, hub id or known name.  [default: bundled]")
@click.option("--phrases", type=_PATH, help="Phrases, one a line.  [default: 96 of our own]")
@click.option("-n", "count", type=click.IntRange(1), default=5, show_default=True)
@click.option("--samples", type=click.IntRange(0), default=0, help="Also draw embeddings near it.")
@click.option("--strength", type=float, default=0.5, show_default=True, help="How far from it.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("-o", "--out", type=_PATH, help="A .safetensors file for these embeddings.")
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each phrase.")
def describe(
    image: Path,
    encoder: str | None,
    phrases: Path | None,
    count: int,
    samples: int,
    strength: float,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say what the encoder sees in an image: the phrases of a list that come nearest.

    This is the pseudo-text of an image, which training without captions rests on.
    """
    import torch
    from safetensors.torch import save

    from text2face.cli.training import load_any_encoder
    from text2face.pictures import read_picture
    from text2face.storage.folders import atomic_file
    from text2face.storage.texts import read_prompts
    from text2face.training.bank import PHRASES, embed_texts
    from text2face.training.photos import fit_photo
    from text2face.training.pseudo_text import nearest_phrases, sample_near

    if not samples:
        reject_options(
            click.get_current_context(),
            ("strength", "seed", "out"),
            "no --samples",
            "add --samples",
        )
    if samples and out is None:
        raise ArgumentError("--samples is given without --out; expected a file for the embeddings")
    picture = read_picture(image)
    pixels = fit_photo(picture, min(max(_SIDE, min(picture.size)), 1024))
    loaded = load_any_encoder(encoder)
    listed = read_prompts(phrases) if phrases else list(PHRASES)
    known = [text for text in listed if not loaded.unknown_words(text)]
    if len(known) < 2:
        raise ArgumentError(
            f"the encoder knows all words of {len(known)} of {len(listed)} phrases; expected at "
            "least 2; give others by --phrases"
        )
    with torch.no_grad():
        seen = loaded.encode_image(pixels[None].float() / 127.5 - 1)[0].float()
    found = nearest_phrases(seen, embed_texts(loaded, known), known, count)
    for phrase, cosine in found:
        line = {"phrase": phrase, "cosine": round(cosine, 4)}
        click.echo(json.dumps(line) if as_json else f"{cosine:6.3f}  {phrase}")
    if samples and out is not None:
        drawn = sample_near(seen, samples, strength=strength, seed=seed)
        with atomic_file(out) as file:
            file.write(save({"image": seen.contiguous(), "pseudo_texts": drawn.contiguous()}))
