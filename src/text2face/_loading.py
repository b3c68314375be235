"""From a folder or a hub id to components: names in JSON, weights in safetensors, no pickle."""

from __future__ import annotations

import hashlib
import re
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, Self, cast, runtime_checkable

import torch

from text2face._folders import read_config
from text2face.errors import ArgumentError, CheckpointError

BUNDLED: Final = Path(__file__).parent / "bundled"

TYPES: Final = {
    "generator": {
        "stylegan2": "text2face.generators.stylegan2:StyleGAN2",
        "stylegan3": "text2face.generators.stylegan3:StyleGAN3",
    },
    "encoder": {"compact": "text2face.encoders.compact:CompactEncoder"},
    "sampler": {"cvae": "text2face.samplers.cvae:CVAESampler"},
}

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@runtime_checkable
class Saveable(Protocol):
    """What every component can do besides its own trade."""

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load from a component folder."""
        ...

    def save_pretrained(self, folder: Path) -> None:
        """Save to a component folder."""
        ...


def find_model(source: str | Path | None) -> Path:
    """The folder of a model.

    Args:
        source: A folder; a hub id such as "owner/name", downloaded if it is not in the cache; or
            None for the model that comes with the package.

    Raises:
        CheckpointError: There is no such folder or hub model, or the hub cannot be reached.
    """
    if source is None:
        return BUNDLED
    folder = Path(source)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(
            f"{source} is a file, expected a model folder that holds pipeline.json"
        )
    if isinstance(source, str) and _HUB_ID.fullmatch(source):
        return _download(source)
    raise CheckpointError(
        f"no model folder {source}; expected a folder that holds pipeline.json, or a hub id such "
        "as owner/name; check the path"
    )


def load_component(kind: str, folder: Path) -> Any:
    """Load the generator, encoder or sampler that a folder holds.

    Raises:
        CheckpointError: The folder is missing or damaged, or its type is not known.
    """
    if not folder.is_dir():
        raise CheckpointError(
            f"missing folder: {folder}; expected the {kind} of the model; download the model again"
        )
    name = read_config(folder)["type"]
    if name not in TYPES[kind]:
        raise CheckpointError(
            f"unknown {kind} type {name!r} in {folder}; expected one of {', '.join(TYPES[kind])}; "
            "a newer text2face may know it"
        )
    module, attribute = TYPES[kind][name].split(":")
    component = cast("type[Saveable]", getattr(import_module(module), attribute))
    return component.from_pretrained(folder)


def fingerprint(folder: Path) -> str:
    """16 hexadecimal digits that name what a model folder holds: weights and configuration."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in {".json", ".safetensors"}):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


def choose_device(device: str | torch.device) -> torch.device:
    """The device by name; "auto" is the GPU if there is one.

    Raises:
        ArgumentError: There is no such device here.
    """
    if device == "auto":
        gpu = torch.cuda.is_available()
        return torch.device("cuda" if gpu else "mps" if torch.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ArgumentError(
            f"no device {str(device)!r} on this machine; expected auto, cpu, cuda or mps"
        ) from None
    return chosen


def _download(hub_id: str) -> Path:
    """Fetch a model from the hub, or find it in the cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(hub_id, allow_patterns=["*.json", "*.safetensors", "*.md"]))
    except GatedRepoError:
        raise CheckpointError(
            f"the hub model {hub_id} is gated; accept its terms on the hub and log in with "
            "`hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise CheckpointError(
            f"no folder and no hub model {hub_id}; expected a folder that holds pipeline.json or a "
            "public hub id; check the name"
        ) from None
    except (OSError, ValueError, RuntimeError) as error:  # offline, time-out, server error, bad id
        raise CheckpointError(
            f"cannot fetch {hub_id} from the model hub ({type(error).__name__}) and it is not in "
            "the cache; check the network, or give a folder"
        ) from None
