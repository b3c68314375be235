"""The options of the command line that `Settings` declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from text2face.settings import Option, options

__all__ = ["setting_options", "take_settings"]

F = TypeVar("F", bound=Callable[..., Any])


def setting_options(command: F) -> F:
    """Give a command one option for each field of `Settings`; None = not given."""
    for option in reversed(options()):
        command = _click_option(option)(command)
    return command


def take_settings(values: dict[str, Any]) -> dict[str, Any]:
    """Take the settings that were given out of a command's options."""
    taken = {option.name: values.pop(option.name) for option in options()}
    return {name: value for name, value in taken.items() if value is not None}


def _click_option(option: Option) -> Callable[[F], F]:
    named: Mapping[str, Any] = {"default": None, "help": _help(option)}
    if option.kind is bool:
        flag = f"{option.flag}/--no-{option.flag.removeprefix('--')}"
        return click.option(flag, option.name, **named)
    kind = click.Choice(option.choices) if option.choices else option.kind
    return click.option(option.flag, option.name, type=kind, metavar=option.info.metavar, **named)


def _help(option: Option) -> str:
    first, _, _ = option.help.partition(". ")
    default = "model's" if option.from_model else option.default
    if default is None or default is False:
        return f"{first.rstrip('.')}."
    return f"{first.rstrip('.')}.  [default: {default}]"
