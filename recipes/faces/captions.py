"""The caption grammar: what a face's record says → what a person might type.

A caption names some of what can be seen, in any order, in one of three ways: one noun phrase ("a
photo of a bearded old man wearing round glasses"), several sentences ("A woman with a bob. She
wears shades."), or telegram style ("old man, white beard, no hat"). The words are in `phrases`, the
sentences in `sentences`; here it is chosen what to say.

Every choice is drawn from a number of its own, looked up by the name of the choice. So the same
numbers with one changed attribute give the same sentence with only that attribute's words changed:
a hard negative (`perturbed`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recipes.faces import phrases as ph
from recipes.faces.attributes import DETAILS, LABELS
from recipes.faces.meanings import VALUES, Claims, all_but, both, read_color, shades
from recipes.faces.sentences import NamedChoices, Part, Record, Writer

# How readily people mention an attribute, and how much less readily its absence.
_WEIGHTS: Final[Mapping[str, float]] = {
    "gender": 2.5,
    "age": 1.5,
    "skin": 0.8,
    "hair_color": 1.3,
    "hair_style": 1.2,
    "facial_hair": 1.2,
    "glasses": 1.2,
    "hat": 1.2,
    "smile": 1.0,
    "background": 0.9,
}
_ABSENCE: Final[Mapping[str, float]] = {
    "facial_hair": 0.25,
    "glasses": 0.3,
    "hat": 0.15,
    "smile": 0.6,
}
_COUNTS: Final = np.cumsum([0.14, 0.19, 0.19, 0.16, 0.13, 0.09, 0.06, 0.04])
_DETAIL_CHANCE: Final[Mapping[str, float]] = {
    "ethnicity": 0.15,
    "body": 0.2,
    "hair_shade": 0.4,
    "hair_cut": 0.4,
    "bangs": 0.15,
    "beard_length": 0.4,
    "frame_shape": 0.35,
    "frame_color": 0.3,
    "hat_color": 0.45,
    "expression": 0.3,
    "eye_color": 0.06,
    "lipstick": 0.12,
    "eyeshadow": 0.12,
    "freckles": 0.3,
    "earrings": 0.15,
    "clothes_color": 0.07,
}
BELONGS_TO: Final[Mapping[str, str]] = {
    "hair_shade": "hair_color",
    "hair_cut": "hair_style",
    "beard_length": "facial_hair",
    "frame_shape": "glasses",
    "frame_color": "glasses",
    "hat_color": "hat",
}
_ABSENT: Final = frozenset({"none", "no"})
_RARELY: Final = 0.25  # how much less often details are named where they are not there
_NATURAL: Final = frozenset({"black", "brown", "blond", "red", "grey", "white"})
# What a changed label makes of the details that hang on it.
_FOLLOWS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "hair_color": {"hair_shade": {}},
    "hair_style": {"hair_cut": {}},
    "facial_hair": {"beard_length": {"beard": "full"}},
    "smile": {"expression": {"yes": "smile", "no": "neutral"}},
    "skin": {"ethnicity": {"dark": "African", "light": "European", "medium": "Latino"}},
}


@dataclass(frozen=True)
class Caption:
    """A text, and what it says.

    `labels` and `details` are the values of the face that it names. What it claims may be less:
    "earrings" are hoops or studs. It is true of every face that has one value of each claim.
    """

    text: str
    labels: dict[str, str]
    details: dict[str, str]
    claims: Claims
    _named: tuple[str, ...] = field(repr=False, compare=False)
    _numbers: NDArray[np.float64] = field(repr=False, compare=False)


def caption(
    record: Record,
    rng: np.random.Generator,
    *,
    attributes: Collection[str] | None = None,
    denied: int = 0,
) -> Caption:
    """Describe a face.

    Args:
        record: What can be seen; hidden values are None and are never mentioned.
        rng: Source of every choice.
        attributes: Keys of `LABELS` and `DETAILS` to name, as far as they are visible, and no
            others; None for 1 to 8 judged attributes at random and some details.
        denied: How many values to say besides that the face does not have, of attributes that are
            not named.

    Returns:
        The text, and in `labels` exactly the judged attributes that it names.
    """
    numbers = rng.random(509)
    named = _choose(record, rng) if attributes is None else tuple(attributes)
    named = tuple(key for key in named if BELONGS_TO.get(key, key) in named)
    named = tuple(key for key in named if sayable(record, key))
    if denied:
        named += tuple(_choose_denials(record, named, denied, rng))
    return _compose(record, named, numbers)


def _choose_denials(
    record: Record, named: Collection[str], count: int, rng: np.random.Generator
) -> list[str]:
    """Names of what can be denied: a key of `NEGATIONS`, or an attribute and a colour."""
    able = [
        f"not {name}"
        for name, negation in ph.NEGATIONS.items()
        if record[negation.key] is not None
        and record[negation.key] not in negation.denied
        and BELONGS_TO.get(negation.key, negation.key) not in named
        and not (negation.key == "facial_hair" and record["gender"] == "female")
    ]
    for key in ph.COLOR_NEGATIONS:
        if record[key] is not None and key not in named:
            about = "hair_shade" if key == "hair_color" else key
            seen = record[about]
            others = [
                value
                for value in VALUES[key]
                if seen not in read_color(key, _color_word(key, value))[about]
            ]
            if key != "hair_color" or "hair_style" not in named:
                able.append(f"not {key} {others[rng.integers(len(others))]}")
    chosen: dict[str, str] = {}
    for i in rng.permutation(len(able))[: 2 * count]:
        chosen.setdefault(_denied_key(able[i]), able[i])
    return list(chosen.values())[:count]


def _denied_key(name: str) -> str:
    negation = ph.NEGATIONS.get(name.removeprefix("not "))
    key = negation.key if negation else name.split()[1]
    return {"expression": "smile"}.get(key, BELONGS_TO.get(key, key))


def perturbed(record: Record, caption: Caption, rng: np.random.Generator) -> Caption:
    """Say the same, but with a wrong value for exactly one of the named judged attributes.

    Raises:
        ValueError: The caption names no judged attribute.
    """
    keys = [key for key in caption._named if key in LABELS]
    if not keys:
        raise ValueError(f"expected a caption that names a judged attribute, got {caption.text!r}")
    key = keys[rng.integers(len(keys))]
    values = [value for value in LABELS[key] if value != record[key]]
    if key == "hair_style" and "hair_color" in keys:
        values.remove("bald")
    value = values[rng.integers(len(values))]
    changed = {**record, key: value}
    for detail, values_of in _FOLLOWS.get(key, {}).items():
        changed[detail] = values_of.get(value)
    for detail, fallback in (
        ("frame_shape", "round"),
        ("frame_color", "black"),
        ("hat_color", "red"),
    ):
        if BELONGS_TO[detail] == key:
            changed[detail] = "none" if value == "none" else _or(record[detail], fallback)
    named = tuple(k for k in caption._named if not k.startswith("not ") and sayable(changed, k))
    return _compose(changed, named, caption._numbers)


def _or(value: str | None, fallback: str) -> str:
    return fallback if value in (None, "none") else str(value)


def sayable(record: Record, key: str) -> bool:
    """Whether there are words for what a face shows of an attribute."""
    value = record[key]
    if value is None or record[BELONGS_TO.get(key, key)] is None:
        return False
    if key in BELONGS_TO and record[BELONGS_TO[key]] == "none":
        return False
    if key in BELONGS_TO and value == "none":
        return False
    if key in LABELS:
        return True
    if key == "hair_shade":
        return value in ph.HAIR_SHADE
    if key == "hair_cut":
        return value in ph.HAIR_CUT
    if key == "expression":
        return value in ph.EXPRESSION
    return value != "average"


def _choose(record: Record, rng: np.random.Generator) -> tuple[str, ...]:
    """What to name: a few judged attributes, by weight, and now and then a detail."""
    draws = rng.random(len(LABELS) + len(DETAILS) + 2)
    count = int(np.searchsorted(_COUNTS, draws[0])) + 1
    keyed = []
    for key, draw in zip(LABELS, draws[1:], strict=False):
        value = record[key]
        if value is None:
            continue
        weight = _WEIGHTS[key]
        if value in _ABSENT:
            weight *= _ABSENCE[key]
            if key == "facial_hair" and (record["gender"] == "female" or record["age"] == "child"):
                weight *= 0.3
        keyed.append((draw ** (1 / weight), key))  # Efraimidis and Spirakis, 2006
    named = [key for _, key in sorted(keyed, reverse=True)[:count]]
    if "gender" in named and record["age"] == "child" and "age" not in named and draws[-1] < 0.8:
        named.append("age")
    for key, draw in zip(DETAILS, draws[len(LABELS) + 1 :], strict=False):
        owner = BELONGS_TO.get(key)
        chance = _DETAIL_CHANCE[key] * (_RARELY if record[key] in _ABSENT else 1)
        if draw < chance and (owner is None or owner in named):
            named.append(key)
    return tuple(named)


# -- composing -----------------------------------------------------------------------------------


def _compose(record: Record, named: tuple[str, ...], numbers: NDArray[np.float64]) -> Caption:
    choice = NamedChoices(numbers)
    seen = {key: value for key in named if (value := record.get(key)) is not None}
    labels = {key: value for key, value in seen.items() if key in LABELS}
    details = {key: value for key, value in seen.items() if key in DETAILS}
    claims: dict[str, frozenset[str]] = {}
    if implied := ph.IMPLIED_SKIN.get(seen.get("ethnicity", "")):
        labels["skin"] = implied
        claims["skin"] = frozenset({implied})
    elif "ethnicity" in seen:
        claims["ethnicity"] = frozenset({seen["ethnicity"]})
    if "gender" in seen and "age" not in seen and record["age"] != "child":
        details["adult"] = "yes"
    parts = _parts(record, seen, details, choice)
    parts += [_denial(name, choice) for name in named if name.startswith("not ")]
    parts.sort(key=lambda part: choice.roll("order of " + part.name))
    writer = Writer(record, seen, choice)
    text = writer.write(parts)
    return Caption(text, labels, details, both(claims, writer.claims), named, numbers)


def _denial(name: str, choice: NamedChoices) -> Part:
    """What says that a face has not got something."""
    if negation := ph.NEGATIONS.get(name.removeprefix("not ")):
        return Part(name, negation.forms, claims=all_but(negation.key, *negation.denied))
    _, key, value = name.split(" ", 2)
    word = _color_word(key, value)
    ((about, denied),) = read_color(key, word).items()
    return Part(name, ph.COLOR_NEGATIONS[key], {"color": word}, claims=all_but(about, *denied))


def _color_word(key: str, value: str) -> str:
    """The first word for a colour of hair, eyes, clothes or background."""
    words = {
        "hair_color": ph.HAIR_COLOR,
        "eye_color": ph.EYE_WORDS,
        "background": ph.BACKGROUND_WORDS,
    }
    return words.get(key, ph.HUES)[value][0]


def facts(record: Record) -> dict[str, str | None]:
    """A record with every key that `Caption.labels` and `Caption.details` may hold."""
    return {
        **record,
        "adult": "no" if record["age"] == "child" else "yes",
        "beard_color": record["hair_color"] if record["facial_hair"] != "none" else None,
    }


def _parts(
    record: Record, seen: Mapping[str, str], details: dict[str, str], choice: NamedChoices
) -> list[Part]:
    """Everything to say but who it is, in random order; adds the details that it chooses itself."""
    parts = _hair(seen, choice) + _facial_hair(record, seen, details, choice)
    if glasses := seen.get("glasses"):
        shape, color = seen.get("frame_shape"), seen.get("frame_color")
        frame = [choice.pick("frame shape", ph.FRAME_SHAPE[shape])] if shape else []
        framed: Claims = read_color("frame_shape", frame[0]) if frame else {}
        if color:
            tint = choice.pick("frame hue", ph.HUES[color])
            framed = both(framed, read_color("frame_color", tint))
            frame.append(choice.pick("frame color", ph.FRAME_COLOR).format(color=tint))
        if (glasses, shape) == ("sunglasses", "aviator") and choice.roll("aviators") < 0.5:
            aviators = {"glasses": frozenset({glasses}), "frame_shape": frozenset({"aviator"})}
            parts.append(
                Part("glasses", {"wears": ph.AVIATORS, "has": ph.AVIATORS}, claims=aviators)
            )
        else:
            words = {"f": "".join(f"{word} " for word in frame)}
            slot = "{f}" if frame else None
            parts.append(Part("glasses", ph.GLASSES[glasses], words, slot, framed))
    if hat := seen.get("hat"):
        color = seen.get("hat_color")
        hue = choice.pick("hat hue", ph.HUES[color]) if color else ""
        claims = read_color("hat_color", hue) if color else {}
        words = {"h": f"{hue} " if hue else ""}
        parts.append(Part("hat", ph.HAT[hat], words, "{h}" if color else None, claims))
    if smile := seen.get("smile"):
        expression = record["expression"] or ""
        if expression in ph.SMILE_EXPRESSION and choice.roll("exactly") < 0.55:
            parts.append(Part("smile", ph.SMILE_EXPRESSION[expression]))
            if expression not in ("smile", "neutral"):
                details["expression"] = expression
        else:
            parts.append(Part("smile", ph.SMILE[smile]))
    for key, values in (
        ("skin", ph.SKIN),
        ("body", ph.BODY),
        ("expression", ph.EXPRESSION),
        ("earrings", ph.EARRINGS),
        ("bangs", ph.BANGS),
        ("freckles", ph.FRECKLES),
    ):
        if key in seen:
            parts.append(Part(key, values[seen[key]]))
    for key, forms, hues in (
        ("background", ph.BACKGROUND, ph.BACKGROUND_WORDS),
        ("eye_color", ph.EYE_COLOR, ph.EYE_WORDS),
        ("lipstick", ph.LIPSTICK, ph.LIP_WORDS),
        ("eyeshadow", ph.EYESHADOW, ph.SHADOW_WORDS),
        ("clothes_color", ph.CLOTHES, ph.HUES),
    ):
        if key not in seen:
            continue
        if seen[key] == "none":
            absent = ph.NO_LIPSTICK if key == "lipstick" else ph.NO_EYESHADOW
            parts.append(Part(key, absent, claims={key: frozenset({"none"})}))
            continue
        hue = choice.pick(key + " hue", hues[seen[key]])
        parts.append(Part(key, forms, {"color": hue}, claims=read_color(key, hue)))
    return sorted(parts, key=lambda part: choice.roll("order of " + part.name))


def _hair(seen: Mapping[str, str], choice: NamedChoices) -> list[Part]:
    color, style = seen.get("hair_color"), seen.get("hair_style")
    if not color and not style:
        return []
    hues = ph.HAIR_SHADE.get(seen.get("hair_shade", "")) or ph.HAIR_COLOR.get(color or "", ())
    hue = choice.pick("hair hue", hues) if color else ""
    claims = read_color("hair_color", hue) if color else {}
    color_forms: ph.Forms = ph.HAIR_COLOR_ONLY
    special = not style and "hair_shade" not in seen and choice.roll("hair word") < 0.3
    if color and special and color in ph.HAIR_COLOR_SPECIAL:
        color_forms = ph.HAIR_COLOR_SPECIAL[color]
        claims = {"hair_shade": shades(color)}
    color_part = Part("hair_color", color_forms, {"color": hue}, claims=claims)
    if not style:
        return [color_part]
    forms = {**ph.HAIR_STYLE[style], **ph.HAIR_CUT.get(seen.get("hair_cut", ""), {})}
    if color and "adj" in forms and choice.roll("hair apart") < 0.2:
        return [color_part, Part("hair_style", {"adj": forms["adj"]})]
    words = {"c": f"{hue} " if hue else ""}
    return [Part("hair_style", forms, words, "{c}" if color else None, claims)]


def _facial_hair(
    record: Record, seen: Mapping[str, str], details: dict[str, str], choice: NamedChoices
) -> list[Part]:
    kind = seen.get("facial_hair")
    if not kind:
        return []
    forms = {**ph.FACIAL_HAIR[kind], **ph.BEARD_LENGTH.get(seen.get("beard_length", ""), {})}
    # A beard is as the hair, unless that is dyed; naming its colour says nothing about the hair.
    color = record["hair_color"]
    if kind == "none" or color is None or color not in _NATURAL or choice.roll("beard color") > 0.2:
        return [Part("facial_hair", forms, {"b": ""})]
    details["beard_color"] = color
    words = {"b": choice.pick("beard hue", ph.HAIR_COLOR[color][:6]) + " "}
    claims = {"beard_color": frozenset({color})}
    return [Part("facial_hair", forms, words, "{b}", claims)]
