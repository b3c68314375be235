"""Component folders: `config.json` beside `model.safetensors`, written whole or not at all."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import secrets
import tempfile
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from text2face.errors import CheckpointError, OutputError, one_line, quoted
from text2face.prompts import words

if TYPE_CHECKING:
    import torch
    from _typeshed import DataclassInstance
    from torch import Tensor

    T = TypeVar("T", bound=DataclassInstance)

CONFIG_NAME: Final = "config.json"
WEIGHTS_NAME: Final = "model.safetensors"

_MAX_JSON: Final = 64 << 20
"""Bytes of a JSON file; the largest in the wild are the tokenizers of SigLIP 2, 34 MB."""
_MAX_HEADER: Final = 16 << 20
"""Bytes of the list of tensors in a safetensors file; CLIP's is 0.1 MB."""


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        CheckpointError: The file is missing, unreadable, or not a JSON object.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_JSON + 1)
        if len(text) > _MAX_JSON:
            raise CheckpointError(
                f"damaged file: {path} has more than {_MAX_JSON >> 20} MiB, expected a "
                "configuration; download the model again"
            )
        content = json.loads(text.decode("utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"missing file: {path}; expected a model folder that holds {path.name}; "
            "check the path or download the model again"
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path}: {error.strerror}; expected a readable file"
        ) from None
    except RecursionError:
        raise CheckpointError(
            f"damaged file: {path} is nested too deep, expected a configuration; download the "
            "model again"
        ) from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise CheckpointError(
            f"damaged file: {path} is not JSON ({one_line(error)}); download the model again"
        ) from None
    if not isinstance(content, dict):
        raise CheckpointError(
            f"damaged file: {path} holds a {type(content).__name__}, expected a JSON object; "
            "download the model again"
        )
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """Read the `config.json` of a component folder, `"type"` included.

    Raises:
        CheckpointError: The file is missing, damaged, or names no type.
    """
    path = folder / CONFIG_NAME
    config = read_json(path)
    if not isinstance(config.get("type"), str):
        raise CheckpointError(
            f'damaged file: {path} has no "type" string; expected the name of a component class; '
            "save the component again with save_pretrained"
        )
    return config


def make_config(cls: type[T], values: Mapping[str, Any], path: Path) -> T:
    """Make a component's config dataclass from the JSON in a file; `"type"` is passed over.

    Raises:
        CheckpointError: A value is missing, unknown, of another type, or refused by the dataclass.
    """
    hints = get_type_hints(cls)
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(values.keys() - known - {"type"})
    if unknown:
        raise CheckpointError(
            f"unknown {_some(unknown)} in {path}; expected {_some(sorted(known))}; "
            "a newer text2face may know it"
        )
    given = {name: value for name, value in values.items() if name in known}
    for name, value in given.items():
        if not _fits(value, hints[name]):
            raise CheckpointError(
                f"damaged file: {path}: {name} is {quoted(value)}, expected "
                f"{_describe_type(hints[name])}; download the model again"
            )
    # JSON has no tuples.
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    try:
        return cls(**given)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"damaged file: {path}: {one_line(error)}; download the model again"
        ) from None


def _fits(value: object, hint: Any) -> bool:
    """Whether a value of JSON is of the type that a field of a configuration has."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(one, inner[0]) for one in value)
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(one, inner[1]) for one in value.values())
    if isinstance(value, dict):
        return all(isinstance(one, str) for one in value.values()) and hint is not str
    return hint is Any or type(value) is hint


def _describe_type(hint: Any) -> str:
    """A type in words."""
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if get_origin(hint) is tuple:
        return "a list, each " + _describe_type(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(map(_describe_type, get_args(hint)))
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(get_args(hint))
    return names.get(hint, "null" if hint is type(None) else "an object with text in it")


def read_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors in the `model.safetensors` of a folder, without their numbers.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    return file_shapes(folder / WEIGHTS_NAME)


def file_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors in a safetensors file, without their numbers.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CheckpointError(
            f"missing file: {path}; expected the weights of a model; "
            "check the path or download the model again"
        )
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > _MAX_HEADER:
            raise ValueError(f"its list of tensors claims {length} bytes")
        with safe_open(path, framework="pt") as content:
            return {
                name: tuple(content.get_slice(name).get_shape())
                for name in content.keys()  # noqa: SIM118 - no dict
            }
    except (SafetensorError, OSError, ValueError, KeyError, OverflowError) as error:
        raise CheckpointError(
            f"damaged file: {path} is not a whole safetensors file ({one_line(error)[:200]}); "
            "download the model again"
        ) from None


def read_tensors(folder: Path, expected: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Read the `model.safetensors` of a component folder as float32 (integers and booleans stay).

    Args:
        folder: The component folder.
        expected: The name and shape of every tensor that the component needs, no more, no less.

    Raises:
        CheckpointError: The file is missing or damaged, a tensor is missing, unknown or of another
            shape, or a value is not finite.
    """
    path = folder / WEIGHTS_NAME
    shapes = file_shapes(path)
    missing = sorted(expected.keys() - shapes.keys())
    unknown = sorted(shapes.keys() - expected.keys())
    if missing or unknown:
        problems = [f"lacks {_some(missing)}"] if missing else []
        problems += [f"has unknown {_some(unknown)}"] if unknown else []
        raise CheckpointError(
            f"wrong weights: {path} {' and '.join(problems)}; "
            f"expected the {len(expected)} tensors that {CONFIG_NAME} beside it describes"
        )
    for name, shape in shapes.items():
        if shape != tuple(expected[name]):
            raise CheckpointError(
                f"wrong weights: {path}: tensor {name} is {list(shape)}, expected "
                f"{list(expected[name])} from {CONFIG_NAME}; the two files must come from one model"
            )
    tensors = load_tensors(path)
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            tensors[name] = tensor.float()
            if not tensors[name].isfinite().all():
                raise CheckpointError(
                    f"damaged weights: {path}: tensor {name} holds NaN or infinity, expected "
                    "finite numbers; download the model again"
                )
    return tensors


def load_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, as they are stored.

    Raises:
        CheckpointError: The file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"damaged file: {path} is not a whole safetensors file ({one_line(error)[:200]}); "
            "download the model again"
        ) from None


def write_folder(
    folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor], *, half: bool = True
) -> None:
    """Write a component folder, each file whole or not at all.

    Args:
        folder: Made if it is missing.
        config: JSON values, with `"type"`.
        tensors: The weights by name.
        half: Whether to store floating-point tensors as fp16, or as they are.

    Raises:
        CheckpointError: A value does not fit in fp16 or is not finite.
        OutputError: The folder cannot be written.
    """
    import torch
    from safetensors.torch import save

    kept: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        stored = tensor.detach().cpu()
        if stored.is_floating_point():
            stored = stored.to(torch.float16) if half else stored
            if not stored.isfinite().all():
                limit = " or a value beyond fp16's 65504" if half else ""
                raise CheckpointError(
                    f"cannot save tensor {name}: it holds NaN or infinity{limit}; expected finite "
                    "numbers within it"
                )
        kept[name] = stored.contiguous().clone()
    text = json.dumps(dict(config), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    make_folder(folder)
    with atomic_file(folder / WEIGHTS_NAME) as file:
        file.write(save(kept))
    with atomic_file(folder / CONFIG_NAME) as file:
        file.write(text.encode())


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

    Raises:
        OutputError: It cannot be made or is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OutputError(
            f"cannot make folder {folder}: a file is in the way; expected a folder; choose another"
        ) from None
    except OSError as error:
        raise OutputError(cannot_write(folder, error)) from None


def prompt_folders(folder: Path, texts: Sequence[str]) -> dict[str, Path]:
    """Where the faces of each prompt go: into the folder itself, or 01-the-words if several."""
    if len(texts) == 1:
        return {texts[0]: folder}
    digits = max(2, len(str(len(texts))))
    return {
        text: folder / f"{index:0{digits}}-{'-'.join(words(text))[:50].rstrip('-')}"
        for index, text in enumerate(texts, 1)
    }


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; what is made and still empty when the work fails is removed.

    Raises:
        OutputError: It cannot be made or is a file.
    """
    made = [one for one in (folder, *folder.parents) if not _exists(one)]
    make_folder(folder)
    whole = False
    try:
        yield
        whole = True
    finally:
        if not whole:
            with suppress(OSError):  # something is in it
                for one in made:
                    one.rmdir()


def _exists(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:  # make_folder says why
        return True


def check_writable(folder: Path) -> None:
    """Make a folder if it is missing and see that files can be written there.

    Raises:
        OutputError: They cannot.
    """
    make_folder(folder)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"text2face")
    except OSError as error:
        raise OutputError(cannot_write(folder, error)) from None


@contextmanager
def atomic_file(path: Path, *, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when it is whole.

    Args:
        path: Its name.
        overwrite: Whether it may take the place of a file that appeared meanwhile.

    Raises:
        OutputError: It cannot be written, or may not; nothing is left behind.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        if overwrite:
            os.replace(temporary, path)
        else:
            _publish(temporary, path)
    except FileExistsError:
        raise OutputError(
            f"{path} was written by another process meanwhile, and is kept; choose another name or "
            "folder, or pass --overwrite"
        ) from None
    except OSError as error:
        raise OutputError(cannot_write(path, error)) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _publish(temporary: Path, path: Path) -> None:
    """Give a file its name, unless there is one of that name.

    Raises:
        FileExistsError: There is.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        try:
            os.replace(temporary, path)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def cannot_write(path: Path, error: OSError) -> str:
    """One line for a failed write: what, why, and what to do about it."""
    fixes = {
        errno.ENOSPC: "free some space or choose another disk",
        errno.EDQUOT: "free some of your quota or choose another disk",
        errno.EACCES: "choose a folder that you may write to",
        errno.EPERM: "choose a folder that you may write to",
        errno.EROFS: "choose a folder that you may write to",
        errno.ENAMETOOLONG: "choose a shorter name",
    }
    why = (error.strerror or one_line(error)).lower()
    return f"cannot write {path}: {why}; {fixes.get(error.errno or 0, 'choose another folder')}"


def _some(names: list[str]) -> str:
    names = [name if len(name) <= 80 else quoted(name) for name in names]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
