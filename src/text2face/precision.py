"""Where bfloat16 is fast."""

from __future__ import annotations

import torch

from text2face.errors import ArgumentError

__all__ = ["autocast", "computes_in_bfloat16", "number_type"]


def number_type(name: str | None) -> torch.dtype:
    """The number type of a name such as "bfloat16"; None is float32.

    Raises:
        ArgumentError: There is no such type of floating point numbers.
    """
    found = getattr(torch, name or "float32", None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ArgumentError(f"dtype is {name!r}, expected float32, float16 or bfloat16")
    return found


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
