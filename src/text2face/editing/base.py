"""The protocol of edit methods, and how they are found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from text2face.errors import ArgumentError
from text2face.registry import find, names

if TYPE_CHECKING:
    from text2face.model import FaceModel

__all__ = ["EditMethod", "EditRequest", "check_method"]


@dataclass(frozen=True)
class EditRequest:
    """A face, and the words that describe how to change it."""

    latent: Tensor
    """w [1, num_ws, w_dim], float32."""
    seen: Tensor
    """The embedding of its image [1, D], L2-normalised."""
    wanted: Tensor
    """The embedding of the words [1, D], L2-normalised."""
    source: Tensor | None
    """The embedding of the words that describe what is to change [1, D]; None if none were said."""


class EditMethod(Protocol):
    """A way to edit."""

    def __call__(self, pipe: FaceModel, request: EditRequest, **settings: Any) -> Tensor:
        """The change of w at strength 1: [1, num_ws, w_dim].

        Raises:
            ArgumentError: The pipeline lacks what this way needs, or a setting is unknown.
        """
        ...


def check_method(name: str) -> Callable[..., Tensor]:
    """The way to edit of that name.

    Raises:
        ArgumentError: There is none.
    """
    known = names("edit")
    if name not in known:
        raise ArgumentError(f"method is {name!r}, expected one of {', '.join(known)}")
    method: Callable[..., Tensor] = find("edit", name)
    return method
