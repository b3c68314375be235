"""Content Credentials (C2PA 2.x): a signed statement of how an image came about."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from text2face.errors import ArgumentError, OutputError
from text2face.pictures import image_format
from text2face.printing import printable
from text2face.provenance.xmp import DIGITAL_SOURCE_TYPE

__all__ = ["load_signer", "verify"]

_RSA: Final = "ps256"
_CURVES: Final = {256: "es256", 384: "es384", 521: "es512"}
_OFFLINE: Final = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"allowed_network_hosts": [], "allow_redirects": False},
}
"""No address that a picture or a certificate names is ever requested."""
_TERMS: Final = b"http://purl.org/dc/terms/"
"""What an XMP packet declares that says where credentials are kept."""
_KEY: Final = re.compile(
    rb"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----.*?-----END ([A-Z]+ )?PRIVATE KEY-----", re.DOTALL
)
_PLAIN: Final = re.compile(r"[\w .,&'-]+")


def _import() -> Any:
    try:
        import c2pa
    except ImportError:
        raise ArgumentError(
            "signing needs c2pa-python, which is not installed; pip install 'text2face[c2pa]'"
        ) from None
    return c2pa


def load_signer(
    certificate: Path, key: Path, *, sources: Sequence[tuple[str, bytes]] = ()
) -> Callable[[bytes, str], bytes]:
    """Read a certificate chain and its private key.

    Args:
        certificate: PEM, the signer's certificate first, then those that vouch for it. C2PA takes
            no self-signed one.
        key: PEM (PKCS#8, SEC1 or PKCS#1), unencrypted: ECDSA P-256, P-384 or P-521, RSA, or
            Ed25519.
        sources: The name and content of each image that went into what is signed; its Content
            Credentials are kept, as those of an ingredient.

    Returns:
        A function of an image file and its MIME type that gives the signed file.

    Raises:
        ArgumentError: c2pa-python is missing, or the files are not such.
    """
    c2pa = _import()
    try:
        chain, private = certificate.read_bytes(), key.read_bytes()
    except OSError as error:
        raise ArgumentError(
            f"cannot read the certificate {certificate} and its key {key}: "
            f"{(error.strerror or str(error)).lower()}; expected two PEM files"
        ) from None
    algorithm, private = _private(private, key)

    def sign(content: bytes, mime: str) -> bytes:
        settings = c2pa.Settings.from_dict(
            {"builder": {"thumbnail": {"enabled": False}}, **_OFFLINE}
        )
        try:
            with (
                c2pa.Context(settings=settings) as context,
                c2pa.Signer.from_info(
                    c2pa.C2paSignerInfo(algorithm, chain, private, None)
                ) as signer,
                c2pa.Builder(_MANIFEST, context=context) as builder,
            ):
                for name, source in sources:
                    about = {"title": printable(name, 100), "relationship": "inputTo"}
                    kind = f"image/{image_format(source) or 'png'}"
                    builder.add_ingredient(about, kind, io.BytesIO(source))
                signed = io.BytesIO()
                builder.sign(signer, mime, io.BytesIO(content), signed)
                return signed.getvalue()
        except c2pa.C2paError as error:
            raise OutputError(
                f"cannot sign with {certificate}: {printable(error, 200)}; expected a chain that "
                "C2PA accepts (not self-signed, for e-mail protection or document signing) and its "
                "own key"
            ) from None

    return sign


_MANIFEST: Final = {
    "claim_generator_info": [{"name": "text2face"}],
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": DIGITAL_SOURCE_TYPE,
                        "softwareAgent": {"name": "text2face"},
                    }
                ]
            },
        }
    ],
}


def _private(content: bytes, path: Path) -> tuple[bytes, bytes]:
    """C2PA's name of a key's algorithm, and the key in PKCS#8, which alone its library reads."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    # OpenSSL writes the parameters of a curve before its key.
    found = _KEY.search(content)
    try:
        key = serialization.load_pem_private_key(found[0] if found else content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ArgumentError(
            f"{path} is no private key in PEM without a password; expected one; "
            "openssl pkey writes it"
        ) from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size in _CURVES:
        algorithm = _CURVES[key.key_size]
    elif isinstance(key, rsa.RSAPrivateKey):
        algorithm = _RSA
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        algorithm = "ed25519"
    else:
        raise ArgumentError(f"{path} is a key of another kind; expected ECDSA, RSA or Ed25519")
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return algorithm.encode(), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)


def verify(content: bytes, mime: str) -> tuple[bool, str] | None:
    """Check the Content Credentials of a file.

    Returns:
        Whether the signature is good and the content as it was signed, and one line about it; None
        if the file has none.
    """
    if b"c2pa" not in content and _TERMS not in content:
        return None
    try:
        c2pa = _import()
    except ArgumentError:
        return True, "not checked; pip install 'text2face[c2pa]'"
    try:
        with c2pa.Context(settings=c2pa.Settings.from_dict(_OFFLINE)) as context:
            reader = c2pa.Reader.try_create(mime, io.BytesIO(content), context=context)
            if reader is None:
                return None
            with reader:
                report: dict[str, Any] = json.loads(reader.json())
    except (c2pa.C2paError, ValueError) as error:
        _, remote, address = str(error).partition("remote manifests from url ")
        if remote:
            return True, f"not checked: kept at {printable(address, 200)}, which is not asked"
        return False, f"damaged ({printable(' '.join(str(error).split()), 200)})"
    manifest = report.get("manifests", {}).get(report.get("active_manifest") or "", {})
    signature = manifest.get("signature_info", {})
    who = _quoted(signature.get("common_name") or signature.get("issuer") or "an unknown signer")
    state = printable(report.get("validation_state", "Invalid"), 40)
    if state in ("Valid", "Trusted"):
        trust = "whom your trust list knows" if state == "Trusted" else "on no trust list here"
        return True, f"intact, signed by {who} ({trust})"
    failures = report.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    found = dict.fromkeys(printable(failure.get("code"), 80) for failure in failures)
    codes = ", ".join(code for code in found if code != "signingCredential.untrusted")
    return False, f"not as signed by {who} ({codes or state})"


def _quoted(name: object) -> str:
    """The name in a certificate: in quotes if it could be taken for words of ours."""
    text = printable(name, 100)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
