"""Options whose values are the names of a registry."""

from __future__ import annotations

from typing import Any

import click

from text2face import registry

__all__ = ["RegisteredName"]


class RegisteredName(click.ParamType):  # type: ignore[type-arg]
    """The name of something that is registered, a plugin's too."""

    def __init__(self, kind: str) -> None:
        """Take the names of a kind, see `registry.KINDS`."""
        self.kind = self.name = kind

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """All names, as help shows them."""
        return f"[{'|'.join(registry.names(self.kind))}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See that there is one of this name."""
        known = registry.names(self.kind)
        if value not in known:
            self.fail(f"{value!r} is not one of {', '.join(map(repr, known))}.", param, ctx)
        return str(value)
