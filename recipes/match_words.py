"""Teach a text tower, and a linear map of image features, to match words and faces.

What a caption claims is known, as a row of values. So there are three steps, each easy:

1. A linear map of *claims* and one of the images' features learn to match. Neither looks at a word
   or a pixel, so a step costs next to nothing and holds each caption against thousands of faces.
   Which of them it is true of is known exactly: that is the target, shared out evenly.
2. The text tower learns to give each caption the vector of its claims.
3. The map of features is folded into the image tower by whoever calls this.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from recipes.caption_bank import VALUES, CaptionBank, fits

MAX_SCALE: Final = 100.0
FIRST_SHARE: Final = 0.3  # of the time, for the first step
FACES: Final = 3200  # that each caption is held against
BATCHES: Final = (384, 256)  # captions in a step
RATES: Final = (4e-3, 2.5e-3)  # peaks of the learning rates
NOISE: Final = 0.1  # how far features are moved, in standard deviations of each
_COUNT: Final = sum(map(len, VALUES.values()))


class TextTower(Protocol):
    """What is taught: word ids [N, L] → unit vectors [N, D]."""

    def encode_tokens(self, tokens: Tensor) -> Tensor: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


class Matching(nn.Module):
    """What claims and image features have in common: unit vectors [N, D], and a temperature."""

    mean: Tensor

    def __init__(self, features: Tensor, outputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", features.mean(dim=0))
        self.linear = nn.Linear(features.shape[1], outputs)
        self.claims = nn.Linear(_COUNT, outputs)
        self.log_scale = nn.Parameter(torch.tensor(math.log(30.0)))
        with torch.no_grad():
            self.linear.weight.div_(features.std(dim=0).clamp(min=1e-6))
            self.linear.bias.zero_()

    def forward(self, features: Tensor) -> Tensor:
        """Features of images [N, F] → [N, D]."""
        return F.normalize(self.linear(features - self.mean), dim=1)

    def of_claims(self, allowed: Tensor) -> Tensor:
        """Values that captions allow, float [N, values] → [N, D]."""
        return F.normalize(self.claims(directions(allowed)), dim=1)

    @property
    def scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=MAX_SCALE)


def directions(allowed: Tensor) -> Tensor:
    """Where each claim points: all attributes that are named have the same length, others none.

    So a denial, which allows nearly everything, speaks as loudly as what is named.

    Args:
        allowed: Values that captions allow, float [N, values].
    """
    parts, start = [], 0
    for values in VALUES.values():
        part = allowed[:, start : start + len(values)]
        start += len(values)
        count = part.sum(dim=1, keepdim=True)
        pointing = F.normalize(part / count.clamp(min=1) - 1 / len(values), dim=1)
        parts.append(torch.where(count > 0, pointing, torch.zeros(())))
    return torch.cat(parts, dim=1)


def match_loss(texts: Tensor, images: Tensor, scale: Tensor, true: Tensor) -> Tensor:
    """Cross-entropy from each text to the images that it is true of, all equally right.

    Less the entropy of the target: then 0 is perfect for captions of any length.

    Args:
        texts: Unit embeddings [M, D].
        images: Unit embeddings [N, D].
        scale: The inverse temperature.
        true: bool [N, M]; every text is true of some image.
    """
    shares = true.T.float()
    counts = shares.sum(dim=1, keepdim=True).clamp(min=1)
    chances = (scale * texts @ images.T).log_softmax(dim=1)
    return (-(shares / counts * chances).sum(dim=1) - counts[:, 0].log()).mean()


def encode_by_length(tower: TextTower, tokens: Tensor, groups: int = 3) -> Tensor:
    """`encode_tokens`, texts of like length together: attention costs the length squared."""
    lengths = (tokens > 0).sum(1)
    order = lengths.argsort()
    parts = [
        tower.encode_tokens(tokens[rows, : max(int(lengths[rows].max()), 1)])
        for rows in order.chunk(groups)
    ]
    return torch.cat(parts)[order.argsort()]


def train_words(
    tower: TextTower,
    features: Tensor,
    seen: NDArray[np.bool_],
    bank: CaptionBank,
    *,
    minutes: float,
    outputs: int,
    steps: Sequence[int] | None = None,
    seed: int = 0,
) -> Matching:
    """Train for some minutes.

    Args:
        tower: Trained in place.
        features: Of faces [N, F].
        seen: Which values these show (`recipes.caption_bank.seen_values`).
        bank: Captions of these faces.
        minutes: How long.
        outputs: Size of the tower's embeddings.
        steps: Train for so many steps of both kinds instead.
        seed: Of everything random.
    """
    torch.manual_seed(seed)
    matching = Matching(features, outputs)
    times = [60 * minutes * share for share in (FIRST_SHARE, 1 - FIRST_SHARE)]
    counts = steps or (None, None)
    _match_claims(matching, features, seen, bank, times[0], counts[0], seed)
    matching.eval().requires_grad_(False)
    _follow(tower, matching, bank, times[1], counts[1], seed)
    return matching


def _progress(seconds: float, steps: int | None) -> Iterator[tuple[int, float]]:
    """Steps and shares of the time, or of the steps, until they are over."""
    began, step = time.monotonic(), 0
    while True:
        share = step / steps if steps else (time.monotonic() - began) / seconds
        if share >= 1:
            return
        yield step, share
        step += 1


def _set_rate(optimiser: torch.optim.Optimizer, peak: float, step: int, share: float) -> None:
    rise = min(step / 50 + 0.03, 1.0)
    for group in optimiser.param_groups:
        factor = rise * (0.5 + 0.5 * math.cos(math.pi * share))
        group["lr"] = group["times"] * peak * max(factor, 0.01)


def _match_claims(
    matching: Matching,
    features: Tensor,
    seen: NDArray[np.bool_],
    bank: CaptionBank,
    seconds: float,
    steps: int | None,
    seed: int,
) -> None:
    rng = np.random.default_rng([seed, 0])
    maps = [*matching.linear.parameters(), *matching.claims.parameters()]
    optimiser = torch.optim.AdamW(
        [{"params": maps, "times": 1.0}, {"params": [matching.log_scale], "times": 5.0}],
        betas=(0.9, 0.98),
        weight_decay=0.01,
    )
    spread, values, recent = features.std(dim=0), torch.from_numpy(seen).float(), 0.0
    for step, share in _progress(seconds, steps):
        _set_rate(optimiser, RATES[0], step, share)
        chosen = rng.integers(len(bank), size=BATCHES[0])
        others = rng.integers(len(features), size=FACES)
        rows = torch.from_numpy(np.unique(np.concatenate([bank.faces[chosen], others])))
        allowed = torch.from_numpy(bank.allowed[chosen]).float()
        true = fits(values[rows], allowed, torch.from_numpy(bank.named[chosen]))
        near = features[rows]
        images = matching(near + NOISE * spread * torch.randn_like(near))
        loss = match_loss(matching.of_claims(allowed), images, matching.scale, true)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(matching.parameters(), 2.0)
        optimiser.step()
        recent += (loss.item() - recent) / min(step + 1, 100)
        if step % 200 == 199:
            summary = f"loss {recent:.3f}  scale {matching.scale.item():.0f}"
            click.echo(f"claims: step {step + 1}  {share:4.0%}  {summary}", err=True)


def _follow(
    tower: TextTower,
    matching: Matching,
    bank: CaptionBank,
    seconds: float,
    steps: int | None,
    seed: int,
) -> None:
    rng = np.random.default_rng([seed, 1])
    parameters = [p for p in tower.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": parameters, "times": 1.0}], betas=(0.9, 0.98), weight_decay=0.02
    )
    recent = 0.0
    for step, share in _progress(seconds, steps):
        _set_rate(optimiser, RATES[1], step, share)
        chosen = rng.integers(len(bank), size=BATCHES[1])
        wanted = matching.of_claims(torch.from_numpy(bank.allowed[chosen]).float())
        tokens = torch.from_numpy(bank.tokens[chosen].astype(np.int64))
        loss = 1 - (encode_by_length(tower, tokens) * wanted).sum(dim=1).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        recent += (loss.item() - recent) / min(step + 1, 100)
        if step % 200 == 199:
            click.echo(f"words: step {step + 1}  {share:4.0%}  1 - cosine {recent:.4f}", err=True)
