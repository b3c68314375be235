"""What makes a face besides its prompt, its seed and the weights.

`Settings` is the one place where an option is declared. What a field says (its type, default,
limits and the text below it) becomes an option of `text2face generate`, a keyword of `TextToFace`,
a field of the server's JSON schema, a control on the page, an entry in the text that other tools
show, and a part of the record in each file. `options` gives all of it to those who derive.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import math
import secrets
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Concatenate,
    Final,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from text2face import prompts
from text2face.checks import MAX_COUNT, check_count, check_number
from text2face.errors import ArgumentError, quoted

__all__ = [
    "MAX_SEED",
    "CallArguments",
    "NoiseMode",
    "Option",
    "OptionInfo",
    "PipelineConfig",
    "Settings",
    "check_count",
    "check_seed",
    "choose_seeds",
    "keywords",
    "options",
]

NoiseMode = Literal["const", "random", "none"]
MAX_SEED: Final = 2**32 - 1


@dataclass(frozen=True)
class OptionInfo:
    """What an option's type does not say; an annotation of the fields of `Settings`."""

    low: float | None = None
    """The least number."""
    high: float | None = None
    """The largest number."""
    served: float | None = None
    """The largest number that a server takes; None = `high`."""
    flag: str | None = None
    """The name on the command line, where it is not the field's; the field's works too."""
    metavar: str | None = None
    """What the command line's help calls the value; None = its type."""
    parameter: str | None = None
    """The name in the text that other tools show, where it is not the field's."""


@dataclass(frozen=True)
class PipelineConfig:
    """What a model says about itself in `pipeline.json`."""

    name: str = "unnamed"
    """Shown in the metadata of its images."""
    truncation: float = 1.0
    """The default ψ."""
    condition: str = "text"
    """The default way to condition the sampler."""
    shortlist: int = 1
    """How many latents are drawn for a face by default, to keep the one nearest to the text."""
    neutral_prompt: str = prompts.NEUTRAL
    """A sentence that the encoder knows and that says nothing particular."""
    negative_weight: float = 0.5
    """How strongly a negative prompt is subtracted, from 0 to 10."""

    def __post_init__(self) -> None:
        """Check the values; those that are settings as settings are checked.

        Raises:
            ArgumentError: A value is out of range.
        """
        for option in options():
            if hasattr(self, option.name):
                option.check(getattr(self, option.name))
        if not 0 <= self.negative_weight <= 10:
            raise ArgumentError(
                f"negative_weight is {self.negative_weight!r}, expected a number from 0 to 10"
            )
        most = prompts.MAX_CHARACTERS
        if not self.neutral_prompt.strip() or len(self.neutral_prompt) > most:
            raise ArgumentError(
                f"neutral_prompt is {quoted(self.neutral_prompt)}, expected 1 to {most} characters"
            )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one face, checked when made.

    Where `PipelineConfig` has a field of the same name, the model sets the default.

    Raises:
        ArgumentError: A value is out of range or of the wrong type.
    """

    truncation: Annotated[float, OptionInfo(0, 2, flag="--trunc")] = 1.0
    """ψ from 0 (the average face) over 1 (as the sampler draws it) to 2 (exaggerated)."""
    truncation_cutoff: Annotated[int | None, OptionInfo(0, MAX_COUNT, flag="--trunc-cutoff")] = None
    """Truncate only the first layers, this many; not given = all."""
    diversity: Annotated[float, OptionInfo(0, 5)] = 1.0
    """The scale of z from 0 (always the most typical face) to 5."""
    condition: Annotated[str, OptionInfo(parameter="Sampler")] = "text"
    """How the text becomes the sampler's condition, such as text or draw+pull; see
    `samplers.conditions`."""
    shortlist: Annotated[int, OptionInfo(1, 1000, served=64)] = 1
    """Latents drawn for each face, of which the one whose estimated look is nearest to the text is
    made. It costs next to nothing, and some diversity. Samplers that cannot estimate draw one."""
    noise_mode: NoiseMode = "const"
    """The generator's noise inputs: "const", "random" (drawn from the seed) or "none"."""
    negative_prompt: Annotated[str | None, OptionInfo(flag="--negative", metavar="PROMPT")] = None
    """What is not wanted."""
    styles: Annotated[str | None, OptionInfo(flag="--style", metavar="NAME")] = None
    """Styles by name, with commas between; they are put round the prompt. The record has the prompt
    that comes out."""
    literal: bool = False
    """Take the prompt's characters as they stand: no brackets, escapes, AND or choices."""

    def __post_init__(self) -> None:
        """Check every value against its declaration."""
        for option in options():
            option.check(getattr(self, option.name))


@dataclass(frozen=True, kw_only=True)
class CallArguments(Settings):
    """The arguments of `TextToFace`; of a setting whose default the model sets, None is that."""

    prompt: str | prompts.Prompt | Sequence[str | prompts.Prompt] = field(kw_only=False)
    """What they look like, in the syntax of `text2face.prompts`; or several such."""
    num_images: int = 1
    """How many for each prompt."""
    seed: int | Sequence[int] | None = None
    """Image i uses seed + i, the same for every prompt; or the seeds themselves; None draws one."""
    candidates: int | None = None
    """Draw this many for each prompt and keep the best by score."""
    keep: int | None = None
    """How many to keep of them; None = num_images."""
    batch_size: int = 1
    """Images at once. More than 1 is faster on a GPU, and may change the last bits of an image."""


P = ParamSpec("P")
R = TypeVar("R")
_EITHER: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD
_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY


def keywords(
    call: Callable[P, CallArguments],
) -> Callable[[Callable[..., R]], Callable[Concatenate[Any, P], R]]:
    """Give a method the signature and the documentation that `CallArguments` declares.

    Type checkers see the fields as keywords through `P`, `inspect.signature` through
    `__signature__`, and readers in place of `{arguments}` in the docstring.
    """

    def decorate(method: Callable[..., R]) -> Callable[Concatenate[Any, P], R]:
        docs, hints = field_docs(CallArguments), get_type_hints(CallArguments)
        of_model = {option.name for option in options() if option.from_model}
        inherited = [option.name for option in options()]
        own = [
            field.name for field in dataclasses.fields(CallArguments) if field.name not in inherited
        ]
        defaults = {field.name: field.default for field in dataclasses.fields(CallArguments)}
        parameters = [inspect.Parameter("self", _EITHER)]
        lines = []
        for name in own + inherited:
            text = docs.get(name, "")
            hint, default = hints[name], defaults[name]
            if name in of_model:
                hint, default = hint | None, None
                text = f"{text} None = the model's default."
            if default is dataclasses.MISSING:
                made = inspect.Parameter(name, _EITHER, annotation=hint)
            else:
                made = inspect.Parameter(name, _KEYWORD, default=default, annotation=hint)
            parameters.append(made)
            wrapped = textwrap.wrap(f"{name}: {text}", 84, subsequent_indent=" " * 4)
            lines.append(f"\n{' ' * 12}".join(wrapped))
        returned = inspect.signature(method).return_annotation
        signature = inspect.Signature(parameters, return_annotation=returned)
        method.__signature__ = signature  # type: ignore[attr-defined]
        if method.__doc__:
            listed = f"\n{' ' * 12}".join(lines)
            method.__doc__ = method.__doc__.replace("{arguments}", listed)
        return method

    return decorate


@dataclass(frozen=True)
class Option:
    """One of the `Settings`, read from its field."""

    name: str
    kind: type
    """bool, int, float or str."""
    choices: tuple[str, ...]
    """All that a string may be; none = any."""
    optional: bool
    """Whether it may be None."""
    default: Any
    from_model: bool
    """Whether the model sets the default."""
    help: str
    """The text below the field, in one line."""
    info: OptionInfo

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return self.info.flag or f"--{self.name.replace('_', '-')}"

    @property
    def label(self) -> str:
        """The name for people, such as "Noise mode"."""
        return self.name.replace("_", " ").capitalize()

    @property
    def parameter(self) -> str:
        """The name in the text that other tools show."""
        return self.info.parameter or self.label

    @property
    def least(self) -> float | None:
        """The least number."""
        return self.info.low

    @property
    def most(self) -> float | None:
        """The largest number."""
        return self.info.high

    @property
    def most_served(self) -> float | None:
        """The largest number that a server takes."""
        return self.info.high if self.info.served is None else self.info.served

    def check(self, value: object, *, served: bool = False) -> None:
        """Check a value.

        Args:
            value: Any.
            served: Whether it comes from a client of a server.

        Raises:
            ArgumentError: It is out of range or of the wrong type.
        """
        if value is None and self.optional:
            return
        low, high = self.least, self.most_served if served else self.most
        if self.choices and value not in self.choices:
            listed = ", ".join(self.choices)
            raise ArgumentError(f"{self.name} is {value!r}, expected one of {listed}")
        if self.kind is int:
            least, most = 0 if low is None else low, MAX_COUNT if high is None else high
            check_count(self.name, value, least=int(least), most=int(most))
        elif self.kind is float:
            least, most = -math.inf if low is None else low, math.inf if high is None else high
            check_number(self.name, value, least, most)
        elif not isinstance(value, self.kind):
            expected = "True or False" if self.kind is bool else "text"
            raise ArgumentError(f"{self.name} is {value!r}, expected {expected}")

    def parse(self, text: str) -> Any:
        """The value that a text tells, as `str` writes it.

        Raises:
            ArgumentError: It is none.
        """
        try:
            value = {"True": True, "False": False}[text] if self.kind is bool else self.kind(text)
        except (KeyError, ValueError):
            value = text
        self.check(value)
        return value


@cache
def options() -> tuple[Option, ...]:
    """The options that `Settings` declares, in order."""
    of_model = {field.name for field in dataclasses.fields(PipelineConfig)}
    hints = get_type_hints(Settings, include_extras=True)
    texts = field_docs(Settings)
    return tuple(
        _option(field.name, hints[field.name], field.default, field.name in of_model, texts)
        for field in dataclasses.fields(Settings)
    )


def _option(
    name: str, hint: Any, default: Any, from_model: bool, texts: Mapping[str, str]
) -> Option:
    info = next(
        (extra for extra in get_args(hint)[1:] if isinstance(extra, OptionInfo)), OptionInfo()
    )
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    parts = get_args(bare) if get_origin(bare) in (Union, UnionType) else (bare,)
    (kind,) = (part for part in parts if part is not NoneType)
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    return Option(
        name=name,
        kind=str if choices else kind,
        choices=choices,
        optional=NoneType in parts,
        default=default,
        from_model=from_model,
        help=texts.get(name, ""),
        info=info,
    )


@cache
def field_docs(cls: type) -> Mapping[str, str]:
    """The text below each field of a dataclass and of those that it inherits from, in one line."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        except OSError:  # installed without its source
            continue
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for line, text in itertools.pairwise(body):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                value = text.value if isinstance(text, ast.Expr) else None
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found[line.target.id] = " ".join(value.value.split())
    return found


def check_seed(seed: object) -> int:
    """Check one seed: a whole number that numpy's RandomState takes.

    Raises:
        ArgumentError: It is not.
    """
    return check_count("seed", seed, least=0, most=MAX_SEED)


def choose_seeds(
    seed: int | Sequence[int] | None,
    num_images: int = 1,
    candidates: int | None = None,
    keep: int | None = None,
) -> tuple[list[int], int | None]:
    """Settle which seeds to draw and how many faces to keep of them.

    Args:
        seed: The first of consecutive seeds, or all of them, or None to draw the first.
        num_images: How many images are wanted.
        candidates: How many to draw to choose from; None = no choice.
        keep: How many to keep of the candidates; None = num_images.

    Returns:
        The seeds, and how many to keep (None = all, in order).

    Raises:
        ArgumentError: A number is out of range, or the numbers contradict each other.
    """
    check_count("num_images", num_images)
    if keep is not None and candidates is None:
        raise ArgumentError(f"keep is {keep} without candidates; say how many to choose from")
    if candidates is not None:
        check_count("candidates", candidates)
        keep = check_count("keep", num_images if keep is None else keep, most=candidates)
        if num_images not in (1, keep):
            raise ArgumentError(f"num_images is {num_images} and keep is {keep}; give one of them")
    count = candidates or num_images
    if isinstance(seed, Sequence) and not isinstance(seed, str):
        seeds = [check_seed(one) for one in seed]
        if not seeds or count not in (1, len(seeds)):
            raise ArgumentError(f"{len(seeds)} seeds for {count} images; give one for each")
        return seeds, keep
    first = secrets.randbelow(2**31) if seed is None else check_seed(seed)
    check_seed(first + count - 1)
    return list(range(first, first + count)), keep
