"""Hostile files that want memory or time."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

from tests.checkpoints import writers
from tests.checkpoints.assembler import (
    DTYPE,
    PROTO,
    SYSTEM,
    array,
    call,
    integer,
    legacy_file,
    many,
    module,
    name,
    raw,
    storage,
    tensor,
    text,
    whole,
    zip_file,
)


def memory_bombs() -> Iterator[tuple[str, bytes]]:
    """Ways to eat memory or time."""
    tower = b")" + b"2\x86" * 64  # a tuple of itself twice, 64 times
    yield "key that takes ages to hash", whole(b"}" + tower + b"Ns")
    yield "member that takes ages to hash", whole(b"\x8f(" + tower + b"\x90")
    yield "frozen set that takes ages to hash", whole(b"(" + tower + b"\x91")
    yield (
        "tower that takes ages to compare",
        whole(name("collections.OrderedDict") + b")" + tower + b"\x92"),
    )
    yield "keys that collide", whole(b"}" + integer((1 << 61) - 1) + b"Ns")
    yield "floating-point key", whole(b"}G\x7f\xf8\0\0\0\0\0\0Ns")
    yield "list in itself", whole(b"]q\x00h\x00a")
    yield "dict in itself", whole(b"}q\x00" + text("G_ema") + b"h\x00s")
    yield "memo slot four billion", whole(b"Nr\xff\xff\xff\xff")
    yield "memo slot in decimal", whole(b"Np99999999999999999999\n")
    yield "integer of 2 GB", whole(b"\x8b\xff\xff\xff\x7f")
    yield "integer of negative length", whole(b"\x8b\xff\xff\xff\xff")
    yield "integer of 255 bytes", whole(b"\x8a\xff" + b"\x7f" * 255)
    yield "integer of a million digits", PROTO + b"L" + b"9" * 1_000_000 + b"L\n."
    yield "bytes of eight exabytes", whole(b"\x8e" + b"\xff" * 7 + b"\x7f")
    yield "bytes of 4 GB", whole(b"B\xff\xff\xff\xff")
    yield "text of 4 GB", whole(b"X\xff\xff\xff\xff")
    yield "text of eight exabytes", whole(b"\x8d" + b"\xff" * 7 + b"\x7f")
    yield "byte array of eight exabytes", whole(b"\x96" + b"\xff" * 7 + b"\x7f")
    yield "old text of negative length", whole(b"T\xff\xff\xff\xff")
    yield "frame of eight exabytes", whole(b"\x95" + b"\xff" * 7 + b"\x7f")
    yield "buffer out of band", whole(b"\x97")
    yield "read-only buffer", whole(b"N\x98")
    yield "deep lists", PROTO + b"]" * 400_000 + b"a" * 399_999 + b"."
    yield "deep marks", PROTO + b"(" * 900_000 + b"."
    yield "endless steps", PROTO + b"N0" * 1_000_000 + b"."
    yield "a dict a byte", PROTO + b"}" * 2_000_000 + b"."
    yield "byte array by size", whole(call("builtins.bytearray", integer(1 << 40)))
    yield "list of copies", whole(b"(" + text("x" * 1000) + b"2" * 100_000 + b"l")
    yield "ordered dict from pairs", whole(call("collections.OrderedDict", b"]"))
    long_text = text("x" * 100_000) + b"q\x000"
    yield (
        "copies by encoding",
        whole(long_text + b"(" + call("_codecs.encode", b"h\x00", text("latin1")) * 1000 + b"l"),
    )
    yield "shape made of text", whole(long_text + tensor(b"N", b"K\x00", b"h\x00", b"h\x00"))
    yield "shape made of bytes", whole(call("torch.Size", raw(b"\x01" * 100_000)))
    huge = integer(1 << 39)
    yield (
        "array of a giant shape",
        whole(
            b"}"
            + text("g_ema")
            + b"}"
            + text("input.input")
            + array(many(huge, huge), DTYPE, raw(b"1234"))
            + b"ss"
        ),
    )
    yield "array of 9 dimensions", whole(array(many(*[b"K\x01"] * 9), DTYPE, raw(b"1234")))
    yield "array of negative size", whole(array(b"J\xff\xff\xff\xff\x85", DTYPE, raw(b"")))
    yield "array of true size", whole(array(b"\x88\x85", DTYPE, raw(b"1234")))
    for what, offset, shape, stride in (
        (
            "shape that overflows",
            b"K\x00",
            many(huge, huge, huge),
            many(b"K\x00", b"K\x00", b"K\x00"),
        ),
        ("offset out of the storage", huge, many(b"K\x04"), many(b"K\x01")),
        ("negative offset", b"J\xff\xff\xff\xff", many(b"K\x04"), many(b"K\x01")),
        ("negative stride", b"K\x03", many(b"K\x04"), many(b"J\xff\xff\xff\xff")),
        ("fractional shape", b"K\x00", many(b"G\x40\x10\0\0\0\0\0\0"), many(b"K\x01")),
        ("shape and stride that differ", b"K\x00", many(b"K\x02", b"K\x02"), many(b"K\x01")),
        ("shape of a list in itself", b"K\x00", b"]q\x07h\x07a", many(b"K\x01")),
    ):
        body = b"}" + text("g_ema") + b"}" + text("input.input")
        body += tensor(storage(), offset, shape, stride) + b"ss"
        yield what, zip_file(whole(body), {"0": bytes(16)})
    yield "views of stride zero", expanded_file()
    yield "storage of a giant length", zip_file(whole(storage(count=huge)), {"0": bytes(16)})
    yield "storage of no length", zip_file(whole(storage(count=b"N")), {"0": bytes(16)})
    yield (
        "storage of two types",
        zip_file(whole(storage() + storage(kind="torch.LongStorage") + b"\x86"), {"0": bytes(16)}),
    )
    yield "storage that is not there", zip_file(whole(storage()))
    yield "storage outside the folder", zip_file(whole(storage("../data.pkl")))
    legacy_list = b"]" + text("0") + b"a"
    yield (
        "legacy storage of a giant length",
        legacy_file(storage(count=huge), legacy_list, struct.pack("<Q", 1 << 39)),
    )
    yield (
        "legacy storage of another length",
        legacy_file(storage(), legacy_list, struct.pack("<Q", 5) + bytes(20)),
    )
    yield (
        "legacy storage that breaks off",
        legacy_file(storage(), legacy_list, struct.pack("<Q", 4) + bytes(7)),
    )
    yield (
        "legacy storage twice",
        legacy_file(
            storage(), legacy_list + text("0") + b"a", (struct.pack("<Q", 4) + bytes(16)) * 2
        ),
    )
    yield "legacy keys that are no list", legacy_file(storage(), b"N")
    yield "zip bomb", zip_file(PROTO + b"N" * 10_000_000, method=zipfile.ZIP_DEFLATED)
    overlapping = zip_file(
        whole(storage("0") + storage("1") + b"\x86"), {"0": bytes(16), "1": bytes(16)}
    )
    yield "zip entries that overlap", overlap(overlapping)
    yield "zip of two checkpoints", zip_twice()
    yield "zip without a checkpoint", zip_named("readme.txt")
    yield "zip of a script", zip_named("archive/code/__torch__.py")
    yield "zip that breaks off", writers.LAYOUTS["rosinality-zip"]()[:-300]
    cycle = b"}" + text("G_ema") + module(b"}q\x01") + b"q\x02s"
    cycle += b"h\x01" + text("a") + b"h\x02s" + text("b") + b"h\x02s" + b"0"
    yield "modules without end", whole(cycle)


def overlap(content: bytes) -> bytes:
    """Let all entries of a zip file point to its largest part, with lengths to match."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = {info.filename: info for info in archive.infolist()}
    first, second = (names[f"archive/data/{key}"].header_offset for key in "01")
    place = content.rindex(struct.pack("<I", second))
    return content[:place] + struct.pack("<I", first) + content[place + 4 :]


def zip_named(file_name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(file_name, whole(SYSTEM))
    return buffer.getvalue()


def zip_twice() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", whole(b"N"))
        archive.writestr("b/data.pkl", whole(SYSTEM))
    return buffer.getvalue()


def expanded_file() -> bytes:
    """A network of gigabytes, each weight one number that is repeated."""
    tree: dict[str, Any] = writers.rosinality_tree(writers.small2())
    for key, value in tree["g_ema"].items():
        wide = [1000 if size in (4, 5) and "noise" not in key else size for size in value.shape]
        tree["g_ema"][key] = torch.zeros(1).expand(wide)
    return writers.torch_saved(tree)
