from __future__ import annotations

import ast
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import text2face
from text2face.editing import files
from text2face.errors import ArgumentError
from text2face.evaluation.reference import ReferenceImages
from text2face.faces import to_pil, to_tensor
from text2face.pictures import decode_image, find_pictures, read_picture, to_rgb
from text2face.provenance import inspect
from text2face.training.photos import load_photo

SIDE = 32
Reader = Callable[[Path], NDArray[np.uint8]]


def _array(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(to_pil(to_tensor(picture))[0])


READERS: dict[str, Reader] = {
    "encode, edit, sweep, mix, interpolate": lambda p: _array(files.read_picture(p)),
    "server and page": lambda p: _array(decode_image(p.read_bytes(), "the image")),
    "pairs --photos, describe": lambda p: load_photo(p, SIDE).permute(1, 2, 0).numpy(),
    "evaluate --reference": lambda p: np.asarray(
        ((next(ReferenceImages([p], SIDE).images([0]))[0] + 1) * 127.5).round().permute(1, 2, 0)
    ).astype(np.uint8),
    "a picture that the user opened": lambda p: _array(Image.open(io.BytesIO(p.read_bytes()))),
}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: NDArray[np.uint8] | NDArray[np.uint16], colour: int, *chunks: bytes) -> bytes:
    """A PNG of values that Pillow itself does not write."""
    depth = 8 * pixels.itemsize
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], depth, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(f">u{pixels.itemsize}").tobytes() for row in pixels)
    packed = _chunk(b"IDAT", zlib.compress(rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + b"".join(chunks)
        + packed
        + _chunk(b"IEND", b"")
    )


_ACROSS, _DOWN = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
GREY = (_ACROSS * 4 + _DOWN * 3).astype(np.uint8)
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)
ALPHA = np.where(_ACROSS < 8, 0, 255).astype(np.uint8)
_SHARE = ALPHA[..., None] / 255.0
ON_WHITE = np.round(COLOUR * _SHARE + 255 * (1 - _SHARE)).astype(np.uint8)
GREY3 = np.stack([GREY] * 3, axis=2)
GREY_ON_WHITE = np.round(GREY3 * _SHARE + 255 * (1 - _SHARE)).astype(np.uint8)
BLACK_WHITE = np.where(GREY > 100, 255, 0).astype(np.uint8)
KEY = 111
_HAS_KEY = (GREY == KEY)[..., None]


def _save(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _turned(content: Image.Image, format: str, turn: int, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    return _save(content, format, exif=exif.tobytes(), **options)


def _palette(alpha: bool) -> bytes:
    picture = Image.fromarray((GREY // 2).astype(np.uint8), "L")
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    picture.putpalette([channel for i in range(128) for channel in (2 * i, 255 - 2 * i, i)])
    options = {"transparency": bytes([0] * 40 + [255] * 88)} if alpha else {}
    return _save(picture, "PNG", **options)


_RGB = Image.fromarray(COLOUR)
_RGBA = Image.fromarray(np.dstack([COLOUR, ALPHA]))
_PALETTE = np.stack([GREY // 2 * 2, 255 - GREY // 2 * 2, GREY // 2], axis=2).astype(np.uint8)
_NOISE = Image.fromarray(np.random.RandomState(0).randint(0, 256, (SIDE, SIDE, 3), np.uint8))
_WIDE = Image.fromarray(np.repeat(COLOUR, 2, axis=1)[:, : SIDE + 8])
_MOVING = [Image.fromarray(COLOUR), Image.new("RGB", (SIDE, SIDE), "red")]

# A name, a file, its right pixels, and by how much a pixel may be off (what a format loses).
CASES: dict[str, tuple[bytes, NDArray[np.uint8], int]] = {
    "png 1 bit": (
        _save(Image.fromarray(BLACK_WHITE).convert("1"), "PNG"),
        np.stack([BLACK_WHITE] * 3, axis=2),
        0,
    ),
    "png L": (_save(Image.fromarray(GREY), "PNG"), GREY3, 0),
    "png LA": (
        _save(Image.fromarray(np.dstack([GREY, ALPHA]), "LA"), "PNG"),
        GREY_ON_WHITE,
        0,
    ),
    "png P": (_palette(alpha=False), _PALETTE, 0),
    "png P with transparency": (
        _palette(alpha=True),
        np.where((GREY // 2 < 40)[..., None], 255, _PALETTE).astype(np.uint8),
        0,
    ),
    "png RGB": (_save(_RGB, "PNG"), COLOUR, 0),
    "png RGBA": (_save(_RGBA, "PNG"), ON_WHITE, 0),
    "png RGB of a transparent colour": (
        png(
            COLOUR.reshape(SIDE, -1),
            2,
            _chunk(b"tRNS", struct.pack(">3H", KEY, 255 - KEY, KEY // 2)),
        ).replace(struct.pack(">II", 3 * SIDE, SIDE), struct.pack(">II", SIDE, SIDE)),
        np.where(_HAS_KEY, 255, COLOUR).astype(np.uint8),
        0,
    ),
    "png 16 bits": (png(GREY.astype(np.uint16) * 257, 0), GREY3, 0),
    "png 16 bits, dark": (png(GREY.astype(np.uint16), 0), np.zeros_like(GREY3), 1),
    "png 16 bits of a transparent colour": (
        png(GREY.astype(np.uint16) * 257, 0, _chunk(b"tRNS", struct.pack(">H", KEY * 257))),
        np.where(_HAS_KEY, 255, GREY3).astype(np.uint8),
        0,
    ),
    "jpeg L": (_save(Image.fromarray(GREY), "JPEG", quality=95), GREY3, 12),
    "jpeg RGB": (_save(_RGB, "JPEG", quality=95, subsampling=0), COLOUR, 12),
    "jpeg CMYK": (
        _save(_RGB.convert("CMYK"), "JPEG", quality=95),
        np.asarray(_RGB.convert("CMYK").convert("RGB")),
        16,
    ),
    "webp": (_save(_RGB, "WEBP", lossless=True), COLOUR, 0),
    "webp with alpha": (_save(_RGBA, "WEBP", lossless=True, exact=True), ON_WHITE, 0),
    "webp, moving": (
        _save(_MOVING[0], "WEBP", lossless=True, save_all=True, append_images=_MOVING[1:]),
        COLOUR,
        0,
    ),
    "png, moving": (_save(_MOVING[0], "PNG", save_all=True, append_images=_MOVING[1:]), COLOUR, 0),
    "mpo": (
        _save(_MOVING[0], "MPO", save_all=True, append_images=_MOVING[1:], quality=95),
        COLOUR,
        16,
    ),
} | {
    f"{format}, turned {turn}": (
        _turned(_RGB, format, turn, **({"lossless": True} if format == "webp" else {})),
        turned,
        12 if format == "jpeg" else 0,
    )
    for format in ("png", "webp")
    for turn, turned in (
        (2, COLOUR[:, ::-1]),
        (3, COLOUR[::-1, ::-1]),
        (4, COLOUR[::-1]),
        (5, COLOUR.swapaxes(0, 1)),
        (6, np.rot90(COLOUR, -1)),
        (7, np.rot90(COLOUR, 2).swapaxes(0, 1)),
        (8, np.rot90(COLOUR)),
    )
} | {
    "jpeg, turned 6": (
        _turned(_RGB, "JPEG", 6, quality=95, subsampling=0), np.rot90(COLOUR, -1), 12
    ),
    "png 16 bits with colours": (
        png(COLOUR.astype(np.uint16).reshape(SIDE, -1) * 257, 2).replace(
            struct.pack(">II", 3 * SIDE, SIDE), struct.pack(">II", SIDE, SIDE)
        ),
        COLOUR,
        0,
    ),
}  # fmt: skip


def _fixed(content: bytes) -> bytes:
    """With the checksum of a header whose width was changed."""
    if content.startswith(b"\x89PNG"):
        return content[:29] + struct.pack(">I", zlib.crc32(content[12:29])) + content[33:]
    return content


@pytest.mark.parametrize("interface", READERS)
@pytest.mark.parametrize("case", CASES)
def test_every_mode_and_format_is_read_alike_everywhere(
    tmp_path: Path, case: str, interface: str
) -> None:
    content, right, loss = CASES[case]
    path = tmp_path / "picture.png"  # the name says nothing
    path.write_bytes(_fixed(content))
    if interface == "a picture that the user opened" and case.endswith("16 bits with colours"):
        loss = 1
    got = READERS[interface](path)
    assert got.shape == right.shape
    assert np.abs(got.astype(int) - right.astype(int)).max() <= loss


def test_modes_that_no_file_of_ours_has() -> None:
    for mode in ("YCbCr", "HSV", "RGBX", "RGBa", "La"):
        made = Image.fromarray(np.full((4, 4, 3), 100, np.uint8))
        through = made.convert({"RGBa": "RGBA", "La": "LA"}.get(mode, mode)).convert(mode)
        assert np.abs(np.asarray(to_rgb(through)).astype(int) - 100).max() <= 2
    for kind in ("<u2", ">u2"):
        deep = Image.fromarray(np.full((4, 4), 0x8080, kind))
        assert (np.asarray(to_rgb(deep)) == 128).all()
    clear = Image.fromarray(np.full((4, 4, 4), [9, 9, 9, 0], np.uint8)).convert("RGBa")
    assert (np.asarray(to_rgb(clear)) == 255).all()
    for dtype, mode in ((np.int32, "I"), (np.float32, "F")):
        with pytest.raises(ArgumentError, match=f"mode {mode}, 32 bits"):
            to_rgb(Image.fromarray(np.ones((4, 4), dtype)))


def test_a_picture_is_turned_once(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    packet = b'<x tiff:Orientation="6" about="text2face"/>'
    _WIDE.save(path, exif=Image.open(io.BytesIO(_turned(_WIDE, "JPEG", 6))).getexif(), xmp=packet)
    upright = read_picture(path)
    assert upright.size == (SIDE, SIDE + 8)
    assert to_rgb(to_rgb(upright)).size == upright.size
    assert 0x0112 not in upright.getexif() or upright.getexif()[0x0112] == 1


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_exif_that_cannot_be_read_turns_nothing(tmp_path: Path) -> None:
    for exif in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"):
        (tmp_path / "odd.jpg").write_bytes(_save(_WIDE, "JPEG", exif=exif))
        assert read_picture(tmp_path / "odd.jpg").size == _WIDE.size


def _bomb() -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", zlib.compress(b""))


def _text_bomb(count: int, size: int) -> bytes:
    text = _chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * size, 9))
    return png(GREY, 0, *[text] * count)


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no PNG, JPEG or WebP"),
    "text": (b"not a picture", "no PNG, JPEG or WebP"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "no PNG, JPEG or WebP"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG, JPEG or WebP"),
    "cut": (_save(_NOISE, "PNG")[:1500], "damaged"),
    "cut jpeg": (_save(_RGB, "JPEG")[:400], "damaged"),
    "cut webp": (_save(_RGB, "WEBP")[:100], "damaged"),
    "header alone": (b"\x89PNG\r\n\x1a\nxxxx", "damaged"),
    "bomb": (_bomb(), "60000×60000, expected at most"),
    "a text of 2 MB": (_text_bomb(1, 2**21), "damaged"),
    "texts of 70 MB": (_text_bomb(70, 2**20 - 10), "damaged"),
} | {
    format: (_save(_RGB.convert(mode), format), "no PNG, JPEG or WebP")
    for format, mode in (
        ("BMP", "RGB"), ("TIFF", "RGB"), ("GIF", "P"), ("PPM", "RGB"), ("TGA", "RGB"),
        ("ICO", "RGB"), ("DDS", "RGB"), ("SGI", "RGB"), ("PCX", "RGB"), ("JPEG2000", "RGB"),
        ("QOI", "RGB"), ("AVIF", "RGB"),
    )
    if Image.init() is None or format in Image.SAVE
}  # fmt: skip


@pytest.mark.parametrize("interface", [name for name in READERS if "opened" not in name])
@pytest.mark.parametrize("case", BAD)
def test_what_is_refused_is_refused_everywhere_in_one_line(
    tmp_path: Path, case: str, interface: str
) -> None:
    content, why = BAD[case]
    (tmp_path / "face.png").write_bytes(content)
    with pytest.raises(ArgumentError, match=why) as caught:
        READERS[interface](tmp_path / "face.png")
    assert "\n" not in str(caught.value)
    assert "expected" in str(caught.value)
    if case != "GIF":  # whose own may say how they were made
        with pytest.raises(ArgumentError):
            inspect(tmp_path / "face.png")


def test_too_little_memory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", full)
    with pytest.raises(ArgumentError, match="do not fit into the memory"):
        decode_image(_save(_RGB, "PNG"), "it")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_devices_are_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "link.png", "folder.png"):
        with pytest.raises(ArgumentError, match="a folder, a pipe or a device"):
            read_picture(tmp_path / name)
    with pytest.raises(ArgumentError, match="cannot read"):
        read_picture(tmp_path / "loop.png")
    for name in ("a.png", "b.jpg"):
        _RGB.save(tmp_path / name)
    (tmp_path / "c.tif").write_bytes(_save(_RGB, "TIFF"))
    found = [path.name for path in find_pictures(tmp_path)]
    assert found == ["a.png", "b.jpg", "c.tif", "link.png", "loop.png", "pipe.png"]
    reference = ReferenceImages.read(tmp_path, SIDE)
    assert len(reference) == 2
    assert [line.split()[0] for line in reference.skipped] == found[2:]


def test_no_other_module_opens_pictures() -> None:
    root = Path(text2face.__file__).parent
    guessing = {"open", "register_open", "preinit", "init", "frombytes_open"}
    found = []
    for path in root.rglob("*.py"):
        if path.name == "pictures.py" and path.parent == root:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            if called and node.value.id == "Image" and node.attr in guessing:  # type: ignore[attr-defined]
                found.append(f"{path.relative_to(root)}: Image.{node.attr}")  # type: ignore[attr-defined]
            names = node.names if isinstance(node, ast.ImportFrom | ast.Import) else []
            module = (getattr(node, "module", None) or "") if names else ""
            for name in names:
                if f"{module}.{name.name}".endswith(("PIL.ImageFile", "ImagePlugin", "ImageOps")):
                    found.append(f"{path.relative_to(root)}: {name.name}")
                if module == "PIL.Image" and name.name == "open":
                    found.append(f"{path.relative_to(root)}: open")
    assert found == ["training/photos.py: ImageOps"]  # fit, not exif_transpose
