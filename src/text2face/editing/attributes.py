"""Sliders for attributes such as age or smile, found from what the model sees in its own latents.

Of some thousand latents, the sampler's critic tells the embedding of each one's image, and the
encoder tells how much nearer it is to "an old person" than to "a young person": the score. The mean
latent rises with the score in a straight line: of the bundled model's latents, a linear function
tells 95 to 99 % of the variance of each score. A slider goes along that line, from the score that
3 % of the faces lie below to the one that 3 % lie above: its ends are faces that the model draws.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from text2face.checks import check_number
from text2face.editing.directions import draw_pairs
from text2face.errors import ArgumentError, PromptError
from text2face.samplers.base import LatentCritic

if TYPE_CHECKING:
    from text2face.model import FaceModel

__all__ = ["ATTRIBUTES", "Slider", "find_sliders", "positions", "slide"]

ATTRIBUTES: Final = {
    "age": ("a young person", "an old person"),
    "smile": ("a sad person", "a smiling person"),
    "hair length": ("a person with short hair", "a person with long hair"),
    "hair shade": ("a person with black hair", "a person with blonde hair"),
    "glasses": ("a person without glasses", "a person with glasses"),
    "beard": ("a clean-shaven person", "a person with a beard"),
    "hat": ("a person without a hat", "a person with a hat"),
    "skin": ("a person with pale skin", "a person with dark skin"),
}
"""Names, and what faces at the lower and the upper end are called."""
_SAMPLES: Final = 4096
_RARE: Final = 0.03
"""The share of faces beyond each end."""
_LONGEST: Final = 1.5
"""How many times the usual way may be gone to reach a score; farther on, faces are no faces."""
_TRIES: Final = 16
_WEAKEST: Final = 0.6
"""Of the weakest slider that is given: the share of a way along its line that its score shows."""
_KEPT: weakref.WeakKeyDictionary[object, tuple[object, tuple[Slider, ...]]] = (
    weakref.WeakKeyDictionary()
)  # of a sampler: the generator that its latents come from, and the sliders
_FINDING: Final = threading.Lock()


@dataclass(frozen=True)
class Slider:
    """A line through the latents along which one attribute changes."""

    name: str
    axis: Tensor
    """[D]: the product with the embedding of an image is its score."""
    direction: Tensor
    """[w_dim]: the change of w for a score higher by 1."""
    low: float
    """The score at position 0."""
    high: float
    """The score at position 1."""
    strength: float
    """The share of a way along the line that shows in the score."""

    def position(self, score: float) -> float:
        """Where a score lies between the ends: 0 to 1."""
        return min(max((score - self.low) / (self.high - self.low), 0.0), 1.0)


def find_sliders(pipe: FaceModel) -> tuple[Slider, ...]:
    """The sliders that this model has, the strongest first; they are found once.

    A model whose sampler has no critic, or whose encoder does not know the words, has none.
    """
    with _FINDING:
        kept = _KEPT.get(pipe.sampler)
        if kept is None or kept[0] is not pipe.generator:
            kept = (pipe.generator, _found(pipe))
            _KEPT[pipe.sampler] = kept
        return kept[1]


@torch.no_grad()
def positions(pipe: FaceModel, latent: Tensor) -> dict[str, float]:
    """Where a face w [num_ws, w_dim] stands on each slider, 0 to 1."""
    sliders = find_sliders(pipe)
    if not sliders:
        return {}
    seen = _estimate(pipe, latent[None])[0]
    return {one.name: round(one.position(float(seen @ one.axis)), 3) for one in sliders}


@torch.no_grad()
def slide(pipe: FaceModel, latent: Tensor, values: Mapping[str, float]) -> Tensor:
    """Move a face along some sliders.

    Args:
        pipe: The model.
        latent: w [num_ws, w_dim].
        values: Positions, 0 to 1, by the names of sliders; the others are left alone.

    Returns:
        w [num_ws, w_dim].

    Raises:
        ArgumentError: There is no such slider, or a position is out of range.
    """
    sliders = {one.name: one for one in find_sliders(pipe)}
    for name, value in values.items():
        if name not in sliders:
            known = ", ".join(sliders) or "none: this model has no sliders"
            raise ArgumentError(f"unknown slider {name[:40]!r}, expected one of {known}")
        check_number(name, value, 0, 1)
    for name, value in values.items():
        latent = _moved(pipe, latent, sliders[name], value)
    return latent


def _moved(pipe: FaceModel, latent: Tensor, slider: Slider, value: float) -> Tensor:
    """As far along the line as the critic sees the wanted score, within what faces bear."""
    start = float(_estimate(pipe, latent[None])[0] @ slider.axis)
    way = slider.low + value * (slider.high - slider.low) - start
    lengths = torch.linspace(0, _LONGEST, _TRIES)
    tried = latent + (lengths * way)[:, None, None] * slider.direction
    gained = _estimate(pipe, tried) @ slider.axis - start
    return tried[int((gained - way).abs().argmin())]


def _estimate(pipe: FaceModel, latents: Tensor) -> Tensor:
    """What the critic sees in latents w [N, num_ws, w_dim]: [N, D] on the CPU."""
    assert isinstance(pipe.sampler, LatentCritic)  # there are no sliders otherwise
    return pipe.sampler.estimate(latents.to(pipe.device)).float().cpu()


@torch.no_grad()
def _found(pipe: FaceModel) -> tuple[Slider, ...]:
    if not isinstance(pipe.sampler, LatentCritic):
        return ()
    pairs = draw_pairs(pipe, _SAMPLES)
    latents, seen = pairs.latents.float().cpu(), pairs.embeddings.float().cpu()
    sliders = []
    for name, (low, high) in ATTRIBUTES.items():
        try:
            axis = (pipe.embed(high) - pipe.embed(low)).float().cpu()
        except PromptError:  # it does not know the words
            continue
        scores = seen @ axis
        centred = scores - scores.mean()
        direction = (latents - latents.mean(dim=0)).T @ centred / centred.square().sum()
        least, most = torch.quantile(scores, torch.tensor([_RARE, 1 - _RARE])).tolist()
        if not least < most:
            continue
        some = latents[:64, None].expand(-1, pipe.generator.num_ws, -1)
        half = (most - least) / 2
        shown = (_estimate(pipe, some + half * direction) - _estimate(pipe, some)) @ axis
        strength = float(shown.mean()) / half
        if strength >= _WEAKEST:
            sliders.append(Slider(name, axis, direction, least, most, strength))
    return tuple(sorted(sliders, key=lambda one: -one.strength))
