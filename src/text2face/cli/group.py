"""The group of all commands: words alone are drawn, a mistyped command is told, help has parts."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from text2face.cli.options import Command
from text2face.errors import quoted

__all__ = ["Commands"]

_DEFAULT: Final = "generate"
_PICTURE: Final = re.compile(r"\S+\.(png|jpe?g|webp|gif)", re.IGNORECASE)
_NEAR: Final = 0.75
"""From this likeness on (difflib's ratio), one word is taken for a mistyped command."""
_PREFIX: Final = 3
"""The beginning of a command, from so many letters on, is one too."""


class Commands(click.Group):
    """Commands in parts; `text2face "a man"` is `text2face generate "a man"`."""

    def set_parts(self, parts: Mapping[str, Sequence[click.Command]]) -> None:
        """Add commands under the headings of the help."""
        self.parts = parts
        for commands in parts.values():
            for command in commands:
                self.add_command(command)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the help."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the commands under their headings, each heading with an example."""
        width = max(map(len, self.commands))
        for heading, commands in self.parts.items():
            with formatter.section(heading):
                rows = [
                    (f"{command.name or '':{width}}", _first(command.get_short_help_str(300)))
                    for command in commands
                ]
                formatter.write_dl(rows)
                examples = [one.example for one in commands if isinstance(one, Command)]
                formatter.write_text(f"\b\n$ {examples[0]}")
        formatter.write_paragraph()
        formatter.write_text("Words alone are drawn: text2face 'an old man' -n 4")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the group's own options; one of `generate` before the words means `generate`."""
        start = 0
        while start < len(args) and args[start].partition("=")[0] == "--plugin":
            start += 1 if "=" in args[start] else 2
        if start < len(args) and args[start].startswith("-"):
            name = args[start].partition("=")[0]
            own = {name for option in self.get_params(ctx) for name in option.opts}
            known = {name for option in self.commands[_DEFAULT].params for name in option.opts}
            if name in known - own:
                args = [*args[:start], _DEFAULT, *args[start:]]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names, or `generate` if it is a prompt."""
        word = args[0]
        if word in self.commands or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        if near := self._near(word):
            line = shlex.join(["text2face", _DEFAULT, *args])
            ctx.fail(f"no command {quoted(word)}; did you mean {near}? To draw the word: {line}")
        if _PICTURE.fullmatch(word) or Path(word).is_file():
            line = shlex.join(["text2face", "info", word])
            ctx.fail(f"{quoted(word)} is a file, expected a command or words; did you mean {line}?")
        return _DEFAULT, self.commands[_DEFAULT], args

    def _near(self, word: str) -> str | None:
        """The command that one word is a mistyped form of, if it is."""
        if not word.replace("-", "").isalpha():
            return None
        lower = word.lower()
        starts = [name for name in self.commands if name.startswith(lower) and len(word) >= _PREFIX]
        near = difflib.get_close_matches(lower, self.commands, n=1, cutoff=_NEAR)
        return next(iter(starts + near), None)


def _first(text: str) -> str:
    """The first part of a sentence, for one line of the help."""
    return re.split("[:;.]", text)[0]
