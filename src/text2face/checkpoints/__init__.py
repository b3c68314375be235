"""Networks from files in the formats of the field, read without running anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

from text2face import loading, registry
from text2face.catalogue import MODELS, downloaded
from text2face.checkpoints.clip2latent import find_clip2latent, load_clip2latent
from text2face.errors import CheckpointError, quoted
from text2face.foreign.files import read_checkpoint
from text2face.generators.base import Generator
from text2face.generators.function import find_function
from text2face.samplers.base import LatentSampler

__all__ = ["load_checkpoint", "load_generator", "load_sampler", "read_checkpoint"]

_DELTAEDIT: Final = "sm_coarse.mapping.1.weight"


def load_generator(source: str | Path) -> Generator:
    """Load a generator from any place and any format that is known.

    Args:
        source: A checkpoint file (see docs/checkpoints.md), a folder that `save_pretrained` or
            `text2face convert` has written, the folder of a whole model, a hub id of one of these
            folders, such as "owner/name", a checkpoint file in a hub repository, such as
            "owner/name:network.pkl", a name of `text2face models list` that has been downloaded, or
            a function in Python, "module:name" or "file.py:name" (see `text2face.generators.wrap`),
            which is run.

    Returns:
        The generator on the CPU in float32, in evaluation mode and frozen.

    Raises:
        CheckpointError: There is no such file or it is damaged, hostile or of an unknown kind.
    """
    function = None if Path(source).exists() else find_function(str(source))
    if function is not None:
        return function
    path = _find(source, "generator")
    if path.is_file():
        return load_checkpoint(path)
    return cast("Generator", loading.load_component("generator", path))


def load_sampler(source: str | Path, config: str | Path | None = None) -> LatentSampler:
    """Load a sampler alone, to be put together with an encoder and a generator.

    ```python
    prior = text2face.load_sampler("ffhq-sg2-510.ckpt", config="ffhq-sg2-510.yaml")
    w = prior.sample_from(text, noise, skip=250, guidance=2.0)  # → [B, num_ws, D]
    ```

    Args:
        source: A prior of clip2latent, here or in a hub repository ("owner/name:prior.ckpt"), a
            folder that `save_pretrained` has written, the folder of a whole model, a hub id of one
            of these folders, or a name of `text2face models list` that has been downloaded.
        config: The YAML file that belongs to a prior of clip2latent; None = the one of the same
            name beside it.

    Returns:
        The sampler on the CPU in float32, in evaluation mode and frozen.

    Raises:
        CheckpointError: There is no such file or it is damaged, hostile or of an unknown kind, or
            its configuration is.
    """
    path = _find(source, "sampler")
    if not path.is_file():
        return cast("LatentSampler", loading.load_component("sampler", path))
    tree = read_checkpoint(path)
    if find_clip2latent(tree) is None:
        raise CheckpointError(
            f"{path} holds no sampler that stands alone, but {_outline(tree)}; expected a prior of "
            "clip2latent; TextToFace.from_pretrained reads a file that holds a whole pipeline"
        )
    return cast("LatentSampler", load_clip2latent(tree, path, config))


def _find(source: str | Path, kind: str) -> Path:
    """The file of a component, or its folder.

    Raises:
        CheckpointError: There is none.
    """
    if source in MODELS and MODELS[str(source)].kind == kind and not Path(source).exists():
        found = downloaded(str(source))
        return found / MODELS[str(source)].file if found.is_dir() else found
    file = loading.find_file(source)
    if file is not None:
        return file
    folder = loading.find_model(source)
    return folder / kind if (folder / "pipeline.json").is_file() else folder


def load_checkpoint(path: Path) -> Generator:
    """Load a generator from a checkpoint file; see `load_generator`."""
    tree, source, size = read_checkpoint(path), str(path), path.stat().st_size
    for name in registry.names("converter"):
        generator = registry.find("converter", name)(tree, source, size)
        if generator is not None:
            return cast("Generator", generator)
    raise CheckpointError(
        f"unknown format: {path} holds no generator, but {_outline(tree)}; expected a network of "
        "StyleGAN2 or StyleGAN3 in a layout of NVIDIA or rosinality"
    )


def _outline(tree: object) -> str:
    """What a file holds instead, in a few words."""
    if isinstance(tree, dict) and _DELTAEDIT in tree:
        return (
            "the mapper of DeltaEdit, which is not used here (it changes styles that no latent "
            "has, and neither its code nor its weights have a licence; --method channels edits "
            "with StyleGAN2 and CLIP)"
        )
    if isinstance(tree, dict):
        names = ", ".join(quoted(name) for name in list(tree)[:5])
        return f"a dict of {len(tree)}: {names}" if tree else "an empty dict"
    return f"a {type(tree).__name__}"
