"""The attributes of rendered faces, for renderer, captions, judge and benchmarks.

A *record* is one JSON object per face (`records.jsonl`). It holds only what can be SEEN in the
picture: what is hidden (hair colour under a beanie, eye colour behind sunglasses) is `None`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# The coarse attributes, each with its classes. Every record carries all of these keys.
LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "gender": ("male", "female"),
    "age": ("child", "young", "middle-aged", "old"),
    "skin": ("light", "medium", "dark"),
    "hair_color": (
        "black", "brown", "blond", "red", "grey", "white", "pink", "blue", "purple", "green",
    ),
    "hair_style": ("bald", "balding", "buzz cut", "short", "curly", "bob", "long", "tied"),
    "facial_hair": ("none", "stubble", "moustache", "goatee", "beard"),
    "glasses": ("none", "glasses", "sunglasses"),
    "hat": ("none", "fedora", "beanie", "cap", "headband"),
    "smile": ("no", "yes"),
    "background": (
        "white", "grey", "black", "blue", "green", "teal",
        "yellow", "orange", "brown", "beige", "pink", "purple",
    ),
}  # fmt: skip

# Finer ones. Every record carries these keys too.
DETAILS: Final[Mapping[str, tuple[str, ...]]] = {
    "ethnicity": (
        "African", "East Asian", "European", "South Asian", "Latino", "Middle Eastern", "mixed",
    ),
    "body": ("average", "chubby", "thin"),
    # the exact shade behind hair_color
    "hair_shade": (
        "black", "dark brown", "brown", "light brown", "blond", "platinum", "red", "auburn",
        "grey", "white", "pink", "blue", "purple", "green",
    ),
    # the exact cut behind hair_style
    "hair_cut": (
        "bald", "receding", "horseshoe", "buzz cut", "crew cut", "short wavy", "short straight",
        "short messy", "combed forward", "afro", "curls", "bob", "short bob", "long straight",
        "shoulder-length", "chin-length", "ponytail", "braid", "bun",
    ),
    "bangs": ("no", "yes"),
    "beard_length": ("none", "short", "full"),
    "frame_shape": ("none", "round", "rectangular", "oval", "square", "cat-eye", "aviator"),
    "frame_color": ("none", "black", "brown", "gold", "silver", "red", "blue"),
    "hat_color": (
        "none", "black", "white", "grey", "navy", "blue", "red", "burgundy", "green", "olive",
        "yellow", "orange", "pink", "purple", "brown", "beige", "teal",
    ),
    "expression": (
        "neutral", "smile", "big smile", "open mouth", "sad", "angry", "surprised",
        "closed eyes", "pursed lips", "wink", "disgust",
    ),
    "eye_color": (
        "brown", "light brown", "blue", "deep blue", "light blue", "blue-green", "green", "grey",
        "pale",
    ),
    "lipstick": ("none", "red", "pink", "nude", "plum", "coral"),
    "eyeshadow": ("none", "brown", "blue", "purple", "green", "smoky", "pink"),
    "freckles": ("no", "yes"),
    "earrings": ("none", "stud", "hoop"),
    "clothes_color": (
        "black", "white", "grey", "navy", "blue", "red", "burgundy", "green", "olive", "yellow",
        "orange", "pink", "purple", "brown", "beige", "teal",
    ),
}  # fmt: skip

# Left aside: ancestry is a mixture that nobody could tell, and a build hardly shows in a face.
_ASIDE: Final = ("ethnicity", "body")
# What faces are judged on.
JUDGED: Final[Mapping[str, tuple[str, ...]]] = {
    **LABELS, **{name: values for name, values in DETAILS.items() if name not in _ASIDE},
}  # fmt: skip
