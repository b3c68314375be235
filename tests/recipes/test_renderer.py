from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from recipes.faces import assets, palette
from recipes.faces.arrays import Floats, smoothstep
from recipes.faces.camera import Crop, Pose
from recipes.faces.features import FEATURES
from recipes.faces.fitting import rotation
from recipes.faces.identity import identity
from recipes.faces.lighting import key_direction, set_up, shadow_transform
from recipes.faces.morphs import _ages, _weights
from recipes.faces.raster import FAR, hair_depth, opaque_depth, visible_triangles
from recipes.faces.renderer import Renderer
from recipes.faces.shapes import FRAMES, glasses, sphere, tube

_PACK = assets.default_cache() / f"pack-{assets.VERSION}.npz"
needs_assets = pytest.mark.skipif(
    not _PACK.exists(), reason="no asset pack; `python -m recipes.faces` makes one"
)


def _floats(values: object) -> Floats:
    return np.array(values, np.float32)


SQUARE = np.array([[1, 1, 5], [6, 1, 5], [6, 6, 5], [1, 6, 5]], np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_the_nearer_triangle_is_visible() -> None:
    screen = np.concatenate([SQUARE, SQUARE - _floats([0, 0, 2])])
    depth = np.full((8, 8), FAR, np.float32)
    triangle = np.full((8, 8), -1, np.int32)
    weights = np.zeros((8, 8, 2), np.float32)
    visible_triangles(screen, np.concatenate([FACES, FACES + 4]), depth, triangle, weights)
    assert (triangle >= 0).sum() == 36
    assert set(triangle[triangle >= 0].tolist()) == {2, 3}
    np.testing.assert_allclose(depth[1:7, 1:7], 3)


def test_opaque_depth_agrees_with_the_z_buffer() -> None:
    depth = np.full((8, 8), FAR, np.float32)
    opaque_depth(SQUARE, FACES, depth)
    assert (depth == 5).sum() == 36


def test_hair_is_solid_only_where_its_texture_is_and_where_it_is_not_cut() -> None:
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    texture = np.zeros((512, 512, 4), np.uint8)
    texture[:, 256:, 3] = 255
    depth = np.full((8, 8), FAR, np.float32)
    hair_depth(SQUARE, FACES, uv, np.full(4, -1, np.float32), texture, depth)
    assert 12 <= (depth == 5).sum() <= 24
    cut = np.full((8, 8), FAR, np.float32)
    hair_depth(SQUARE, FACES, uv, np.full(4, 1, np.float32), texture, cut)
    assert (cut == 5).sum() == 0


def test_triangles_off_screen_are_harmless() -> None:
    depth = np.full((8, 8), FAR, np.float32)
    for shift in ([100, 0, 0], [-100, 0, 0], [0, 100, 0], [0, -100, 0]):
        opaque_depth(SQUARE + _floats(shift), FACES, depth)
    assert (depth == np.float32(FAR)).all()


@pytest.mark.parametrize("shape", FRAMES)
def test_glasses_are_symmetric(shape: str) -> None:
    left, right = _floats([0.32, 7.35, 1.26]), _floats([-0.32, 7.35, 1.26])
    parts, lenses = glasses(left, right, shape, 0.02, 0.8)
    assert len(parts) == 5
    for vertices, faces in parts + lenses:
        assert np.isfinite(vertices).all()
        assert faces.max() == len(vertices) - 1
    np.testing.assert_allclose(lenses[0][0][:, 0].max(), -lenses[1][0][:, 0].min(), rtol=1e-5)


def test_tubes_and_spheres_have_their_radius() -> None:
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1)
    vertices, _ = tube(ring, 0.1)
    assert np.linalg.norm(vertices, axis=1).max() == pytest.approx(1.1, abs=0.01)
    ball, _ = sphere(np.zeros(3, np.float32), 2.0)
    np.testing.assert_allclose(np.linalg.norm(ball, axis=1), 2, rtol=1e-5)


def test_rotations_are_rotations() -> None:
    matrix = rotation(0.3, -0.2, 0.1)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(matrix) == pytest.approx(1, abs=1e-6)


def test_the_crop_puts_eyes_level_and_in_place() -> None:
    eyes = _floats([[0.32, 7.40, 1.26], [-0.32, 7.30, 1.26]])  # a tilted head
    mouth = _floats([[0.27, 6.74, 1.3], [-0.15, 6.66, 1.3]])
    crop = Crop.around(eyes, mouth, 256)
    left, right = crop.screen(eyes)[:, :2]
    assert left[1] == pytest.approx(right[1], abs=8)
    assert (left[0] + right[0]) / 2 == pytest.approx(127.5, abs=10)
    assert 90 < left[1] < 140


def test_a_pose_turns_the_head_more_than_the_chest() -> None:
    points = _floats([[0, 7.4, 1.3], [0, 5.0, 1.3]])
    pose = Pose(rotation(0.5, 0, 0), rotation(0.175, 0, 0))
    turned, _ = pose.apply(points, points * 0)
    assert turned[0, 0] > turned[1, 0] > 0


def test_lights_are_unit_vectors_and_the_shadow_is_seen_from_there() -> None:
    for index in range(40):
        lights = set_up(identity(index))
        for direction in (lights.key_direction, lights.fill_direction, lights.rim_direction):
            assert np.linalg.norm(direction) == pytest.approx(1, abs=1e-5)
        transform = shadow_transform(key_direction(identity(index)))
        nearer = transform[2, :3] @ lights.key_direction
        assert nearer == pytest.approx(-1, abs=1e-5)


def test_age_shares_sum_to_one_and_features_pick_a_side() -> None:
    for index in range(40):
        face = identity(index)
        assert sum(_ages(face).values()) == pytest.approx(1)
        weights = _weights(face)
        # children and the old go beyond the bodies of their age, away from the young one
        beyond = face.age in ("child", "old")
        away = {name for name in weights if beyond and f"-{face.gender}-young" in name}
        assert all((weight < 0) == (name in away) for name, weight in weights.items())
        assert not {"chin-width-incr", "chin-width-decr"} <= set(weights)
    symmetric = next(feature for feature in FEATURES if feature.symmetric)
    assert symmetric.targets(1.0) == ["l-eye-scale-incr", "r-eye-scale-incr"]


def test_colours_are_linear_light() -> None:
    np.testing.assert_allclose(palette.linear("000000"), 0)
    np.testing.assert_allclose(palette.linear("ffffff"), 1)
    np.testing.assert_allclose(palette.linear("808080"), 0.2158, atol=1e-3)


def test_smoothstep_rises_and_falls() -> None:
    x = _floats([0, 0.5, 1])
    np.testing.assert_allclose(smoothstep(0, 1, x), [0, 0.5, 1])
    np.testing.assert_allclose(smoothstep(1, 0, x), [1, 0.5, 0])


@cache
def _renderer() -> Renderer:
    return Renderer()


@needs_assets
def test_a_face_is_the_same_every_time() -> None:
    first = _renderer().render(identity(0))
    assert first.shape == (128, 128, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, Renderer().render(identity(0)))


@needs_assets
def test_faces_are_lit_and_their_wall_has_its_colour() -> None:
    for index in range(3):
        image = _renderer().render(identity(index), 64)
        assert image.std() > 20
        assert 30 < image[24:44, 24:44].mean() < 240


@needs_assets
def test_small_things_are_measured_where_they_show() -> None:
    face = replace(
        next(f for f in map(identity, range(100)) if f.hair == "bald" and f.hat == "none"),
        earrings="hoop",
        glasses="none",
        expression="neutral",
    )
    _, seen = _renderer().render_seen(face, 64)
    assert 0.0003 < seen.earrings < 0.02
    assert 0.001 < seen.eyes < 0.03
    assert 0 < seen.clothes < 0.3
    _, bare = _renderer().render_seen(replace(face, earrings="none", expression="closed eyes"), 64)
    assert bare.earrings == 0
    assert bare.eyes < 0.0012


@needs_assets
def test_a_picture_must_have_a_size() -> None:
    with pytest.raises(ValueError, match="size is 4, expected at least 16"):
        _renderer().render(identity(0), 4)
