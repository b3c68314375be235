"""Sentences about one person, put together from phrases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recipes.faces import phrases as ph
from recipes.faces.meanings import Claims, both, read_age, read_color, read_phrase

Record: TypeAlias = Mapping[str, str | None]

_PRONOUNS: Final[Mapping[str | None, Mapping[str, str]]] = {
    "male": {"he": "he", "his": "his", "him": "him", "Latino": "Latino"},
    "female": {"he": "she", "his": "her", "him": "her", "Latino": "Latina"},
    None: {"he": "they", "his": "their", "him": "them", "Latino": "Latin"},
}
_SINGULAR: Final = {"is": "is", "has": "has", "does": "does", "s": "s"}
_PLURAL: Final = {"is": "are", "has": "have", "does": "do", "s": ""}


class NamedChoices:
    """Choices by name: the same name and number, the same choice."""

    def __init__(self, numbers: NDArray[np.float64]) -> None:
        self.numbers = numbers

    def roll(self, name: str) -> float:
        return float(self.numbers[_slot(name, len(self.numbers))])

    def pick(self, name: str, options: Sequence[str]) -> str:
        return options[int(self.roll(name) * len(options))]


@cache
def _slot(name: str, count: int) -> int:
    return crc32(name.encode()) % count


@dataclass(frozen=True)
class Part:
    """One thing to say: its phrases by role, and the words that go into their braces.

    With a `slot`, only phrases that hold it will do. `claims` are those of the words; what the
    phrases say besides is read off their tables.
    """

    name: str
    forms: ph.Forms
    words: Mapping[str, str] = field(default_factory=dict)
    slot: str | None = None
    claims: Claims = field(default_factory=dict)

    def options(self, role: str) -> tuple[str, ...]:
        return _holding(self.forms.get(role, ()), self.slot)


@cache
def _holding(options: tuple[str, ...], slot: str | None) -> tuple[str, ...]:
    return tuple(o for o in options if slot in o) if slot else options


class Writer:
    """Puts parts into sentences about one person."""

    def __init__(self, record: Record, seen: Mapping[str, str], choice: NamedChoices) -> None:
        self.record, self.seen, self.choice = record, seen, choice
        self.claims: Claims = {}
        """What the text says."""
        verbs = _SINGULAR if "gender" in seen else _PLURAL
        pronouns = _PRONOUNS[seen.get("gender")]
        capitals = {key.capitalize(): word.capitalize() for key, word in pronouns.items()}
        self.words = {**pronouns, **capitals, **verbs}
        if age := seen.get("age"):
            low, high = ph.AGE_NUMBERS[age]
            self.words["n"] = str(low + int(choice.roll("years") * (high - low + 1)))
            self.words["age"] = choice.pick("years in words", ph.AGE_WORDS[age])

    def write(self, parts: list[Part]) -> str:
        style = self.choice.roll("style")
        if style < 0.3 and (parts or "gender" in self.seen or "age" in self.seen):
            text = self._telegram(parts)
        elif style < 0.55 and len(parts) > 1:
            first = int(self.choice.roll("first sentence") * len(parts))
            text = self._opened(self._phrase(parts[:first])) + ". " + self._sentences(parts[first:])
        else:
            text = self._opened(self._phrase(parts))
        return self._finish(text)

    def _say(self, part: Part, role: str) -> str:
        phrase = self.choice.pick(f"{part.name} {role}", part.options(role))
        self._claim(both(part.claims, read_phrase(part.name, phrase)))
        return phrase.format(**self.words, **part.words)

    def _claim(self, claims: Claims) -> None:
        self.claims = both(self.claims, claims)

    def _role(self, part: Part, roles: Sequence[str], purpose: str) -> str:
        """One of the wanted roles, or else any that the part can play."""
        able = [role for role in roles if part.options(role)]
        able = able or [role for role in part.forms if part.options(role)]
        return self.choice.pick(f"{part.name} role {purpose}", able)

    def _subject(self) -> tuple[list[str], str, list[str]]:
        """Adjectives, noun, and what follows the noun, for gender, age and ethnicity."""
        gender, age, choice = self.seen.get("gender"), self.seen.get("age"), self.choice
        way = choice.roll("way of age")
        adjectives: list[str] = []
        posts: list[str] = []
        aged = ""
        if gender:
            self._claim({"gender": frozenset({gender})})
        if age and gender and way < 0.65:
            nouns = ph.AGED_GENDER[gender, age]
        elif age and not gender and way < 0.5:
            nouns = ph.AGE[age]
        else:
            if gender and self.record["age"] == "child":
                child = ("boy",) if gender == "male" else ("girl",)
                nouns = child if age else ph.GENDER_OF_CHILD[gender]
            else:
                nouns = ph.GENDER[gender] if gender else ph.NOBODY
            if age and way < 0.85:
                aged = choice.pick("age adjective", ph.AGE_ADJECTIVES[age])
                adjectives.append(aged)
            elif age:
                aged = choice.pick("age post", ph.AGE_POSTS[age])
                posts.append(aged)
            if gender and self.record["age"] != "child":
                self._claim({"age": frozenset({"young", "middle-aged", "old"})})
        noun = choice.pick("noun", nouns)
        if age:
            self._claim({"age": read_age(age, aged or noun)})
        if ethnicity := self.seen.get("ethnicity"):
            adjectives.append(choice.pick("ethnicity", ph.ETHNICITY[ethnicity]))
        adjectives, posts = ([w.format(**self.words) for w in some] for some in (adjectives, posts))
        return adjectives, noun.format(**self.words), posts

    def _phrase(self, parts: Sequence[Part]) -> str:
        """One noun phrase: "a smiling old man with a beard in front of a blue wall"."""
        choice = self.choice
        adjectives, noun, posts = self._subject()
        said: dict[str, list[str]] = {"adj": [], "has": [], "wears": [], "be": []}
        hair = next((part for part in parts if part.name == "hair_color"), None)
        nouns = ph.HAIR_COLOR_NOUN.get(
            (self.seen.get("gender", "any"), self.seen.get("hair_color", ""))
        )
        if (
            hair
            and nouns
            and "age" not in self.seen
            and "hair_shade" not in self.seen
            and self.record["age"] != "child"
            and choice.roll("hair noun") < 0.35
        ):
            parts = [part for part in parts if part is not hair]
            noun = choice.pick("hair noun", nouns)
            self._claim(read_color("hair_color", self.seen["hair_color"]))
        for part in parts:
            roles = ["has", "wears", "be", "post"]
            if len(said["adj"]) < 2:
                roles = ["adj", *roles]
            if part.name == "background":
                roles = ["post"]
            role = self._role(part, roles, "in a phrase")
            phrase = self._say(part, role)
            said[role].append(phrase) if role in said else posts.append(phrase)
        comma = ", " if choice.roll("commas") < 0.3 else " "
        head = " ".join(
            [comma.join([*said["adj"], *adjectives[:1]]), *adjectives[1:], noun]
        ).strip()
        if (
            noun in ("person", "human", "individual")
            and head == noun
            and choice.roll("someone") < 0.4
        ):
            head = choice.pick("someone who", ("someone", "somebody", "someone", "anyone"))
        else:
            head = "a " + head
        return " ".join([head, *self._behind(said, posts, noun)])

    def _behind(self, said: Mapping[str, list[str]], posts: list[str], noun: str) -> list[str]:
        """What follows the noun, in random order."""
        choice = self.choice
        without = [post for post in posts if post.startswith("without ")]
        if len(without) > 1 and choice.roll("without or") < 0.7:
            posts = [post for post in posts if post not in without]
            posts.append(
                " or ".join([without[0], *(w.removeprefix("without ") for w in without[1:])])
            )
        chunks = list(posts)
        if has := said["has"]:
            who = "who {has} " if choice.roll("who has") < 0.15 and noun != "face" else "with "
            chunks.append(who.format(has="has") + self._join(has, "has"))
        if wears := said["wears"]:
            verbs = ["wearing", "wearing", "with", "who wears"]
            if not any(w.startswith(("no ", "nothing")) for w in wears):
                verbs.append("in")
            chunks.append(choice.pick("wearing", verbs) + " " + self._join(wears, "wears"))
        if be := said["be"]:
            lead = "who is " if choice.roll("who is") < 0.4 and noun != "face" else ", "
            chunks.append(lead + self._join(be, "be") + ("," if lead == ", " else ""))
        if be or choice.roll("chunk order") < 0.6:
            chunks.reverse()
        return chunks

    def _sentences(self, parts: Sequence[Part]) -> str:
        said: dict[str, list[str]] = {"has": [], "wears": [], "be": []}
        sentences = []
        for part in parts:
            roles = ("say",) if part.name == "background" else ("say", "has", "wears", "be", "say")
            role = self._role(part, roles, "in sentences")
            phrase = self._say(part, role)
            if role in said:
                said[role].append(phrase)
            else:
                sentences.append(
                    phrase if role == "say" else f"{self.words['He']} {self.words['is']} {phrase}"
                )
        for role, verb in (
            ("has", "{He} {has} "),
            ("wears", "{He} wear{s} "),
            ("be", "{He} {is} "),
        ):
            if said[role]:
                sentences.append(verb.format(**self.words) + self._join(said[role], role))
        if self.choice.roll("sentence order") < 0.5:
            sentences.reverse()
        glue = ", " if self.choice.roll("run on") < 0.15 else ". "
        return glue.join(sentences)

    def _telegram(self, parts: Sequence[Part]) -> str:
        choice = self.choice
        fragments = []
        for part in parts:
            roles = (
                ("post", "has")
                if part.name == "background"
                else ("has", "wears", "adj", "be", "post")
            )
            role = self._role(part, roles, "in a telegram")
            phrase = self._say(part, role)
            if choice.roll(part.name + " article") < 0.75:
                phrase = phrase.removeprefix("a ")
            fragments.append(phrase)
        if "gender" in self.seen or "age" in self.seen or "ethnicity" in self.seen or not fragments:
            adjectives, noun, posts = self._subject()
            subject = " ".join([*adjectives, noun, *posts])
            place = (
                0
                if choice.roll("subject first") < 0.75
                else int(choice.roll("place") * len(fragments))
            )
            fragments.insert(place, subject)
        glue = choice.pick("glue", (", ", ", ", ", ", ", ", ", ", " ", "; ", " + ", " and "))
        return choice.pick("fragment opener", ph.FRAGMENT_OPENERS) + glue.join(fragments)

    def _opened(self, phrase: str) -> str:
        if self.choice.roll("opened") < 0.5:
            return phrase
        return self.choice.pick("opener", ph.OPENERS).format(phrase)

    def _join(self, items: Sequence[str], name: str) -> str:
        if len(items) < 2:
            return items[0]
        if self.choice.roll("list of " + name) < 0.15:
            return ", ".join(items)
        return ", ".join(items[:-1]) + " and " + items[-1]

    def _finish(self, text: str) -> str:
        choice = self.choice
        if choice.roll("tail") < 0.08:
            text += choice.pick("which tail", ph.TAILS)
        text = re.sub(r"\s+([,.;])", r"\1", text)
        text = re.sub(r",(?:\s*,)+", ",", text)
        text = re.sub(r"[,;]\s*\.", ".", text)
        text = re.sub(r"\b([Aa])n? (\w+)", _article, text).strip(" ,;")
        case = choice.roll("case")
        if case < 0.4:
            text = text.lower()
        elif case < 0.9:
            text = text[0].upper() + text[1:]
        return text + "." if choice.roll("full stop") < 0.35 else text


def _article(match: re.Match[str]) -> str:
    a, word = match.groups()
    lower = word.lower()
    vowel = lower[0] in "aeiou" and not lower.startswith(("eu", "one", "univ"))
    return f"{a}{'n' if vowel or lower.startswith(('8', '11', '18')) else ''} {word}"
