from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
import torch

from text2face.errors import CheckpointError, OutputError
from text2face.storage import folders

TENSORS = {"weight": torch.linspace(-2, 2, 6).view(2, 3), "steps": torch.tensor([7])}
SHAPES = {name: tensor.shape for name, tensor in TENSORS.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folders.write_folder(tmp_path / "part", {"type": "part", "size": 3}, TENSORS)
    return tmp_path / "part"


def test_a_component_comes_back_as_it_was_written(folder: Path) -> None:
    assert folders.read_config(folder) == {"type": "part", "size": 3}
    tensors = folders.read_tensors(folder, SHAPES)
    assert tensors["weight"].dtype == torch.float32
    assert torch.equal(tensors["weight"], TENSORS["weight"].half().float())
    assert torch.equal(tensors["steps"], TENSORS["steps"])
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_writing_again_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    folders.write_folder(again, folders.read_config(folder), folders.read_tensors(folder, SHAPES))
    for path in folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"missing file: .*{name}; expected"):
        folders.read_config(folder), folders.read_tensors(folder, SHAPES)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"size": 3}', '{"type": 3}', "\x00"])
def test_a_damaged_config_is_an_error(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"damaged file: .*config\.json"):
        folders.read_config(folder)


def test_a_config_that_is_a_folder_is_an_error(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(CheckpointError, match="cannot read"):
        folders.read_config(folder)


@pytest.mark.parametrize("length", [0, 5, 40, -1])
def test_truncated_weights_are_an_error(folder: Path, length: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"damaged file: .*model\.safetensors"):
        folders.read_tensors(folder, SHAPES)


def test_weights_of_random_bytes_are_an_error(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(CheckpointError, match="damaged file"):
        folders.read_tensors(folder, SHAPES)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"weight": (2, 3)}, "has unknown steps"),
        ({"weight": (2, 3), "steps": (1,), "bias": (3,)}, "lacks bias"),
        ({"weight": (3, 2), "steps": (1,)}, r"weight is \[2, 3\], expected \[3, 2\]"),
    ],
)
def test_weights_of_another_model_are_an_error(
    folder: Path, shapes: dict[str, Any], message: str
) -> None:
    expected = {name: torch.Size(shape) for name, shape in shapes.items()}
    with pytest.raises(CheckpointError, match=message):
        folders.read_tensors(folder, expected)


def test_weights_that_are_not_numbers_are_an_error(folder: Path) -> None:
    from safetensors.torch import save_file

    save_file(TENSORS | {"weight": torch.full((2, 3), torch.nan)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="weight holds NaN"):
        folders.read_tensors(folder, SHAPES)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e6])
def test_what_does_not_fit_is_not_saved(tmp_path: Path, value: float) -> None:
    with pytest.raises(CheckpointError, match="cannot save tensor weight"):
        folders.write_folder(tmp_path / "new", {"type": "x"}, {"weight": torch.tensor([value])})
    assert not (tmp_path / "new").exists()


@dataclass(frozen=True)
class Config:
    size: int
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is {self.size}, expected at least 1")


def test_a_config_is_made_from_json() -> None:
    assert folders.make_config(Config, {"type": "x", "size": 3}, Path("c")) == Config(3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "missing 1 required"),
        ({"size": 0}, "size is 0"),
        ({"size": 1, "colour": 2}, "unknown colour"),
    ],
)
def test_a_config_with_wrong_values_is_an_error(values: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        folders.make_config(Config, values, Path("config.json"))


def full_disk(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", full_disk)
    with (
        pytest.raises(OutputError, match="no space left on device; free some space"),
        folders.atomic_file(tmp_path / "face.png") as file,
    ):
        file.write(b"face")
    assert list(tmp_path.iterdir()) == []


def write_half(file: IO[bytes]) -> None:
    file.write(b"half")
    raise KeyboardInterrupt


def test_an_interrupted_file_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), folders.atomic_file(path) as file:
        write_half(file)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appeared_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if not links:  # as FAT answers
        monkeypatch.setattr(os, "link", refuse)
    with folders.atomic_file(tmp_path / "face.png", overwrite=False) as file:
        file.write(b"1")
    (tmp_path / "link.png").symlink_to("nowhere")
    for name in ("face.png", "link.png"):
        with (
            pytest.raises(OutputError, match="was written by another process meanwhile"),
            folders.atomic_file(tmp_path / name, overwrite=False) as file,
        ):
            file.write(b"2")
    assert (tmp_path / "face.png").read_bytes() == b"1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["face.png", "link.png"]


def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    for folder in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(OutputError, match="a file is in the way"):
            folders.check_writable(folder)


def test_a_folder_that_refuses_files_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**arguments: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(OutputError, match="permission denied; choose a folder"):
        folders.check_writable(tmp_path)
