"""From a text embedding to a condition: bridges over the modality gap.

The sampler is trained on image embeddings, and text embeddings lie elsewhere in the same space, so
that a text's own embedding is a condition that the sampler has never seen. A recipe is one or more
steps joined by "+", applied in order, such as "shift+neighbours+pull":

- `text`: the embedding as it is.
- `shift`: minus the mean of texts, plus the mean of images (C³, arXiv 2401.08567).
- `noise`: a random direction is added (LAFITE, arXiv 2111.13792, equation 5).
- `neighbours`: a random convex sum of images near the text (arXiv 2209.03953, section 3.3).
- `project`: the mean of all images, weighted by their nearness (DeCap, arXiv 2303.03032).
- `draw`: one image, drawn at random from those near the text.
- `pull`: the condition is turned towards the text until it is as near as the nearest images are.

Everything random comes from numpy's `RandomState` of each item's own seed, but for `draw`: it deals
the images, nearest first, to four seeds in a row, so that none comes up twice in four faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.errors import ArgumentError, quoted
from text2face.registry import find, names, register

__all__ = ["ConditionBank", "ConditionState", "check_condition", "make_condition"]

NOISE_SCALE: Final = 0.5
NEIGHBOURS: Final = 50
"""K of the paper."""
MIXED: Final = 10
"""M of the paper."""
DIRICHLET_ALPHA: Final = 0.2
TEMPERATURE: Final = 0.02
HANDS: Final = 4
"""Among how many seeds in a row `draw` deals the images."""
LARGEST_SHARE: Final = 1 / 2
"""The largest share of one image among those of a seed in `draw`."""
SPACING: Final = 0.38
"""How far apart, on a circle of 1, the next choices from the same images are in `draw`."""
PULL_RANK: Final = 10
"""`pull` reaches the cosine of this neighbour."""


@dataclass(frozen=True)
class ConditionBank:
    """Image embeddings to find neighbours in, and where the two modalities lie."""

    embeddings: Tensor
    """[B, D], L2-normalised."""
    image_mean: Tensor
    """The mean of normalised image embeddings [D]."""
    text_mean: Tensor
    """The mean of normalised text embeddings [D]; equal to `image_mean` where there is no gap."""

    def to(self, like: Tensor) -> ConditionBank:
        """The bank with the device and number type of `like`."""
        return ConditionBank(
            self.embeddings.to(like), self.image_mean.to(like), self.text_mean.to(like)
        )


@dataclass(frozen=True)
class ConditionState:
    """The input and output of each step."""

    text: Tensor
    """What the condition should come near to [N, D]: the text, shifted if `shift` came first."""
    condition: Tensor
    """[N, D]."""
    hands: Tensor
    """Which of the `HANDS` parts of the images each item draws from in `draw` [N]."""
    points: Tensor
    """Where in [0, 1) each item draws from these [N]."""
    bank: ConditionBank | None


def check_condition(name: str) -> tuple[str, ...]:
    """Split a recipe into its steps.

    Raises:
        ArgumentError: It names a step that there is not.
    """
    steps = tuple(step.strip() for step in name.split("+"))
    known = names("condition")
    if unknown := [step for step in steps if step not in known]:
        raise ArgumentError(
            f"unknown condition {quoted(unknown[0])} in {quoted(name)}, expected one or more of "
            f"{', '.join(known)}, joined by +"
        )
    return steps


def make_condition(
    name: str,
    embedding: Tensor,
    *,
    bank: ConditionBank | None,
    seeds: Sequence[int],
    draws: int = 1,
) -> Tensor:
    """Turn text embeddings into conditions for a sampler.

    Args:
        name: The recipe, see the module.
        embedding: Text embeddings [N, D] or one for all [D]; normalised here.
        bank: The images known to the sampler; only "text" and "noise" can do without.
        seeds: N whole numbers from 0 to 2³² - 1, one for each item.
        draws: How many conditions to draw for each item.

    Returns:
        Conditions [N·draws, D], L2-normalised, item by item.

    Raises:
        ArgumentError: The recipe is unknown or needs a bank, or the numbers of items differ.
    """
    steps = check_condition(name)
    if embedding.ndim == 1:
        embedding = embedding.expand(len(seeds), -1)
    if embedding.ndim != 2 or len(embedding) != len(seeds):
        raise ArgumentError(
            f"the embeddings are {list(embedding.shape)}, expected [{len(seeds)}, D], "
            "one for each seed"
        )
    if bank is None and (needy := [step for step in steps if step not in ("text", "noise")]):
        raise ArgumentError(
            f"the condition {needy[0]!r} needs a bank of image embeddings, and this sampler has "
            "none; use 'text', or a sampler saved with a bank"
        )
    text = F.normalize(embedding.float(), dim=1).repeat_interleave(draws, dim=0)
    # The second word keeps these draws apart from z, which is drawn from the seed alone.
    randoms = [np.random.RandomState([seed, 1]) for seed in seeds]
    randoms = [random for random in randoms for _ in range(draws)]
    hands = torch.tensor([seed % HANDS for seed in seeds]).repeat_interleave(draws)
    points = _points([seed // HANDS for seed in seeds], draws)
    state = ConditionState(text, text, hands, points, None if bank is None else bank.to(text))
    for step in steps:
        state = find("condition", step)(state, randoms)
    return F.normalize(state.condition, dim=1)


def _points(turns: Sequence[int], draws: int) -> Tensor:
    """Where each draw of each item falls in [0, 1): [N·draws].

    Turns step by the golden ratio (Knuth, The Art of Computer Programming 3, 6.4), so that any
    two in a row are `SPACING` apart; the draws of one item share that room, by halves of halves
    (van der Corput). In exact arithmetic modulo 2³².
    """
    whole, room = 2**32, int(SPACING * 2**32)
    within = [room * int(f"{draw:032b}"[::-1], 2) // whole for draw in range(draws)]
    steps = (0x9E3779B9 * turn + step for turn in turns for step in within)
    return torch.tensor(
        [(whole // 2 + step) % whole / whole for step in steps], dtype=torch.float64
    )


def _bank(state: ConditionState) -> ConditionBank:
    if state.bank is None:
        raise ArgumentError("this condition needs a bank of image embeddings")
    return state.bank


@register("condition", "text")
def _text(state: ConditionState, randoms: Sequence[np.random.RandomState]) -> ConditionState:
    return state


@register("condition", "shift")
def _shift(state: ConditionState, randoms: Sequence[np.random.RandomState]) -> ConditionState:
    bank = _bank(state)
    shifted = F.normalize(state.condition - bank.text_mean + bank.image_mean, dim=1)
    return replace(state, text=shifted, condition=shifted)


@register("condition", "noise")
def _noise(state: ConditionState, randoms: Sequence[np.random.RandomState]) -> ConditionState:
    drawn = np.stack([random.randn(state.condition.shape[1]) for random in randoms])
    direction = F.normalize(torch.from_numpy(drawn).to(state.condition), dim=1)
    noisy = F.normalize(state.condition + NOISE_SCALE * direction, dim=1)
    return replace(state, condition=noisy)


@register("condition", "neighbours")
def _neighbours(state: ConditionState, randoms: Sequence[np.random.RandomState]) -> ConditionState:
    bank = _bank(state)
    count = min(NEIGHBOURS, len(bank.embeddings))
    nearest = (state.condition @ bank.embeddings.T).topk(count, dim=1).indices
    sums = []
    for rows, random in zip(nearest, randoms, strict=True):
        near = F.normalize(bank.embeddings[rows], dim=1)
        chosen = near[_farthest_points(near, min(MIXED, count), first=random.randint(count))]
        weights = random.dirichlet([DIRICHLET_ALPHA] * len(chosen))
        sums.append(torch.from_numpy(weights).to(chosen) @ chosen)
    return replace(state, condition=F.normalize(torch.stack(sums), dim=1))


def _farthest_points(points: Tensor, count: int, first: int) -> list[int]:
    """Greedily choose `count` of the unit vectors [K, D], each far from those before it."""
    chosen = [first]
    nearness = points @ points[first]
    while len(chosen) < count:
        chosen.append(int(nearness.argmin()))
        nearness = torch.maximum(nearness, points @ points[chosen[-1]])
    return chosen


@register("condition", "project")
def _project(state: ConditionState, randoms: Sequence[np.random.RandomState]) -> ConditionState:
    bank = _bank(state)
    mean = _nearness(state.condition, bank) @ bank.embeddings
    return replace(state, condition=F.normalize(mean, dim=1))


def _nearness(condition: Tensor, bank: ConditionBank) -> Tensor:
    """How likely each image is given the text, as a contrastive encoder sees it: [N, B]."""
    return (condition @ bank.embeddings.T / TEMPERATURE).softmax(dim=1)


@register("condition", "draw")
def _draw(state: ConditionState, randoms: Sequence[np.random.RandomState]) -> ConditionState:
    bank = _bank(state)
    # On the CPU, in float64, which not every device has: all draw the same.
    texts, rows = torch.unique(state.condition, dim=0, return_inverse=True)
    nearness = _nearness(texts, bank).cpu().double()
    shares = _limited(_dealt(nearness, rows.cpu(), state.hands)).cumsum(dim=1)
    points = state.points[:, None] * shares[:, -1:]
    rows = torch.searchsorted(shares, points).flatten().clamp(max=len(bank.embeddings) - 1)
    return replace(state, condition=bank.embeddings[rows])


def _dealt(nearness: Tensor, rows: Tensor, hands: Tensor) -> Tensor:
    """The shares [N, B] of the images that are dealt to each item; those of others are 0.

    Of each `HANDS` images, from the nearest on, every hand gets one, in turns there and back.

    Args:
        nearness: [T, B], of each of some texts.
        rows: Which text each item has [N].
        hands: [N].
    """
    count = min(HANDS, nearness.shape[1])
    order = nearness.argsort(dim=1, descending=True, stable=True)
    turns = torch.arange(nearness.shape[1]) % (2 * count)
    turns = torch.where(turns < count, turns, 2 * count - 1 - turns)
    dealt = torch.empty_like(order).scatter_(1, order, turns.expand_as(order))
    some = torch.where(dealt[rows] == (hands % count)[:, None], nearness[rows], 0)
    return some / some.sum(dim=1, keepdim=True).clamp(min=1e-300)


def _limited(shares: Tensor) -> Tensor:
    """Shares [N, B] of which none is above `LARGEST_SHARE`; what is above goes to the others."""
    most = max(LARGEST_SHARE, 1 / int((shares > 0).sum(dim=1).min().clamp(min=1)))
    for _ in range(int(1 / most)):  # so many at most are at the limit
        full = shares >= most
        if not full.any():
            break
        left = 1 - most * full.sum(dim=1, keepdim=True)
        others = shares.masked_fill(full, 0)
        grown = others * (left / others.sum(dim=1, keepdim=True).clamp(min=1e-12))
        shares = torch.where(full, most, grown)
    return shares


@register("condition", "pull")
def _pull(state: ConditionState, randoms: Sequence[np.random.RandomState]) -> ConditionState:
    """Turn the condition in the plane of condition and text until cos(condition, text) suffices."""
    bank = _bank(state)
    rank = min(PULL_RANK, len(bank.embeddings))
    wanted = (state.text @ bank.embeddings.T).topk(rank, dim=1).values[:, -1:]
    condition = F.normalize(state.condition, dim=1)
    cosine = (condition * state.text).sum(dim=1, keepdim=True)
    across = F.normalize(condition - cosine * state.text, dim=1)
    turned = wanted * state.text + (1 - wanted.square()).clamp(min=0).sqrt() * across
    return replace(state, condition=torch.where(cosine < wanted, turned, condition))
