"""The diffusion prior of clip2latent (arXiv 2210.02347) in the form of its published checkpoints.

A causal transformer sees a text embedding, a time, noised latents and as many learned queries, and
tells the latents, or the noise in them; a few steps of ancestral sampling lead from noise to w. As
in `samplers.fast_text2stylegan` the condition keeps a length: the network was trained on CLIP's
embeddings as they are.

In training, the condition was the embedding of a generated picture. The script that made those
embeddings prepared pictures for CLIP as usual; its evaluation, which sorts faces by their
similarity to the prompt, subtracts CLIP's mean and divides by its deviation twice, with a clamp to
0..1 between. No picture is read here, so neither changes a latent; scores of a
pipeline are those of its encoder.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.errors import ArgumentError
from text2face.registry import register
from text2face.samplers.clip2latent_network import (
    Clip2LatentConfig,
    PriorNetwork,
    check_skip,
)
from text2face.samplers.saved import SavedSampler

__all__ = ["Clip2LatentConfig", "Clip2LatentSampler", "cosine_schedule"]


@register("sampler", "clip2latent")
class Clip2LatentSampler(SavedSampler):
    """Draws latents of a StyleGAN for an embedding of CLIP ViT-B/32 (a `LatentSampler`)."""

    config_class = Clip2LatentConfig
    stored_half = False  # a schedule in half precision is another one
    rows = 4
    """Latents that a CPU draws together: 16 take twice as long as four."""
    config: Clip2LatentConfig
    signal: Tensor
    log_variance: Tensor
    recip: Tensor
    recip_noise: Tensor
    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: Clip2LatentConfig | None = None) -> None:
        """Make a sampler with random weights and the cosine schedule."""
        super().__init__()
        self.config = config = config or Clip2LatentConfig()
        self.network = PriorNetwork(config)
        for name, values in cosine_schedule(config.timesteps).items():
            self.register_buffer(name, values)
        shape = (config.num_latents, config.embedding_dim)
        self.register_buffer("latent_mean", torch.zeros(shape))
        self.register_buffer("latent_std", torch.ones(shape))
        self.add_bank(config.embedding_dim)

    @property
    def embedding_dim(self) -> int:
        """Size of the condition."""
        return self.config.embedding_dim

    @property
    def z_dim(self) -> int:
        """Size of the normal input: the start, and the noise of each step but the last."""
        return self.config.steps * self.config.num_latents * self.config.embedding_dim

    @property
    def num_ws(self) -> int:
        """Latent codes of one image."""
        return sum(self.config.latent_repeats)

    @property
    def w_dim(self) -> int:
        """Size of a latent code."""
        return self.config.embedding_dim

    def sample(self, condition: Tensor, z: Tensor) -> Tensor:
        """Draw latents with the configured `skip` and `guidance`.

        Args:
            condition: Embeddings [N, D]; brought to the length `embedding_norm` here.
            z: [N, z_dim], drawn from N(0, I).

        Returns:
            w [N, num_ws, w_dim].

        Raises:
            ArgumentError: The shapes do not fit.
        """
        if z.ndim != 2 or condition.ndim != 2 or z.shape != (len(condition), self.z_dim):
            raise ArgumentError(
                f"the condition is {list(condition.shape)} and z is {list(z.shape)}, expected "
                f"[N, {self.embedding_dim}] and [N, {self.z_dim}]"
            )
        text = F.normalize(condition.float(), dim=-1) * self.config.embedding_norm
        shape = (self.config.steps, self.config.num_latents, self.config.embedding_dim)
        noise = z.float().reshape(len(z), *shape).transpose(0, 1)
        noise = torch.cat([noise, torch.zeros_like(noise[:1])])  # at the end nothing is added
        return self.sample_from(text, noise, self.config.skip, self.config.guidance)

    def sample_from(
        self,
        text: Tensor,
        noise: Tensor,
        skip: int = 250,
        guidance: float = 2.0,
        truncation: float = 1.0,
    ) -> Tensor:
        """Draw latents for embeddings of CLIP as they are, with explicit noise.

        Args:
            text: [B, D], not normalised.
            noise: [steps + 1, B, D], or [steps + 1, B, L, D] of L latents, where the schedule's
                times / `skip` are the steps: the start, and one for each step, of which the last is
                not used.
            skip: Every so many-th time of the schedule is a step; it divides the schedule.
            guidance: 0 leaves the condition out, 1 is the condition as it is, more makes latents
                fit it better and vary less.
            truncation: ψ below 1 pulls latents towards the mean of the prior's training data.

        Returns:
            w [B, num_ws, w_dim].

        Raises:
            ArgumentError: The shapes do not fit, or a value is out of range.
        """
        config = self.config
        check_skip(skip, config.timesteps)
        config.check_guidance(guidance)
        if not math.isfinite(truncation) or truncation < 0:
            raise ArgumentError(f"truncation is {truncation}, expected a number from 0")
        if truncation < 1 and not config.standardised:
            raise ArgumentError(
                f"truncation is {truncation:g}, expected 1: this prior knows no mean latent"
            )
        times = range(0, config.timesteps, skip)
        noise = self._latents(text, noise, len(times))
        text = text.float() * config.text_scale
        from_clean, from_x, spread = self.respaced(skip)
        x = noise[0]
        for step, time in enumerate(reversed(times)):
            now = torch.full((len(text),), time, device=x.device)
            clean = self.denoise(x, now, text, guidance)
            index = len(times) - 1 - step
            x = from_clean[index] * clean + from_x[index] * x
            if time:
                x = x + spread[index] * noise[step + 1]
        w = x / config.latent_scale * self.latent_std + self.latent_mean
        if truncation < 1:
            w = self.latent_mean + truncation * (w - self.latent_mean)
        repeats = torch.tensor(config.latent_repeats, device=w.device)
        return w.repeat_interleave(repeats, dim=1)

    def denoise(self, x: Tensor, times: Tensor, text: Tensor, guidance: float) -> Tensor:
        """The latents that the network sees behind noised ones.

        Args:
            x: [B, L, D].
            times: Rows of the schedule [B].
            text: Embeddings, scaled [B, D].
            guidance: See `sample_from`.

        Returns:
            [B, L, D].
        """
        predicted = self.predict(x, times, text, guidance)
        if not self.config.predicts_noise:
            return predicted
        recip, recip_noise = (
            values[times][:, None, None] for values in (self.recip, self.recip_noise)
        )
        return (recip * x - recip_noise * predicted).clamp(-1, 1)

    def predict(self, x: Tensor, times: Tensor, text: Tensor, guidance: float) -> Tensor:
        """What the network predicts, guided; arguments as in `denoise`."""
        kept = torch.ones(len(x), dtype=torch.bool, device=x.device)
        if guidance == 1:
            prediction: Tensor = self.network(x, times, text, kept)
            return prediction
        both = self.network(
            torch.cat([x, x]),
            torch.cat([times, times]),
            torch.cat([text, text]),
            torch.cat([kept, ~kept]),
        )
        seen, unseen = both.chunk(2)
        guided: Tensor = unseen + guidance * (seen - unseen)
        return guided

    def respaced(self, skip: int) -> tuple[Tensor, Tensor, Tensor]:
        """The schedule of every `skip`-th time, from the stored one.

        Returns:
            By ascending time [steps] each: the factor of the clean latents, that of the noised
            ones, and the standard deviation of the noise that is added. The last is that of a
            single step of the whole schedule, as in the authors' code.
        """
        signal = self.signal[::skip]
        beta = 1 - signal / F.pad(signal[:-1], (1, 0), value=1.0)
        alpha = 1 - beta
        total = alpha.cumprod(0)
        before = F.pad(total[:-1], (1, 0), value=1.0)
        from_clean = beta * before.sqrt() / (1 - total)
        from_x = (1 - before) * alpha.sqrt() / (1 - total)
        return from_clean, from_x, (0.5 * self.log_variance[::skip]).exp()

    def _latents(self, text: Tensor, noise: Tensor, steps: int) -> Tensor:
        """Noise [steps + 1, B, L, D] as float32, once the shapes are known to fit."""
        count, dim = self.config.num_latents, self.config.embedding_dim
        shape = (steps + 1, len(text), count, dim)
        shapes = [shape, (*shape[:2], dim)] if count == 1 else [shape]
        if text.ndim != 2 or text.shape[1] != dim or tuple(noise.shape) not in shapes:
            wanted = ", ".join(str(size) for size in shapes[-1][2:])
            raise ArgumentError(
                f"the text is {list(text.shape)} and the noise {list(noise.shape)}, expected "
                f"[B, {dim}] and [{steps + 1}, B, {wanted}]"
            )
        return noise.float().reshape(shape)


def cosine_schedule(timesteps: int) -> dict[str, Tensor]:
    """The schedule of the published priors, by the names of a sampler's buffers [T] each."""
    times = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps
    level = ((times + 0.008) / 1.008 * math.pi / 2).cos() ** 2
    beta = (1 - level[1:] / level[:-1]).clamp(max=0.999)
    signal = (1 - beta).cumprod(0)
    before = F.pad(signal[:-1], (1, 0), value=1.0)
    variance = beta * (1 - before) / (1 - signal)
    return {
        "signal": signal.float(),
        "log_variance": variance.clamp(min=1e-20).log().float(),
        "recip": (1 / signal).sqrt().float(),
        "recip_noise": (1 / signal - 1).sqrt().float(),
    }
