"""Words to faces, fast and steerable.

```python
from text2face import TextToFace

pipe = TextToFace.from_pretrained()
out = pipe("an old man with a white beard and round glasses", num_images=4, seed=7)
out.images[0].save("face.png")
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from text2face.errors import (
    ArgumentError,
    CheckpointError,
    InversionError,
    OutputError,
    PromptError,
    Text2FaceError,
    TrainingError,
)
from text2face.threads import share_cores

if TYPE_CHECKING:
    from text2face.checkpoints import load_generator, load_sampler
    from text2face.loading import load_encoder
    from text2face.output import Output
    from text2face.pipeline import TextToFace

    __version__: str

__all__ = [
    "ArgumentError",
    "CheckpointError",
    "InversionError",
    "Output",
    "OutputError",
    "PromptError",
    "Text2FaceError",
    "TextToFace",
    "TrainingError",
    "__version__",
    "load_encoder",
    "load_generator",
    "load_sampler",
]

share_cores()  # before anything imports torch

_LAZY = {
    "Output": "text2face.output",
    "TextToFace": "text2face.pipeline",
    "load_encoder": "text2face.loading",
    "load_generator": "text2face.checkpoints",
    "load_sampler": "text2face.checkpoints",
}


def __getattr__(name: str) -> object:
    """Bring in torch only with the names that need it (PEP 562)."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name == "__version__":
        from importlib import metadata  # costs a third of the time that the import may take

        return metadata.version("text2face")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
