"""The words for what is worn; {f} and {h} stand for an adjective and a space, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recipes.faces.phrases.forms import Forms, forms, listed

GLASSES: Final[Mapping[str, Forms]] = {
    "none": forms(
        wears="no glasses|no glasses|no spectacles|no eyeglasses|no eyewear",
        has="no glasses|no specs|no glasses on|bare eyes",
        be="not wearing glasses|wearing no glasses|not in glasses",
        post=(
            "without glasses|without glasses|without spectacles|without any glasses|without eyewear"
        ),
        say=(
            "{He} {does} not wear glasses|{He} {does}n't wear glasses|{He} {has} no glasses|"
            "No glasses|There are no glasses"
        ),
    ),
    "glasses": forms(
        adj="bespectacled|bespectacled|glasses-wearing|spectacled|four-eyed",
        wears=(
            "{f}glasses|{f}glasses|{f}glasses|{f}eyeglasses|{f}specs|{f}spectacles|"
            "a pair of {f}glasses|{f}reading glasses|a pair of {f}specs|clear {f}glasses|"
            "{f}eye glasses|{f}prescription glasses|a pair of {f}spectacles"
        ),
        has=(
            "{f}glasses|{f}glasses|{f}glasses on|{f}specs on {his} nose|{f}eyeglasses|"
            "{f}glasses on {his} nose"
        ),
        post="in {f}glasses|with {f}glasses on",
        say=(
            "{He} wear{s} {f}glasses|{He} {has} {f}glasses on|{He} look{s} through {f}glasses|"
            "{He} need{s} {f}glasses"
        ),
    ),
    "sunglasses": forms(
        adj="sunglasses-wearing|sunglassed",
        wears=(
            "{f}sunglasses|{f}sunglasses|{f}sunglasses|{f}shades|{f}shades|dark {f}glasses|"
            "a pair of {f}sunglasses|{f}sun glasses|{f}sunnies|dark {f}sunglasses|cool {f}shades|"
            "tinted {f}glasses|black-lensed {f}sunglasses|a pair of {f}shades|dark {f}shades"
        ),
        has="{f}sunglasses|{f}shades|{f}sunglasses on|dark {f}glasses on|{f}shades over {his} eyes",
        be="hidden behind {f}sunglasses|behind dark {f}glasses",
        post="in {f}shades|in {f}sunglasses|behind {f}sunglasses|in dark {f}glasses",
        say=(
            "{He} wear{s} {f}sunglasses|{His} eyes are hidden behind {f}sunglasses|"
            "{He} {has} {f}shades on|Dark {f}glasses cover {his} eyes"
        ),
    ),
}
AVIATORS: Final = listed("aviators|aviators|a pair of aviators|aviator shades|pilot sunglasses")
FRAME_SHAPE: Final[Mapping[str, tuple[str, ...]]] = {
    "round": listed("round|round|circular|round-framed|round-rimmed"),
    "rectangular": listed("rectangular|rectangular|rectangle|narrow"),
    "oval": listed("oval|oval|oval-framed"),
    "square": listed("square|square|square-framed|chunky square"),
    "cat-eye": listed("cat-eye|cat eye|cat-eyed|pointy"),
    "aviator": listed("aviator|aviator-style|pilot"),
}
FRAME_COLOR: Final = listed("{color}-framed|{color}-rimmed|{color}")
HAT: Final[Mapping[str, Forms]] = {
    "none": forms(
        adj="hatless|bareheaded|bare-headed",
        wears="no hat|no hat|no headgear|nothing on {his} head|no hat at all",
        has="no hat|no hat on|a bare head|no headwear",
        be="hatless|bareheaded|not wearing a hat",
        post="without a hat|without hat|without headgear|without any hat|without headwear",
        say="{He} {does} not wear a hat|{He} wear{s} no hat|{He} {has} no hat on|There is no hat",
    ),
    "fedora": forms(
        adj="fedora-wearing|hatted",
        wears=(
            "a {h}fedora|a {h}fedora|a {h}fedora|a {h}fedora hat|a {h}hat|a {h}trilby|"
            "a {h}brimmed hat|a {h}felt hat|a {h}hat with a brim|a {h}trilby hat|a {h}panama hat|"
            "a {h}hat with a wide brim"
        ),
        has="a {h}fedora|a {h}fedora on {his} head|a {h}trilby|a {h}hat on|a {h}brimmed hat",
        post="in a {h}fedora|in a {h}hat|in a {h}trilby|under a {h}fedora",
        say=(
            "{He} wear{s} a {h}fedora|{He} {has} a {h}fedora on|A {h}fedora sits on {his} head|"
            "{His} hat is a {h}fedora"
        ),
    ),
    "beanie": forms(
        adj="beanie-wearing",
        wears=(
            "a {h}beanie|a {h}beanie|a {h}beanie|a {h}woolly hat|a {h}knit cap|a {h}knitted hat|"
            "a {h}wool hat|a {h}woollen hat|a {h}knit hat|a {h}winter hat|a {h}beanie hat|"
            "a {h}stocking cap|a warm {h}hat of wool|a {h}knitted cap|a {h}tuque|a {h}skullcap|"
            "a {h}watch cap"
        ),
        has="a {h}beanie|a {h}beanie on {his} head|a {h}woolly hat on|a {h}knitted hat",
        post="in a {h}beanie|in a {h}woolly hat|under a {h}beanie",
        say=(
            "{He} wear{s} a {h}beanie|{He} {has} a {h}beanie on|A {h}beanie covers {his} head|"
            "{His} hat is a {h}beanie"
        ),
    ),
    "cap": forms(
        adj="cap-wearing|baseball-capped",
        wears=(
            "a {h}cap|a {h}cap|a {h}baseball cap|a {h}baseball cap|a {h}baseball hat|"
            "a {h}peaked cap|a {h}ball cap|a {h}sports cap|a {h}cap with a peak|a {h}trucker cap|"
            "a {h}snapback|a {h}cap with a visor|a {h}ballcap"
        ),
        has="a {h}cap|a {h}cap on {his} head|a {h}baseball cap|a {h}cap on|a {h}baseball cap on",
        post="in a {h}cap|in a {h}baseball cap|under a {h}cap",
        say=(
            "{He} wear{s} a {h}cap|{He} {has} a {h}cap on|A {h}baseball cap covers {his} head|"
            "{His} hat is a {h}cap"
        ),
    ),
    "headband": forms(
        adj="headband-wearing|headbanded",
        wears=(
            "a {h}headband|a {h}headband|a {h}headband|a {h}hairband|a {h}hair band|"
            "a {h}sweatband|a {h}band around {his} head|a {h}head band|a {h}bandeau|"
            "a {h}Alice band|a {h}sports headband"
        ),
        has=(
            "a {h}headband|a {h}hairband|a {h}headband in {his} hair|a {h}band in {his} hair|"
            "a {h}headband on"
        ),
        post="in a {h}headband|in a {h}hairband",
        say=(
            "{He} wear{s} a {h}headband|{He} {has} a {h}headband on|"
            "A {h}headband goes around {his} head|{His} hair is held by a {h}headband"
        ),
    ),
}
HUES: Final[Mapping[str, tuple[str, ...]]] = {
    "black": listed("black|black|dark|jet-black"),
    "white": listed("white|white|snow-white"),
    "grey": listed("grey|gray|grey|gray|dull grey"),
    "navy": listed("navy|navy blue|dark blue|navy-blue"),
    "blue": listed("blue|blue|bright blue"),
    "red": listed("red|red|bright red|scarlet"),
    "burgundy": listed("burgundy|dark red|maroon|wine-red|burgundy red"),
    "green": listed("green|green|bright green"),
    "olive": listed("olive|olive green|khaki|olive-green"),
    "yellow": listed("yellow|yellow|bright yellow"),
    "orange": listed("orange|orange|bright orange"),
    "pink": listed("pink|pink|light pink|rose"),
    "purple": listed("purple|purple|violet"),
    "brown": listed("brown|brown|dark brown"),
    "beige": listed("beige|beige|cream-coloured|tan|sand-coloured"),
    "teal": listed("teal|teal|turquoise|blue-green"),
    "gold": listed("gold|gold|golden"),
    "silver": listed("silver|silver|silvery"),
}
CLOTHES: Final = forms(
    wears=(
        "a {color} top|a {color} shirt|a {color} shirt|{color} clothes|a {color} outfit|{color}|"
        "something {color}|{color} clothing|a {color} t-shirt|a {color} jumper|a {color} sweater|"
        "a {color} blouse|a {color} jacket|a {color} pullover|a {color} dress"
    ),
    be="dressed in {color}|wearing {color}|clad in {color}|dressed all in {color}",
    post="in {color}|dressed in {color}|in a {color} top|in a {color} shirt|in {color} clothes",
    say=(
        "{His} clothes are {color}|{He} wear{s} {color}|{His} top is {color}|"
        "{His} shirt is {color}|{He} {is} in {color}"
    ),
)
LIPSTICK: Final = forms(
    wears="{color} lipstick|{color} lipstick|{color} lip colour|{color} lip gloss",
    has="{color} lips|{color} lips|{color} lipstick|painted {color} lips|lips painted {color}",
    say=(
        "{His} lips are {color}|{He} wear{s} {color} lipstick|{His} lipstick is {color}|"
        "{His} mouth is painted {color}"
    ),
)
EYESHADOW: Final = forms(
    wears="{color} eyeshadow|{color} eye shadow|{color} eye make-up|{color} eye makeup",
    has="{color} eyeshadow|{color} eyelids|{color} eyeshadow on {his} lids|eyelids painted {color}",
    say=(
        "{His} eyelids are painted {color}|{He} wear{s} {color} eyeshadow|"
        "{His} eyeshadow is {color}|{His} eye make-up is {color}"
    ),
)
LIP_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "red": listed("red|red|bright red"),
    "pink": listed("pink|rosy pink"),
    "nude": listed("nude|natural"),
    "plum": listed("plum|dark|plum-coloured"),
    "coral": listed("coral|coral"),
}
SHADOW_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "brown": listed("brown|bronze"),
    "blue": listed("blue"),
    "purple": listed("purple|violet"),
    "green": listed("green"),
    "smoky": listed("smoky|dark|smokey|black"),
    "pink": listed("pink|rosy"),
}
EARRINGS: Final[Mapping[str, Forms]] = {
    "none": forms(
        wears="no earrings|no earrings at all|no jewellery",
        has="no earrings|bare ears|no earrings on",
        post="without earrings|without any earrings",
        be="not wearing earrings|wearing no earrings",
        say="{He} wear{s} no earrings|There are no earrings|{He} {does} not wear earrings",
    ),
    "stud": forms(
        wears=(
            "earrings|earrings|an earring|stud earrings|small earrings|ear studs|little earrings|"
            "studs|small studs|tiny earrings"
        ),
        has="earrings|studs in {his} ears|stud earrings|pierced ears|small earrings|ear studs",
        say=(
            "{He} wear{s} small earrings|There are studs in {his} ears|{He} {has} ear studs|"
            "{He} wear{s} earrings"
        ),
    ),
    "hoop": forms(
        wears=(
            "earrings|earrings|an earring|hoop earrings|hoops in {his} ears|big earrings|hoops|"
            "large earrings|ring earrings|big hoops|hoop earrings"
        ),
        has=(
            "hoop earrings|earrings|hoops in {his} ears|pierced ears|large hoops|big earrings|"
            "rings in {his} ears"
        ),
        say=(
            "{He} wear{s} hoop earrings|Hoops hang from {his} ears|{He} {has} hoop earrings|"
            "{He} wear{s} earrings"
        ),
    ),
}
NO_LIPSTICK: Final = forms(
    wears="no lipstick|no lipstick at all",
    has="no lipstick|unpainted lips|natural lips|no lipstick on",
    post="without lipstick|without any lipstick",
    be="not wearing lipstick",
    say="{He} wear{s} no lipstick|There is no lipstick|{His} lips are not painted",
)
NO_EYESHADOW: Final = forms(
    wears="no eyeshadow|no eye shadow|no eye make-up",
    has="no eyeshadow|unpainted eyelids",
    post="without eyeshadow|without eye shadow|without eye make-up",
    say="{He} wear{s} no eyeshadow|There is no eyeshadow",
)
