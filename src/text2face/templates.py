r"""Prompts with choices: one template, another prompt for each seed.

The syntax is that of the Dynamic Prompts extension of the AUTOMATIC1111 web UI:

- `{red|blue} hair` takes one of them, `{0.5::red|2::blue}` with these weights (1 if left out);
- `{2$$a|b|c}` takes two, `{1-2$$a|b|c}` one or two, joined by ", "; `{2$$ and $$a|b|c}` by " and ";
- `__hair__` takes a line of `hair.txt`, a file of the folder of lists that the user names; lines
  that begin with # are comments; `{2$$__hair__}` takes two lines;
- `\{`, `\}`, `\|` and `\_` are the characters themselves.

Choices nest, and lines of lists may hold choices. A seed decides them, alone: the same template,
lists, styles and seed give the same prompt. What is drawn is the prompt that comes out.
"""

from __future__ import annotations

import bisect
import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, TypeVar

from text2face.errors import PromptError, quoted
from text2face.lists import Library
from text2face.prompts import MAX_CHARACTERS, Prompt, Template, clean, shorten
from text2face.settings import Settings

__all__ = ["Template", "check", "has_choices", "plain", "prompts_of", "read", "resolve"]

MAX_LENGTH: Final = 4 * MAX_CHARACTERS
"""Characters of a template."""
MAX_DEPTH: Final = 10
"""Braces within braces and lists within lists."""
MAX_STEPS: Final = 1000
"""Choices that are made for one prompt."""

_TOKEN: Final = re.compile(
    r"\\[\\(){}\[\]|_]|(?P<list>__(?P<name>[^\s{}|_]+(?:_[^\s{}|_]+)*)__)"
    r"|(?P<mark>[{}|])"
)
_COUNT: Final = re.compile(r"\s*(\d{1,9})(?:-(\d{1,9}))?\$\$(?:([^{}|$]{0,40})\$\$)?")
_WEIGHT: Final = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})::")
_GAPS: Final = ((re.compile(r"\s+"), " "), (re.compile(r"\s+,"), ","), (re.compile(r",(,)+"), ","))


@dataclass(frozen=True)
class _List:
    name: str


@dataclass(frozen=True)
class _Choice:
    options: tuple[_Sequence, ...]
    weights: tuple[float, ...]
    least: int = 1
    most: int = 1
    joint: str = ", "


T = TypeVar("T")
_Part: TypeAlias = "str | _List | _Choice"
_Sequence: TypeAlias = tuple[_Part, ...]


def has_choices(text: str) -> bool:
    """Whether a text has choices or lists in it, or braces that do not match.

    Raises:
        PromptError: It is too long.
    """
    if "{" not in text and "}" not in text and "__" not in text:
        return False
    return any(match["mark"] in ("{", "}") or match["list"] for match in _tokens(text))


def check(text: str, library: Library) -> None:
    """Check a template and the lists that it names, without taking anything of them.

    Raises:
        PromptError: As `resolve`.
    """
    _check(_parse(text), library, ())


def resolve(text: str, seed: int, library: Library) -> str:
    """The prompt that a seed makes of a template; escapes stay, for `text2face.prompts`.

    Args:
        text: The template.
        seed: Decides.
        library: The lists.

    Raises:
        PromptError: Braces do not match, a number or weight is out of range, there is no such list,
            or too much would come out.
    """
    check(text, library)
    return _Maker(random.Random(f"text2face {seed}"), library).make(text)


def plain(text: str, library: Library) -> str:
    """All words that may come out of a template, lists left out, as one text.

    Raises:
        PromptError: As `check`.
    """
    check(text, library)
    return ", ".join(_leaves(_parse(text)))


def read(text: str, settings: Settings, library: Library) -> Prompt:
    """Read a prompt that no seed need decide.

    Raises:
        PromptError: It has choices, or cannot be read.
    """
    if settings.literal:
        return Prompt.parse(text, negative=settings.negative_prompt, literal=True)
    template = _styled(text, settings, library)
    if any(map(has_choices, (template.prompt, template.negative_prompt or ""))):
        raise PromptError(
            f"choices in {shorten(text)!r}, expected plain words here, where no seed decides; take "
            "one of them, or write \\{ or \\_ for the characters themselves"
        )
    return _read(template, text, settings)


def prompts_of(
    text: str, seeds: Sequence[int], settings: Settings, library: Library
) -> list[Prompt]:
    """The prompts of some seeds, equal ones as one object.

    Args:
        text: A prompt or a template.
        seeds: At least one.
        settings: Its negative prompt may be a template too.
        library: The lists and styles.

    Raises:
        PromptError: As `resolve`; or a prompt that comes out cannot be read.
    """
    template = None if settings.literal else _styled(text, settings, library)
    unwanted = template.negative_prompt if template else None
    if template is None:
        return [read(text, settings, library)] * len(seeds)
    if not any(map(has_choices, (template.prompt, unwanted or ""))):
        return [_read(template, text, settings)] * len(seeds)
    for part in (template.prompt, unwanted or ""):
        check(part, library)
    known: dict[tuple[str, str | None], Prompt] = {}
    found = []
    for seed in seeds:
        maker = _Maker(random.Random(f"text2face {seed}"), library)
        wanted = maker.make(template.prompt)
        made = Template(wanted, maker.make(unwanted) if unwanted else None)
        key = (made.prompt, made.negative_prompt)
        if key not in known:
            known[key] = _read(made, text, settings)
        found.append(known[key])
    return found


def _styled(text: str, settings: Settings, library: Library) -> Template:
    """A template with its styles put round it."""
    if not isinstance(text, str):
        clean(text)  # says what it is
    prompt, negative = text, settings.negative_prompt
    if settings.styles is not None:
        prompt, negative = library.style(text, negative, settings.styles)
    return Template(prompt, negative)


def _read(made: Template, text: str, settings: Settings) -> Prompt:
    """Parse what came out; where that is another text, the template is kept beside it."""
    prompt = Prompt.parse(made.prompt, negative=made.negative_prompt)
    if (made.prompt, made.negative_prompt) == (text, settings.negative_prompt):
        return prompt
    template = Template(text, settings.negative_prompt, settings.styles)
    return replace(prompt, negative_prompt=made.negative_prompt, template=template)


class _Maker:
    """Makes one prompt: counts what it takes, so that it ends."""

    def __init__(self, randoms: random.Random, library: Library) -> None:
        self.randoms = randoms
        self.library = library
        self.steps = 0
        self.length = 0

    def make(self, text: str) -> str:
        made = "".join(self._parts(_parse(text)))
        for gap, instead in _GAPS:
            made = gap.sub(instead, made)
        return made.strip(" ,")

    def _parts(self, sequence: _Sequence) -> Iterator[str]:
        for part in sequence:
            if isinstance(part, str):
                self.length += len(part)
                if self.length > MAX_LENGTH:
                    raise PromptError(
                        f"more than {MAX_LENGTH} characters come out of the template; expected a "
                        "prompt; shorten its lists"
                    )
                yield part
            elif isinstance(part, _List):
                (line,) = self._take(self.library.lines(part.name), None, 1)
                yield from self._parts(_parse(line))
            else:
                yield self._choose(part)

    def _choose(self, choice: _Choice) -> str:
        options: Sequence[_Sequence] = choice.options
        weights: Sequence[float] | None = choice.weights
        only = options[0][0] if len(options) == 1 and len(options[0]) == 1 else None
        if isinstance(only, _List):  # {2$$__hair__} takes two lines
            lines = self.library.lines(only.name)
            wanted = self._count(choice, len(lines))
            options = [_parse(line) for line in self._take(lines, None, wanted)]
            return choice.joint.join("".join(self._parts(one)) for one in options)
        taken = self._take(options, weights, self._count(choice, len(options)))
        return choice.joint.join("".join(self._parts(one)).strip() for one in taken)

    def _count(self, choice: _Choice, there: int) -> int:
        if choice.most > there:
            raise PromptError(f"{choice.most} of {there} choices are asked for; expected fewer")
        if choice.least == choice.most:
            return choice.most
        return choice.least + int(self.randoms.random() * (choice.most - choice.least + 1))

    def _take(self, options: Sequence[T], weights: Sequence[float] | None, count: int) -> list[T]:
        """Some of the options, none twice, in the order in which they are drawn."""
        left = list(range(len(options)))
        taken = []
        for _ in range(count):
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise PromptError(
                    f"more than {MAX_STEPS} choices for one prompt; expected fewer; do lists name "
                    "each other?"
                )
            if weights is None:
                place = int(self.randoms.random() * len(left))
            else:
                sums = list(itertools.accumulate(weights[index] for index in left))
                place = bisect.bisect_right(sums, self.randoms.random() * sums[-1])
            taken.append(options[left.pop(min(place, len(left) - 1))])
        return taken


def _check(sequence: _Sequence, library: Library, within: tuple[str, ...]) -> None:
    """See that all lists are there, to the depth that may be reached."""
    for part in sequence:
        if isinstance(part, _List):
            if part.name in within:
                raise PromptError(
                    f"the list {quoted(part.name)} names itself; expected lines that end"
                )
            if library.checked(part.name):
                continue
            for line in library.lines(part.name):
                if has_choices(line):
                    _check(_parse(line), library, (*within, part.name))
            library.mark(part.name)
        elif isinstance(part, _Choice):
            for option in part.options:
                _check(option, library, within)


def _leaves(sequence: _Sequence) -> Iterator[str]:
    for part in sequence:
        if isinstance(part, str):
            yield part
        elif isinstance(part, _Choice):
            for option in part.options:
                yield from _leaves(option)


def _tokens(text: str) -> Iterator[re.Match[str]]:
    if len(text) > MAX_LENGTH:
        raise PromptError(
            f"the prompt has {len(text)} characters, expected at most {MAX_LENGTH}; shorten it"
        )
    return _TOKEN.finditer(text)


@dataclass
class _Open:
    """A brace that is not closed yet."""

    options: list[list[_Part]]


def _parse(text: str) -> _Sequence:
    """Read a template.

    Raises:
        PromptError: Braces do not match, or nest too deep, or a number or weight is none.
    """
    stack = [_Open([[]])]
    position = 0
    for match in _tokens(text):
        if match["mark"] is None and match["list"] is None:
            continue  # escaped
        inside = stack[-1].options
        if match["mark"] == "|" and len(stack) == 1:
            continue
        if position < match.start():
            inside[-1].append(text[position : match.start()])
        position = match.end()
        if match["list"]:
            inside[-1].append(_List(match["name"]))
        elif match["mark"] == "|":
            inside.append([])
        elif match["mark"] == "{":
            if len(stack) > MAX_DEPTH:
                raise PromptError(
                    f"braces nest deeper than {MAX_DEPTH} in {shorten(text)!r}; expected fewer"
                )
            stack.append(_Open([[]]))
        elif len(stack) == 1:
            raise _unmatched("}", text)
        else:
            stack.pop()
            stack[-1].options[-1].append(_choice(inside, text))
    if len(stack) > 1:
        raise _unmatched("{", text)
    if position < len(text):
        stack[0].options[-1].append(text[position:])
    return tuple(stack[0].options[0])


def _choice(options: list[list[_Part]], text: str) -> _Choice:
    least, most, joint = 1, 1, ", "
    first = options[0][0] if options[0] else ""
    if isinstance(first, str) and (match := _COUNT.match(first)):
        least, most = int(match[1]), int(match[2] or match[1])
        joint = match[3] if match[3] is not None else joint
        options[0][0] = first[match.end() :]
        if least > most:
            raise PromptError(
                f"{match[0].strip()} in {shorten(text)!r}; expected a number or a range, as in "
                "{1-2$$a|b|c}"
            )
    weights = []
    for option in options:
        weight = 1.0
        if option and isinstance(option[0], str) and (match := _WEIGHT.match(option[0])):
            weight = float(match[1])
            option[0] = option[0][match.end() :]
        weights.append(weight)
        if option and option[0] == "":
            option.pop(0)
    there = sum(weight > 0 for weight in weights)
    lone = len(options) == 1 and len(options[0]) == 1 and isinstance(options[0][0], _List)
    if there < most and not (lone and there):
        raise PromptError(
            f"{most} of {there} choices in {shorten(text)!r}; expected as many as are asked for, "
            "with weights above 0"
        )
    return _Choice(tuple(map(tuple, options)), tuple(weights), least, most, joint)


def _unmatched(brace: str, text: str) -> PromptError:
    return PromptError(
        f"unmatched {brace} in the prompt {shorten(text)!r}; expected pairs such as {{red|blue}}; "
        f"write \\{brace} for the character itself"
    )
