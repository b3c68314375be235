"""Draw the figures of docs/method.md, and put the tables of the last runs into docs/results.md.

    python -m benchmarks.figures                       # everything
    python -m benchmarks.figures --only tables         # after another run of rivals or evaluate

Real data of the model, no sketches: embeddings of held-out renders and captions, conditions made
from them, faces. Plots and tables of results come from `out/rivals/rivals.json`
(`python -m benchmarks.rivals`) and `out/evaluation/evaluation.json` (`text2face evaluate`), as far
as they are there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks import rivals
from benchmarks.measures import Renders, grammar_tasks
from recipes.caption_bank import long_caption
from text2face import TextToFace
from text2face.evaluation import plots, report
from text2face.evaluation.drawing import embed, embed_images
from text2face.evaluation.plots import COLOURS, plotted
from text2face.pipeline import to_pil
from text2face.samplers.conditions import make_condition
from text2face.sheet import contact_sheet

RECIPES = {"text": 0, "shift": 2, "noise": 5, "neighbours": 3, "draw": 4, "draw+pull": 1}
"""Conditions and their colours."""
PROMPTS = (
    "an old man with a white beard",
    "a young woman with long red hair",
    "a bald man with sunglasses, smiling",
    "a child with curly blond hair and a green hat",
)
EDITS = ("with glasses", "with pink hair", "smiling", "wearing a beanie", "an old person")
SEEDS = (3, 5, 8, 13)


@dataclass(frozen=True)
class Material:
    """What figures are made of."""

    pipe: TextToFace
    renders: Renders
    out: Path
    rivals: Mapping[str, Any]
    evaluation: Mapping[str, Any]

    def embeddings(self, count: int = 1500) -> tuple[Tensor, Tensor, Tensor]:
        """Renders, long captions of them, and short prompts that name three attributes."""
        rng = np.random.default_rng(0)
        images = embed_images(self.pipe.encoder, self.renders.images(range(count)))
        texts = [long_caption(record, rng).text for record in self.renders.records[:count]]
        short = [task.text for task in grammar_tasks(self.renders.records, count // 3, 3, rng)]
        return images, embed(self.pipe.encoder, texts), embed(self.pipe.encoder, short)


def draw_gap(material: Material) -> None:
    """Where images and texts lie, and how near what belongs together is."""
    images, texts, short = material.embeddings()
    everything = torch.cat([images, texts, short])
    centre = everything.mean(dim=0)
    widest = torch.linalg.svd(images - images.mean(dim=0), full_matrices=False).Vh[0]
    gap = F.normalize(short.mean(dim=0) - images.mean(dim=0), dim=0)
    across = F.normalize(widest - (widest @ gap) * gap, dim=0)
    sides = (("long captions", texts, 0), ("renders", images, 2), ("short prompts", short, 1))
    with plotted(material.out / "modality-gap.png", width=8.4, height=3.6, columns=2) as axes:
        for name, points, colour in sides:
            x, y = (points - centre) @ gap, (points - centre) @ across
            axes[0].scatter(x, y, s=4, alpha=0.5, color=COLOURS[colour], label=name, linewidths=0)
        axes[0].set_xlabel("from images to prompts")
        axes[0].set_ylabel("where images vary most")
        axes[0].set_title("The two modalities")
        _legend(axes[0])
        similar = images @ images.T
        similar.fill_diagonal_(-1)
        bins = np.linspace(-0.4, 1, 71)
        for label, cosines, colour in (
            ("two renders", similar[similar > -1][::97], 5),
            ("a render and the next", similar.max(dim=1).values, 3),
            ("a render and its caption", (images * texts).sum(dim=1), 0),
            ("a prompt and its nearest render", (short @ images.T).max(dim=1).values, 1),
        ):
            axes[1].hist(
                cosines.numpy(), bins, density=True, histtype="step", linewidth=1.5,
                color=COLOURS[colour], label=label,
            )  # fmt: skip
        axes[1].set_xlabel("cosine")
        axes[1].set_yticks([])
        axes[1].set_title("How near is near")
        axes[1].legend(loc="upper left", fontsize=7)


def _legend(axes: Any) -> None:
    """A legend with marks that can be seen."""
    legend = axes.legend(markerscale=3, loc="lower left", frameon=True, edgecolor="white")
    for handle in legend.legend_handles:
        handle.set_alpha(1)


def draw_conditions(material: Material) -> None:
    """What each recipe trades: nearness to the words for nearness to images."""
    bank = material.pipe.sampler.bank  # type: ignore[attr-defined]
    _, _, short = material.embeddings()
    seeds = list(range(len(short)))
    with plotted(material.out / "conditions.png", width=6.4, height=4) as axes:
        for name, colour in RECIPES.items():
            made = make_condition(name, short, bank=bank, seeds=seeds)
            others = made @ bank.embeddings.T
            if name.startswith("draw"):  # the image that was drawn is no neighbour of its own
                drawn = others.argmax(dim=1, keepdim=True)
                others = others.scatter(1, drawn, -1)
            near = others.max(dim=1).values
            words = (made * short).sum(dim=1)
            axes.scatter(
                near, words, s=6, alpha=0.4, color=COLOURS[colour], label=name, linewidths=0
            )
        axes.set_xlabel("cosine to the nearest image of the bank")
        axes.set_ylabel("cosine to the prompt")
        axes.set_title("Conditions of prompts that name three attributes")
        _legend(axes)


def draw_faces(material: Material) -> None:
    """A row per prompt, a column per seed: what the prior leaves open."""
    faces = [
        image for prompt in PROMPTS for image in material.pipe(prompt, num_images=6, seed=11).images
    ]
    contact_sheet(faces, 6, list(PROMPTS)).save(material.out / "prior.png")


def draw_edits(material: Material) -> None:
    """A row per face, a column per edit, by the posterior."""
    edit = getattr(material.pipe, "edit", None)
    if edit is None:
        return
    faces = []
    for seed in SEEDS:
        latent = material.pipe("a person", seed=seed).latents[0]
        faces += to_pil(material.pipe.decode(latent[None]))
        faces += [edit(latent, words).image for words in EDITS]
    contact_sheet(faces, 1 + len(EDITS)).save(material.out / "text-image.png")


def draw_results(material: Material) -> None:
    """Plots of the last runs."""
    if results := material.rivals.get("results"):
        with plotted(material.out / "rivals.png", width=8.4, height=4.2, columns=2) as axes:
            lines = {
                name: {n: entry[f"{n} named"] for n in rivals.LEVELS}
                for name, entry in results.items()
                if name in _SHOWN
            }
            plots.draw_rising_detail(axes[0], lines)
            axes[0].legend(fontsize=6.5, loc="lower left")
            told = set[str]()
            for name, entry in results.items():
                kind = name.split(":")[0]
                colour = {"ours": 1, "official": 0}.get(kind, 5)
                x, y = entry["speed"]["batch 1"], 100 * entry["5 named"]
                axes[1].scatter([x], [y], s=28, color=COLOURS[colour])
                label = kind.removesuffix(", best of 4")
                if label not in told:
                    axes[1].annotate(
                        label, (x, y), fontsize=7, xytext=(5, -10), textcoords="offset points"
                    )
                told.add(label)
            axes[1].set_xscale("log")
            axes[1].set_xlabel("seconds an image, batch 1")
            axes[1].set_ylabel("five attributes named: shown, %")
            axes[1].set_title("Accuracy and speed")
            axes[1].set_xlim(right=axes[1].get_xlim()[1] * 6)
    sections = material.evaluation.get("sections", {})
    words = sections.get("words", {}).get("groups", {})
    levels = {
        int(group.split()[0]): entry["accuracy"]
        for group, entry in words.items()
        if "accuracy" in entry and group.split()[0].isdecimal()
    }
    if levels:
        plots.plot_rising_detail(material.out / "rising-detail-plot.png", {"released": levels})
    if edited := sections.get("editing", {}).get("attributes"):
        plots.plot_editing(material.out / "editing.png", edited)


_SHOWN = (
    rivals.OFFICIAL, rivals.SEARCH, "official: text only", "diffusion prior", "random faces",
    "ours: CVAE in one pass", "ours: flow", "ours: as released",
)  # fmt: skip


def write_tables(material: Material) -> None:
    """Put the tables between their marks in docs/results.md."""
    path = Path("docs/results.md")
    text = path.read_text(encoding="utf-8")
    blocks: dict[str, str] = {}
    if results := material.rivals.get("results"):
        plan = rivals.Plan(**material.rivals["plan"])
        blocks["rivals"] = rivals.report(results, plan, material.rivals["threads"])
    if material.evaluation:
        sections = material.evaluation["sections"]
        for name in ("words", "distances", "diversity", "editing"):
            if name in sections:
                blocks[name] = report.section(name, sections[name])
    for name, block in blocks.items():
        text = _between_marks(text, name, block)
    path.write_text(text, encoding="utf-8")


def _between_marks(text: str, name: str, block: str) -> str:
    marks = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
    return re.sub(marks, lambda found: found[1] + block + found[2], text, flags=re.DOTALL)


FIGURES: Mapping[str, Callable[[Material], None]] = {
    "gap": draw_gap,
    "conditions": draw_conditions,
    "faces": draw_faces,
    "edits": draw_edits,
    "results": draw_results,
    "tables": write_tables,
}


@click.command(help=__doc__)
@click.option("--model", help="A folder or hub id; the bundled model if left out.")
@click.option("--test", type=Path, default=Path("data/test"), show_default=True)
@click.option(
    "--rivals", "rivals_file", type=Path, default=Path("out/rivals/rivals.json"), show_default=True
)
@click.option(
    "--evaluation", type=Path, default=Path("out/evaluation/evaluation.json"), show_default=True
)
@click.option("--out", type=Path, default=Path("docs/images/method"), show_default=True)
@click.option("--only", multiple=True, type=click.Choice(list(FIGURES)))
def main(
    model: str | None,
    test: Path,
    rivals_file: Path,
    evaluation: Path,
    out: Path,
    only: tuple[str, ...],
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    found = [json.loads(p.read_text()) if p.exists() else {} for p in (rivals_file, evaluation)]
    material = Material(TextToFace.from_pretrained(model), Renders.read(test), out, *found)
    for name in only or FIGURES:
        FIGURES[name](material)
        click.echo(name, err=True)


if __name__ == "__main__":
    main()
