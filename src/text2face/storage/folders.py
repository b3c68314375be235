"""Component folders: `config.json` beside `model.safetensors`, written whole or not at all."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

from text2face.errors import CheckpointError, OutputError

if TYPE_CHECKING:
    import torch
    from _typeshed import DataclassInstance
    from torch import Tensor

    T = TypeVar("T", bound=DataclassInstance)

CONFIG_NAME: Final = "config.json"
WEIGHTS_NAME: Final = "model.safetensors"


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        CheckpointError: The file is missing, unreadable, or not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"missing file: {path}; expected a model folder that holds {path.name}; "
            "check the path or download the model again"
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path}: {error.strerror}; expected a readable file"
        ) from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise CheckpointError(
            f"damaged file: {path} is not JSON ({_one_line(error)}); download the model again"
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
        CheckpointError: A value is missing, unknown, or refused by the dataclass.
    """
    known = {field.name for field in dataclasses.fields(cls)}
    unknown = sorted(values.keys() - known - {"type"})
    if unknown:
        raise CheckpointError(
            f"unknown {_some(unknown)} in {path}; expected {_some(sorted(known))}; "
            "a newer text2face may know it"
        )
    try:
        return cls(**{name: value for name, value in values.items() if name in known})
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"damaged file: {path}: {_one_line(error)}; download the model again"
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
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS_NAME
    if not path.is_file():
        raise CheckpointError(
            f"missing file: {path}; expected the weights of a model; "
            "check the path or download the model again"
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"damaged file: {path} is not a whole safetensors file ({_one_line(error)}); "
            "download the model again"
        ) from None
    missing = sorted(expected.keys() - tensors.keys())
    unknown = sorted(tensors.keys() - expected.keys())
    if missing or unknown:
        told = [f"lacks {_some(missing)}"] if missing else []
        told += [f"has unknown {_some(unknown)}"] if unknown else []
        raise CheckpointError(
            f"wrong weights: {path} {' and '.join(told)}; "
            f"expected the {len(expected)} tensors that {CONFIG_NAME} beside it describes"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name]:
            raise CheckpointError(
                f"wrong weights: {path}: tensor {name} is {list(tensor.shape)}, expected "
                f"{list(expected[name])} from {CONFIG_NAME}; the two files must come from one model"
            )
        if tensor.is_floating_point():
            tensors[name] = tensor.float()
            if not tensors[name].isfinite().all():
                raise CheckpointError(
                    f"damaged weights: {path}: tensor {name} holds NaN or infinity, expected "
                    "finite numbers; download the model again"
                )
    return tensors


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
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when it is whole.

    Raises:
        OutputError: It cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(cannot_write(path, error)) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
    why = (error.strerror or _one_line(error)).lower()
    return f"cannot write {path}: {why}; {fixes.get(error.errno or 0, 'choose another folder')}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
