"""What the shell offers for a word that is being typed. It never fails and never prints: then nothing is offered.

`click` hands over what stands on the line already, so ids come from the root or store that is named there.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

import pipeline_config
from pipeline.core import pipeline_root

if TYPE_CHECKING:
    from pipeline.core.pipeline_root import Root
    from pipeline.inspection.reader import Reader

_MOST = 100  # offered at once; more than that nobody reads
Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]
_Offer = tuple[str, str]  # a word, and what to say of it


def _safe(offers: Callable[[click.Context], Iterable[_Offer]]) -> Complete:
    """A function for `shell_complete`."""

    @functools.wraps(offers)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del param
        try:
            with _silence():
                found = [offer for offer in offers(ctx) if offer[0].lower().startswith(incomplete.lower())]
        except Exception:  # a shell that waits for words has no use for an error
            return []
        return [CompletionItem(word, help=text or None) for word, text in found[:_MOST] if word.isprintable()]

    return complete


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drops what libraries written in C say on standard error: it would stand in the middle of the line."""
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

    return pipeline_root.root_of(ctx.params.get("root"))


@contextlib.contextmanager
def _reader(ctx: click.Context) -> Iterator[Reader]:
    from pipeline.inspection.locations import open_reader

    with open_reader(ctx.params.get("metadata"), _root(ctx)) as reader:
        yield reader


def _run_ids(ctx: click.Context) -> list[str]:
    """The newest first. From the manifests where there are any: that takes a tenth of the time."""
    if not ctx.params.get("metadata"):
        ids = [path.stem for path in _root(ctx).manifests.glob("[!.]*.json")]
        if ids:
            return sorted(ids, reverse=True)
    with _reader(ctx) as reader:
        return reader.run_ids()


@_safe
def runs(ctx: click.Context) -> Iterator[_Offer]:
    """Ids of runs, and `latest`."""
    ids = _run_ids(ctx)
    if ids:
        yield "latest", ids[0]
    yield from ((run_id, "") for run_id in ids)


@_safe
def nodes(ctx: click.Context) -> Iterator[_Offer]:
    """Names of nodes: of our pipeline, or of those in another store."""
    if ctx.params.get("metadata"):
        with _reader(ctx) as reader:
            yield from ((name, "") for name in reader.node_names())
    else:
        from pipeline.definition.graph import NAMES

        yield from ((name, "") for name in NAMES)


@_safe
def artifacts(ctx: click.Context) -> Iterator[_Offer]:
    """Ids of the newest artifacts, each with what it is."""
    with _reader(ctx) as reader:
        rows, _ = reader.artifacts(limit=_MOST)
        yield from ((str(row.id), f"{row.type} of {row.node or 'no node'}, run {row.run}") for row in rows)
        yield from ((f"latest:{name}", "") for name in reader.node_names())


@_safe
def types(ctx: click.Context) -> Iterator[_Offer]:
    """Types of artifact that the store knows."""
    with _reader(ctx) as reader:
        yield from ((name, "") for name in reader.artifact_types())


@_safe
def schedules(ctx: click.Context) -> Iterator[_Offer]:
    """Names of schedules, each with when it runs."""
    from pipeline.scheduler import triggers
    from pipeline.scheduler.store import Book

    book = Book.read(_root(ctx).path)
    if book is not None:
        with book:
            yield from ((one.name, triggers.in_words(one.timing)) for one in book.schedules())


@_safe
def columns(ctx: click.Context) -> Iterator[_Offer]:
    """What runs can be sorted by."""
    from pipeline.inspection.reader import RUN_COLUMNS

    return ((name, "") for name in RUN_COLUMNS)


@_safe
def profiles(ctx: click.Context) -> Iterator[_Offer]:
    """Names of profiles."""
    return ((name, "") for name in pipeline_config.PROFILES)


def folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders, by the shell's own means."""
    return [CompletionItem(incomplete, type="dir")]
