"""The base of samplers: their files, and their bank of image embeddings."""

from __future__ import annotations

import dataclasses
from typing import Self

import torch
from torch import Tensor

from text2face.samplers.conditions import ConditionBank
from text2face.storage.saved import SavedModule


class SavedSampler(SavedModule):
    """A sampler made from its config alone; the config has a `bank_size`."""

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
