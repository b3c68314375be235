"""Networks from untrusted files: checked against the weights before memory is allocated.

A configuration is a few bytes, and may ask for a hundred thousand layers or a billion numbers. So
the shapes in the head of the weights are read first; the network is made on torch's meta device,
where tensors have no numbers, and the making is stopped when it has far more parts than the file;
and only what has exactly the shapes of the file is made for good.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode

from text2face.errors import CheckpointError, one_line
from text2face.storage.folders import CONFIG_NAME, read_shapes, read_tensors

__all__ = ["SkipInit", "build_on_meta", "load_network", "saved_state"]

Network = TypeVar("Network", bound=nn.Module)

_PARTS: Final = 8
"""Modules, parameters and buffers for each tensor of a file: ours have up to three."""
_SMALL: Final = 1000
"""As many parts are always free."""


class _TooLargeError(Exception):
    """More parts than the weights have."""


class SkipInit(TorchFunctionMode):
    """A context in which modules skip random initialisation, since a file replaces the numbers.

    On the meta device drawing them would import half of torch's compiler, and so would arithmetic
    that is not in place: hence `mul_` in constructors.
    """

    _made = frozenset({torch.randn, torch.rand})
    _filled = frozenset(
        getattr(owner, name)
        for owner in (nn.init, Tensor)
        for name in (
            "kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_",
            "xavier_normal_", "xavier_uniform_",
        )
        if hasattr(owner, name)
    )  # fmt: skip

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return uninitialised memory instead of random numbers."""
        named = dict(kwargs or {})
        if func in self._filled:
            return args[0] if args else named["tensor"]
        return (torch.empty if func in self._made else func)(*args, **named)


def build_on_meta(make: Callable[[], Network], tensors: int, where: object) -> Network:
    """Build a network on the meta device, to know its shapes.

    Args:
        make: Makes it.
        tensors: How many tensors its file has.
        where: The file that describes it, for messages.

    Returns:
        The network on the meta device.

    Raises:
        CheckpointError: It cannot be made, or has far more parts than its file has tensors.
    """
    try:
        with _counted(_SMALL + _PARTS * tensors), torch.device("meta"), SkipInit():
            return make()
    except _TooLargeError:
        raise CheckpointError(
            f"wrong weights: {where} describes a network of far more parts than the {tensors} "
            "tensors beside it; the two must come from one model; download it again"
        ) from None
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise CheckpointError(
            f"wrong weights: {where} describes a network that cannot be made or fits in no memory "
            f"({one_line(error)[:200]}); expected the sizes of the weights beside it; download the "
            "model again"
        ) from None


@contextmanager
def _counted(parts: int) -> Iterator[None]:
    """Stop the making of modules in this thread after so many parts."""
    thread, left = threading.get_ident(), parts

    def count(module: object, name: str, part: object) -> None:
        nonlocal left
        if threading.get_ident() == thread:
            left -= 1
            if left < 0:
                raise _TooLargeError

    handles = (
        hooks.register_module_module_registration_hook(count),
        hooks.register_module_parameter_registration_hook(count),
        hooks.register_module_buffer_registration_hook(count),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def saved_state(module: nn.Module) -> dict[str, Tensor]:
    """The state dict of a network as it is saved."""
    state: dict[str, Tensor] = module.state_dict()
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def load_network(make: Callable[[], Network], folder: Path) -> Network:
    """Build the network of a component folder and load its weights.

    Args:
        make: Makes it, with any numbers.
        folder: Where its `config.json` and its `model.safetensors` are.

    Returns:
        The network on the CPU in evaluation mode, its parameters frozen.

    Raises:
        CheckpointError: The weights are missing or damaged, or not those of such a network.
    """
    found = read_shapes(folder)
    expected = saved_state(build_on_meta(make, len(found), folder / CONFIG_NAME))
    tensors = read_tensors(folder, {name: tensor.shape for name, tensor in expected.items()})
    for name, tensor in tensors.items():
        if tensor.is_floating_point() != expected[name].is_floating_point():
            raise CheckpointError(
                f"wrong weights: {folder}: tensor {name} has numbers of type {tensor.dtype}, "
                f"expected {expected[name].dtype}; download the model again"
            )
    with SkipInit():
        network = make()
    network.load_state_dict(tensors, strict=False)
    return network.eval().requires_grad_(False)
