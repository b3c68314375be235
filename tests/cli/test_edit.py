from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.provenance.test_pixels import carried
from text2face import TextToFace

Run = Callable[..., int]


def pixels_of(picture: Path | Image.Image) -> NDArray[np.int64]:
    if isinstance(picture, Path):
        with Image.open(picture) as opened:
            return pixels_of(opened)
    return np.asarray(picture.convert("RGB")).astype(np.int64)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, bundled: TextToFace) -> list[Path]:
    from text2face import provenance

    folder = tmp_path_factory.mktemp("faces")
    paths = []
    for face in bundled.draw(["a young woman"], [1, 2], bundled.settings()):
        paths.append(folder / f"seed{face.seed}.png")
        provenance.write(
            paths[-1], face.image, provenance.make_record(bundled, bundled.settings(), face)
        )
    return paths


def test_the_largest_face_of_a_photo_is_aligned(
    run: Run, drawn: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    face = torch.tensor([[50.0, 55.0], [78.0, 55.0], [64.0, 72.0], [53.0, 88.0], [75.0, 88.0]])
    photo = tmp_path / "photo.png"
    picture = Image.new("RGB", (300, 200))
    with Image.open(drawn[0]) as image:
        picture.paste(image, (100, 40))
    picture.save(photo)
    place = torch.tensor([100.0, 40.0])
    monkeypatch.setattr(
        "text2face.inversion.landmarks.YuNet", lambda: lambda _: [face / 2, face + place]
    )
    assert run("encode", photo, "--align", "-o", tmp_path / "face.png") == 0
    assert "2 faces in the picture" in capsys.readouterr().err
    aligned, plain = tmp_path / "face.png", tmp_path / "plain.png"
    assert run("encode", photo, "-o", plain) == 1
    assert "300×200, an aligned face is square" in capsys.readouterr().err
    picture.crop((50, 0, 250, 200)).save(photo)  # square, and not aligned
    assert run("encode", photo, "-o", plain) == 0
    assert "is little like it" in capsys.readouterr().err
    with Image.open(aligned) as one, Image.open(plain) as other:
        assert one.tobytes() != other.tobytes()


def test_faces_are_edited_on_the_command_line(
    run: Run, drawn: list[Path], tmp_path: Path, bundled: TextToFace
) -> None:
    out = tmp_path / "edited.png"
    assert run("edit", drawn[0], "with glasses", "smiling", "-o", out, "--device", "cpu") == 0
    with Image.open(out) as image:
        facts = json.loads(image.info["text2face"])
        assert [step.get("prompt") for step in facts["edited"]] == [None, "with glasses", "smiling"]
        latent = bundled.encode(image)
        side = bundled.generator.img_resolution
        assert bundled.decode(latent).shape == (1, 3, side, side)
    assert run("edit", drawn[0], "old", "-o", out) == 1  # it would be overwritten
    assert run("info", out) == 0
    assert run("info", out, "--json") == 0

    code = tmp_path / "w.safetensors"
    assert run("encode", out, "-o", code, "-q") == 0
    assert torch.equal(load_file(code)["w"], latent)
    assert run("edit", code, "old", "-o", tmp_path / "again.png", "-q") == 0


def test_an_edit_that_the_model_does_not_allow_is_replaced_and_said(
    run: Run, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = tmp_path / "w.safetensors"
    save_file({"w": torch.zeros(1, 4, 12)}, code)
    command = ("edit", code, "old", "--model", model, "--json", "-o")
    assert run(*command, tmp_path / "a.png") == 0
    out, err = capsys.readouterr()
    assert err == "text2face: this model's sampler has no posterior: edited by --method optimise\n"
    assert json.loads(out)["steps"][1]["method"] == "optimise"
    assert run(*command, tmp_path / "b.png", "--method", "posterior") == 2
    assert "no posterior" in capsys.readouterr().err


def test_rows_and_moving_pictures_are_written(run: Run, drawn: list[Path], tmp_path: Path) -> None:
    assert run("mix", *drawn, "-o", tmp_path / "mix.png", "--layers", "0-3") == 0
    assert run("interpolate", *drawn, "-o", tmp_path / "move.gif", "--steps", 3) == 0
    with Image.open(tmp_path / "move.gif") as image:
        assert image.n_frames == 4  # type: ignore[attr-defined]
    assert run("sweep", drawn[0], "smiling", "-o", tmp_path / "row.png", "--steps", 3) == 0
    two = ("--and", "with glasses", "--steps", 2)
    assert run("sweep", drawn[0], "smiling", "-o", tmp_path / "grid.png", *two) == 0
    with Image.open(tmp_path / "row.png") as image:
        assert image.width > 3 * 128


@pytest.mark.parametrize("format", ["png", "jpg", "webp"])
def test_a_face_that_another_program_changed_is_taken_as_it_is(
    run: Run,
    bundled: TextToFace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    format: str,
) -> None:
    from text2face import provenance

    (face,) = bundled.draw(["a woman with red hair"], [3], bundled.settings())
    whole, changed, out = tmp_path / f"face.{format}", tmp_path / "changed", tmp_path / "out.png"
    provenance.write(whole, face.image, provenance.make_record(bundled, bundled.settings(), face))
    mirrored = face.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    changed.write_bytes(carried(whole.read_bytes(), mirrored))
    options = ("a woman", "--strength", 0, "-o", out, "--overwrite")
    assert run("edit", whole, *options) == 0
    assert capsys.readouterr().err == ""
    assert np.array_equal(pixels_of(out), pixels_of(face.image))
    assert run("edit", changed, *options) == 0
    assert "is not what its record draws" in capsys.readouterr().err
    back = pixels_of(out)
    assert abs(back - pixels_of(mirrored)).mean() < abs(back - pixels_of(face.image)).mean()
    # An edited picture keeps its latent, and is not believed either when it was changed.
    assert run("edit", whole, "old", "-o", out, "--overwrite") == 0
    edited = out.read_bytes()
    with Image.open(out) as image:
        changed.write_bytes(carried(edited, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    capsys.readouterr()
    assert run("encode", changed, "-o", tmp_path / "w.npz") == 0
    assert "is not what its record draws" in capsys.readouterr().err


def test_what_is_no_face_is_told_or_refused(
    run: Run, drawn: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "no.png", ("-o", tmp_path / "out.png", "--overwrite")
    random = np.random.RandomState(0)
    told = {
        "noise": Image.fromarray(random.randint(0, 256, (128, 128, 3), np.uint8)),
        "one colour": Image.new("RGB", (200, 200), "skyblue"),
        "checks": Image.fromarray(np.uint8(np.indices((128, 128)).sum(axis=0) // 16 % 2 * 255)),
        "a gradient": Image.linear_gradient("L"),
    }  # fmt: skip
    for name, picture in told.items():
        picture.save(path)
        assert run("edit", path, "old", *out) == 0, name
        assert "is little like it" in capsys.readouterr().err, name
    for size in ((512, 128), (1, 1), (1, 4000), (31, 31), (128, 150), (4000, 40)):
        Image.new("RGB", size).save(path)
        others = (("encode", path), ("sweep", path, "old")) if size == (512, 128) else ()
        for command in (("edit", path, "old"), *others):
            assert run(*command, *out) == 1, size
            said = capsys.readouterr().err
            assert f"no.png is {size[0]}×{size[1]}" in said
            assert said.count("\n") == 1
    with Image.open(drawn[0]) as image:
        image.convert("RGB").resize((140, 132)).save(path, quality=60)
    assert run("edit", path, "old", *out) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_what_moves_passes_its_own_check(
    run: Run, drawn: list[Path], tmp_path: Path, suffix: str
) -> None:
    sweep, move = tmp_path / f"s.{suffix}", tmp_path / f"m.{suffix}"
    assert run("sweep", drawn[0], "smiling", "-o", sweep, "--steps", 3) == 0
    assert run("interpolate", *drawn, "-o", move, "--steps", 3) == 0
    assert run("info", sweep) == run("info", move) == 0


def test_bad_requests_end_in_one_line(
    run: Run, drawn: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    out = ("-o", tmp_path / "out.png")
    for arguments, code in (
        (("edit", broken, "old", *out), 2),
        (("edit", tmp_path / "missing.png", "old", *out), 2),
        (("edit", drawn[0], "old", "-o", tmp_path / "out.jpg"), 2),
        (("edit", drawn[0], "old", "--strength", "9", *out), 2),
        (("sweep", drawn[0], "old", "-o", tmp_path / "out.mp4"), 2),
        (("encode", drawn[0], "-o", tmp_path / "w.txt"), 2),
        (("mix", *drawn, "--layers", "99", *out), 2),
    ):
        assert run(*arguments) == code
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("mode", ["none", "random"])
def test_strength_0_is_the_original_whatever_its_noise(
    run: Callable[..., int], tmp_path: Path, mode: str
) -> None:
    assert run("generate", "an old man", "--seed", 5, "--noise-mode", mode, "-o", tmp_path) == 0
    start = tmp_path / "seed0005.png"
    for step in ("a.png", "b.png"):  # the second from the first
        arguments = ["edit", start, "smiling", "--strength", 0, "-o", tmp_path / step]
        assert run(*arguments) == 0
        with Image.open(tmp_path / step) as made, Image.open(tmp_path / "seed0005.png") as drawn:
            assert made.tobytes() == drawn.tobytes()
        start = tmp_path / step


@pytest.mark.parametrize("count", [0, 2, -1])
def test_a_file_of_no_single_latent_is_refused(
    run: Callable[..., int], model: Path, tmp_path: Path, count: int
) -> None:
    pipe = TextToFace.from_pretrained(model)
    latent = np.zeros((abs(count), pipe.generator.num_ws, pipe.generator.w_dim), np.float32)
    np.savez(tmp_path / "w.npz", w=np.full_like(latent, np.nan) if count < 0 else latent)
    command = ["edit", tmp_path / "w.npz", "smiling", "-o", tmp_path / "x.png", "--model", model]
    assert run(*command) == 2
    assert not (tmp_path / "x.png").exists()
