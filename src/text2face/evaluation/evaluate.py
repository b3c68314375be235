"""The metrics of a model, one function for each section of the report.

Each section is a function of the `Bench` and says in one line what it needs. What a model or a
machine cannot give (no judge of its pictures, no posterior) is reported with the reason, and the
other sections go on.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from text2face.encoders.base import TextImageEncoder
from text2face.evaluation.drawing import draw, draw_at_random, embed
from text2face.evaluation.identity import IdentityNetwork
from text2face.evaluation.judge import Judge, Predictions, round_to_bytes
from text2face.evaluation.metrics import (
    entropy,
    frechet_distance,
    kernel_distance,
    manifolds,
    mean_distance,
    r_precision,
)
from text2face.evaluation.reference import ReferenceImages
from text2face.evaluation.tasks import Task, count_right, matching, share_right
from text2face.pipeline import TextToFace, noise
from text2face.registry import register

__all__ = ["Bench", "NotAvailable", "Sizes"]

_NO_JUDGE: Final = "needs a judge that knows these faces; give --assets"
_SURE: Final = 0.9
_NO_REFERENCE: Final = "needs pictures to compare with; give --reference"


class NotAvailable(Exception):
    """What cannot be measured here, and why."""


@dataclass(frozen=True)
class Sizes:
    """How much is drawn."""

    prompts: int = 200
    """Of each group, at most."""
    images: int = 2000
    """For distances."""
    edits: int = 200
    diverse_prompts: int = 12
    diverse_images: int = 40
    """Of each of them."""


@dataclass(frozen=True)
class ImageFeatures:
    """What each network computes from N pictures."""

    own: NDArray[np.float32]
    """The model's own encoder: embeddings [N, D], L2-normalised."""
    second: NDArray[np.float32] | None
    """The second encoder's embeddings [N, D'], L2-normalised; None if there is none."""
    predictions: Predictions | None
    """The judge's; None if there is none."""


@dataclass(frozen=True)
class Bench:
    """A model, the networks that measure its faces, and how many are drawn."""

    pipe: TextToFace
    tasks: Sequence[Task]
    judge: Judge | None = None
    identity: IdentityNetwork | None = None
    second: TextImageEncoder | None = None
    second_name: str = ""
    reference: ReferenceImages | None = None
    sizes: Sizes = field(default_factory=Sizes)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of `drawing.draw`: condition, truncation, shortlist."""
    seed: int = 0
    batch_size: int = 16
    on_images: Callable[[int], object] = lambda count: None
    """Called with the number of images after each batch."""

    @cached_property
    def groups(self) -> dict[str, list[Task]]:
        """The tasks by group, at most `sizes.prompts` of each."""
        groups: dict[str, list[Task]] = {}
        for task in self.tasks:
            groups.setdefault(task.group, []).append(task)
        return {name: tasks[: self.sizes.prompts] for name, tasks in groups.items()}

    def made(self, tasks: Sequence[Task]) -> Iterator[Tensor]:
        """One face for each task, with seeds from `seed` on."""
        embeddings = embed(self.pipe.encoder, [task.text for task in tasks])
        seeds = range(self.seed, self.seed + len(tasks))
        return draw(self.pipe, embeddings, seeds, batch_size=self.batch_size, **self.settings)

    def at_random(self, count: int) -> Iterator[Tensor]:
        """Faces that no text asked for."""
        seeds = range(self.seed, self.seed + count)
        return draw_at_random(self.pipe, seeds, batch_size=self.batch_size)

    def extract(self, batches: Iterable[Tensor]) -> ImageFeatures:
        """Run every network on batches of images [n, 3, H, W] in [-1, 1]."""
        own, second, features = [], [], []
        classes: dict[str, list[NDArray[np.int64]]] = {}
        for batch in batches:
            images = round_to_bytes(batch)
            with torch.inference_mode():
                own.append(_unit(self.pipe.encoder.encode_image(images)))
                if self.second is not None:
                    second.append(_unit(self.second.encode_image(images)))
                if self.judge is not None:
                    seen = self.judge.features(images)
                    features.append(seen.float().cpu().numpy())
                    for name, logits in self.judge.classify(seen).items():
                        classes.setdefault(name, []).append(logits.argmax(1).cpu().numpy())
            self.on_images(len(images))
        joined = {name: np.concatenate(parts) for name, parts in classes.items()}
        return ImageFeatures(
            np.concatenate(own),
            np.concatenate(second) if second else None,
            Predictions(np.concatenate(features), joined) if features else None,
        )

    @cached_property
    def real(self) -> ImageFeatures:
        """The reference pictures, at most `sizes.images`."""
        if self.reference is None:
            raise NotAvailable(_NO_REFERENCE)
        return self.extract(
            self.reference.images(range(min(self.sizes.images, len(self.reference))))
        )

    @cached_property
    def free(self) -> ImageFeatures:
        """As many faces that no text asked for."""
        return self.extract(self.at_random(self.sizes.images))


def _unit(embeddings: Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = torch.nn.functional.normalize(embeddings.float(), dim=1).numpy(
        force=True
    )
    return values


def distance_features(bench: Bench, features: ImageFeatures) -> tuple[str, NDArray[np.float32]]:
    """The features that distances are measured in, and whose they are."""
    if features.predictions is not None:
        return "judge", features.predictions.features
    if features.second is not None:
        return f"second encoder ({bench.second_name})", features.second
    return "the model's own encoder", features.own


@register("metric", "words")
def measure_words(bench: Bench) -> dict[str, Any]:
    """Does a face show what its prompt says: counted by the judge, scored by encoders."""
    groups: dict[str, dict[str, Any]] = {}
    attributes: dict[str, dict[str, float]] = {}
    for group, tasks in bench.groups.items():
        features = bench.extract(bench.made(tasks))
        texts = [task.text for task in tasks]
        entry: dict[str, Any] = {"prompts": len(tasks)}
        if (
            bench.judge is not None
            and features.predictions is not None
            and any(t.labels for t in tasks)
        ):
            met = count_right(tasks, features.predictions, bench.judge.labels)
            share = share_right(met)
            count = sum(map(len, met.values()))
            entry["accuracy"] = share
            entry["accuracy ±"] = 1.96 * float(np.sqrt(share * (1 - share) / count))
            for name, values in met.items():
                if len(values):
                    attributes.setdefault(name, {})[group] = float(values.mean())
        for name, encoder, seen in (
            ("own encoder", bench.pipe.encoder, features.own),
            ("second encoder", bench.second, features.second),
        ):
            if encoder is not None and seen is not None:
                words = embed(encoder, texts).numpy(force=True)
                entry[f"score, {name}"] = 100 * float((seen * words).sum(axis=1).clip(0).mean())
                if len(tasks) > 1:
                    entry[f"R-precision, {name}"] = r_precision(seen, words)
        groups[group] = entry
    missing = {} if bench.judge else {"accuracy": _NO_JUDGE}
    if bench.second is None:
        missing["score, second encoder"] = "needs another encoder; give --second-encoder"
    return {"groups": groups, "attributes": attributes, "not available": missing}


@register("metric", "distances")
def measure_distances(bench: Bench) -> dict[str, Any]:
    """Do faces look like the reference pictures: as a set, and each of them."""
    count = bench.sizes.images
    tasks = list(itertools.islice(itertools.cycle(_mixed(bench)), count))
    whose, real = distance_features(bench, bench.real)
    made = distance_features(bench, bench.extract(bench.made(tasks)))[1]
    out: dict[str, Any] = {"features of": whose, "pictures": len(real), "faces": count}
    least, dim = min(len(real), count), real.shape[1]
    if least <= dim:  # covariances of lower rank than the space: the distance is biased upwards
        out["warning"] = (
            f"Fréchet distances of {least} pictures in {dim} dimensions are too large and mean "
            f"little; expected more than {dim}; raise --image-count or give more pictures"
        )
    for name, features in (
        ("text-made", made),
        ("unconditional", distance_features(bench, bench.free)[1]),
    ):
        covering = manifolds(real, features, neighbours=min(5, len(real) - 1, len(features) - 1))
        out[name] = {
            "Fréchet distance": frechet_distance(real, features),
            "kernel distance": kernel_distance(real, features),
            **vars(covering),
        }
    half = len(real) // 2
    if half > 1:
        out["two halves of the pictures"] = {
            "Fréchet distance": frechet_distance(real[:half], real[half:]),
            "kernel distance": kernel_distance(real[:half], real[half:]),
        }
    return out


def _mixed(bench: Bench) -> list[Task]:
    """The tasks of all groups, group by turn."""
    turns = itertools.zip_longest(*bench.groups.values())
    return [task for turn in turns for task in turn if task is not None]


@register("metric", "diversity")
def measure_diversity(bench: Bench) -> dict[str, Any]:
    """Do faces of one prompt differ: as far as pictures that fit it do?

    Of attributes that the prompt leaves open, sums of entropies are compared with those of as many
    reference pictures that fit the prompt (or of unconditional faces, where there are none); both
    are read by the judge and equally many, which makes their bias the same. The distance is the
    mean between two faces of one prompt, over that between two pictures of the whole set.
    """
    images, wanted = bench.sizes.diverse_images, bench.sizes.diverse_prompts
    background = bench.free if bench.reference is None else bench.real
    labels = bench.judge.labels if bench.judge else {}
    spread, full = dict.fromkeys(labels, 0.0), dict.fromkeys(labels, 0.0)
    all_distance = mean_distance(distance_features(bench, background)[1])
    random = np.random.RandomState(7)
    distances: list[float] = []
    used = 0
    for task in _mixed(bench):
        if len(distances) == wanted:
            break
        rows = np.zeros(0, dtype=np.int64)
        if background.predictions is not None and task.labels:
            rows = matching(background.predictions.classes, task.labels, labels)
            if len(rows) < images:
                continue
        features = bench.extract(bench.made([task] * images))
        distances.append(mean_distance(distance_features(bench, features)[1]) / all_distance)
        if len(rows) and background.predictions is not None and features.predictions is not None:
            used += 1
            fitting = background.predictions[random.choice(rows, images, replace=False)]
            for name in labels.keys() - task.labels.keys():
                spread[name] += entropy(features.predictions.classes[name], len(labels[name]))
                full[name] += entropy(fitting.classes[name], len(labels[name]))
    if not distances:
        raise NotAvailable(
            f"no prompt is shown by {images} of the {bench.sizes.images} pictures; raise "
            "--image-count, or lower --diversity-count"
        )
    out: dict[str, Any] = {
        "prompts": len(distances),
        "faces of each": images,
        "features of": distance_features(bench, background)[0],
        "held against": "random faces" if bench.reference is None else "reference pictures",
        "distance within a prompt": float(np.mean(distances)),
    }
    whole = float(sum(full.values()))
    if used and whole:
        out["spread of what is not named"] = sum(spread.values()) / whole
        out["attributes"] = {name: spread[name] / full[name] for name in labels if full[name] > 0}
    else:
        out["not available"] = {"spread of what is not named": _NO_JUDGE}
    return out


@register("metric", "editing")
def measure_editing(bench: Bench) -> dict[str, Any]:
    """Text + image: does what the words name appear, and does everything else stay?

    Faces that no text asked for are edited by prompts that name one attribute which the judge does
    not see in them. What is hidden cannot stay (the hair under a hat), so only attributes that the
    judge is sure of, before and after, are counted among the others.
    """
    edit = getattr(bench.pipe, "edit", None)
    if edit is None or not hasattr(bench.pipe.sampler, "infer"):
        raise NotAvailable("the sampler has no posterior to edit with")
    if bench.judge is None:
        raise NotAvailable(_NO_JUDGE)
    labels = bench.judge.labels
    prompts = [task for task in bench.tasks if len(task.labels) == 1]
    if not prompts:
        raise NotAvailable("no prompt names exactly one attribute")
    latents = _sources(bench, bench.sizes.edits)
    sources = [bench.pipe.decode(part) for part in torch.split(latents, bench.batch_size)]
    before = bench.extract(sources)
    if before.predictions is None:
        raise NotAvailable(_NO_JUDGE)
    random = np.random.RandomState(11)
    chosen: list[Task] = []
    for row in range(len(latents)):
        fitting = [
            task
            for task in (prompts[i] for i in random.permutation(len(prompts))[:50])
            if all(
                labels[name][before.predictions.classes[name][row]] != label
                for name, label in task.labels.items()
            )
        ]
        chosen.append(fitting[0] if fitting else prompts[0])
    edited = [
        _to_image(edit(latent, task.text).image)
        for latent, task in zip(latents, chosen, strict=True)
    ]
    after = bench.extract(edited)
    if after.predictions is None:
        raise NotAvailable(_NO_JUDGE)
    appears = count_right(chosen, after.predictions, labels)
    seen = [_seen(bench.judge, torch.cat(images)) for images in (sources, edited)]
    stays: dict[str, list[bool]] = {name: [] for name in labels}
    for row, task in enumerate(chosen):
        for name in labels.keys() - task.labels.keys():
            if seen[0][name][row] and seen[1][name][row]:
                same = before.predictions.classes[name][row] == after.predictions.classes[name][row]
                stays[name].append(bool(same))
    out: dict[str, Any] = {
        "edits": len(chosen),
        "named attribute appears": share_right(appears),
        "other attributes stay": float(np.mean([x for values in stays.values() for x in values])),
        "readings of others": sum(map(len, stays.values())),
        "attributes": {
            name: {
                "appears": float(appears[name].mean()) if len(appears[name]) else None,
                "stays": float(np.mean(stays[name])) if stays[name] else None,
            }
            for name in labels
        },
    }
    if bench.identity is None:
        out["not available"] = {"identity": "needs an identity network; give --assets"}
        return out
    config = bench.identity.config
    old, new = (bench.identity.embed(images) for images in (sources, edited))
    kept = (old * new).sum(dim=1).numpy(force=True)
    rows = [i for i, task in enumerate(chosen) if not task.labels.keys() & set(config.held)]
    if rows:
        out |= {
            "identity, cosine": float(kept[rows].mean()),
            "identity, same person by 1 in 100": float((kept[rows] > config.threshold).mean()),
            "identity, two pictures of one person": config.same,
            "identity, two people alike": config.strangers,
            "identity, edits of": len(rows),
        }
    return out


@torch.no_grad()
def _sources(bench: Bench, count: int) -> Tensor:
    """Latents [N, num_ws, w_dim] of faces that no text asked for."""
    seeds = range(bench.seed + 500_000, bench.seed + 500_000 + count)
    z = torch.stack([noise(seed, bench.pipe.generator.z_dim) for seed in seeds])
    return bench.pipe.generator.map(z.to(bench.pipe.device)).float().cpu()


@torch.inference_mode()
def _seen(judge: Judge, images: Tensor) -> dict[str, Tensor]:
    """Of which attributes of images [N, 3, H, W] the judge is sure [N]."""
    device = next(judge.parameters()).device
    parts = [judge(round_to_bytes(some.to(device))) for some in torch.split(images, 100)]
    return {
        name: torch.cat([part[name] for part in parts]).softmax(dim=1).amax(dim=1) > _SURE
        for name in judge.labels
    }


def _to_image(picture: Any) -> Tensor:
    """A PIL image → [1, 3, H, W] in [-1, 1]."""
    pixels = torch.from_numpy(np.array(picture, dtype=np.float32) / 127.5 - 1)
    return pixels.permute(2, 0, 1)[None]


@register("metric", "time")
def measure_time(bench: Bench) -> dict[str, Any]:
    """Milliseconds from words to an image, the model loaded and warm; medians."""
    task = bench.tasks[0]
    settings = bench.pipe.settings(**bench.settings)
    out: dict[str, Any] = {
        "threads": torch.get_num_threads(),
        "device": bench.pipe.device.type,
        "resolution": bench.pipe.generator.img_resolution,
    }
    for size, repeats in ((1, 12), (16, 4)):
        spent = []
        for turn in range(repeats):
            seeds = list(range(turn * size, (turn + 1) * size))
            began = time.perf_counter()
            list(bench.pipe.draw([task.text], seeds, settings, batch_size=size))
            spent.append(1000 * (time.perf_counter() - began) / size)
        out[f"ms an image, batch {size}"] = float(np.median(spent[1:]))
    return out
