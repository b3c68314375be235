from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from text2face.errors import ArgumentError
from text2face.evaluation.reference import ReferenceImages


def test_pictures_from_files_and_from_an_array_are_the_same(tmp_path: Path) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    (tmp_path / "files" / "deep").mkdir(parents=True)
    (tmp_path / "array").mkdir()
    np.save(tmp_path / "array" / "images.npy", pixels)
    for i, name in enumerate(("a.png", "b.PNG", "deep/c.png")):
        Image.fromarray(pixels[i]).save(tmp_path / "files" / name)
    for size in (16, 8):
        array = ReferenceImages.read(tmp_path / "array", size)
        files = ReferenceImages.read(tmp_path / "files", size)
        assert len(array) == len(files) == 3
        seen = [torch.cat(list(r.images([2, 0, 1], batch_size=2))) for r in (array, files)]
        assert torch.equal(*seen)
        assert seen[0].shape == (3, 3, size, size)
    exact = next(ReferenceImages.read(tmp_path / "array", 16).images([1]))
    assert np.array_equal(((exact[0] + 1) * 127.5).round().permute(1, 2, 0).numpy(), pixels[1])


def test_other_shapes_are_cropped_to_a_square(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 20), "red")
    picture.paste("blue", (10, 0, 30, 20))
    for name in ("a.jpg", "b.png"):
        picture.save(tmp_path / name)
    images = next(ReferenceImages.read(tmp_path, 8).images([1]))
    assert images[:, 0].max() < -0.8


def test_bad_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="0 pictures"):
        ReferenceImages.read(tmp_path, 8)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(ArgumentError, match=r"a\.png is no picture"):
        next(ReferenceImages.read(tmp_path, 8).images([0]))
    np.save(tmp_path / "images.npy", np.zeros((2, 3)))
    with pytest.raises(ArgumentError, match="expected uint8"):
        ReferenceImages.read(tmp_path, 8)


@pytest.mark.parametrize("damage", ["cut off", "changed"])
def test_damaged_pixels_are_skipped_and_told(tmp_path: Path, damage: str) -> None:
    noise = np.random.RandomState(0).randint(0, 256, (4, 64, 64, 3)).astype(np.uint8)
    for i, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    content = (tmp_path / "1.png").read_bytes()
    half = len(content) // 2
    rest = b"" if damage == "cut off" else bytes(100) + content[half + 100 :]
    (tmp_path / "1.png").write_bytes(content[:half] + rest)
    said: list[str] = []
    reference = ReferenceImages.read(tmp_path, 8, said.append)
    seen = torch.cat(list(reference.images(range(4), batch_size=1)))
    assert len(seen) == 3
    assert said == [f"{tmp_path / '1.png'}: its pixels are damaged or cut off"]
    for i in (0, 2):
        (tmp_path / f"{i}.png").write_bytes(content[:half])
    with pytest.raises(ArgumentError, match="1 of 4 pictures can be read; expected at least two"):
        list(reference.images(range(4)))
