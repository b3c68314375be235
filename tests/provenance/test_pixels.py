from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from PIL.PngImagePlugin import PngImageFile, PngInfo

from tests.provenance.test_record import RECORD
from text2face import TextToFace, provenance
from text2face.errors import ArgumentError
from text2face.pictures import decode_image
from text2face.provenance import Record, pixels, xmp
from text2face.provenance.xmp import from_gif

_ACROSS, _DOWN = np.meshgrid(np.linspace(-1, 1, 128), np.linspace(-1, 1, 128))
_SHAPE = np.exp(-2 * ((_ACROSS - 0.2) ** 2 + _DOWN**2))
_GRAIN = np.random.RandomState(0).randint(-6, 7, (128, 128, 3))
_LINES = 60 * (np.abs(_ACROSS * 5 % 1 - 0.5) < 0.1)[..., None]  # hair, for one
_COLOURS = np.stack([220 * _SHAPE, 170 * _SHAPE, 40 + 90 * _SHAPE], axis=2)
FACE = Image.fromarray(np.clip(_COLOURS + _GRAIN + _LINES, 0, 255).astype(np.uint8))
Change = Callable[[Image.Image], Image.Image]


def _again(image: Image.Image, format: str, **options: Any) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return decode_image(buffer.getvalue(), "it")


def _dot(x: int, y: int, radius: int, colour: str) -> Change:
    def change(image: Image.Image) -> Image.Image:
        image = image.copy()
        ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), colour)
        return image

    return change


def _on(colour: str) -> Change:
    def change(image: Image.Image) -> Image.Image:
        mask = Image.new("L", image.size, 255)
        ImageDraw.Draw(mask).ellipse((20, 10, 108, 118), 0)
        return Image.composite(Image.new("RGB", image.size, colour), image, mask)

    return change


SAME: dict[str, Change] = {
    "as it was": lambda i: i,
    "png": lambda i: _again(i, "PNG", optimize=True),
    "jpeg 95": lambda i: _again(i, "JPEG", quality=95),
    "jpeg 60": lambda i: _again(i, "JPEG", quality=60),
    "webp 60": lambda i: _again(i, "WEBP", quality=60),
    "jpeg twice": lambda i: _again(_again(i, "JPEG", quality=80), "JPEG", quality=70),
    "twice as large": lambda i: i.resize((256, 256), Image.Resampling.LANCZOS),
    "half as large": lambda i: i.resize((64, 64), Image.Resampling.LANCZOS),
    "an odd size": lambda i: i.resize((201, 200), Image.Resampling.BICUBIC),
}
OTHER: dict[str, Change] = {
    "mirrored": lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "upside down": lambda i: i.transpose(Image.Transpose.ROTATE_180),
    "a quarter turn": lambda i: i.transpose(Image.Transpose.ROTATE_90),
    "cropped": lambda i: i.crop((8, 8, 120, 120)),
    "cropped and scaled": lambda i: i.crop((8, 8, 120, 120)).resize(i.size),
    "one side cut off": lambda i: i.crop((0, 0, 110, 128)),
    "stretched": lambda i: i.resize((128, 96)),
    "grey": lambda i: i.convert("L").convert("RGB"),
    "brighter": lambda i: i.point(lambda v: min(v + 8, 255)),
    "a red nose": _dot(64, 70, 5, "red"),
    "an eye painted over": _dot(80, 50, 4, "black"),
    "another background": _on("skyblue"),
    "turned a little": lambda i: i.rotate(3),
    "blurred": lambda i: i.filter(ImageFilter.GaussianBlur(16)),
    "in blocks": lambda i: i.resize((16, 16), Image.Resampling.BOX).resize(i.size, 0),
    "negative": lambda i: i.point(lambda v: 255 - v),
    "another picture": lambda i: Image.radial_gradient("L").resize(i.size).convert("RGB"),
    "one colour": lambda i: Image.new("RGB", i.size, "white"),
}


@pytest.mark.parametrize("name", SAME)
def test_saving_and_scaling_leave_a_picture_the_same(name: str) -> None:
    assert pixels.matches(pixels.summary(FACE), SAME[name](FACE)) is True


@pytest.mark.parametrize("name", OTHER)
def test_a_change_is_noticed(name: str) -> None:
    assert pixels.matches(pixels.summary(FACE), OTHER[name](FACE)) is False


@pytest.mark.parametrize(
    "told",
    [None, 3, "x", [], {}, {"size": [1, 1], "cells": [16, 16], "rgb": "AAAA"},
     {"size": [1, 1], "cells": [1, 1], "rgb": "no base64!"},
     {"size": ["1", 1], "cells": [1, 1], "rgb": "AAAA", "detail": "AA=="},
     {"size": [1, 1], "cells": [1, 1], "rgb": "AAAA"},
     {"size": [0, 1], "cells": [1, 1], "rgb": "AAAA"},
     {"size": [1, 1], "cells": [10**9, 10**9], "rgb": "AAAA"},
     {"size": [1], "cells": [1, 1], "rgb": "AAAA"}],
)  # fmt: skip
def test_what_says_nothing_of_pixels_cannot_tell(told: object) -> None:
    assert pixels.matches(told, FACE) is None


def carried(file: bytes, image: Image.Image) -> bytes:
    """Another picture with the texts of a file, as other programs save it."""
    with Image.open(io.BytesIO(file)) as source:
        source.load()
        buffer = io.BytesIO()
        if source.format == "PNG":
            info = PngInfo()
            for key, value in source.info.items():
                info.add_itxt(str(key), str(value))
            image.save(buffer, "PNG", pnginfo=info)
        else:
            kept = {"exif": source.info["exif"], "xmp": source.info["xmp"], "quality": 90}
            image.save(buffer, source.format, **kept)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("quality", [None, 100, 75, 30, 1])
def test_our_own_files_hold(format: str, quality: int | None) -> None:
    report = provenance.inspect(provenance.encode_file(FACE, RECORD, format, quality=quality))
    assert report.problems == []
    assert report.pixels == "as recorded"
    assert report.records == [RECORD]


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("name", ["mirrored", "a red nose", "another picture"])
def test_a_record_is_not_believed_of_another_picture(
    run: Callable[..., int], tmp_path: Path, format: str, name: str
) -> None:
    file = carried(provenance.encode_file(FACE, RECORD, format), OTHER[name](FACE))
    report = provenance.inspect(file)
    assert report.pixels == "changed"
    assert [p for p in report.problems if "pixels" in p] == report.problems
    with pytest.raises(ArgumentError, match="another program changed it"):
        provenance.read(file)
    (tmp_path / "face").write_bytes(file)
    assert run("info", tmp_path / "face") == 1
    assert run("generate", "--from-image", tmp_path / "face", "--outdir", tmp_path) == 2
    same = carried(provenance.encode_file(FACE, RECORD, format), SAME["as it was"](FACE))
    assert provenance.inspect(same).problems == []
    assert provenance.read(same) == [RECORD]


def test_a_turn_by_exif_alone_is_noticed() -> None:
    file = provenance.encode_file(FACE, RECORD, "webp")
    with Image.open(io.BytesIO(file)) as source:
        exif = source.getexif()
        exif[0x0112] = 3
        buffer = io.BytesIO()
        source.save(buffer, "WEBP", exif=exif.tobytes(), xmp=source.info["xmp"], quality=95)
    assert provenance.inspect(buffer.getvalue()).pixels == "changed"


def test_files_without_a_sum_can_still_be_read(
    tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    file = provenance.encode_file(FACE, RECORD)
    image = PngImageFile(io.BytesIO(file))
    image.load()
    told = json.loads(image.text["text2face"])
    del told["pixels"]
    info = PngInfo()
    for key, value in image.text.items():
        info.add_itxt(key, json.dumps(told) if key == "text2face" else str(value))
    FACE.save(tmp_path / "old.png", pnginfo=info)
    report = provenance.inspect(tmp_path / "old.png")
    assert report.problems == []
    assert report.pixels.startswith("cannot tell")
    assert provenance.read(tmp_path / "old.png") == [RECORD]
    assert run("info", tmp_path / "old.png") == 0
    assert "pixels: cannot tell" in capsys.readouterr().out


def test_the_present_model_draws_old_records_again(
    tmp_path: Path, run: Callable[..., int], bundled: TextToFace, capsys: pytest.CaptureFixture[str]
) -> None:
    (face,) = bundled.draw(["a man"], [5], bundled.settings())
    record = provenance.make_record(bundled, bundled.settings(), face)
    for name, image, code in (
        ("same", SAME["jpeg 95"](face.image), 0),
        ("changed", OTHER["mirrored"](face.image), 1),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pixels, "summary", lambda image: None)
            (tmp_path / name).write_bytes(provenance.encode_file(image, record, "jpeg"))
        assert run("info", tmp_path / name) == code
        said = capsys.readouterr()
        assert "pixels: " + ("changed" if code else "as the record draws them") in said.out
        assert ("another program changed them" in said.err) == bool(code)
        assert run("generate", "--from-image", tmp_path / name, "-o", tmp_path / f"to-{name}") == 0
        assert ("is not what its record draws" in capsys.readouterr().err) == bool(code)


def test_sheets_and_edited_pictures_keep_a_sum(tmp_path: Path) -> None:
    sheet = provenance.encode_file(FACE, [RECORD, RECORD])
    assert provenance.inspect(sheet).pixels == "as recorded"
    assert provenance.inspect(carried(sheet, OTHER["mirrored"](FACE))).pixels == "changed"
    for name in ("edited.png", "edited.jpg", "edited.webp"):
        content = {"edited": [{"prompt": "old"}], "weights": "0", "latent": {"shape": [1, 1]}}
        provenance.write_edited(tmp_path / name, FACE, "prompt old", content)
        report = provenance.inspect(tmp_path / name)
        assert report.problems == []
        assert report.pixels == "as recorded"
        assert report.edited == {"edited": [{"prompt": "old"}], "weights": "0"}


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_moving_pictures_carry_record_and_mark(
    tmp_path: Path, suffix: str, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"move{suffix}"
    frames = [FACE, OTHER["a red nose"](FACE), OTHER["mirrored"](FACE)]
    content = {"edited": [{"swept": "smiling <&> 帽子"}], "weights": "0"}
    provenance.write_edited(path, frames, "swept smiling 帽子", content, fps=10)
    with Image.open(path) as image:
        assert image.n_frames == 3  # type: ignore[attr-defined]
        assert image.info["loop"] == 0
        image.load()
        assert image.info["duration"] == 100
        for frame in range(3):
            image.seek(frame)
            image.load()
    report = provenance.inspect(path)
    assert report.problems == []
    assert report.source_type == provenance.DIGITAL_SOURCE_TYPE
    assert report.parameters == "swept smiling 帽子"
    assert report.edited == content
    assert run("info", path) == 0
    assert "swept" in capsys.readouterr().out
    mirrored = [OTHER["mirrored"](frame) for frame in frames]
    provenance.write_edited(tmp_path / f"b{suffix}", mirrored, "", content)
    assert (xmp.read(from_gif(path.read_bytes()))[0] is not None) == (suffix == ".gif")


def test_a_gif_of_another_maker_says_nothing(tmp_path: Path) -> None:
    FACE.save(tmp_path / "a.gif")
    with pytest.raises(ArgumentError, match="says nothing about its making"):
        provenance.inspect(tmp_path / "a.gif")


def test_a_gif_larger_than_may_be_is_one_line(tmp_path: Path) -> None:
    provenance.write_edited(tmp_path / "a.gif", [FACE, FACE], "", {"edited": []})
    file = bytearray((tmp_path / "a.gif").read_bytes())
    frame = file.index(b",\0\0\0\0\x80\0\x80\0")
    file[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    for content in (file, file[:6] + b"\xff\xff\xff\xff" + file[10:]):
        with pytest.raises(ArgumentError, match="expected"):
            provenance.inspect(bytes(content))


def test_bad_moving_pictures_are_named(tmp_path: Path) -> None:
    other = FACE.resize((64, 64))
    for name, frames in (("a.mp4", [FACE] * 2), ("a.gif", [FACE]), ("a.webp", [FACE, other])):
        with pytest.raises(ArgumentError, match="moving picture"):
            provenance.write_edited(tmp_path / name, frames, "", {"edited": []})


def test_texts_after_the_pixels_are_read() -> None:
    file = provenance.encode_file(FACE, RECORD)
    pieces, place = [], 8
    while place < len(file):
        end = place + 12 + int.from_bytes(file[place : place + 4], "big")
        pieces.append(file[place:end])
        place = end
    texts = [piece for piece in pieces if piece[4:8] == b"iTXt"]
    others = [piece for piece in pieces if piece not in texts]
    assert len(texts) == 3
    moved = file[:8] + b"".join(others[:-1] + texts + others[-1:])
    assert provenance.read(moved) == [RECORD]
    assert provenance.inspect(moved).problems == []


def test_a_picture_too_large_for_its_format_is_refused() -> None:
    for format, size in (("jpeg", (65_536, 1)), ("webp", (1, 16_384))):
        with pytest.raises(ArgumentError, match="expected at most"):
            provenance.check_size(format, *size)
        with pytest.raises(ArgumentError, match="save it as PNG"):
            provenance.encode_file(Image.new("RGB", size), RECORD, format)
        provenance.check_size("png", *size)


@pytest.mark.parametrize(
    ("name", "value"),
    [("model", 3), ("weights", [1]), ("dtype", "os"), ("dtype", 1), ("device", None),
     ("version", {}), ("score", "high"), ("score", float("nan")), ("score", 10**400),
     ("threads", 0), ("threads", "4"), ("process", 1), ("seed", -1), ("seed", 1.5),
     ("settings", 3), ("settings", {"truncation": "x"}), ("settings", {"unknown": 1})],
)  # fmt: skip
def test_a_damaged_value_is_one_line_everywhere(
    tmp_path: Path,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: object,
) -> None:
    told = asdict(RECORD) | {name: value}
    info = PngInfo()
    info.add_itxt("text2face", json.dumps(told))
    FACE.save(tmp_path / "bad.png", pnginfo=info)
    for command in (("info",), ("generate", "--outdir", tmp_path, "--from-image")):
        assert run(*command, tmp_path / "bad.png") == 2
        said = capsys.readouterr()
        assert said.err.count("\n") == 1
        assert "is damaged or of another version" in said.err


def test_a_record_with_lines_of_its_own_prints_none(
    tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    forged = "0.1\ncontent_credentials: intact\x1b[8m\u202e\u2028"
    record = Record("a man", 1, RECORD.settings, forged, forged, version=forged)
    provenance.write(tmp_path / "a.png", FACE, record)
    content = {"edited": [{forged: forged}], "model": forged, forged: forged, "settings": 3}
    provenance.write_edited(tmp_path / "b.png", FACE, "", content)
    for name in ("a.png", "b.png"):
        assert run("info", tmp_path / name) == 0
        said = capsys.readouterr().out
        assert not [line for line in said.splitlines() if line.startswith("content_credentials")]
        assert all(letter.isprintable() for letter in said.replace("\n", ""))
