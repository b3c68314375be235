"""How a sampler is trained: one dataclass, and presets by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from text2face.errors import ArgumentError
from text2face.training.pseudo_text import PseudoTextConfig

__all__ = ["PRESETS", "TrainingConfig", "preset"]

_OBJECTIVES: Final = ("bound", "outline", "images", "flow")


@dataclass(frozen=True)
class TrainingConfig:
    """What is trained, and how.

    With `steps` alone, a training that is resumed ends with the bits it would have had; with
    `minutes` the rate follows the clock, and it cannot.
    """

    objective: Literal["bound", "outline", "images", "flow"] = "bound"
    """"bound": CVAE on latents, evidence bound with the best variance; "outline": CVAE on latents,
    summed square error + β·KL; "images": the paper's CVAE through generator and encoder; "flow":
    flow matching or diffusion."""
    shape: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the sampler's config that differ from its defaults; sizes that the generator and
    the encoder decide are filled in."""
    steps: int | None = None
    """Optimiser steps; None = by time alone."""
    minutes: float | None = None
    """Time, counted over all runs; None = by steps alone."""
    batch_size: int = 256
    """Pairs in a step, of all processes together."""
    learning_rate: float = 1e-2
    """Adam's, at its peak."""
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    """Whether the learning rate rises and falls (cosine) or stays."""
    adam_betas: tuple[float, float] = (0.9, 0.99)
    """Adam's decay rates."""
    clip: float | None = None
    """The largest norm of a gradient; None = any."""
    ema: float = 0.999
    """Decay of the average of weights that is kept; 0 = the last weights."""
    kl: float = 1.0
    """Weight of the KL divergence: β, or per component of the code for "images"."""
    free_bits: float = 0.0
    """Nats that each component of the code may carry at no cost (arXiv 1606.04934)."""
    features: float = 1.0
    """"images": weight of the perceptual distance."""
    similarity: float = 1.0
    """"images": weight of 1 - cos between the embeddings of the drawn image and the condition."""
    latent_norm: float = 2e-4
    """"images": weight of ‖w - w̄‖ over all layers."""
    unconditional: float = 0.0
    """"flow": share of items without a condition, for guidance."""
    energy: float = 0.0
    """Weight of the energy score of freely drawn samples."""
    consistency: float = 0.0
    """Weight of how much freely drawn samples miss their condition, by the sampler's surrogate."""
    consistency_from: float = 0.0
    """From which share of the training on."""
    consistency_batch: int | None = None
    """For how many items of a step; None = all."""
    generator_consistency: float = 0.0
    """Weight of 1 - cos(E(G(w)), e) of freely drawn samples, through generator and encoder."""
    generator_from: float = 0.9
    """From which share of the training on."""
    generator_batch: int = 16
    """For how many items of a step."""
    pseudo_text: PseudoTextConfig = field(default_factory=PseudoTextConfig)
    """How conditions are made from image embeddings."""
    standardise: bool = True
    """Whether latents and conditions are centred and scaled by the pairs' statistics."""
    bfloat16: bool = True
    """Whether the networks compute in bfloat16, on devices that have it."""
    seed: int = 0
    """Of everything random."""
    condition: str = "draw+pull"
    """How the finished model turns words into a condition (`text2face.samplers.conditions`)."""
    shortlist: int = 1
    """How many latents the finished model draws for a face, to keep the nearest to the text."""
    truncation: float = 1.0
    """The finished model's ψ."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        object.__setattr__(self, "shape", MappingProxyType(dict(self.shape)))
        object.__setattr__(self, "adam_betas", tuple(self.adam_betas))
        if isinstance(self.pseudo_text, Mapping):
            object.__setattr__(self, "pseudo_text", PseudoTextConfig(**self.pseudo_text))
        if self.objective not in _OBJECTIVES:
            raise ArgumentError(
                f"objective is {self.objective!r}, expected one of {', '.join(_OBJECTIVES)}"
            )
        if self.schedule not in ("one-cycle", "constant"):
            raise ArgumentError(
                f"schedule is {self.schedule!r}, expected 'one-cycle' or 'constant'"
            )
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if value is None and name in ("steps", "minutes", "clip", "consistency_batch"):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ArgumentError(f"{name} is {value!r}, expected a number")
            if not low <= value <= high:
                raise ArgumentError(f"{name} is {value}, expected from {low:g} to {high:g}")
            if name in _WHOLE and value != int(value):
                raise ArgumentError(f"{name} is {value}, expected a whole number")
        if not all(0 <= beta < 1 for beta in self.adam_betas) or len(self.adam_betas) != 2:
            raise ArgumentError(f"adam_betas is {self.adam_betas}, expected two from 0 to below 1")

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["shape"] = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.shape.items()
        }
        values["adam_betas"] = list(self.adam_betas)
        values["pseudo_text"] = dataclasses.asdict(self.pseudo_text)
        return values


_LIMITS: Final = (
    ("steps", 1, 1e12),
    ("minutes", 1e-9, 1e6),
    ("batch_size", 1, 1 << 24),
    ("learning_rate", 1e-12, 1e3),
    ("clip", 1e-12, 1e12),
    ("ema", 0, 1 - 1e-9),
    ("kl", 0, 1e6),
    ("free_bits", 0, 1e6),
    ("features", 0, 1e6),
    ("similarity", 0, 1e6),
    ("latent_norm", 0, 1e6),
    ("unconditional", 0, 1),
    ("energy", 0, 1e6),
    ("consistency", 0, 1e6),
    ("consistency_from", 0, 1),
    ("consistency_batch", 1, 1 << 24),
    ("generator_consistency", 0, 1e6),
    ("generator_from", 0, 1),
    ("generator_batch", 1, 1 << 20),
    ("seed", 0, 2**32 - 1),
    ("shortlist", 1, 1 << 20),
    ("truncation", 0, 2),
)

_WHOLE: Final = {
    "steps",
    "batch_size",
    "consistency_batch",
    "generator_batch",
    "seed",
    "shortlist",
}

_PAPER: Final = TrainingConfig(
    objective="images",
    batch_size=16,
    learning_rate=2e-4,
    schedule="constant",
    adam_betas=(0.9, 0.999),
    ema=0.0,
    kl=0.2,
    bfloat16=False,
    condition="neighbours",
    truncation=0.9,
)

PRESETS: Final[Mapping[str, TrainingConfig]] = MappingProxyType(
    {
        "compact": TrainingConfig(energy=10.0, consistency=40.0, shortlist=2),
        "flow": TrainingConfig(
            objective="flow", unconditional=0.1, consistency=1.0, consistency_from=0.5
        ),
        "diffusion": TrainingConfig(
            objective="flow",
            shape={"schedule": "diffusion", "steps": 4, "guidance": 2.0},
            unconditional=0.2,
            pseudo_text=PseudoTextConfig(noise=1.0),
            condition="text",
        ),
        "cvae": _PAPER,
        "cvae-w+": dataclasses.replace(_PAPER, shape={"variant": "w+"}),
        "cvae-double-w": dataclasses.replace(_PAPER, shape={"variant": "double-w"}),
        "cvae-latent": TrainingConfig(
            objective="outline",
            shape={"architecture": "outline"},
            batch_size=64,
            learning_rate=1e-4,
            schedule="constant",
            adam_betas=(0.9, 0.999),
            ema=0.0,
            standardise=False,
            bfloat16=False,
            condition="text",
        ),
    }
)
"""Trainings by name: ours ("compact", "flow"), and the rivals as they were published: the paper's
three CVAEs, the outline in latent space, and a diffusion prior in the manner of clip2latent."""


def preset(name: str, **changes: Any) -> TrainingConfig:
    """A preset, with changes.

    Args:
        name: One of `PRESETS`.
        changes: Fields of `TrainingConfig`; `shape` is merged with the preset's.

    Raises:
        ArgumentError: There is no such preset or field, or a value is out of range.
    """
    if name not in PRESETS:
        raise ArgumentError(f"no preset {name!r}; expected one of {', '.join(PRESETS)}")
    known = {f.name for f in dataclasses.fields(TrainingConfig)}
    if unknown := sorted(changes.keys() - known):
        raise ArgumentError(
            f"a training has no {unknown[0]!r}; expected one of {', '.join(sorted(known))}"
        )
    changes["shape"] = {**PRESETS[name].shape, **changes.get("shape", {})}
    return dataclasses.replace(PRESETS[name], **changes)
