"""The causal transformer of clip2latent's prior (arXiv 2210.02347), and its configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.errors import ArgumentError

__all__ = ["Clip2LatentConfig", "PriorNetwork", "check_skip", "default_skip"]

_BUCKETS: Final = 32
"""Rows of the table of relative positions: half of them exact, the others logarithmic."""
_FARTHEST: Final = 128
"""From this distance on, all positions share the last row."""
_STEPS: Final = 4
"""How many steps the authors' demonstration takes."""
_MAX_SIZE: Final = 8192
_MAX_TIMES: Final = 100_000


@dataclass(frozen=True)
class Clip2LatentConfig:
    """The shape of a prior, and how `sample` uses it."""

    embedding_dim: int = 512
    """Size of the condition, of all tokens, and of a latent code."""
    num_latents: int = 1
    """Different latent codes of one image."""
    latent_repeats: tuple[int, ...] = (18,)
    """How many layers of the generator share each code."""
    timesteps: int = 1000
    """Times of the schedule."""
    time_rows: int = 1000
    """Times that the network has an embedding for: as many as the schedule, or more."""
    depth: int = 12
    """Layers, each of attention and feed-forward."""
    heads: int = 12
    """Heads of queries; there is one of keys and one of values."""
    head_dim: int = 64
    """Size of a head."""
    rotary_dim: int = 32
    """Features of a head that are rotated by their position; even."""
    hidden_dim: int = 2048
    """Size of the hidden layer of a feed-forward."""
    predicts_noise: bool = False
    """Whether the network predicts the noise rather than the latent."""
    text_scale: float = 1.0
    """Text embeddings are multiplied by this."""
    latent_scale: float = 1.0
    """The network's latents are divided by this."""
    standardised: bool = True
    """Whether the network's latents are in units of each component's deviation around the mean."""
    guidable: bool = True
    """Whether training left out some conditions, without which nothing can be guided."""
    embedding_norm: float = 10.0
    """The length that `sample` gives to conditions: that of the encoder's text embeddings."""
    skip: int = 250
    """`sample` takes every so many-th time; divides `timesteps`."""
    guidance: float = 2.0
    """How far `sample` goes away from what the network predicts without a condition; 1 = not."""
    bank_size: int = 0
    """Image embeddings kept for `samplers.conditions`; 0 = no bank."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        object.__setattr__(self, "latent_repeats", tuple(self.latent_repeats))
        sizes = {
            name: getattr(self, name)
            for name in ("embedding_dim", "num_latents", "depth", "heads", "head_dim", "hidden_dim")
        }
        for name, value in {**sizes, "latent_repeats": sum(self.latent_repeats)}.items():
            _whole(name, value, 1, _MAX_SIZE)
        for name in ("timesteps", "time_rows"):
            _whole(name, getattr(self, name), 1, _MAX_TIMES)
        _whole("bank_size", self.bank_size, 0, 1 << 31)
        _whole("rotary_dim", self.rotary_dim, 2, self.head_dim)
        if self.rotary_dim % 2 or self.time_rows < self.timesteps:
            raise ArgumentError(
                f"bad sizes: got rotary_dim {self.rotary_dim}, timesteps {self.timesteps} and "
                f"time_rows {self.time_rows}, expected an even rotary_dim and a row for each time"
            )
        if len(self.latent_repeats) != self.num_latents or min(self.latent_repeats) < 1:
            raise ArgumentError(
                f"bad latent_repeats: got {list(self.latent_repeats)}, expected {self.num_latents} "
                "whole numbers from 1, one for each latent"
            )
        for name in ("text_scale", "latent_scale", "embedding_norm"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise ArgumentError(f"bad {name}: got {value}, expected a positive number")
        check_skip(self.skip, self.timesteps)
        self.check_guidance(self.guidance)

    def check_guidance(self, guidance: float) -> None:
        """See that the network can be guided so.

        Raises:
            ArgumentError: It cannot.
        """
        if not math.isfinite(guidance):
            raise ArgumentError(f"guidance is {guidance}, expected a number; 1 is none")
        if guidance != 1 and not self.guidable:
            raise ArgumentError(
                f"guidance is {guidance:g}, expected 1: this prior was trained with all its "
                "conditions (cond_drop_prob 0) and does not know what to do without one"
            )

    @property
    def steps(self) -> int:
        """Steps of `sample`."""
        return self.timesteps // self.skip


def _whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ArgumentError(
            f"bad {name}: got {value!r}, expected a whole number from {least} to {most}"
        )


def check_skip(skip: int, timesteps: int) -> None:
    """See that a skip divides a schedule.

    Raises:
        ArgumentError: It does not.
    """
    if isinstance(skip, bool) or not isinstance(skip, int) or skip < 1 or timesteps % skip:
        raise ArgumentError(
            f"skip is {skip!r}, expected a divisor of the schedule's {timesteps} times, such as "
            f"{default_skip(timesteps)} for {timesteps // default_skip(timesteps)} steps"
        )


def default_skip(timesteps: int) -> int:
    """The skip that takes four steps, or the fewest above if four do not divide the schedule."""
    steps = next(n for n in range(min(_STEPS, timesteps), timesteps + 1) if not timesteps % n)
    return timesteps // steps


def rotated(x: Tensor, angles: Tensor) -> Tensor:
    """Turn neighbouring pairs of the first features of x [..., n, d] by angles [n, r / 2]."""
    size = 2 * angles.shape[-1]
    a, b = x[..., 0:size:2], x[..., 1:size:2]
    cos, sin = angles.cos(), angles.sin()
    turned = torch.stack([a * cos - b * sin, b * cos + a * sin], dim=-1).flatten(-2)
    return torch.cat([turned, x[..., size:]], dim=-1)


class _Attention(nn.Module):
    """Many heads of queries; one key and one value for all, and a learned pair that all see."""

    def __init__(self, config: Clip2LatentConfig) -> None:
        super().__init__()
        dim, self.heads, size = config.embedding_dim, config.heads, config.head_dim
        self.norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, self.heads * size, bias=False)
        self.key_value = nn.Linear(dim, 2 * size, bias=False)
        self.null = nn.Parameter(torch.randn(2, size))
        self.out = nn.Linear(self.heads * size, dim, bias=False)
        self.out_norm = nn.LayerNorm(dim)

    def forward(self, hidden: Tensor, angles: Tensor, bias: Tensor) -> Tensor:
        """Tokens [B, n, D], angles [n, r / 2], bias [B, H, n, n + 1] → [B, n, D]."""
        weights, values = self.attend(self.norm(hidden), angles, bias)
        heads = (weights @ values).transpose(1, 2).flatten(2)
        out: Tensor = self.out_norm(self.out(heads))
        return out

    def attend(self, x: Tensor, angles: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """The weights [B, H, n, n + 1] of the values [B, 1, n + 1, d]."""
        queries = self.query(x).view(*x.shape[:2], self.heads, -1).transpose(1, 2)
        keys, values = self.key_value(x).chunk(2, dim=-1)
        scale = queries.shape[-1] ** -0.5
        queries, keys = rotated(queries * scale, angles), rotated(keys, angles)
        null = self.null.expand(len(x), -1, -1)
        keys = torch.cat([null[:, :1], keys], dim=1)[:, None]
        values = torch.cat([null[:, 1:], values], dim=1)[:, None]
        return (queries @ keys.transpose(-1, -2) + bias).softmax(dim=-1), values


class _FeedForward(nn.Module):
    """SwiGLU: one half of the hidden layer times the SiLU of the other."""

    def __init__(self, config: Clip2LatentConfig) -> None:
        super().__init__()
        dim, hidden = config.embedding_dim, config.hidden_dim
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, 2 * hidden, bias=False)
        self.contract = nn.Linear(hidden, dim, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        values, gates = self.expand(self.norm(hidden)).chunk(2, dim=-1)
        out: Tensor = self.contract(values * F.silu(gates))
        return out


class _Layer(nn.Module):
    def __init__(self, config: Clip2LatentConfig) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.feed_forward = _FeedForward(config)

    def forward(self, hidden: Tensor, angles: Tensor, bias: Tensor) -> Tensor:
        hidden = hidden + self.attention(hidden, angles, bias)
        out: Tensor = hidden + self.feed_forward(hidden)
        return out


class PriorNetwork(nn.Module):
    """What predicts latents, or their noise, from noised latents, a time and a text."""

    frequencies: Tensor

    def __init__(self, config: Clip2LatentConfig) -> None:
        """Make the network with random weights."""
        super().__init__()
        dim = config.embedding_dim
        self.times = nn.Parameter(torch.randn(config.time_rows, dim))
        self.queries = nn.Parameter(torch.randn(config.num_latents, dim))
        self.positions = nn.Parameter(torch.randn(_BUCKETS, config.heads))
        powers = torch.arange(0, config.rotary_dim, 2) / config.rotary_dim
        self.register_buffer("frequencies", 10_000**-powers)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, times: Tensor, text: Tensor, kept: Tensor) -> Tensor:
        """Predict.

        Args:
            x: Noised latents [B, L, D].
            times: Rows of the schedule [B], whole numbers.
            text: Embeddings, scaled [B, D].
            kept: Whether each condition may be seen [B], boolean.

        Returns:
            [B, L, D].
        """
        hidden = self.tokens(x, times, text)
        count = hidden.shape[1]
        angles = torch.arange(count, device=x.device)[:, None] * self.frequencies
        hides = torch.ones(count, count + 1, dtype=torch.bool, device=x.device).triu(2)
        hides = hides.expand(len(x), 1, -1, -1).clone()
        hides[:, :, :, 1] |= ~kept[:, None, None]
        bias = self.bias(count).masked_fill(hides, torch.finfo(x.dtype).min)
        for layer in self.layers:
            hidden = layer(hidden, angles, bias)
        out: Tensor = self.out(self.norm(hidden[:, -x.shape[1] :]))
        return out

    def tokens(self, x: Tensor, times: Tensor, text: Tensor) -> Tensor:
        """Text, time, latents and queries [B, 2 + 2L, D]."""
        queries = self.queries.expand(len(x), -1, -1)
        return torch.cat([text[:, None], self.times[times][:, None], x, queries], dim=1)

    def bias(self, count: int) -> Tensor:
        """What the place of a key before a query adds to their score [H, n, n + 1].

        The first key is the learned one; that of token j stands in column j + 1, and places are
        counted by columns.
        """
        query = torch.arange(count, device=self.positions.device)[:, None]
        key = torch.arange(count + 1, device=self.positions.device)
        distance = (query - key).clamp(min=0)
        exact = _BUCKETS // 2
        ratio = (distance.clamp(min=exact) / exact).log() / math.log(_FARTHEST / exact)
        far = (exact + (ratio * exact).long()).clamp(max=_BUCKETS - 1)
        bucket = torch.where(distance < exact, distance, far)
        return self.positions[bucket].permute(2, 0, 1)
