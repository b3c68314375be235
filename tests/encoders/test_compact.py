from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from text2face.encoders.base import TextImageEncoder
from text2face.encoders.compact import CompactConfig, CompactEncoder
from text2face.errors import ArgumentError, CheckpointError

TINY = CompactConfig(
    words=("a", "man", "with", "glasses", "and", "beard"),
    aliases={"specs": "glasses"},
    embedding_dim=8,
    text_width=16,
    text_layers=2,
    text_heads=2,
    context=6,
    image_size=32,
    image_widths=(4, 8),
)


@pytest.fixture
def encoder() -> CompactEncoder:
    torch.manual_seed(0)
    return CompactEncoder(TINY).eval()


def test_it_keeps_the_protocol(encoder: CompactEncoder) -> None:
    assert isinstance(encoder, TextImageEncoder)


def test_embeddings_are_unit_vectors(encoder: CompactEncoder) -> None:
    texts = encoder.encode_text(["a man", "glasses and a beard", ""])
    images = encoder.encode_image(torch.rand(2, 3, 32, 32) * 2 - 1)
    assert texts.shape == (3, 8)
    assert images.shape == (2, 8)
    torch.testing.assert_close(texts.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(images.norm(dim=1), torch.ones(2))


def test_no_text_is_no_embedding(encoder: CompactEncoder) -> None:
    assert encoder.encode_text([]).shape == (0, 8)


def test_a_text_has_the_same_embedding_in_any_company(encoder: CompactEncoder) -> None:
    alone = encoder.encode_text(["a man"])
    together = encoder.encode_text(["a man", "a man with glasses and beard"])[:1]
    torch.testing.assert_close(alone, together)


def test_word_order_matters(encoder: CompactEncoder) -> None:
    one, two = encoder.encode_text(["beard and glasses", "glasses and beard"])
    assert not torch.allclose(one, two)


def test_words_beyond_the_context_are_left_out(encoder: CompactEncoder) -> None:
    long = "a man with glasses and a " + "beard " * 50
    assert encoder.tokenize([long]).shape == (1, TINY.context)
    torch.testing.assert_close(*encoder.encode_text([long, "a man with glasses and a"]))


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (17, 40), (128, 128)])
def test_any_picture_size(encoder: CompactEncoder, size: tuple[int, int]) -> None:
    assert encoder.encode_image(torch.zeros(1, 3, *size)).shape == (1, 8)


def test_a_smooth_picture_looks_alike_at_any_size(encoder: CompactEncoder) -> None:
    small = torch.rand(1, 3, 4, 4) * 2 - 1
    sizes = [F.interpolate(small, (n, n), mode="bilinear") for n in (32, 96)]
    one, two = (encoder.encode_image(image) for image in sizes)
    assert F.cosine_similarity(one, two).item() > 0.99


def test_pictures_can_be_improved_by_gradient(encoder: CompactEncoder) -> None:
    image = (torch.rand(1, 3, 48, 48) - 0.5).requires_grad_()
    encoder.encode_image(image)[0, 0].backward()  # type: ignore[no-untyped-call]
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32)])
def test_other_shapes_are_refused(encoder: CompactEncoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"expected \[N, 3, H, W\]"):
        encoder.encode_image(torch.zeros(shape))


def test_one_text_is_no_list_of_texts(encoder: CompactEncoder) -> None:
    with pytest.raises(ArgumentError, match="expected a list of texts"):
        encoder.encode_text("a man")


def test_unknown_words(encoder: CompactEncoder) -> None:
    assert encoder.unknown_words("A zebra with specs") == ["zebra"]


def test_saved_and_loaded(encoder: CompactEncoder, tmp_path: Path) -> None:
    encoder.save_pretrained(tmp_path)
    again = CompactEncoder.from_pretrained(tmp_path)
    assert again.config == TINY
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(
        again.encode_image(images), encoder.encode_image(images), atol=5e-3, rtol=0
    )
    torch.testing.assert_close(
        again.encode_text(["a beard"]), encoder.encode_text(["a beard"]), atol=5e-3, rtol=0
    )


def test_a_foreign_configuration_is_refused(encoder: CompactEncoder, tmp_path: Path) -> None:
    encoder.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "type": "other"}))
    with pytest.raises(CheckpointError, match="expected 'compact'"):
        CompactEncoder.from_pretrained(tmp_path)


def test_weights_of_another_shape_are_refused(encoder: CompactEncoder, tmp_path: Path) -> None:
    encoder.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "embedding_dim": 12}))
    with pytest.raises(CheckpointError):
        CompactEncoder.from_pretrained(tmp_path)


def test_the_default_fits_in_twenty_megabytes() -> None:
    encoder = CompactEncoder(CompactConfig(words=tuple(f"w{i}" for i in range(1500))))
    assert sum(p.numel() for p in encoder.parameters()) * 2 <= 20e6
