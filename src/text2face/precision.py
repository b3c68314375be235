"""Which number type is fast where."""

from __future__ import annotations

import torch

__all__ = ["autocast", "computes_in_bfloat16"]


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16.

    A processor without them takes about ten times as long as in float32 (docs/decisions.md).
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return True


def autocast(device: torch.device | str, wanted: bool = True) -> torch.autocast:
    """Compute in bfloat16 if `wanted`, where that is fast, and in float32 elsewhere."""
    device = torch.device(device)
    enabled = wanted and computes_in_bfloat16(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
