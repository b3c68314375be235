"""Text → token ids, as CLIP and SigLIP were trained to read them.

`tokenizer.json` is taken at its word, so that the ids do not depend on which tokenizer class a
version of transformers prefers.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from tokenizers import Tokenizer

from text2face.errors import CheckpointError, OutputError
from text2face.storage.folders import atomic_file, read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["TextTokenizer"]

_FILE: Final = "tokenizer.json"
_CONFIG: Final = "tokenizer_config.json"
_T = TypeVar("_T")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


class TextTokenizer:
    """Texts in lower case → token ids with their start and end marks.

    All of these networks were trained on text in lower case, and SigLIP 1 on text without
    punctuation.
    """

    def __init__(
        self,
        backend: Tokenizer | PreTrainedTokenizerBase,
        *,
        pad_id: int,
        pads_left: bool = False,
        keeps_punctuation: bool = True,
    ) -> None:
        """Wrap a tokenizer; `read` loads one.

        Args:
            backend: Of tokenizers, or of transformers where there is but a sentencepiece file.
            pad_id: What shorter texts are filled up with.
            pads_left: Fill up before the text, not after it.
            keeps_punctuation: SigLIP 1 does not.
        """
        self.backend = backend
        self.pad_id = pad_id
        self.pads_left = pads_left
        self.keeps_punctuation = keeps_punctuation

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, not padded and not cut off."""
        plain = [self._canonical(text) for text in texts]
        if isinstance(self.backend, Tokenizer):
            return [list(one.ids) for one in self.backend.encode_batch(plain)]
        ids: list[list[int]] = self.backend(plain, verbose=False)["input_ids"]
        return ids

    def _canonical(self, text: str) -> str:
        text = text.lower()
        if not self.keeps_punctuation:
            text = " ".join(text.translate(_PUNCTUATION).split())
        return text

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the tokenizer of a model folder.

        Raises:
            CheckpointError: There is none, or it is damaged.
        """
        config = read_json(folder / _CONFIG) if (folder / _CONFIG).exists() else {}
        backend: Tokenizer | PreTrainedTokenizerBase
        if (folder / _FILE).exists():
            backend = _attempt(folder, lambda: Tokenizer.from_file(str(folder / _FILE)))
        elif (folder / "vocab.json").exists():
            backend = _attempt(folder, lambda: _clip(folder))
        else:
            backend = _attempt(folder, lambda: _sentencepiece(folder))
        if isinstance(backend, Tokenizer):
            backend.no_padding()
            backend.no_truncation()
        kind = str(config.get("tokenizer_class", ""))
        return cls(
            backend,
            pad_id=_pad_id(folder, config, backend),
            pads_left=config.get("padding_side") == "left",
            keeps_punctuation=not kind.startswith("SiglipTokenizer"),
        )

    def save(self, folder: Path) -> None:
        """Write what `read` reads.

        Raises:
            OutputError: The folder cannot be written.
        """
        if not isinstance(self.backend, Tokenizer):
            try:
                self.backend.save_pretrained(folder)
            except OSError as error:
                raise OutputError(f"cannot write the tokenizer to {folder}: {error}") from None
            return
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast"
            if self.keeps_punctuation
            else "SiglipTokenizer",
            "pad_token": self.backend.id_to_token(self.pad_id),
            "padding_side": "left" if self.pads_left else "right",
        }
        with atomic_file(folder / _FILE) as file:
            file.write(self.backend.to_str(pretty=True).encode())
        with atomic_file(folder / _CONFIG) as file:
            file.write(f"{json.dumps(config, indent=2)}\n".encode())


def _clip(folder: Path) -> Tokenizer:
    """CLIP's tokenizer from its two original files."""
    from transformers import CLIPTokenizer

    tokenizer: Tokenizer = CLIPTokenizer.from_pretrained(
        folder, local_files_only=True
    ).backend_tokenizer
    return tokenizer


def _sentencepiece(folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def _attempt(folder: Path, make: Callable[[], _T]) -> _T:
    try:
        return make()
    except Exception as error:  # tokenizers raises bare Exception
        why = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"cannot read the tokenizer in {folder}: {why}; expected {_FILE}, or vocab.json and "
            "merges.txt, or spiece.model and `pip install text2face[siglip]`"
        ) from None


def _pad_id(
    folder: Path, config: dict[str, Any], backend: Tokenizer | PreTrainedTokenizerBase
) -> int:
    """The id of the padding token that the configuration names."""
    if not isinstance(backend, Tokenizer):
        return int(backend.pad_token_id or 0)
    token = config.get("pad_token")
    path = folder / "special_tokens_map.json"
    if token is None and path.exists():
        token = read_json(path).get("pad_token")
    if isinstance(token, dict):
        token = token.get("content")
    found = backend.token_to_id(token) if isinstance(token, str) else None
    return 0 if found is None else found
