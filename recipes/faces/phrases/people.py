"""The words for who it is: gender, age, origin, skin, build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from recipes.faces.phrases.forms import Forms, forms, listed

NOBODY: Final = listed(
    "person|person|person|face|human|individual|human being|human face|character"
)
GENDER: Final[Mapping[str, tuple[str, ...]]] = {
    "male": listed(
        "man|man|man|man|guy|guy|gentleman|male|dude|bloke|fellow|chap|fella|gent|male person|"
        "adult man|male adult|mister|grown man|masculine person"
    ),
    "female": listed(
        "woman|woman|woman|woman|lady|lady|female|gal|female person|adult woman|female adult|"
        "grown woman|dame|feminine person|madam"
    ),
}
# said of a boy or girl whose age the caption does not name
GENDER_OF_CHILD: Final[Mapping[str, tuple[str, ...]]] = {
    "male": listed(
        "male|male person|male face|male individual|masculine person|male human|male character"
    ),
    "female": listed(
        "female|female person|female face|female individual|feminine person|female human|"
        "female character"
    ),
}
AGE: Final[Mapping[str, tuple[str, ...]]] = {
    "child": listed(
        "child|child|kid|kid|little kid|small child|youngster|young child|little one|schoolchild|"
        "young kid|minor|little child|primary-school kid|preteen"
    ),
    "young": listed(
        "young person|young person|young adult|young adult|youth|twenty-something|youthful person|"
        "person in {his} twenties|young face|someone young|20-something|person in {his} 20s|"
        "university student|young individual"
    ),
    "middle-aged": listed(
        "middle-aged person|middle-aged person|middle aged adult|forty-something|fifty-something|"
        "middle-aged individual|mature adult|person in {his} forties|person in {his} fifties|"
        "mature person|person of middle age|person in midlife|parent"
    ),
    "old": listed(
        "old person|old person|elderly person|senior|senior citizen|pensioner|grandparent|retiree|"
        "aged person|elder|old-age pensioner|person in {his} seventies|wrinkled person|"
        "elderly individual|oldster|person of great age"
    ),
}
AGED_GENDER: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("male", "child"): listed(
        "boy|boy|boy|boy|little boy|little boy|young boy|small boy|lad|schoolboy|little lad|"
        "male child|male kid|little fellow|boy child|wee lad|preteen boy|boy of {n}|"
        "kid, a boy|little guy"
    ),
    ("female", "child"): listed(
        "girl|girl|girl|girl|little girl|little girl|young girl|small girl|lass|schoolgirl|"
        "little lass|female child|female kid|little lady|girl child|wee lass|preteen girl|"
        "girl of {n}|kid, a girl"
    ),
    ("male", "young"): listed(
        "young man|young man|young man|young guy|young guy|young fellow|young bloke|young male|"
        "young dude|young gentleman|young adult man|youthful man|twenty-something guy|young lad|"
        "man in his twenties|guy in his twenties|20-something man|young chap|man in his 20s"
    ),
    ("female", "young"): listed(
        "young woman|young woman|young woman|young lady|young lady|young female|young gal|"
        "young lass|young adult woman|youthful woman|youthful lady|twenty-something woman|"
        "woman in her twenties|lady in her twenties|20-something woman|young adult female|"
        "woman in her 20s|maiden"
    ),
    ("male", "middle-aged"): listed(
        "middle-aged man|middle-aged man|middle aged man|middle-aged guy|middle-aged gentleman|"
        "mature man|middle-aged male|middle-aged bloke|mature gentleman|man in his forties|"
        "man in his fifties|guy in his 40s|forty-something man|fifty-something man|dad|father|"
        "man in midlife|middle-aged fellow|man of middle age|middle-aged chap"
    ),
    ("female", "middle-aged"): listed(
        "middle-aged woman|middle-aged woman|middle aged woman|middle-aged lady|mature lady|"
        "mature woman|middle-aged female|woman in her forties|woman in her fifties|lady in her 40s|"
        "forty-something woman|fifty-something woman|mum|mom|mother|woman in midlife|"
        "woman of middle age|middle-aged gal"
    ),
    ("male", "old"): listed(
        "old man|old man|old man|elderly man|elderly man|grandpa|grandpa|grandfather|grandad|"
        "granddad|gramps|elderly gentleman|old gentleman|old guy|old fellow|old chap|"
        "senior man|aged man|old geezer|elderly fellow|elderly male|male pensioner|old timer|"
        "grandpappy|old dude|old bloke|male senior|elderly guy|old codger|grandaddy"
    ),
    ("female", "old"): listed(
        "old woman|old woman|old lady|old lady|elderly woman|elderly lady|grandma|grandma|"
        "grandmother|granny|gran|nana|nan|senior lady|aged woman|little old lady|"
        "female pensioner|old dear|elderly female|senior woman|grandmom|female senior|old gal|"
        "aged lady|grandmama|old dame"
    ),
}
AGE_ADJECTIVES: Final[Mapping[str, tuple[str, ...]]] = {
    "child": listed("{n}-year-old|{n} year old|{age}-year-old|primary-school-aged|school-aged"),
    "young": listed(
        "young|young|young|youthful|young adult|younger|{n}-year-old|{n} year old|twenty-something|"
        "college-aged"
    ),
    "middle-aged": listed(
        "middle-aged|middle-aged|middle aged|mature|{n}-year-old|{n} year old|{age}-year-old|"
        "forty-something|midlife|older"
    ),
    "old": listed(
        "old|old|old|elderly|elderly|aged|senior|{n}-year-old|{n} year old|{age}-year-old|"
        "wrinkled|ancient|very old|older|aging|ageing"
    ),
}
AGE_POSTS: Final[Mapping[str, tuple[str, ...]]] = {
    "child": listed(
        "of {n}|aged {n}|of about {n}|around {n} years old|who is {n}|of {n} years|, {n} years old,"
    ),
    "young": listed(
        "in {his} twenties|in {his} 20s|in {his} early twenties|in {his} mid-twenties|"
        "in {his} late 20s|of {n}|aged {n}|of about {n}|, {n} years old,|of around thirty"
    ),
    "middle-aged": listed(
        "in {his} forties|in {his} fifties|in {his} 40s|in {his} 50s|in {his} late forties|"
        "in {his} early fifties|of {n}|aged {n}|of about {n}|, {n} years old,|"
        "of a certain age|of middle age"
    ),
    "old": listed(
        "in {his} seventies|in {his} eighties|in {his} 70s|in {his} 80s|"
        "in {his} late seventies|of advanced age|aged {n}|of about {n}|, {n} years old,|"
        "over seventy|of old age|with wrinkles|in {his} late sixties"
    ),
}
AGE_NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "child": (6, 12),
    "young": (20, 31),
    "middle-aged": (43, 57),
    "old": (67, 89),
}
AGE_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "child": listed("seven|eight|nine|ten|eleven"),
    "young": listed("twenty|twenty-five|thirty"),
    "middle-aged": listed("forty-five|fifty|fifty-five"),
    "old": listed("seventy|eighty|seventy-five|ninety"),
}
ETHNICITY: Final[Mapping[str, tuple[str, ...]]] = {
    "African": listed("Black|Black|African|African American|African-American|Afro-American"),
    "East Asian": listed("Asian|East Asian|Asian|east-asian|Far Eastern"),
    "European": listed("white|Caucasian|European|white European|white"),
    "South Asian": listed("Indian|South Asian|Desi|Indian"),
    "Latino": listed("Hispanic|Latin American|South American|{Latino}|{Latino}"),
    "Middle Eastern": listed("Arab|Middle Eastern|Arabic|Middle Eastern|Arab"),
    "mixed": listed("mixed-race|multiracial|biracial|mixed|multi-ethnic"),
}
# What an ethnicity word says about the skin as well.
IMPLIED_SKIN: Final[Mapping[str, str]] = {"African": "dark", "European": "light"}

SKIN: Final[Mapping[str, Forms]] = {
    "light": forms(
        adj="light-skinned|fair-skinned|pale|pale-skinned|fair|white-skinned|fair-complexioned",
        has=(
            "light skin|fair skin|pale skin|a pale complexion|a fair complexion|"
            "light-coloured skin|white skin|a light skin tone|porcelain skin|ivory skin|"
            "milky skin|a pale face|a light complexion"
        ),
        be="fair-skinned|light-skinned|pale",
        say=(
            "{His} skin is pale|{His} skin is fair|{His} skin tone is light|"
            "{His} complexion is light"
        ),
    ),
    "medium": forms(
        adj=(
            "olive-skinned|tanned|tan|brown-skinned|bronzed|tan-skinned|medium-skinned|sun-tanned|"
            "caramel-skinned"
        ),
        has=(
            "olive skin|tanned skin|tan skin|medium skin|a medium skin tone|an olive complexion|"
            "brown skin|light brown skin|bronze skin|a tan|golden brown skin|caramel skin|"
            "a medium complexion|honey-coloured skin"
        ),
        be="olive-skinned|tanned|brown-skinned",
        say=(
            "{His} skin is tanned|{His} skin is olive|{His} skin tone is medium|"
            "{His} complexion is olive"
        ),
    ),
    "dark": forms(
        adj="dark-skinned|dark-skinned|black-skinned|ebony-skinned|deep-skinned|dark-complexioned",
        has=(
            "dark skin|dark brown skin|deep brown skin|a dark complexion|black skin|"
            "a dark skin tone|ebony skin|very dark skin|dark-coloured skin|a deep complexion|"
            "chocolate skin|deep skin"
        ),
        be="dark-skinned|black-skinned",
        say=(
            "{His} skin is dark|{His} skin is deep brown|{His} skin tone is dark|"
            "{His} complexion is dark"
        ),
    ),
}
BODY: Final[Mapping[str, Forms]] = {
    "chubby": forms(
        adj="chubby|plump|fat|overweight|heavy-set|round-faced|stout|chunky|full-faced",
        has="a chubby face|chubby cheeks|a round face|full cheeks|a plump face",
        be="chubby|overweight|a bit plump",
        say="{He} {is} rather chubby|{His} face is round|{His} cheeks are full",
    ),
    "thin": forms(
        adj="thin|slim|skinny|lean|slender|gaunt|thin-faced|bony|narrow-faced",
        has="a thin face|a slim face|hollow cheeks|a narrow face|a lean face|a gaunt face",
        be="thin|slim|quite skinny",
        say="{He} {is} rather thin|{His} face is thin|{His} face is lean",
    ),
}
