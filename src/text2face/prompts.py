r"""Prompt syntax → a weighted sum of text embeddings.

The syntax is that of the AUTOMATIC1111 web UI:

- `(red hair)` emphasises by 1.1, `[red hair]` by 1/1.1, `(red hair:1.3)` by 1.3; brackets nest
  and multiply.
- `\(`, `\)`, `\[`, `\]` and `\\` are the characters themselves; so are `\{`, `\}`, `\|` and `\_`,
  which `text2face.templates` has a use for.
- `a young man AND an old man :0.5` blends whole prompts; a weight left out is 1.

A text encoder embeds sentences, not tokens, so emphasis works on sentences too. With E the
L2-normalised embedding, p a prompt, p∖k the prompt without its chunk k, and wₖ that chunk's weight,

    e(p) = E(p) + Σₖ (wₖ − 1) · (E(p) − E(p∖k))

The difference is what the chunk adds to this very sentence: weight 1 changes nothing, 0 takes the
chunk out, 2 says it twice as loudly. Blends are averaged by their weights, and a negative prompt n
is subtracted as what it adds to a neutral sentence, e ← e − s · (e(n) − E(neutral)). So the weights
of all texts always sum to 1: what all sentences about faces have in common stays as it is, whatever
is emphasised.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from text2face.errors import PromptError

__all__ = [
    "MAX_CHARACTERS",
    "MAX_WORDS",
    "Blend",
    "Chunk",
    "Prompt",
    "Template",
    "check_about_a_face",
    "check_known",
    "clean",
    "parse",
    "visible",
    "weigh",
    "words",
]

MAX_CHARACTERS: Final = 2000
MAX_WORDS: Final = 77
MAX_WEIGHT: Final = 10.0
NEUTRAL: Final = "a face"
EXAMPLE: Final = "a woman with red hair"

_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_TOKENS: Final = re.compile(
    rf"\\(?P<escape>[()\[\]\\{{}}|_])|:\s*(?P<weight>{_NUMBER})\s*(?P<end>[)\]])|(?P<bracket>[()\[\]])"
)
_AND: Final = re.compile(r"(?:^|(?<=\s))AND(?=\s|$)")
_BLEND_WEIGHT: Final = re.compile(rf":\s*({_NUMBER})\s*$")
_WORD: Final = re.compile(r"[^\W_]+")
_SHOWN: Final = 60
# What has no width and no meaning of its own; joiners and selectors have one outside Latin script.
_INVISIBLE: Final = re.compile(
    r"[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_JOINERS: Final = re.compile(r"(?<=[\0-\u024f])[\u034f\u200c\u200d\ufe00-\ufe0f]+")
# Words that say nothing about a face, some of which other languages share with English.
_FUNCTION_WORDS: Final = frozenset(
    _WORD.findall(
        "a an and as at be by for from has have he her his i in is it no not of on or she so the "
        "to with without"
    )
)


@dataclass(frozen=True)
class Chunk:
    """A stretch of a prompt and how much it is emphasised (1 = as it stands)."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Blend:
    """One of the prompts joined by AND, and its share."""

    chunks: tuple[Chunk, ...]
    weight: float = 1.0

    @cached_property
    def text(self) -> str:
        """The prompt in plain words."""
        return _tidy("".join(chunk.text for chunk in self.chunks))

    def without(self, index: int) -> str:
        """The prompt in plain words, less one chunk."""
        return _tidy(" ".join(c.text for i, c in enumerate(self.chunks) if i != index))


@dataclass(frozen=True)
class Template:
    """What was asked for, before choices were made and styles were put round it."""

    prompt: str
    negative_prompt: str | None = None
    styles: str | None = None


@dataclass(frozen=True)
class Prompt:
    """A prompt that has been parsed, with what is not wanted."""

    text: str
    """As it was given; of a template, the prompt that came out."""
    wanted: tuple[Blend, ...]
    unwanted: tuple[Blend, ...] = ()
    unknown_words: tuple[str, ...] | None = None
    """Words that the encoder does not know; None until it was asked (`TextToFace.read`)."""
    corrected_words: tuple[tuple[str, str], ...] = ()
    """Words that it takes for typing errors, each with what it reads instead."""
    negative_prompt: str | None = None
    """What is not wanted, as it came out of a template."""
    template: Template | None = None
    """What it came from; None if that is `text` itself."""

    @property
    def asked(self) -> str:
        """The prompt as it was given."""
        return self.template.prompt if self.template else self.text

    @classmethod
    def parse(cls, text: str, *, negative: str | None = None, literal: bool = False) -> Self:
        """Parse a prompt and a negative prompt.

        Raises:
            PromptError: As `parse`, for either.
        """
        unwanted = () if negative is None else parse(negative, literal=literal)
        return cls(text, parse(text, literal=literal), unwanted)


def words(text: str) -> list[str]:
    """The words of a text in lower case: runs of letters and digits of any script."""
    return _WORD.findall(visible(text.lower()))


def visible(text: str) -> str:
    """A text as it looks: without soft hyphens and what else has no width, accents composed."""
    return unicodedata.normalize("NFC", _JOINERS.sub("", _INVISIBLE.sub("", text)))


def clean(prompt: object) -> str:
    """Check that a prompt is text with words in it, of a sensible length, and tidy its white space.

    What has no width is left out, so that it splits no word; every kind of white space is a space.

    Raises:
        PromptError: It is not a string, not Unicode text, empty, without a word, or too long, or
            holds control characters that are no white space.
    """
    if not isinstance(prompt, str):
        raise PromptError(
            f"the prompt is of type {type(prompt).__name__}, expected a string such as {EXAMPLE!r}"
        )
    if any("\ud800" <= character <= "\udfff" for character in prompt):
        raise PromptError(
            "the prompt is not Unicode text; expected UTF-8; save or type it as UTF-8"
        )
    odd = {c for c in set(prompt) if unicodedata.category(c) == "Cc" and not c.isspace()}
    text = " ".join(visible(prompt.translate({ord(c): " " for c in odd})).split())
    if not text:
        raise PromptError(f"the prompt is empty; expected words such as {EXAMPLE!r}")
    if odd:
        raise PromptError(
            f"the prompt holds the control character U+{ord(min(odd)):04X}; expected text; take it "
            "out, or save the prompt as UTF-8"
        )
    if len(text) > MAX_CHARACTERS:
        raise PromptError(
            f"the prompt has {len(text)} characters, expected at most {MAX_CHARACTERS}; shorten it"
        )
    count = len(words(text))
    if count == 0:
        raise PromptError(
            f"no word in the prompt {shorten(text)!r}; expected words such as {EXAMPLE!r}"
        )
    if count > MAX_WORDS:
        raise PromptError(f"the prompt has {count} words, expected at most {MAX_WORDS}; shorten it")
    return text


def parse(prompt: object, *, literal: bool = False) -> tuple[Blend, ...]:
    """Read a prompt.

    Args:
        prompt: The text.
        literal: Take every character as it stands: no brackets, escapes or AND.

    Returns:
        The blends, at least one, each with its chunks in order, neighbours of one weight joined.

    Raises:
        PromptError: As `clean`; or brackets that do not match, a weight out of range, an empty
            blend.
    """
    text = clean(prompt)
    if literal:
        return (Blend((Chunk(text),)),)
    blends = []
    parts = _AND.split(text)
    for part in parts:
        match = _BLEND_WEIGHT.search(part) if len(parts) > 1 else None
        stretch = part[: match.start()] if match else part
        weight = _weight(match[1], text) if match else 1.0
        blend = Blend(_chunks(stretch.strip(), text), weight)
        if not words(blend.text):
            raise PromptError(
                f"nothing beside AND in {shorten(text)!r}; expected 'one prompt AND another'; "
                "write 'and' in small letters for the plain word"
            )
        blends.append(blend)
    if sum(blend.weight for blend in blends) <= 0:
        raise PromptError(
            f"the weights after AND in {shorten(text)!r} sum to 0 or less; expected more than 0; "
            "use a negative prompt for what is not wanted"
        )
    return tuple(blends)


def weigh(
    blends: tuple[Blend, ...],
    negative: tuple[Blend, ...] = (),
    *,
    negative_weight: float = 0.5,
    neutral: str = NEUTRAL,
) -> dict[str, float]:
    """Turn a parsed prompt into the weighted sum of texts that the module's docstring describes.

    Args:
        blends: What is wanted, from `parse`.
        negative: What is not wanted, from `parse`; may be empty.
        negative_weight: How strongly it is subtracted.
        neutral: A sentence that says nothing particular, the origin of negatives and of a prompt
            that is emphasised as a whole.

    Returns:
        Plain texts and their weights, which sum to 1; texts of weight 0 are left out.
    """
    total: dict[str, float] = {}

    def add(text: str, weight: float) -> None:
        total[text] = total.get(text, 0.0) + weight

    def add_blends(parts: tuple[Blend, ...], factor: float) -> None:
        whole = sum(part.weight for part in parts)
        for part in parts:
            share = factor * part.weight / whole
            add(part.text, share)
            for index, chunk in enumerate(part.chunks):
                if chunk.weight != 1 and words(chunk.text):
                    rest = part.without(index)
                    add(part.text, share * (chunk.weight - 1))
                    add(rest if words(rest) else neutral, -share * (chunk.weight - 1))

    add_blends(blends, 1.0)
    if negative and negative_weight:
        add_blends(negative, -negative_weight)
        add(neutral, negative_weight)
    return {text: weight for text, weight in total.items() if abs(weight) > 1e-9}


def check_known(text: str, unknown: Sequence[str]) -> None:
    """Check that an encoder knows something of a plain text.

    Args:
        text: One blend in plain words.
        unknown: The words of it that the encoder does not know.

    Raises:
        PromptError: It knows none, or only words that say nothing by themselves.
    """
    known = _bare_words(text) - _bare_words(" ".join(unknown)) - _FUNCTION_WORDS
    if unknown and not known:
        raise PromptError(
            f"no known word in {shorten(text)!r}; expected English words such as woman, old, "
            "beard, glasses, curly, red, hair, hat, smiling"
        )


def check_about_a_face(text: str, speaks: bool) -> None:
    """Check that a plain text says something about a face, as "hello" does not.

    Args:
        text: One blend in plain words.
        speaks: Whether the encoder finds a word in it that does.

    Raises:
        PromptError: There is none.
    """
    if not speaks:
        raise PromptError(
            f"no known word in {shorten(text)!r} that says something about a face; expected words "
            "such as woman, old, beard, glasses, smiling; `text2face words` lists them"
        )


def shorten(text: str) -> str:
    """The text, cut to what fits in a one-line message."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _bare_words(text: str) -> set[str]:
    """The words without accents and apostrophes, since an encoder may report them so."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return set(words("".join(c for c in letters if not unicodedata.combining(c) and c not in "'’")))


def _chunks(text: str, prompt: str) -> tuple[Chunk, ...]:
    """Split one blend at its brackets."""
    found: list[Chunk] = []
    open_brackets: list[tuple[str, int]] = []  # the bracket and the first chunk inside it
    position = 0

    def take(stretch: str) -> None:
        if stretch:
            found.append(Chunk(stretch))

    def close(bracket: str, factor: float) -> None:
        if not open_brackets or open_brackets[-1][0] != bracket:
            raise _unmatched(")" if bracket == "(" else "]", prompt)
        first = open_brackets.pop()[1]
        found[first:] = [Chunk(c.text, c.weight * factor) for c in found[first:]]

    for match in _TOKENS.finditer(text):
        take(text[position : match.start()])
        position = match.end()
        if match["escape"]:
            take(match["escape"])
        elif match["weight"] and match["end"] == "]":
            raise PromptError(
                f"a weight in square brackets in {shorten(prompt)!r}; expected round ones, "
                "as in (red hair:0.7), or [red hair] for 1/1.1"
            )
        elif match["weight"]:
            close("(", _weight(match["weight"], prompt))
        elif match["bracket"] in "([":
            open_brackets.append((match["bracket"], len(found)))
        else:
            close(*(("(", 1.1) if match["bracket"] == ")" else ("[", 1 / 1.1)))
    take(text[position:])
    if open_brackets:
        raise _unmatched(open_brackets[-1][0], prompt)

    joined: list[Chunk] = []
    for chunk in found:
        _within(chunk.weight, prompt)
        if joined and joined[-1].weight == chunk.weight:
            joined[-1] = Chunk(joined[-1].text + chunk.text, chunk.weight)
        else:
            joined.append(chunk)
    return tuple(joined)


def _weight(number: str, prompt: str) -> float:
    return _within(float(number), prompt)


def _within(weight: float, prompt: str) -> float:
    if not abs(weight) <= MAX_WEIGHT:
        raise PromptError(
            f"the weight {weight:g} in {shorten(prompt)!r} is out of range, expected a number from "
            f"-{MAX_WEIGHT:g} to {MAX_WEIGHT:g}"
        )
    return weight


def _unmatched(bracket: str, prompt: str) -> PromptError:
    return PromptError(
        f"unmatched {bracket} in the prompt {shorten(prompt)!r}; expected pairs such as "
        f"(red hair:1.3); write \\{bracket} for the character itself"
    )


def _tidy(text: str) -> str:
    """Mend the white space and commas that taking out a chunk leaves behind."""
    text = " ".join(text.split())
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    return re.sub(r",(?:\s*,)+", ",", text).strip(" ,;")
