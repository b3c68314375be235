from __future__ import annotations

import json
import zlib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from text2face import provenance
from text2face.errors import ArgumentError, OutputError
from text2face.provenance import Record, xmp
from text2face.settings import Settings

PICTURE = Image.new("RGB", (8, 6), "teal")
RECORD = Record(
    prompt="a (red:1.3) hat, “naïve” 帽子\nnew line",
    seed=42,
    settings=Settings(truncation=0.8, truncation_cutoff=3, negative_prompt="a beard"),
    model="tiny",
    weights="0123456789abcdef",
    version="1.2.3",
    score=0.25,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    provenance.write(tmp_path / "face.png", PICTURE, RECORD)
    return tmp_path / "face.png"


def chunks(path: Path) -> dict[str, str]:
    with Image.open(path) as image:
        image.load()
        return {key: str(value) for key, value in image.info.items()}


def test_a_record_comes_back_and_the_picture_too(path: Path) -> None:
    assert provenance.read(path) == [RECORD]
    with Image.open(path) as image:
        assert image.tobytes() == PICTURE.tobytes()


@given(st.text(st.characters(exclude_categories=["Cs"])))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_prompt_comes_back(tmp_path: Path, prompt: str) -> None:
    record = Record(prompt, 0, Settings(), "m", None)
    provenance.write(tmp_path / "any.png", PICTURE, record)
    assert provenance.read(tmp_path / "any.png") == [record]


def test_other_tools_find_the_parameters(path: Path) -> None:
    *prompt, negative, facts = chunks(path)["parameters"].split("\n")
    assert "\n".join(prompt) == RECORD.prompt
    assert negative == "Negative prompt: a beard"
    assert facts == (
        "Steps: 1, Sampler: text, Seed: 42, Size: 8x6, Model hash: 0123456789abcdef, Model: tiny, "
        "Truncation: 0.8, Truncation cutoff: 3, Diversity: 1.0, Shortlist: 1, "
        "Noise mode: const, Version: text2face 1.2.3"
    )


def test_the_picture_says_that_it_was_generated(path: Path) -> None:
    packet = chunks(path)["XML:com.adobe.xmp"]
    (description,) = ElementTree.fromstring(packet).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    kind = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    assert description.attrib[kind] == provenance.DIGITAL_SOURCE_TYPE
    assert provenance.DIGITAL_SOURCE_TYPE.endswith("/digitalsourcetype/trainedAlgorithmicMedia")


def test_a_contact_sheet_keeps_the_records_of_its_faces(tmp_path: Path) -> None:
    records = [RECORD, Record("a man", 1, Settings(), "tiny", None)]
    provenance.write_sheet(tmp_path / "grid.png", PICTURE, records)
    assert provenance.read(tmp_path / "grid.png") == records


def with_chunk(path: Path, text: str | None) -> Path:
    info = PngInfo()
    if text is not None:
        info.add_text("text2face", text)
    PICTURE.save(path, pnginfo=info)
    return path


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"prompt": "a"}', '{"contact_sheet": 3}'])
def test_a_damaged_record_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ArgumentError, match=r"record of .* is damaged or of another version"):
        provenance.read(with_chunk(tmp_path / "bad.png", text))


@pytest.mark.parametrize(("name", "value"), [("seed", "7"), ("prompt", 7), ("extra", 1)])
def test_a_record_with_a_wrong_value_is_an_error(path: Path, name: str, value: object) -> None:
    content = json.loads(chunks(path)["text2face"]) | {name: value}
    with pytest.raises(ArgumentError, match="is damaged or of another version"):
        provenance.read(with_chunk(path, json.dumps(content)))


def test_a_picture_without_a_record_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="says nothing about its making"):
        provenance.read(with_chunk(tmp_path / "plain.png", None))


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\nxxxx"])
def test_what_is_no_png_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ArgumentError, match=r"cannot read .* expected"):
        provenance.read(tmp_path / "file")


def test_a_missing_or_wrong_file_is_an_error(tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(ArgumentError, match=r"cannot read .* expected"):
            provenance.read(wrong)


@pytest.mark.parametrize("length", [60, 100, 300, 900])
def test_a_cut_off_png_is_an_error_or_still_tells(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ArgumentError, match="expected"):
        provenance.read(path)


def test_writing_into_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        provenance.write(tmp_path / "none" / "face.png", PICTURE, RECORD)


@pytest.mark.parametrize("name", ["face.jpg", "face.jpeg", "face.webp", "face.png"])
def test_every_format_says_everything(tmp_path: Path, name: str) -> None:
    provenance.write(tmp_path / name, PICTURE, RECORD)
    report = provenance.inspect(tmp_path / name)
    assert report.records == [RECORD]
    assert report.parameters is not None
    assert report.parameters.startswith(RECORD.prompt)
    assert report.source_type == provenance.DIGITAL_SOURCE_TYPE
    assert report.credentials is None
    assert report.problems == []


def test_a_jpeg_has_its_texts_where_other_tools_look(tmp_path: Path) -> None:
    provenance.write(tmp_path / "face.jpg", PICTURE, RECORD)
    with Image.open(tmp_path / "face.jpg") as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
        assert comment.startswith(b"UNICODE\0")
        assert comment[8:].decode("utf-16-be").startswith(RECORD.prompt)
        assert b"Iptc4xmpExt:DigitalSourceType" in image.info["xmp"]


def test_an_animation_keeps_the_records_of_its_ends(tmp_path: Path) -> None:
    frames = [PICTURE, Image.new("RGB", PICTURE.size, "red")]
    file = provenance.encode_file(frames, [RECORD, RECORD], "webp")
    assert provenance.read(file) == [RECORD, RECORD]
    (tmp_path / "move.webp").write_bytes(file)
    with Image.open(tmp_path / "move.webp") as image:
        assert getattr(image, "n_frames", 1) == 2
    with pytest.raises(ArgumentError, match="an animation as png"):
        provenance.encode_file(frames, [RECORD], "png")


def test_an_unknown_format_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"expected a name in .png"):
        provenance.write(tmp_path / "face.bmp", PICTURE, RECORD)
    with pytest.raises(ArgumentError, match="expected one of png"):
        provenance.encode_file(PICTURE, RECORD, "bmp")


def test_more_records_than_a_jpeg_has_room_for_are_an_error() -> None:
    with pytest.raises(ArgumentError, match="save it as PNG"):
        provenance.encode_file(PICTURE, [RECORD] * 500, "jpeg")


def test_what_does_not_hold_together_is_told(path: Path) -> None:
    texts = chunks(path)
    info = PngInfo()
    info.add_itxt("text2face", texts["text2face"])
    info.add_itxt("parameters", texts["parameters"].replace("Seed: 42", "Seed: 43"))
    PICTURE.save(path, pnginfo=info)
    assert provenance.inspect(path).problems == [
        "the IPTC mark of generated images is missing",
        "the parameters are not those of the record or of the image's size",
    ]


def test_an_xmp_packet_with_entities_is_not_read() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]>' + xmp.make("{}")
    assert xmp.read(bomb) == (None, None)
    assert xmp.read(b"<not xml") == (None, None)
    assert xmp.read(xmp.make('{"a": "<&>"}')) == (xmp.DIGITAL_SOURCE_TYPE, '{"a": "<&>"}')


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    ihdr = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    header = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + ihdr
    header += zlib.crc32(ihdr).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(header + b"\0\0\0\0IDAT" + b"\x35\xaf\x06\x1e")
    with pytest.raises(ArgumentError, match="60000×60000, expected at most"):
        provenance.read(tmp_path / "bomb.png")
