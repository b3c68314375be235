"""What a `tokenizer.json` may ask for: the steps of CLIP's and SigLIP's tokenizers, and no more.

The format describes programs: a few bytes of it can double a text forty times, match a regular
expression for hours, or drop words at random. So its steps are held against a list first.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from text2face.errors import quoted

__all__ = ["check_steps", "unreachable"]

_NORMALIZERS: Final = {
    *("Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents"),
    *("Replace", "Prepend", "Precompiled", "BertNormalizer", "Nmt"),
}
_SPLITTERS: Final = {
    *("Sequence", "ByteLevel", "Whitespace", "WhitespaceSplit", "Split", "Metaspace"),
    *("Punctuation", "Digits", "BertPreTokenizer", "UnicodeScripts", "CharDelimiterSplit"),
}
_MARKERS: Final = {
    *("Sequence", "TemplateProcessing", "RobertaProcessing", "BertProcessing", "ByteLevel"),
}
_MODELS: Final = {"BPE", "Unigram", "WordPiece", "WordLevel"}
_MAX_STEPS: Final = {"normalizer": 16, "pre_tokenizer": 4, "post_processor": 4}
_ALLOWED: Final = {
    "normalizer": _NORMALIZERS,
    "pre_tokenizer": _SPLITTERS,
    "post_processor": _MARKERS,
}
_NESTED: Final = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
}
_MAX_PATTERN: Final = 300
_MAX_AFFIX: Final = 16
_MAX_ADDED: Final = 20_000
_MAX_NORMAL: Final = 64
"""Bytes that a table of characters may put in the place of one: NFKC's longest has 33."""
_PIECES: Final = re.compile(
    r"\[(?:\\.|[^\]\\])*\]|\\[pP]\{\^?\w+\}|\{\d*,?\d*\}|\\.|[^\\]", re.DOTALL
)
_COUNT: Final = re.compile(r"\{([1-9]\d{0,2}),?\d{0,3}\}")


def check_steps(content: Mapping[str, Any]) -> None:
    """Check the content of a `tokenizer.json`.

    Raises:
        ValueError: It asks for a step that is not known, that makes texts much longer, that could
            take very long, or that draws random numbers.
        TypeError: A value is of another type.
    """
    for place, allowed in _ALLOWED.items():
        steps = list(_flat(content.get(place), _NESTED[place], _MAX_STEPS[place], place))
        for step in steps:
            kind = step.get("type")
            if not isinstance(kind, str) or kind not in allowed:
                raise ValueError(f"its {place} is {quoted(kind)}, which is not known")
            _check_step(step, kind)
    _check_model(content.get("model"))
    added = content.get("added_tokens", [])
    if not isinstance(added, list) or len(added) > _MAX_ADDED:
        raise ValueError("its added_tokens are no list of a few tokens")
    if not all(
        isinstance(one, dict) and 0 < len(str(one.get("content", ""))) <= 256 for one in added
    ):
        raise ValueError("one of its added_tokens is empty or very long")


def _flat(step: Any, nested: str, most: int, place: str) -> Iterator[Mapping[str, Any]]:
    """The steps of a sequence, which may hold sequences."""
    waiting = [] if step is None else [step]
    left = 2 * most
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, dict):
            raise TypeError(f"its {place} is {quoted(one)}, no step")
        inner = one.get(nested) if one.get("type") == "Sequence" else []
        left -= 1
        if not isinstance(inner, list) or len(inner) > most or left < 0:
            raise ValueError(f"its {place} has more than {most} steps")
        waiting = [*inner, *waiting]
        yield one


def _check_step(step: Mapping[str, Any], kind: str) -> None:
    if kind in ("Replace", "Split"):
        pattern = step.get("pattern")
        if not isinstance(pattern, dict) or len(pattern) != 1:
            raise ValueError(f"the pattern of its {kind} is {quoted(pattern)}")
        ((form, text),) = pattern.items()
        if form not in ("String", "Regex") or not isinstance(text, str) or not text:
            raise ValueError(f"the pattern of its {kind} is {quoted(pattern)}")
        if form == "Regex":
            _check_pattern(text)
        new = step.get("content", "") if kind == "Replace" else ""
        longest = len(text) if form == "String" else 1
        if not isinstance(new, str) or len(new) > longest:
            raise ValueError(f"its Replace puts {quoted(new)} in the place of {quoted(text)}")
    elif kind == "Prepend" and len(str(step.get("prepend", ""))) > _MAX_AFFIX:
        raise ValueError("its Prepend is very long")
    elif kind == "Precompiled":
        _check_table(step.get("precompiled_charsmap"))
    elif kind == "TemplateProcessing":
        single, specials = step.get("single"), step.get("special_tokens")
        if not isinstance(single, list) or not isinstance(specials, dict):
            raise TypeError("its TemplateProcessing is incomplete")
        texts = [piece for piece in single if isinstance(piece, dict) and "Sequence" in piece]
        if len(texts) != 1 or len(single) > 8 or len(specials) > 64:
            raise ValueError("its TemplateProcessing repeats the text or has many marks")
        for mark in specials.values():
            ids = mark.get("ids") if isinstance(mark, dict) else None
            if not isinstance(ids, list) or len(ids) != 1:
                raise ValueError("a mark of its TemplateProcessing is not one token")


def _check_pattern(pattern: str) -> None:
    """See that a regular expression is searched for in a time that grows with the text.

    Alternatives of characters and classes, one of them repeated: what repeats a group, looks
    around, refers back, or repeats twice in one alternative can take exponential time.
    """
    if len(pattern) > _MAX_PATTERN:
        raise ValueError("a regular expression in it is very long")
    repeats, matches = 0, 0
    for piece in _PIECES.findall(pattern):
        counts = _COUNT.fullmatch(piece) is not None
        if (piece[0] in "()[{" and len(piece) == 1) or re.fullmatch(r"\\[1-9gkK]", piece):
            raise ValueError(f"the regular expression {quoted(pattern)} has groups")
        if piece == "|":
            if not matches:
                raise ValueError(f"the regular expression {quoted(pattern)} matches nothing")
            repeats, matches = 0, 0
        elif piece in ("*", "+", "?") or piece[0] == "{":
            repeats += 1
            matches -= piece in ("*", "?") or (piece[0] == "{" and not counts)
            if repeats > 1:
                raise ValueError(f"the regular expression {quoted(pattern)} repeats twice")
        elif piece not in ("^", "$", "\\b", "\\B"):
            matches += 1
    if matches < 1:
        raise ValueError(f"the regular expression {quoted(pattern)} matches nothing")


def _check_table(encoded: Any) -> None:
    """A table of characters of sentencepiece: a trie, then what its entries become."""
    try:
        table = base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError("its table of characters is damaged") from None
    start = 4 + int.from_bytes(table[:4], "little")
    if len(table) < 4 or start > len(table) or (start - 4) % 4:
        raise ValueError("its table of characters is damaged")
    if max(map(len, table[start:].split(b"\0"))) > _MAX_NORMAL:
        raise ValueError("its table of characters makes texts much longer")


def _check_model(model: Any) -> None:
    kind = model.get("type") if isinstance(model, dict) else None
    if not isinstance(kind, str) or kind not in _MODELS:
        raise ValueError(
            f"its model is {quoted(kind)}, expected one of {', '.join(sorted(_MODELS))}"
        )
    if model.get("dropout"):
        raise ValueError(
            f"its dropout is {quoted(model['dropout'])}: it would split words at random"
        )
    for name in ("continuing_subword_prefix", "end_of_word_suffix", "unk_token"):
        value = model.get(name)
        if value is not None and (not isinstance(value, str) or len(value) > _MAX_AFFIX * 4):
            raise ValueError(f"its {name} is {quoted(value)}")
    if kind == "WordPiece" and not 0 < int(model.get("max_input_chars_per_word", 100)) <= 1000:
        raise ValueError("its words are very long")


def unreachable(
    vocabulary: Mapping[str, int], merges: Any, added: set[str], suffix: str
) -> list[str]:
    """The tokens of a byte-pair encoding that none of its merges makes.

    Args:
        vocabulary: Tokens and ids.
        merges: Pairs, each as two texts or as one with a space.
        added: Tokens that are looked for as they are.
        suffix: What ends the last token of a word; "" if nothing does.

    Raises:
        ValueError: The merges are no list of pairs.
    """
    made = set(added)
    for pair in merges if isinstance(merges, list) else [None]:
        parts = pair.split(" ") if isinstance(pair, str) else pair
        if not isinstance(parts, list | tuple) or len(parts) != 2:
            raise ValueError(f"a merge is {quoted(pair)}, expected a pair of tokens")
        made.add(f"{parts[0]}{parts[1]}")
    return [
        token
        for token in vocabulary
        if token not in made and len(token.removesuffix(suffix) if suffix else token) > 1
    ]
