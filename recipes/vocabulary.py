"""The words of the compact encoder: those of the caption grammar, and what people type besides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from recipes.faces import phrases
from recipes.faces.phrases.everyday import ALIASES, FILLERS, ROLES, TOGETHER
from text2face.encoders.vocabulary import split

# Words that the grammar puts in itself.
_GLUE: Final = (
    "his her hers their theirs him them himself herself he she they is are has have does do dont "
    "doesnt isnt arent a an and with without who wearing in of no not or but boy girl latino "
    "latina latin someone somebody anyone anybody nobody person face human"
)
# Of no use without another word, so that a text of these alone says nothing.
_SAYS_NOTHING: Final = frozenset(
    split(
        _GLUE.replace("boy girl latino latina latin", "").replace("person face human", "")
        + "the at all on any it its there this that to be being by as from for will was i you we "
        "s t re ve m d about around over under behind above below before like than then up down "
        "only some few lot lots very rather quite bit kept keeps keep looking look looks seems "
        "seem sport sports wear wears worn has had having shown shape type kind sort color colour "
        "coloured colored hue shade tone little much left half top side sides next front back "
        "plain great good clear natural real high state age years year days day time "
        "something nothing everything none with w o n plus also neither nor is "
    )
)
REAL_WORDS: Final = Path(__file__).parent / "faces" / "phrases" / "real_words.txt"
_SPEAK_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "who": ("GENDER", "GENDER_OF_CHILD", "NOBODY"),
    "age": ("AGE", "AGED_GENDER", "AGE_ADJECTIVES", "AGE_POSTS", "AGE_WORDS"),
    "skin": ("SKIN",),
    "origin": ("ETHNICITY",),
    "build": ("BODY",),
    "hair colour": ("HAIR_COLOR", "HAIR_SHADE", "HAIR_COLOR_SPECIAL", "HAIR_COLOR_NOUN"),
    "hair": ("HAIR_COLOR_ONLY", "HAIR_STYLE", "HAIR_CUT", "BANGS"),
    "facial hair": ("FACIAL_HAIR", "BEARD_LENGTH"),
    "glasses": ("GLASSES", "AVIATORS", "FRAME_SHAPE", "FRAME_COLOR"),
    "hat": ("HAT",),
    "expression": ("SMILE", "SMILE_EXPRESSION", "EXPRESSION"),
    "eyes": ("EYE_COLOR", "EYE_WORDS"),
    "make-up": ("LIPSTICK", "LIP_WORDS", "EYESHADOW", "SHADOW_WORDS", "NO_LIPSTICK"),
    "freckles": ("FRECKLES",),
    "earrings": ("EARRINGS",),
    "clothes": ("CLOTHES",),
    "colours": ("HUES",),
    "background": ("BACKGROUND", "BACKGROUND_WORDS"),
}


def reduced(text: str) -> list[str]:
    """The words of a phrase of the grammar, with `TOGETHER` put in place."""
    words, out, place = split(text), list[str](), 0
    while place < len(words):
        for length in (5, 4, 3, 2):
            together = " ".join(words[place : place + length])
            if length <= len(words) - place and together in TOGETHER:
                out += split(TOGETHER[together])
                place += length
                break
        else:
            out.append(words[place])
            place += 1
    return out


def build_words() -> tuple[str, ...]:
    """All words of the grammar but those that are passed over."""
    openers = {word for text in _strings([phrases.OPENERS, phrases.TAILS]) for word in split(text)}
    texts = [*_strings(vars(phrases)), _GLUE]
    texts += [str(n) for low, high in phrases.AGE_NUMBERS.values() for n in range(low, high + 1)]
    tables = [name for names in _SPEAK_OF.values() for name in names]
    telling = {word for name in tables for word in _words_of(getattr(phrases, name))}
    words = {
        word
        for text in texts
        for verbs in ({"s": "s"}, {"s": "", "does": "do", "is": "are"})
        for word in reduced(text.format_map(_Braces(verbs)))
    }
    words -= {word for word in (openers | set(FILLERS)) - telling if word not in split(_GLUE)}
    return tuple(sorted(words))


def known_words(words: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The words that say something, by what they speak of."""
    listed: dict[str, list[str]] = defaultdict(list)
    for name, tables in _SPEAK_OF.items():
        found = {word for table in tables for word in _words_of(getattr(phrases, table))}
        listed[name] = sorted(word for word in found - _SAYS_NOTHING if word in words)
    return {name: tuple(found) for name, found in listed.items()}


def aliases_for(words: Collection[str]) -> dict[str, str]:
    """The aliases that are not known words, and stand for words that are or for nothing."""
    known = set(words)
    openers = [*FILLERS, *_strings([phrases.OPENERS, phrases.TAILS, phrases.FRAGMENT_OPENERS])]
    out = {word: "" for opener in openers for word in split(opener) if word not in known}
    for word, target in {**ALIASES, **TOGETHER}.items():
        name, parts = " ".join(split(word)), reduced(target)
        if name not in known and set(parts) <= known:
            out[name] = " ".join(parts)
    return out


def make_words() -> dict[str, Any]:
    """The fields of `CompactConfig` that concern words."""
    words = build_words()
    aliases = aliases_for(words)
    taken = {*words, *aliases}
    real = REAL_WORDS.read_text(encoding="utf-8").split() if REAL_WORDS.is_file() else []
    return {
        "words": words,
        "aliases": aliases,
        # "Pilot" is also a shape of glasses, in company (`TOGETHER`); alone it is somebody.
        "roles": tuple(role for role in ROLES if role not in taken or role == "pilot"),
        "real_words": tuple(word for word in real if word not in taken),
        "known": known_words(words),
    }


class _Braces(dict[str, str]):
    """Fills the verbs into a phrase, and nothing into its other braces."""

    def __missing__(self, key: str) -> str:
        return key if key in ("does", "is", "has") else " "


def _words_of(table: Any) -> Iterator[str]:
    for text in _strings(table):
        yield from reduced(text.format_map(_Braces({"s": "s"})))


def _strings(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        keep = {k: v for k, v in value.items() if not (isinstance(k, str) and k.startswith("__"))}
        return [s for item in keep.values() for s in _strings(item)]
    if isinstance(value, phrases.Negation):
        return _strings(value.forms)
    if isinstance(value, tuple | list):
        return [s for item in value for s in _strings(item)]
    return [value.replace("{}", " ")] if isinstance(value, str) else []
