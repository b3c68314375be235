"""The command line: thin, with everything heavy imported inside the commands."""

from text2face.cli.app import cli, main

__all__ = ["cli", "main"]
