"""Measure edits of held-out faces: what is named, what stays, who it is, and how long it takes.

    python -m benchmarks.editing                  # every way, with optimisation beside it
    python -m benchmarks.editing --faces 100 --optimised 4 --methods posterior,direction

Each face, drawn by the generator or rendered, is asked for one attribute that it does not show, in
words of the caption grammar. The judge, which nothing was trained against, reads the face before
and after. The rival is StyleCLIP's optimisation per prompt, 300 steps, from the same latent, in
the same run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.measures import NAMES, Record, Renders, as_rows, labels_of_caption
from recipes.faces.attributes import JUDGED
from recipes.faces.captions import BELONGS_TO, caption, sayable
from recipes.measures import load_judge
from text2face import TextToFace
from text2face.editing.operations import change_of, refine
from text2face.evaluation.judge import Judge, read
from text2face.evaluation.tasks import accepted
from text2face.faces import to_pil

IDENTITY: Final = Path(__file__).parent / "identity"
TARGETS: Final[Mapping[str, float]] = {"named": 0.9, "kept": 0.9, "identity": 0.8}
_TWINS: Final = {
    "hair_color": "hair_shade", "hair_shade": "hair_color", "hair_style": "hair_cut",
    "hair_cut": "hair_style", "smile": "expression", "expression": "smile",
    "facial_hair": "beard_length", "beard_length": "facial_hair",
}  # fmt: skip
COVERING: Final = ("fedora", "beanie", "cap")  # hats that hide hair, as in `recipes.faces.record`


@dataclass(frozen=True)
class Edit:
    """A change to ask for: words, and the attribute and class that they name."""

    words: str
    attribute: int
    wanted: tuple[int, ...]
    """The classes that would do."""
    named: tuple[int, ...] = ()
    """All attributes that the words name, which are not counted among what stays."""


def visible(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which attributes can be seen in faces of labels [N, len(JUDGED)]: no hair under a hat."""
    seen = np.ones_like(labels, dtype=bool)
    hats = [JUDGED["hat"].index(hat) for hat in COVERING]
    covered = np.isin(labels[:, NAMES.index("hat")], hats)
    bald = labels[:, NAMES.index("hair_style")] == JUDGED["hair_style"].index("bald")
    for name in ("hair_style", "hair_cut", "bangs"):
        seen[covered, NAMES.index(name)] = False
    for name in ("hair_color", "hair_shade"):
        seen[covered | bald, NAMES.index(name)] = False
    male = labels[:, NAMES.index("gender")] == JUDGED["gender"].index("male")
    child = labels[:, NAMES.index("age")] == JUDGED["age"].index("child")
    for name in ("facial_hair", "beard_length"):
        seen[~male | child, NAMES.index(name)] = False
    shades = labels[:, NAMES.index("glasses")] == JUDGED["glasses"].index("sunglasses")
    for name in ("eye_color", "eyeshadow"):
        seen[shades, NAMES.index(name)] = False
    for name, owner in (("hat_color", "hat"), ("frame_shape", "glasses")):
        bare = labels[:, NAMES.index(owner)] == 0
        seen[bare, NAMES.index(name)] = False
    seen[:, NAMES.index("frame_color")] = seen[:, NAMES.index("frame_shape")]
    return seen


def choose_edits(
    labels: NDArray[np.int64], records: Sequence[Record], rng: np.random.Generator
) -> list[Edit]:
    """For each face of labels [N, len(JUDGED)], an attribute that it could show and does not."""
    edits: list[Edit] = []
    for row, seen in zip(labels, visible(labels), strict=True):
        while True:
            attribute = int(rng.integers(len(NAMES)))
            name = NAMES[attribute]
            wanted = int(rng.integers(len(JUDGED[name])))
            label = JUDGED[name][wanted]
            if row[attribute] == wanted or not seen[attribute]:
                continue
            fitting = [one for one in records if one[name] == label and sayable(one, name)]
            if not fitting:
                continue
            record = fitting[rng.integers(len(fitting))]
            made = caption(record, rng, attributes=[name, BELONGS_TO.get(name, name)])
            claimed = labels_of_caption(made)
            if name not in claimed or ("hat" in claimed and name not in ("hat", "hat_color")):
                continue
            classes = tuple(JUDGED[name].index(one) for one in accepted(claimed[name]))
            if row[attribute] in classes:
                continue
            others = {*claimed, *(_TWINS.get(one, one) for one in claimed)}
            indices = tuple(NAMES.index(one) for one in others)
            edits.append(Edit(made.text, attribute, classes, indices))
            break
    return edits


def compare(
    before: NDArray[np.int64], after: NDArray[np.int64], edits: Sequence[Edit]
) -> dict[str, Any]:
    """How often what was named appears, and how much of the rest stays."""
    rows = np.arange(len(edits))
    attributes = np.array([edit.attribute for edit in edits])
    named = np.array(
        [after[row, edit.attribute] in edit.wanted for row, edit in zip(rows, edits, strict=True)]
    )
    counted = visible(before) & visible(after)
    counted[rows, attributes] = False
    for row, edit in zip(rows, edits, strict=True):
        counted[row, list(edit.named)] = False
    same = before == after
    return {
        "named": float(named.mean()),
        "kept": float(same[counted].mean()),
        "named by attribute": {
            name: float(named[attributes == i].mean())
            for i, name in enumerate(NAMES)
            if (attributes == i).any()
        },
        "kept by attribute": {
            name: float(same[:, i][counted[:, i]].mean())
            for i, name in enumerate(NAMES)
            if counted[:, i].any()
        },
    }


def decode(pipe: TextToFace, latents: Tensor, batch_size: int = 16) -> Tensor:
    """Images [N, 3, H, W] of latents [N, num_ws, w_dim]."""
    return torch.cat([pipe.decode(part) for part in torch.split(latents, batch_size)])


def labels_of(judge: Judge, images: Tensor) -> NDArray[np.int64]:
    """What the judge reads in images [N, 3, H, W]: class numbers [N, len(JUDGED)]."""
    return as_rows(read(judge, torch.split(images, 50)))


def edited(
    pipe: TextToFace, latents: Tensor, edits: Sequence[Edit], method: str, **settings: Any
) -> tuple[Tensor, float]:
    """The images after one edit each, and the seconds of one edit and its image."""
    made, spent = [], 0.0
    for latent, edit in zip(latents, edits, strict=True):
        began = time.perf_counter()
        with torch.no_grad():
            change = change_of(
                pipe, latent[None], pipe.embed(edit.words), method=method, **settings
            )
            made.append(pipe.decode(latent[None] + change))
        spent += time.perf_counter() - began
    return torch.cat(made), spent / len(made)


class IdentityScore:
    """How alike two pictures' identities are, over that of two renders of one person."""

    def __init__(self, folder: Path) -> None:
        from text2face.evaluation.identity import IdentityNetwork

        self.network = IdentityNetwork.from_pretrained(folder)
        # Who changes these becomes another person, so such edits are left out.
        self.held = [NAMES.index(name) for name in self.network.config.held]

    def __call__(self, before: Tensor, after: Tensor, edits: Sequence[Edit] = ()) -> float:
        rows = [i for i, edit in enumerate(edits) if edit.attribute not in self.held]
        if edits:
            before, after = before[rows], after[rows]
        one, other = (self.network.embed(torch.split(x, 50)) for x in (before, after))
        return float((one * other).sum(dim=1).mean()) / self.network.config.same


@torch.no_grad()
def measure_inversion(
    pipe: TextToFace, judge: Judge, images: Tensor, refined: int, identity: IdentityScore | None
) -> dict[str, Any]:
    """The inversion encoder, and optimisation from it, on images [N, 3, H, W]."""
    if pipe.inverter is None:
        return {}
    encode = pipe.inverter.encode
    began = time.perf_counter()
    latents = torch.cat([encode(image[None]) for image in images])
    seconds = (time.perf_counter() - began) / len(images)
    out = {"encoder": _reconstruction(pipe, judge, images, latents, identity) | {"s": seconds}}
    few = images[:refined]
    if refined:
        began = time.perf_counter()
        found = [
            refine(pipe, to_pil(image[None])[0], latent[None], steps=100)
            for image, latent in zip(few, latents, strict=False)
        ]
        seconds = (time.perf_counter() - began) / len(few)
        out["optimised"] = _reconstruction(pipe, judge, few, torch.cat(found), identity)
        out["optimised"]["s"] = seconds
    return out


def _reconstruction(
    pipe: TextToFace, judge: Judge, images: Tensor, latents: Tensor, identity: IdentityScore | None
) -> dict[str, float]:
    made = decode(pipe, latents)
    before, after = (labels_of(judge, x) for x in (images, made))
    error = ((made - images) / 2).square().mean(dim=(1, 2, 3))
    seen = [F.normalize(pipe.encoder.encode_image(x).float(), dim=1) for x in (images, made)]
    out = {
        "attributes kept": float((before == after)[visible(before)].mean()),
        "PSNR, dB": float((-10 * error.log10()).mean()),
        "feature distance": float(1 - (seen[0] * seen[1]).sum(dim=1).mean()),
    }
    return out | ({"identity": identity(images, made)} if identity else {})


def held_out_latents(pipe: TextToFace, count: int, seed: int = 99) -> Tensor:
    """Latents of faces that nothing was trained on: [count, num_ws, w_dim]."""
    z = torch.randn(count, pipe.generator.z_dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return pipe.generator.map(z)


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    faces: int = 300
    optimised: int = 8
    refined: int = 8
    rival_steps: int = 300


def run(
    pipe: TextToFace,
    judge: Judge,
    test: Renders,
    methods: Sequence[str],
    sizes: Sizes,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """All figures."""
    identity = IdentityScore(IDENTITY) if (IDENTITY / "config.json").is_file() else None
    out: dict[str, Any] = {"edits": {}}
    latents = held_out_latents(pipe, sizes.faces)
    with torch.no_grad():
        images = decode(pipe, latents)
    before = labels_of(judge, images)
    edits = choose_edits(before, test.records, np.random.default_rng(0))
    runs: list[tuple[str, str, int, dict[str, Any]]] = [
        (name, name, sizes.optimised if name == "optimise" else sizes.faces, {}) for name in methods
    ]
    rival = {"start": None, "steps": sizes.rival_steps, "learning_rate": 0.1, "distance": 0.008}
    if sizes.optimised:
        runs.append(("optimised per prompt (StyleCLIP)", "optimise", sizes.optimised, rival))
    for what, method, count, settings in runs:
        after, seconds = edited(pipe, latents[:count], edits[:count], method, **settings)
        figures = compare(before[:count], labels_of(judge, after), edits[:count])
        figures |= {"seconds": seconds, "faces": count}
        if identity:
            figures["identity"] = identity(images[:count], after, edits[:count])
        out["edits"][what] = figures
        say(
            f"{what:34} named {figures['named']:.1%}  kept {figures['kept']:.1%}  "
            + (f"identity {figures['identity']:.2f}  " if identity else "")
            + f"{seconds * 1000:.0f} ms  ({count} faces)"
        )
    if sizes.optimised and methods:
        slow = out["edits"]["optimised per prompt (StyleCLIP)"]["seconds"]
        for name in methods:
            ratio = slow / out["edits"][name]["seconds"]
            out["edits"][name]["times as fast"] = ratio
            say(f"{name}: {ratio:.0f} times as fast as optimisation per prompt")
    renders = next(test.images(range(min(sizes.faces, len(test.pictures))), sizes.faces))
    for what, pictures in (("drawn faces", images), ("renders", renders)):
        figures = measure_inversion(pipe, judge, pictures, sizes.refined, identity)
        out[f"inversion, {what}"] = figures
        for name, values in figures.items():
            summary = ", ".join(f"{key} {value:.3g}" for key, value in values.items())
            say(f"inversion of {what}, {name}: {summary}")
    if pipe.inverter is not None:
        out["ms to invert and edit"] = 1000 * time_of_edit(pipe, renders[:1], edits[0].words)
        say(f"inversion + edit: {out['ms to invert and edit']:.0f} ms")
    return out


def time_of_edit(pipe: TextToFace, image: Tensor, words: str, rounds: int = 20) -> float:
    """Seconds from an image to the edited one, the fastest of some rounds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        with torch.no_grad():
            latent = pipe.encode(image)
            pipe.decode(latent + change_of(pipe, latent, pipe.embed(words)))
        times.append(time.perf_counter() - began)
    return min(times)


@click.command(help=__doc__)
@click.option("--model", help="A folder or hub id.  [default: bundled]")
@click.option("--judge", "judge_folder", type=Path, default=Path("benchmarks/judge"))
@click.option("--test", type=Path, default=Path("data/test"), show_default=True)
@click.option("--methods", default="posterior,direction,channels,optimise", show_default=True)
@click.option("--faces", type=click.IntRange(1), default=Sizes.faces, show_default=True)
@click.option("--optimised", type=click.IntRange(0), default=Sizes.optimised, show_default=True)
@click.option("--refined", type=click.IntRange(0), default=Sizes.refined, show_default=True)
@click.option("--out", type=Path, help="Write all figures as JSON.")
def main(
    model: str | None,
    judge_folder: Path,
    test: Path,
    methods: str,
    faces: int,
    optimised: int,
    refined: int,
    out: Path | None,
) -> None:
    names = [name for name in methods.split(",") if name]
    figures = run(
        TextToFace.from_pretrained(model),
        load_judge(judge_folder),
        Renders.read(test),
        names,
        Sizes(faces, optimised, refined),
        click.echo,
    )
    for name in names:
        entry = figures["edits"][name]
        for key, aim in TARGETS.items():
            if key in entry:
                verdict = "reached" if entry[key] >= aim else "missed"
                click.echo(f"{name}: {key} {entry[key]:.3f}, aim {aim:g}: {verdict}")
    if out:
        out.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
