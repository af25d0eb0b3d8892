"""The entry point: run a command, and print one line for an error."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Mapping
from typing import NoReturn

import click

from components.errors import cause_text
from pipeline.cli import output, process
from pipeline.cli.group import misplaced, sae
from pipeline.cli.selected import Selected, selected
from pipeline.core import parent_process
from pipeline.core.errors import ExitCode, SaeError, UnavailableError, UsageError, advice, check_text
from pipeline.core.suggestions import Selection
from pipeline.core.text import escaped, shortened

_COMPLETE = "_SAE_COMPLETE"
_OWN_PACKAGES = ("components", "pipeline", "pipeline_config", "sae")
_FAILED = ExitCode.ENVIRONMENT  # of an error of the file system


def main(arguments: list[str] | None = None) -> None:
    """Run the command of these arguments and exit; print one line for an error, with --verbose its traceback.

    Args:
      arguments: of the command, without its name; None: those of this process, which then ends with the command.
    """
    try:
        _main(sys.argv[1:] if arguments is None else arguments)
    except SystemExit as ended:
        if arguments is None and not isinstance(ended.code, str):  # Python prints a text
            process.end(ended.code or 0)
        raise


def _main(arguments: list[str]) -> None:
    process.complete()
    parent_process.end_with_parent()
    verbose = bool({"-v", "--verbose"} & set(arguments))
    # click accepts an option of the group only before the name of the command; users type it after the name as well.
    arguments = [argument for argument in arguments if argument not in ("-v", "--verbose")]
    logging.captureWarnings(True)
    given = selected()
    try:
        for number, argument in enumerate(arguments, start=1):
            check_text(f"argument {number}", argument)
        _check_completion(os.environ)
        raise SystemExit(_run(arguments, given) or 0)
    except click.ClickException as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            error.show()
        else:
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "sae"
            text = shortened(escaped(misplaced(error, arguments) or error.format_message().rstrip(".")))
            _tell(f"error: {text}; see `{command} --help`")
        raise SystemExit(int(ExitCode.USAGE)) from None
    except (KeyboardInterrupt, click.exceptions.Abort) as error:  # click turns the former into the latter
        if isinstance(error.__cause__, EOFError):  # and the end of a file that was read
            _report_and_exit(error.__cause__, verbose, given)
        _tell("interrupted")
        process.end_at_once(ExitCode.INTERRUPTED)
    except Exception as error:
        if isinstance(error, OSError) and isinstance(error.__context__, KeyboardInterrupt):
            process.end_at_once(ExitCode.INTERRUPTED)  # click could not print a line end on a closed terminal
        _report_and_exit(error, verbose, given)


def _report_and_exit(error: Exception, verbose: bool, given: Selected) -> NoReturn:
    if verbose:
        with contextlib.suppress(OSError):
            traceback.print_exception(error)
    text, code = _text_and_code(error)
    text = Selection(**given).completed(text)
    _tell(f"error: {shortened(escaped(text))}")  # the text may contain names from a store
    raise SystemExit(int(code)) from None


def _tell(line: str) -> None:
    """Print a line on standard error. If that cannot be written, as on a full disk, the exit code alone has to tell."""
    with contextlib.suppress(OSError):
        click.echo(line, err=True)


def _text_and_code(error: Exception) -> tuple[str, ExitCode]:
    if isinstance(error, SaeError):
        return str(error), error.exit_code
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.partition(".")[0] not in _OWN_PACKAGES:
        return (
            f"the Python package {error.name.partition('.')[0]} is not installed: this installation only reads; "
            "install `sae-pipeline[pipeline]`, or run `make setup` in a checkout"
        ), ExitCode.ENVIRONMENT
    if isinstance(error, shutil.Error) and error.args:  # it lists what could not be copied, and why
        failed = error.args[0]
        if not isinstance(failed, list):
            return str(failed), _FAILED
        source, target, why = map(str, failed[0])
        return f"cannot copy {source} to {target}: {why.partition(': ' + repr(source))[0]}", _FAILED
    if isinstance(error, OSError):
        # Of a copy, the second name is that of the new file. Python names no file in errors of writing to a stream.
        name = error.filename2 or error.filename or (output.NAME if output.is_refused(sys.stdout) else "")
        next_step = advice(error, "")
        return f"{cause_text(error)}{name and f': {name}'}{next_step and '; '}{next_step}", _FAILED
    reason = (str(error).splitlines() or [""])[0]
    return f"unexpected {type(error).__name__}: {reason} (--verbose prints the traceback)", ExitCode.NODE_FAILED


def _check_completion(variables: Mapping[str, str]) -> None:
    """Check what a shell asks click to complete. Raises `UsageError`."""
    given = variables.get(_COMPLETE)
    if not given:
        return
    allowed = [f"{shell}_{step}" for shell in ("bash", "zsh", "fish") for step in ("source", "complete")]
    if given not in allowed:
        raise UsageError(f"{_COMPLETE}={given}: use one of {', '.join(allowed)}, or unset it")
    if given.endswith("_source"):
        return
    word = variables.get("COMP_CWORD", "")
    is_number = word.isdecimal() and len(word) < 10
    if "COMP_WORDS" not in variables or "COMP_CWORD" not in variables or not (is_number or given == "fish_complete"):
        raise UsageError(
            f"{_COMPLETE}={given} needs COMP_WORDS, and COMP_CWORD as a number: the shell sets them; unset {_COMPLETE} "
            "to run a command"
        )


def _run(arguments: list[str], given: Selected) -> int | None:
    """Run the command; exit with 0 if the reader of its output closes the pipe early."""
    stream, errors = sys.stdout, sys.stderr
    try:
        code: int | None = sae.main(args=arguments, prog_name="sae", standalone_mode=False, obj=given)
    except SystemExit:
        # After any broken pipe, also one between two processes, click replaces the streams and exits without a message.
        if sys.stdout is stream or output.reader_is_gone(errors):
            raise
        if output.reader_is_gone(stream):
            raise SystemExit(int(ExitCode.DONE)) from None
        sys.stdout, sys.stderr = stream, errors
        raise UnavailableError(
            "a process that this command had started ended early, such as for lack of memory: try again"
        ) from None
    return code
