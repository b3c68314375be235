"""Hostile files, each with a trick of its own: to run code, to confuse, or to fill memory."""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from typing import Any, Final

import torch

from tests.checkpoints import writers
from tests.checkpoints.assembler import (
    COMMAND,
    PROTO,
    PYTHON,
    SYSTEM,
    array,
    call,
    legacy_file,
    many,
    name,
    persistent,
    raw,
    stack_name,
    storage,
    text,
    whole,
    zip_file,
)
from tests.checkpoints.memory_bombs import memory_bombs


def executing() -> Iterator[tuple[str, bytes]]:
    """Ways to have something run."""
    yield "reduce", whole(SYSTEM)
    yield "reduce in protocol 0", b"cos\nsystem\n(S'" + COMMAND.encode() + b"'\ntR."
    yield (
        "reduce by a stacked name",
        whole(stack_name("posix", "system") + text(COMMAND) + b"\x85R"),
    )
    reversed_names = text("system") + b"q\x000" + text("posix") + b"h\x00\x93"
    yield "stacked name from the memo", whole(reversed_names + text(COMMAND) + b"\x85R")
    yield (
        "stacked name left over by a pop",
        whole(text("os") + text("system") + text("harmless") + b"0\x93" + text(COMMAND) + b"\x85R"),
    )
    yield "stacked name of bytes", whole(raw(b"os") + raw(b"system") + b"\x93)R")
    yield (
        "stacked name with a dotted path",
        whole(stack_name("torch._utils", "_rebuild_tensor_v2.__globals__") + b")R"),
    )
    yield (
        "name split at another dot",
        whole(stack_name("collections.OrderedDict", "fromkeys") + b")R"),
    )
    yield "name with a null", whole(stack_name("collections\0os", "OrderedDict") + b")R")
    yield "name in look-alike letters", whole(stack_name("соllections", "OrderedDict") + b")R")
    yield "name of an alias module", whole(stack_name("torch.os", "system") + b")R")
    yield "name of the main module", whole(stack_name("__main__", "main") + b")R")
    yield "relative name", whole(stack_name("", "system") + b")R")
    yield "name alone, imported but not called", whole(name("antigravity.fly"))
    yield "newobj", whole(name("subprocess.Popen") + many(text(COMMAND)) + b"\x81")
    yield (
        "newobj with keywords",
        whole(name("subprocess.Popen") + b")(" + text("args") + text(COMMAND) + b"d\x92"),
    )
    yield (
        "keywords to an allowed name",
        whole(name("argparse.Namespace") + b")(" + text("x") + text(COMMAND) + b"d\x92"),
    )
    yield "inst", whole(b"(" + text(COMMAND) + b"ios\nsystem\n")
    yield "obj", whole(b"(" + name("os.system") + text(COMMAND) + b"o")
    yield "obj without a class", whole(b"(o")
    yield "call of text", whole(text("os.system") + text(COMMAND) + b"\x85R")
    yield (
        "call of the result of a call",
        whole(
            call("torch._utils._rebuild_parameter", name("os.system")) + text(COMMAND) + b"\x85R"
        ),
    )
    yield "call without a tuple", whole(name("collections.OrderedDict") + b"]R")
    yield (
        "build on a function",
        whole(name("torch._utils._rebuild_tensor_v2") + b"(" + text("__code__") + b"Nd" + b"b"),
    )
    yield "build on a class", whole(name("collections.OrderedDict") + b"}b")
    yield (
        "build that replaces the class",
        whole(
            name("argparse.Namespace") + b")\x81(" + text("__class__") + name("os.system") + b"db"
        ),
    )
    yield (
        "build with a setstate of its own",
        whole(
            call("argparse.Namespace")
            + b"("
            + text("__setstate__")
            + name("os.system")
            + b"db"
            + text(COMMAND)
            + b"b"
        ),
    )
    yield (
        "build with slots",
        whole(call("collections.OrderedDict") + b"N(" + text("__reduce__") + b"Nd\x86b"),
    )
    yield "build twice", whole(call("argparse.Namespace") + b"}b}b")
    yield "extension registry, 1 byte", whole(b"\x82\x01)R")
    yield "extension registry, 2 bytes", whole(b"\x83\x01\x00)R")
    yield "extension registry, 4 bytes", whole(b"\x84\x01\x00\x00\x00)R")
    yield "name kept in the memo", whole(name("os.system") + b"q\x05" + b"0h\x05" + b")R")
    yield "nested pickle", whole(call("pickle.loads", raw(whole(SYSTEM))))
    yield "nested pickle of the C module", whole(call("_pickle.loads", raw(whole(SYSTEM))))
    yield (
        "nested torch file",
        whole(call("torch.storage._load_from_bytes", raw(legacy_file(SYSTEM)))),
    )
    inner = call("torch.storage._load_from_bytes", raw(legacy_file(SYSTEM)))
    yield (
        "torch file nested twice",
        whole(call("torch.storage._load_from_bytes", raw(legacy_file(inner)))),
    )
    yield "nested zip", whole(call("torch.storage._load_from_bytes", raw(zip_file(whole(SYSTEM)))))
    yield "nested torch file of text", whole(call("torch.storage._load_from_bytes", text("x")))
    yield "torch.load", whole(call("torch.load", text("x.pt")))
    yield "torch.serialization.load", whole(call("torch.serialization.load", text("x.pt")))
    yield (
        "graph module with code",
        whole(call("torch.fx._graph_module.reduce_graph_module", b"}", text(PYTHON))),
    )
    yield (
        "tensor subclass with a function",
        whole(
            call(
                "torch._tensor._rebuild_from_type_v2", name("os.system"), text(COMMAND), b"N", b"}"
            )
        ),
    )
    yield "module with a state", whole(name("torch.nn.modules.module.Module") + b")\x81}b")
    yield "code in a zip file", zip_file(whole(SYSTEM))
    yield "code in a legacy file", legacy_file(SYSTEM)
    yield "code in the list of storages", legacy_file(b"}", SYSTEM)
    yield "persistent id as a line", PROTO + b"Pos.system\n."
    yield "persistent id of text", whole(text("os.system") + b"Q")
    yield "persistent id in a plain pickle", whole(storage())
    yield (
        "persistent id of a module",
        zip_file(whole(many(text("module"), name("os.system"), text("x.py"), text(PYTHON)) + b"Q")),
    )
    yield "persistent id of another class", zip_file(whole(storage(kind="os.system")))
    yield (
        "persistent id without a class",
        zip_file(
            whole(
                many(text("storage"), text("FloatStorage"), text("0"), text("cpu"), b"K\x01") + b"Q"
            )
        ),
    )
    yield (
        "getattr chain",
        whole(
            call("builtins.getattr", call("builtins.__import__", text("os")), text("system"))
            + text(COMMAND)
            + b"\x85R"
        ),
    )
    yield (
        "attribute getter",
        whole(call("operator.attrgetter", text("system")) + name("os.path") + b"\x85R"),
    )
    yield (
        "method caller",
        whole(
            call("operator.methodcaller", text("system"), text(COMMAND))
            + name("os.path")
            + b"\x85R"
        ),
    )
    yield (
        "partial function",
        whole(call("functools.partial", name("os.system"), text(COMMAND)) + b")R"),
    )
    yield "lazy map", whole(call("builtins.list", call("builtins.map", name("os.system"), b"]")))
    yield "import by name", whole(call("importlib.import_module", text("antigravity")))
    code = marshal.dumps(compile(PYTHON, "<hostile>", "exec"))
    yield (
        "code object",
        whole(call("types.FunctionType", call("marshal.loads", raw(code)), b"}") + b")R"),
    )
    yield (
        "reconstructor of the copy registry",
        whole(
            call("copyreg._reconstructor", name("subprocess.Popen"), name("builtins.object"), b"N")
        ),
    )
    yield (
        "newobj of the copy registry",
        whole(call("copyreg.__newobj__", name("subprocess.Popen"), text(COMMAND))),
    )
    yield "another codec", whole(call("_codecs.encode", text(COMMAND), text("rot13")))
    yield (
        "object array",
        whole(
            array(
                b"K\x01\x85",
                call("numpy.dtype", text("O8"), b"\x89", b"\x88"),
                b"]" + SYSTEM + b"a",
            )
        ),
    )
    yield (
        "object scalar",
        whole(
            call("numpy.core.multiarray.scalar", call("numpy.dtype", text("O")), raw(whole(SYSTEM)))
        ),
    )
    yield (
        "array of another class",
        whole(
            call("numpy.core.multiarray._reconstruct", name("os.system"), b"K\x00\x85", raw(b"b"))
        ),
    )
    yield (
        "string runner of numpy",
        whole(call("numpy.testing._private.utils.runstring", text(PYTHON), b"}")),
    )
    yield "source of a persistent object", whole(persistent(b"}"))
    yield "persistent object of another type", whole(persistent(b"}", kind="function"))
    yield "persistent object without a name", whole(persistent(b"}", class_name=b"N"))
    yield (
        "source of a TensorFlow network",
        whole(
            name("dnnlib.tflib.network.Network")
            + b")\x81("
            + text("build_module_src")
            + text(PYTHON)
            + text("version")
            + b"K\x04db"
        ),
    )
    gadgets = (
        "builtins.eval builtins.exec builtins.compile builtins.breakpoint timeit.timeit"
        " cProfile.run code.interact pty.spawn runpy.run_path pydoc.locate ctypes.CDLL"
        " webbrowser.open shutil.rmtree urllib.request.urlopen numpy.load torch.hub.load"
        " torch.utils.cpp_extension.load asyncio.run logging.config.listen bdb.Bdb"
        " _posixsubprocess.fork_exec sys.exit"
    )
    for gadget in gadgets.split():
        yield f"call of {gadget}", whole(call(gadget, text(PYTHON)))


def confusing() -> Iterator[tuple[str, bytes]]:
    """Opcodes where they do not belong, and text that wants to leave its line."""
    yield "protocol 255", b"\x80\xff."
    yield "nothing but stop", PROTO + b"."
    yield "no stop", PROTO + b"N"
    yield "unknown opcode", whole(b"\xff")
    yield "pop of nothing", whole(b"0")
    yield "mark that is missing", whole(b"t")
    yield "tuple of too little", whole(b"N\x87")
    yield "duplicate of nothing", whole(b"2")
    yield "memo slot that is empty", whole(b"h\x07")
    yield "items to a tuple", whole(b")(NNe")
    yield "item to a name", whole(name("collections.OrderedDict") + b"Na")
    yield "values to a name", whole(name("collections.OrderedDict") + b"NNs")
    yield "members to a dict", whole(b"}(N\x90")
    yield "key without a value", whole(b"}(" + text("a") + b"u")
    yield "key that is a list", whole(b"}]Ns")
    yield "bad decimal", whole(b"I--5\n")
    yield "bad float", whole(b"Fone\n")
    yield "float as code", whole(b"F__import__('os').system('" + COMMAND.encode() + b"')\n")
    yield "string as code", whole(b"S'' + __import__('os').system('x')\n")
    yield "text that is not UTF-8", whole(b"X\x02\x00\x00\x00\xff\xfe")
    yield "name with new lines", whole(stack_name("os\ntext2face: all is well", "system") + b")R")
    yield "name with escape codes", whole(stack_name("os\x1b[2J", "system") + b")R")
    yield "name of half a character", whole(stack_name("os\ud800", "system") + b")R")
    yield "name of a megabyte", whole(stack_name("o" * 1_000_000, "system") + b")R")
    yield "line without end", PROTO + b"c" + b"o" * 10_000
    yield (
        "mapping of strange types",
        whole(
            b"}"
            + text("G_ema")
            + call("argparse.Namespace")
            + b"("
            + text("_modules")
            + b"K\x07dbs"
        ),
    )
    yield "networks that are numbers", whole(b"K\x01K\x02K\x03\x87")
    network = name("dnnlib.tflib.network.Network") + b")\x81("
    for lack, state in (
        ("no version", b""),
        ("no variables", text("version") + b"K\x04"),
        ("variables of text", text("version") + b"K\x04" + text("variables") + text("abc")),
        ("settings of none", text("version") + b"K\x04" + text("variables") + b"]"),
    ):
        yield f"network with {lack}", whole(b"NN" + network + state + b"db\x87")
    yield "not a number in the weights", nan_file()


def nan_file() -> bytes:
    tree: dict[str, Any] = writers.rosinality_tree(writers.small2())
    tree["g_ema"]["conv1.conv.weight"] = torch.full((1, 5, 5, 3, 3), torch.nan)
    return writers.torch_saved(tree)


CORPUS: Final = {
    **dict(executing()),
    **dict(memory_bombs()),
    **dict(confusing()),
}
"""All of them, by what they do."""
