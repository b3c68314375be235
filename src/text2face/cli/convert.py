"""`text2face convert`: a generator as safetensors."""

from __future__ import annotations

from pathlib import Path

import click

from text2face.cli.options import Command
from text2face.errors import ArgumentError, OutputError

__all__ = ["convert"]


@click.command(cls=Command, example="text2face convert stylegan2-ffhq.pkl generator")
@click.argument("source", metavar="IN")
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--half", is_flag=True, help="Store fp16: half the size, and not quite exact.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def convert(source: str, folder: Path, half: bool, overwrite: bool) -> None:
    """Write a generator as safetensors.

    IN is a StyleGAN2 or StyleGAN3 in a format of NVIDIA, TensorFlow or rosinality, or a folder or
    hub id of ours. OUT gets config.json and model.safetensors, exactly the numbers of IN.
    """
    from text2face.checkpoints import load_generator
    from text2face.generators.mapping import MappedGenerator
    from text2face.storage.folders import CONFIG_NAME, WEIGHTS_NAME
    from text2face.storage.locks import hold

    with hold(folder):
        for path in (folder / CONFIG_NAME, folder / WEIGHTS_NAME):
            if path.exists() and not overwrite:
                raise OutputError(
                    f"{path} exists; expected a new folder; choose another or add --overwrite"
                )
        generator = load_generator(source)
        if not isinstance(generator, MappedGenerator):
            raise ArgumentError(f"{source} is no StyleGAN; expected a StyleGAN2 or StyleGAN3")
        generator.save_pretrained(folder, half=half)
    side = generator.img_resolution
    click.echo(f"{folder}: {generator.kind}, {side}×{side}, {generator.num_ws} latent codes")
