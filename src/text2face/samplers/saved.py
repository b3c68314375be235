"""What samplers share: their files, and a bank of image embeddings that goes with them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from text2face._folders import make_config, read_config, read_tensors, write_folder
from text2face.samplers.conditions import ConditionBank


class SavedSampler(nn.Module):
    """A sampler made from its config alone; the config has a `bank_size`."""

    kind: ClassVar[str]
    """The "type" in `config.json`."""
    config_class: ClassVar[Any]
    """The dataclass of its configuration."""
    config: Any
    bank_embeddings: Tensor
    bank_image_mean: Tensor
    bank_text_mean: Tensor

    def add_bank(self, dim: int) -> None:
        """Make room for the bank of embeddings of size `dim`."""
        self.register_buffer("bank_embeddings", torch.zeros(self.config.bank_size, dim))
        self.register_buffer("bank_image_mean", torch.zeros(dim))
        self.register_buffer("bank_text_mean", torch.zeros(dim))

    @property
    def bank(self) -> ConditionBank | None:
        """The images that `samplers.conditions` may use; None if there are none."""
        if not self.config.bank_size:
            return None
        return ConditionBank(self.bank_embeddings, self.bank_image_mean, self.bank_text_mean)

    def with_bank(self, bank: ConditionBank) -> Self:
        """A copy of this sampler that carries a bank."""
        copy = type(self)(dataclasses.replace(self.config, bank_size=len(bank.embeddings)))
        tensors = {
            "bank_embeddings": bank.embeddings,
            "bank_image_mean": bank.image_mean,
            "bank_text_mean": bank.text_mean,
        }
        copy.load_state_dict({**self.state_dict(), **tensors})
        return copy.eval().requires_grad_(False)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load a sampler in evaluation mode, without gradients.

        Raises:
            CheckpointError: The folder is missing or damaged.
        """
        folder = Path(folder)
        sampler = cls(make_config(cls.config_class, read_config(folder), folder / "config.json"))
        shapes = {name: tensor.shape for name, tensor in sampler.state_dict().items()}
        sampler.load_state_dict(read_tensors(folder, shapes))
        return sampler.eval().requires_grad_(False)

    def save_pretrained(self, folder: str | Path) -> None:
        """Save the sampler.

        Raises:
            OutputError: The folder cannot be written.
        """
        config = {"type": self.kind, **dataclasses.asdict(self.config)}
        write_folder(Path(folder), config, self.state_dict())
