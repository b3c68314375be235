"""From a file on disk to plain data: pickles, and both formats of `torch.save`."""

from __future__ import annotations

import io
import json
import math
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import torch

from text2face.errors import CheckpointError
from text2face.foreign.pickles import Budget, Name, PickleMachine
from text2face.foreign.tensors import ALLOWED, ELEMENTS, MAX_SIZE, LazyTensor, Storage

__all__ = ["read_checkpoint", "read_pickle"]

_LEGACY_MAGIC: Final = 0x1950A86A20F9469CFC6C
_LEGACY_START: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_LEGACY_PROTOCOL: Final = 1001
_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_ZIP_START: Final = b"PK\x03\x04"
_MAX_DIRECTORY: Final = 8 << 20
_UNKNOWN: Final = "neither a pickle nor a file of torch.save nor safetensors"
_SAFETENSORS: Final = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}

_NOT_CHECKPOINTS: Final = {
    b"<": "a web page; the download link may be dead or ask for a click",
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself with `git lfs pull`",
}


def read_checkpoint(path: Path) -> Any:
    """Read a checkpoint and run nothing of it.

    Args:
        path: A pickle, or a file of `torch.save` in the zip or in the legacy format.

    Returns:
        Plain data: dicts, lists, text, numbers, `PickledObject`s, and `LazyTensor`s, which are read
        from the file when they are used.

    Raises:
        CheckpointError: The file cannot be read, is damaged, or asks for what is not allowed.
    """
    if not path.is_file():
        raise CheckpointError(f"no file {path}; expected a checkpoint file; check the path")
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise CheckpointError(f"damaged file: {path} is empty; download it again")
            # Read-only and lazy, so that a large file costs no memory before it is known to be one.
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            start = bytes(data[:64])
            if start.startswith(_ZIP_START):
                return _read_zip(data, path)
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path}: {error.strerror}; expected a readable file"
        ) from None
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _MAX_DIRECTORY:
        return _read_safetensors(data, str(path))
    if start.startswith(_LEGACY_START):
        return _read_legacy(data, str(path), Budget())
    if start.startswith(b"\x80"):
        return read_pickle(data, str(path))
    plain = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    found = next((what for begin, what in _NOT_CHECKPOINTS.items() if plain.startswith(begin)), "")
    raise CheckpointError(
        f"unknown format: {path} is {found or _UNKNOWN}; expected a StyleGAN checkpoint such "
        "as .pkl, .pt or .safetensors"
    )


def _read_safetensors(data: memoryview, source: str) -> dict[str, LazyTensor]:
    """A safetensors file: a list of tensors in JSON, then their numbers."""
    begin = 8 + int.from_bytes(data[:8], "little")
    tensors: dict[str, LazyTensor] = {}
    try:
        entries = json.loads(bytes(data[8:begin]).decode())
        for name, entry in entries.items():
            if name == "__metadata__":
                continue
            first, last = entry["data_offsets"]
            dtype, shape = _SAFETENSORS[entry["dtype"]], tuple(entry["shape"])
            if not all(type(n) is int and 0 <= n <= MAX_SIZE for n in (first, last, *shape)):
                raise ValueError("bad numbers")
            count = math.prod(shape)
            part = data[begin + first : begin + last]
            if last - first != count * dtype.itemsize or len(part) != last - first:
                raise ValueError("bad length")
            steps = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
            storage = Storage(dtype, count, part)
            tensors[name] = LazyTensor(storage, 0, shape, tuple(steps))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        _damaged(source, "it is not a whole safetensors file")
    return tensors


def read_pickle(data: memoryview, source: str) -> Any:
    """Read a pickle that holds NumPy arrays or torch tensors; see `read_checkpoint`."""
    budget = Budget()

    def load_from_bytes(args: tuple[Any, ...]) -> object:
        """A storage is pickled as a torch file of its own."""
        (content,) = args
        if not isinstance(content, memoryview):
            raise ValueError("no bytes")
        return _read_legacy(content, source, budget)

    allowed = ALLOWED | {"torch.storage._load_from_bytes": load_from_bytes}
    return PickleMachine(data, allowed, source, budget).load()


def _read_legacy(data: memoryview, source: str, budget: Budget) -> Any:
    """The format of `torch.save` before PyTorch 1.6: five pickles, then the numbers."""
    storages: dict[str, Storage] = {}
    position = 0

    def read() -> Any:
        nonlocal position
        machine = PickleMachine(data, ALLOWED, source, budget, position, _collector(storages))
        content = machine.load()
        position = machine.position
        return content

    magic, protocol, system = read(), read(), read()
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL:
        _damaged(source, "it does not start as a file of torch.save")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        _damaged(source, "it was written on a big-endian machine")
    content, keys = read(), read()
    if not isinstance(keys, list):
        _damaged(source, "it has no list of storages")
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) else None
        if storage is None or storage.data is not None:
            _damaged(source, "its list of storages does not fit its tensors")
        length = storage.count * storage.dtype.itemsize
        begin = position + 8
        position = begin + length
        if position > len(data):
            _damaged(source, "its numbers break off")
        if int.from_bytes(data[begin - 8 : begin], "little") != storage.count:
            _damaged(source, "a storage has not the length that its tensors ask for")
        storage.data = data[begin:position]
    return content


class _ShortReads(io.FileIO):
    """A file of which no one can read much at once, so that a zip directory has a limit."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `io.FileIO` does.

        Raises:
            zipfile.BadZipFile: There is more than a zip directory may have.
        """
        limit = _MAX_DIRECTORY + 1
        content = super().read(limit if size is None or size < 0 else min(size, limit))
        if len(content) == limit:
            raise zipfile.BadZipFile
        return content


def _read_zip(data: memoryview, path: Path) -> Any:
    """The format of `torch.save` since PyTorch 1.6: an uncompressed zip file."""
    source, left = str(path), len(data)
    try:
        with _ShortReads(path) as file, zipfile.ZipFile(file) as archive:
            entries = {info.filename: info for info in archive.infolist()}
    except (
        zipfile.BadZipFile,
        struct.error,
        EOFError,
        ValueError,
        OverflowError,
        NotImplementedError,
    ):
        _damaged(source, "it is not a whole zip file")
    indices = [name for name in entries if name.endswith("/data.pkl")]
    if len(indices) != 1:
        if any(name.endswith(".npy") for name in entries):
            raise CheckpointError(
                f"unknown format: {source} is an archive of NumPy arrays (.npz), expected a "
                "checkpoint such as .pkl, .pt or .safetensors; save the state dict with torch.save"
            )
        _damaged(source, "it is a zip file without one data.pkl")
    root = indices[0].removesuffix("data.pkl")

    def content(name: str) -> memoryview:
        nonlocal left
        info = entries.get(name)
        if info is None:
            _damaged(source, "it lacks numbers that its tensors ask for")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            _damaged(source, "it is compressed or encrypted, as torch.save never does")
        left -= info.file_size
        if left < 0:
            _damaged(source, "its parts overlap")
        try:
            magic, *lengths = _LOCAL_HEADER.unpack_from(data, info.header_offset)
        except struct.error:
            magic, lengths = b"", [0]
        begin = info.header_offset + _LOCAL_HEADER.size + sum(lengths)
        part = data[begin : begin + info.file_size]
        if magic != _ZIP_START or len(part) != info.file_size or zlib.crc32(part) != info.CRC:
            _damaged(source, "its numbers do not fit their check sum")
        return part

    if f"{root}byteorder" in entries and bytes(content(f"{root}byteorder")[:8]) != b"little":
        _damaged(source, "it was written on a big-endian machine")
    storages: dict[str, Storage] = {}
    machine = PickleMachine(content(indices[0]), ALLOWED, source, persistent=_collector(storages))
    tree = machine.load()
    for key, storage in storages.items():
        storage.data = content(f"{root}data/{key}")
        if len(storage.data) != storage.count * storage.dtype.itemsize:
            _damaged(source, "a storage has not the length that its tensors ask for")
    return tree


def _collector(storages: dict[str, Storage]) -> Callable[[tuple[Any, ...]], Storage]:
    """Make storages from persistent ids, one for each key, and keep them in the dict."""

    def make(key: tuple[Any, ...]) -> Storage:
        fits = (
            len(key) in (5, 6)
            and key[0] == "storage"
            and isinstance(key[1], Name)
            and key[1].name in ELEMENTS
            and isinstance(key[2], str)
            and type(key[4]) is int
            and 0 <= key[4] < MAX_SIZE
            and key[5:] in ((), (None,))
        )
        if not fits:
            raise CheckpointError(
                "refused: a persistent id that is no plain storage of numbers, expected one; save "
                "the file again with a newer PyTorch"
            )
        new = Storage(ELEMENTS[key[1].name], key[4])
        known = storages.setdefault(key[2], new)
        if (known.dtype, known.count) != (new.dtype, new.count):
            raise CheckpointError(
                "damaged file: one storage has two types or lengths, expected one; download the "
                "file again"
            )
        return known

    return make


def _damaged(source: str, why: str) -> NoReturn:
    raise CheckpointError(
        f"damaged file: {source}: {why}; expected a whole checkpoint; download it again"
    )
