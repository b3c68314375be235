"""A generator of any function from z to images."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from text2face import registry
from text2face.checks import check_count
from text2face.errors import ArgumentError, CheckpointError, quoted
from text2face.storage.folders import (
    CONFIG_NAME,
    atomic_file,
    make_config,
    make_folder,
    read_config,
)

__all__ = ["FunctionConfig", "FunctionGenerator", "find_function", "wrap"]

Function = Callable[[Tensor], Tensor]
"""z [N, z_dim] from N(0, I) → images [N, 3, H, W], float in [-1, 1]."""

_NAME: Final = re.compile(r"(?P<module>[^:]+\.py|[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class FunctionConfig:
    """What is saved of it: where the function is found, not what it does."""

    function: str
    """"module:name"."""
    z_dim: int
    img_resolution: int

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        if not isinstance(self.function, str) or not _NAME.fullmatch(self.function):
            raise ArgumentError(f"function is {quoted(self.function)}, expected 'module:name'")
        check_count("z_dim", self.z_dim, most=1 << 16)
        check_count("img_resolution", self.img_resolution, most=1 << 13)


@registry.register("generator", "function")
class FunctionGenerator(nn.Module):
    """A generator whose latent is z itself: w [N, 1, z_dim], of mean 0 (a `Generator`)."""

    c_dim = 0
    num_ws = 1
    img_channels = 3
    mean: Tensor

    def __init__(self, function: Function, config: FunctionConfig) -> None:
        """Take a function; `wrap` finds out what the configuration says."""
        super().__init__()
        self.function = function  # a network's weights move and are counted with it
        self.config = config
        self.z_dim = self.w_dim = config.z_dim
        self.img_resolution = config.img_resolution
        self.register_buffer("mean", torch.zeros(config.z_dim), persistent=False)
        # So that the fingerprints of two functions without weights differ.
        self.register_buffer(
            "name", torch.tensor(list(config.function.encode()), dtype=torch.uint8)
        )

    @property
    def mean_latent(self) -> Tensor:
        """The average latent [w_dim]: 0."""
        return self.mean

    def map(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """Z [N, z_dim] → w [N, 1, z_dim], scaled by the truncation."""
        return (z if truncation_cutoff == 0 else truncation * z)[:, None]

    def synthesize(self, w: Tensor, noise_mode: str = "const") -> Tensor:
        """W [N, 1, z_dim] → images [N, 3, H, W]; there is no noise to choose."""
        return self.function(w[:, 0])

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json`: the name of the function; code and weights stay where they are.

        Raises:
            OutputError: The folder cannot be written.
        """
        make_folder(Path(folder))
        with atomic_file(Path(folder) / CONFIG_NAME) as file:
            file.write(f"{json.dumps({'type': 'function', **asdict(self.config)})}\n".encode())

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> FunctionGenerator:
        """Find the function that a folder names among the plugins, and what this program wrapped.

        A saved model runs no code that its user has not asked for.

        Raises:
            CheckpointError: The folder is damaged, or the function is of no plugin.
        """
        path = Path(folder) / CONFIG_NAME
        config = make_config(FunctionConfig, read_config(Path(folder)), path)
        module, _, name = config.function.partition(":")
        plugin = registry.loaded_plugin(module)
        wrapped = _wrapped.get(config.function)
        if wrapped is None:
            if plugin is None:
                raise CheckpointError(
                    f"{folder} draws with the Python function {quoted(config.function)}, which is "
                    f"not run unasked; expected its module as a plugin: --plugin {quoted(module)}"
                )
            wrapped = _wrap_found(getattr(plugin, name, None), config.function, config.z_dim)
        if wrapped.config != config:
            raise CheckpointError(
                f"the function {quoted(config.function)} has changed: got {wrapped.config}, "
                f"expected {config} from {path}"
            )
        return wrapped


_wrapped: Final[dict[str, FunctionGenerator]] = {}


def wrap(function: Function, *, z_dim: int, name: str | None = None) -> FunctionGenerator:
    """Make a generator of any function from z to images.

    ```python
    from text2face import generators

    faces = generators.wrap(dcgan, z_dim=100)  # then pairs, train and generate take it
    ```

    The function is called once, to see the size of its images. If the module where this stands is
    imported as a plugin (see `text2face.registry`), models that were trained for it can be loaded.

    Args:
        function: z [N, z_dim] → images [N, 3, H, W], float in [-1, 1], H = W; a network is put
            into evaluation mode.
        z_dim: The size of z.
        name: Where it is found, "module:name"; None = the module and name of the function, or for
            a network the module that calls `wrap` and the name of its class.

    Raises:
        ArgumentError: The function gives something else.
    """
    check_count("z_dim", z_dim, most=1 << 16)
    if not callable(function):
        raise ArgumentError(f"the generator is a {type(function).__name__}, expected a function")
    if name is None:
        if isinstance(function, nn.Module):
            module = sys._getframe(1).f_globals.get("__name__", "__main__")
            name = f"{module}:{type(function).__name__}"
        else:
            own = getattr(function, "__name__", type(function).__name__)
            name = f"{function.__module__}:{own}"
    if isinstance(function, nn.Module):
        function.eval().requires_grad_(False)
    with torch.no_grad():
        image = function(torch.zeros(1, z_dim))
    shape = list(getattr(image, "shape", ()))
    square = len(shape) == 4 and shape[:2] == [1, 3] and shape[2] == shape[3]
    if not isinstance(image, Tensor) or not square or not image.is_floating_point():
        got = f"{image.dtype} {shape}" if isinstance(image, Tensor) else type(image).__name__
        raise ArgumentError(
            f"{name} gives {got} for z [1, {z_dim}], expected float [1, 3, H, H] in [-1, 1]"
        )
    made = FunctionGenerator(function, FunctionConfig(name, z_dim, shape[-1]))
    _wrapped[name] = made.eval()
    return made


def find_function(source: str) -> FunctionGenerator | None:
    """The generator that "module:name" or "file.py:name" names; None if it is no such name.

    Its module is imported as a plugin.

    Raises:
        ArgumentError: There is no such module or function.
    """
    match = _NAME.fullmatch(source)
    if match is None:
        return None
    module = registry.load_plugin(match["module"])
    name = f"{module.__name__}:{match['name']}"
    return _wrapped.get(name) or _wrap_found(getattr(module, match["name"], None), name, None)


def _wrap_found(thing: Any, name: str, z_dim: int | None) -> FunctionGenerator:
    """A function, or a generator that was wrapped already.

    Raises:
        ArgumentError: It is neither, or does not say how large z is.
    """
    if isinstance(thing, FunctionGenerator):
        return thing
    size = getattr(thing, "z_dim", None) if z_dim is None else z_dim
    if not callable(thing) or size is None:
        raise ArgumentError(
            f"{quoted(name)} is {'missing' if thing is None else 'no generator'}; expected a "
            "generator that text2face.generators.wrap(function, z_dim=...) has made, or a function "
            "with an attribute z_dim"
        )
    return wrap(thing, z_dim=int(size), name=name)
