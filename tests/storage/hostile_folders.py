"""Loads folders whose configuration is not that of their weights, under limits; run as a script.

Prints one JSON object a case: its label, what came of it, and the seconds of processor time.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import torch._dynamo  # noqa: F401 (imported by sums on the meta device; not what is measured)

from text2face import registry
from text2face.errors import Text2FaceError
from text2face.loading import BUNDLED, load_component

MEMORY: Final = 1 << 30
"""Bytes of address space that all cases together may take beyond the imports."""

VALUES: Final = (
    *(0, -1, 10**5, 10**7, 10**10, 10**19, 10**300, 2**60),
    *(1.5, 1e300, float("nan"), float("inf"), True, None, "x", "5", "\x1b[2J\n" * 1000),
    *([], ["a"], [10**9] * 6, [1] * 10**5, [[[[1]]]], {"a": 1}, {"a": {"b": {}}}),
)
"""Given to every field of every configuration."""


def cases(folder: Path) -> Iterator[tuple[str, Callable[[], object], bool]]:
    """Label, what is tried, and whether it has to fail."""
    for kind in ("generator", "encoder", "sampler", "inversion"):
        if not (BUNDLED / kind).is_dir():
            continue
        config = json.loads((BUNDLED / kind / "config.json").read_text())
        target = folder / kind
        target.mkdir()
        (target / "model.safetensors").symlink_to(BUNDLED / kind / "model.safetensors")
        name, load = target / "config.json", lambda k=kind, t=target: load_component(k, t)

        def write(content: str, name: Path = name) -> None:
            name.write_text(content)

        write(json.dumps(config))
        yield f"{kind} as it is", load, False
        for text in ("[" * 10**5, '{"a":' * 10**5, '{"a":' * 5000 + "1" + "}" * 5000, "9" * 5000):
            write(text)
            yield f"{kind}: {text[:20]}… of {len(text)}", load, True
        write(json.dumps(config | {"type": "x" * 5_000_000}))
        yield f"{kind}: a type of 5 MB", load, True
        for other in registry.names(kind):
            if other != config["type"]:
                write(json.dumps({"type": other}))
                yield f"{kind} as {other}", load, True
        for field, value in config.items():
            for given in VALUES:
                if given == value and type(given) is type(value):
                    continue
                write(json.dumps(config | {field: given}))
                yield f"{kind}: {field} = {given!r:.40}", load, False
        write(json.dumps(config | {"\x1b[2J\nfield": 1}))
        yield f"{kind}: a field with escapes", load, True


def attempt(label: str, load: Callable[[], object], must_fail: bool) -> dict[str, Any]:
    """What came of a case."""
    try:
        load()
        said, came = "", "WRONG: loaded" if must_fail else "loaded"
    except Text2FaceError as error:
        said, came = str(error), "refused"
        if not said.isprintable() or len(said) > 2000:
            came = "WRONG: more than a line"
    except BaseException as error:  # whatever else a user would see as a traceback
        said, came = str(error)[:300], f"WRONG: {type(error).__name__}"
    return {"label": label, "came": came, "said": said}


if __name__ == "__main__":
    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for _ in cases(Path(sys.argv[1])):
        break  # the imports
    (Path(sys.argv[1]) / "generator").rename(Path(sys.argv[1]) / "warm")
    load_component("generator", Path(sys.argv[1]) / "warm")
    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (own + MEMORY,) * 2)
    for case in cases(Path(sys.argv[1])):
        print(json.dumps(attempt(*case)), flush=True)
