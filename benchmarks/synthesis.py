"""How fast the synthesis network is, against the paper's formulation and against the machine.

    python -m benchmarks.synthesis            # 1024 pixels, batches of 1 and 4; minutes
    python -m benchmarks.synthesis --quick    # 64 pixels and few channels: does it run?

The reference is StyleGAN2 as the paper has it (Karras et al. 2020, arXiv 1912.04958, section 2.2
and appendix B), in float32: each sample has its own modulated and demodulated weights, all samples
go through one grouped convolution, and every filter is a plain convolution. It loads the same
weights. The implementations take turns, so that what disturbs the machine disturbs all of them.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import text2face
from text2face.generators.layers import RESAMPLING_FILTER, StyledConv, ToRGB
from text2face.generators.stylegan2 import Block, StyleGAN2, StyleGAN2Config

BUNDLED: Final = Path(text2face.__file__).parent / "bundled" / "generator"
TARGETS: Final = {"float32": 2.0, "bfloat16": 4.0}
TARGET_PSNR: Final = 40.0
TARGET_MEMORY: Final = 2.5


class TorchReference(nn.Module):
    """The synthesis network of the paper, skip architecture, with the weights of ours."""

    def __init__(self, model: StyleGAN2) -> None:
        super().__init__()
        self.const = model.synthesis.const
        self.blocks = model.synthesis.blocks
        self.weights = {
            layer: layer.weight.detach().contiguous()  # PyTorch's usual memory order
            for layer in model.synthesis.modules()
            if isinstance(layer, StyledConv | ToRGB)
        }

    def forward(self, w: Tensor) -> Tensor:
        """[N, num_ws, w_dim] → [N, img_channels, H, W]."""
        x, image = self.const.repeat(len(w), 1, 1, 1), None
        position = 0
        for block in self.blocks:
            assert isinstance(block, Block)
            assert block.to_rgb is not None
            for layer in (block.up, block.conv):
                if layer is not None:
                    x = self._styled(layer, x, w[:, position])
                    position += 1
            # The RGB output shares its code with the next convolution.
            rgb = self._convolve(block.to_rgb, x, w[:, position], demodulate=False)
            rgb = rgb + block.to_rgb.bias[:, None, None]
            image = rgb if image is None else rgb + _upsample(image)
        assert image is not None
        return image

    def _styled(self, layer: StyledConv, x: Tensor, w: Tensor) -> Tensor:
        x = self._convolve(layer, x, w, demodulate=True, up=layer.up)
        x += layer.noise_const * layer.noise_strength
        x = x + layer.bias[:, None, None]
        return F.leaky_relu(x, 0.2) * math.sqrt(2)

    def _convolve(
        self, layer: StyledConv | ToRGB, x: Tensor, w: Tensor, *, demodulate: bool, up: bool = False
    ) -> Tensor:
        affine, weight = layer.affine, self.weights[layer]
        style = F.linear(w, affine.weight * affine.weight_gain, affine.bias * affine.bias_gain)
        weight = weight * style[:, None, :, None, None]  # [N, O, I, k, k]
        if demodulate:
            weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        else:
            weight = weight / math.sqrt(weight.shape[2])
        count, _, _, size, _ = weight.shape
        x = x.reshape(1, -1, *x.shape[2:])  # samples become groups of channels
        if up:
            weight = weight.transpose(1, 2).flatten(0, 1)
            x = F.conv_transpose2d(x, weight, stride=2, groups=count)
            x = _filter(x, padding=1)
        else:
            x = F.conv2d(x, weight.flatten(0, 1), padding=size // 2, groups=count)
        return x.reshape(count, -1, *x.shape[2:])


def _filter(x: Tensor, padding: int = 0) -> Tensor:
    """Smooth x [N, C, H, W] with the filter [1, 3, 3, 1]."""
    kernel = RESAMPLING_FILTER.to(x).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, kernel, padding=padding, groups=len(kernel))


def _upsample(image: Tensor) -> Tensor:
    """Put zeros between the pixels, and smooth."""
    n, c, height, width = image.shape
    spread = image.new_zeros(n, c, height, 2, width, 2)
    spread[:, :, :, 0, :, 0] = image
    return _filter(F.pad(spread.reshape(n, c, 2 * height, 2 * width), (2, 1, 2, 1)))


@dataclass(frozen=True)
class Row:
    """What one implementation does with batches of one size."""

    batch: int
    name: str
    seconds: Sequence[float]
    speed: float
    """Median of the reference's time over the median of its own."""
    share: float
    """Its share of the speed of a large plain convolution in the same number type."""
    error: str
    """Its difference to the reference, in float32, or to our own float32."""


def gigaflops(config: StyleGAN2Config) -> float:
    """The products and sums of the 3×3 convolutions of one image."""
    total, before = 0, 0
    for size, channels in zip(config.resolutions, config.block_channels, strict=True):
        pixels = size**2
        total += pixels * channels * channels + pixels // 4 * before * channels
        before = channels
    return 2 * 9 * total / 1e9


def roofline(dtype: torch.dtype, channels: int, size: int, rounds: int) -> float:
    """GFLOP/s of one large plain convolution, at its best."""
    order = torch.channels_last
    x = torch.randn(1, channels, size, size, dtype=dtype).contiguous(memory_format=order)
    weight = torch.randn(channels, channels, 3, 3, dtype=dtype).contiguous(memory_format=order)
    seconds = min(timed(lambda: F.conv2d(x, weight, padding=1))[0] for _ in range(rounds + 1))
    return 2 * 9 * (channels * size) ** 2 / seconds / 1e9


def timed(call: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """The seconds of a call, and what it returns."""
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def synthesize(model: StyleGAN2, w: Tensor, dtype: torch.dtype) -> Tensor:
    """Draw as `TextToFace` does in this number type."""
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        return model.synthesize(w)


def relative_error(got: Tensor, expected: Tensor) -> float:
    """The largest difference over the largest value."""
    return float((got - expected).abs().max() / expected.abs().max())


def psnr(got: Tensor, expected: Tensor, peak: float) -> float:
    """Peak signal-to-noise ratio in dB."""
    return float(20 * math.log10(peak) - 10 * (got - expected).square().mean().log10())


def random_generator(resolution: int, channel_max: int = 512) -> StyleGAN2:
    """A generator of the usual size, with random weights and noise."""
    torch.manual_seed(0)
    config = StyleGAN2Config(img_resolution=resolution, channel_max=channel_max, mapping_layers=2)
    model = StyleGAN2(config)
    for layer in model.synthesis.modules():
        if isinstance(layer, StyledConv):
            layer.noise_strength.data.fill_(0.1)
            layer.bias.data.normal_(std=0.1)
    return model.eval().requires_grad_(False)


def peak_memory() -> float:
    """The most memory that this process has had so far, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def race(
    model: StyleGAN2, batch: int, rounds: int, roofs: Mapping[torch.dtype, float]
) -> list[Row]:
    """Let the reference and ours take turns with batches of one size."""
    reference = TorchReference(model)
    w = model.map(torch.randn(batch, model.z_dim))
    calls: dict[str, tuple[torch.dtype, Callable[[], Tensor]]] = {
        "reference": (torch.float32, lambda: reference(w)),
        "float32": (torch.float32, lambda: synthesize(model, w, torch.float32)),
        "bfloat16": (torch.bfloat16, lambda: synthesize(model, w, torch.bfloat16)),
    }
    images = {name: call() for name, (_, call) in calls.items()}  # and warm up
    # As large as a photograph's range, which is about four of its standard deviations.
    peak = 4 * float(images["float32"].std())
    errors = {
        "reference": "",
        "float32": f"{relative_error(images['float32'], images['reference']):.1e} of the maximum",
        "bfloat16": f"{psnr(images['bfloat16'], images['float32'], peak):.1f} dB to float32",
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (_, call) in calls.items():
            times[name].append(timed(call)[0])
    work = batch * gigaflops(model.config)
    first = median(times["reference"])
    return [
        Row(
            batch,
            name,
            times[name],
            first / median(times[name]),
            work / median(times[name]) / roofs[dtype],
            errors[name],
        )
        for name, (dtype, _) in calls.items()
    ]


def trained_generator_line(faces: int) -> str:
    """How far bfloat16 is from float32 in the faces of the generator of the package."""
    model = StyleGAN2.from_pretrained(BUNDLED)
    z = np.stack([np.random.RandomState(seed).randn(model.z_dim) for seed in range(faces)])
    w = model.map(torch.from_numpy(z).float(), truncation=0.7)
    exact, rough = (
        synthesize(model, w, dtype).clamp(-1, 1) for dtype in (torch.float32, torch.bfloat16)
    )
    levels = ((exact + 1) * 127.5).round() - ((rough + 1) * 127.5).round()
    return (
        f"bundled generator, {faces} faces, bfloat16 against float32: "
        f"{psnr(rough, exact, 2.0):.1f} dB; pixels differ by "
        f"{levels.abs().mean():.2f} of 255 levels on average, {levels.abs().max():.0f} at most"
    )


def table(rows: Sequence[Row]) -> str:
    """The measurements in Markdown."""
    lines = [
        "| batch | synthesis | median s | minimum s | speed | of the roofline | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        target = TARGETS.get(row.name)
        wanted = f" (target {target:.0f})" if target else ""
        lines.append(
            f"| {row.batch} | {row.name} | {median(row.seconds):.3f} | {min(row.seconds):.3f} "
            f"| {row.speed:.2f}×{wanted} | {row.share:.0%} | {row.error} |"
        )
    return "\n".join(lines)


@click.command(help=__doc__)
@click.option("--resolution", type=int, default=1024, show_default=True)
@click.option("--batch", "batches", type=int, multiple=True, default=(1, 4), show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--quick", is_flag=True, help="64 pixels, few channels, one round.")
@torch.inference_mode()
def main(resolution: int, batches: tuple[int, ...], rounds: int, threads: int, quick: bool) -> None:
    torch.set_num_threads(threads)
    channels, size, channel_max, faces = 256, 128, 512, 8
    if quick:
        resolution, rounds, channels, size, channel_max, faces = 64, 1, 64, 64, 64, 1
    model = random_generator(resolution, channel_max)
    w = model.map(torch.randn(1, model.z_dim))
    memory = {}
    for dtype in (torch.bfloat16, torch.float32):  # the smaller one first: peaks only grow
        synthesize(model, w, dtype)
        memory[dtype] = peak_memory()
    roofs = {dtype: roofline(dtype, channels, size, rounds) for dtype in memory}
    click.echo(
        f"{resolution}×{resolution}, {gigaflops(model.config):.0f} GFLOP an image, "
        f"{threads} threads, PyTorch {torch.__version__}\n"
        f"roofline, a plain convolution of {channels} channels at {size}×{size}: float32 "
        f"{roofs[torch.float32]:.0f}, bfloat16 {roofs[torch.bfloat16]:.0f} GFLOP/s\n"
        f"peak memory at batch 1, with PyTorch and weights: bfloat16 {memory[torch.bfloat16]:.2f}, "
        f"float32 {memory[torch.float32]:.2f} GB (target {TARGET_MEMORY})\n"
        f"{trained_generator_line(faces)} (target {TARGET_PSNR:.0f} dB)\n"
    )
    rows = [row for batch in batches for row in race(model, batch, rounds, roofs)]
    click.echo(table(rows))


if __name__ == "__main__":
    main()
