"""The command line: thin, with everything heavy imported inside the commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from text2face import _edit, _train_cli
from text2face._evaluate import evaluate
from text2face._serve import serve, ui
from text2face.errors import ArgumentError, OutputError, PromptError, Text2FaceError

if TYPE_CHECKING:
    from text2face.models import Model

__all__ = ["cli", "main"]

INTERRUPTED: Final = 130
_SETTINGS: Final = (
    "truncation",
    "truncation_cutoff",
    "diversity",
    "condition",
    "shortlist",
    "noise_mode",
    "negative_prompt",
    "literal",
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code: every error is one line on stderr."""
    try:
        code = cli.main(arguments, prog_name="text2face", standalone_mode=False) or 0
        sys.stdout.flush()
    except click.ClickException as error:
        command = (
            error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        )
        hint = f"; see {command} --help" if command else ""
        code = _fail(error.format_message().rstrip(".") + hint, error.exit_code)
    except Text2FaceError as error:
        code = _fail(str(error), 2 if isinstance(error, PromptError | ArgumentError) else 1)
    except (click.Abort, KeyboardInterrupt):
        code = _fail("interrupted", INTERRUPTED)
    except MemoryError:
        code = _fail("out of memory; close other programs or lower --batch-size", 1)
    except BrokenPipeError:  # the reader of stdout has left, as `head` does
        sys.stdout = None
        code = 1
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="text2face", message="text2face %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Words to faces."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cli.command()
@click.argument("texts", nargs=-1, metavar="PROMPT...")
@click.option(
    "--prompts", "file", metavar="FILE", help="Prompts, one a line (- is stdin), or a .csv."
)
@click.option(
    "--from-image",
    type=click.Path(path_type=Path),
    help="Draw the face of an image again; options given change it.",
)
@click.option("-n", "--num-images", type=int, help="Images for each prompt.  [default: 1]")
@click.option("--seed", type=int, help="Image i uses SEED + i.  [default: random]")
@click.option("--seeds", help="The seeds themselves, such as 0,1,4-6.")
@click.option("--trunc", "truncation", type=float, help="Truncation ψ, 0 to 2.  [default: model's]")
@click.option("--trunc-cutoff", "truncation_cutoff", type=int, help="Truncate only so many layers.")
@click.option("--diversity", type=float, help="The scale of z, 0 to 5.  [default: 1]")
@click.option("--condition", help="How words condition the sampler.  [default: model's]")
@click.option(
    "--shortlist", type=int, help="Draw so many latents a face, make the best.  [default: model's]"
)
@click.option(
    "--noise-mode",
    type=click.Choice(["const", "random", "none"]),
    help="The generator's noise inputs.  [default: const]",
)
@click.option("--negative", "negative_prompt", metavar="PROMPT", help="What is not wanted.")
@click.option("--literal", is_flag=True, default=None, help="Take ( ) [ ] AND as they stand.")
@click.option("--candidates", type=int, help="Draw so many for each prompt, keep the best.")
@click.option("--keep", type=int, help="How many of the candidates to keep.  [default: -n]")
@click.option("--grid", metavar="COLSxROWS", help="Also save a contact sheet, grid.png.")
@click.option("-o", "--outdir", type=click.Path(path_type=Path), default="out", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option(
    "--format",
    type=click.Choice(["png", "jpeg", "webp"]),
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
@click.option("--model", help="A folder, hub id or Fast text2StyleGAN file.  [default: bundled]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    help="The generator's number type.  [default: float32]",
)
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
    (emphasis:1.3), [less of it] and blends: one AND another. A table, --prompts FILE.csv with a
    column prompt and perhaps seed, is drawn in shards with a manifest; the same command goes on
    after a stop, and torchrun shares it out among processes.
    """
    from text2face import provenance
    from text2face._generate import Job, parse_grid, parse_seeds
    from text2face.settings import choose_seeds

    given = {name: options.pop(name) for name in _SETTINGS}
    given = {name: value for name, value in given.items() if value is not None}
    if file is not None and file.lower().endswith(".csv"):
        from text2face import _bulk

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
        _stoppable(lambda: _bulk.run(Path(file), given, {**options, **others}))
        return
    wanted = _texts(texts, file)
    source = None
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
    elif not wanted:
        raise ArgumentError("no prompt; expected one, such as 'a woman with red hair'")
    if seed is not None and seeds is not None:
        raise ArgumentError("--seed and --seeds are both given; expected one of them")
    size = parse_grid(grid) if grid else None
    chosen: int | list[int] | None = parse_seeds(seeds) if seeds is not None else seed
    if chosen is None and source:
        chosen = source.seed
    if num_images is None and keep is None and size and not isinstance(chosen, list):
        num_images = max(1, size[0] * size[1] // len(wanted))
    all_seeds, kept = choose_seeds(
        chosen, 1 if num_images is None else num_images, candidates, keep
    )
    job = Job(
        texts=wanted,
        source=source,
        given=given,
        seeds=all_seeds,
        random_seed=chosen is None,
        keep=kept,
        grid=size,
        dtype=dtype or (source.dtype if source else "float32"),
        **options,
    )
    _stoppable(job.run)


def _stoppable(work: Callable[[], None]) -> None:
    """Do long work that says what is finished when it is interrupted."""
    try:
        work()
    except KeyboardInterrupt as error:
        raise click.exceptions.Exit(_fail(str(error) or "interrupted", INTERRUPTED)) from None


@cli.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, or one for each face.")
def info(image: Path, as_json: bool) -> None:
    """Show how an image was made, and check that all it says of itself holds.

    `generate --from-image` draws it again. The exit code is 1 if something does not hold: the mark
    of generated images is missing, texts contradict each other, or a C2PA signature is broken.
    """
    from text2face import provenance

    report = provenance.inspect(image)
    about = {
        "digital_source_type": (report.source_type or "").rpartition("/")[2] or None,
        "content_credentials": report.credentials,
    }
    for facts in [report.edited] if report.edited else map(asdict, report.records):
        if as_json:
            click.echo(json.dumps({**facts, **about, "problems": report.problems}))
            continue
        facts |= facts.pop("settings", {}) | about
        click.echo(
            "\n".join(f"{name}: {value}" for name, value in facts.items() if value is not None)
        )
    if report.problems:
        raise OutputError(f"{image}: {'; '.join(report.problems)}")


@cli.group()
def models() -> None:
    """Published weights: what there is, its licence, and downloads."""


@models.command("list")
@click.option(
    "--kind",
    type=click.Choice(["detector", "encoder", "generator", "sampler"]),
    help="Only these.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each model.")
def list_models(kind: str | None, as_json: bool) -> None:
    """List the published weights that text2face knows."""
    from text2face.models import MODELS

    known = [model for model in MODELS.values() if kind in (None, model.kind)]
    width = max(len(model.name) for model in known)
    for model in known:
        if as_json:
            click.echo(json.dumps(_facts(model)))
        else:
            click.echo(f"{model.name:{width}}  {model.kind:9}  {_size(model):>7}  {model.about}")


@models.command("info")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def model_info(name: str, as_json: bool) -> None:
    """Show the licence, source and size of weights, and whether they are in the cache."""
    from text2face.models import find

    facts = _facts(find(name))
    if as_json:
        click.echo(json.dumps(facts))
    else:
        facts["size"] = _size(find(name))
        click.echo("\n".join(f"{key}: {value}" for key, value in facts.items() if value))


@models.command("download")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--offline", is_flag=True, help="Only check what is in the cache.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def download_models(names: tuple[str, ...], offline: bool, quiet: bool) -> None:
    """Download weights into the cache and print where they are.

    The licence is shown first. A download that was interrupted goes on where it stopped, and a
    file that is not the one of the first download is refused.
    """
    from text2face.models import download, find

    wanted = [find(name) for name in names]
    for model in wanted:
        click.echo(f"{model.name}: {model.licence}", err=True)
        click.echo(str(download(model, offline=offline, progress=not quiet)))


def _facts(model: Model) -> dict[str, Any]:
    """All there is to say about published weights."""
    from text2face.models import cached

    return {**asdict(model), "cached": str(cached(model) or "") or None}


def _size(model: Model) -> str:
    return f"{model.size / 1e6:,.0f} MB" if model.size else "?"


@cli.command()
@click.argument("source", metavar="IN")
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--half", is_flag=True, help="Store fp16: half the size, and not quite exact.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def convert(source: str, folder: Path, half: bool, overwrite: bool) -> None:
    """Write a generator as safetensors.

    IN is a StyleGAN2 or StyleGAN3 in a format of NVIDIA, TensorFlow or rosinality, or a folder or
    hub id of ours. OUT gets config.json and model.safetensors, exactly the numbers of IN.
    """
    from text2face._folders import CONFIG_NAME, WEIGHTS_NAME
    from text2face.generators.checkpoints import load_generator
    from text2face.generators.mapping import MappedGenerator

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


cli.add_command(_train_cli.pairs)
cli.add_command(_train_cli.train)
cli.add_command(_train_cli.describe)


def _texts(texts: Sequence[str], file: str | None) -> list[str]:
    """The prompts of the command line, then those of the file; "-" is stdin."""
    wanted: list[str] = []
    for text in texts:
        wanted += _lines("-") if text == "-" else [text]
    return wanted + (_lines(file) if file is not None else [])


def _lines(file: str) -> list[str]:
    """The lines of a file that are not empty."""
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ArgumentError(
            f"cannot read the prompts in {file}: {why}; expected a text file with one prompt a line"
        ) from None
    except UnicodeDecodeError:
        raise PromptError(f"the prompts in {file} are not UTF-8; save the file as UTF-8") from None
    wanted = [line for line in lines if line.strip()]
    if not wanted:
        raise PromptError(f"no prompt in {file}; expected one a line")
    return wanted


def _fail(message: str, code: int) -> int:
    """Say in one line what went wrong."""
    click.echo(f"text2face: {' '.join(message.split())}", err=True)
    return code


for _command in (*_edit.COMMANDS, evaluate, serve, ui):
    cli.add_command(_command)
