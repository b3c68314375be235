"""The page's controls for `Settings`, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from text2face.errors import ArgumentError, quoted
from text2face.registry import names
from text2face.settings import Option, PipelineConfig, Settings, options

__all__ = ["controls", "differing", "read_controls"]

_BELOW: Final = 0.1
_ABOVE: Final = 0.3


def controls(config: PipelineConfig) -> list[dict[str, Any]]:
    """What a control for each field of `Settings` shows, with the model's defaults."""
    return [_control(option, config) for option in options()]


def read_controls(values: Mapping[str, Any]) -> dict[str, Any]:
    """What stands on the controls, as keyword arguments of `TextToFace.settings`.

    Raises:
        ArgumentError: There is no such control, or a value is beyond what a server takes.
    """
    known = {option.name: option for option in options()}
    given: dict[str, Any] = {}
    for name, value in values.items():
        option = known.get(name)
        if option is None:
            raise ArgumentError(
                f"unknown setting {quoted(name)}, expected one of {', '.join(known)}"
            )
        if isinstance(value, str):
            value = value.strip() or None
        elif option.kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        elif option.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if value is not None:
            option.check(value, served=True)
            given[name] = value
    return given


def differing(settings: Settings, config: PipelineConfig) -> dict[str, Any]:
    """The settings that are not the model's defaults."""
    return {
        option.name: getattr(settings, option.name)
        for option in options()
        if getattr(settings, option.name) != _default(option, config)
    }


def _default(option: Option, config: PipelineConfig) -> Any:
    return getattr(config, option.name) if option.from_model else option.default


def _control(option: Option, config: PipelineConfig) -> dict[str, Any]:
    default = _default(option, config)
    shown: dict[str, Any] = {
        "name": option.name,
        "label": option.label,
        "help": option.help,
        "kind": option.kind.__name__,
        "default": default,
        "low": option.least,
        "high": option.most_served,
    }
    if option.name == "condition":
        shown["choices"] = list(dict.fromkeys([default, *names("condition")]))
    elif option.choices:
        shown["choices"] = list(option.choices)
    if option.name == "truncation":
        # Far from the model's own ψ, its faces are no faces: they are seldom wanted.
        shown["low"] = max(shown["low"], round(default - _BELOW, 2))
        shown["high"] = min(shown["high"], round(default + _ABOVE, 2))
    return shown
