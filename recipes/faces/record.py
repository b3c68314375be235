"""What can be seen of a face, in the vocabulary of `attributes`. What is hidden is None."""

from __future__ import annotations

from typing import Final, NamedTuple

from recipes.faces.identity import Identity

Record = dict[str, str | None]

HATS_OVER_HAIR: Final = ("fedora", "beanie", "cap")
_LONG: Final = ("bob01", "bob02", "long01", "braid01")  # seen below a hat; it hides the ears
_STYLE_AND_CUT: Final = {
    "bob01": ("bob", "bob"),
    "bob02": ("bob", "bob"),
    "braid01": ("bob", "short bob"),
    "long01": ("long", "long straight"),
    "ponytail01": ("tied", "ponytail"),
    "short01": ("short", "short wavy"),
    "short02": ("short", "short straight"),
    "short03": ("short", "short messy"),
    "short04": ("short", "short straight"),
    "afro01": ("curly", "afro"),
    "curly shell": ("curly", "curls"),
    "buzz": ("buzz cut", "buzz cut"),
    "crew": ("buzz cut", "crew cut"),
    "receding": ("balding", "receding"),
    "horseshoe": ("balding", "horseshoe"),
    "bald": ("bald", "bald"),
}
_SHORTENED: Final = {0.6: ("long", "shoulder-length"), 0.28: ("bob", "chin-length")}
_COLOR: Final = {
    "dark brown": "brown",
    "light brown": "brown",
    "platinum blond": "blond",
    "auburn": "red",
}
_EYES: Final = {
    "brownlight": "light brown",
    "deepblue": "deep blue",
    "lightblue": "light blue",
    "bluegreen": "blue-green",
    "ice": "pale",
}
_ETHNICITY: Final = {"Asian": "East Asian", "Caucasian": "European"}
_BEARD_LENGTH: Final = {"short beard": "short", "full beard": "full"}


class Seen(NamedTuple):
    """How much of a picture shows some small things: shares of its area."""

    clothes: float
    earrings: float
    eyes: float


# Below these nobody can tell what it is: 80, 5 and 20 pixels of a picture of 128 × 128.
_LEAST: Final = Seen(clothes=0.005, earrings=0.0003, eyes=0.0012)


def record(face: Identity, seen: Seen | None = None) -> Record:
    """One value for each key of `attributes.LABELS` and `attributes.DETAILS`.

    Args:
        face: The face.
        seen: What its picture shows; without it, small things count as seen.
    """
    out = _record(face)
    if seen is not None:
        if seen.clothes < _LEAST.clothes:
            out["clothes_color"] = None
        if face.earrings != "none":
            out["earrings"] = face.earrings if seen.earrings >= _LEAST.earrings else None
        if seen.eyes < _LEAST.eyes:
            out["eye_color"] = None
    return out


def _record(face: Identity) -> Record:
    hat = "fedora" if face.hat == "cocked fedora" else face.hat
    covered = hat in HATS_OVER_HAIR
    long = face.hair in _LONG
    shades = face.glasses == "sunglasses"
    style, cut = _hair(face, hidden=covered and not long)
    hair_color_seen = face.hair != "bald" and (long or not covered)
    expression: str | None = face.expression
    if shades and expression == "wink":
        expression = "neutral"
    elif shades and expression == "closed eyes":
        expression = None
    return {
        "gender": face.gender,
        "age": face.age,
        "skin": face.skin,
        "hair_color": _COLOR.get(face.hair_color, face.hair_color) if hair_color_seen else None,
        "hair_style": style,
        "facial_hair": "beard" if face.facial_hair in _BEARD_LENGTH else face.facial_hair,
        "glasses": face.glasses,
        "hat": hat,
        "smile": _yes(face.expression in ("smile", "big smile")),
        "background": face.background,
        "ethnicity": _ETHNICITY.get(face.ethnicity, face.ethnicity),
        "body": "chubby" if face.weight > 0.55 else "thin" if face.weight < -0.6 else "average",
        "hair_shade": face.hair_color.removesuffix(" blond") if hair_color_seen else None,
        "hair_cut": cut,
        "bangs": _yes(face.bangs) if cut and not covered else None,
        "beard_length": _BEARD_LENGTH.get(face.facial_hair, "none"),
        "frame_shape": face.frame_shape if face.glasses != "none" else "none",
        "frame_color": face.frame_color if face.glasses != "none" else "none",
        "hat_color": face.hat_color if hat != "none" else "none",
        "expression": expression,
        "eye_color": (
            None
            if shades or face.expression == "closed eyes"
            else _EYES.get(face.eye_color, face.eye_color)
        ),
        "lipstick": face.lipstick if face.makeup else "none",
        "eyeshadow": None if shades else _eyeshadow(face),
        "freckles": _yes(face.freckles),
        "earrings": None if face.earrings != "none" and long else face.earrings,
        "clothes_color": face.clothes_color,
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _eyeshadow(face: Identity) -> str:
    return face.eyeshadow if face.makeup and face.wears_eyeshadow else "none"


def _hair(face: Identity, hidden: bool) -> tuple[str | None, str | None]:
    if hidden:
        return None, None
    if face.bun:
        return "tied", "bun"
    if face.hair == "long01" and face.hair_length in _SHORTENED:
        return _SHORTENED[face.hair_length]
    return _STYLE_AND_CUT[face.hair]
