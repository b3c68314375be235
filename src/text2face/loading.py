"""From a folder or a hub id to components: names in JSON, weights in safetensors, no pickle."""

from __future__ import annotations

import difflib
import hashlib
import re
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol, Self, cast, runtime_checkable

import torch

from text2face import registry
from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError, CheckpointError, quoted
from text2face.storage.digests import kept_digest
from text2face.storage.folders import CONFIG_NAME, read_config, read_json
from text2face.storage.hub import fetch_file, is_hub_id, snapshot

BUNDLED: Final = Path(__file__).parent / "bundled"

_PATTERNS: Final = ("*.json", "*.safetensors", "*.md", "*.txt", "*.model")
_SUFFIXES: Final = (".ckpt", ".pkl", ".pt", ".pth", ".safetensors")
_PLAIN_NAME: Final = re.compile(r"([\w+-][\w .+-]*/)*[\w+-][\w .+-]*")
"""A relative path without hidden parts, and without what the hub's patterns take for a wildcard."""


@runtime_checkable
class Saveable(Protocol):
    """A component that can be saved to a folder and loaded from it."""

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Load from a component folder."""
        ...

    def save_pretrained(self, folder: Path) -> None:
        """Save to a component folder."""
        ...


def find_file(source: str | Path | None) -> Path | None:
    """The checkpoint file that a name stands for; None if it stands for something else.

    Args:
        source: A file, or a file in a hub repository, "owner/name:file.pkl", which is downloaded if
            it is not in the cache (with the YAML file of the same name, if there is one).

    Raises:
        CheckpointError: The repository or the file in it does not exist, is of a kind that is not
            read, or cannot be reached.
    """
    if source is None or Path(source).exists():
        return Path(source) if source is not None and Path(source).is_file() else None
    hub_id, colon, name = str(source).partition(":")
    if not colon or not is_hub_id(hub_id):
        if str(source).endswith(_SUFFIXES):
            raise CheckpointError(
                f"no file {source}; expected a checkpoint on this machine, or in a hub repository, "
                "such as owner/name:network.pkl; check the path"
            )
        return None
    if not _PLAIN_NAME.fullmatch(name) or not name.endswith(_SUFFIXES):
        raise CheckpointError(
            f"bad file name in a hub repository: got {quoted(name)} in {hub_id}, expected a plain "
            f"name such as network.pkl that ends in {', '.join(_SUFFIXES)}"
        )
    path = fetch_file(hub_id, name)
    if path.suffix == ".ckpt":  # a prior of clip2latent; others have no YAML file
        with suppress(CheckpointError):
            fetch_file(hub_id, str(PurePosixPath(name).with_suffix(".yaml")))
    return path


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
    if isinstance(source, str) and is_hub_id(source):
        return snapshot(source, _PATTERNS, expected="a folder that holds pipeline.json")
    raise CheckpointError(
        f"no model folder {source}; expected a folder that holds pipeline.json, a hub id such as "
        f"owner/name, or a name such as clip2latent-ffhq; {_hint(source)}"
    )


def _hint(source: object) -> str:
    """What the user may have meant."""
    from text2face.catalogue import PIPELINES

    near = difflib.get_close_matches(str(source), PIPELINES, n=1)
    return f"did you mean {near[0]}?" if near else "check the path, or see `text2face models list`"


def load_component(kind: str, folder: Path) -> Any:
    """Load the generator, encoder, sampler or inversion encoder that a folder holds.

    Raises:
        CheckpointError: The folder is missing or damaged, or its type is not known.
    """
    if not folder.is_dir():
        raise CheckpointError(
            f"missing folder: {folder}; expected the {kind} of the model; download the model again"
        )
    name = read_config(folder)["type"]
    known = registry.names(kind)
    if name not in known:
        raise CheckpointError(
            f"unknown {kind} type {quoted(name)} in {folder}; expected one of {', '.join(known)}; "
            "if it is a plugin's, name it with --plugin or in TEXT2FACE_PLUGINS; a newer text2face "
            "may know it"
        )
    component = cast("type[Saveable]", registry.find(kind, name))
    return component.from_pretrained(folder)


def load_encoder(name: str | Path, *, truncate: bool = False) -> TextImageEncoder:
    """Load a text-image encoder.

    ```python
    encoder = text2face.load_encoder("openai/clip-vit-base-patch32")
    score = torch.cosine_similarity(encoder.encode_image(faces), encoder.encode_text(["a hat"]))
    ```

    Args:
        name: Any CLIP or SigLIP of transformers: a hub id such as "openai/clip-vit-base-patch16",
            a folder, or a name of `text2face models list`; or an encoder folder of text2face.
        truncate: Cut off texts beyond the encoder's context, rather than raise. An encoder folder
            of text2face keeps its own setting.

    Returns:
        The encoder on the CPU, in float32, in evaluation mode and frozen; embeddings
        [N, embedding_dim] keep the length that the network gives them.

    Raises:
        CheckpointError: There is none, or it is damaged or out of reach.
    """
    from text2face.catalogue import MODELS
    from text2face.encoders.clip import CLIPEncoder

    folder = Path(name)
    if folder.is_dir():
        if isinstance(read_json(folder / CONFIG_NAME).get("type"), str):
            return cast("TextImageEncoder", load_component("encoder", folder))
        return CLIPEncoder.from_folder(folder, truncate=truncate)
    if isinstance(name, str) and name in MODELS and MODELS[name].kind == "encoder":
        name = MODELS[name].source
    if isinstance(name, str) and is_hub_id(name):
        return CLIPEncoder.from_hub(name, truncate=truncate)
    raise CheckpointError(
        f"no encoder {name}; expected a hub id such as openai/clip-vit-base-patch32, a folder that "
        "transformers or text2face has saved, or a name of `text2face models list --kind encoder`"
    )


def fingerprint(folder: Path) -> str:
    """16 hexadecimal digits that name what a model draws with: weights and configuration.

    The inversion encoder is left out: it draws nothing.

    Args:
        folder: A model folder, or a checkpoint file.
    """
    from text2face.catalogue import cache_folder

    try:
        store = cache_folder() / "digests.json"
    except RuntimeError:  # the user has no home
        store = None
    digest = hashlib.sha256()
    paths = [
        path
        for path in folder.rglob("*")
        if path.suffix in {".json", ".safetensors", ".txt", ".model"}
        and path.relative_to(folder).parts[0] != "inversion"
    ]
    for path in sorted(paths) if folder.is_dir() else [folder]:
        content = kept_digest(path, store)
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
        torch.ones(1, device=chosen).cpu()  # "meta" exists, but computes nothing
    except (RuntimeError, AssertionError, NotImplementedError, ImportError, ValueError):
        raise ArgumentError(
            f"no device {str(device)!r} on this machine; expected auto, cpu, cuda or mps"
        ) from None
    return chosen
