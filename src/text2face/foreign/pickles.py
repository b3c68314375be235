"""A pickle machine that runs nothing: it follows the opcodes and leaves plain data behind.

Python's own unpickler imports and calls what a file names. This one looks names up in a table that
it is given; the functions behind that table only rearrange plain data. Anything else is refused
with its name. A file can neither import, nor call, nor set an attribute of a real object.

Time and memory are bounded by the size of the file: there is a limit of steps, long data are views
of the file, memo slots are a dict, and keys are hashed only if they are short and flat. (A tuple
nested in itself forty times takes hours to hash, and integers can be made to collide.)
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from text2face.errors import CheckpointError, quoted

__all__ = ["Budget", "Maker", "PickleMachine", "PickledObject", "namespace"]

Maker = Callable[[tuple[Any, ...]], object]
"""Turns the arguments of a name on the list into plain data."""

_MAX_STEPS: Final = 1_000_000  # the largest files in the wild take a tenth of it
_MAX_LINE: Final = 256
_MAX_INTEGER_BYTES: Final = 17  # the state of NumPy's generators
_MAX_KEY: Final = 1 << 60  # below the modulus of Python's integer hash: no collisions
_MAX_KEY_LENGTH: Final = 1024
_NEWEST_PROTOCOL: Final = 5
_DECIMAL: Final = re.compile(r"-?[0-9]{1,38}L?")


@dataclass
class Budget:
    """The steps that are left, shared by a file and the pickles inside it."""

    steps: int = _MAX_STEPS


@dataclass(eq=False)
class PickledObject:
    """An object of the file that has become data: the name of its class and its state."""

    name: str
    args: tuple[Any, ...] = ()
    state: Any = None

    @property
    def fields(self) -> dict[str, Any]:
        """The attributes of the object, or nothing if its state is no dict."""
        return self.state if isinstance(self.state, dict) else {}


def namespace(value: object) -> Mapping[str, Any]:
    """The options of a training, pickled as an `argparse.Namespace` or as a dict; else nothing."""
    if isinstance(value, PickledObject):
        return value.fields
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, eq=False)
class Name:
    """A name of the list while it lies on the stack, waiting for its arguments."""

    name: str
    make: Maker


@dataclass
class PickleMachine:
    """One pickle in a buffer."""

    data: memoryview
    """The buffer; long strings of bytes come out as views of it."""
    allowed: Mapping[str, Maker]
    """What each name on the list becomes when it is called."""
    source: str
    """The file, for messages."""
    budget: Budget = field(default_factory=Budget)
    position: int = 0
    """Where the pickle starts, and where it ended after `load`."""
    persistent: Maker | None = None
    """What to do with persistent ids; None to refuse them."""

    def load(self) -> Any:
        """Follow the opcodes up to STOP.

        Returns:
            Plain data: dicts with flat keys, lists, tuples, sets, text, numbers, memoryviews for
            bytes, `PickledObject`s for objects, and what the makers return.

        Raises:
            CheckpointError: The pickle is damaged, too long, or asks for a name not on the list.
        """
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        try:
            while True:
                self.budget.steps -= 1
                if self.budget.steps < 0:
                    self._damaged(f"it takes more than {_MAX_STEPS} steps")
                opcode = self.data[self.position]
                self.position += 1
                if opcode == 0x2E:  # STOP
                    return self._stack.pop()
                operation = _OPERATIONS.get(opcode)
                if operation is None:
                    self._damaged(f"byte {self.position - 1} is no opcode that is known here")
                operation(self)
        except (LookupError, struct.error):
            self._damaged(f"it breaks off or is inconsistent at byte {self.position}")
        except UnicodeDecodeError:
            self._damaged(f"it holds text that is not UTF-8 at byte {self.position}")

    def _damaged(self, why: str) -> NoReturn:
        raise CheckpointError(
            f"damaged file: {self.source}: {why}; expected a whole pickle; download it again"
        )

    def _refuse(self, what: str) -> NoReturn:
        raise CheckpointError(
            f"refused: {self.source} asks for {what}, expected only what a network file needs; "
            "nothing of it was run; get the file from the authors of the network, or convert it "
            "to safetensors where you trust it"
        )

    def _number(self, layout: struct.Struct) -> Any:
        (value,) = layout.unpack_from(self.data, self.position)
        self.position += layout.size
        return value

    def _take(self, length: int) -> memoryview:
        if not 0 <= length <= len(self.data) - self.position:
            self._damaged(f"it claims {length} bytes at byte {self.position} and has fewer")
        self.position += length
        return self.data[self.position - length : self.position]

    def _line(self) -> str:
        window = bytes(self.data[self.position : self.position + _MAX_LINE])
        end = window.find(b"\n")
        if end < 0:
            self._damaged(f"it has no end of line in {_MAX_LINE} bytes at byte {self.position}")
        self.position += end + 1
        return window[:end].decode()

    def _since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _key(self, key: object) -> Any:
        short = (isinstance(key, str) and len(key) <= _MAX_KEY_LENGTH) or (
            isinstance(key, int) and -_MAX_KEY < key < _MAX_KEY
        )
        if not short:
            self._refuse(f"a key of type {type(key).__name__} or of great length")
        return key

    def _find(self, module: object, name: object) -> Name:
        if not isinstance(module, str) or not isinstance(name, str):
            self._refuse("a name that is not text")
        full = f"{module}.{name}"
        if full not in self.allowed:
            self._refuse(quoted(full))
        return Name(full, self.allowed[full])

    def _call(self, function: object, args: object) -> object:
        if not isinstance(function, Name):
            self._refuse(f"a call of a {type(function).__name__}")
        if not isinstance(args, tuple):
            self._refuse(f"a call of {function.name} without a tuple of arguments")
        try:
            return function.make(args)
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
            self._refuse(f"{function.name} with arguments that do not fit it")

    # The operations; the comment of each is its name in the module pickletools.

    def _proto(self) -> None:
        protocol = self._take(1)[0]
        if protocol > _NEWEST_PROTOCOL:
            self._damaged(f"it has pickle protocol {protocol}, expected at most 5")

    def _frame(self) -> None:
        self._number(_U64)

    def _mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def _pop_mark(self) -> None:
        self._since_mark()

    def _dup(self) -> None:
        self._stack.append(self._stack[-1])

    def _memoize(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _decimal(self, line: str | None = None) -> int:
        line = self._line() if line is None else line
        if not _DECIMAL.fullmatch(line):
            self._damaged(f"it has a bad number at byte {self.position}")
        return int(line.removesuffix("L"))

    def _int(self) -> None:
        line = self._line()
        self._stack.append(line == "01" if line in ("00", "01") else self._decimal(line))

    def _float(self) -> None:
        line = self._line()
        try:
            self._stack.append(float(line))
        except ValueError:
            self._damaged(f"it has a bad number at byte {self.position}")

    def _long(self, layout: struct.Struct) -> None:
        length = self._number(layout)
        if not 0 <= length <= _MAX_INTEGER_BYTES:
            self._damaged(f"it has an integer of {length} bytes, expected at most 17")
        self._stack.append(int.from_bytes(self._take(length), "little", signed=True))

    def _text(self, layout: struct.Struct) -> None:
        self._stack.append(str(self._take(self._number(layout)), "utf-8", "surrogatepass"))

    def _old_text(self, layout: struct.Struct) -> None:
        self._stack.append(str(self._take(self._number(layout)), "latin-1"))

    def _quoted(self) -> None:
        self._stack.append(self._line().strip("'\""))

    def _bytes(self, layout: struct.Struct) -> None:
        self._stack.append(self._take(self._number(layout)))

    def _tuple(self, length: int) -> None:
        items = tuple(self._stack.pop() for _ in range(length))
        self._stack.append(items[::-1])

    def _marked_tuple(self) -> None:
        items = self._since_mark()
        self._stack.append(tuple(items))

    def _marked_list(self) -> None:
        items = self._since_mark()
        self._stack.append(items)

    def _marked_set(self) -> None:
        items = self._since_mark()
        self._stack.append(frozenset(self._key(item) for item in items))

    def _marked_dict(self) -> None:
        items = self._since_mark()
        self._stack.append({})
        self._fill(items)

    def _append(self) -> None:
        self._extend([self._stack.pop()])

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            self._refuse(f"a {type(target).__name__} with items appended")
        target.extend(items)

    def _add(self) -> None:
        items = self._since_mark()
        target = self._stack[-1]
        if type(target) is not set:
            self._refuse(f"a {type(target).__name__} with items added")
        target.update(self._key(item) for item in items)

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._fill([key, value])

    def _fill(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict:
            self._refuse(f"a {type(target).__name__} with items set")
        if len(items) % 2:
            self._damaged(f"it has a key without a value before byte {self.position}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self._key(key)] = value

    def _global(self) -> None:
        self._stack.append(self._find(self._line(), self._line()))

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(self._find(module, name))

    def _extension(self) -> None:
        self._refuse("a name in the registry of extensions")

    def _reduce(self) -> None:
        args, function = self._stack.pop(), self._stack.pop()
        self._stack.append(self._call(function, args))

    def _new_with_keywords(self) -> None:
        if self._stack.pop() != {}:
            self._refuse("an object made with keywords")
        self._reduce()

    def _inst(self) -> None:
        function = self._find(self._line(), self._line())
        args = self._since_mark()
        self._stack.append(self._call(function, tuple(args)))

    def _obj(self) -> None:
        items = self._since_mark()
        self._stack.append(self._call(items[0], tuple(items[1:])))

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        # The attributes of a dict, such as the versions in a state dict, are of no use here.
        if type(target) is dict and isinstance(state, dict):
            return
        if not isinstance(target, PickledObject) or target.state is not None:
            self._refuse(f"a {type(target).__name__} with its state set")
        target.state = state

    def _persistent_line(self) -> None:
        self._refuse(f"persistent id {quoted(self._line())}")

    def _persistent(self) -> None:
        key = self._stack.pop()
        if self.persistent is None or not isinstance(key, tuple):
            self._refuse(f"a persistent id of type {type(key).__name__}")
        self._stack.append(self.persistent(key))


_U8, _U16, _U32, _U64 = (struct.Struct(f"<{code}") for code in "BHIQ")
_I32, _F64 = struct.Struct("<i"), struct.Struct(">d")

Operation = Callable[[PickleMachine], None]


def _constant(make: Callable[[], object]) -> Operation:
    return lambda machine: machine._stack.append(make())


def _value(layout: struct.Struct) -> Operation:
    return lambda machine: machine._stack.append(machine._number(layout))


def _with(method: Callable[[PickleMachine, Any], None], argument: object) -> Operation:
    return lambda machine: method(machine, argument)


_M = PickleMachine
_OPERATIONS: Final[dict[int, Operation]] = {
    0x80: _M._proto,
    0x95: _M._frame,
    ord("("): _M._mark,
    ord("0"): _M._pop,
    ord("1"): _M._pop_mark,
    ord("2"): _M._dup,
    # Constants and numbers
    ord("N"): _constant(lambda: None),
    0x88: _constant(lambda: True),
    0x89: _constant(lambda: False),
    ord("}"): _constant(dict),
    ord("]"): _constant(list),
    ord(")"): _constant(tuple),
    0x8F: _constant(set),
    ord("K"): _value(_U8),
    ord("M"): _value(_U16),
    ord("J"): _value(_I32),
    ord("G"): _value(_F64),
    ord("I"): _M._int,
    ord("L"): lambda machine: machine._stack.append(machine._decimal()),
    ord("F"): _M._float,
    0x8A: _with(_M._long, _U8),
    0x8B: _with(_M._long, _I32),
    # Text and bytes
    0x8C: _with(_M._text, _U8),
    ord("X"): _with(_M._text, _U32),
    0x8D: _with(_M._text, _U64),
    ord("V"): lambda machine: machine._stack.append(machine._line()),
    ord("S"): _M._quoted,
    ord("U"): _with(_M._old_text, _U8),
    ord("T"): _with(_M._old_text, _I32),
    ord("C"): _with(_M._bytes, _U8),
    ord("B"): _with(_M._bytes, _U32),
    0x8E: _with(_M._bytes, _U64),
    0x96: _with(_M._bytes, _U64),
    # Containers
    0x85: _with(_M._tuple, 1),
    0x86: _with(_M._tuple, 2),
    0x87: _with(_M._tuple, 3),
    ord("t"): _M._marked_tuple,
    ord("l"): _M._marked_list,
    ord("d"): _M._marked_dict,
    0x91: _M._marked_set,
    ord("a"): _M._append,
    ord("e"): lambda machine: machine._extend(machine._since_mark()),
    ord("s"): _M._set_item,
    ord("u"): lambda machine: machine._fill(machine._since_mark()),
    0x90: _M._add,
    # The memo
    0x94: _M._memoize,
    ord("q"): lambda machine: machine._put(machine._number(_U8)),
    ord("r"): lambda machine: machine._put(machine._number(_U32)),
    ord("p"): lambda machine: machine._put(machine._decimal()),
    ord("h"): lambda machine: machine._get(machine._number(_U8)),
    ord("j"): lambda machine: machine._get(machine._number(_U32)),
    ord("g"): lambda machine: machine._get(machine._decimal()),
    # Names and objects
    ord("c"): _M._global,
    0x93: _M._stack_global,
    0x82: _M._extension,
    0x83: _M._extension,
    0x84: _M._extension,
    ord("R"): _M._reduce,
    0x81: _M._reduce,
    0x92: _M._new_with_keywords,
    ord("i"): _M._inst,
    ord("o"): _M._obj,
    ord("b"): _M._build,
    ord("P"): _M._persistent_line,
    ord("Q"): _M._persistent,
}
