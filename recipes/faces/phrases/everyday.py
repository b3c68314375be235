"""What people type beyond the grammar: words that say nothing about a face, and other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Words that say nothing about a face; they are ignored without a message.
_NEUTRAL: Final = """
    the this that these my your our me i you we it its and or but of in on at for
    from to by as are was were be been being having had got did can could
    would should will may might must let lets whose which whom what where there here some
    any one kind sort type bit lot very really quite rather so too also just even still
    please thanks thank want need like love see show get give make put looks look looking
    seems seem maybe perhaps probably actually basically totally super nice good great cool hey hi
    hello ok okay yes um well now then than about into onto over up down out off
    again more most much many few something thing stuff kinda gonna
    wanna im ive id youd thats theres whos whats standing sitting posing facing while
    when because during typical normal usual ordinary simple random generic
    realistic photorealistic detailed sharp style studio called
    portrait photo photograph picture image pic shot headshot close closeup selfie avatar snapshot
    rendering render 3d 4k hd frontal passport profile mugshot drawing description subject
    camera lens quality high professional light draw generate create imagine find
    extremely slightly somewhat pretty fairly truly almost nearly completely totally
    towards toward beautiful simply featuring try designer clear tinted
"""
FILLERS: Final[tuple[str, ...]] = tuple(dict.fromkeys(_NEUTRAL.replace("beautiful", "").split()))

# Who somebody is says nothing of a face: these are read as "person", and named as not understood.
_ROLES: Final = """
    nurse doctor surgeon dentist teacher professor student pupil librarian lawyer judge police
    soldier sailor pilot driver farmer fisher gardener cook chef baker butcher waiter barista
    bartender singer dancer musician guitarist rapper rockstar drummer artist painter writer poet
    author journalist reporter editor engineer programmer developer scientist researcher physicist
    chemist biologist mathematician philosopher economist accountant banker boss manager director
    ceo secretary clerk cashier worker builder plumber electrician carpenter mechanic technician
    firefighter paramedic vet pharmacist therapist psychologist priest monk nun rabbi imam pastor
    athlete runner boxer wrestler footballer golfer swimmer skater surfer gamer jogger player coach
    detective spy thief gangster criminal prisoner pirate cowboy hipster hippie punk goth nerd
    lumberjack hunter explorer astronaut captain politician president minister mayor diplomat
    celebrity star actor model influencer neighbour neighbor friend colleague cousin stranger
    customer client patient guest tourist refugee immigrant citizen voter boyfriend girlfriend
    cleaner terrorist officer guard servant butler maid governor king queen prince princess
    hero villain leader expert beginner winner loser genius vampire wizard ghost
"""
ROLES: Final[tuple[str, ...]] = tuple(dict.fromkeys(_ROLES.split()))

# Several words that say together what none of them says alone, and what they are read as.
_TOGETHER: Final = """
    cateye: cat eye; cat eyed; cats eye
    headband: alice band; hair band; head band
    redhead: carrot top; red head
    stubble: five oclock shadow; 5 oclock shadow; 5 o clock shadow; five o clock shadow
    stubble: three day beard; 3 day beard; designer stubble; couple of days of stubble
    moustache: walrus moustache; handlebar moustache; walrus mustache; handlebar mustache
    goatee: van dyke beard; van dyke; circle beard
    pink: bubblegum pink; candy pink; neon pink; hot pink; rose pink; bright pink; rosy pink
    blue: electric blue; cobalt blue; neon blue; vivid blue; bright blue; sky blue
    green: grass green; neon green; leaf green; vivid green; emerald green; bright green; emerald
    purple: vivid purple; bright purple
    yellow: lemon yellow; sunny yellow; bright yellow
    orange: bright orange
    brown: nut brown; wood brown; earthy brown; warm brown; natural brown; medium brown; mid brown
    white: snow white; snowy white; pure white; white as snow; chalk white; clean white
    white: bright white
    black: jet black; pitch black; coal black; inky black; raven black; deep black
    grey: ash grey; steel grey; neutral grey; dull grey; salt and pepper; salt n pepper
    silver: silver grey
    red: fiery red; rusty red; natural red; orange red; bright red
    blonde: honey blonde; golden blonde; straw coloured; straw colored
    beige: sand coloured; sand colored; light tan; cream coloured
    tan: honey coloured; golden brown
    navy: navy blue
    burgundy: burgundy red; wine red; dark red cloth
    olive: olive green
    beanie: stocking cap; watch cap; woolly hat; woollen hat; wool hat; winter hat; knit hat
    beanie: knitted hat; knit cap; knitted cap; wooly hat; skull cap; bobble hat
    cap: baseball cap; baseball hat; ball cap; trucker cap; trucker hat; sports cap; peaked cap
    cap: cap with a peak; cap with a visor; golf cap
    fedora: felt hat; panama hat; trilby hat; fedora hat; brimmed hat; hat with a brim
    fedora: hat with a wide brim
    aviator: pilot style; aviator style
    aviator sunglasses: pilot sunglasses; pilot shades
    aviator glasses: pilot glasses; pilot frames; pilot spectacles
    sunglasses: sun glasses; dark glasses; tinted glasses
    glasses: eye glasses; reading glasses; prescription glasses; clear glasses
    buzzcut: buzz cut; number one cut; military cut
    crewcut: crew cut
    ponytail: pony tail; pig tail
    bun: top knot; hair bun; man bun; hair up in a bun
    twentysomething: twenty something; 20 something
    fortysomething: forty something
    fiftysomething: fifty something
    old person: old age pensioner; senior citizen
    person: human being; human face
    make up: makeup
    eyeshadow: eye shadow
    no lipstick and no eyeshadow: no make up; without make up; no makeup; without makeup
    no lipstick and no eyeshadow: without any make up; without any makeup; not wearing make up
    big smile: showing teeth; showing his teeth; showing her teeth; baring teeth; toothy grin
    grinning: grinning from ear to ear; smiling from ear to ear
    bald: bald as an egg; bald as a coot; not a hair on his head; not a hair on her head
    clean shaven: cleanly shaved; well shaved; freshly shaved
    t: t shirt
    shirt: tee shirt
    not: rather than; instead of
    no: free of; nothing like; without any; lacking; take off the; get rid of the; take away the
    no: remove the; delete the; lose the; take off his; take off her; remove his; remove her
    no: take off; get rid of; take away; shave off the; shave off; erase the
    no hat: take the hat off; take his hat off; take her hat off
    no cap: take the cap off
    no glasses: take the glasses off; take his glasses off; take her glasses off; glasses off
    no sunglasses: take the sunglasses off
    no beard: shave the beard; shave his beard; shave the beard off
    not: stop; stops; no longer
    without: w o; with out
"""
TOGETHER: Final[Mapping[str, str]] = {
    phrase.strip(): read.strip()
    for read, phrases in (line.split(":") for line in _TOGETHER.strip().splitlines())
    for phrase in phrases.split(";")
    if phrase.strip()
}

# The grammar's words, then what people type in their place: only words that say the same.
_READ_AS: Final = """
    man: men hombre uncle husband sir bachelor waiter's
    woman: women chick babe aunt auntie actress wife missus ma'am señora housewife waitress
    man: businessman policeman salesman fireman postman cowboy's fisherman handyman widower
    woman: businesswoman policewoman saleswoman widow ballerina bride hostess
    person: people folk folks persons humans adult
    male person: brother nephew grandson
    female person: sister niece granddaughter
    boy: son boys schoolboy
    girl: daughter girls schoolgirl
    child: children toddler tot
    sixties: 60s
    twenties: 30s thirties
    eighties: 90s nineties
    youth: teen teenager adolescent teens
    young: teenage youngish
    preteen: tween
    old: oldish elder
    elderly person: nonagenarian octogenarian septuagenarian centenarian
    pensioner: oap
    senior: retired
    grandpa: granpa granddad grandad grandpas
    grandma: gramma grannies
    nana: nanna
    dad: papa daddy
    mom: mama mommy
    mum: mummy
    hispanic: latinx
    black: bw
    top: tee tshirt hoodie cardigan vest
    clothes: clothing garment garments attire
    red: crimson cherry scarlet
    strawberry: titian
    headband: bandana bandanna
    beanie: toque bonnet tuque skullcap
    fedora: homburg stetson
    cap: snapback ballcap
    sunglasses: rayban raybans wayfarers
    glasses: goggles bifocals eyewear
    smiling slightly: smirking
    slight smile: smirk
    laughing: chuckling giggling
    pouting: sulking sulky
    glum: moody
    sad: weeping crying tearful
    angry: irate livid raging
    surprised: astounded stunned
    glasses: glass
    moustache: tashe
    beard: whiskers
    bun: topknot manbun
    ponytail: pigtail
    background: bg bkg backgroud
    purple: violett
    pink: magenta fuchsia
    turquoise: cyan
    violet: indigo
    dark grey: charcoal
    orange: tangerine peach
    yellow: mustard
    green: mint lime
    brown: tawny
    mousy: mousey
    white haired: whitehaired
    colour: color
    chubby: portly tubby pudgy podgy
    thin: slight bony
    freckles: freckle
    make up: makeup
    with: w plus having
    without: wo sans minus lacking
    no: zero neither nor remove removed delete erase
    not: never isnt arent
    please: pls plz
    thanks: thx
    you: u
"""
ALIASES: Final[Mapping[str, str]] = {
    word: target.strip()
    for target, words in (line.split(":") for line in _READ_AS.strip().splitlines())
    for word in words.split()
    if "'s" not in word
}
