"""Pairs (w, e) → trained sampler.

```python
from text2face.training import make_bank, preset, read_pairs, train

sampler = train(preset("flow", minutes=5), generator, encoder, pairs)
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from text2face.training.bank import make_bank
    from text2face.training.config import PRESETS, TrainingConfig, preset
    from text2face.training.loop import Progress, train
    from text2face.training.pairs import Pairs, make_pairs, read_pairs, write_pairs

_LAZY = {
    "PRESETS": "config",
    "Pairs": "pairs",
    "Progress": "loop",
    "TrainingConfig": "config",
    "make_bank": "bank",
    "make_pairs": "pairs",
    "preset": "config",
    "read_pairs": "pairs",
    "train": "loop",
    "write_pairs": "pairs",
}

__all__ = [
    "PRESETS",
    "Pairs",
    "Progress",
    "TrainingConfig",
    "make_bank",
    "make_pairs",
    "preset",
    "read_pairs",
    "train",
    "write_pairs",
]


def __getattr__(name: str) -> object:
    """Bring in torch only with the names that need it (PEP 562)."""
    if name in _LAZY:
        return getattr(import_module(f"text2face.training.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
