"""`sae artifact ID`: an artifact by its type, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pipeline.artifacts import types
from pipeline.artifacts.sections import Preview
from pipeline.core.text import bytes_text, escaped, when_text
from pipeline.inspection.views import ArtifactDetails, ArtifactRow, ExecutionUse, File
from pipeline.metadata.properties import CONTENT_DIGEST, METRICS
from pipeline.metadata.types import Property, deletion_text, restore_hint
from pipeline.terminal import preview as preview_text
from pipeline.terminal.table import Cell, Column, Screen

_USES = (Column("node"), Column("as"), Column("in runs, the newest first", min_width=15))
_FILES = (Column("file", min_width=20), Column("size", right=True), Column("SHA-256", min_width=12, drop=1))
_LONGEST = 300  # characters of a property that are shown; all of it is in the JSON
_MOST_RUNS = 4  # named on one line
# Shown in a better place already.
_SHOWN = frozenset({CONTENT_DIGEST})
_SHOWN_WITH_PREVIEW = frozenset({*_SHOWN, METRICS})


def as_text(screen: Screen, artifact: ArtifactDetails, preview: Preview | None) -> str:
    """All of an artifact; `preview`: what is shown of its content, None where nothing was written."""
    row = artifact.row
    deleted = deletion_text(row.state, artifact.properties)
    state = "" if row.state == "live" else f"  {screen.styled(escaped(row.state), 'yellow')}"
    lines = [screen.heading(f"artifact {row.id}  {row.type}") + state, ""]
    lines += screen.pairs(
        [
            ("made by", _maker(artifact.made_by)),
            ("created", f"{when_text(row.created)} UTC" if row.created else ""),
            ("name", row.name),
            ("content", row.content or "without a digest"),
            ("place", row.uri + (f"  ({deleted or 'nothing is there any more'})" if artifact.gone else "")),
        ]
    )
    if preview is not None:
        lines += ["", *preview_text.lines(screen, preview, row.uri)]
    else:
        lines += ["", *screen.paragraph(_no_preview(row, deleted), "", style="dim")]
    hidden = _SHOWN_WITH_PREVIEW if preview else _SHOWN
    if pairs := [pair for pair in _properties(artifact.properties) if pair[0] not in hidden]:
        lines += ["", screen.heading("properties"), *screen.pairs(pairs, "  ")]
    if artifact.files:
        lines += ["", screen.heading("files"), *screen.table(_FILES, [_file(one) for one in artifact.files], "  ")]
        if artifact.files_cut:
            lines.append(f"  and {artifact.files_cut} more")
    for title, uses in (("taken over by", artifact.taken_by), ("used by", artifact.used_by)):
        if uses:
            lines += ["", screen.heading(title), *screen.table(_USES, _by_node(uses), "  ")]
    if artifact.cut:
        lines.append(f"  and {artifact.cut} more uses that are not listed")
    return "\n".join(lines)


def _no_preview(row: ArtifactRow, deleted: str) -> str:
    if deleted:
        return f"{deleted}: {restore_hint(row.id)}; here are its properties and the files that it had"
    if not types.find(row.type).preview:
        return f"nothing more is known of artifacts of type {row.type}: here are its properties and files"
    return "no preview: `sae run` writes one when it executes the node; here are the artifact's properties and files"


def _maker(made_by: ExecutionUse | None) -> str:
    if made_by is None:
        return "no execution: it was imported, or what made it is not in this store"
    return f"{made_by.node or 'a node without a name'} as {made_by.key or 'output'}, run {made_by.run}"


def _properties(properties: Mapping[str, Property]) -> list[tuple[str, str]]:
    """Names and values; long texts are cut, and say so."""
    found = []
    for name, value in sorted(properties.items()):
        text = json.dumps(value) if isinstance(value, Mapping) else str(value)
        more = len(text) - _LONGEST
        found.append((name, f"{text[:_LONGEST]} ... and {more} more characters" if more > 0 else text))
    return found


def _file(file: File) -> list[Cell | str]:
    return [file.name, bytes_text(file.size), Cell(file.digest[:12], "dim")]


def _by_node(uses: Sequence[ExecutionUse]) -> list[list[Cell | str]]:
    """A row for each node and key: each night takes over what was made once."""
    runs: dict[tuple[str, str], list[str]] = {}
    for use in uses:
        runs.setdefault((use.node or "a node without a name", use.key), []).append(use.run)
    rows: list[list[Cell | str]] = []
    for (node, key), found in runs.items():
        more = len(found) - _MOST_RUNS
        rows.append([node, key, ", ".join(found[:_MOST_RUNS]) + (f" and {more} more" if more > 0 else "")])
    return rows
