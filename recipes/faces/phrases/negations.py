"""The words for what a face is not: each says only that some values are not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from recipes.faces.phrases.forms import Forms, forms


@dataclass(frozen=True)
class Negation:
    """Phrases that deny some values of an attribute."""

    key: str
    denied: tuple[str, ...]
    forms: Forms


def _hat(noun: str) -> Negation:
    return Negation(
        "hat",
        (noun,),
        forms(
            wears=f"no {noun}|no {noun} on",
            post=f"without a {noun}|without {noun}|without any {noun}",
            be=f"not wearing a {noun}",
            say=f"{{He}} {{does}} not wear a {noun}|There is no {noun}",
        ),
    )


NEGATIONS: Final[Mapping[str, Negation]] = {
    "bald": Negation("hair_style", ("bald",), forms(adj="not bald", be="not bald|not bald at all")),
    "curly": Negation(
        "hair_style",
        ("curly",),
        forms(
            has="no curls|no curly hair|hair that is not curly",
            post="without curls|without curly hair",
            say="{His} hair is not curly|There are no curls",
        ),
    ),
    "long hair": Negation(
        "hair_style",
        ("long",),
        forms(
            has="no long hair|hair that is not long",
            post="without long hair",
            say="{His} hair is not long|{He} {does} not have long hair",
        ),
    ),
    "short hair": Negation(
        "hair_style",
        ("short", "buzz cut"),
        forms(
            has="no short hair|hair that is not short",
            post="without short hair",
            say="{His} hair is not short",
        ),
    ),
    "tied hair": Negation(
        "hair_style",
        ("tied",),
        forms(
            has="hair that is not tied back|no ponytail and no bun|no ponytail or bun",
            say="{His} hair is not tied back",
        ),
    ),
    "ponytail": Negation(
        "hair_cut",
        ("ponytail",),
        forms(has="no ponytail", post="without a ponytail|without ponytail"),
    ),
    "moustache": Negation(
        "facial_hair",
        ("moustache", "goatee", "beard"),
        forms(
            has="no moustache|no mustache",
            post="without a moustache|without a mustache|without moustache",
            say="{He} {has} no moustache|There is no moustache|{He} {does} not have a mustache",
        ),
    ),
    "goatee": Negation(
        "facial_hair", ("goatee",), forms(has="no goatee", post="without a goatee|without goatee")
    ),
    "sunglasses": Negation(
        "glasses",
        ("sunglasses",),
        forms(
            wears="no sunglasses|no shades",
            post="without sunglasses|without shades|without any sunglasses",
            be="not wearing sunglasses|wearing no sunglasses",
            say="{He} {does} not wear sunglasses|There are no sunglasses",
        ),
    ),
    "cap": _hat("cap"),
    "beanie": _hat("beanie"),
    "fedora": _hat("fedora"),
    "headband": _hat("headband"),
    "sad": Negation(
        "expression", ("sad",), forms(adj="not sad", be="not sad", say="{He} {does} not look sad")
    ),
    "angry": Negation(
        "expression",
        ("angry",),
        forms(adj="not angry", be="not angry|not cross", say="{He} {does} not look angry"),
    ),
    "surprised": Negation(
        "expression", ("surprised",), forms(be="not surprised", say="{He} {is} not surprised")
    ),
    "laughing": Negation(
        "expression", ("big smile",), forms(be="not laughing", say="{He} {is} not laughing")
    ),
    "closed eyes": Negation(
        "expression",
        ("closed eyes", "wink"),
        forms(
            has="open eyes|{his} eyes open|eyes that are not closed|no closed eyes",
            say="{His} eyes are open|{His} eyes are not closed",
        ),
    ),
    "open mouth": Negation(
        "expression",
        ("open mouth", "surprised", "big smile"),
        forms(
            has="a closed mouth|{his} mouth closed|{his} mouth shut|no open mouth",
            say="{His} mouth is closed|{His} mouth is not open",
        ),
    ),
    "old": Negation("age", ("old",), forms(be="not old|not an old person|not elderly")),
    "young": Negation("age", ("young", "child"), forms(be="not young|no longer young")),
    "dark skin": Negation(
        "skin",
        ("dark",),
        forms(has="no dark skin|skin that is not dark", say="{His} skin is not dark"),
    ),
    "pale": Negation(
        "skin",
        ("light",),
        forms(
            has="no pale skin|skin that is not pale", be="not pale", say="{His} skin is not pale"
        ),
    ),
}
# "{color}" is one that is not there; by the attribute whose colour it is.
COLOR_NEGATIONS: Final[Mapping[str, Forms]] = {
    "hair_color": forms(
        has="hair that is not {color}|no {color} hair|not {color} hair",
        post="without {color} hair",
        be="not {color}-haired",
        say="{His} hair is not {color}|{He} {does} not have {color} hair",
    ),
    "eye_color": forms(
        has="eyes that are not {color}|no {color} eyes|not {color} eyes",
        say="{His} eyes are not {color}|{He} {does} not have {color} eyes",
    ),
    "background": forms(
        post="without a {color} background|not in front of a {color} wall",
        say="The background is not {color}|The wall is not {color}",
    ),
    "clothes_color": forms(
        post="not in {color}",
        be="not wearing {color}|not dressed in {color}",
        say="{His} clothes are not {color}",
    ),
}
