from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from text2face.errors import ArgumentError, CheckpointError
from text2face.inversion.align import LandmarkDetector, align_photo
from text2face.inversion.landmarks import YuNet

POINTS = [[110.0, 130.0], [180.0, 132.0], [145.0, 170.0], [118.0, 205.0], [172.0, 207.0]]


class Network:
    """Finds, in pictures of a given width, what it was told to; keeps what it was shown."""

    def __init__(self, width: int) -> None:
        self.width, self.shown = width, list[NDArray[np.uint8]]()

    def setInputSize(self, size: tuple[int, int]) -> None:
        self.size = size

    def detect(self, image: NDArray[np.uint8]) -> tuple[int, NDArray[np.float32] | None]:
        assert image.shape == (self.size[1], self.size[0], 3)
        self.shown.append(image)
        if self.size[0] != self.width:
            return 1, None
        row = [90, 90, 120, 150, *np.ravel(POINTS), 0.9]
        return 1, np.array([row], np.float32)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Network]:
    def made(width: int) -> Network:
        stub = Network(width)
        monkeypatch.setattr(cv2, "FaceDetectorYN", SimpleNamespace(create=lambda *_: stub))
        return stub

    return made


def test_landmarks_are_those_of_the_picture_as_it_was(
    network: Callable[[int], Network], tmp_path: Path
) -> None:
    stub = network(640)
    detector: LandmarkDetector = YuNet(tmp_path / "any.onnx")
    (points,) = detector(Image.new("RGB", (1280, 960), (255, 0, 0)))
    torch.testing.assert_close(points, 2 * torch.tensor(POINTS))
    assert stub.shown[0][0, 0].tolist() == [0, 0, 255]  # OpenCV reads blue first
    found = align_photo(Image.new("RGB", (1280, 960)), detector, 64)
    assert found.picture.size == (64, 64)


def test_a_face_that_fills_the_picture_is_found_in_a_smaller_one(
    network: Callable[[int], Network], tmp_path: Path
) -> None:
    stub = network(320)
    (points,) = YuNet(tmp_path / "any.onnx")(Image.new("L", (640, 640)))
    torch.testing.assert_close(points, 2 * torch.tensor(POINTS))
    assert [image.shape[1] for image in stub.shown] == [640, 320]


def test_a_small_picture_is_not_enlarged(network: Callable[[int], Network], tmp_path: Path) -> None:
    stub = network(1)
    assert YuNet(tmp_path / "any.onnx")(Image.new("RGB", (200, 100))) == []
    assert [image.shape[:2] for image in stub.shown] == [(100, 200)] * 2


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXT2FACE_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="text2face models download yunet"):
        YuNet()
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no network")
    with pytest.raises(CheckpointError, match="not a network that OpenCV reads"):
        YuNet(damaged)
    with pytest.raises(ArgumentError, match="confidence is 2"):
        YuNet(damaged, confidence=2)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ArgumentError, match=r"text2face\[align\]"):
        YuNet(damaged)
