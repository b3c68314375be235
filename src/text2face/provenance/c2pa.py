"""Content Credentials (C2PA 2.x): a signed statement of how an image came about."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from text2face.errors import ArgumentError, OutputError
from text2face.provenance.xmp import DIGITAL_SOURCE_TYPE

__all__ = ["load_signer", "verify"]

_RSA: Final = "ps256"
_CURVES: Final = {256: "es256", 384: "es384", 521: "es512"}


def _import() -> Any:
    try:
        import c2pa
    except ImportError:
        raise ArgumentError(
            "signing needs c2pa-python, which is not installed; pip install 'text2face[c2pa]'"
        ) from None
    return c2pa


def load_signer(certificate: Path, key: Path) -> Callable[[bytes, str], bytes]:
    """Read a certificate chain and its private key.

    Args:
        certificate: PEM, the signer's certificate first, then those that vouch for it. C2PA takes
            no self-signed one.
        key: PEM, unencrypted: ECDSA P-256, P-384 or P-521, RSA, or Ed25519.

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
    algorithm = _algorithm(private, key).encode()

    def sign(content: bytes, mime: str) -> bytes:
        settings = c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
        try:
            with (
                c2pa.Context(settings=settings) as context,
                c2pa.Signer.from_info(
                    c2pa.C2paSignerInfo(algorithm, chain, private, None)
                ) as signer,
                c2pa.Builder(_MANIFEST, context=context) as builder,
            ):
                signed = io.BytesIO()
                builder.sign(signer, mime, io.BytesIO(content), signed)
                return signed.getvalue()
        except c2pa.C2paError as error:
            raise OutputError(
                f"cannot sign with {certificate}: {error}; expected a chain that C2PA accepts "
                "(not self-signed, for e-mail protection or document signing) and its own key"
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


def _algorithm(private: bytes, path: Path) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ArgumentError(
            f"{path} is no private key in PEM without a password; expected one; "
            "openssl pkey writes it"
        ) from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size in _CURVES:
        return _CURVES[key.key_size]
    if isinstance(key, rsa.RSAPrivateKey):
        return _RSA
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise ArgumentError(f"{path} is a key of another kind; expected ECDSA, RSA or Ed25519")


def verify(content: bytes, mime: str) -> tuple[bool, str] | None:
    """Check the Content Credentials of a file.

    Returns:
        Whether the signature is good and the content as it was signed, and one line about it; None
        if the file has none.
    """
    if b"c2pa" not in content:
        return None
    try:
        c2pa = _import()
    except ArgumentError:
        return True, "not checked; pip install 'text2face[c2pa]'"
    try:
        reader = c2pa.Reader.try_create(mime, io.BytesIO(content))
        if reader is None:
            return None
        with reader:
            report: dict[str, Any] = json.loads(reader.json())
    except (c2pa.C2paError, ValueError) as error:
        return False, f"damaged ({' '.join(str(error).split())[:200]})"
    manifest = report.get("manifests", {}).get(report.get("active_manifest"), {})
    signature = manifest.get("signature_info", {})
    who = signature.get("common_name") or signature.get("issuer") or "an unknown signer"
    state = str(report.get("validation_state", "Invalid"))
    if state in ("Valid", "Trusted"):
        trust = "whom your trust list knows" if state == "Trusted" else "on no trust list here"
        return True, f"intact, signed by {who} ({trust})"
    failures = report.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    found = dict.fromkeys(str(failure.get("code")) for failure in failures)
    codes = ", ".join(code for code in found if code != "signingCredential.untrusted")
    return False, f"not as signed by {who} ({codes or state})"
