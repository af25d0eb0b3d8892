"""Options and arguments shared by commands, and the requests made from them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import completion
from pipeline.core import settings
from pipeline.core.pipeline_root import Root
from pipeline_config import PipelineConfig

if TYPE_CHECKING:
    from pipeline.definition.spec import Pipeline
    from pipeline.inspection.reader import Reader


def resolve_root(given: str | None) -> Root:
    """Return the root of `--root`, else of SAE_ROOT, else the default one."""
    return Root(pathlib.Path(settings.resolve(settings.Request(root=given)).config.paths.root).resolve())


def current_pipeline() -> Pipeline:
    """Return the pipeline of `--pipeline`, else of SAE_PIPELINE, else of the root, else the one of this project."""
    from pipeline.definition.spec import of_root

    context = click.get_current_context(silent=True)
    given = (context.find_root().params.get("pipeline") if context else "") or ""
    return of_root(resolve_root(context.params.get("root") if context else None), given)


root_option = click.option(
    "--root",
    metavar="DIR",
    shell_complete=completion.folders,
    help=f"Pipeline root; also {settings.ROOT_VARIABLE}.  [default: pipeline_root]",
)
node_option = functools.partial(click.option, default="", metavar="NODE", shell_complete=completion.nodes)
config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=pathlib.Path),
    metavar="FILE",
    help="TOML file with settings, such as [training] epochs = 5.",
)
set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="One setting, such as training.epochs=5; may be repeated. `sae config show` lists them.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
limit_option = click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Maximum number of rows."
)


def setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select the configuration; `request` reads them."""
    options = [
        click.option(
            "--profile",
            default="",
            metavar="NAME",
            shell_complete=completion.profiles,
            help=f"Named set of settings: {', '.join(PipelineConfig.profiles)}.  [default: the first]",
        ),
        config_option,
        set_option,
        click.option("--seed", type=int, metavar="N", help="Seed of the weights and of the order in each epoch."),
        root_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def request(
    profile: str, config_file: pathlib.Path | None, assignments: tuple[str, ...], seed: int | None, root: str | None
) -> settings.Request:
    """Return the request for settings that `setting_options` give."""
    config_type = current_pipeline().configuration
    profile = profile or next(iter(config_type.profiles), "")
    return settings.Request(profile, config_file, assignments, seed, root, config_type)


def part_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select the nodes of a run."""
    options = [
        click.option(
            "--from-node",
            default="",
            metavar="NODE",
            shell_complete=completion.nodes,
            help="Run this node and the nodes after it.",
        ),
        click.option(
            "--to-node",
            default="",
            metavar="NODE",
            shell_complete=completion.nodes,
            help="Run this node and the nodes before it.",
        ),
        click.option(
            "--base",
            "base_run",
            default="",
            metavar="RUN",
            shell_complete=completion.runs,
            help="Run whose outputs the other nodes provide.  [default: newest]",
        ),
        click.option("--no-cache", is_flag=True, help="Execute every node."),
        click.option(
            "--verify-cache",
            is_flag=True,
            help="Hash every file of reused artifacts, not only changed ones.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


run_argument = click.argument("run_id", metavar="RUN", shell_complete=completion.runs)
node_argument = click.argument("node", metavar="NODE", shell_complete=completion.nodes)
artifact_argument = click.argument("artifact", metavar="ID", shell_complete=completion.artifacts)
schedule_argument = click.argument("name", metavar="NAME", shell_complete=completion.schedules)


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """The options of a command that reads.

    Attributes:
      metadata: a store to read instead of the root's; None where not given.
      root: of `--root`; None where not given.
      as_json: whether to print JSON.
    """

    metadata: str | None
    root: str | None
    as_json: bool

    @contextlib.contextmanager
    def reader(self) -> Iterator[Reader]:
        """Open the store."""
        # Imported here: this module is imported for `--help` and completion too, which read nothing.
        from pipeline.inspection.locations import open_reader

        with open_reader(current_pipeline(), self.metadata, resolve_root(self.root)) as reader:
            yield reader


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what to read and how to print it; the command gets them as one `ReadOptions`."""

    def with_options(metadata: str | None, root: str | None, as_json: bool, **others: Any) -> None:
        command(ReadOptions(metadata, root, as_json), **others)

    with_options.__doc__ = command.__doc__
    with_options.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    return root_option(metadata_option(json_option(with_options)))


metadata_option = click.option(
    "--metadata",
    metavar="FILE|URL",
    type=click.Path(path_type=str),
    help="Read this ML Metadata store: an SQLite file, or postgresql://... or mysql://...",
)


def program() -> str:
    """Return the name to type for this command: `sae` where that is on PATH, else `.venv/bin/sae` as it was called."""
    called = pathlib.Path(sys.argv[0])
    return "sae" if shutil.which("sae") or called.name != "sae" else str(called)
