from __future__ import annotations

import pytest
import torch

from text2face.precision import autocast, computes_in_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize("instructions", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_a_processor_with_instructions_for_it_computes_in_bfloat16(
    monkeypatch: pytest.MonkeyPatch, instructions: str
) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name == instructions)
    assert computes_in_bfloat16(CPU)
    x = torch.ones(2, 2)
    with autocast(CPU):
        assert (x @ x).dtype == torch.bfloat16
    with autocast(CPU, wanted=False):
        assert (x @ x).dtype == torch.float32


def test_a_processor_without_them_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert not computes_in_bfloat16(CPU)
    x = torch.ones(2, 2)
    with autocast(CPU):
        assert (x @ x).dtype == torch.float32
