"""Named pipelines: published weights that belong together, fetched once and loaded by one name."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from text2face import catalogue
from text2face.catalogue import MODELS, PIPELINES, Model, NamedPipeline
from text2face.errors import CheckpointError, OutputError
from text2face.storage.folders import atomic_file, make_folder

if TYPE_CHECKING:
    from text2face.encoders.base import TextImageEncoder
    from text2face.generators.base import Generator
    from text2face.samplers.base import LatentSampler

__all__ = [
    "NamedPipeline",
    "Parts",
    "accept",
    "fetch",
    "find",
    "is_named",
    "load",
    "unaccepted",
]

_ACCEPTED: Final = "licence.txt"


@dataclass(frozen=True)
class Parts:
    """What a named pipeline is put together from."""

    encoder: TextImageEncoder
    sampler: LatentSampler
    generator: Generator
    defaults: Mapping[str, Any]
    """Fields of `PipelineConfig`."""
    fingerprint: str
    """16 hexadecimal digits that name all weights."""


def is_named(source: object) -> bool:
    """Whether a source is the name of a pipeline, and not a file or folder of that name."""
    return isinstance(source, str) and source in PIPELINES and not Path(source).exists()


def find(name: str) -> NamedPipeline | Model:
    """The pipeline of that name, or the model.

    Raises:
        ArgumentError: There is neither.
    """
    return PIPELINES[name] if name in PIPELINES else catalogue.find(name)


def accept(model: Model) -> None:
    """Remember that the user has seen the licence of a model and goes on.

    Raises:
        OutputError: The cache cannot be written.
    """
    path = catalogue.cache_folder() / "models" / model.name / _ACCEPTED
    if not _is_accepted(model):
        make_folder(path.parent)
        with atomic_file(path) as file:
            file.write(f"{model.licence}\n".encode())


def _is_accepted(model: Model) -> bool:
    """Whether this licence, word for word, was accepted."""
    path = catalogue.cache_folder() / "models" / model.name / _ACCEPTED
    try:
        return path.read_text(encoding="utf-8").strip() == model.licence
    except (OSError, UnicodeDecodeError):
        return False


def unaccepted(name: str) -> list[Model]:
    """The models of a pipeline whose licences have not been accepted yet."""
    return [model for model in PIPELINES[name].models if not _is_accepted(model)]


def fetch(
    name: str,
    *,
    accept_licence: bool = False,
    offline: bool = False,
    progress: bool = False,
    tell: Callable[[str], object] = lambda line: None,
) -> dict[str, tuple[Path, str]]:
    """Download what is missing of a pipeline.

    Args:
        name: A name of `PIPELINES`.
        accept_licence: The user has seen the licences and accepts them; once is enough.
        offline: Look in the cache only.
        progress: Show bars on stderr, if that is a terminal.
        tell: Called with a line that says how much will be downloaded.

    Returns:
        For each kind of component: its file, or its folder of the hub, and the SHA-256 of its
        weights.

    Raises:
        CheckpointError: A licence was not accepted, or a file cannot be had or is not the one that
            was pinned.
        OutputError: The cache cannot be written, or has not the room.
    """
    pipeline = PIPELINES[name]
    unseen = unaccepted(name)
    if unseen and not accept_licence:
        licences = "; ".join(f"{model.name}: {model.licence}" for model in unseen)
        raise CheckpointError(
            f"the licences of {name} have not been accepted: {licences}; run `text2face models "
            f"download {name}`, or add --accept-licence (accept_licence=True in Python)"
        )
    found = {model.kind: catalogue.checked(model) for model in pipeline.models}
    missing = [model for model in pipeline.models if found[model.kind] is None]
    if missing and offline:
        raise CheckpointError(
            f"{name} lacks {', '.join(model.name for model in missing)} in the cache; expected all "
            "its parts; download it without --offline"
        )
    for model in sorted(missing, key=lambda model: bool(model.file)):
        if not model.file:
            catalogue.download(model)  # raises: it has to be fetched by hand
    if missing:
        size = sum(model.size or 0 for model in missing)
        _check_room(size)
        names = ", ".join(f"{model.name} ({_megabytes(model.size)})" for model in missing)
        tell(f"downloading {_megabytes(size)} for {name}: {names}")
    for model in unseen:
        accept(model)
    for model in missing:
        catalogue.download(model, progress=progress)
        found[model.kind] = catalogue.checked(model)
    return {kind: place for kind, place in found.items() if place is not None}


def load(
    name: str, *, encoder: TextImageEncoder | None = None, accept_licence: bool = False
) -> Parts:
    """Load the components of a pipeline, and download them first if they are missing.

    Args:
        name: A name of `PIPELINES`.
        encoder: Take this encoder instead of the pipeline's own.
        accept_licence: See `fetch`.

    Raises:
        CheckpointError: See `fetch`; or a file is damaged.
    """
    from text2face.checkpoints import clip2latent, fast_text2stylegan, load_checkpoint, load_sampler
    from text2face.encoders.clip import CLIPEncoder

    pipeline = PIPELINES[name]
    places = fetch(name, accept_licence=accept_licence)
    if encoder is None:
        folder = places["encoder"][0]
        encoder = CLIPEncoder.from_folder(folder)
        encoder.hub_id, encoder.revision = MODELS[pipeline.encoder].source, folder.name
    digests = " ".join(sorted(f"{kind} {digest}" for kind, (_, digest) in places.items()))
    fingerprint = hashlib.sha256(digests.encode()).hexdigest()[:16]
    weights = places["sampler"][0]
    if not pipeline.generator:
        _, sampler, generator = fast_text2stylegan.load_pipeline(weights, encoder)
        defaults = {**fast_text2stylegan.DEFAULTS, "name": name}
        return Parts(encoder, sampler, generator, defaults, fingerprint)
    prior = load_sampler(weights / MODELS[pipeline.sampler].file)
    network = places["generator"][0]
    if network.is_dir():
        network /= MODELS[pipeline.generator].file
    clip2latent.set_embedding_norm(prior, encoder)
    defaults = {**clip2latent.DEFAULTS, "name": name}
    return Parts(encoder, prior, load_checkpoint(network), defaults, fingerprint)


def _check_room(size: int) -> None:
    """See that a download fits on the disk of the cache.

    Raises:
        OutputError: It does not.
    """
    folder = catalogue.cache_folder()
    make_folder(folder)
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OutputError(
            f"cannot write {folder}: {_megabytes(free)} are free, expected {_megabytes(size)}; "
            "free some space, or set TEXT2FACE_CACHE and HF_HOME to another disk"
        )


def _megabytes(size: int | None) -> str:
    return f"{size / 1e6:,.0f} MB" if size is not None else "size unknown"
