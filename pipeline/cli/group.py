"""The commands of `sae` and of its groups: their sections in the help, their modules, and one line about each.

The module of a command is imported when the command is called, so `sae --help` imports none of them, and a
module can import at its top what its commands need. Command `NAME` is `NAME_command` in its module. A name may have two
words, such as `export airflow` beside `export DIR`.
"""

from __future__ import annotations

import collections
import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from pipeline.cli.command import NonEmptyCommand
from pipeline.cli.selected import set_selected
from pipeline.core import garbage_collector

Sections = Mapping[str, Mapping[str, tuple[str, str]]]  # by section and name: module, one line of help

_COMMANDS: Sections = {
    "Run": {
        "run": ("run", "Run the pipeline or a part of it."),
        "resume": ("run", "Resume a failed or interrupted run."),
        "plan": ("run", "Show which nodes would run, and why."),
        "worker": ("worker", "Run the Beam jobs of a cluster on this host."),
        "doctor": ("config", "Check interpreter, packages, engine, disk and data."),
        "config": ("config", "Show or check the configuration."),
    },
    "Data": {"data": ("group", "Make data sets of your own files; list, show, remove.")},
    "Inspect": {
        "runs": ("runs", "List runs, newest first."),
        "show": ("show", "Show a run: its nodes, metrics and configuration."),
        "why": ("compare", "Explain why a node was executed or cached."),
        "diff": ("compare", "Compare two runs and find the first difference."),
        "artifacts": ("artifacts", "List artifacts, newest first."),
        "artifact": ("artifacts", "Show an artifact."),
        "lineage": ("artifacts", "Draw the lineage of an artifact."),
        "tag": ("annotate", "Add tags to a run, or remove them."),
        "note": ("annotate", "Write a note on a run."),
        "logs": ("runs", "Print the log of a run or of one of its nodes."),
        "open": ("runs", "Open the report of a run in the browser."),
    },
    "Check": {
        "verify": ("maintenance", "Rerun a run in a clean environment and compare every artifact."),
        "fsck": ("maintenance", "Check the files of a root against their digests."),
    },
    "Compare settings": {"sweep": ("group", "Run the pipeline with many settings and seeds, and compare.")},
    "Schedule": {"schedule": ("group", "Schedule runs, and start them on time.")},
    "Models and storage": {
        "models": ("models", "List pushed models, and promotions and rollbacks."),
        "promote": ("models", "Serve the model of a run."),
        "rollback": ("models", "Serve the previous model again."),
        "encode": ("encode", "Write the codes of new data."),
        "pin": ("models", "Protect a run from `sae gc`."),
        "unpin": ("models", "Undo `sae pin`."),
        "gc": ("maintenance", "Delete the bytes of old artifacts; a dry run without --yes."),
        "restore": ("maintenance", "Regenerate an artifact, or restore the metadata store."),
    },
    "Cluster": {"cluster": ("group", "Run a cluster of Flink or Spark on this machine.")},
    "In the browser": {
        "serve": ("serve", "Serve web pages about runs and artifacts."),
        "export": ("serve", "Write these pages as files that open from disk."),
    },
    "Other orchestrators": {
        "export airflow": ("export", "Write the pipeline as a DAG of Apache Airflow."),
        "export kfp": ("export", "Write the pipeline for Kubeflow Pipelines."),
    },
}


class _Commands(collections.UserDict[str, Any]):
    """Commands by name, imported on access."""

    def __getitem__(self, name: str) -> click.Command:
        module, _ = self.data[name]
        with garbage_collector.off_for_imports():
            imported = importlib.import_module(f"pipeline.cli.{module}")
        command: click.Command = getattr(imported, f"{name.replace(' ', '_')}_command")
        return command


class LazyGroup(NonEmptyCommand, click.Group):
    """A group that imports a command only to call it or to show its help."""

    def __init__(self, *args: Any, sections: Sections, **options: Any) -> None:
        super().__init__(*args, **options)
        self.commands = _Commands({name: entry for names in sections.values() for name, entry in names.items()})
        self.sections = sections

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first two words name, such as `export airflow`, else that of the first word."""
        two = " ".join(args[:2])
        if two in self.commands:
            return two, self.commands[two], args[2:]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections with their commands and the line about each."""
        width = max(map(len, self.commands))
        for title, names in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{width}}", text) for name, (_, text) in names.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that start with `incomplete`, then the group's options."""
        found = sorted((name, text) for names in self.sections.values() for name, (_, text) in names.items())
        words = [(name, text) for name, text in found if name.startswith(incomplete) and " " not in name]
        items = [CompletionItem(name, help=text) for name, text in words]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=LazyGroup,
    sections=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
@click.option("--pipeline", metavar="MODULE:NAME", help="Use another pipeline; also SAE_PIPELINE.")
@click.version_option(package_name="sae-pipeline", prog_name="sae")
def sae(verbose: bool, pipeline: str | None) -> None:
    """Run a TFX pipeline on this machine, and inspect, schedule and verify its runs.

    Exit codes: 0 done, 1 a node failed, 2 usage, 3 not found, 4 a gate failed (model not blessed or rejected, anomalies
    in the data, or different content), 5 the root is locked, 6 environment or data unavailable, 130 interrupted.
    """
    del verbose  # read by `main`, which also handles errors that occur before this runs
    if pipeline:
        set_selected("pipeline", pipeline)
        os.environ["SAE_PIPELINE"] = pipeline  # processes that a command starts inherit it


def _group(name: str, commands: Mapping[str, tuple[str, str]]) -> Callable[[Callable[[], None]], click.Group]:
    return click.group(name, cls=LazyGroup, sections={"Commands": commands})


@_group(
    "data",
    {
        "add": ("data_edit", "Make a data set of your own files."),
        "list": ("data_read", "List the prepared data sets."),
        "show": ("data_read", "Show a data set: sizes, labels, ranges, examples."),
        "remove": ("data_edit", "Remove a data set that was added."),
    },
)
def data_command() -> None:
    """Make data sets of your own files, and list, show and remove prepared ones.

    They are TFDS's own prepared form, in the folder of --data-dir, else of TFDS_DATA_DIR, else ~/tensorflow_datasets;
    `tfds.load(NAME)` reads them as well. `sae run --set data.dataset=NAME` runs on one.
    """


@_group(
    "sweep",
    {
        "run": ("sweep_run", "Run a sweep, or continue one that was stopped."),
        "list": ("sweep_read", "List sweeps."),
        "show": ("sweep_read", "Show a sweep: its points, and means over seeds."),
        "best": ("sweep_read", "Show the best combinations of a sweep."),
        "export": ("sweep_export", "Write a sweep to a file: table and charts."),
        "promote": ("sweep_read", "Serve the best model of a sweep."),
    },
)
def sweep_command() -> None:
    """Run the pipeline with many values of settings and seeds, and compare the results.

    Each point is an ordinary run, without push; `sae runs` lists it too. A sweep that was stopped or killed continues
    with `sae sweep run NAME`.
    """


@_group(
    "schedule",
    {
        "add": ("schedule_edit", "Add a schedule."),
        "pause": ("schedule_edit", "Pause a schedule."),
        "resume": ("schedule_edit", "Resume a paused schedule."),
        "remove": ("schedule_edit", "Remove a schedule."),
        "trigger": ("schedule_edit", "Run a schedule now."),
        "list": ("schedule_read", "List schedules, with next time and last result."),
        "show": ("schedule_read", "Show a schedule: next times, policies, history."),
        "next": ("schedule_read", "Show the next runs."),
        "history": ("schedule_read", "List the outcome of past ticks, and why."),
        "status": ("schedule_read", "Show whether the daemon runs, and what is wrong."),
        "run": ("schedule_daemon", "Run the daemon: start scheduled runs until stopped."),
        "export": ("schedule_edit", "Write schedules as systemd units or crontab lines."),
    },
)
def schedule_command() -> None:
    """Schedule runs: every night, every few hours, or when the data changes; and start them on time.

    Schedules belong to a pipeline root and are stored there. Runs start while the daemon `sae schedule run` runs.
    """


@_group(
    "cluster",
    {
        "install": ("cluster_local", "Fetch the programs of an engine."),
        "up": ("cluster_local", "Start a cluster, and wait until it is ready."),
        "status": ("cluster_local", "Show its programs, slots and addresses, and how to run on it."),
        "down": ("cluster_local", "End the cluster."),
    },
)
def cluster_command() -> None:
    """Run a cluster of Flink or Spark on this machine, for a first try of `engine.runner` and for tests.

    It consists of the engine's own programs, Beam's job server, and a `sae worker` for each host.
    """


def misplaced(error: click.ClickException, arguments: Sequence[str]) -> str:
    """Return where an option belongs that is given after its command or before it; empty for other errors."""
    if not isinstance(error, click.NoSuchOption):
        return ""
    option = error.option_name
    if error.ctx is not None and error.ctx.command is not sae:
        return f"{option} belongs before the command: `sae {option} ...`" if option in _options(sae) else ""
    for word in arguments:
        if word in sae.commands and option in _options(sae.commands[word]):
            return f"{option} belongs after the command: `sae {word} {option} ...`"
    return ""


def _options(command: click.Command) -> set[str]:
    return {option for one in command.params if isinstance(one, click.Option) for option in one.opts}
