"""The registry of components by kind and name, to which plugins add.

```python
from text2face.registry import register

@register("sampler", "mine")
class MySampler(SavedModule):
    ...
```

From then on "mine" is the name of a sampler everywhere: in a saved model, on the command line, in
the server. A module with such a line is imported

- when a Python program imports it,
- by `text2face --plugin my_module …` or `--plugin path/my_module.py`,
- by the environment variable `TEXT2FACE_PLUGINS`, names or paths joined by commas,
- if its package is installed with an entry point of the group `text2face`.

Only the last two happen by themselves, when a name is asked for that is not known. What a saved
model names is only ever looked up here: it imports nothing.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final, TypeVar

from text2face.errors import ArgumentError

__all__ = ["KINDS", "find", "load_plugin", "loaded_plugin", "names", "register", "unregister"]

ENVIRONMENT: Final = "TEXT2FACE_PLUGINS"
GROUP: Final = "text2face"

_HOMES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "generator": {
            "stylegan2": "text2face.generators.stylegan2",
            "stylegan3": "text2face.generators.stylegan3",
            "function": "text2face.generators.function",
        },
        "encoder": {
            "clip": "text2face.encoders.clip",
            "compact": "text2face.encoders.compact",
        },
        "inversion": {
            "compact": "text2face.inversion.encoder",
            "psp": "text2face.inversion.psp",
        },
        "sampler": {
            "cvae": "text2face.samplers.cvae",
            "flow": "text2face.samplers.flow",
            "clip2latent": "text2face.samplers.clip2latent",
            "fast-text2stylegan": "text2face.samplers.fast_text2stylegan",
        },
        "condition": dict.fromkeys(
            ("text", "shift", "noise", "neighbours", "project", "draw", "pull"),
            "text2face.samplers.conditions",
        ),
        "objective": dict.fromkeys(
            ("bound", "outline", "images", "flow"), "text2face.training.objectives"
        ),
        "preset": dict.fromkeys(
            (
                "compact",
                "flow",
                "diffusion",
                "cvae",
                "cvae-w+",
                "cvae-double-w",
                "cvae-latent",
            ),
            "text2face.training.config",
        ),
        "converter": {
            "nvidia": "text2face.checkpoints.nvidia",
            "tensorflow": "text2face.checkpoints.tensorflow",
            "rosinality": "text2face.checkpoints.rosinality",
        },
        "edit": {
            "posterior": "text2face.editing.posterior",
            "direction": "text2face.editing.directions",
            "channels": "text2face.editing.channels",
            "optimise": "text2face.editing.optimise",
        },
        "metric": dict.fromkeys(
            ("words", "distances", "diversity", "editing", "time"),
            "text2face.evaluation.evaluate",
        ),
    }
)
"""The modules that register what comes with the package: imported when a name is asked for."""

KINDS: Final = tuple(_HOMES)
SAVED: Final = ("generator", "encoder", "inversion", "sampler")
"""The kinds that make up a saved model."""

_found: Final[dict[str, dict[str, Any]]] = {kind: {} for kind in KINDS}
_plugins: Final[dict[str, ModuleType]] = {}
_searched = False

T = TypeVar("T")


def register(kind: str, name: str) -> Callable[[T], T]:
    """A decorator that makes a class, function or value known.

    The name of a component is its class's `kind`, the "type" in its `config.json`.

    Args:
        kind: One of `KINDS`.
        name: What it is called by.

    Raises:
        ArgumentError: There is no such kind, or another thing has this name.
    """
    _check_kind(kind)

    def decorate(thing: T) -> T:
        known = _found[kind].get(name)
        if known is not None and _identity(known) != _identity(thing):
            raise ArgumentError(
                f"there is a {kind} {name!r} already, {known!r}; expected another name"
            )
        home = _HOMES[kind].get(name)
        if home is not None and getattr(thing, "__module__", home) != home:
            raise ArgumentError(f"the {kind} {name!r} comes with text2face; expected another name")
        if isinstance(thing, type) and kind in SAVED:
            if vars(thing).get("kind", name) != name:
                own = vars(thing)["kind"]
                raise ArgumentError(
                    f"{thing.__name__}.kind is {own!r}, expected {name!r}, the name that it is "
                    "registered by; leave it out"
                )
            thing.kind = name  # type: ignore[attr-defined]
        _found[kind][name] = thing
        return thing

    return decorate


def unregister(kind: str, name: str) -> None:
    """Forget what was registered, as a test should; unknown names are passed over."""
    _check_kind(kind)
    _found[kind].pop(name, None)


def find(kind: str, name: str) -> Any:
    """What is registered under a name.

    Raises:
        ArgumentError: Nothing is, or a plugin cannot be imported.
    """
    _check_kind(kind)
    if name not in _found[kind] and name in _HOMES[kind]:
        import_module(_HOMES[kind][name])
    if name not in _found[kind]:
        _search()
    if name not in _found[kind]:
        raise ArgumentError(
            f"{kind} is {name!r}, expected one of {', '.join(names(kind))}, or the name of a "
            f"plugin's; is the plugin imported (--plugin, {ENVIRONMENT})?"
        )
    return _found[kind][name]


def names(kind: str) -> tuple[str, ...]:
    """All names of a kind: first those of text2face, then those of plugins.

    Raises:
        ArgumentError: There is no such kind, or a plugin cannot be imported.
    """
    _check_kind(kind)
    _search()
    return tuple(dict.fromkeys([*_HOMES[kind], *_found[kind]]))


def load_plugin(name: str) -> ModuleType:
    """Import a plugin.

    Args:
        name: A module, such as "my_package.samplers", or the path of a file, such as "my.py".

    Raises:
        ArgumentError: There is none, or it cannot be imported.
    """
    if name in _plugins:
        return _plugins[name]
    try:
        module = _import_file(Path(name)) if name.endswith(".py") else import_module(name)
    except (ImportError, OSError, SyntaxError, ValueError, TypeError) as error:
        raise ArgumentError(
            f"cannot import the plugin {name!r}: {' '.join(str(error).split())}; expected a module "
            "that Python finds, or the path of a .py file"
        ) from None
    _plugins[name] = _plugins[module.__name__] = module
    return module


def loaded_plugin(module: str) -> ModuleType | None:
    """A plugin by its module's name; None if it was not imported as one."""
    _search()
    return _plugins.get(module)


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or path.stem in sys.modules:
        raise ImportError(f"a module {path.stem} is imported already, or the name is none")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def _search() -> None:
    """Import the plugins of the environment and of installed packages, once."""
    global _searched
    if _searched:
        return
    _searched = True
    from importlib import metadata  # costs as much as all of this module

    for name in filter(None, map(str.strip, os.environ.get(ENVIRONMENT, "").split(","))):
        load_plugin(name)
    for entry in metadata.entry_points(group=GROUP):
        load_plugin(entry.value.partition(":")[0])


def _identity(thing: Any) -> Any:
    """What stays the same when a module is imported anew."""
    names = (getattr(thing, "__module__", None), getattr(thing, "__qualname__", None))
    return names if all(names) else thing


def _check_kind(kind: str) -> None:
    if kind not in _HOMES:
        raise ArgumentError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}")
