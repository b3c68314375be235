"""The published inversion encoders of pSp and e4e, from their checkpoints.

Richardson et al. 2021 (pSp, arXiv 2008.00951, section 3) and Tov et al. 2021 (e4e, arXiv
2102.02766): an IR-SE50 (arXiv 1801.07698) whose features at three scales become a code for each
layer, by a chain of convolutions that ends in one pixel. pSp makes every code on its own; e4e
makes that of the first layer and, for the others, differences from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.checkpoints.rosinality import load_rosinality
from text2face.checks import check_images
from text2face.dense import Dense
from text2face.errors import ArgumentError, CheckpointError, quoted
from text2face.foreign.files import read_checkpoint
from text2face.foreign.pickles import PickledObject
from text2face.foreign.tensors import as_tensor
from text2face.foreign.weights import Weights, build
from text2face.generators.base import Generator
from text2face.registry import register
from text2face.storage.networks import SkipInit, saved_state
from text2face.storage.saved import SavedModule

__all__ = ["PSPConfig", "PSPEncoder", "load_psp"]

_BLOCKS: Final = ((64, 3), (128, 4), (256, 14), (512, 3))
_TAKEN: Final = (6, 20, 23)  # blocks whose output is used
_COARSE, _MIDDLE = 3, 7  # the first layers of the middle and of the fine codes
_KINDS: Final[Mapping[str, Literal["psp", "e4e"]]] = {
    "GradualStyleEncoder": "psp",
    "Encoder4Editing": "e4e",
}


@dataclass(frozen=True)
class PSPConfig:
    """What a `PSPEncoder` looks like."""

    kind: Literal["psp", "e4e"] = "e4e"
    """How codes are made."""
    num_ws: int = 18
    """Latent codes of one image."""
    w_dim: int = 512
    """Size of a latent code and of the features."""
    from_mean: bool = True
    """Whether codes are offsets from the mean latent."""
    image_size: int = 256
    """Images are resized to this side."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        sizes = (self.num_ws, self.w_dim, self.image_size)
        side = self.image_size // 16
        power = side > 0 and not side & (side - 1) and self.image_size == 16 * side
        if self.kind not in ("psp", "e4e") or min(sizes) < 1 or max(sizes) > 1 << 16 or not power:
            raise ArgumentError(
                f"bad configuration: got {quoted(self)}, expected kind psp or e4e, sizes from 1 "
                f"to {1 << 16}, and an image_size of 16 times a power of two"
            )


class _SqueezeExcite(nn.Module):
    """Channels weighed by what all pixels say (arXiv 1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(mean))))


class _Bottleneck(nn.Module):
    """A residual block of IR-SE50; names as in the files."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.shortcut_layer = (
            None
            if inputs == outputs
            else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            _SqueezeExcite(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.shortcut_layer is None:
            shortcut = x[:, :, :: self.stride, :: self.stride]
        else:
            shortcut = self.shortcut_layer(x)
        out: Tensor = shortcut + self.res_layer(x)
        return out


class _StyleBlock(nn.Module):
    """Features [N, C, side, side] → a code [N, C]."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(int(math.log2(side))):
            layers += [nn.Conv2d(channels, channels, 3, 2, 1), nn.LeakyReLU(0.01)]
        self.convs = nn.Sequential(*layers)
        self.linear = Dense(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.convs(x).flatten(1))
        return out


@register("inversion", "psp")
class PSPEncoder(SavedModule):
    """Images → latents (a `LatentEncoder`), as pSp or e4e."""

    latent_mean: Tensor

    config_class = PSPConfig
    stored_half = False
    config: PSPConfig

    def __init__(self, config: PSPConfig | None = None) -> None:
        """Make an encoder with random weights."""
        super().__init__()
        self.config = config = config or PSPConfig()
        width = config.w_dim
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        blocks: list[nn.Module] = []
        before = 64
        for channels, count in _BLOCKS:
            for i in range(count):
                blocks.append(_Bottleneck(before, channels, 1 if i else 2))
                before = channels
        self.body = nn.ModuleList(blocks)
        side = config.image_size // 16
        sides = [side if i < _COARSE else 2 * side if i < _MIDDLE else 4 * side
                 for i in range(config.num_ws)]  # fmt: skip
        self.styles = nn.ModuleList(_StyleBlock(width, one) for one in sides)
        self.latlayer1 = nn.Conv2d(256, width, 1)
        self.latlayer2 = nn.Conv2d(128, width, 1)
        self.register_buffer("latent_mean", torch.zeros(config.num_ws, width))

    @property
    def num_ws(self) -> int:
        """Latent codes of one image."""
        return self.config.num_ws

    @property
    def w_dim(self) -> int:
        """Size of a latent code."""
        return self.config.w_dim

    def features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images of the right size → features at 1/16, 1/8 and 1/4, each with what is coarser."""
        x = self.input_layer(images)
        taken: list[Tensor] = []
        for i, block in enumerate(self.body):
            x = block(x)
            if i in _TAKEN:
                taken.append(x)
        fine, middle, coarse = taken
        middle = _enlarge(coarse, middle) + self.latlayer1(middle)
        fine = _enlarge(middle, fine) + self.latlayer2(fine)
        return coarse, middle, fine

    def encode(self, images: Tensor) -> Tensor:
        """Find latents.

        Args:
            images: [N, 3, H, W] in [-1, 1], any size, aligned as FFHQ.

        Returns:
            w [N, num_ws, w_dim].

        Raises:
            ArgumentError: The images have another shape.
        """
        check_images(images)
        size = (self.config.image_size,) * 2
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True)
        coarse, middle, fine = self.features(images.float())
        codes = torch.stack(
            [
                block(coarse if i < _COARSE else middle if i < _MIDDLE else fine)
                for i, block in enumerate(self.styles)
            ],
            dim=1,
        )
        if self.config.kind == "e4e":
            codes = torch.cat([codes[:, :1], codes[:, :1] + codes[:, 1:]], dim=1)
        return codes + self.latent_mean if self.config.from_mean else codes


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=True)


def load_psp(path: str | Path) -> tuple[Generator, PSPEncoder]:
    """Load the generator and the inversion encoder of a published pSp or e4e checkpoint.

    Args:
        path: The `.pt` file; nothing in it is run.

    Raises:
        CheckpointError: The file is of another kind, damaged or hostile.
    """
    path = Path(path)
    tree, size = read_checkpoint(path), path.stat().st_size
    state = tree.get("state_dict") if isinstance(tree, dict) else None
    prefix = "encoder."
    found = {
        str(k)[len(prefix) :]: v
        for k, v in (state.items() if isinstance(state, dict) else ())
        if str(k).startswith(prefix) and not str(k).endswith("num_batches_tracked")
    }
    if "styles.0.linear.weight" not in found or not isinstance(tree, dict):
        raise CheckpointError(
            f"{path} holds no inversion encoder; expected a checkpoint of pSp or e4e with encoder "
            "and decoder; `text2face.load_generator` reads files that hold but a generator"
        )
    options = _options(tree.get("opts"))
    name = options.get("encoder_type", "GradualStyleEncoder")
    if not isinstance(name, str) or name not in _KINDS:
        raise CheckpointError(
            f"unsupported network: {path} has an encoder of type {quoted(name)}, expected one of "
            f"{', '.join(_KINDS)}"
        )
    generator = load_rosinality(tree, str(path), size)
    from_mean = bool(options.get("start_from_latent_avg", True))
    config = PSPConfig(_KINDS[name], generator.num_ws, generator.w_dim, from_mean)
    weights = Weights(found, str(path), size)
    with torch.device("meta"), SkipInit():
        names = [n for n in saved_state(PSPEncoder(config)) if n != "latent_mean"]
    tensors = {n: weights.take(n) for n in names}
    tensors["latent_mean"] = _mean(tree, str(path), size, generator)
    if weights.names():
        raise CheckpointError(
            f"unsupported network: {path} has an unknown tensor {quoted(weights.names()[0])}; "
            f"expected the {name} of a face model"
        )
    counters = dict(_counters(config))
    encoder = build(lambda: PSPEncoder(config), {**tensors, **counters}, str(path))
    return generator, encoder


def _counters(config: PSPConfig) -> Iterator[tuple[str, Tensor]]:
    """What batch normalisation counts in training, and nobody reads afterwards."""
    with torch.device("meta"), SkipInit():
        names = PSPEncoder(config).state_dict().keys()
    yield from ((n, torch.tensor(0)) for n in names if n.endswith("num_batches_tracked"))


def _mean(tree: Mapping[Any, Any], source: str, size: int, generator: Generator) -> Tensor:
    """The mean latent for each layer [num_ws, w_dim]."""
    average = as_tensor(tree.get("latent_avg"))
    shape = (generator.num_ws, generator.w_dim)
    if average is None:
        return generator.mean_latent.expand(shape).clone()
    mean = Weights({"latent_avg": average}, source, size).take("latent_avg")
    return mean.reshape(-1, generator.w_dim).expand(shape).clone()


def _options(opts: object) -> Mapping[str, Any]:
    """The training options, an argparse.Namespace or a dict of them."""
    if isinstance(opts, PickledObject):
        return opts.fields
    return opts if isinstance(opts, dict) else {}
