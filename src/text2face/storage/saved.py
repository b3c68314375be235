"""The base of networks that are saved as a config and safetensors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, Self

from torch import nn

from text2face.errors import CheckpointError, quoted
from text2face.storage.folders import (
    CONFIG_NAME,
    make_config,
    read_config,
    write_folder,
)
from text2face.storage.networks import load_network, saved_state

__all__ = ["SavedModule", "saved_state"]


class SavedModule(nn.Module):
    """A network with `config.json` and `model.safetensors`."""

    kind: ClassVar[str]
    """The "type" in `config.json`."""
    config_class: ClassVar[Any]
    """The dataclass of its configuration, which is all that its constructor takes."""
    stored_half: ClassVar[bool] = True
    """Whether it is saved_state as fp16."""
    config: Any

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load a network in evaluation mode, without gradients.

        Raises:
            CheckpointError: The folder is missing or damaged, or holds another kind of network.
        """
        folder = Path(folder)
        content = read_config(folder)
        if content["type"] != cls.kind:
            raise CheckpointError(
                f"wrong type in {folder}: got {quoted(content['type'])}, expected {cls.kind!r}; "
                "choose another folder"
            )
        config = make_config(cls.config_class, content, folder / CONFIG_NAME)
        return load_network(lambda: cls(config), folder)

    def save_pretrained(self, folder: str | Path, *, half: bool | None = None) -> None:
        """Write `config.json` and `model.safetensors`.

        Args:
            folder: Made if it is missing.
            half: Whether to store numbers as fp16, half the size, or exactly as they are; None =
                as the class does.

        Raises:
            OutputError: The folder cannot be written.
        """
        config = {"type": self.kind, **dataclasses.asdict(self.config)}
        write_folder(
            Path(folder), config, saved_state(self), half=self.stored_half if half is None else half
        )
