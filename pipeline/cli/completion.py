"""Shell completion of arguments and options. It never fails and never prints an error; it then offers nothing.

Ids come from the root or store given on the command line. Imports are inside the functions, because every module of
commands imports this one.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from pipeline.core.pipeline_root import Root
    from pipeline.inspection.reader import Reader

_MAX_WORDS = 100
Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]
_Word = tuple[str, str]  # a word and its help


def _safe(words: Callable[[click.Context], Iterable[_Word]]) -> Complete:
    """Turn a function that yields words into one for `shell_complete`; an error yields none."""

    @functools.wraps(words)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del param
        try:
            with _silence():
                found = [one for one in words(ctx) if one[0].lower().startswith(incomplete.lower())]
        except Exception:  # the shell would show it in the command line
            return []
        return [CompletionItem(word, help=text or None) for word, text in found[:_MAX_WORDS] if word.isprintable()]

    return complete


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drop the standard error of libraries in C, which the shell would show in the command line."""
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _root(ctx: click.Context) -> Root:
    from pipeline.cli.options import resolve_root

    return resolve_root(ctx.params.get("root"))


@contextlib.contextmanager
def _reader(ctx: click.Context) -> Iterator[Reader]:
    from pipeline.cli.options import current_pipeline
    from pipeline.inspection.locations import open_reader

    with open_reader(current_pipeline(), ctx.params.get("metadata"), _root(ctx)) as reader:
        yield reader


def _run_ids(ctx: click.Context) -> list[str]:
    """Return the ids of runs, newest first; from the manifests if there are any, which takes a tenth of the time."""
    if not ctx.params.get("metadata"):
        ids = [path.stem for path in _root(ctx).manifests.glob("[!.]*.json")]
        if ids:
            return sorted(ids, reverse=True)
    with _reader(ctx) as reader:
        return reader.run_ids()


@_safe
def runs(ctx: click.Context) -> Iterator[_Word]:
    """Complete ids of runs, and `latest`."""
    ids = _run_ids(ctx)
    if ids:
        yield "latest", ids[0]
    yield from ((run_id, "") for run_id in ids)


@_safe
def nodes(ctx: click.Context) -> Iterator[_Word]:
    """Complete names of nodes: of this pipeline, or of the store given with --metadata."""
    if ctx.params.get("metadata"):
        with _reader(ctx) as reader:
            yield from ((name, "") for name in reader.node_names())
    else:
        from pipeline.cli.options import current_pipeline

        yield from ((name, "") for name in current_pipeline().names)


@_safe
def pipelines(ctx: click.Context) -> Iterator[_Word]:
    """Complete names of the store's pipelines."""
    with _reader(ctx) as reader:
        yield from ((name, "") for name in reader.pipelines())


@_safe
def artifacts(ctx: click.Context) -> Iterator[_Word]:
    """Complete ids of the newest artifacts, each with type, node and run."""
    with _reader(ctx) as reader:
        rows, _ = reader.artifacts(limit=_MAX_WORDS)
        yield from ((str(row.id), f"{row.type} of {row.node or 'no node'}, run {row.run}") for row in rows)
        yield from ((f"latest:{name}", "") for name in reader.node_names())


@_safe
def types(ctx: click.Context) -> Iterator[_Word]:
    """Complete artifact types of the store."""
    with _reader(ctx) as reader:
        yield from ((name, "") for name in reader.store.artifact_types())


@_safe
def schedules(ctx: click.Context) -> Iterator[_Word]:
    """Complete names of schedules, each with its trigger."""
    from pipeline.scheduler import triggers
    from pipeline.scheduler.store import ScheduleDatabase

    with ScheduleDatabase.read(_root(ctx).path) as database:
        yield from ((one.name, triggers.explain(one.timing)) for one in database.schedules())


@_safe
def sweeps(ctx: click.Context) -> Iterator[_Word]:
    """Complete names of sweeps, each with the settings that it varies."""
    from pipeline.sweeps import files

    root = _root(ctx)
    yield from ((name, ", ".join(files.read(root, name).varied)) for name in files.names(root))


@_safe
def datasets(ctx: click.Context) -> Iterator[_Word]:
    """Complete names of prepared data sets, each with its splits."""
    from pipeline.cli.options import data_folder
    from pipeline.sparse_autoencoder import prepared

    for one in prepared.find(data_folder(ctx.params.get("data_dir"))):
        yield one.name, ", ".join(f"{name} {size:,}" for name, size in one.splits.items())


@_safe
def columns(ctx: click.Context) -> Iterator[_Word]:
    """Complete columns and settings to sort runs by."""
    from pipeline.cli.options import current_pipeline
    from pipeline.inspection.views import sort_columns

    found = current_pipeline()
    settings = [name for name, one in found.configuration.settings().items() if one.affects_results]
    return ((name, "") for name in (*sort_columns(found.declared_metrics), *settings))


@_safe
def profiles(ctx: click.Context) -> Iterator[_Word]:
    """Complete names of profiles."""
    from pipeline.cli.options import current_pipeline

    return ((name, "") for name in current_pipeline().configuration.profiles)


def folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete folders."""
    return [CompletionItem(incomplete, type="dir")]


def export_folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the formats of `sae export`, and let the shell complete folders."""
    formats = {"airflow": "a DAG of Apache Airflow", "kfp": "a pipeline of Kubeflow"}
    found = [CompletionItem(name, help=text) for name, text in formats.items() if name.startswith(incomplete)]
    return [*found, *folders(ctx, param, incomplete)]
