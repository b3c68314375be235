"""`text2face encode`, `edit`, `mix`, `interpolate` and `sweep`: faces that exist already."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from text2face.cli.errors import note
from text2face.cli.names import RegisteredName
from text2face.cli.options import Command, device_options, dtype_option, reject_options
from text2face.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    from PIL import Image

    from text2face.editing.finding import Found
    from text2face.faces import Face
    from text2face.pipeline import TextToFace
    from text2face.provenance import Signer

__all__ = ["COMMANDS"]

_LATENTS: Final = (".safetensors", ".npz")
_Command = Callable[..., Any]


def _model_options(command: _Command) -> _Command:
    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Do not list the files."),
        click.option("--overwrite", is_flag=True, help="Replace files that exist."),
        click.option(
            "--c2pa",
            nargs=2,
            type=(click.Path(path_type=Path), click.Path(path_type=Path)),
            metavar="CERT KEY",
            help="Sign the picture (PEM files); the pictures it comes from are its ingredients.",
        ),
        dtype_option(),
        device_options,
        click.option("--model", help="A folder or hub id.  [default: bundled]"),
    ):
        command = option(command)
    return command


def _edit_options(command: _Command) -> _Command:
    for option in (
        click.option("--lock", type=float, default=0.0, show_default=True, help="Identity, 0 to 1"),
        click.option("--source", metavar="PROMPT", help="What is there instead now."),
        click.option(
            "--method",
            type=RegisteredName("edit"),
            help="How.  [default: posterior, or the best that the model allows]",
        ),
    ):
        command = option(command)
    return command


def _face_options(command: _Command) -> _Command:
    for option in (
        click.option("--points", help="Landmarks of a photo, 5 or 68: x,y x,y …  (aligns it)"),
        click.option("--align", is_flag=True, help="Find the face in a photo, and align it."),
        click.option("--refine", type=int, help="So many steps of optimisation after the encoder."),
    ):
        command = option(command)
    return command


@click.command(cls=Command, example="text2face encode photo.png --align -o photo.safetensors")
@click.argument("image", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Latent or PNG.")
@_face_options
@_model_options
def encode(image: Path, out: Path, quiet: bool, overwrite: bool, **options: Any) -> None:
    """Find the latent of a picture and save it.

    OUT ends in .safetensors or .npz for the latent, w [1, num_ws, w_dim], or in .png for the
    picture that the latent draws.
    """
    if out.suffix not in (*_LATENTS, ".png"):
        raise ArgumentError(f"--out is {out}, expected a name in .safetensors, .npz or .png")
    if options["c2pa"] and out.suffix != ".png":
        raise ArgumentError(f"--c2pa signs pictures and --out is {out}; expected a name in .png")
    _check_picture(image, options)
    _check_free([out], overwrite)
    sign = _signer(options, image)
    pipe = _load(options)
    face = _face(pipe, image, options)
    if out.suffix == ".png":
        _write(pipe, out, face, [_start(image)], sign, overwrite)
    else:
        from text2face.cli.generate_job import write_latent

        write_latent(out, face, overwrite=overwrite)
    _tell(quiet, out)


@click.command(cls=Command, example='text2face edit face.png "wearing glasses" --strength 1.2')
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, required=True, metavar="PROMPT...")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="[default: IMAGE-edited.png]")
@click.option("--strength", type=float, default=1.0, show_default=True, help="-3 to 3; 0 = as is.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@_edit_options
@_face_options
@_model_options
def edit(
    image: Path,
    words: tuple[str, ...],
    out: Path | None,
    strength: float,
    as_json: bool,
    method: str | None,
    source: str | None,
    lock: float,
    quiet: bool,
    overwrite: bool,
    **options: Any,
) -> None:
    """Change a face as words say; several prompts are edits in sequence.

    A picture that this model made is taken up where it was drawn, and the edited picture carries
    its latent, so that it can be edited on without loss.
    """
    out = out or image.with_name(f"{image.stem}-edited.png")
    if out.suffix != ".png":
        raise ArgumentError(f"--out is {out}, expected a name in .png")
    _check_picture(image, options)
    _check_free([out], overwrite)
    sign = _signer(options, image)
    pipe = _load(options)
    face = _face(pipe, image, options)
    steps = [_start(image)]
    method = method or _default_method(pipe)
    for prompt in words:
        face = pipe.edit(face, prompt, strength=strength, method=method, source=source, lock=lock)
        steps.append(_step(prompt, strength, method, source, lock, face.score))
    _write(pipe, out, face, steps, sign, overwrite)
    if as_json:
        click.echo(json.dumps({"path": str(out), "steps": steps}))
    else:
        _tell(quiet, out)


@click.command(cls=Command, example="text2face mix a.png b.png --layers coarse -o mixed.png")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="A PNG.")
@click.option("--layers", default="coarse", show_default=True, help="coarse, middle, fine, 0-3,8.")
@_model_options
def mix(a: Path, b: Path, out: Path, layers: str, quiet: bool, overwrite: bool, **o: Any) -> None:
    """Mix two faces: A with some layers of B (style mixing)."""
    _check_free([out], overwrite)
    sign = _signer(o, a, b)
    pipe = _load(o)
    face = pipe.mix(_face(pipe, a, o), _face(pipe, b, o), layers)
    steps = [_start(a), {"mixed with": b.name, "layers": layers}]
    _write(pipe, out, face, steps, sign, overwrite)
    _tell(quiet, out)


@click.command(cls=Command, example="text2face interpolate a.png b.png -o way.gif")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help=".gif/.webp/.png")
@click.option("--steps", type=int, default=24, show_default=True, help="Faces, both ends included.")
@click.option("--fps", type=int, default=12, show_default=True)
@_model_options
def interpolate(
    a: Path, b: Path, out: Path, steps: int, fps: int, quiet: bool, overwrite: bool, **o: Any
) -> None:
    """Faces on the way from A to B: a moving picture, or a row of them as PNG."""
    _check_sequence(out)
    _check_free([out], overwrite)
    sign = _signer(o, a, b)
    pipe = _load(o)
    _check_page(pipe, out, steps, steps)
    faces = pipe.interpolate(_face(pipe, a, o), _face(pipe, b, o), steps)
    done = [_start(a), {"interpolated to": b.name, "steps": steps}]
    images = [face.image for face in faces]
    _write_sequence(pipe, out, images, done, fps, sign, overwrite)
    _tell(quiet, out)


@click.command(cls=Command, example='text2face sweep face.png "an old face" -o older.gif')
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("prompt")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help=".gif/.webp/.png")
@click.option("--from", "first", type=float, default=-1.0, show_default=True, help="Strength.")
@click.option("--to", "last", type=float, default=1.5, show_default=True, help="Strength.")
@click.option("--steps", type=int, default=6, show_default=True)
@click.option("--and", "other", metavar="PROMPT", help="A second edit, down the rows of a grid.")
@click.option("--fps", type=int, default=12, show_default=True)
@_edit_options
@_face_options
@_model_options
def sweep(
    image: Path,
    prompt: str,
    out: Path,
    first: float,
    last: float,
    steps: int,
    other: str | None,
    fps: int,
    method: str | None,
    source: str | None,
    lock: float,
    quiet: bool,
    overwrite: bool,
    **options: Any,
) -> None:
    """One edit at rising strength: a row as PNG, a moving picture, or a grid of two edits."""
    from text2face.settings import check_count

    check_count("steps", steps, least=2, most=1000)
    _check_sequence(out)
    if other and out.suffix != ".png":
        raise ArgumentError(f"--and makes a grid and --out is {out}; expected a name in .png")
    _check_picture(image, options)
    _check_free([out], overwrite)
    sign = _signer(options, image)
    pipe = _load(options)
    _check_page(pipe, out, steps * steps if other else steps, steps)
    start = _face(pipe, image, options)
    strengths = [round(first + (last - first) * i / (steps - 1), 4) for i in range(steps)]
    method = method or _default_method(pipe)
    how: dict[str, Any] = {"method": method, "source": source, "lock": lock}
    done = [_start(image), {"swept": prompt, "strengths": strengths, "method": method}]
    if other:
        from text2face.sheet import contact_sheet

        rows = pipe.sweep(start, other, strengths, **how)
        images = [face.image for row in rows for face in pipe.sweep(row, prompt, strengths, **how)]
        heads = [f"{other} {s:g}; {prompt} {first:g} to {last:g}" for s in strengths]
        sheet = contact_sheet(images, steps, heads)
        _write_sheet(pipe, out, sheet, [*done, {"down the rows": other}], sign, overwrite)
    else:
        faces = pipe.sweep(start, prompt, strengths, **how)
        images = [face.image for face in faces]
        _write_sequence(pipe, out, images, done, fps, sign, overwrite)
    _tell(quiet, out)


COMMANDS: Final = (edit, encode, mix, interpolate, sweep)


def _face(pipe: TextToFace, path: Path, options: Mapping[str, Any]) -> Face:
    """The face of a picture, or of a file of latents, with the noise that it was drawn with."""
    from text2face.editing.operations import face_of

    found = _found(pipe, path, options)
    return face_of(pipe, found.latent, drawn_with=found.noise)


def _default_method(pipe: TextToFace) -> str:
    """How to edit where nobody says it; said where it is not the usual way."""
    from text2face.editing.operations import default_method

    method = default_method(pipe)
    if method != "posterior":
        note(f"this model's sampler has no posterior: edited by --method {method}")
    return method


def _load(options: Mapping[str, Any]) -> TextToFace:
    from text2face.loading import choose_device
    from text2face.pipeline import TextToFace
    from text2face.precision import number_type

    choose_device(options["device"])  # before the model, which takes longer
    pipe = TextToFace.from_pretrained(options["model"])
    return pipe.to(options["device"], number_type(options["dtype"]))


def _found(pipe: TextToFace, path: Path, options: Mapping[str, Any]) -> Found:
    """The latent of a picture, or of a file of latents."""
    from text2face.editing.files import read_latent, read_picture
    from text2face.editing.finding import Found, find_latent

    if path.suffix in _LATENTS:
        return Found(pipe.checked_latents(read_latent(path)))
    picture = read_picture(path)
    if options["c2pa"]:  # what the picture says is kept
        picture.info.pop("c2pa", None)
    side = pipe.generator.img_resolution
    if options.get("points"):
        from text2face.inversion.align import align_picture, parse_points

        picture = align_picture(picture, parse_points(options["points"]), side)
    elif options.get("align"):
        from text2face.inversion.align import align_photo
        from text2face.inversion.landmarks import YuNet

        aligned = align_photo(picture, YuNet(), side)
        picture = aligned.picture
        if aligned.note:
            note(f"{path}: {aligned.note}")
    found = find_latent(pipe, picture, str(path))
    for line in found.notes:
        note(line)
    if options.get("refine"):
        from text2face.editing.operations import refine

        return Found(refine(pipe, picture, found.latent, steps=options["refine"]))
    return found


def _start(path: Path) -> dict[str, Any]:
    import hashlib

    return {"from": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _step(
    prompt: str, strength: float, method: str, source: str | None, lock: float, score: float
) -> dict[str, Any]:
    step = {"prompt": prompt, "strength": strength, "method": method, "score": round(score, 4)}
    return step | ({"source": source} if source else {}) | ({"lock": lock} if lock else {})


def _check_free(paths: Sequence[Path], overwrite: bool) -> None:
    for path in paths:
        if path.exists() and not overwrite:
            raise OutputError(f"{path} would be overwritten; choose another --out or --overwrite")


def _check_sequence(out: Path) -> None:
    if out.suffix not in (".gif", ".webp", ".png"):
        raise ArgumentError(f"--out is {out}, expected a name in .gif, .webp or .png")
    if out.suffix == ".png":
        reject_options(click.get_current_context(), ("fps",), "a PNG, which does not move")


def _check_picture(path: Path, options: Mapping[str, Any]) -> None:
    """See that each option finds what it is for."""
    context = click.get_current_context()
    if path.suffix in _LATENTS:
        reject_options(context, ("align", "points", "refine"), f"the latents in {path}")
    elif options["points"]:
        reject_options(context, ("align",), "--points", "give one of them")


def _check_page(pipe: TextToFace, out: Path, count: int, columns: int) -> None:
    """See that a row or grid is not too large, before a face is drawn."""
    from text2face.provenance import check_size
    from text2face.sheet import page_size

    if out.suffix == ".png":
        check_size("png", *page_size(count, columns, pipe.generator.img_resolution))


def _signer(options: Mapping[str, Any], *images: Path) -> Signer | None:
    from text2face import provenance
    from text2face.pictures import read_file

    if not options["c2pa"]:
        return None
    pictures = [path for path in images if path.suffix not in _LATENTS]
    sources = [(path.name, read_file(path)) for path in pictures]
    return provenance.load_signer(*options["c2pa"], sources=sources)


def _write(
    pipe: TextToFace,
    out: Path,
    face: Face,
    steps: list[dict[str, Any]],
    sign: Signer | None,
    overwrite: bool,
) -> None:
    from text2face.editing.records import write_edited
    from text2face.storage.folders import make_folder

    make_folder(out.parent)
    write_edited(
        out, face.image, pipe, steps, face.latent,
        noise=face.noise, sign=sign, overwrite=overwrite,
    )  # fmt: skip


def _write_sheet(
    pipe: TextToFace,
    out: Path,
    sheet: Image.Image,
    steps: list[dict[str, Any]],
    sign: Signer | None,
    overwrite: bool,
) -> None:
    from text2face.editing.records import write_edited
    from text2face.storage.folders import make_folder

    make_folder(out.parent)
    write_edited(out, sheet, pipe, steps, sign=sign, overwrite=overwrite)


def _write_sequence(
    pipe: TextToFace,
    out: Path,
    images: list[Image.Image],
    steps: list[dict[str, Any]],
    fps: int,
    sign: Signer | None,
    overwrite: bool,
) -> None:
    from text2face.editing.records import write_edited
    from text2face.motion import ping_pong
    from text2face.sheet import contact_sheet
    from text2face.storage.folders import make_folder

    if out.suffix == ".png":
        row = contact_sheet(images, len(images))
        _write_sheet(pipe, out, row, steps, sign, overwrite)
        return
    make_folder(out.parent)
    write_edited(out, ping_pong(images), pipe, steps, fps=fps, sign=sign, overwrite=overwrite)


def _tell(quiet: bool, path: Path) -> None:
    if not quiet:
        click.echo(str(path))
