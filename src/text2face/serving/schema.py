"""Requests and responses of the OpenAI Images API, with this server's additions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from text2face.prompts import MAX_CHARACTERS
from text2face.settings import MAX_SEED, Option, options

__all__ = ["SIZES", "Edit", "Generation", "ImageData", "Images", "ModelInfo", "ModelList"]

SIZES: Final = (128, 256, 512, 1024)
MAX_IMAGES: Final = 64
Size = Literal["auto", "128x128", "256x256", "512x512", "1024x1024"]
Prompt = Annotated[str, Field(max_length=4 * MAX_CHARACTERS)]


class OpenAIGeneration(BaseModel):
    """What the OpenAI client sends; from `seed` on, additions that are no `Settings`."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt = Field(examples=["an old man with a white beard and round glasses"])
    model: str | None = Field(None, max_length=200)
    n: int | None = Field(1, ge=1, le=MAX_IMAGES, strict=True)
    size: Size | None = Field("auto", description="Larger than the model's is enlarged.")
    response_format: Literal["b64_json", "url"] | None = "b64_json"
    output_format: Literal["png", "jpeg", "webp"] | None = "png"
    output_compression: int | None = Field(None, ge=0, le=100, strict=True)
    background: Literal["auto", "opaque"] | None = "auto"
    quality: str | None = Field(None, max_length=20, description="Without effect.")
    style: str | None = Field(None, max_length=20, description="Without effect.")
    moderation: str | None = Field(None, max_length=20, description="Without effect.")
    user: str | None = Field(None, max_length=200, description="Without effect.")
    safety_identifier: str | None = Field(None, max_length=200, description="Without effect.")
    partial_images: Literal[0] | None = None
    stream: Literal[False] | None = Field(None, description="Images are not streamed.")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, strict=True)
    candidates: int | None = Field(
        None, ge=1, le=MAX_IMAGES, strict=True, description="Draw so many, keep the n best."
    )

    def settings(self) -> dict[str, Any]:
        """What is given of the `Settings`."""
        values = {option.name: getattr(self, option.name, None) for option in options()}
        return {name: value for name, value in values.items() if value is not None}


def _field(option: Option) -> tuple[Any, Any]:
    """The type of a setting in JSON, and its limits."""
    kind: Any = Literal[option.choices] if option.choices else option.kind
    named: dict[str, Any] = {"description": option.help}
    if option.kind in (int, float):
        named |= {"ge": option.least, "le": option.most_served}
    elif option.kind is str and not option.choices:
        named["max_length"] = 4 * MAX_CHARACTERS
    if not option.choices:
        named["strict"] = True
    return kind | None, Field(None, **named)


if TYPE_CHECKING:

    class Generation(OpenAIGeneration):
        """The body of `POST /v1/images/generations`, with all `Settings`."""

else:
    Generation = create_model(
        "Generation",
        __base__=OpenAIGeneration,
        __doc__="The body of `POST /v1/images/generations`. Fields from `seed` on are additions.",
        **{option.name: _field(option) for option in options()},
    )


def _spoken(value: Any) -> Any:
    """A truth value as forms write it."""
    return (
        {"false": False, "true": True, "0": 0}.get(value, value)
        if isinstance(value, str)
        else value
    )


class Edit(BaseModel):
    """The fields of `POST /v1/images/edits`, all of them text. `strength` is an addition."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt
    model: str | None = Field(None, max_length=200)
    n: int = Field(1, ge=1, le=1, description="An edit has one result.")
    size: Size = Field("auto", description="Larger than the model's is enlarged.")
    response_format: Literal["b64_json", "url"] = "b64_json"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: int | None = Field(None, ge=0, le=100)
    strength: float = Field(1.0, ge=-3, le=3, description="0 is the original.")
    background: Literal["auto", "opaque"] = "auto"
    quality: str | None = Field(None, max_length=20, description="Without effect.")
    input_fidelity: str | None = Field(None, max_length=20, description="Without effect.")
    moderation: str | None = Field(None, max_length=20, description="Without effect.")
    user: str | None = Field(None, max_length=200, description="Without effect.")
    safety_identifier: str | None = Field(None, max_length=200, description="Without effect.")
    partial_images: Annotated[Literal[0], BeforeValidator(_spoken)] | None = None
    stream: Annotated[Literal[False], BeforeValidator(_spoken)] | None = Field(
        None, description="Images are not streamed."
    )


class ImageData(BaseModel):
    """One image."""

    b64_json: str | None = None
    url: str | None = None
    seed: int
    score: float
    """The cosine between the embeddings of image and prompt."""
    revised_prompt: str | None = None
    """What came out of a prompt with choices or styles."""


class Images(BaseModel):
    """The answer with images."""

    created: int
    data: list[ImageData]
    output_format: str
    size: str
    unknown_words: list[str]
    """The words of the prompt that the model does not know."""
    notes: list[str]
    """What the user should know, such as that an image to edit is no face."""


class ModelInfo(BaseModel):
    """One model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "text2face"


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelInfo]


class Problem(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """An error."""

    error: Problem
