"""The registry: published weights that text2face knows, with licence, size and where they are.

Addresses are those that the authors document. Sizes are rounded, as their hosts show them, and
None where no public page says them.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from text2face.errors import ArgumentError, CheckpointError

__all__ = [
    "MODELS",
    "PIPELINES",
    "Model",
    "NamedPipeline",
    "cache_folder",
    "cached",
    "checked",
    "download",
    "downloaded",
    "find",
    "path_of",
]

_NVIDIA: Final = (
    "NVIDIA Source Code License: non-commercial use only, for research or evaluation "
    "(https://github.com/NVlabs/stylegan3/blob/main/LICENSE.txt)"
)
_NGC: Final = "https://api.ngc.nvidia.com/v2/models/nvidia/research"
_OPENAI: Final = "MIT (https://github.com/openai/CLIP/blob/main/LICENSE)"
_CLIP2LATENT: Final = "MIT (https://huggingface.co/lambdalabs/clip2latent)"
_GOOGLE: Final = "Apache-2.0 (the model card on the hub)"


@dataclass(frozen=True)
class Model:
    """One set of published weights."""

    name: str
    """What the command line and `load_encoder` call it."""
    kind: Literal["detector", "encoder", "generator", "sampler"]
    about: str
    """What it is."""
    licence: str
    """The licence of the weights, and where it stands."""
    source: str
    """The address of a folder (https://…), a hub id (owner/name), or a page (see `file`)."""
    file: str = ""
    """The file in that folder, or the weights in that hub model; "" = there is no stable address,
    and `source` is the page that tells how to get it."""
    revision: str = ""
    """The version in the source: a branch or commit of a hub model, or a version number."""
    size: int | None = None
    """Bytes of the file, rounded; None = not published."""
    sha256: str = ""
    """The checksum that the source gives; "" = none, the first download is trusted."""
    note: str = ""
    """What else there is to know before a download."""
    answered: str = "not checked yet: taken from public pages"
    """When the source last answered, and to whom."""

    @property
    def is_on_hub(self) -> bool:
        """Whether the source is a hub id."""
        return bool(self.file) and "://" not in self.source


def _stylegan2(data: str, size: int, about: str, megabytes: int | None = None) -> Model:
    return Model(
        name=f"stylegan2-{data}-{size}",
        kind="generator",
        about=f"StyleGAN2, {about}, {size}×{size}",
        licence=_NVIDIA,
        source=f"{_NGC}/stylegan2/versions/1/files",
        file=f"stylegan2-{data}-{size}x{size}.pkl",
        revision="1",
        size=megabytes and megabytes * 10**6,
    )


def _stylegan3(variant: str, data: str, size: int, about: str) -> Model:
    return Model(
        name=f"stylegan3-{variant}-{data}-{size}",
        kind="generator",
        about=f"StyleGAN3-{variant.upper()}, {about}, {size}×{size}",
        licence=_NVIDIA,
        source=f"{_NGC}/stylegan3/versions/1/files",
        file=f"stylegan3-{variant}-{data}-{size}x{size}.pkl",
        revision="1",
    )


def _clip(
    name: str, hub_id: str, about: str, file: str, megabytes: int | None, sha256: str = ""
) -> Model:
    return Model(
        name=name,
        kind="encoder",
        about=about,
        licence=_OPENAI if hub_id.startswith("openai/") else _GOOGLE,
        source=hub_id,
        file=file,
        revision="main",
        size=megabytes and megabytes * 10**6,
        sha256=sha256,
    )


_PEOPLE: Final = "faces of FFHQ"
_LOOSE: Final = "faces of FFHQ-U, not aligned"
_ART: Final = "painted faces of MetFaces"
_LOOSE_ART: Final = "painted faces of MetFaces-U, not aligned"
_ANIMALS: Final = "animal faces of AFHQv2"

_ALL: Final = (
    _stylegan2("ffhq", 1024, _PEOPLE, 382),
    _stylegan2("ffhq", 512, _PEOPLE, 364),
    _stylegan2("ffhq", 256, _PEOPLE),
    _stylegan2("ffhqu", 1024, _LOOSE),
    _stylegan2("ffhqu", 256, _LOOSE),
    _stylegan2("celebahq", 256, "faces of CelebA-HQ"),
    _stylegan2("metfaces", 1024, _ART),
    _stylegan2("metfacesu", 1024, _LOOSE_ART),
    _stylegan2("afhqv2", 512, _ANIMALS),
    _stylegan2("afhqcat", 512, "cats of AFHQ"),
    _stylegan2("afhqdog", 512, "dogs of AFHQ"),
    _stylegan2("afhqwild", 512, "wild animals of AFHQ"),
    _stylegan2("lsundog", 256, "dogs of LSUN"),
    _stylegan2("brecahad", 512, "breast cancer histopathology of BreCaHAD"),
    _stylegan2("cifar10", 32, "CIFAR-10, with classes"),
    *(
        _stylegan3(variant, data, size, about)
        for variant in ("t", "r")
        for data, size, about in (
            ("ffhq", 1024, _PEOPLE),
            ("ffhqu", 1024, _LOOSE),
            ("ffhqu", 256, _LOOSE),
            ("metfaces", 1024, _ART),
            ("metfacesu", 1024, _LOOSE_ART),
            ("afhqv2", 512, _ANIMALS),
        )
    ),
    Model(
        name="yunet",
        kind="detector",
        about="faces in photos and their five landmarks, for --align",
        licence="MIT (https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet)",
        source="https://github.com/opencv/opencv_zoo/raw/"
        "966be4cb6eefc2a4f586ed0581bf4bbaa2533070/models/face_detection_yunet",
        file="face_detection_yunet_2023mar.onnx",
        revision="2023mar",
        size=232_589,
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    ),
    _clip(
        "clip-vit-b-32",
        "openai/clip-vit-base-patch32",
        "CLIP ViT-B/32, 512 dimensions, images of 224×224",
        "pytorch_model.bin",
        605,
        "a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f",
    ),
    _clip(
        "clip-vit-b-16",
        "openai/clip-vit-base-patch16",
        "CLIP ViT-B/16, 512 dimensions, images of 224×224; the encoder of Fast text2StyleGAN",
        "pytorch_model.bin",
        599,
    ),
    _clip(
        "clip-vit-l-14",
        "openai/clip-vit-large-patch14",
        "CLIP ViT-L/14, 768 dimensions, images of 224×224",
        "model.safetensors",
        None,
    ),
    _clip(
        "siglip-base",
        "google/siglip-base-patch16-224",
        "SigLIP base, 768 dimensions, images of 224×224",
        "model.safetensors",
        None,
    ),
    _clip(
        "siglip2-base",
        "google/siglip2-base-patch16-224",
        "SigLIP 2 base, 768 dimensions, images of 224×224, many languages",
        "model.safetensors",
        None,
    ),
    Model(
        name="fast-text2stylegan",
        kind="sampler",
        about="Fast text2StyleGAN (arXiv 2209.03953): its CVAE, with StyleGAN2 of FFHQ, 1024×1024",
        licence=(
            "MIT (https://github.com/duxiaodan/Fast_text2StyleGAN); the generator inside is "
            f"NVIDIA's: {_NVIDIA}"
        ),
        source="https://github.com/duxiaodan/Fast_text2StyleGAN",
        note="the page links to a shared drive; or pass the path of the .pt file as --model",
    ),
    Model(
        name="clip2latent",
        kind="sampler",
        about="clip2latent (arXiv 2210.02347): a diffusion prior for stylegan2-ffhq-1024",
        licence=_CLIP2LATENT,
        source="lambdalabs/clip2latent",
        file="ffhq-sg2-510.ckpt",
        revision="main",
        size=390_606_755,
        sha256="126afd0477ab874921064cf8717308d3f715c80d0e25e2b966fd7e9a1746d71d",
        note="a prior alone; the pipeline is clip2latent-ffhq",
    ),
    Model(
        name="clip2latent-landscapes",
        kind="sampler",
        about="clip2latent (arXiv 2210.02347): a diffusion prior for stylegan3-t-lhq-256",
        licence=_CLIP2LATENT,
        source="lambdalabs/clip2latent",
        file="lhq-sg3-410.ckpt",
        revision="main",
        size=390_606_755,
        sha256="740220d88d810c362f1aa575c2d488d48d14fe6c9b5e40712049841efe92d910",
        note="a prior alone; the pipeline is clip2latent-lhq",
    ),
    Model(
        name="stylegan3-t-lhq-256",
        kind="generator",
        about="StyleGAN3-T, landscapes of LHQ, 256×256",
        licence="MIT (https://huggingface.co/justinpinkney/stylegan3-t-lhq-256)",
        source="justinpinkney/stylegan3-t-lhq-256",
        file="lhq-256-stylegan3-t-25Mimg.pkl",
        revision="main",
        size=343_475_703,
        sha256="cdf396b1e68a7da77faa292b3360e97bab42d12f0817016616a2146b8ed4a10a",
    ),
)

MODELS: Final = {model.name: model for model in _ALL}
"""All that are known, by name."""


@dataclass(frozen=True)
class NamedPipeline:
    """Names of the catalogue whose models make one pipeline."""

    name: str
    about: str
    sampler: str
    encoder: str
    generator: str = ""
    """"" = it is in the sampler's file."""

    @property
    def models(self) -> tuple[Model, ...]:
        """The published weights that it is made of."""
        names = (self.sampler, self.generator, self.encoder)
        return tuple(MODELS[name] for name in names if name)

    @property
    def size(self) -> int | None:
        """Bytes of all its weights, rounded; None = not all are published."""
        sizes = [model.size for model in self.models]
        return sum(size or 0 for size in sizes) if all(sizes) else None


_PIPELINES: Final = (
    NamedPipeline(
        "clip2latent-ffhq",
        "words to photographic faces, 1024×1024: clip2latent with StyleGAN2 of FFHQ",
        "clip2latent",
        "clip-vit-b-32",
        "stylegan2-ffhq-1024",
    ),
    NamedPipeline(
        "clip2latent-lhq",
        "words to landscapes, 256×256: clip2latent with StyleGAN3-T of LHQ",
        "clip2latent-landscapes",
        "clip-vit-b-32",
        "stylegan3-t-lhq-256",
    ),
    NamedPipeline(
        "fast-text2stylegan",
        "words to photographic faces, 1024×1024: the pipeline of Fast text2StyleGAN",
        "fast-text2stylegan",
        "clip-vit-b-16",
    ),
)

PIPELINES: Final = {pipeline.name: pipeline for pipeline in _PIPELINES}
"""The pipelines that are known, by name."""


def find(name: str) -> Model:
    """The model of that name.

    Raises:
        ArgumentError: There is none.
    """
    if name in MODELS:
        return MODELS[name]
    near = difflib.get_close_matches(name, MODELS, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "see `text2face models list`"
    raise ArgumentError(f"no model {name!r} in the registry, expected one of its names; {hint}")


def cache_folder() -> Path:
    """Where downloads are kept: $TEXT2FACE_CACHE, or text2face in the user's cache."""
    if own := os.environ.get("TEXT2FACE_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "text2face"


def path_of(model: Model) -> Path:
    """Where a model that does not come from the hub lies, or will lie."""
    return cache_folder() / "models" / model.name / model.file


def cached(model: Model) -> Path | None:
    """The file of a model, or its folder if it comes from the hub; None if it is not here."""
    if model.is_on_hub:
        try:
            return _from_hub(model, offline=True)
        except CheckpointError:
            return None
    path = path_of(model)
    if not model.file:  # fetched by hand
        found = sorted(path.glob("*.pt"))
        return found[0] if len(found) == 1 else None
    return path if path.is_file() else None


def checked(model: Model) -> tuple[Path, str] | None:
    """The file of a model, or its hub folder, and the SHA-256 of its weights; None if not here.

    A hub folder counts once it was downloaded as a whole by `download`. The weights are read again
    only if they have changed since they were last held against their pin.

    Raises:
        CheckpointError: They are not the ones that were pinned.
    """
    from text2face.storage import download

    found = cached(model)
    if found is None or (model.is_on_hub and not download.is_pinned(path_of(model))):
        return None
    weights = found / model.file if model.is_on_hub else found
    name = path_of(model) if model.file else None
    return found, download.pin(weights, name, sha256=model.sha256, quick=True)


def downloaded(name: str) -> Path:
    """The file of a model that has been downloaded, or its folder if it comes from the hub.

    Raises:
        ArgumentError: There is no such model.
        CheckpointError: It has not been downloaded: its licence is shown there.
    """
    path = cached(find(name))
    if path is None:
        raise CheckpointError(
            f"{name} is not on this machine; run `text2face models download {name}`, which shows "
            "its licence first"
        )
    return path


def download(model: Model, *, offline: bool = False, progress: bool = False) -> Path:
    """Download a model, or find it in the cache.

    The SHA-256 of the weights is pinned at the first download: a later file that differs is
    refused. Show the user `model.licence` first.

    Args:
        model: Which.
        offline: Look in the cache only.
        progress: Show a bar on stderr, if that is a terminal.

    Returns:
        The file, or the folder if it comes from the hub.

    Raises:
        CheckpointError: It cannot be had, or is not the one that was pinned.
        OutputError: It cannot be written.
    """
    from text2face.storage import download

    if not model.file:
        raise CheckpointError(
            f"{model.name} has no stable address; fetch it by hand from {model.source} and put it "
            f"into {path_of(model)}; {model.note}"
        )
    if model.is_on_hub:
        folder = _from_hub(model, offline=offline, progress=progress)
        download.pin(folder / model.file, path_of(model), sha256=model.sha256)
        return folder
    path = path_of(model)
    if offline and not path.is_file():
        raise CheckpointError(
            f"{model.name} is not in the cache, expected {path}; download it without --offline"
        )
    source = f"{model.source}/{model.file}"
    download.fetch(source, path, progress=progress, sha256=model.sha256)
    return path


def _from_hub(model: Model, *, offline: bool, progress: bool = False) -> Path:
    from text2face.storage.hub import snapshot

    patterns = ("*.json", "*.txt", "*.model", "*.yaml", model.file)
    folder = snapshot(
        model.source, patterns, revision=model.revision, offline=offline, progress=progress
    )
    if not (folder / model.file).is_file():
        raise CheckpointError(
            f"{model.name} lacks {model.file} in {folder}; download it without --offline"
            if offline
            else f"{model.source} has no {model.file} any more, or cannot be reached; check the "
            "network, or give a folder that has it"
        )
    return folder
