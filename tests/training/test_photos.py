from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny import TinyEncoder
from text2face.errors import ArgumentError, CheckpointError
from text2face.training.pairs import read_pairs
from text2face.training.photos import find_photos, load_photo, write_photo_pairs


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos of several sizes, modes and formats, in folders within folders."""
    folder = tmp_path / "photos"
    random = np.random.RandomState(0)
    for i, (size, mode, suffix) in enumerate(
        [
            ((40, 40), "RGB", "png"),
            ((64, 48), "RGB", "jpg"),
            ((30, 90), "L", "png"),
            ((50, 50), "RGBA", "png"),
            ((33, 47), "P", "png"),
        ]
    ):
        path = folder / f"{i % 2}" / f"photo{i}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.randint(0, 255, (size[1], size[0], 3)).astype(np.uint8)
        Image.fromarray(pixels).convert(mode).save(path)
    (folder / "notes.txt").write_text("not a photo")
    return folder


def test_photos_of_any_size_become_targets(photos: Path, tmp_path: Path) -> None:
    encoder = TinyEncoder()
    assert write_photo_pairs(encoder, photos, tmp_path / "pairs", size=32, batch_size=2) == []
    pairs = read_pairs(tmp_path / "pairs")
    assert pairs.latents is None
    assert pairs.images is not None
    assert pairs.images.shape == (5, 3, 32, 32)
    assert torch.equal(pairs.images[0], load_photo(photos / "0" / "photo0.png", 32))
    seen = encoder.encode_image(pairs.images.float() / 127.5 - 1)
    cosine = torch.nn.functional.cosine_similarity(seen, pairs.embeddings.float())
    assert cosine.min() > 0.999
    with pytest.raises(CheckpointError, match="another size"):
        write_photo_pairs(encoder, photos, tmp_path / "pairs", size=64, batch_size=2)


def test_an_inverter_gives_them_latents(photos: Path, tmp_path: Path) -> None:
    write_photo_pairs(
        TinyEncoder(), photos, tmp_path / "pairs", inverter=lambda x: x.mean(dim=(2, 3))[:, None]
    )
    pairs = read_pairs(tmp_path / "pairs")
    assert pairs.latents is not None
    assert pairs.latents.shape == (5, 1, 3)


def test_unreadable_photos_are_skipped_and_named(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.png").write_bytes(b"not an image")
    whole = (photos / "0" / "photo0.png").read_bytes()
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArgumentError, match=r"2 of 7 photos .* expected at most 1: broken.png"):
        write_photo_pairs(TinyEncoder(), photos, tmp_path / "pairs", max_skipped=1)
    skipped = write_photo_pairs(TinyEncoder(), photos, tmp_path / "pairs", size=32)
    assert [line.split()[0] for line in skipped] == ["broken.png", "cut.png"]
    assert json.loads((tmp_path / "pairs" / "skipped.json").read_text()) == skipped
    assert len(read_pairs(tmp_path / "pairs")) == 5


def test_no_photos_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no folder"):
        find_photos(tmp_path / "none")
    with pytest.raises(ArgumentError, match="no photo in"):
        find_photos(tmp_path)
