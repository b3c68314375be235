from __future__ import annotations

import io
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat
from PIL import Image

from tests.certificates import Key, make_chain
from tests.provenance.test_record import PICTURE, RECORD
from text2face import TextToFace, provenance
from text2face.errors import ArgumentError, OutputError
from text2face.provenance import c2pa, xmp

# As `openssl ecparam -genkey` writes them, before the key.
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
OPENSSL, PKCS8 = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8


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


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), OPENSSL),  # SEC1
        (lambda: ec.generate_private_key(ec.SECP384R1()), OPENSSL),
        (lambda: ec.generate_private_key(ec.SECP521R1()), PKCS8),
        (lambda: rsa.generate_private_key(65537, 2048), OPENSSL),  # PKCS#1
        (lambda: rsa.generate_private_key(65537, 2048), PKCS8),
        (ed25519.Ed25519PrivateKey.generate, PKCS8),
    ],
)
@pytest.mark.parametrize(
    "before",
    [b"", b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"],
)
def test_every_form_of_key_signs(
    tmp_path: Path, make: Callable[[], Key], form: PrivateFormat, before: bytes
) -> None:
    chain, key = make_chain(tmp_path, key=make(), form=form)
    key.write_bytes(before + key.read_bytes())
    file = provenance.encode_file(PICTURE, RECORD, sign=provenance.load_signer(chain, key))
    assert (
        provenance.inspect(file).credentials == "intact, signed by Tester (on no trust list here)"
    )


def test_the_name_in_a_certificate_cannot_pass_for_words_of_ours(tmp_path: Path) -> None:
    name = 'Reuters" (whom your trust list\n knows)\x1b[8m\u202e'
    sign = provenance.load_signer(*make_chain(tmp_path, name=name))
    told = provenance.inspect(provenance.encode_file(PICTURE, RECORD, sign=sign)).credentials
    assert told is not None
    shown = 'Reuters\\" (whom your trust list\\\\n knows)\\\\x1b[8m\\\\u202e'
    assert told == f'intact, signed by "{shown}" (on no trust list here)'


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("place", ["c2pa", "manifest"])
def test_no_address_that_a_picture_names_is_asked(format: str, place: str) -> None:
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_POST = do_GET

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/who-looks.{place}"
        terms = f'xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{address}"'
        packet = xmp.make("{}").replace("xmlns:xmp=", f"{terms} xmlns:xmp=", 1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(xmp, "make", lambda record=None: packet)
            file = provenance.encode_file(PICTURE, RECORD, format)
        verdict = c2pa.verify(file, f"image/{format}")
        server.shutdown()
    assert asked == []
    assert verdict == (True, f"not checked: kept at {address}, which is not asked")


@pytest.mark.parametrize("suffix", ["png", "webp", "gif"])
def test_what_an_edit_comes_from_is_an_ingredient(
    tmp_path: Path, chain: tuple[Path, Path], suffix: str, run: Callable[..., int],
    bundled: TextToFace, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (face,) = bundled.draw(["a man"], [5], bundled.settings())
    record = provenance.make_record(bundled, bundled.settings(), face)
    source, out = tmp_path / "face.jpg", tmp_path / f"out.{suffix}"
    provenance.write(source, face.image, record, sign=provenance.load_signer(*chain))
    command = ("sweep", source, "old", "--steps", 2, "--overwrite", "-o", out)
    assert run(*command) == 0
    assert capsys.readouterr().err.count("Content Credentials") == 1
    assert provenance.inspect(out).credentials is None
    assert run(*command, "--c2pa", *chain) == 0
    assert capsys.readouterr().err == ""
    report = provenance.inspect(out)
    assert report.problems == []
    assert report.credentials == "intact, signed by Tester (on no trust list here)"
    library = pytest.importorskip("c2pa")
    with library.Reader(f"image/{suffix}", io.BytesIO(out.read_bytes())) as reader:
        told = json.loads(reader.json())
    (ingredient,) = told["manifests"][told["active_manifest"]]["ingredients"]
    assert (ingredient["title"], ingredient["relationship"]) == ("face.jpg", "inputTo")
    assert ingredient["active_manifest"] in told["manifests"]


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
