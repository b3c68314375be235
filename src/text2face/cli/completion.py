"""`text2face completion`: what makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from text2face.cli.options import Command

__all__ = ["completion"]


@click.command(
    cls=Command,
    example="text2face completion bash > ~/.text2face-completion",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script with which a shell completes commands and options.

    bash: save it and source it in ~/.bashrc. zsh: save it as _text2face in a folder of $fpath.
    fish: save it as ~/.config/fish/completions/text2face.fish.
    """
    root = click.get_current_context().find_root().command
    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(root, {}, "text2face", "_TEXT2FACE_COMPLETE").source())
