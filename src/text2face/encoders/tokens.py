"""Text → token ids, as CLIP and SigLIP were trained to read them.

`tokenizer.json` is taken at its word, so that the ids do not depend on which tokenizer class a
version of transformers prefers.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from tokenizers import Tokenizer

from text2face.encoders.tokenizer_files import check_steps, unreachable
from text2face.errors import CheckpointError, OutputError, one_line, quoted
from text2face.storage.folders import atomic_file, read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["TextTokenizer", "TokenizerSpec"]

_FILE: Final = "tokenizer.json"
_CONFIG: Final = "tokenizer_config.json"
_SENTENCES: Final = "spiece.model"
_MARKS: Final = ("<|startoftext|>", "<|endoftext|>")
_MAX_MERGES: Final = 16 << 20
"""Bytes; CLIP's merges have 0.5 MB, SigLIP's pieces 0.8 MB."""
_FEWEST: Final = 16
_PROBES: Final = ("a", "an old man with a red hat, 3 years; it's", "É漢 🙂 ٣ \u1e9e", "x" * 64)
_T = TypeVar("_T")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class TokenizerSpec:
    """What a network expects of its tokenizer."""

    vocab_size: int
    """Rows of its table of tokens."""
    is_siglip: bool
    start: int | None = None
    """The id of the mark before a text, as its configuration names it."""
    end: int | None = None
    """The same for the mark after it."""

    def check_marks(self, empty: list[int], one: list[int], highest: int) -> None:
        """See that texts begin and end as CLIP was trained; SigLIP's configurations do not say.

        Args:
            empty: The ids of no text.
            one: The ids of a text of one letter.
            highest: The highest id of the tokenizer.

        Raises:
            ValueError: They do not.
        """
        if self.is_siglip:
            return
        # OpenAI's own configurations have a wrong 0 and 2, and CLIP then looks for the highest id.
        start = empty[0] if self.start in (0, None) and empty else self.start
        end = highest if self.end in (2, None) else self.end
        if empty != [start, end] or one[:1] != [start] or one[-1:] != [end]:
            raise ValueError(
                f"no text has the ids {quoted(empty)}, expected the start mark {start} and the end "
                f"mark {end} that the configuration of the network names"
            )


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
    def read(cls, folder: Path, spec: TokenizerSpec) -> Self:
        """Read the tokenizer of a model folder, and see that it is that of its network.

        Args:
            folder: Holds `tokenizer.json`, or `vocab.json` and `merges.txt`, or `spiece.model`.
            spec: What the network expects.

        Raises:
            CheckpointError: There is none, it is damaged, or it is of another network.
        """
        path = folder / _CONFIG
        config = read_json(path) if path.exists() else {}
        if spec.is_siglip and not isinstance(config.get("tokenizer_class"), str):
            raise _unreadable(
                folder,
                f"{_CONFIG} is missing or names no tokenizer_class, which says how SigLIP"
                " takes punctuation",
            )
        backend, missing = _backend(folder, config)
        kind = str(config.get("tokenizer_class", ""))
        tokenizer = cls(
            backend,
            pad_id=_pad_id(folder, config, backend, spec),
            pads_left=config.get("padding_side") == "left",
            keeps_punctuation=not kind.startswith("SiglipTokenizer"),
        )
        try:
            _attempt(lambda: _probe(tokenizer, spec, missing))
        except ValueError as error:
            raise _unreadable(folder, one_line(error)[:300]) from None
        return tokenizer

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


def _backend(
    folder: Path, config: Mapping[str, Any]
) -> tuple[Tokenizer | PreTrainedTokenizerBase, int]:
    """The tokenizer of a folder, and how many of its tokens no merge makes."""
    names = [name for name in (_FILE, "vocab.json", "merges.txt") if (folder / name).is_file()]
    try:
        if _FILE in names:
            return _attempt(lambda: _from_json(folder / _FILE))
        if len(names) == 2:
            return _attempt(lambda: _clip(folder, config))
        if (folder / _SENTENCES).is_file():
            return _attempt(lambda: _sentencepiece(folder / _SENTENCES)), 0
    except (ImportError, ValueError) as error:
        raise _unreadable(folder, one_line(error)[:300]) from None
    there = f"{names[0]} alone" if names else "no tokenizer.json, no vocab.json and merges.txt"
    raise _unreadable(folder, there)


def _unreadable(folder: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"cannot read the tokenizer in {folder}: {why}; expected {_FILE}, or vocab.json and "
        f"merges.txt, or {_SENTENCES} and `pip install text2face[siglip]`, as they were saved "
        "with the model; download the model again"
    )


def _from_json(path: Path) -> tuple[Tokenizer, int]:
    content = read_json(path)
    check_steps(content)
    backend = Tokenizer.from_str(json.dumps({**content, "truncation": None, "padding": None}))
    model = content["model"]
    if model["type"] != "BPE":
        return backend, 0
    added = {one["content"] for one in content.get("added_tokens", [])}
    suffix = model.get("end_of_word_suffix") or ""
    left = unreachable(backend.get_vocab(), model.get("merges"), added, suffix)
    # Other makers than CLIP's have a few tokens that are looked up whole.
    return backend, len(left) if suffix or len(left) > len(backend.get_vocab()) // 10 else 0


def _clip(folder: Path, config: Mapping[str, Any]) -> tuple[Tokenizer, int]:
    """CLIP's tokenizer from its two original files."""
    from transformers import CLIPTokenizer

    vocabulary = read_json(folder / "vocab.json")
    if not all(type(i) is int and i >= 0 for i in vocabulary.values()):
        raise ValueError("vocab.json holds other things than tokens and their ids")
    with (folder / "merges.txt").open("rb") as file:
        content = file.read(_MAX_MERGES + 1)
    if len(content) > _MAX_MERGES:
        raise ValueError(f"merges.txt has more than {_MAX_MERGES >> 20} MiB")
    lines = [line for line in content.decode().split("\n") if line.strip()]
    lines = lines[1:] if lines and lines[0].startswith("#version") else lines
    merges = [tuple(line.split()) for line in lines]
    marks = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        mark = config.get(name)
        mark = mark.get("content") if isinstance(mark, dict) else mark
        if isinstance(mark, str):
            marks[name] = mark
    left = unreachable(vocabulary, merges, {*_MARKS, *marks.values()}, "</w>")
    unknown = {*_MARKS, *marks.values()} - vocabulary.keys() if not marks else set()
    if unknown:
        raise ValueError(f"vocab.json has no {min(unknown)}")
    made = CLIPTokenizer(vocab=vocabulary, merges=merges, **marks)
    tokenizer: Tokenizer = made.backend_tokenizer
    return tokenizer, len(left)


def _sentencepiece(path: Path) -> PreTrainedTokenizerBase:
    from transformers import SiglipTokenizer

    if path.stat().st_size > _MAX_MERGES:
        raise ValueError(f"{path.name} has more than {_MAX_MERGES >> 20} MiB")
    tokenizer: PreTrainedTokenizerBase = SiglipTokenizer(vocab_file=str(path))
    return tokenizer


def _attempt(make: Callable[[], _T]) -> _T:
    """Call a function of the tokenizer; every failure becomes a ValueError."""
    try:
        return make()
    except CheckpointError:
        raise
    except (Exception, BaseException) as error:  # tokenizers raises bare Exception, and panics
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ValueError(one_line(error)) from None


def _probe(tokenizer: TextTokenizer, spec: TokenizerSpec, missing: int) -> None:
    """See that a tokenizer is that of its network.

    Raises:
        ValueError: It is not.
    """
    backend = tokenizer.backend
    vocabulary: Mapping[str, int] = backend.get_vocab()
    highest = max(vocabulary.values(), default=0)
    if len(vocabulary) < _FEWEST:
        raise ValueError(f"it has {len(vocabulary)} tokens, expected those of a language")
    if highest >= spec.vocab_size or len(vocabulary) < 0.9 * spec.vocab_size:
        raise ValueError(
            f"it has {len(vocabulary)} tokens with ids up to {highest}, expected about the "
            f"{spec.vocab_size} of the network"
        )
    if missing:
        raise ValueError(
            f"{missing} of its {len(vocabulary)} tokens are made by none of its merges, expected "
            "none; the merges are cut off or of another model"
        )
    letters = [tuple(ids) for ids in tokenizer(string.ascii_lowercase)]
    if len(set(letters)) < len(letters) // 2:
        raise ValueError("it does not tell letters apart")
    for text in _PROBES:
        (ids,) = tokenizer([text])
        if len(ids) > 8 * len(text) + 8:
            raise ValueError(f"it makes {len(ids)} tokens of {len(text)} characters")
        if any(not 0 <= i < spec.vocab_size for i in ids):
            raise ValueError(f"it makes ids beyond the {spec.vocab_size} of the network")
    spec.check_marks(tokenizer([""])[0], tokenizer(["a"])[0], highest)


def _pad_id(
    folder: Path,
    config: Mapping[str, Any],
    backend: Tokenizer | PreTrainedTokenizerBase,
    spec: TokenizerSpec,
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
    if found is None and spec.is_siglip:  # which sees what texts are padded with
        raise _unreadable(folder, f"the padding token is {quoted(token)}, which it does not have")
    return 0 if found is None else found
