from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.certificates import make_chain
from tests.provenance.test_record import PICTURE, RECORD
from text2face import provenance
from text2face.errors import ArgumentError, OutputError


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_chain(tmp_path_factory.mktemp("pki"))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_signed_file_is_intact_and_still_says_the_rest(
    tmp_path: Path, chain: tuple[Path, Path], suffix: str
) -> None:
    path = tmp_path / f"face.{suffix}"
    provenance.write(path, PICTURE, RECORD)
    plain = path.stat().st_size
    provenance.write(path, PICTURE, RECORD, sign=provenance.load_signer(*chain))
    report = provenance.inspect(path)
    assert report.credentials == "intact, signed by Tester (on no trust list here)"
    assert report.problems == []
    assert report.records == [RECORD]
    assert path.stat().st_size - plain < 20_000


def test_one_changed_pixel_breaks_the_signature(tmp_path: Path, chain: tuple[Path, Path]) -> None:
    path = tmp_path / "face.png"
    picture = Image.radial_gradient("L").convert("RGB")
    provenance.write(path, picture, RECORD, sign=provenance.load_signer(*chain))
    content = bytearray(path.read_bytes())
    place = content.index(b"IDAT") + 600
    content[place] ^= 1
    path.write_bytes(content)
    (problem,) = [p for p in provenance.inspect(path).problems if "Content" in p]
    assert "not as signed by Tester (assertion.dataHash.mismatch)" in problem


def test_what_is_no_certificate_or_key_is_an_error(
    tmp_path: Path, chain: tuple[Path, Path]
) -> None:
    certificate, key = chain
    with pytest.raises(ArgumentError, match="cannot read the certificate"):
        provenance.load_signer(tmp_path / "none.pem", key)
    with pytest.raises(ArgumentError, match="no private key in PEM"):
        provenance.load_signer(certificate, certificate)
    (tmp_path / "other").mkdir()
    _, other = make_chain(tmp_path / "other")
    with pytest.raises(OutputError, match="cannot sign with"):
        provenance.write(
            tmp_path / "x.png", PICTURE, RECORD, sign=provenance.load_signer(certificate, other)
        )
    assert not (tmp_path / "x.png").exists()
