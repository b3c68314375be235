"""What people type beyond the grammar: words that say nothing about a face, and other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Thrown into captions at random, so that the encoder learns to pass over them.
_NEUTRAL: Final = """
    the this that these my your our me i you they we it its and or but with of in on at for
    from to by as an a is are was be been being has have had having got do does did can could
    would should will may might must let lets who whose which whom what where there here some
    any one kind sort type bit lot very really quite rather so too also just only even still
    please thanks thank want need like love see show get give make take put looks look looking
    seems maybe perhaps probably actually basically totally super nice good great cool hey hi
    hello ok okay yes um well now then than about around into onto over under up down out off
    again more most much many few someone somebody anyone person people human face head
    portrait photo picture image pic shot camera character something thing stuff kinda gonna
    wanna im ive id youd theyre thats theres whos whats isnt doesnt dont wearing wears worn
    wear dressed sporting rocking showing shows shown standing sitting posing facing while
    when because during typical normal usual ordinary simple random generic imaginary
    fictional realistic photorealistic detailed sharp style studio front behind neighbour
    neighbor cousin friend colleague teacher boss doctor actor model name called
"""
FILLERS: Final[tuple[str, ...]] = tuple(_NEUTRAL.split())

# The grammar's words, then what people type in their place. A picture does not show a nation: it is
# read as the nearest thing that can be seen.
_READ_AS: Final = """
    asian: chinese japanese korean vietnamese thai filipino
    hispanic: mexican colombian cuban
    latin american: brazilian
    european: spanish italian german french english british irish swedish scandinavian nordic
    european: russian polish
    indian: pakistani bangladeshi
    arab: turkish iranian persian egyptian lebanese
    african: nigerian kenyan ghanaian somali ethiopian
    black: jamaican bw
    youth: teen teenager adolescent
    young: teenage youngish
    little child: toddler baby infant tot
    preteen: tween
    old: oldish
    elderly person: nonagenarian octogenarian septuagenarian centenarian
    pensioner: oap
    senior: retired
    grandpa: granpa
    grandma: gramma
    nana: nanna
    dad: papa daddy
    mom: mama mommy
    mum: mummy
    lady: missus señora ma'am
    woman: chick babe aunt auntie actress
    man: hombre uncle
    gentleman: sir
    top: tee tshirt shirt sweater jumper hoodie jacket blouse
    outfit: dress suit coat
    red: crimson cherry strawberry titian
    headband: bandana bandanna
    beanie: toque bonnet
    fedora: homburg
    brimmed hat: stetson
    sunglasses: rayban raybans wayfarers
    glasses: goggles monocle lenses bifocals eyewear
    slight smile: smirk
    smiling slightly: smirking
    laughing: chuckling giggling
    pouting: sulking sulky
    glum: moody
    sad: weeping crying depressed
    moustache: tashe
    whiskers: muttonchops
    wool: mohair
    bun: topknot manbun
    ponytail: pigtails plaits braids braid
    background: bg bkg backgroud
    purple: violett
    pink: magenta fuchsia
    turquoise: cyan
    violet: indigo
    dark grey: charcoal
    olive: khaki
    orange: tangerine peach
    yellow: mustard
    green: mint lime
    brown: tawny
    mousy: mousey
    white haired: whitehaired
    with: w
    without: wo
    please: pls plz
    thanks: thx
    you: u
"""
ALIASES: Final[Mapping[str, str]] = {
    word: target.strip()
    for target, words in (line.split(":") for line in _READ_AS.strip().splitlines())
    for word in words.split()
}
