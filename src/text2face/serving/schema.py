"""What clients say and hear: the OpenAI Images API, and what this server adds to it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from text2face.prompts import MAX_CHARACTERS
from text2face.settings import MAX_SEED, NoiseMode

__all__ = ["SIZES", "Generation", "ImageData", "Images", "ModelInfo", "ModelList"]

SIZES: Final = (128, 256, 512, 1024)
MAX_IMAGES: Final = 64
Size = Literal["auto", "128x128", "256x256", "512x512", "1024x1024"]
Prompt = Annotated[str, Field(max_length=4 * MAX_CHARACTERS)]


class Generation(BaseModel):
    """The body of `POST /v1/images/generations`. Fields from `seed` on are additions."""

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
    stream: Literal[False] | None = Field(None, description="Images are not streamed.")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, strict=True)
    truncation: float | None = Field(None, ge=0, le=2, strict=True)
    truncation_cutoff: int | None = Field(None, ge=0, le=100, strict=True)
    diversity: float | None = Field(None, ge=0, le=5, strict=True)
    condition: str | None = Field(None, max_length=100)
    shortlist: int | None = Field(None, ge=1, le=64, strict=True)
    noise_mode: NoiseMode | None = None
    negative_prompt: Prompt | None = None
    literal: bool | None = Field(None, strict=True)
    candidates: int | None = Field(
        None, ge=1, le=MAX_IMAGES, strict=True, description="Draw so many, keep the n best."
    )

    def settings(self) -> dict[str, Any]:
        """What is given of the `Settings`."""
        names = (
            "truncation",
            "truncation_cutoff",
            "diversity",
            "condition",
            "shortlist",
            "noise_mode",
            "negative_prompt",
            "literal",
        )
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


class ImageData(BaseModel):
    """One image."""

    b64_json: str | None = None
    url: str | None = None
    seed: int
    score: float
    """The cosine between the embeddings of image and prompt."""


class Images(BaseModel):
    """The answer with images."""

    created: int
    data: list[ImageData]
    output_format: str
    size: str
    unknown_words: list[str]
    """The words of the prompt that the model does not know."""


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
