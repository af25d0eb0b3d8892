"""The entry point: run a command, and print one line for an error."""

from __future__ import annotations

import logging
import os
import sys
import traceback

import click

from pipeline.cli import output
from pipeline.cli.group import sae
from pipeline.core.errors import ExitCode, SaeError
from pipeline.core.text import escaped


def main(arguments: list[str] | None = None) -> None:
    """Run the command of these arguments and exit; print one line for an error, with --verbose its traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = bool({"-v", "--verbose"} & set(arguments))
    # An option of the group comes before the name of the command; users type it after the name as well.
    arguments = [argument for argument in arguments if argument not in ("-v", "--verbose")]
    logging.captureWarnings(True)
    try:
        code = _run(arguments)
        raise SystemExit(code or 0)
    except click.ClickException as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            error.show()
        else:
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "sae"
            click.echo(f"error: {error.format_message().rstrip('.')}; see `{command} --help`", err=True)
        raise SystemExit(int(ExitCode.USAGE)) from None
    except (KeyboardInterrupt, click.exceptions.Abort):  # click turns the former into the latter
        click.echo("interrupted", err=True)
        _leave(ExitCode.INTERRUPTED)
    except SaeError as error:
        if verbose:
            traceback.print_exc()
        _say(str(error))
        raise SystemExit(int(error.exit_code)) from None
    except OSError as error:
        if verbose:
            traceback.print_exc()
        where = f": {error.filename}" if error.filename else ""
        _say(f"{error.strerror or error}{where}")
        raise SystemExit(int(ExitCode.ENVIRONMENT)) from None
    except Exception as error:
        if verbose:
            traceback.print_exc()
        reason = (str(error).splitlines() or [""])[0]
        _say(f"unexpected {type(error).__name__}: {reason} (--verbose prints the traceback)")
        raise SystemExit(int(ExitCode.NODE_FAILED)) from None


def _say(error: str) -> None:
    """Print one line, whatever names from a store are in it."""
    click.echo(f"error: {escaped(error)}", err=True)


def _run(arguments: list[str]) -> int | None:
    """Run the command; if the reader of its output closes the pipe early, exit quietly."""
    stream = sys.stdout
    try:
        code: int | None = sae.main(args=arguments, prog_name="sae", standalone_mode=False)
    except SystemExit:
        # click exits with 1 after any broken pipe, including one between processes of a run.
        if sys.stdout is not stream and output.reader_is_gone(stream):
            raise SystemExit(int(ExitCode.DONE)) from None
        raise
    return code


def _leave(code: ExitCode) -> None:
    """Exit at once: threads and worker processes of libraries may still be busy."""
    from pipeline.orchestration import cancellation

    cancellation.kill_children()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
