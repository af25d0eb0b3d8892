"""`sae artifacts` and `sae artifact ID`: a line for each artifact, and everything about one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pipeline.artifacts import types
from pipeline.artifacts.sections import Preview
from pipeline.core.text import bytes_text, counted, escaped, first_of, short_digest, when_text
from pipeline.inspection.views import (
    UNFINISHED_STATES,
    ArtifactDetails,
    ArtifactRow,
    Continuation,
    ExecutionUse,
    File,
)
from pipeline.metadata.properties import CONTENT_DIGEST, METRICS
from pipeline.metadata.types import Property, deletion_text, restore_hint
from pipeline.terminal import preview as preview_text
from pipeline.terminal.table import Cell, Column, Screen

_USES = (Column("node"), Column("as"), Column("in runs, the newest first", min_width=15))
_FILES = (Column("file", min_width=20), Column("size", right=True), Column("SHA-256", min_width=12, drop=1))
_LIST = (
    Column("id", right=True),
    Column("type"),
    Column("node", drop=1),
    Column("output", drop=3),
    Column("run", min_width=15, drop=2),
    Column("created", drop=6),
    Column("state", drop=4),
    Column("name", min_width=8, drop=7),
    Column("content", min_width=16, drop=5),
    Column("path", min_width=20, drop=8),
)
_MAX_CHARACTERS = 300  # of a property; the JSON has all of it
_MAX_RUNS = 4  # on one line
_MAX_BESIDE = 4


def as_text(
    screen: Screen,
    artifact: ArtifactDetails,
    preview: Preview | None,
    is_alone: bool = False,
    beside: Sequence[ArtifactRow] = (),
) -> str:
    """Return everything about an artifact.

    Args:
      screen: to fit the text to.
      artifact: to show.
      preview: of its content, or None.
      is_alone: whether its store belongs to no pipeline root.
      beside: the other outputs of the execution that made it.
    """
    row = artifact.row
    deleted = deletion_text(row.state, artifact.properties)
    missing = deleted or ("not found from here; --map OLD=NEW says where it is" if is_alone else "missing")
    state = "" if row.state == "live" else f"  {screen.styled(escaped(row.state), 'yellow')}"
    lines = [screen.heading(f"artifact {row.id}  {row.type}") + state, ""]
    lines += screen.pairs(
        [
            ("made by", _maker(artifact.made_by)),
            ("beside", _others(beside)),
            ("created", f"{when_text(row.created)} UTC" if row.created else ""),
            ("name", row.name),
            ("content", row.content or "without a digest"),
            ("path", row.uri + (f"  ({missing})" if artifact.gone else "")),
        ]
    )
    if preview is not None:
        lines += ["", *preview_text.lines(screen, preview, row.uri)]
    else:
        lines += ["", *screen.paragraph(_no_preview(row, deleted, is_alone, artifact.gone), "", style="dim")]
    hidden = (CONTENT_DIGEST, METRICS) if preview else (CONTENT_DIGEST,)  # shown above
    if pairs := [pair for pair in _properties(artifact.properties) if pair[0] not in hidden]:
        lines += ["", screen.heading("properties"), *screen.pairs(pairs, "  ")]
    if artifact.files:
        lines += ["", screen.heading("files"), *screen.table(_FILES, [_file(one) for one in artifact.files], "  ")]
        if artifact.files_cut:
            lines.append(f"  and {artifact.files_cut} more")
    for title, uses in (("reused by", artifact.taken_by), ("used by", artifact.used_by)):
        if uses:
            lines += ["", screen.heading(title), *screen.table(_USES, _by_node(uses), "  ")]
    if artifact.cut:
        lines.append(f"  and {counted(artifact.cut, 'more use that is', 'more uses that are')} not listed")
    return "\n".join(lines)


def _no_preview(row: ArtifactRow, deleted: str, is_alone: bool, gone: bool) -> str:
    if deleted:
        return f"{deleted}: {restore_hint(row.id)}"
    kind = types.find(row.type)
    if not (kind.payload if is_alone else kind.preview):
        return f"artifacts of type {row.type} have no preview"
    if is_alone:
        return f"no preview: {'its files were not found from here' if gone else 'nothing in its files can be shown'}"
    return "no preview: `sae run` writes one when it executes the node"


def _maker(made_by: ExecutionUse | None) -> str:
    if made_by is None:
        return "no execution: it was imported, or its execution is not in this store"
    run = f", run {made_by.run}" if made_by.run else ""  # the result of a sweep belongs to no run
    return f"{_name(made_by)} as {made_by.key or 'output'}{run}"


def _others(rows: Sequence[ArtifactRow]) -> str:
    """Name the other outputs of a node, with the command that shows each."""
    shown = [f"{one.key or one.type}: `sae artifact {one.id}`" for one in rows[:_MAX_BESIDE]]
    more = len(rows) - _MAX_BESIDE
    return "; ".join([*shown, f"and {more} more"] if more > 0 else shown)


def _name(use: ExecutionUse) -> str:
    return use.node or use.command or "a node without a name"


def _properties(properties: Mapping[str, Property]) -> list[tuple[str, str]]:
    """Return names and values; long texts are cut."""
    found = []
    for name, value in sorted(properties.items()):
        text = json.dumps(value) if isinstance(value, Mapping) else str(value)
        more = len(text) - _MAX_CHARACTERS
        found.append(
            (name, f"{text[:_MAX_CHARACTERS]} ... and {counted(more, 'more character')}" if more > 0 else text)
        )
    return found


def _file(file: File) -> list[Cell | str]:
    return [file.name, bytes_text(file.size), Cell(file.digest[:12], "dim")]


def _by_node(uses: Sequence[ExecutionUse]) -> list[list[Cell | str]]:
    """Return a row for each node and key, with its runs."""
    runs: dict[tuple[str, str], list[str]] = {}
    for use in uses:
        runs.setdefault((_name(use), use.key), []).append(use.run)
    return [[node, key, first_of(found, _MAX_RUNS)] for (node, key), found in runs.items()]


def list_text(screen: Screen, rows: Sequence[ArtifactRow]) -> str:
    """Return the artifacts as a table."""
    return "\n".join(screen.table(_LIST, [_list_row(row) for row in rows]))


def _list_row(row: ArtifactRow) -> list[Cell | str]:
    return [
        str(row.id),
        row.type,
        row.node or row.command,
        row.key,
        row.run,
        when_text(row.created)[:-3],
        Cell(row.unusable, "yellow"),
        row.name,
        short_digest(row.content, with_type=True),
        row.uri,
    ]


def unfinished_note(page: Continuation) -> str:
    """Return a note on how many artifacts that never came to be were left out; empty if there were none."""
    if not page.unfinished:
        return ""
    states = f"{', '.join(UNFINISHED_STATES[:-1])} or {UNFINISHED_STATES[-1]}"
    return f"without {counted(page.unfinished, 'artifact')} that never came to be: --state {states} lists them"


def list_note(shown: int, page: Continuation, asked: str, place: str, is_alone: bool = False) -> str:
    """Return a note on how many more artifacts there are, or why there is none.

    Args:
      shown: how many are listed.
      page: where the list ends.
      asked: the options that filter artifacts, as typed; empty without filters.
      place: the root or store.
      is_alone: whether the store belongs to no pipeline root.
    """
    if shown == 0:
        if asked or is_alone:
            return f"no artifact with {asked}" if asked else f"no artifact in {place}"
        return f"no artifact in {place}: `sae run` makes the first ones"
    if not page.next:
        return ""
    if page.total is None:
        return f"the newest {counted(shown, 'artifact')}; --limit {shown * 10} shows more"
    return f"{shown} of {page.total:,} artifacts; --limit {page.total} shows all"
