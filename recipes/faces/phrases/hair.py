"""The words for hair; {c} and {b} stand for a colour and a space, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recipes.faces.phrases.forms import Forms, forms, listed

HAIR_COLOR: Final[Mapping[str, tuple[str, ...]]] = {
    "black": listed(
        "black|black|black|dark|jet-black|raven|raven-black|pitch black|coal-black|inky black|"
        "ebony|deep black"
    ),
    "brown": listed(
        "brown|brown|brown|brunette|brown-coloured|natural brown|warm brown|nut-brown|brownish"
    ),
    "blond": listed(
        "blond|blonde|blonde|blond|golden|yellow|fair|flaxen|straw-coloured|light blonde|"
        "honey blonde|golden blonde|sandy"
    ),
    "red": listed(
        "red|red|red|ginger|ginger|orange-red|coppery|fiery red|copper|reddish|natural red|"
        "rusty red"
    ),
    "grey": listed(
        "grey|gray|grey|gray|silver|silvery|salt-and-pepper|greying|ash grey|silver-grey|"
        "steel-grey|grayish"
    ),
    "white": listed(
        "white|white|white|snow-white|snowy white|pure white|white as snow|snowy|bright white|"
        "chalk-white"
    ),
    "pink": listed(
        "pink|pink|bright pink|hot pink|dyed pink|pink-dyed|bubblegum pink|rose pink|candy pink|"
        "neon pink"
    ),
    "blue": listed(
        "blue|blue|bright blue|dyed blue|blue-dyed|electric blue|cobalt blue|neon blue|vivid blue|"
        "azure"
    ),
    "purple": listed(
        "purple|purple|violet|dyed purple|lilac|purple-dyed|bright purple|lavender|deep purple|"
        "vivid purple"
    ),
    "green": listed(
        "green|green|bright green|dyed green|green-dyed|emerald green|neon green|grass green|"
        "vivid green|emerald"
    ),
}
HAIR_SHADE: Final[Mapping[str, tuple[str, ...]]] = {
    "dark brown": listed("dark brown|dark brown|deep brown|chocolate brown|dark|dark chestnut"),
    "light brown": listed("light brown|light brown|mousy brown|caramel brown|pale brown"),
    "brown": listed("medium brown|chestnut|chestnut brown|mid-brown"),
    "platinum": listed(
        "platinum blonde|platinum blond|platinum|bleached blonde|very light blonde|bleached"
    ),
    "auburn": listed("auburn|auburn|dark red|reddish brown|auburn red"),
}
HAIR_COLOR_ONLY: Final = forms(
    adj="{color}-haired|{color}-haired|{color} haired",
    has=(
        "{color} hair|{color} hair|{color} hair|{color} locks|hair that is {color}|"
        "{color} coloured hair|a head of {color} hair|{color} tresses"
    ),
    say=(
        "{His} hair is {color}|{His} hair is {color}|{His} hair colour is {color}|"
        "{He} {has} {color} hair"
    ),
)
HAIR_COLOR_SPECIAL: Final[Mapping[str, Forms]] = {
    "blond": forms(adj="blond|blonde|fair-haired|towheaded", be="blond|blonde|a blonde"),
    "red": forms(
        adj="ginger|redheaded|red-headed|ginger-haired|titian-haired",
        be="ginger|a redhead|redheaded",
    ),
    "brown": forms(adj="brunette|brown-haired", be="brunette|brown-haired"),
    "black": forms(adj="dark-haired|raven-haired", be="dark-haired"),
    "grey": forms(adj="silver-haired|grey|gray-haired|grizzled", be="going grey|grey-haired"),
    "white": forms(adj="white-haired|snowy-haired", be="white-haired"),
}
HAIR_COLOR_NOUN: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("any", "red"): listed("redhead|redhead|ginger|red-head|carrot top"),
    ("male", "red"): listed(
        "male redhead|ginger guy|ginger bloke|ginger man|redheaded man|ginger dude"
    ),
    ("female", "red"): listed(
        "female redhead|ginger lady|redheaded woman|ginger woman|redhead lady"
    ),
    ("female", "blond"): listed("blonde|blonde|blondie|blonde woman|blonde lady"),
    ("male", "blond"): listed("blond man|blond guy|blond dude|blond fellow"),
    ("female", "brown"): listed("brunette|brunette|brunette woman|brunette lady"),
}
HAIR_STYLE: Final[Mapping[str, Forms]] = {
    "bald": forms(
        adj=(
            "bald|bald|bald|bald-headed|hairless|shaven-headed|completely bald|totally bald|"
            "smooth-headed|bald headed"
        ),
        has=(
            "a bald head|no hair|no hair at all|a shaved head|a shiny bald head|a hairless head|"
            "a completely bald head|a smooth bald head|a head without hair|a shaven head|"
            "a bald scalp"
        ),
        be="bald|completely bald|without any hair|hairless",
        post="without hair",
        say="{He} {is} bald|{His} head is bald|{His} head is shaved|{He} {has} lost all {his} hair|"
        "{His} head is completely bare",
    ),
    "balding": forms(
        adj="balding|balding|half-bald|partly bald|semi-bald",
        has=(
            "thinning {c}hair|a receding {c}hairline|receding {c}hair|sparse {c}hair|"
            "not much {c}hair left|little {c}hair left|scant {c}hair|"
            "thin {c}hair and a high forehead|a receding hairline of {c}hair"
        ),
        be="balding, with {c}hair that recedes|losing {his} {c}hair",
        say="{His} {c}hair is thinning|{His} {c}hair is receding|{He} {is} losing {his} {c}hair|"
        "{His} {c}hairline is receding|{He} {is} going bald, with some {c}hair left",
    ),
    "buzz cut": forms(
        adj="buzz-cut|close-cropped|crop-haired|buzzed",
        has=(
            "a {c}buzz cut|a {c}buzzcut|buzzed {c}hair|very short {c}hair|a {c}crew cut|"
            "close-cropped {c}hair|shaved {c}hair|cropped {c}hair|clipped {c}hair|"
            "{c}hair in a buzz cut|military-style {c}hair|{c}hair shaved very short|"
            "extremely short {c}hair|{c}hair clipped close"
        ),
        say=(
            "{His} {c}hair is buzzed|{His} {c}hair is cut very short|"
            "{His} {c}hair is cropped close|{He} {has} a {c}buzz cut"
        ),
    ),
    "short": forms(
        adj="short-haired|short-haired|short haired",
        has=(
            "short {c}hair|short {c}hair|short {c}hair|{c}hair cut short|a short {c}haircut|"
            "a short {c}hairstyle|short-cut {c}hair|a short {c}cut|{c}hair that is short|"
            "trimmed {c}hair|a neat short {c}haircut|short {c}locks"
        ),
        say=(
            "{His} {c}hair is short|{His} {c}hair is cut short|{He} {has} short {c}hair|"
            "{He} wear{s} {his} {c}hair short|{He} keep{s} {his} {c}hair short"
        ),
    ),
    "curly": forms(
        adj="curly-haired|curly-haired|curly|curly haired|frizzy-haired",
        has=(
            "curly {c}hair|curly {c}hair|{c}curls|a mop of {c}curls|frizzy {c}hair|tight {c}curls|"
            "curled {c}hair|kinky {c}hair|{c}hair full of curls|{c}ringlets|a curly {c}hairdo|"
            "{c}curly hair|coily {c}hair"
        ),
        say=(
            "{His} {c}hair is curly|{His} {c}hair is in tight curls|{He} {has} curly {c}hair|"
            "{His} {c}hair curls"
        ),
    ),
    "bob": forms(
        adj="bob-haired|bobbed",
        has=(
            "a {c}bob|a {c}bob|a {c}bob cut|bobbed {c}hair|{c}hair in a bob|a {c}bob haircut|"
            "a bob of {c}hair|chin-length {c}hair|jaw-length {c}hair|{c}hair cut in a bob|"
            "a {c}bob hairstyle|medium-length {c}hair in a bob"
        ),
        say=(
            "{His} {c}hair is cut in a bob|{His} {c}hair is a bob|{He} {has} a {c}bob|"
            "{He} wear{s} {his} {c}hair in a bob|{His} {c}hair reaches {his} chin"
        ),
    ),
    "long": forms(
        adj="long-haired|long-haired|long haired",
        has=(
            "long {c}hair|long {c}hair|long {c}hair|long flowing {c}hair|"
            "{c}hair down to the shoulders|long {c}locks|lengthy {c}hair|{c}long hair|"
            "{c}hair that is long|long straight {c}hair|{c}hair falling over the shoulders|"
            "a long {c}mane|long loose {c}hair"
        ),
        say="{His} {c}hair is long|{He} {has} long {c}hair|{He} wear{s} {his} {c}hair long|"
        "{His} {c}hair falls over {his} shoulders|{His} {c}hair is long and straight",
    ),
    "tied": forms(
        has=(
            "{c}hair tied back|tied-back {c}hair|{c}hair pulled back|{c}hair tied up|"
            "{c}hair put up|{c}hair worn up|pulled-back {c}hair|{c}hair gathered at the back|"
            "a {c}updo|{c}hair swept up"
        ),
        say="{His} {c}hair is tied back|{His} {c}hair is pulled back|{He} wear{s} {his} {c}hair up|"
        "{His} {c}hair is tied up|{He} {has} tied {his} {c}hair back",
    ),
}
HAIR_CUT: Final[Mapping[str, Forms]] = {
    "receding": forms(
        has=(
            "a receding {c}hairline|{c}hair receding at the temples|"
            "a high forehead and {c}hair that recedes"
        )
    ),
    "horseshoe": forms(
        has=(
            "{c}hair only at the sides|a bald crown and {c}hair at the sides|"
            "a bald top with {c}hair around it|a ring of {c}hair around a bald top|"
            "a horseshoe of {c}hair"
        ),
        be="bald on top with {c}hair at the sides",
    ),
    "buzz cut": forms(has=("a {c}buzz cut|a {c}buzzcut|{c}hair shorn close|a {c}number one cut")),
    "crew cut": forms(has="a {c}crew cut|{c}hair in a crew cut|a {c}crewcut"),
    "short wavy": forms(has="short wavy {c}hair|wavy short {c}hair|short {c}waves"),
    "short straight": forms(
        has=("short straight {c}hair|straight short {c}hair|short neat {c}hair")
    ),
    "short messy": forms(has=("short messy {c}hair|messy short {c}hair|short tousled {c}hair")),
    "combed forward": forms(has="short {c}hair combed forward|short {c}hair brushed forward"),
    "afro": forms(
        adj="afro-haired",
        has=(
            "a {c}afro|a {c}afro|a {c}afro hairstyle|{c}hair in a afro|a afro of {c}hair|"
            "a afro with {c}curls|afro {c}hair"
        ),
        say="{His} {c}hair is a afro|{He} {has} a {c}afro",
    ),
    "curls": forms(has="short {c}curls|short curly {c}hair|a cap of {c}curls"),
    "bob": forms(has="a {c}bob|a {c}pageboy bob|a classic {c}bob"),
    "short bob": forms(has="a short {c}bob|a short {c}bob cut|short bobbed {c}hair"),
    "chin-length": forms(
        has=("chin-length {c}hair|{c}hair to the chin|chin-length straight {c}hair")
    ),
    "long straight": forms(
        has=("long straight {c}hair|straight long {c}hair|long smooth {c}hair|long sleek {c}hair")
    ),
    "shoulder-length": forms(
        has=("shoulder-length {c}hair|{c}hair to the shoulders|{c}shoulder-length hair")
    ),
    "ponytail": forms(
        has=(
            "a {c}ponytail|a {c}ponytail|{c}hair in a ponytail|a {c}pony tail|"
            "{c}hair tied in a ponytail|{c}hair pulled into a ponytail"
        ),
        say="{His} {c}hair is in a ponytail|{He} wear{s} {his} {c}hair in a ponytail",
    ),
    "bun": forms(
        has=(
            "a {c}bun|{c}hair in a bun|a {c}top knot|a {c}hair bun|{c}hair up in a bun|"
            "{c}hair tied in a bun"
        ),
        say="{His} {c}hair is in a bun|{He} wear{s} {his} {c}hair in a bun",
    ),
}
BANGS: Final[Mapping[str, Forms]] = {
    "yes": forms(
        has=(
            "bangs|bangs|a fringe|hair over the forehead|a full fringe|straight bangs|"
            "hair covering the forehead|full bangs"
        ),
        say="{He} {has} bangs|A fringe covers {his} forehead|{He} {has} a fringe",
    ),
    "no": forms(
        has="no bangs|no fringe|a free forehead",
        post="without bangs|without a fringe",
        say="{He} {has} no bangs|There is no fringe",
    ),
}


FACIAL_HAIR: Final[Mapping[str, Forms]] = {
    "none": forms(
        adj=(
            "clean-shaven|clean-shaven|clean shaven|beardless|smooth-faced|well-shaved|"
            "smooth-shaven"
        ),
        has=(
            "no beard|no beard|no facial hair|a clean-shaven face|a smooth chin|a shaved face|"
            "no beard or moustache|a beardless face|a bare chin|no stubble"
        ),
        be="clean-shaven|clean shaven|freshly shaved|beardless|cleanly shaved|smooth-shaven",
        post="without a beard|without facial hair|without beard",
        say=(
            "{He} {is} clean-shaven|{He} {does} not have a beard|There is no beard|"
            "{He} {has} no facial hair|{He} {does}n't have a beard"
        ),
    ),
    "stubble": forms(
        adj="stubbly|unshaven|unshaved|scruffy|stubbled|stubble-faced|badly shaved",
        has=(
            "{b}stubble|{b}stubble|a stubbly chin|a five o'clock shadow|a 5 o'clock shadow|"
            "a few days of {b}stubble|a three-day beard|designer {b}stubble|light {b}stubble|"
            "some {b}stubble|a stubble beard|a shadow of a beard|unshaven cheeks|{b}bristles|"
            "scruff"
        ),
        be="unshaven|scruffy|unshaved",
        say=(
            "{He} {has} {b}stubble|{He} {has} not shaved for days|{His} chin is stubbly|"
            "{He} need{s} a shave|There is {b}stubble on {his} chin"
        ),
    ),
    "moustache": forms(
        adj="moustached|mustached|moustachioed|mustachioed|mustache-wearing",
        has=(
            "a {b}moustache|a {b}mustache|a {b}moustache|a {b}mustache|a bushy {b}moustache|"
            "a thick {b}mustache|a {b}tash|a {b}stache|{b}whiskers over the lip|"
            "a {b}moustache but no beard|only a {b}mustache|a {b}handlebar moustache|"
            "a big {b}mustache|a {b}walrus moustache"
        ),
        say=(
            "{He} {has} a {b}moustache|{He} sport{s} a {b}mustache|"
            "There is a {b}moustache above {his} lip|{His} upper lip carries a {b}moustache"
        ),
    ),
    "goatee": forms(
        adj="goateed|goatee-wearing",
        has=(
            "a {b}goatee|a {b}goatee|a {b}goatee beard|a {b}chin beard|"
            "a {b}beard on the chin only|a {b}circle beard|a {b}tuft on the chin|"
            "a little {b}goatee|a {b}goatee and moustache|a trimmed {b}goatee|a {b}van dyke beard|"
            "a {b}chin tuft|a pointed {b}goatee|a {b}goatie"
        ),
        say=(
            "{He} {has} a {b}goatee|{He} sport{s} a {b}goatee|There is a {b}goatee on {his} chin|"
            "{He} wear{s} a {b}goatee"
        ),
    ),
    "beard": forms(
        adj="bearded|bearded|bearded|hairy-faced|full-bearded|beardy|bewhiskered",
        has=(
            "a {b}beard|a {b}beard|a {b}beard|a {b}full beard|facial {b}hair|"
            "a {b}beard and moustache|a {b}whiskery face|{b}whiskers|a {b}beard covering the chin|"
            "a face full of {b}beard"
        ),
        be="bearded",
        say=(
            "{He} {has} a {b}beard|{His} face is bearded|{He} sport{s} a {b}beard|"
            "{He} wear{s} a {b}beard|A {b}beard covers {his} chin"
        ),
    ),
}
BEARD_LENGTH: Final[Mapping[str, Forms]] = {
    "short": forms(
        has=(
            "a short {b}beard|a trimmed {b}beard|a neat {b}beard|a short trimmed {b}beard|"
            "a close {b}beard"
        )
    ),
    "full": forms(
        has=(
            "a full {b}beard|a bushy {b}beard|a big {b}beard|a thick {b}beard|a long {b}beard|"
            "a large {b}beard|a heavy {b}beard"
        )
    ),
}
