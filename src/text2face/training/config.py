"""How a sampler is trained: one dataclass, and presets by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from text2face import registry
from text2face.checks import check_count, check_number
from text2face.errors import ArgumentError, quoted
from text2face.training.pseudo_text import PseudoTextConfig, make_pseudo_text

__all__ = ["PRESETS", "TrainingConfig", "preset"]


@dataclass(frozen=True)
class TrainingConfig:
    """What is trained, and how.

    With `steps` alone, a training that is resumed ends with the bits it would have had; with
    `minutes` the rate follows the clock, and it cannot.
    """

    objective: str = "bound"
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
        for name in ("shape", "pseudo_text"):
            value = getattr(self, name)
            if not isinstance(value, Mapping | PseudoTextConfig) or (
                name == "shape" and isinstance(value, PseudoTextConfig)
            ):
                raise ArgumentError(
                    f"{name} is {quoted(value)}, expected fields by name, such as {name}.NAME"
                )
        object.__setattr__(self, "shape", MappingProxyType(dict(self.shape)))
        if isinstance(self.pseudo_text, Mapping):
            object.__setattr__(self, "pseudo_text", make_pseudo_text(self.pseudo_text))
        named = {"objective": registry.names("objective"), "schedule": ("one-cycle", "constant")}
        for name, allowed in named.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in allowed:
                raise ArgumentError(
                    f"{name} is {quoted(value)}, expected one of {', '.join(allowed)}"
                )
        for name in ("standardise", "bfloat16"):
            if not isinstance(getattr(self, name), bool):
                raise ArgumentError(
                    f"{name} is {quoted(getattr(self, name))}, expected true or false"
                )
        if not isinstance(self.condition, str):
            raise ArgumentError(f"condition is {quoted(self.condition)}, expected the name of one")
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if value is None and name in ("steps", "minutes", "clip", "consistency_batch"):
                continue
            if name not in _WHOLE:
                check_number(name, value, low, high)
                continue
            whole = int(value) if isinstance(value, float) and value.is_integer() else value
            check_count(name, whole, least=int(low), most=int(high))
            object.__setattr__(self, name, int(whole))
        if self.minutes is not None:  # 3 and 3.0 are the same training
            object.__setattr__(self, "minutes", float(self.minutes))
        betas = self.adam_betas
        if not isinstance(betas, list | tuple) or len(betas) != 2:
            raise ArgumentError(
                f"adam_betas is {quoted(betas)}, expected two numbers, such as [0.9, 0.99]"
            )
        for beta in betas:
            check_number("adam_betas", beta, 0, 1 - 1e-9)
        object.__setattr__(self, "adam_betas", tuple(map(float, betas)))

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
    ("shortlist", 1, 1000),
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
for _name, _preset in PRESETS.items():
    registry.register("preset", _name)(_preset)


def preset(name: str, **changes: Any) -> TrainingConfig:
    """A preset, with changes.

    Args:
        name: One of `PRESETS`, or one that a plugin has registered.
        changes: Fields of `TrainingConfig`; `shape` is merged with the preset's.

    Raises:
        ArgumentError: There is no such preset or field, or a value is out of range.
    """
    presets = registry.names("preset")
    if name not in presets:
        raise ArgumentError(f"no preset {name!r}; expected one of {', '.join(presets)}")
    chosen: TrainingConfig = registry.find("preset", name)
    known = {f.name for f in dataclasses.fields(TrainingConfig)}
    if unknown := sorted(changes.keys() - known):
        raise ArgumentError(
            f"a training has no {unknown[0]!r}; expected one of {', '.join(sorted(known))}"
        )
    shape = changes.get("shape", {})
    if isinstance(shape, Mapping):
        changes["shape"] = {**chosen.shape, **shape}
    return dataclasses.replace(chosen, **changes)
