"""Shared behaviour of all commands: an option that would have no effect is an error."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from text2face.errors import ArgumentError
from text2face.lists import NO_LISTS, Library
from text2face.threads import use_threads

__all__ = [
    "Command",
    "device_options",
    "dtype_option",
    "given_options",
    "library_of",
    "library_options",
    "reject_options",
    "threads_option",
]

F = TypeVar("F", bound=Callable[..., Any])

_LOADING: Final = ("device", "encoder", "model")
"""A command with one of these parameters loads weights, which takes seconds."""


class Command(click.Command):
    """A command that refuses an option which is given twice, when only the last would count."""

    def __init__(self, *args: Any, example: str = "", **named: Any) -> None:
        """Take what click takes, and one line that shows how the command is used."""
        if example:
            named["epilog"] = f"\b\nExample:\n  {example}"
        super().__init__(*args, **named)
        self.example = example

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line."""
        order = self.make_parser(ctx).parse_args(args=list(args))[2]
        for parameter, times in Counter(order).items():
            if times > 1 and isinstance(parameter, click.Option) and not _may_repeat(parameter):
                raise click.UsageError(
                    f"{max(parameter.opts, key=len)} is given {times} times; expected once", ctx
                )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run; where a person waits for a model, say so before the heavy imports."""
        loads = not ctx.params.keys().isdisjoint(_LOADING)
        if loads and not ctx.params.get("quiet") and sys.stderr.isatty():
            click.echo("loading …", err=True)
        return super().invoke(ctx)


def threads_option(command: F) -> F:
    """Give a command --threads, which is applied before torch is loaded."""

    def use(context: click.Context, parameter: click.Parameter, count: int | None) -> None:
        if count is not None and not context.resilient_parsing:
            use_threads(count)

    return click.option(
        "--threads",
        type=click.IntRange(1, 1024),
        expose_value=False,
        callback=use,
        help="Of the processor.  [default: one for each core]",
    )(command)


def library_options(command: F) -> F:
    """Give a command --wildcards and --styles-file: what templates draw on."""
    for option in (
        click.option(
            "--styles-file",
            "styles_file",
            type=click.Path(path_type=Path),
            help="Styles: a styles.csv of the AUTOMATIC1111 web UI, or JSON.",
        ),
        click.option(
            "--wildcards",
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            help="Lists for __NAME__ in prompts: NAME.txt, a choice a line.",
        ),
    ):
        command = option(command)
    return command


def library_of(options: dict[str, Any]) -> Library:
    """Take what `library_options` gives out of a command's options."""
    given = (options.pop("wildcards"), options.pop("styles_file"))
    return NO_LISTS if given == (None, None) else Library(*given)


def device_options(command: F) -> F:
    """Give a command --device and --threads."""
    device = click.option(
        "--device", default="auto", show_default=True, help="auto, cpu, cuda or mps."
    )
    return device(threads_option(command))


def dtype_option(default: str = "float32") -> Callable[[F], F]:
    """Give a command --dtype; None = not given.

    Args:
        default: What is said of the default.
    """
    return click.option(
        "--dtype",
        type=click.Choice(["float32", "float16", "bfloat16"]),
        help=f"The generator's number type.  [default: {default}]",
    )


def _may_repeat(option: click.Option) -> bool:
    """Whether an option means the same however often it is given, or all of it counts."""
    return option.multiple or option.count or (option.is_flag and not option.secondary_opts)


def given_options(context: click.Context) -> set[str]:
    """The names of the parameters that were given, rather than left to their defaults."""
    explicit = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    return {
        parameter.name
        for parameter in context.command.params
        if parameter.name and context.get_parameter_source(parameter.name) in explicit
    }


def reject_options(
    context: click.Context, names: Collection[str], beside: str, instead: str = ""
) -> None:
    """Refuse options that would not be honoured, unless they ask for what is done anyway.

    Args:
        context: Of the command.
        names: The parameters that do not go.
        beside: What they do not go with.
        instead: What to do about it.

    Raises:
        ArgumentError: One of them was given.
    """
    explicit = given_options(context)
    for parameter in context.command.params:
        if (
            parameter.name in explicit
            and parameter.name in names
            and context.params.get(parameter.name, ...) != parameter.get_default(context)
        ):
            raise ArgumentError(
                f"{max(parameter.opts, key=len)} does not go with {beside}; "
                f"{instead or 'leave it out'}"
            )
