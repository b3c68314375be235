"""The words for what is seen: phrase tables of the caption grammar.

Tables map a value to `Forms`, phrases sorted by the part they play in a sentence:

- `adj`   before the noun: "a *bearded* man"
- `has`   after with/has: "with *a white beard*"
- `wears` after wearing/in/with/wears: "wearing *round glasses*"
- `be`    after is/who is, or alone behind the noun: "she is *clean-shaven*"
- `post`  behind the noun as it stands: "a man *against a blue wall*"
- `say`   a sentence of its own: "*{He} smile{s} at the camera*"

In braces: `{He} {he} {his} {him} {is} {has} {does} {s}` follow the gender if the caption names it
("they" otherwise); `{color}` is a colour. Articles are written `a`: "an" is put in afterwards.
"""

from recipes.faces.phrases.face import (
    EXPRESSION,
    EYE_COLOR,
    EYE_WORDS,
    FRECKLES,
    SMILE,
    SMILE_EXPRESSION,
)
from recipes.faces.phrases.forms import Forms
from recipes.faces.phrases.hair import (
    BANGS,
    BEARD_LENGTH,
    FACIAL_HAIR,
    HAIR_COLOR,
    HAIR_COLOR_NOUN,
    HAIR_COLOR_ONLY,
    HAIR_COLOR_SPECIAL,
    HAIR_CUT,
    HAIR_SHADE,
    HAIR_STYLE,
)
from recipes.faces.phrases.negations import COLOR_NEGATIONS, NEGATIONS, Negation
from recipes.faces.phrases.people import (
    AGE,
    AGE_ADJECTIVES,
    AGE_NUMBERS,
    AGE_POSTS,
    AGE_WORDS,
    AGED_GENDER,
    BODY,
    ETHNICITY,
    GENDER,
    GENDER_OF_CHILD,
    IMPLIED_SKIN,
    NOBODY,
    SKIN,
)
from recipes.faces.phrases.scene import (
    BACKGROUND,
    BACKGROUND_WORDS,
    FRAGMENT_OPENERS,
    OPENERS,
    TAILS,
)
from recipes.faces.phrases.worn import (
    AVIATORS,
    CLOTHES,
    EARRINGS,
    EYESHADOW,
    FRAME_COLOR,
    FRAME_SHAPE,
    GLASSES,
    HAT,
    HUES,
    LIP_WORDS,
    LIPSTICK,
    NO_EYESHADOW,
    NO_LIPSTICK,
    SHADOW_WORDS,
)

__all__ = [
    "AGE",
    "AGED_GENDER",
    "AGE_ADJECTIVES",
    "AGE_NUMBERS",
    "AGE_POSTS",
    "AGE_WORDS",
    "AVIATORS",
    "BACKGROUND",
    "BACKGROUND_WORDS",
    "BANGS",
    "BEARD_LENGTH",
    "BODY",
    "CLOTHES",
    "COLOR_NEGATIONS",
    "EARRINGS",
    "ETHNICITY",
    "EXPRESSION",
    "EYESHADOW",
    "EYE_COLOR",
    "EYE_WORDS",
    "FACIAL_HAIR",
    "FRAGMENT_OPENERS",
    "FRAME_COLOR",
    "FRAME_SHAPE",
    "FRECKLES",
    "GENDER",
    "GENDER_OF_CHILD",
    "GLASSES",
    "HAIR_COLOR",
    "HAIR_COLOR_NOUN",
    "HAIR_COLOR_ONLY",
    "HAIR_COLOR_SPECIAL",
    "HAIR_CUT",
    "HAIR_SHADE",
    "HAIR_STYLE",
    "HAT",
    "HUES",
    "IMPLIED_SKIN",
    "LIPSTICK",
    "LIP_WORDS",
    "NEGATIONS",
    "NOBODY",
    "NO_EYESHADOW",
    "NO_LIPSTICK",
    "OPENERS",
    "SHADOW_WORDS",
    "SKIN",
    "SMILE",
    "SMILE_EXPRESSION",
    "TAILS",
    "Forms",
    "Negation",
]
