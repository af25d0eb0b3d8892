"""Options and arguments that several commands share, and what they stand for."""

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

import pipeline_config
from pipeline.cli import completion
from pipeline.core import settings
from pipeline.core.pipeline_root import root_of

if TYPE_CHECKING:
    from pipeline.inspection.reader import Reader

root_option = click.option(
    "--root",
    metavar="DIR",
    shell_complete=completion.folders,
    help=f"The pipeline root; also {settings.ROOT_VARIABLE}.  [default: pipeline_root]",
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


def setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which configuration to use; `request` reads them."""
    options = [
        click.option(
            "--profile",
            default=settings.DEFAULT_PROFILE,
            show_default=True,
            metavar="NAME",
            shell_complete=completion.profiles,
            help=f"Named set of settings: {', '.join(pipeline_config.PROFILES)}.",
        ),
        config_option,
        set_option,
        click.option("--seed", type=int, metavar="N", help="Seed of the weights and of each epoch's order."),
        root_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def request(
    profile: str, config_file: pathlib.Path | None, assignments: tuple[str, ...], seed: int | None, root: str | None
) -> settings.Request:
    """What `setting_options` say."""
    return settings.Request(profile, config_file, assignments, seed, root)


def part_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which nodes a run executes."""
    options = [
        click.option(
            "--from-node",
            default="",
            metavar="NODE",
            shell_complete=completion.nodes,
            help="Run this node and those after it.",
        ),
        click.option(
            "--to-node",
            default="",
            metavar="NODE",
            shell_complete=completion.nodes,
            help="Run this node and those before it.",
        ),
        click.option(
            "--base",
            "base_run",
            default="",
            metavar="RUN",
            shell_complete=completion.runs,
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


run_argument = click.argument("run_id", metavar="RUN", shell_complete=completion.runs)
node_argument = click.argument("node", metavar="NODE", shell_complete=completion.nodes)
artifact_argument = click.argument("artifact", metavar="ID", shell_complete=completion.artifacts)


@dataclasses.dataclass(frozen=True)
class Asked:
    """What `reading_options` say.

    Attributes:
      metadata: a store to read in place of the root's; None where not given.
      root: of `--root`; None where not given.
      as_json: whether JSON is wanted.
    """

    metadata: str | None
    root: str | None
    as_json: bool

    @contextlib.contextmanager
    def reader(self) -> Iterator[Reader]:
        """Opens the store."""
        from pipeline.inspection.locations import open_reader

        with open_reader(self.metadata, root_of(self.root)) as reader:
            yield reader


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what to read and how to print it, handed to the command as one `Asked`."""

    def with_asked(metadata: str | None, root: str | None, as_json: bool, **others: Any) -> None:
        command(Asked(metadata, root, as_json), **others)

    return root_option(metadata_option(json_option(in_place_of(command, with_asked))))


def in_place_of(command: Callable[..., None], other: Callable[..., None]) -> Callable[..., None]:
    """`other`, which calls `command`, with its name, its help and the options that it has already."""
    other.__name__, other.__doc__ = command.__name__, command.__doc__
    other.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    return other


metadata_option = click.option(
    "--metadata",
    metavar="FILE|URL",
    type=click.Path(path_type=str),
    help="Another store of ML Metadata: an SQLite file, or postgresql://... or mysql://...",
)


def program() -> str:
    """What to type for this command: `sae` where that is on PATH, else `.venv/bin/sae` as it was called."""
    called = pathlib.Path(sys.argv[0])
    return "sae" if shutil.which("sae") or called.name != "sae" else str(called)
