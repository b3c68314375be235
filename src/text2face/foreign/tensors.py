"""The names that a checkpoint may use, and tensors that are read from the file lazily."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from text2face.errors import CheckpointError
from text2face.foreign.pickles import Maker, PickledObject

__all__ = ["ALLOWED", "ELEMENTS", "LazyTensor", "Storage", "as_tensor", "number"]

MAX_DIMENSIONS: Final = 8
MAX_SIZE: Final = 1 << 40
_MAX_ENCODED: Final = 256

ELEMENTS: Final = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
"""The classes of PyTorch's storages, and the type of their elements."""

_NUMPY_ELEMENTS: Final = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "b1": torch.bool,
}


@dataclass(eq=False)
class Storage:
    """Numbers in a row; a torch file names them before it tells where they are."""

    dtype: torch.dtype
    count: int
    data: memoryview | None = None


@dataclass(frozen=True, eq=False)
class LazyTensor:
    """A tensor that is still bytes in a file; its shape is known before anything is allocated."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check that the numbers are numbers; whether they fit is checked when they are read.

        Raises:
            ValueError: They are not.
        """
        if len(self.shape) != len(self.stride) or not isinstance(self.storage, Storage):
            raise ValueError("bad tensor")
        for numbers in ((self.offset,), self.shape, self.stride):
            _sizes(numbers)

    @property
    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def tensor(self) -> Tensor:
        """Read it from the file.

        Raises:
            CheckpointError: The file has not as many numbers as the shape asks for.
        """
        last = self.offset + sum(
            (size - 1) * step for size, step in zip(self.shape, self.stride, strict=True)
        )
        data, width = self.storage.data, self.storage.dtype.itemsize
        have = 0 if data is None else len(data) // width
        # A stride of zero could make a few bytes look like terabytes.
        if data is None or (self.numel and (last >= have or self.numel > have)):
            raise CheckpointError(
                f"damaged weights: a tensor of shape {list(self.shape)} in {have} stored numbers; "
                "expected at least as many numbers as the shape has; download the file again"
            )
        if not self.numel:
            return torch.empty(self.shape, dtype=self.storage.dtype)
        content = bytearray(data[self.offset * width : (last + 1) * width])
        flat = torch.frombuffer(content, dtype=self.storage.dtype)
        return flat.as_strided(self.shape, self.stride).contiguous()


def as_tensor(value: object) -> LazyTensor | None:
    """The tensor that a value from a file is: of PyTorch, of NumPy, or none at all.

    Raises:
        CheckpointError: It is an array whose description makes no sense.
    """
    if isinstance(value, LazyTensor):
        return value
    if not isinstance(value, PickledObject) or value.name != "numpy.ndarray":
        return None
    try:
        _, shape, dtype, is_fortran, data = value.state
        return _array(data, _element(dtype), _sizes(shape), "F" if is_fortran else "C")
    except (TypeError, ValueError, LookupError, AttributeError):
        raise CheckpointError(
            "refused: an array that holds other things than plain numbers, expected numbers; "
            "get the file from the authors of the network"
        ) from None


def _array(data: object, dtype: torch.dtype, shape: tuple[int, ...], order: str) -> LazyTensor:
    """The array over a buffer, checked against its length."""
    if not isinstance(data, memoryview) or order not in ("C", "F"):
        raise ValueError("bad array")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError("bad length")
    steps, step = [], 1
    for size in shape if order == "F" else reversed(shape):
        steps.append(step)
        step *= max(size, 1)
    stride = tuple(steps if order == "F" else reversed(steps))
    return LazyTensor(Storage(dtype, math.prod(shape), data), 0, shape, stride)


def number(value: float) -> LazyTensor:
    """A single number as a tensor without dimensions."""
    data = memoryview(struct.pack("<d", value))
    return LazyTensor(Storage(torch.float64, 1, data), 0, (), ())


def _sizes(value: object) -> tuple[int, ...]:
    """A shape or strides, before they are copied from what may be endless."""
    if not isinstance(value, tuple | list) or len(value) > MAX_DIMENSIONS:
        raise ValueError("bad shape")
    if not all(type(size) is int and 0 <= size < MAX_SIZE for size in value):
        raise ValueError("bad shape")
    return tuple(value)


def _element(dtype: object) -> torch.dtype:
    """The element type of a NumPy dtype: little-endian numbers only."""
    if not isinstance(dtype, PickledObject) or dtype.name != "numpy.dtype":
        raise ValueError("no dtype")
    match = re.fullmatch(r"[<|=]?([fiub][1248])", dtype.args[0])
    order = dtype.state[1] if dtype.state is not None else "<"
    if match is None or match[1] not in _NUMPY_ELEMENTS or order not in ("<", "|", "="):
        raise ValueError("another dtype")
    return _NUMPY_ELEMENTS[match[1]]


# The makers: each turns arguments into plain data, or fails with ValueError or TypeError.


def _pickled_object(name: str) -> Maker:
    return lambda args: PickledObject(name, args)


def _without_arguments(make: Callable[[], object]) -> Maker:
    def maker(args: tuple[Any, ...]) -> object:
        if args:
            raise ValueError("expected no arguments")
        return make()

    return maker


def _only_named(args: tuple[Any, ...]) -> object:
    raise ValueError("this is a name, not a function")


def _persistent_object(args: tuple[Any, ...]) -> PickledObject:
    """A network of NVIDIA's: its source code comes along and is left unread."""
    (meta,) = args
    if meta["type"] != "class" or not isinstance(meta["class_name"], str):
        raise ValueError("bad meta data")
    return PickledObject(meta["class_name"], (), meta["state"])


def _rebuild_tensor(args: tuple[Any, ...]) -> LazyTensor:
    storage, offset, shape, stride = args[:4]
    return LazyTensor(storage, offset, _sizes(shape), _sizes(stride))


def _rebuild_parameter(args: tuple[Any, ...]) -> object:
    if not isinstance(args[0], LazyTensor):
        raise ValueError("a parameter that is no tensor")
    return args[0]


def _scalar(args: tuple[Any, ...]) -> float | int | bool:
    dtype, data = args
    element = _element(dtype)
    if len(data) != element.itemsize:
        raise ValueError("bad length")
    number: float | int | bool = torch.frombuffer(bytearray(data), dtype=element).item()
    return number


def _from_buffer(args: tuple[Any, ...]) -> LazyTensor:
    data, dtype, shape, order = args
    return _array(data, _element(dtype), _sizes(shape), order)


def _encode(args: tuple[Any, ...]) -> object:
    """Bytes as protocol 2 writes them: as text, of which a file may not ask for copies at will.

    What is longer than a few numbers, such as the state of a random generator, is passed over.
    """
    text, encoding = args
    if encoding != "latin1" or not isinstance(text, str):
        raise ValueError("another encoding")
    if len(text) > _MAX_ENCODED:
        return PickledObject("bytes")
    return memoryview(text.encode("latin-1"))


def _set(args: tuple[Any, ...]) -> set[str]:
    """A set as it is written before protocol 4: of a few names."""
    (items,) = args
    if len(items) > _MAX_ENCODED or not all(isinstance(item, str) for item in items):
        raise ValueError("more than a few names")
    return set(items)


def _path(args: tuple[Any, ...]) -> str:
    return "/".join(args) if sum(map(len, args)) <= _MAX_ENCODED else "…"


def _mapping(args: tuple[Any, ...]) -> dict[Any, Any]:
    """A defaultdict or a Counter: what makes its missing values is of no use here."""
    items = args[0] if args and isinstance(args[0], dict) else {}
    if len(args) > 2:
        raise ValueError("more than a mapping")
    return dict(items)


def _size(args: tuple[Any, ...]) -> tuple[Any, ...]:
    (sizes,) = args
    return _sizes(sizes)


def _device(args: tuple[Any, ...]) -> object:
    return args[0]


_pickled_array: Final = _pickled_object("numpy.ndarray")
_rebuild: Final[dict[str, Maker]] = {
    f"numpy.{core}.{name}": make
    for core in ("core", "_core")  # before and after NumPy 2
    for name, make in (
        ("multiarray._reconstruct", _pickled_array),
        ("multiarray.scalar", _scalar),
        ("numeric._frombuffer", _from_buffer),
    )
}

_BESIDE: Final[dict[str, Maker]] = {
    # What training scripts save beside the weights; it is not used.
    **{f"pathlib.{kind}Path": _path for kind in ("Windows", "PureWindows", "PurePosix")},
    "collections.defaultdict": _mapping,
    "collections.Counter": _mapping,
    "types.SimpleNamespace": _pickled_object("types.SimpleNamespace"),
    "datetime.datetime": _pickled_object("datetime.datetime"),
    "datetime.timedelta": _pickled_object("datetime.timedelta"),
    **{
        f"numpy.random._pickle.{name}": _pickled_object(f"numpy.random._pickle.{name}")
        for name in ("__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor")
    },
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence": _pickled_object("SeedSequence"),
    "numpy.random.bit_generator.SeedSequence": _only_named,
    **{
        f"numpy.random._{file}.{name}": _only_named
        for file, name in (("mt19937", "MT19937"), ("pcg64", "PCG64"), ("philox", "Philox"))
    },
    **{
        f"{module}.{name}": _only_named
        for module in ("builtins", "__builtin__")
        for name in ("int", "float", "bool", "str", "list", "dict", "tuple", "complex", "bytes")
    },
    **{
        f"torch.{str(kind).removeprefix('torch.')}": _only_named
        for kind in {*ELEMENTS.values(), torch.complex64, torch.complex128}
    },
}

ALLOWED: Final[dict[str, Maker]] = {
    **_BESIDE,
    "collections.OrderedDict": _without_arguments(dict),
    "dnnlib.util.EasyDict": _without_arguments(dict),
    "builtins.set": _set,
    "__builtin__.set": _set,
    "argparse.Namespace": _pickled_object("argparse.Namespace"),
    "pathlib.PosixPath": _path,
    "_codecs.encode": _encode,
    "torch_utils.persistence._reconstruct_persistent_obj": _persistent_object,
    "dnnlib.tflib.network.Network": _pickled_object("dnnlib.tflib.network.Network"),
    "numpy.ndarray": _only_named,
    "numpy.dtype": _pickled_object("numpy.dtype"),
    **_rebuild,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.Size": _size,
    "torch.device": _device,
    **dict.fromkeys(ELEMENTS, _only_named),
}
"""Every name that a checkpoint may hold, but for the one that opens a torch file inside it."""
