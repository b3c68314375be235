from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from text2face.errors import ArgumentError, InversionError
from text2face.inversion.align import align, align_photo, align_picture, parse_points, square

FACE = torch.tensor([[80.0, 100.0], [120.0, 100.0], [100.0, 120.0], [85.0, 145.0], [115.0, 145.0]])


def reference_square(points: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The published script, written again with numpy for five points."""
    p = points.numpy().astype(float)
    eye_avg, eye_to_eye = (p[0] + p[1]) * 0.5, p[1] - p[0]
    eye_to_mouth = (p[3] + p[4]) * 0.5 - eye_avg
    x = eye_to_eye - np.flipud(eye_to_mouth) * [-1, 1]
    x /= np.hypot(*x)
    x *= max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    return eye_avg + eye_to_mouth * 0.1, x, np.flipud(x) * [-1, 1]


def turned(points: Tensor, degrees: float) -> Tensor:
    a = math.radians(degrees)
    matrix = torch.tensor([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
    return (points - 100) @ matrix + 100


@pytest.mark.parametrize("degrees", [0.0, 25.0, -70.0])
def test_the_square_is_that_of_ffhq(degrees: float) -> None:
    points = turned(FACE, degrees)
    for got, expected in zip(square(points), reference_square(points), strict=True):
        assert got.numpy() == pytest.approx(expected, abs=1e-3)


def test_68_points_say_the_same_as_5() -> None:
    many = torch.zeros(68, 2)
    many[36:42], many[42:48] = FACE[0], FACE[1]
    many[48], many[54] = FACE[3], FACE[4]
    for one, other in zip(square(many), square(FACE), strict=True):
        assert torch.allclose(one, other)


def test_an_aligned_face_stands_upright_wherever_it_was() -> None:
    """A dot at each landmark comes out at the same place for every rotation."""
    for degrees in (0.0, 40.0):
        points = turned(FACE, degrees)
        y, x = torch.meshgrid(torch.arange(200.0), torch.arange(200.0), indexing="ij")
        dots = sum(torch.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in points[:2])
        out = align(torch.as_tensor(dots)[None, None].repeat(1, 3, 1, 1), points, 64)[0, 0]
        left, right = out[:, :32], out[:, 32:]
        rows = [int(half.max(dim=1).values.argmax()) for half in (left, right)]
        columns = [int(half.max(dim=0).values.argmax()) for half in (left, right)]
        assert rows == [pytest.approx(rows[0], abs=1)] * 2
        assert columns[0] + columns[1] + 32 == pytest.approx(63, abs=1)
        assert rows[0] == pytest.approx(30, abs=1)


def test_gradients_reach_image_and_landmarks() -> None:
    image = torch.rand(1, 3, 200, 200, requires_grad=True)
    points = FACE.clone().requires_grad_()
    align(image, points, 32).square().mean().backward()
    for tensor in (image, points):
        assert tensor.grad is not None
        assert float(tensor.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ((FACE - 100) * 0.1 + 100, "pixels wide"),
        (FACE + 500, "outside the picture"),
        (FACE * torch.tensor([0.1, 1.0]) + torch.tensor([90.0, 0.0]), "profile"),
    ],
)
def test_faces_that_cannot_be_aligned_are_named(points: Tensor, message: str) -> None:
    with pytest.raises(InversionError, match=message):
        align(torch.zeros(1, 3, 200, 200), points, 32)


def test_the_largest_face_is_taken_with_a_note() -> None:
    photo = Image.new("RGB", (200, 200), "white")
    small = (FACE - 100) * 0.5 + 60
    found = align_photo(photo, lambda picture: [small, FACE], 32)
    assert torch.equal(found.points, FACE)
    assert "2 faces" in found.note
    assert found.picture.size == (32, 32)
    assert not align_photo(photo, lambda picture: [FACE], 32).note
    with pytest.raises(InversionError, match="no face"):
        align_photo(photo, lambda picture: [], 32)


def test_points_are_read_from_text() -> None:
    assert torch.equal(parse_points("80,100 120,100 100,120 85,145 115,145"), FACE)
    assert align_picture(Image.new("RGB", (200, 200)), FACE, 16).size == (16, 16)
    for text in ("", "1,2", "a,b c,d", "1,2,3 " * 5):
        with pytest.raises(ArgumentError, match="--points"):
            parse_points(text)
    with pytest.raises(ArgumentError, match="landmarks"):
        square(torch.full((5, 2), math.nan))
