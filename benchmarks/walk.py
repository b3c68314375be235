"""How far a prompt walks through the source, from the command to the generator.

    python -m benchmarks.walk

Runs `text2face generate "a man"` and follows every call of a function of the package until
`synthesize`. Imports and the loading of the model are counted apart. A change is a call into
another file than that of the call before.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import text2face
from text2face.cli import main as command

SOURCE = Path(text2face.__file__).parent
LOADING = ("<module>", "from_pretrained")
"""What loads: the body of a module, and the class method of a model."""


@dataclass
class Walk:
    """The calls of functions of the package, in order."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    """File, and qualified name."""

    @property
    def files(self) -> list[str]:
        """The files, in the order of their first call."""
        return list(dict.fromkeys(file for file, _ in self.calls))

    @property
    def changes(self) -> int:
        """How often a call is into another file than the one before."""
        files = [file for file, _ in self.calls]
        return sum(a != b for a, b in pairwise(files))

    def __str__(self) -> str:
        """The three numbers."""
        return f"{len(self.files)} files, {len(self.calls)} calls, {self.changes} changes of file"


def follow(arguments: Sequence[str]) -> tuple[Walk, Walk]:
    """Run a command line; the walk to the first image, and what loads before it."""
    drawing, loading = Walk(), Walk()
    stack: list[bool] = []
    done = False

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal done
        if event not in ("call", "return") or done:
            return
        code = frame.f_code
        path = Path(code.co_filename)
        if not path.is_relative_to(SOURCE):
            return
        if event == "return":
            if stack:
                stack.pop()
            return
        loads = (stack[-1] if stack else False) or code.co_name in LOADING
        stack.append(loads)
        walk = loading if loads else drawing
        walk.calls.append((path.relative_to(SOURCE).as_posix(), code.co_qualname))
        done = code.co_name == "synthesize"

    sys.setprofile(trace)
    try:
        command([str(argument) for argument in arguments])
    except SystemExit:
        pass
    finally:
        sys.setprofile(None)
    return drawing, loading


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        drawing, loading = follow(
            ["generate", "a man", "-n", "1", "--seed", "1", "-q", "-o", folder]
        )
    for file in drawing.files:
        names = [name for other, name in drawing.calls if other == file]
        print(f"{file:34} {len(names):4}  {', '.join(dict.fromkeys(names))}")
    print(f"drawing: {drawing}")
    print(f"loading: {loading}")


if __name__ == "__main__":
    main()
