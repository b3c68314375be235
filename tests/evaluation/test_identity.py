from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from text2face.errors import ArgumentError, CheckpointError
from text2face.evaluation.identity import IdentityConfig, IdentityNetwork

TINY = IdentityConfig(
    resolution=40, window=(8, 4, 32), width=4, embedding_dim=6, held=("gender",), threshold=0.25
)


def test_a_saved_network_sees_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = IdentityNetwork(TINY).eval()
    network.load_state_dict({k: v.half().float() for k, v in network.state_dict().items()})
    network.save_pretrained(tmp_path)
    loaded = IdentityNetwork.from_pretrained(tmp_path)
    assert loaded.config == TINY
    images = torch.rand(3, 3, 48, 48) * 2 - 1
    seen = loaded.embed([images[:1], images[1:]])
    torch.testing.assert_close(seen, network.embed([images]))
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(3))


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="32 divides"):
        IdentityConfig(resolution=100)
    for window in ((0, 0, 40), (0, 40, 96), (-1, 0, 96)):
        with pytest.raises(ArgumentError, match="32 divides"):
            IdentityConfig(window=window)
    (tmp_path / "config.json").write_text(json.dumps({"type": "judge"}))
    with pytest.raises(CheckpointError, match="expected 'identity'"):
        IdentityNetwork.from_pretrained(tmp_path)
