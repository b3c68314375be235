"""Everything that text2face raises on purpose, as one tree.

    Text2FaceError
    ├── PromptError       a prompt that cannot be read, or that says nothing the encoder knows
    ├── ArgumentError     a setting out of range or of the wrong type (a ValueError too)
    ├── InversionError    a picture that cannot become a latent: no face, no encoder, too small
    ├── CheckpointError   weights that are missing, damaged, of another shape, or out of reach
    ├── TrainingError     a training that cannot go on: its numbers are no longer finite
    └── OutputError       a result that cannot be written: folder, existing file, full disk

Each message is one line that says what is wrong, what was got, what was expected and what to do.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "CheckpointError",
    "InversionError",
    "OutputError",
    "PromptError",
    "Text2FaceError",
    "TrainingError",
]


class Text2FaceError(Exception):
    """The root of the tree: catch this to catch them all."""


class PromptError(Text2FaceError):
    """A prompt that cannot be read, or in which the encoder knows no word."""


class ArgumentError(Text2FaceError, ValueError):
    """A setting out of range or of the wrong type."""


class InversionError(Text2FaceError):
    """A picture that cannot become a latent: no face in it, too small, or nothing to encode it."""


class CheckpointError(Text2FaceError):
    """Weights or their configuration: missing, damaged, of another shape, or out of reach."""


class TrainingError(Text2FaceError):
    """A training that cannot go on: its numbers are no longer finite."""


class OutputError(Text2FaceError):
    """A result that cannot be written."""
