"""The command `sae`. Heavy imports sit inside the commands that need them."""

from __future__ import annotations

import json
import logging
import pathlib
import shutil
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

import pipeline_config
from pipeline import settings
from pipeline.errors import ExitCode, SaeError
from pipeline.root import Root


def _setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which configuration to use; `_request` reads them."""
    options = [
        click.option(
            "--profile",
            default=settings.DEFAULT_PROFILE,
            show_default=True,
            metavar="NAME",
            help=f"Named set of settings: {', '.join(pipeline_config.PROFILES)}.",
        ),
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=pathlib.Path),
            metavar="FILE",
            help="TOML file with settings, such as [training] epochs = 5.",
        ),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="NAME=VALUE",
            help="One setting, such as training.epochs=5; may be repeated. `sae config show` lists them.",
        ),
        click.option("--seed", type=int, metavar="N", help="Seed of the weights and of each epoch's order."),
        click.option(
            "--root", metavar="DIR", help=f"The pipeline root; also {settings.ROOT_VARIABLE}.  [default: pipeline_root]"
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _request(
    profile: str, config_file: pathlib.Path | None, assignments: tuple[str, ...], seed: int | None, root: str | None
) -> settings.Request:
    return settings.Request(profile, config_file, assignments, seed, root)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="sae-pipeline", prog_name="sae")
def sae(verbose: bool) -> None:
    """Trains a sparse autoencoder in a TFX pipeline on this machine.

    Exit codes: 0 done, 1 a node failed, 2 usage, 3 not found, 4 a gate failed (not blessed, or anomalies in the data),
    5 the root is locked, 6 environment or data unavailable, 130 interrupted.
    """
    del verbose  # read by `main`, which also handles errors before this runs


def _part_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which nodes a run executes."""
    options = [
        click.option("--from-node", default="", metavar="NODE", help="Run this node and those after it."),
        click.option("--to-node", default="", metavar="NODE", help="Run this node and those before it."),
        click.option(
            "--base",
            "base_run",
            default="",
            metavar="RUN",
            help="Run to take the other nodes' outputs from.  [default: newest]",
        ),
        click.option("--no-cache", is_flag=True, help="Execute every node."),
        click.option(
            "--verify-cache", is_flag=True, help="Read all bytes of what is reused, not only those of changed times."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@sae.command()
@_setting_options
@_part_options
@click.option(
    "--like", type=click.Path(path_type=pathlib.Path), metavar="FILE", help="Manifest of a run to make again."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object on standard output.")
def run(
    from_node: str,
    to_node: str,
    base_run: str,
    no_cache: bool,
    verify_cache: bool,
    like: pathlib.Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run the pipeline: data, validation, transform, training, evaluation, report, push."""
    from pipeline import manifest
    from pipeline import run as run_module
    from pipeline.summary import summary_text

    request = run_module.RunRequest(
        _request(**options),
        from_node,
        to_node,
        base_run,
        use_cache=not no_cache,
        all_bytes=verify_cache,
        command=tuple(sys.argv),
        like=manifest.from_json(like.read_text(encoding="utf-8"), str(like)) if like else None,
    )
    summary = run_module.run(request)
    if as_json:
        click.echo(summary.as_json())
    else:
        click.echo(summary_text(summary, _program()))
    sys.stdout.flush()
    raise SystemExit(int(summary.exit_code))


@sae.command()
@_setting_options
@_part_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(
    from_node: str,
    to_node: str,
    base_run: str,
    no_cache: bool,
    verify_cache: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Say which nodes `sae run` with the same options would run, and why. Runs and writes nothing."""
    from pipeline import plan as plan_module

    made = plan_module.make(
        plan_module.Request(_request(**options), from_node, to_node, base_run, not no_cache, verify_cache)
    )
    click.echo(made.as_json() if as_json else made.as_text())


_root_option = click.option(
    "--root", metavar="DIR", help=f"The pipeline root; also {settings.ROOT_VARIABLE}.  [default: pipeline_root]"
)


def _root(given: str | None) -> Root:
    return Root(pathlib.Path(settings.resolve(settings.Request(root=given)).config.paths.root).resolve())


@sae.command()
@click.argument("run_id", metavar="RUN")
@click.argument("node", metavar="NODE")
@_root_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def why(run_id: str, node: str, root: str | None, as_json: bool) -> None:
    """Say why a node ran in a run, or did not: what its result depends on, part by part, against before.

    RUN is an id, the beginning of one, or `latest`.
    """
    from pipeline import why as why_module

    answer = why_module.explain(_root(root), run_id, node)
    click.echo(answer.as_json() if as_json else answer.as_text())


@sae.command("show")
@click.argument("run_id", metavar="RUN")
@click.option("--manifest", "whole", is_flag=True, help="What the run was made from, as one JSON object.")
@_root_option
def show_run(run_id: str, whole: bool, root: str | None) -> None:
    """Show a run: its nodes, how they ended, and the digests of what they made.

    RUN is an id, the beginning of one, or `latest`.
    """
    from pipeline import manifest, show

    place = _root(root)
    if whole:
        click.echo(manifest.to_json(manifest.read(place.path, show.find(place, run_id))).rstrip())
    else:
        click.echo(show.as_text(place, run_id))


@sae.command()
@click.argument("run_id", metavar="RUN")
@click.option("--node", default="", metavar="NODE", help="Make this node alone again, on the inputs that it had.")
@_root_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(run_id: str, node: str, root: str | None, as_json: bool) -> None:
    """Make a run again elsewhere, in other surroundings, and compare it artifact by artifact.

    RUN is an id, the beginning of one, or `latest`. Exits with 4 where content differs.
    """
    from pipeline import verify as verify_module

    found = verify_module.verify(_root(root), run_id, node, lambda line: click.echo(line, err=True))
    click.echo(found.as_json() if as_json else verify_module.as_text(found))
    if not found.good:
        raise SystemExit(int(ExitCode.GATE_FAILED))


@sae.command()
@_root_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def fsck(root: str | None, as_json: bool) -> None:
    """Check a root: its artifacts against their digests, and ML Metadata against the disk. Reads all, writes nothing.

    Exits with 4 on damage.
    """
    from pipeline import fsck as fsck_module

    found = fsck_module.check(_root(root))
    click.echo(found.as_json() if as_json else found.as_text())
    if found.exit_code:
        raise SystemExit(int(found.exit_code))


def _program() -> str:
    """What to type for this command: `sae` where that is on PATH, else `.venv/bin/sae` as it was called."""
    called = pathlib.Path(sys.argv[0])
    return "sae" if shutil.which("sae") or called.name != "sae" else str(called)


@sae.group()
def config() -> None:
    """Show or check a configuration without running it."""


@config.command()
@_setting_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(as_json: bool, **options: Any) -> None:
    """Print every setting, where its value came from and what it means, as a file for --config."""
    resolved = settings.resolve(_request(**options))
    values = pipeline_config.flatten(resolved.config)
    if as_json:
        fields = {
            name: {"value": value if value != float("inf") else None, "origin": resolved.origins[name]}
            for name, value in values.items()
        }
        click.echo(json.dumps({"schema_version": 1, "profile": resolved.profile, "settings": fields}, indent=2))
        return
    click.echo(_as_toml(values, resolved.origins))


def _as_toml(values: dict[str, pipeline_config.Value], origins: dict[str, str]) -> str:
    """A file for --config, with each value's origin and meaning behind it."""
    lines = []
    for section in pipeline_config.SECTIONS:
        lines.append(f"[{section}]")
        names = [name for name in values if name.startswith(f"{section}.")]
        settings_of_section = [f"{name.partition('.')[2]} = {_toml_value(values[name])}" for name in names]
        width = max(map(len, settings_of_section))
        for name, text in zip(names, settings_of_section, strict=True):
            meaning = pipeline_config.setting_field(name).metadata["meaning"]
            lines.append(f"{text:<{width}}  # ({origins[name]}) {meaning}")
        lines.append("")
    return "\n".join(lines).rstrip()


def _toml_value(value: pipeline_config.Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # JSON's text is TOML's basic string; Python writes floats, and inf, as TOML does.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


@config.command()
@_setting_options
def check(**options: Any) -> None:
    """Exit with 0 when the configuration is valid, else name what is wrong and exit with 2."""
    resolved = settings.resolve(_request(**options))
    origins = list(resolved.origins.values())
    profile = sum(origin.startswith("profile ") for origin in origins)
    given = len(origins) - profile - origins.count("default")
    click.echo(f"valid: {profile} settings from profile {resolved.profile}, {given} from you, the rest by default")


@sae.command()
@_setting_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool, **options: Any) -> None:
    """Check interpreter, packages, engine, disk and data; say what is wrong and what to do."""
    from pipeline import doctor as doctor_module

    checks = doctor_module.examine(settings.resolve(_request(**options)).config)
    click.echo(doctor_module.as_json(checks) if as_json else doctor_module.as_text(checks))
    if not all(check.good for check in checks):
        raise SystemExit(int(ExitCode.ENVIRONMENT))


def main(arguments: list[str] | None = None) -> None:
    """Entry point. One line per error; the traceback with --verbose."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = bool({"-v", "--verbose"} & set(arguments))
    # As the option of the group it stands before the command's name; people write it behind.
    arguments = [argument for argument in arguments if argument not in ("-v", "--verbose")]
    logging.captureWarnings(True)
    try:
        code = sae.main(args=arguments, prog_name="sae", standalone_mode=False)
        raise SystemExit(code or 0)
    except click.ClickException as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            error.show()
        else:
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "sae"
            click.echo(f"error: {error.format_message().rstrip('.')}; `{command} --help` shows what there is", err=True)
        raise SystemExit(int(ExitCode.USAGE)) from None
    except (KeyboardInterrupt, click.exceptions.Abort):  # click turns the one into the other
        click.echo("interrupted", err=True)
        _leave(ExitCode.INTERRUPTED)
    except SaeError as error:
        if verbose:
            traceback.print_exc()
        click.echo(f"error: {error}", err=True)
        raise SystemExit(int(error.exit_code)) from None
    except OSError as error:
        if verbose:
            traceback.print_exc()
        where = f": {error.filename}" if error.filename else ""
        click.echo(f"error: {error.strerror or error}{where}", err=True)
        raise SystemExit(int(ExitCode.ENVIRONMENT)) from None
    except Exception as error:
        if verbose:
            traceback.print_exc()
        reason = (str(error).splitlines() or [""])[0]
        click.echo(f"error: unexpected {type(error).__name__}: {reason} (--verbose shows where)", err=True)
        raise SystemExit(int(ExitCode.NODE_FAILED)) from None


def _leave(code: ExitCode) -> None:
    """Ends the process at once: threads and worker processes of the libraries may still be busy."""
    import os

    from pipeline import cancellation

    cancellation.kill_children()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
