"""The model card of a pipeline: parts, licences, figures, and use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from text2face.catalogue import MODELS, PIPELINES
from text2face.errors import ArgumentError, one_line
from text2face.evaluation.report import markdown
from text2face.model import FaceModel

__all__ = ["card", "licences"]

_CARD: Final = """\
---
library_name: text2face
pipeline_tag: text-to-image
license: {identifier}
tags:
- text2face
- text-to-face
---
# {name}

Words to pictures of {side}×{side} pixels, made with text2face.

| part | what |
|---|---|
| encoder | {encoder} |
| sampler | {sampler} |
| generator | {generator} |
{inversion}
## Licence
{chain}

The faces of this model belong to no real person. The files say in machine-readable form that they
were generated; keep that mark.

## Use
```python
from text2face import TextToFace

pipe = TextToFace.from_pretrained("{hub_id}")
pipe("{prompt}", seed=1).images[0].save("face.png")
```
or `text2face generate "{prompt}" --model {hub_id}`.

## Figures
{figures}
"""


def licences(pipe: FaceModel, own: str | None = None) -> dict[str, str]:
    """Under which licence the parts of a pipeline are, as far as that is known.

    Args:
        pipe: The pipeline.
        own: The licence that its owner states for what is not from the catalogue.

    Returns:
        Part → licence.

    Raises:
        ArgumentError: The licence of a part is not known.
    """
    chain: dict[str, str] = {}
    if pipe.config.name in PIPELINES:
        chain = {model.name: model.licence for model in PIPELINES[pipe.config.name].models}
    else:
        hub_id = getattr(pipe.encoder, "hub_id", None)
        known = next((model for model in MODELS.values() if model.source == hub_id), None)
        if known is not None:
            chain["encoder"] = f"{known.licence}; named, not copied ({hub_id})"
        if own is None:
            raise ArgumentError(
                f"the licence of {pipe.config.name!r} is not known; expected --licence, "
                "such as mit; weights that were converted or trained from others stay under theirs"
            )
    if own is not None:
        chain["this model"] = own
    return chain


def card(
    pipe: FaceModel,
    hub_id: str,
    *,
    licence: str | None = None,
    evaluation: Mapping[str, Any] | None = None,
) -> str:
    """The card as Markdown with the front matter that the hub reads.

    Args:
        pipe: The pipeline.
        hub_id: Where it will be, "owner/name".
        licence: See `licences`.
        evaluation: The content of the `evaluation.json` of its last `text2face evaluate`.

    Raises:
        ArgumentError: A licence is not known, or the figures are those of another model.
    """
    chain = licences(pipe, licence)
    if evaluation is not None and evaluation.get("weights") != pipe.weights:
        raise ArgumentError(
            f"the figures are those of the weights {evaluation.get('weights')}, expected "
            f"{pipe.weights}; run `text2face evaluate` on this model"
        )
    figures = "None yet: `text2face evaluate` measures them."
    if evaluation is not None:
        # The report's own headings go one level down, and its title goes.
        lines = markdown(evaluation).splitlines()[1:]
        figures = "\n".join(f"#{line}" if line.startswith("#") else line for line in lines)
    inverter = pipe.inverter
    # One licence for all is a simple identifier; a chain is told in words.
    plain = licence is not None and len(chain) == 1 and licence.replace("-", "").isalnum()
    generator = pipe.generator
    return _CARD.format(
        identifier=licence if plain else "other",
        name=one_line(hub_id.split("/")[-1]),
        side=generator.img_resolution,
        encoder=_part(pipe.encoder),
        sampler=_part(pipe.sampler),
        generator=_part(generator),
        inversion="" if inverter is None else f"| inversion | {_part(inverter)} |\n",
        chain="\n".join(
            f"- **{one_line(part)}:** {one_line(text)}" for part, text in chain.items()
        ),
        hub_id=hub_id,
        prompt="a woman with long red hair",
        figures=figures,
    )


def _part(part: object) -> str:
    """A component in a few words."""
    hub_id = getattr(part, "hub_id", None)
    return f"{type(part).__name__}, {hub_id}" if hub_id else type(part).__name__
