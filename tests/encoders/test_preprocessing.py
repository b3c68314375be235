from __future__ import annotations

from typing import Any

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from text2face.encoders.preprocessing import Preprocessing
from text2face.errors import ArgumentError, CheckpointError
from text2face.pipeline import to_pil

CLIP: dict[str, Any] = {
    "size": {"shortest_edge": 48},
    "do_center_crop": True,
    "crop_size": {"height": 48, "width": 48},
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
SIGLIP: dict[str, Any] = {
    "size": {"height": 48, "width": 48},
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


def pictures(height: int, width: int, smooth: bool) -> torch.Tensor:
    """8-bit pictures as tensors: noise, the worst case, or something like a photograph."""
    random = np.random.RandomState(height + width)
    small = random.randint(0, 256, (5, 4, 3) if smooth else (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    return pixels.float() / 127.5 - 1


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("size", [(48, 48), (128, 128), (200, 67), (67, 200), (40, 90), (20, 20)])
@pytest.mark.parametrize("config", [CLIP, SIGLIP])
def test_it_does_what_the_processor_of_transformers_does(
    config: dict[str, Any], size: tuple[int, int], smooth: bool
) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    images = pictures(*size, smooth)
    processor = (CLIPImageProcessorPil if config is CLIP else SiglipImageProcessorPil)(**config)
    # The cheaper side comes first, as in Pillow 13; before, it was always the width.
    turned = size == (200, 67) and int(PIL.__version__.split(".")[0]) < 13 and config is CLIP
    seen = images.transpose(2, 3) if turned else images
    expected = torch.from_numpy(
        np.stack(processor(to_pil(seen), return_tensors="np")["pixel_values"])
    )
    expected = expected.transpose(2, 3) if turned else expected
    got = Preprocessing.from_json(config, "test")(images)
    assert got.shape == expected.shape
    difference = (got - expected).abs() * torch.tensor(config["image_std"])[:, None, None] * 255
    if size == (48, 48):
        assert difference.max() < 1e-3
    # In steps of an 8-bit pixel: the processor rounds after each of two passes.
    assert difference.max() <= 1.1
    assert difference.mean() <= 0.35


@pytest.mark.parametrize("config", [CLIP, SIGLIP])
def test_it_is_differentiable(config: dict[str, Any]) -> None:
    images = (torch.rand(2, 3, 64, 70) - 0.5).requires_grad_()
    Preprocessing.from_json(config, "test")(images).square().sum().backward()
    assert images.grad is not None
    assert (images.grad != 0).float().mean() > 0.5


def test_what_changes_nothing_is_taken() -> None:
    plain = Preprocessing.from_json(CLIP, "test")
    for extra in ({"do_pad": False}, {"do_pad": None}, {"do_convert_rgb": True}, {"unknown": 1}):
        assert Preprocessing.from_json({**CLIP, **extra}, "test") == plain


def test_old_configurations_hold_numbers() -> None:
    old = {**CLIP, "size": 48, "crop_size": 48, "resample": 3, "do_resize": True}
    assert Preprocessing.from_json(old, "test") == Preprocessing.from_json(CLIP, "test")


@pytest.mark.parametrize("config", [CLIP, SIGLIP])
def test_it_survives_json(config: dict[str, Any]) -> None:
    made = Preprocessing.from_json(config, "test")
    assert Preprocessing.from_json(made.to_json(), "test") == made


@pytest.mark.parametrize(
    "changes",
    [
        {"size": "big"},
        {"size": {"longest_edge": 3}},
        {"size": 0},
        {"size": 1 << 30},
        {"crop_size": 64},
        {"resample": 1},
        {"do_rescale": False},
        {"rescale_factor": 1.0},
        {"image_mean": [0.5]},
        {"image_std": [0.5, 0.5]},
        {"image_std": [0.0, 0.5, 0.5]},
        {"image_std": None},
        {"do_pad": True},
        {"do_thumbnail": True},
        {"do_flip_channel_order": True},
        {"do_color_quantize": True},
        {"do_align_long_axis": "yes"},
        {"do_\x1b[2J": [1]},
    ],
)
def test_what_it_cannot_do_is_refused(changes: dict[str, Any]) -> None:
    if changes == {"image_mean": [0.5]}:
        assert Preprocessing.from_json({**CLIP, **changes}, "test").mean == (0.5, 0.5, 0.5)
        return
    with pytest.raises(CheckpointError, match="cannot use test: "):
        Preprocessing.from_json({**CLIP, **changes}, "test")


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (1, 3, 0, 64)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"expected \[N, 3, H, W\]"):
        Preprocessing.from_json(CLIP, "test")(torch.zeros(shape))
