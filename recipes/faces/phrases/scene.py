"""The words around a face: openings, endings, backgrounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recipes.faces.phrases.forms import forms, listed

OPENERS: Final = listed(
    "a portrait of {}|portrait of {}|a photo of {}|photo of {}|a photograph of {}|a picture of {}|"
    "picture of {}|an image of {}|image of {}|a headshot of {}|headshot of {}|a close-up of {}|"
    "close up of {}|a studio portrait of {}|a studio photo of {}|the face of {}|face of {}|"
    "a passport photo of {}|profile picture of {}|an avatar of {}|a selfie of {}|a snapshot of {}|"
    "a realistic photo of {}|a rendering of {}|a 3D render of {}|a frontal portrait of {}|"
    "i want {}|I want a picture of {}|I'd like {}|i'd like to see {}|I need {}|give me {}|"
    "show me {}|make {}|make me {}|draw {}|draw me {}|generate {}|create {}|please make {}|"
    "please generate a face of {}|please show {}|let me see {}|looking for {}|imagine {}|"
    "this is {}|here is {}|here's {}|there is {}|it is {}|it's {}|"
    "we see {}|you can see {}|I see {}|the picture shows {}|the photo shows {}|featuring {}|"
    "just {}|simply {}|some picture of {}|hi, i'd like {}|something like {}|"
    "try {}|maybe {}|a nice photo of {}|a good portrait of {}|character: {}|subject: {}|"
    "a face shot of {}|a mugshot of {}|a drawing of {}|a description of {}"
)
FRAGMENT_OPENERS: Final = listed(
    "|||||||||portrait: |face: |photo: |a face: |someone: |person: |headshot, "
)
TAILS: Final = listed(
    ", portrait|, photo|, please|, thanks|, realistic|, studio portrait|, close-up|, headshot|"
    ", high quality|, detailed|, studio light|, looking at the camera|, photorealistic|, face only|"
    " please| thank you|, sharp|, 4k|, looking at you|, facing the camera|, professional photo"
)


BACKGROUND: Final = forms(
    has=(
        "a {color} background|a {color} background|a {color} backdrop|a {color} wall behind {him}|"
        "a plain {color} background|a {color} background behind {him}|{color} in the background"
    ),
    post=(
        "against a {color} wall|against a {color} background|in front of a {color} wall|"
        "on a {color} background|in front of a {color} background|before a {color} wall|"
        "against a {color} backdrop|on {color}|in front of a {color} backdrop|by a {color} wall|"
        "in a {color} room|on a plain {color} background|{color} background|{color} backdrop|"
        "{color} wall behind|against {color}|in front of a plain {color} wall|"
        "on a {color} backdrop|with {color} behind {him}|next to a {color} wall"
    ),
    say=(
        "The background is {color}|The background is {color}|Behind {him} is a {color} wall|"
        "The wall is {color}|The backdrop is {color}|{He} {is} in front of a {color} wall|"
        "The wall behind {him} is {color}|It is a {color} background|"
        "Everything behind {him} is {color}"
    ),
)
BACKGROUND_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "white": listed("white|white|white|bright white|clean white|pure white"),
    "grey": listed("grey|gray|grey|gray|neutral grey|light grey"),
    "black": listed("black|black|black|dark|pitch-black"),
    "blue": listed("blue|blue|blue|sky-blue|sky blue"),
    "green": listed("green|green|green|leaf green"),
    "teal": listed("teal|teal|turquoise|blue-green|aqua|teal-coloured|dark turquoise"),
    "yellow": listed("yellow|yellow|yellow|bright yellow|sunny yellow|lemon yellow"),
    "orange": listed("orange|orange|orange|bright orange"),
    "brown": listed("brown|brown|brown|wood-brown|earthy brown"),
    "beige": listed("beige|beige|cream|cream-coloured|sand-coloured|sandy|light tan"),
    "pink": listed("pink|pink|pink|light pink|rosy|soft pink|rose-coloured"),
    "purple": listed("purple|purple|violet|lilac|lavender"),
}
