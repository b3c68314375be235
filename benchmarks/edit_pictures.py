"""Draw the pictures of docs/editing.md and of the README on real output.

python -m benchmarks.edit_pictures            # all into docs/images
python -m benchmarks.edit_pictures --only edits
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
from PIL import Image, ImageDraw, ImageFont

from text2face import TextToFace
from text2face.editing.records import write_edited
from text2face.faces import Face
from text2face.motion import ping_pong
from text2face.sheet import contact_sheet

PERSON: Final = "a young woman with long brown hair"
SEED: Final = 26
EDITS: Final = (
    "wearing glasses",
    "smiling",
    "with blonde hair",
    "wearing a red beanie",
    "an old woman",
    "a man with a beard",
)
METHODS: Final = ("posterior", "direction", "channels", "optimise")


def captioned(faces: Sequence[Face], words: Sequence[str]) -> Image.Image:
    """One row of faces, each with its words below."""
    side = faces[0].image.width
    gap, foot = 4, 30
    page = Image.new("RGB", (len(faces) * (side + gap) + gap, side + foot + gap), "white")
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(11)
    for i, (face, text) in enumerate(zip(faces, words, strict=True)):
        left = gap + i * (side + gap)
        page.paste(face.image, (left, gap))
        lines = "\n".join(_halves(text)) if font.getlength(text) > side else text
        pen.text((left, side + gap + 1), lines, fill="black", font=font)
    return page


def _halves(text: str) -> tuple[str, str]:
    words = text.split()
    middle = (len(words) + 1) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])


def draw_edits(pipe: TextToFace, face: Face, folder: Path) -> None:
    """The original and one edit each."""
    faces = [face, *(pipe.edit(face, words) for words in EDITS)]
    captioned(faces, ["the original", *EDITS]).save(folder / "edits.png")


def draw_methods(pipe: TextToFace, face: Face, folder: Path) -> None:
    """The same edits by every method, one row each."""
    images = [
        one.image
        for method in METHODS
        for one in (face, *(pipe.edit(face, words, method=method) for words in EDITS[:5]))
    ]
    heads = [f"{method}: {', '.join(EDITS[:5])}" for method in METHODS]
    contact_sheet(images, 6, heads).save(folder / "edit-methods.png")


def draw_strengths(pipe: TextToFace, face: Face, folder: Path) -> None:
    """One edit from minus one to one and a half."""
    strengths = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5]
    faces = pipe.sweep(face, "smiling", strengths)
    captioned(faces, [f"smiling {s:+g}" for s in strengths]).save(folder / "edit-strength.png")


def draw_more(pipe: TextToFace, face: Face, folder: Path) -> None:
    """Mixing, variations, and a moving picture."""
    other = next(pipe.draw(["an old man with a white beard"], [SEED], pipe.settings()))
    mixed = [pipe.mix(face, other, layers) for layers in ("coarse", "middle", "fine")]
    varied = [pipe.vary(face, seed, 0.4) for seed in (1, 2)]
    words = ["a", "b", "a, coarse of b", "a, middle of b", "a, fine of b", "like a", "like a"]
    captioned([face, other, *mixed, *varied], words).save(folder / "edit-mix.png")
    steps = [one.image for one in pipe.interpolate(face, other, 16)]
    done = [{"interpolated to": other.prompt, "steps": len(steps)}]
    write_edited(folder / "edit-motion.webp", ping_pong(steps), pipe, done)


PICTURES: Final[Mapping[str, Callable[[TextToFace, Face, Path], None]]] = {
    "edits": draw_edits,
    "methods": draw_methods,
    "strength": draw_strengths,
    "more": draw_more,
}


@click.command(help=__doc__)
@click.option("--only", type=click.Choice(list(PICTURES)), help="Just this one.")
@click.option("--model", help="A folder or hub id.  [default: bundled]")
@click.option("--out", type=Path, default=Path("docs/images"), show_default=True)
def main(only: str | None, model: str | None, out: Path) -> None:
    pipe = TextToFace.from_pretrained(model)
    face = next(pipe.draw([PERSON], [SEED], pipe.settings()))
    for name, draw in PICTURES.items():
        if only in (None, name):
            draw(pipe, face, out)
            click.echo(f"{name} in {out}")


if __name__ == "__main__":
    main()
