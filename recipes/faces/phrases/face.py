"""The words for expressions, eyes and freckles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recipes.faces.phrases.forms import Forms, forms, listed

SMILE: Final[Mapping[str, Forms]] = {
    "yes": forms(
        adj=(
            "smiling|smiling|smiling|grinning|beaming|cheerful|happy|happy|joyful|smiley|jolly|"
            "friendly|merry|delighted|glad|jovial|good-humoured"
        ),
        has=(
            "a smile|a smile|a smile on {his} face|a grin|a happy face|a cheerful smile|"
            "a friendly smile|a warm smile|a happy expression|a cheerful look|"
            "a grin on {his} face|a pleasant smile|a happy smile|a cheery expression"
        ),
        be=(
            "smiling|smiling|smiling|grinning|happy|beaming|all smiles|in a good mood|"
            "smiling at the camera|cheerful|smiling happily|looking happy|grinning at the camera|"
            "looking cheerful|smiling warmly"
        ),
        say=(
            "{He} smile{s}|{He} {is} smiling|{He} grin{s}|{He} look{s} happy|"
            "{He} {has} a smile on {his} face|{He} beam{s} at the camera|{He} smile{s} at you|"
            "{He} seem{s} happy|{He} show{s} a smile|{He} {is} in a good mood"
        ),
    ),
    "no": forms(
        adj="unsmiling|unsmiling|not smiling",
        has=(
            "no smile|no smile|no smile on {his} face|an unsmiling face|no trace of a smile|"
            "an unsmiling expression|no hint of a smile|no grin"
        ),
        be="not smiling|not smiling|unsmiling|not grinning|not smiling at all",
        post="without a smile|without smiling|without a grin|without any smile",
        say=(
            "{He} {is} not smiling|{He} {does} not smile|{He} {does}n't smile|"
            "{He} {is}n't smiling|There is no smile|{He} {is} unsmiling"
        ),
    ),
}
# Said for `smile` by faces with this expression. "serious" and the like all mean no smile.
SMILE_EXPRESSION: Final[Mapping[str, Forms]] = {
    "big smile": forms(
        adj="laughing|broadly smiling|beaming|grinning|overjoyed",
        has=(
            "a big smile|a broad grin|a wide smile|a big grin|a broad smile|a toothy smile|"
            "a huge smile|a beaming smile"
        ),
        be=(
            "laughing|smiling broadly|grinning broadly|grinning from ear to ear|smiling widely|"
            "beaming with joy"
        ),
        say=(
            "{He} laugh{s}|{He} grin{s} from ear to ear|{He} smile{s} broadly|"
            "{He} {has} a big smile"
        ),
    ),
    "smile": forms(
        adj="softly smiling|gently smiling|pleased",
        has=(
            "a slight smile|a gentle smile|a soft smile|a small smile|a little smile|a subtle smile"
        ),
        be="smiling softly|smiling slightly|smiling gently|smiling a little",
        say="{He} smile{s} gently|{He} smile{s} a little",
    ),
    "neutral": forms(
        adj=(
            "serious|serious|serious-looking|stern|straight-faced|calm|relaxed|expressionless|poker-faced|"
            "solemn|earnest|grave"
        ),
        has=(
            "a neutral expression|a serious face|a straight face|a serious expression|"
            "a blank expression|a poker face|a neutral face|a serious look|a stern look|"
            "a deadpan face|a calm expression"
        ),
        be=(
            "serious|stern|looking serious|looking stern|straight-faced|expressionless|deadpan|"
            "keeping a straight face"
        ),
        say=(
            "{He} look{s} serious|{His} expression is neutral|{He} look{s} stern|"
            "{He} keep{s} a straight face|{He} {is} serious"
        ),
    ),
    "sad": forms(
        adj=(
            "sad|sad|sad-looking|unhappy|gloomy|glum|frowning|sorrowful|melancholy|downcast|"
            "miserable|worried|mournful|depressed"
        ),
        has=(
            "a sad face|a sad expression|a sad look|a frown|a gloomy look|an unhappy face|"
            "a worried look|a worried face|a sorrowful expression"
        ),
        be=(
            "sad|sad|looking sad|frowning|unhappy|gloomy|upset|feeling down|worried|"
            "looking worried|looking unhappy|grieving"
        ),
        say=(
            "{He} look{s} sad|{He} frown{s}|{He} seem{s} unhappy|{He} {is} sad|"
            "{He} look{s} miserable"
        ),
    ),
    "angry": forms(
        adj="angry|angry|angry-looking|frowning|scowling|cross|grumpy|furious|mad|irritated|annoyed|enraged",
        has=(
            "an angry face|an angry expression|a scowl|a frown|an angry look|a grumpy face|"
            "knitted brows"
        ),
        be="angry|looking angry|frowning|scowling|furious|cross|annoyed|looking grumpy",
        say="{He} look{s} angry|{He} frown{s}|{He} scowl{s}|{He} {is} angry|{He} seem{s} furious",
    ),
    "disgust": forms(
        adj="disgusted|disgusted|disgusted-looking|repulsed|sneering",
        has=(
            "a disgusted face|a disgusted expression|a look of disgust|a grimace|a wrinkled nose|"
            "a sneer|a disgusted look"
        ),
        be="disgusted|looking disgusted|grimacing|sneering|repulsed|revolted|wrinkling {his} nose",
        say="{He} look{s} disgusted|{He} grimace{s}|{He} {is} disgusted|{He} sneer{s}",
    ),
}
EXPRESSION: Final[Mapping[str, Forms]] = {
    "surprised": forms(
        adj="surprised|surprised|astonished|shocked|startled|amazed|astounded|surprised-looking",
        has=(
            "a surprised look|a surprised face|a surprised expression|a shocked face|"
            "raised eyebrows|an astonished face|a look of surprise|a shocked expression"
        ),
        be=(
            "surprised|looking surprised|amazed|shocked|astonished|startled|taken by surprise|"
            "looking shocked|looking amazed"
        ),
        say=(
            "{He} look{s} surprised|{He} seem{s} shocked|{He} {is} astonished|{He} {is} surprised|"
            "{He} look{s} amazed"
        ),
    ),
    "open mouth": forms(
        adj="open-mouthed|open-mouthed|shouting|yawning|screaming|singing",
        has="an open mouth|{his} mouth open|{his} mouth wide open|parted lips|an open jaw",
        be="open-mouthed|yawning|shouting|screaming|singing",
        say="{His} mouth is open|{His} mouth is wide open|{He} yawn{s}|{He} shout{s}",
    ),
    "closed eyes": forms(
        adj="sleeping|sleepy|asleep|dozing",
        has=(
            "closed eyes|closed eyes|{his} eyes closed|{his} eyes shut|eyes shut|shut eyes|"
            "both eyes closed|eyes closed|closed eyelids|eyes that are closed"
        ),
        be="sleeping|asleep|dozing|napping",
        say="{His} eyes are closed|{His} eyes are shut|{He} sleep{s}|{He} {has} closed {his} eyes",
    ),
    "pursed lips": forms(
        adj="pouting|pouty|kissing|whistling",
        has="pursed lips|pursed lips|a pout|puckered lips|a kissing mouth|{his} lips pursed",
        be="pouting|kissing|whistling|blowing a kiss|pursing {his} lips|puckering up",
        say="{His} lips are pursed|{He} pout{s}|{He} whistle{s}",
    ),
    "wink": forms(
        adj="winking|winking",
        be="winking|winking|winking at the camera|winking at you|giving a wink",
        say="{He} wink{s}|{He} wink{s} at you|One of {his} eyes is closed",
        has="one eye closed|a wink|one eye shut|one closed eye",
    ),
}
EYE_COLOR: Final = forms(
    adj="{color}-eyed|{color}-eyed",
    has="{color} eyes|{color} eyes|{color} eyes|eyes that are {color}",
    say="{His} eyes are {color}|{He} {has} {color} eyes|{His} eye colour is {color}",
)
EYE_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "brown": listed("brown|brown|dark brown|dark"),
    "light brown": listed("light brown|hazel|amber"),
    "blue": listed("blue|blue"),
    "deep blue": listed("deep blue|blue|dark blue"),
    "light blue": listed("light blue|blue|pale blue"),
    "blue-green": listed("blue-green|turquoise"),
    "green": listed("green|green"),
    "grey": listed("grey|gray"),
    "pale": listed("pale|icy|very light"),
}
FRECKLES: Final[Mapping[str, Forms]] = {
    "yes": forms(
        adj="freckled|freckled|freckle-faced|freckly",
        has=(
            "freckles|freckles|freckles|a freckled face|freckles on {his} cheeks|"
            "lots of freckles|many freckles|freckled skin|freckled cheeks"
        ),
        be="freckled|covered in freckles",
        say="{He} {has} freckles|Freckles cover {his} nose|{His} face is freckled",
    ),
    "no": forms(
        has="no freckles|no freckles at all|skin that is not freckled",
        post="without freckles|without any freckles",
        be="not freckled",
        say="{He} {has} no freckles|There are no freckles|{He} {does} not have freckles",
    ),
}
