"""`text2face evaluate`: load the networks that measure, run each section, write the report."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from text2face import registry
from text2face.cli.errors import note
from text2face.cli.names import RegisteredName
from text2face.cli.options import Command, device_options, dtype_option
from text2face.errors import ArgumentError, CheckpointError
from text2face.storage.folders import atomic_file, make_folder, read_json
from text2face.storage.locks import hold

if TYPE_CHECKING:
    from text2face.evaluation.evaluate import Bench
    from text2face.evaluation.tasks import Task

__all__ = ["EvaluateJob", "evaluate"]

_VERSION: Final = 2  # of what is measured; results of another one are measured again


@dataclass(frozen=True)
class EvaluateJob:
    """What the command line asks for; None = not said."""

    model: str | None
    outdir: Path
    assets: Path | None
    """A folder that may hold judge/, identity/, reader/ and *_prompts.json."""
    reference: Path | None
    prompts: Path | None
    second_encoder: str | None
    sections: Sequence[str]
    prompt_count: int
    image_count: int
    edit_count: int
    diversity_count: int
    seed: int
    settings: Mapping[str, Any]
    device: str
    dtype: str | None
    batch_size: int
    fresh: bool
    plots: bool
    quiet: bool

    def run(self) -> None:
        """Measure what is not measured yet, and write `evaluation.json`, `.md` and the plots.

        Raises:
            Text2FaceError: Something is wrong; sections that are finished stay.
        """
        from text2face.loading import choose_device
        from text2face.samplers.conditions import check_condition

        choose_device(self.device)
        if self.settings.get("condition") is not None:
            check_condition(self.settings["condition"])
        if self.plots:
            _need_matplotlib()
        bench = self._bench()
        with hold(self.outdir):
            self._measure(bench, list(self.sections or registry.names("metric")))

    def _measure(self, bench: Bench, names: Sequence[str]) -> None:
        from text2face.evaluation.report import markdown

        key = self._key(bench)
        sections: dict[str, Any] = {}
        missing: dict[str, str] = {}
        for name in names:
            found = self._section(name, key, bench)
            missing |= {f"{name}: {what}": why for what, why in found.pop("not available").items()}
            if found:
                sections[name] = found
            if "warning" in found:
                note(found["warning"])
        results = {
            "model": bench.pipe.config.name,
            "weights": bench.pipe.weights,
            "settings": self._about(bench),
            "sections": sections,
            "training": _training(bench.pipe.folder),
            "not available": missing,
        }
        _write(self.outdir / "evaluation.json", _json(results))
        _write(self.outdir / "evaluation.md", markdown(results))
        if self.plots:
            self._plot(sections)
        if not self.quiet:
            click.echo(markdown(results))

    def _section(self, name: str, key: str, bench: Bench) -> dict[str, Any]:
        """Measure a section, or read it if it is measured already."""
        from text2face.evaluation.evaluate import NotAvailable

        path = self.outdir / "sections" / f"{name}.json"
        if path.exists() and not self.fresh:
            stored = _stored(path)
            held = stored.get("found")
            if stored.get("key") == key and isinstance(held, dict) and "not available" in held:
                return held
        if not self.quiet:
            click.echo(f"measuring {name}", err=True)
        try:
            found = {"not available": {}, **registry.find("metric", name)(bench)}
        except NotAvailable as reason:
            return {"not available": {"all": str(reason)}}
        make_folder(path.parent)
        _write(path, _json({"key": key, "found": found}))
        return dict(json.loads(_json(found)))

    def _bench(self) -> Bench:
        from tqdm import tqdm

        from text2face.evaluation.evaluate import Bench, Sizes
        from text2face.evaluation.identity import IdentityNetwork
        from text2face.evaluation.judge import Judge
        from text2face.evaluation.reader import Reader
        from text2face.evaluation.reference import ReferenceImages
        from text2face.loading import load_encoder
        from text2face.pipeline import TextToFace
        from text2face.precision import number_type

        judge = Judge.from_pretrained(path) if (path := self._asset("judge")) else None
        identity = IdentityNetwork.from_pretrained(p) if (p := self._asset("identity")) else None
        tasks = self._tasks(judge.labels if judge else None)
        second: Any = None
        if self.second_encoder:
            second = load_encoder(self.second_encoder)
        elif judge and (folder := self._asset("reader")):
            second = Reader.from_pretrained(folder, judge)
        pipe = TextToFace.from_pretrained(self.model)
        pipe.to(self.device, number_type(self.dtype))
        pipe.settings(**self.settings)
        for network in (judge, identity, second):
            if network is not None:
                network.to(pipe.device)
        size = pipe.generator.img_resolution
        reference = None
        if self.reference:

            def skip(line: str) -> None:
                note(f"skipped {line}")

            reference = ReferenceImages.read(self.reference, size, skip)
        bar = tqdm(unit="face", leave=False, disable=True if self.quiet else None)
        return Bench(
            pipe,
            tasks,
            judge,
            identity,
            second,
            self.second_encoder or "the judge's reader",
            reference,
            Sizes(
                self.prompt_count,
                self.image_count,
                self.edit_count,
                diverse_images=self.diversity_count,
            ),
            self.settings,
            self.seed,
            self.batch_size,
            bar.update,
        )

    @cached_property
    def _folder(self) -> Path | None:
        """The assets: those named, or those of a checkout if this is one."""
        if self.assets is not None and not self.assets.is_dir():
            raise ArgumentError(
                f"no folder {self.assets}; expected one that holds judge/, identity/, reader/ or "
                "*_prompts.json; leave out --assets to go without"
            )
        here = Path("benchmarks")
        return self.assets or (here if (here / "judge").is_dir() else None)

    def _asset(self, name: str) -> Path | None:
        folder = self._folder / name if self._folder else None
        return folder if folder and folder.is_dir() else None

    def _tasks(self, labels: Mapping[str, tuple[str, ...]] | None) -> list[Task]:
        from text2face.evaluation.tasks import read_tasks

        paths = [self.prompts] if self.prompts else []
        if not paths and self._folder:
            paths = sorted(self._folder.glob("*_prompts.json"), reverse=True)
        if not paths:
            raise ArgumentError(
                "no prompts; expected a file with one a line, such as --prompts prompts.txt, or "
                "--assets with *_prompts.json"
            )
        return [task for path in paths for task in read_tasks(path, labels)]

    def _about(self, bench: Bench) -> dict[str, Any]:
        settings = bench.pipe.settings(**self.settings)
        return {
            "seed": self.seed,
            "condition": settings.condition,
            "truncation": settings.truncation,
            "shortlist": settings.shortlist,
            "prompts": len(bench.tasks),
            "assets": str(self._folder or "none"),
            "reference": str(self.reference or "none"),
            "second encoder": bench.second_name if bench.second is not None else "none",
        }

    def _key(self, bench: Bench) -> str:
        """What the results depend on, in 16 hexadecimal digits."""
        import torch

        from text2face.loading import fingerprint
        from text2face.training.pairs import weights_fingerprint

        named = self.second_encoder and Path(self.second_encoder)
        facts = {
            "version": _VERSION,
            "weights": bench.pipe.weights,
            "about": self._about(bench),
            "sizes": asdict(bench.sizes),
            "tasks": [[task.text, sorted(task.labels.items()), task.group] for task in bench.tasks],
            "assets": {
                name: fingerprint(path)
                for name in ("judge", "identity", "reader")
                if (path := self._asset(name))
            },
            "reference": bench.reference.digest if bench.reference else None,
            "second encoder": [
                weights_fingerprint(bench.second),
                fingerprint(named) if named and named.is_dir() else None,
            ],
            "batch size": self.batch_size,
            "device": bench.pipe.device.type,
            **({} if bench.pipe.dtype == torch.float32 else {"dtype": str(bench.pipe.dtype)}),
            "threads": torch.get_num_threads(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def _plot(self, sections: Mapping[str, Any]) -> None:
        from text2face.evaluation import plots

        words = sections.get("words", {})
        points = {
            int(group.split()[0]): entry["accuracy"]
            for group, entry in words.get("groups", {}).items()
            if "accuracy" in entry and group.split()[0].isdecimal()
        }
        if len(points) > 1:
            plots.plot_rising_detail(self.outdir / "rising-detail.png", {"model": points})
        if means := {
            name: sum(entry.values()) / len(entry)
            for name, entry in words.get("attributes", {}).items()
        }:
            plots.plot_attributes(self.outdir / "attributes.png", means)
        if edited := sections.get("editing", {}).get("attributes"):
            plots.plot_editing(self.outdir / "editing.png", edited)


def _training(folder: Path | None) -> dict[str, Any]:
    """What is known of the sampler's training: `training.json` beside its weights."""
    path = folder / "sampler" / "training.json" if folder and folder.is_dir() else None
    return read_json(path) if path and path.is_file() else {}


def _stored(path: Path) -> dict[str, Any]:
    """A section that was measured before; empty if it cannot be read."""
    try:
        return read_json(path)
    except CheckpointError:
        return {}


def _need_matplotlib() -> None:
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise ArgumentError(
            "plots need matplotlib; expected it to be installed: pip install "
            "'text2face[evaluate]', or add --no-plots"
        )


def _json(content: Any) -> str:
    return json.dumps(_finite(content), indent=2, ensure_ascii=False) + "\n"


def _finite(content: Any) -> Any:
    """The same with None for NaN, which is no JSON."""
    if isinstance(content, Mapping):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as file:
        file.write(text.encode())


@click.command(cls=Command, example="text2face evaluate model --only words")
@click.argument("model", required=False)
@click.option(
    "-o", "--outdir", type=click.Path(path_type=Path), default="out/evaluation", show_default=True
)
@click.option(
    "--assets",
    type=click.Path(path_type=Path),
    help="Has judge/, identity/, reader/, *_prompts.json.  [default: benchmarks, if here]",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="Pictures of faces to compare with: a folder of files, or of images.npy.",
)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path),
    help="One a line, or JSON with labels.  [default: the assets' *_prompts.json]",
)
@click.option("--second-encoder", help="A CLIP or SigLIP to score with.  [default: assets' reader]")
@click.option(
    "--only", "sections", multiple=True, type=RegisteredName("metric"), help="Only these sections."
)
@click.option(
    "--prompt-count", type=click.IntRange(1), default=200, show_default=True, help="Of each group."
)
@click.option(
    "--image-count",
    type=click.IntRange(10),
    default=2000,
    show_default=True,
    help="For distances.",
)
@click.option(
    "--edit-count",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Faces to edit.",
)
@click.option(
    "--diversity-count",
    type=click.IntRange(2),
    default=40,
    show_default=True,
    help="Faces of each of 12 prompts, to see how they differ.",
)
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True)
@click.option("--condition", help="How words condition the sampler.  [default: model's]")
@click.option("--trunc", "truncation", type=float, help="Truncation ψ.  [default: model's]")
@click.option("--shortlist", type=click.IntRange(1), help="[default: model's]")
@device_options
@dtype_option()
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True)
@click.option("--fresh", is_flag=True, help="Measure again what is measured already.")
@click.option("--plots/--no-plots", default=True, show_default=True)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no report on stdout.")
def evaluate(
    sections: tuple[str, ...],
    condition: str | None,
    truncation: float | None,
    shortlist: int | None,
    **options: Any,
) -> None:
    """Measure a model: do its faces show what words say, look real, differ, and obey edits?

    MODEL is a folder or hub id; the bundled model if left out. OUTDIR gets evaluation.json,
    evaluation.md and plots. Sections (words, distances, diversity, editing, time) that are finished
    are kept: run the same command to go on after an interruption. Attributes are counted by a
    judge, which only knows the kind of faces that it was trained on; for other generators, words
    are scored by --second-encoder, such as openai/clip-vit-large-patch14.
    """
    given = {"condition": condition, "truncation": truncation, "shortlist": shortlist}
    EvaluateJob(sections=sections, settings=given, **options).run()
