"""The settings of a TensorFlow network are honoured or refused, every one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from text2face.checkpoints.tensorflow import find_tensorflow, load_tensorflow
from text2face.errors import CheckpointError
from text2face.foreign.files import read_checkpoint

FILE = Path(__file__).parents[1] / "fixtures" / "checkpoints" / "stylegan2-tensorflow-32.pkl"


def load(place: str, **settings: Any) -> Any:
    network = find_tensorflow(read_checkpoint(FILE))
    assert network is not None
    part = network.fields["components"][place] if place else network
    part.fields["static_kwargs"].update(settings)
    return load_tensorflow(network, str(FILE), FILE.stat().st_size)


@pytest.mark.parametrize("place", ["", "mapping", "synthesis"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("normalize_latents", False),
        ("normalize_latents", 1),
        ("nonlinearity", "relu"),
        ("mapping_nonlinearity", "linear"),
        ("resample_kernel", [1, 2, 1]),
        ("resample_kernel", None),
        ("use_noise", False),
        ("resolution_w", 64),
        ("resolution_h", 16),
        ("fused_scale", True),
        ("style_strength_map", "x"),
        ("mapping_lrmul_", 1.0),
        ("\x1b[2J", [[1]]),
    ],
)
def test_what_our_network_does_not_do_is_refused(place: str, name: str, value: object) -> None:
    with pytest.raises(CheckpointError, match="unsupported network") as caught:
        load(place, **{name: value})
    assert name in str(caught.value) or name == "\x1b[2J"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["mapping_lrmul", "architecture", "conv_clamp", "mapping_layers"])
def test_a_part_has_the_settings_of_the_whole(name: str) -> None:
    other = {"mapping_lrmul": 0.5, "architecture": "resnet", "conv_clamp": 1.0, "mapping_layers": 9}
    with pytest.raises(CheckpointError, match=f"{name} is "):
        load("mapping", **{name: other[name]})


@pytest.mark.parametrize(
    "settings",
    [
        {"resolution_w": 32, "resolution_h": 32},
        {"normalize_latents": True, "nonlinearity": "lrelu", "resample_kernel": (1, 3, 3, 1)},
        {"truncation_psi": 0.5, "truncation_cutoff": 4, "randomize_noise": False},
        {"fused_modconv": False, "num_fp16_res": 4, "dtype": "float32", "structure": "auto"},
        {"use_noise": True, "dlatent_avg_beta": 0.995, "style_mixing_prob": None},
    ],
)
def test_what_changes_nothing_is_taken(settings: dict[str, Any]) -> None:
    assert load("synthesis", **settings).config == load("").config
