"""The tensors of one network in a file: each taken once, checked as it is taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from text2face.errors import ArgumentError, CheckpointError, quoted
from text2face.foreign.tensors import LazyTensor, as_tensor
from text2face.storage.networks import SkipInit, build_on_meta

__all__ = [
    "Weights",
    "average_latent",
    "bare",
    "build",
    "choice",
    "clamp",
    "configure",
    "integer",
    "real",
]

ARCHITECTURES: Final = ("skip", "resnet", "orig")
_MAX_DIM: Final = 8192
_MAX_RESOLUTION: Final = 8192
_MAX_INTEGER: Final = 1 << 31
_MAX_ROW: Final = 1024


class GeneratorSizes(Protocol):
    """What `configure` checks of a configuration."""

    @property
    def z_dim(self) -> int:
        """Size of z."""
        ...

    @property
    def w_dim(self) -> int:
        """Size of a latent code."""
        ...

    @property
    def img_resolution(self) -> int:
        """Pixels of a side."""
        ...


_WRAPPERS: Final = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""


def bare(tensors: Mapping[Any, Any]) -> dict[str, Any]:
    """Named values without what wrappers of PyTorch put before all of their names."""
    named = {str(name): value for name, value in tensors.items()}
    for _ in range(4):
        for wrapper in _WRAPPERS:
            if named and all(name.startswith(wrapper) for name in named):
                named = {name.removeprefix(wrapper): value for name, value in named.items()}
    return named


Config = TypeVar("Config", bound=GeneratorSizes)
Network = TypeVar("Network", bound=nn.Module)


class Weights:
    """The named tensors of a network."""

    def __init__(self, tensors: Mapping[Any, object], source: str, size: int) -> None:
        """Find the tensors among named values.

        Args:
            tensors: Names and values; what is no tensor is passed over.
            source: The file, for messages.
            size: Its bytes: no more numbers than this are taken from it, as views of the same
                numbers could fill any memory.
        """
        found = {str(name): as_tensor(value) for name, value in tensors.items()}
        self._tensors = {name: value for name, value in found.items() if value is not None}
        self._left = size
        self.source = source

    def __contains__(self, name: str) -> bool:
        """Whether there is such a tensor that has not been taken."""
        return name in self._tensors

    def names(self) -> list[str]:
        """The names that have not been taken."""
        return sorted(self._tensors)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the tensors that have not been taken."""
        return {name: stored.shape for name, stored in self._tensors.items()}

    def shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        """The shape of a tensor.

        Raises:
            CheckpointError: There is none, or it has another number of dimensions.
        """
        shape = self._find(name).shape
        if len(shape) != dimensions:
            raise CheckpointError(
                f"wrong weights: {self.source}: tensor {name} is {list(shape)}, expected "
                f"{dimensions} dimensions; the file is of another kind of network"
            )
        return shape

    def rank(self, name: str) -> int:
        """The number of dimensions of a tensor.

        Raises:
            CheckpointError: There is none.
        """
        return len(self._find(name).shape)

    def integers(self, name: str) -> list[int]:
        """A row of a few whole numbers, taken.

        Raises:
            CheckpointError: There is none, or it is something else.
        """
        stored = self._find(name)
        kind = stored.storage.dtype
        whole = not (kind.is_floating_point or kind.is_complex)
        if len(stored.shape) != 1 or stored.numel > _MAX_ROW or not whole:
            raise CheckpointError(
                f"wrong weights: {self.source}: {name} is {list(stored.shape)} of type "
                f"{kind}, expected at most {_MAX_ROW} whole numbers; the file is damaged "
                "or of another kind"
            )
        self.charge(name, stored.numel)
        del self._tensors[name]
        return [int(value) for value in stored.tensor()]

    def take(self, name: str) -> Tensor:
        """A tensor as float32.

        Raises:
            CheckpointError: There is none, it is damaged, or it is not finite.
        """
        stored = self._find(name)
        self.charge(name, stored.numel)
        if not stored.storage.dtype.is_floating_point:
            raise CheckpointError(
                f"wrong weights: {self.source}: tensor {quoted(name)} has numbers of type "
                f"{stored.storage.dtype}, expected floating-point numbers; the file may be of "
                "another kind or quantised"
            )
        tensor = stored.tensor().float()
        if not _is_finite(tensor):
            raise CheckpointError(
                f"damaged weights: {self.source}: tensor {name} holds NaN or infinity, expected "
                "finite numbers; download the file again"
            )
        del self._tensors[name]
        return tensor

    def charge(self, name: str, count: int) -> None:
        """Count numbers that will be allocated for a tensor.

        Raises:
            CheckpointError: They are more than the file could hold.
        """
        self._left -= count
        if self._left < 0:
            raise CheckpointError(
                f"wrong weights: {self.source}: its tensors ask for more numbers than the file has "
                f"bytes, at {name} with {count}; expected fewer; download the file again"
            )

    def discard(self, name: str) -> None:
        """Pass over a tensor, if it is there."""
        self._tensors.pop(name, None)

    def check(self, name: str, expected: Tensor, tolerance: float = 1e-5) -> None:
        """Take a tensor that our network does not store and see that it is what we compute.

        Raises:
            CheckpointError: It is another one.
        """
        got = self.take(name)
        if got.shape != expected.shape or not torch.allclose(
            got, expected, rtol=tolerance, atol=tolerance
        ):
            raise CheckpointError(
                f"unsupported network: {self.source}: the fixed filter {name} of shape "
                f"{list(got.shape)} is not the usual one; expected the filter of the published "
                "networks"
            )

    def _find(self, name: str) -> LazyTensor:
        if name not in self._tensors:
            raise CheckpointError(
                f"wrong weights: {self.source} lacks tensor {name}; expected it in a network of "
                "this kind; the file may be of another kind or version"
            )
        return self._tensors[name]


def _is_finite(tensor: Tensor) -> bool:
    """Whether all numbers are finite, in one look and without a copy."""
    if not tensor.numel():
        return True
    return all(bool(end.isfinite()) for end in tensor.aminmax())


def configure(make: Callable[..., Config], source: str, **values: Any) -> Config:
    """Make a configuration from what a file says.

    Raises:
        CheckpointError: Its class refuses a value.
    """
    try:
        config = make(**values)
    except (ArgumentError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(
            f"unsupported network: {source}: {' '.join(str(error).split())}"
        ) from None
    if max(config.z_dim, config.w_dim) > _MAX_DIM or config.img_resolution > _MAX_RESOLUTION:
        raise CheckpointError(
            f"unsupported network: {source}: z_dim {config.z_dim}, w_dim {config.w_dim} and "
            f"img_resolution {config.img_resolution}, expected at most {_MAX_DIM}, {_MAX_DIM} and "
            f"{_MAX_RESOLUTION}; the file is damaged"
        )
    return config


def integer(fields: Mapping[str, Any], name: str, source: str) -> int:
    """A setting that has to be an integer from 0.

    Raises:
        CheckpointError: It is something else.
    """
    value = fields.get(name)
    if type(value) is not int or not 0 <= value < _MAX_INTEGER:
        raise CheckpointError(
            f"unsupported network: {source}: {name} is {quoted(value)}, expected an integer"
        )
    return value


def real(fields: Mapping[str, Any], name: str, source: str) -> float:
    """A setting that has to be a finite number.

    Raises:
        CheckpointError: It is something else.
    """
    value: Any = fields.get(name)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise CheckpointError(
            f"unsupported network: {source}: {name} is {quoted(value)}, expected a number"
        )
    return float(value)


def clamp(fields: Mapping[str, Any], source: str) -> float | None:
    """The limit of activations, if there is one.

    Raises:
        CheckpointError: It is no number.
    """
    return None if fields.get("conv_clamp") is None else real(fields, "conv_clamp", source)


def choice(fields: Mapping[str, Any], name: str, known: tuple[str, ...], source: str) -> Any:
    """A setting that has to be one of a few words.

    Raises:
        CheckpointError: It is something else.
    """
    value = fields.get(name)
    if value not in known:
        raise CheckpointError(
            f"unsupported network: {source}: {name} is {quoted(value)}, expected "
            f"{' or '.join(known)}"
        )
    return value


def build(make: Callable[[], Network], tensors: Mapping[str, Tensor], source: str) -> Network:
    """Make a network, once it is known that the tensors are what it needs.

    Args:
        make: Makes the network with any weights.
        tensors: Its state dict.
        source: The file, for messages.

    Returns:
        The network with these weights, in evaluation mode and frozen.

    Raises:
        CheckpointError: A tensor is missing, unknown or of another shape.
    """
    made = build_on_meta(make, len(tensors), source).state_dict()
    expected = {name: value.shape for name, value in made.items()}
    for name in sorted(expected.keys() | tensors.keys()):
        got = list(tensors[name].shape) if name in tensors else "missing"
        wanted = list(expected[name]) if name in expected else "no such tensor"
        if got != wanted:
            raise CheckpointError(
                f"wrong weights: {source}: {quoted(name)} is {got}, expected {wanted} from the "
                "sizes of the other tensors; the file is damaged or of another kind"
            )
    with SkipInit():
        network = make()
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def average_latent(mapping: Callable[[Tensor], Tensor], z_dim: int, count: int = 10_000) -> Tensor:
    """The mean latent of a file that stores none, [w_dim], from z = RandomState(0).randn(…)."""
    z = torch.from_numpy(np.random.RandomState(0).randn(count, z_dim)).float()
    return mapping(z).mean(dim=0)
