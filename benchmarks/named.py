"""Is each value of each attribute drawn when it is named alone, and nothing else with it?

    python -m benchmarks.named                        # the model that comes with the package
    python -m benchmarks.named --faces 12 --section alone

Sections, all read by the judge:

- `alone`: each value of each attribute, of a man and of a woman, in words of the grammar; beside it
  how many of the encoder's 20 nearest held-out renders have it.
- `negation`: what is denied is not there, and what is named beside it is.
- `colours`: whether a colour that one thing is named with moves to other things.
- `removal`: edits that take something away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks.measures import ABSENT, Renders, labels_of_caption
from recipes.faces.attributes import DETAILS, JUDGED, LABELS
from recipes.faces.captions import BELONGS_TO, caption, sayable
from recipes.measures import load_judge
from text2face import TextToFace
from text2face.editing.operations import change_of
from text2face.evaluation.drawing import draw, embed, embed_images
from text2face.evaluation.judge import Judge, Predictions, read
from text2face.evaluation.tasks import accepted

Labels = Mapping[str, str | tuple[str, ...]]
NEAREST: Final = 20
AIMS: Final[Mapping[str, float]] = {
    "named alone": 0.92,
    "worst attribute": 0.75,
    "negation": 0.95,
    "colour stays": 0.9,
    "removal": 0.9,
}
_TWINS: Final = {"smile": "expression", "hair_color": "hair_shade", "hair_style": "hair_cut"}
_OWNERS: Final[Mapping[str, tuple[str, ...]]] = {
    "hat_color": ("cap", "beanie", "fedora", "headband"),
    "frame_shape": ("glasses",),
    "frame_color": ("glasses",),
    "beard_length": ("beard",),
}
_ONLY: Final = {"facial_hair": "male", "beard_length": "male", "lipstick": "female"} | {
    "eyeshadow": "female"
}
_DENIALS: Final[tuple[tuple[str, Labels], ...]] = (
    ("a man with a hat and no beard", {"facial_hair": "none", "hat": ("fedora", "beanie", "cap")}),
    ("a man without a beard", {"facial_hair": "none"}),
    ("a bald man with no beard", {"facial_hair": "none", "hair_style": "bald"}),
    ("an old man without glasses", {"glasses": "none", "age": "old"}),
    ("a woman without glasses and with red hair", {"glasses": "none", "hair_color": "red"}),
    ("a young woman not wearing glasses", {"glasses": "none", "age": "young"}),
    ("a woman with glasses but no hat", {"glasses": "glasses", "hat": "none"}),
    ("a man who is not smiling", {"smile": "no"}),
    ("a woman who is not smiling", {"smile": "no"}),
    ("a man with a beard who does not smile", {"smile": "no", "facial_hair": "beard"}),
    ("a woman without lipstick", {"lipstick": "none"}),
    ("a young woman with no make-up", {"lipstick": "none"}),
    ("a woman without earrings", {"earrings": "none"}),
    ("a girl without freckles", {"freckles": "no"}),
    ("a woman with short hair and no earrings", {"earrings": "none"}),
    ("a man with a moustache but no beard", {"facial_hair": "moustache"}),
    ("a man with no moustache", {"facial_hair": ("none", "stubble")}),
    ("a woman with long hair and no fringe", {"bangs": "no", "hair_style": "long"}),
    ("a man without sunglasses", {"glasses": ("none", "glasses")}),
    ("a man with a cap but without sunglasses", {"glasses": ("none", "glasses"), "hat": "cap"}),
    ("a woman whose hair is not blonde", {"hair_color": tuple(
        color for color in LABELS["hair_color"] if color != "blond")}),
    ("a man who is not bald", {"hair_style": tuple(
        style for style in LABELS["hair_style"] if style != "bald")}),
    ("a person who is not old", {"age": ("child", "young", "middle-aged")}),
    ("a man without a hat or glasses", {"hat": "none", "glasses": "none"}),
)  # fmt: skip
_COLOR_OF: Final[Mapping[str, str]] = {
    "hair_color": "with {} hair",
    "hat_color": "with a {} hat",
    "clothes_color": "in a {} shirt",
    "eye_color": "with {} eyes",
    "background": "in front of a {} wall",
    "lipstick": "with {} lipstick",
    "frame_color": "with {} glasses",
}
_COLORS: Final = ("blue", "red", "green", "white", "black", "brown", "pink")
_REMOVALS: Final[Mapping[str, tuple[str, ...]]] = {
    "glasses": ("remove the glasses", "without glasses", "no glasses", "take off the glasses"),
    "hat": ("remove the hat", "without a hat", "no hat", "take the hat off"),
    "facial_hair": ("remove the beard", "without a beard", "clean-shaven", "no beard"),
    "earrings": ("remove the earrings", "without earrings", "no earrings"),
    "freckles": ("remove the freckles", "without freckles", "no freckles"),
    "lipstick": ("remove the lipstick", "without lipstick", "no lipstick"),
    "smile": ("not smiling", "stop smiling", "no smile"),
}
_STARTS: Final = {
    "glasses": "a {} with glasses",
    "hat": "a {} with a cap",
    "facial_hair": "a man with a full beard",
    "earrings": "a woman with short hair and hoop earrings",
    "freckles": "a {} with freckles",
    "lipstick": "a woman with red lipstick",
    "smile": "a {} with a big smile",
}


@dataclass(frozen=True)
class Bench:
    """The model, the judge and held-out renders."""

    pipe: TextToFace
    judge: Judge
    test: Renders
    faces: int = 24
    """For each value, or prompt."""
    seed: int = 1

    def made(self, texts: Sequence[str]) -> Predictions:
        """What the judge reads in one face for each text; equal texts get seeds in a row."""
        with torch.inference_mode():
            unique = {text: self.pipe.embed(text) for text in dict.fromkeys(texts)}
        wanted = torch.stack([unique[text] for text in texts])
        seeds = range(self.seed, self.seed + len(texts))
        return read(self.judge, draw(self.pipe, wanted, seeds))


def right(labels: Labels, reading: Predictions, row: int, name: str) -> bool:
    """Whether a face shows what is said of an attribute."""
    return JUDGED[name][reading.classes[name][row]] in accepted(labels[name])


def phrase(key: str, value: str, rng: np.random.Generator) -> tuple[str, Labels] | None:
    """A prompt that names a value of an attribute, and the person; None if none can be said."""
    gender = _ONLY.get(key) or str(rng.choice(LABELS["gender"]))
    record: dict[str, str | None] = dict.fromkeys((*LABELS, *DETAILS))
    record |= {"gender": gender, "age": str(rng.choice(("young", "middle-aged"))), key: value}
    named = ["gender", key]
    if owner := BELONGS_TO.get(key):
        named.append(owner)
        for coarse, fine in (("hair_color", "hair_shade"), ("hair_style", "hair_cut")):
            if key == fine:
                fitting = [test[coarse] for test in _records if test[fine] == value]
                if not fitting:
                    return None  # nothing is drawn so
                record[coarse] = fitting[0]
        if key in _OWNERS:
            record[owner] = str(rng.choice(_OWNERS[key]))
    if key in ("gender", "age"):
        named = ["gender", key] if key == "age" else [key]
    if key == "expression":
        record["smile"] = "yes" if value in ("smile", "big smile") else "no"
        named = ["gender", "smile" if value in ("smile", "big smile", "neutral") else key]
        if value in ("sad", "angry", "disgust"):
            named = ["gender", "smile"]
    for _ in range(40):
        if not all(sayable(record, name) for name in named):
            return None
        said = caption(record, rng, attributes=named)
        labels = labels_of_caption(said)
        if key in labels:
            return said.text, labels
        if key in _TWINS.values() and key in said.details:
            continue
        if key in _TWINS and _TWINS[key] in labels:
            return said.text, labels
    return None


_records: list[Mapping[str, str | None]] = []


def measure_alone(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """Each value of each attribute but its absence."""
    _records[:] = bench.test.records
    rng = np.random.default_rng(3)
    asked: list[tuple[str, str, str, Labels]] = []
    for key, values in JUDGED.items():
        for value in values:
            if value in ABSENT:
                continue
            for _ in range(bench.faces):
                made = phrase(key, value, rng)
                if made:
                    asked.append((key, value, *made))
    reading = bench.made([text for _, _, text, _ in asked])
    hits: dict[str, dict[str, list[bool]]] = {}
    near: dict[str, dict[str, list[float]]] = {}
    renders = embed_images(bench.pipe.encoder, bench.test.images(range(len(bench.test.pictures))))
    texts = embed(bench.pipe.encoder, [text for _, _, text, _ in asked])
    nearest = nearest_renders(bench.pipe, renders, texts)
    for row, (key, value, _, labels) in enumerate(asked):
        name = key if key in labels else _TWINS[key]
        hits.setdefault(key, {}).setdefault(value, []).append(right(labels, reading, row, name))
        shown = [bench.test.records[i][name] for i in nearest[row].tolist()]
        near.setdefault(key, {}).setdefault(value, []).append(
            float(np.mean([one in accepted(labels[name]) for one in shown]))
        )
    table: dict[str, dict[str, Any]] = {}
    for key in hits:
        by_value = {value: float(np.mean(found)) for value, found in hits[key].items()}
        table[key] = {
            "appears": float(np.mean(list(by_value.values()))),
            "nearest": float(np.mean([np.mean(found) for found in near[key].values()])),
            "values": by_value,
        }
        say(
            f"{key:14} {table[key]['appears']:6.1%}  nearest {table[key]['nearest']:6.1%}  "
            + ", ".join(f"{value} {share:.0%}" for value, share in by_value.items())
        )
    shares = {key: entry["appears"] for key, entry in table.items()}
    worst = min(shares, key=shares.__getitem__)
    say(
        f"mean {np.mean(list(shares.values())):.1%}  worst {worst} {shares[worst]:.1%}  "
        f"nearest {np.mean([entry['nearest'] for entry in table.values()]):.1%}"
    )
    return {
        "named alone": float(np.mean(list(shares.values()))),
        "worst attribute": shares[worst],
        "nearest": float(np.mean([entry["nearest"] for entry in table.values()])),
        "attributes": table,
    }


def nearest_renders(pipe: TextToFace, renders: Tensor, texts: Tensor) -> Tensor:
    """The rows [M, NEAREST] of the renders nearest to texts, as `draw` sees them."""
    return (texts @ renders.T).topk(min(NEAREST, len(renders)), dim=1).indices


def measure_negation(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """Prompts written by hand that deny something."""
    texts = [text for text, _ in _DENIALS for _ in range(bench.faces)]
    reading = bench.made(texts)
    shares = {}
    for i, (text, labels) in enumerate(_DENIALS):
        rows = range(i * bench.faces, (i + 1) * bench.faces)
        shares[text] = float(
            np.mean([right(labels, reading, row, name) for row in rows for name in labels])
        )
        say(f"{shares[text]:6.1%}  {text}")
    mean = float(np.mean(list(shares.values())))
    say(f"negation {mean:.1%}")
    return {"negation": mean, "negations": shares}


def measure_colors(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """How often other things take a colour, beside the same prompt without it."""
    texts: list[str] = []
    cases: list[tuple[str, str, str]] = []
    faces = 4 * bench.faces
    bases: dict[str, int] = {}
    for key, words in _COLOR_OF.items():
        for color in _COLORS:
            if not any(color == value for value in JUDGED[key]):
                continue
            for who in ("a woman", "a man"):
                if key == "lipstick" and who == "a man":
                    continue
                base = f"{who} {words.format('').replace('  ', ' ')}".replace("a  ", "a ")
                for text in (base, f"{who} {words.format(color)}"):
                    if text not in bases:
                        bases[text] = len(texts)
                        texts += [text] * faces
                cases.append((key, color, f"{who} {words.format(color)}"))
    reading = bench.made(texts)
    moved = []
    for key, color, text in cases:
        words = _COLOR_OF[key]
        base = f"{text[: text.index(' ', 2)]} {words.format('').replace('  ', ' ')}"
        for other in _COLOR_OF:
            if other == key or color not in JUDGED[other]:
                continue
            number = JUDGED[other].index(color)
            shares = [
                float((reading.classes[other][bases[t] : bases[t] + faces] == number).mean())
                for t in (base.replace("a  ", "a "), text)
            ]
            moved.append((shares[1] - shares[0], text, other))
    stays = float(np.mean([change <= 0.05 for change, _, _ in moved]))
    for change, text, other in sorted(moved, reverse=True)[:10]:
        say(f"{change:+6.1%}  {other} in {text!r}")
    say(f"colour stays with its noun in {stays:.1%} of {len(moved)}")
    return {"colour stays": stays}


def measure_removal(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """Faces that have something, and edits that take it away."""
    pipe, shares, kept = bench.pipe, {}, []
    for name, edits in _REMOVALS.items():
        gone: list[bool] = []
        for number in range(bench.faces):
            text = _STARTS[name].format(("man", "woman")[number % 2])
            latent = pipe(text, seed=bench.seed + 1000 + number).latents[:1]
            words = edits[number % len(edits)]
            with torch.no_grad():
                change = change_of(pipe, latent, pipe.embed(words))
                images = torch.cat([pipe.decode(latent), pipe.decode(latent + change)])
            seen = read(bench.judge, [images])
            absent = [JUDGED[name].index(value) for value in JUDGED[name] if value in ABSENT]
            if seen.classes[name][0] in absent:
                continue  # it was not drawn in the first place
            gone.append(seen.classes[name][1] in absent)
            twins = {name, "expression"} if name == "smile" else {name}
            kept += [
                bool(seen.classes[other][0] == seen.classes[other][1])
                for other in ("gender", "age", "skin", "background", "hair_style", "hair_color")
                if other not in twins
            ]
        shares[name] = float(np.mean(gone)) if gone else float("nan")
        say(f"remove {name}: {shares[name]:.1%} of {len(gone)}")
    counted = [share for share in shares.values() if not np.isnan(share)]
    mean = float(np.mean(counted)) if counted else float("nan")
    stays = float(np.mean(kept)) if kept else float("nan")
    say(f"removal {mean:.1%}, the rest stays {stays:.1%}")
    return {"removal": mean, "removals": shares, "removal keeps": stays}


SECTIONS: Final[Mapping[str, Callable[[Bench, Callable[[str], None]], dict[str, Any]]]] = {
    "alone": measure_alone,
    "negation": measure_negation,
    "colours": measure_colors,
    "removal": measure_removal,
}


@click.command(help=__doc__)
@click.option("--model", help="A folder or hub id; the bundled model if left out.")
@click.option("--judge", type=Path, default=Path("benchmarks/judge"), show_default=True)
@click.option("--test", type=Path, default=Path("data/test"), show_default=True)
@click.option("--faces", type=click.IntRange(2), default=24, show_default=True)
@click.option("--section", "sections", multiple=True, type=click.Choice(list(SECTIONS)))
@click.option("--out", type=Path, help="Write all figures as JSON.")
def main(
    model: str | None,
    judge: Path,
    test: Path,
    faces: int,
    sections: tuple[str, ...],
    out: Path | None,
) -> None:
    bench = Bench(TextToFace.from_pretrained(model), load_judge(judge), Renders.read(test), faces)
    results: dict[str, Any] = {}
    for section in sections or SECTIONS:
        results |= SECTIONS[section](bench, click.echo)
    for what, aim in AIMS.items():
        if what in results:
            verdict = "reached" if results[what] >= aim else "missed"
            click.echo(f"{what}: {results[what]:.1%}, aim {aim:.0%}: {verdict}")
    if out:
        out.write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
