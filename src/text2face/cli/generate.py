"""`text2face generate`: its options, and which work they ask for."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from text2face.cli.errors import run_interruptible
from text2face.cli.options import (
    Command,
    device_options,
    dtype_option,
    given_options,
    library_of,
    library_options,
    reject_options,
)
from text2face.cli.settings import setting_options, take_settings
from text2face.errors import ArgumentError, quoted
from text2face.storage.texts import read_prompts

__all__ = ["generate"]

_FILE: Final = re.compile(r"\.(png|jpe?g|webp)$", re.IGNORECASE)
_PICTURE: Final = re.compile(r"\.(png|jpe?g|webp|gif|bmp|tiff?|avif|heic)", re.IGNORECASE)
_FOR_TABLES: Final = ("tar", "shard_size", "duplicates")
_NOT_FOR_TABLES: Final = (
    "from_image", "num_images", "seeds", "candidates", "keep", "size", "grid", "overwrite",
    "format", "c2pa", "save_latents", "batch_size", "as_json", "threads",
)  # fmt: skip


@click.command(
    cls=Command, example='text2face generate "a smiling woman with long red hair" -n 4 --seed 7'
)
@click.argument("texts", nargs=-1, metavar="PROMPT...")
@click.option(
    "--prompts",
    "file",
    metavar="FILE",
    help="Prompts, one a line (- is stdin; # begins a comment), or a .csv.",
)
@click.option(
    "--from-image",
    type=click.Path(path_type=Path),
    help="Draw the face of an image again; options given change it.",
)
@click.option("-n", "--num-images", type=int, help="Images for each prompt.  [default: 1]")
@click.option("--seed", type=int, help="Image i uses SEED + i.  [default: random]")
@click.option("--seeds", help="The seeds themselves, such as 0,1,4-6.")
@setting_options
@library_options
@click.option("--dry-run", is_flag=True, help="Print the prompt of each face, and draw none.")
@click.option("--candidates", type=int, help="Draw so many for each prompt, keep the best.")
@click.option("--keep", type=int, help="How many of the candidates to keep.  [default: -n]")
@click.option(
    "--size",
    type=int,
    help="Pixels a side of the files; larger than the model's is enlarged (Lanczos).",
)
@click.option("--grid", metavar="COLSxROWS", help="Also save a contact sheet, grid.png.")
@click.option("-o", "--outdir", type=click.Path(path_type=Path), default="out", show_default=True,
    help="A folder; or, for one face, a file such as face.png.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option(
    "--format",
    type=click.Choice(["png", "jpeg", "jpg", "webp"], case_sensitive=False),
    default="png",
    show_default=True,
    help="The kind of image file.",
)
@click.option(
    "--c2pa",
    type=(click.Path(path_type=Path), click.Path(path_type=Path)),
    metavar="CERT KEY",
    help="Sign the images (PEM files).",
)
@click.option(
    "--save-latents",
    type=click.Choice(["safetensors", "npz"]),
    help="Also save each latent, w [1, num_ws, w_dim], beside its image.",
)
@click.option(
    "--model",
    help="A folder, hub id, Fast text2StyleGAN file, or a name such as clip2latent-ffhq.  "
    "[default: bundled]",
)
@click.option(
    "--accept-licence", is_flag=True, help="Accept the licences of a named model, shown first."
)
@click.option("--offline", is_flag=True, help="Do not download a named model.")
@device_options
@dtype_option()
@click.option("--batch-size", type=int, default=1, show_default=True, help="Images at once.")
@click.option("--tar", is_flag=True, help="Table: WebDataset tar files rather than folders.")
@click.option("--shard-size", type=int, default=1000, show_default=True, help="Table: images each.")
@click.option("--duplicates", type=float, help="Table: name images with this cosine to another.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each image.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no list of files.")
def generate(
    texts: tuple[str, ...],
    file: str | None,
    from_image: Path | None,
    num_images: int | None,
    seed: int | None,
    seeds: str | None,
    candidates: int | None,
    keep: int | None,
    grid: str | None,
    dtype: str | None,
    tar: bool,
    shard_size: int,
    duplicates: float | None,
    **options: Any,
) -> None:
    """Draw faces from words.

    Each image is saved as OUTDIR/seed0042.png, or OUTDIR/01-the-prompt/seed0042.png if there are
    several prompts, with all it takes to draw it again inside. Prompts know (emphasis),
    (emphasis:1.3), [less of it] and blends: one AND another; and choices, which each seed
    makes: {red|blue} hair, {2$$a hat|a beard|glasses}, __NAME__. A table, --prompts FILE.csv with a
    column prompt and perhaps seed, is drawn in shards with a manifest; the same command goes on
    after a stop, and torchrun shares it out among processes.
    """
    from text2face import provenance
    from text2face.cli.generate_job import GenerateJob, parse_grid, parse_seeds
    from text2face.pictures import read_picture
    from text2face.settings import check_count, choose_seeds

    context = click.get_current_context()
    chosen_settings = take_settings(options)
    options["format"] = _kind(options["format"])
    if file is not None and file.lower().endswith(".csv"):
        from text2face.cli import generate_table

        options["library"] = library_of(options)
        others: dict[str, Any] = {
            "seeds": seeds,
            "seed": seed,
            "num_images": num_images,
            "keep": keep,
        }
        others |= {"candidates": candidates, "grid": grid, "from_image": from_image}
        others |= {"dtype": dtype, "tar": tar, "shard_size": shard_size, "duplicates": duplicates}
        if texts:
            raise ArgumentError("prompts are given beside a table; expected one of them")
        if _FILE.search(str(options["outdir"])):
            raise ArgumentError(
                f"--outdir {options['outdir']} names one image beside a table; expected a folder"
            )
        reject_options(
            context, _NOT_FOR_TABLES, "a table of prompts", "a row is one face in one PNG"
        )
        run_interruptible(
            lambda: generate_table.run(Path(file), chosen_settings, {**options, **others})
        )
        return
    reject_options(context, _FOR_TABLES, "prompts that are no table", "give --prompts FILE.csv")
    wanted = _texts(_whole(texts), file)
    source = None
    if options["size"] is not None:
        check_count("size", options["size"], least=16, most=4096)
    if from_image:
        records = provenance.read(from_image)
        if len(records) > 1 or wanted:
            raise ArgumentError(
                f"--from-image {from_image} is a contact sheet or comes with other prompts; "
                "expected one image and no prompts"
            )
        source = records[0]
        if source.process:
            raise ArgumentError(
                f"--from-image {from_image} was made by more than words: {source.process}; "
                "expected an image that generate drew"
            )
        wanted = [source.prompt]
        if source.drawn_size and options["size"] is None:
            options["size"] = read_picture(from_image).width
    elif not wanted:
        raise ArgumentError("no prompt; expected one, such as 'a woman with red hair'")
    if seed is not None and seeds is not None:
        raise ArgumentError("--seed and --seeds are both given; expected one of them")
    size = parse_grid(grid) if grid else None
    options["library"] = library_of(options)
    chosen: int | list[int] | None = parse_seeds(seeds) if seeds is not None else seed
    if chosen is None and source:
        chosen = source.seed
    if num_images is None and keep is None and size and not isinstance(chosen, list):
        num_images = max(1, size[0] * size[1] // len(wanted))
    all_seeds, kept = choose_seeds(
        chosen, 1 if num_images is None else num_images, candidates, keep
    )
    count = (kept or len(all_seeds)) * len(wanted)
    options["outdir"], options["file"] = _place(options["outdir"], count, bool(size))
    if options["file"] is not None:
        kind = _kind(options["file"].suffix[1:])
        if "format" in given_options(context) and kind != options["format"]:
            raise ArgumentError(
                f"--format is {options['format']} and --outdir {options['file']}; expected one kind"
            )
        options["format"] = kind
    job = GenerateJob(
        texts=wanted,
        source=source,
        origin=from_image,
        given=chosen_settings,
        seeds=all_seeds,
        random_seed=chosen is None,
        keep=kept,
        grid=size,
        threads_chosen="threads" in given_options(context),
        dtype=dtype or (source.dtype if source else "float32"),
        **options,
    )
    run_interruptible(job.run)


def _kind(name: str) -> str:
    """The kind of image that a name tells."""
    return name.lower().replace("jpg", "jpeg")


def _place(out: Path, count: int, sheet: bool) -> tuple[Path, Path | None]:
    """The folder, and the file if --outdir names one.

    Raises:
        ArgumentError: It names a file, and more than one is to be written; or one of another kind.
    """
    if not out.suffix or out.is_dir() or not _PICTURE.fullmatch(out.suffix):
        return out, None
    if not _FILE.search(str(out)):
        raise ArgumentError(
            f"--outdir is {out}, expected a folder, or a name in .png, .jpg or .webp"
        )
    if count > 1 or sheet:
        raise ArgumentError(
            f"--outdir {out} names one file for {count} faces{' and a sheet' * sheet}; expected a "
            f"folder, such as {out.with_suffix('')}"
        )
    return out.parent, out


def _whole(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The prompts, if the quotes round one were not forgotten.

    Raises:
        ArgumentError: They seem to be, and standard input is not a terminal.
    """
    if len(texts) < 2 or any(len(text.split()) > 1 or text == "-" for text in texts):
        return texts
    sentence = " ".join(texts)
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        asked = f"one prompt, {quoted(sentence)}, rather than {len(texts)} of one word each?"
        return (sentence,) if click.confirm(asked, default=True, err=True) else texts
    raise ArgumentError(
        f"{len(texts)} prompts of one word each; expected quotes round a prompt: text2face "
        f"generate {shlex.quote(sentence)}; for a face of each word, give a file: --prompts"
    )


def _texts(texts: Sequence[str], file: str | None) -> list[str]:
    """The prompts of the command line, then those of the file; "-" is stdin."""
    wanted: list[str] = []
    for text in texts:
        wanted += read_prompts("-") if text == "-" else [text]
    return wanted + (read_prompts(file) if file is not None else [])
