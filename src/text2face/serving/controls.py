"""The page's controls for `Settings`, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from text2face.registry import names
from text2face.settings import Option, PipelineConfig, Settings, options

__all__ = ["read_controls", "setting_controls", "show_settings"]


def setting_controls(config: PipelineConfig) -> list[Any]:
    """A control for each field of `Settings`, with the model's defaults."""
    return [_control(option, config) for option in options()]


def read_controls(values: Sequence[Any]) -> dict[str, Any]:
    """What stands on the controls, as keyword arguments of `TextToFace.settings`.

    Raises:
        ArgumentError: A value is beyond what a server takes.
    """
    given: dict[str, Any] = {}
    for option, value in zip(options(), values, strict=True):
        if isinstance(value, str):
            value = value.strip() or None
        elif option.kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        elif option.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if value is not None:
            option.check(value, served=True)
            given[option.name] = value
    return given


def show_settings(settings: Settings) -> list[Any]:
    """What the controls show for settings."""
    values = [(option.kind, getattr(settings, option.name)) for option in options()]
    return ["" if kind is str and value is None else value for kind, value in values]


def _control(option: Option, config: PipelineConfig) -> Any:
    default = getattr(config, option.name) if option.from_model else option.default
    named: dict[str, Any] = {
        "label": option.label,
        "info": option.help,
        "elem_id": f"setting-{option.name}",
    }
    if option.name == "condition":
        known = list(dict.fromkeys([default, *names("condition")]))
        return gr.Dropdown(known, value=default, allow_custom_value=True, **named)
    if option.choices:
        return gr.Dropdown(list(option.choices), value=default, **named)
    if option.kind is bool:
        return gr.Checkbox(value=bool(default), **named)
    if option.kind is str:
        return gr.Textbox(value=default or "", **named)
    low, high = option.least, option.most_served
    if option.kind is float and low is not None and high is not None:
        return gr.Slider(low, high, default, step=0.05, **named)
    if option.kind is int:
        named["precision"] = 0
    return gr.Number(default, minimum=low, maximum=high, **named)
