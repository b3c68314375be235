"""CLIP (Radford et al., 2021, arXiv 2103.00020) and SigLIP (Zhai et al., 2023, arXiv 2303.15343).

The networks and tokenizers are those of transformers; weights are read here, so that no code and
no pickle of a checkpoint is ever run, and pictures are prepared here, so that they can carry
gradients (`text2face.encoders.preprocessing`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import torch
from torch import Tensor, nn

from text2face.encoders.preprocessing import Preprocessing
from text2face.encoders.tokens import TextTokenizer, TokenizerSpec
from text2face.encoders.towers import PICKLE_NAME, has_safetensors, read_model
from text2face.errors import ArgumentError, CheckpointError, PromptError
from text2face.registry import register
from text2face.storage.folders import CONFIG_NAME, WEIGHTS_NAME, atomic_file, make_folder, read_json
from text2face.storage.hub import is_hub_id, snapshot

if TYPE_CHECKING:
    from transformers import CLIPModel, SiglipModel

__all__ = ["CLIPEncoder"]

TYPE: Final = "clip"
_NESTED: Final = "model"
_PATTERNS: Final = ("*.json", "*.txt", "*.model", "model*.safetensors")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@register("encoder", "clip")
class CLIPEncoder(nn.Module):
    """Any CLIP or SigLIP of transformers (see `TextImageEncoder`).

    Embeddings keep their length, as the networks give them. SigLIP 2 is a SigLIP in all its
    fixed resolutions; its NaFlex variant is another network and is not supported.
    """

    def __init__(
        self,
        model: CLIPModel | SiglipModel,
        tokenizer: TextTokenizer,
        preprocessing: Preprocessing,
        *,
        truncate: bool = False,
    ) -> None:
        """Put an encoder together; `from_folder` and `from_hub` load one.

        Args:
            model: The two towers.
            tokenizer: Texts → token ids.
            preprocessing: What is done to pictures first.
            truncate: Cut off what is beyond the context, rather than raise.
        """
        super().__init__()
        text = model.config.text_config
        self.model = model
        self.tokenizer = tokenizer
        self.preprocessing = preprocessing
        self.truncate = truncate
        self.is_siglip = model.config.model_type == "siglip"
        self.context: int = text.max_position_embeddings
        """The most tokens of a text, its start and end marks included."""
        self.embedding_dim: int = (
            text.projection_size if self.is_siglip else model.config.projection_dim
        )
        self.hub_id: str | None = None
        self.revision: str | None = None

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts → embeddings [N, embedding_dim], not normalised.

        Raises:
            PromptError: A text is longer than the context, and `truncate` is off.
            ArgumentError: It is one text, not a list.
        """
        tokens, mask = self.tokenize(texts)
        if not len(tokens):
            return torch.zeros(0, self.embedding_dim, device=self._device)
        features: Tensor = self.model.get_text_features(
            input_ids=tokens, attention_mask=mask
        ).pooler_output
        return features

    def encode_image(self, images: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1], any size → embeddings [N, embedding_dim].

        Differentiable, and not normalised.

        Raises:
            ArgumentError: The images have another shape.
        """
        pixels = self.preprocessing(images).to(self._device, self.model.dtype)
        features: Tensor = self.model.get_image_features(pixel_values=pixels).pooler_output
        return features

    def tokenize(self, texts: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        """N texts → token ids [N, L], and which of them are text, if the network wants to know.

        Raises:
            PromptError: A text is longer than the context, and `truncate` is off.
            ArgumentError: It is one text, not a list.
        """
        if isinstance(texts, str):
            raise ArgumentError(f"got one text, expected a list of texts; write [{texts[:40]!r}]")
        if not texts:
            return torch.zeros(0, 0, dtype=torch.long, device=self._device), None
        rows = self.tokenizer(texts)
        for i, (text, row) in enumerate(zip(texts, rows, strict=True)):
            if len(row) <= self.context:
                continue
            if not self.truncate:
                raise PromptError(
                    f"the text {text[:40]!r}… has {len(row)} tokens with its start and end marks, "
                    f"expected at most {self.context}; shorten it, or load the encoder with "
                    "truncate=True"
                )
            rows[i] = [*row[: self.context - 1], row[-1]]  # the end mark stays
        # SigLIP was trained on texts padded to the full context, and sees the padding.
        length = self.context if self.is_siglip else max(map(len, rows))
        tokens = torch.full((len(rows), length), self.tokenizer.pad_id)
        mask = torch.zeros_like(tokens)
        for row, ids, used in zip(rows, tokens, mask, strict=True):
            left = self.is_siglip and self.tokenizer.pads_left
            place = slice(length - len(row), None) if left else slice(len(row))
            ids[place], used[place] = torch.tensor(row), 1
        if self.is_siglip:
            return tokens.to(self._device), None
        return tokens.to(self._device), mask.to(self._device)

    def unknown_words(self, text: str) -> list[str]:
        """None: every text is made of known pieces."""
        return []

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    @classmethod
    def from_hub(cls, hub_id: str, *, revision: str | None = None, truncate: bool = False) -> Self:
        """Load an encoder of the hub, from the cache if it is there.

        Raises:
            CheckpointError: There is none, or it is damaged or out of reach.
        """
        expected = "the folder of a CLIP or SigLIP"
        folder = snapshot(hub_id, _PATTERNS, revision=revision, expected=expected)
        if not has_safetensors(folder):
            patterns = (*_PATTERNS, PICKLE_NAME)
            folder = snapshot(hub_id, patterns, revision=revision, expected=expected)
        encoder = cls.from_folder(folder, truncate=truncate)
        encoder.hub_id = hub_id
        encoder.revision = folder.name if _COMMIT.fullmatch(folder.name) else revision
        return encoder

    @classmethod
    def from_folder(cls, folder: str | Path, *, truncate: bool = False) -> Self:
        """Load an encoder that transformers has saved, in evaluation mode and frozen.

        Raises:
            CheckpointError: The folder holds none, or a damaged one.
        """
        folder = Path(folder)
        model = read_model(folder)
        is_siglip, text = model.config.model_type == "siglip", model.config.text_config
        spec = TokenizerSpec(text.vocab_size, is_siglip, text.bos_token_id, text.eos_token_id)
        tokenizer = TextTokenizer.read(folder, spec)
        values, path = _read_preprocessing(folder)
        preprocessing = Preprocessing.from_json(values, path, is_siglip=is_siglip)
        side = model.config.vision_config.image_size
        if preprocessing.output != (side, side):
            raise CheckpointError(
                f"cannot use {path}: pictures come out as {preprocessing.output}, expected "
                f"{(side, side)} (height, width), the image_size of {CONFIG_NAME}; the two must "
                "come from one model"
            )
        encoder = cls(model, tokenizer, preprocessing, truncate=truncate)
        return encoder.eval().requires_grad_(False)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load the encoder that a component folder holds, or names with a hub id.

        Raises:
            CheckpointError: The folder or the hub model is missing or damaged.
        """
        path = Path(folder) / CONFIG_NAME
        config = read_json(path)
        hub_id, revision = config.get("model"), config.get("revision")
        truncate = config.get("truncate", False)
        if (
            not (hub_id is None or is_hub_id(hub_id))
            or not (revision is None or isinstance(revision, str))
            or not isinstance(truncate, bool)
        ):
            raise CheckpointError(
                f'damaged file: {path}: expected "model" to be a hub id or null, "revision" a '
                'commit or null and "truncate" true or false'
            )
        if hub_id is None:
            return cls.from_folder(Path(folder) / _NESTED, truncate=truncate)
        return cls.from_hub(hub_id, revision=revision, truncate=truncate)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json`, and all the rest into `model/` unless it came from the hub.

        Raises:
            OutputError: The folder cannot be written.
        """
        folder = Path(folder)
        make_folder(folder)
        config = {
            "type": TYPE,
            "model": self.hub_id,
            "revision": self.revision,
            "truncate": self.truncate,
        }
        if self.hub_id is None:
            self._write(folder / _NESTED)
        _write_json(folder / CONFIG_NAME, config)

    def _write(self, folder: Path) -> None:
        """Write what `from_folder` spec."""
        from safetensors.torch import save

        make_folder(folder)
        state = {k: v.detach().cpu().contiguous() for k, v in self.model.state_dict().items()}
        with atomic_file(folder / WEIGHTS_NAME) as file:
            file.write(save(state, metadata={"format": "pt"}))
        self.tokenizer.save(folder)
        _write_json(folder / "preprocessor_config.json", self.preprocessing.to_json())
        _write_json(folder / CONFIG_NAME, self.model.config.to_dict())


def _read_preprocessing(folder: Path) -> tuple[dict[str, Any], Path]:
    """The configuration of the image processor, and its file."""
    path = folder / "processor_config.json"
    if path.exists() and isinstance(nested := read_json(path).get("image_processor"), dict):
        return nested, path
    path = folder / "preprocessor_config.json"
    return read_json(path), path


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    with atomic_file(path) as file:
        file.write(f"{text}\n".encode())
