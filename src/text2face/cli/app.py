"""The group of all commands, and how errors end it."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from text2face import registry
from text2face.cli import (
    completion,
    convert,
    describe,
    edit,
    evaluate,
    generate,
    info,
    models,
    push,
    serve,
    train,
    words,
)
from text2face.cli.errors import INTERRUPTED, fail
from text2face.cli.group import Commands
from text2face.errors import (
    ArgumentError,
    PromptError,
    Text2FaceError,
    is_out_of_memory,
    one_line,
)

__all__ = ["cli", "main"]

_SHOW: Final = "TEXT2FACE_TRACEBACK"
_OUT_OF_MEMORY: Final = (
    "out of memory; close other programs, lower --batch-size, or add --dtype bfloat16, where the "
    "command has them"
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code: every error is one line on stderr."""
    # Pillow tells of damaged EXIF, which does no harm, in two lines of Python.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    for stream in (sys.stdout, sys.stderr):  # what an old encoding lacks is escaped
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(arguments, prog_name="text2face", standalone_mode=False) or 0
        sys.stdout.flush()
    except click.ClickException as error:
        command = (
            error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        )
        hint = f"; see {command} --help" if command else ""
        code = fail(error.format_message().rstrip(".") + hint, error.exit_code)
    except Text2FaceError as error:
        code = fail(str(error), 2 if isinstance(error, PromptError | ArgumentError) else 1)
    except (click.Abort, KeyboardInterrupt):
        code = fail("interrupted", INTERRUPTED)
    except MemoryError:
        code = fail(_OUT_OF_MEMORY, 1)
    except BrokenPipeError:  # the reader of stdout has left, as `head` does
        sys.stdout = None
        code = 1
    except OSError as error:
        code = fail(_system_error(error), 1)
    except Exception as error:  # not foreseen: our fault, and still no page of internals
        if is_out_of_memory(error):
            sys.exit(fail(_OUT_OF_MEMORY, 1))
        if os.environ.get(_SHOW):
            raise
        code = fail(
            f"a fault of text2face: {type(error).__name__}: {one_line(error)}; set {_SHOW}=1 to "
            "see where, and report it",
            1,
        )
    sys.exit(code)


def _system_error(error: OSError) -> str:
    """What the system refused, and of which file."""
    why = (error.strerror or one_line(error) or type(error).__name__).lower()
    what = f"cannot use {error.filename}" if error.filename else "the system refused"
    fixes = {
        errno.EACCES: "expected a path that you may use; choose another, or change its permissions",
        errno.ENAMETOOLONG: "expected a shorter name; shorten it",
        errno.ENOSPC: "free some space or choose another disk",
    }
    return f"{what}: {why}; {fixes.get(error.errno or 0, 'check the path')}"


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.version_option(package_name="text2face", message="text2face %(version)s")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="MODULE",
    help="Import a module, or a .py file, that adds to text2face.",
)
@click.pass_context
def cli(context: click.Context, plugins: tuple[str, ...]) -> None:
    """Words to faces."""
    for plugin in plugins:
        registry.load_plugin(plugin)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


cli.set_parts(
    {
        "Draw faces": (generate.generate, words.words),
        "Change faces": edit.COMMANDS,
        "Look at pictures": (info.info, describe.describe),
        "Serve": (serve.ui, serve.serve),
        "Make models": (
            train.train,
            train.pairs,
            evaluate.evaluate,
            models.models,
            convert.convert,
            push.push,
        ),
        "Set up": (completion.completion,),
    }
)
