"""Find rows of an SQLite store that are missing: others refer to them, or are always written with them.

ML Metadata does not report them: it leaves out what a deleted row contained, or ends its process.
"""

from __future__ import annotations

import collections
import contextlib
import pathlib
import sqlite3
from collections.abc import Iterator

from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.text import first_of
from pipeline.metadata import rows
from pipeline.metadata.properties import CACHE, CONTENT_DIGEST, KEY, NODE, PIPELINE_RUN, RAW_DIGEST
from pipeline.metadata.run_properties import START_PROPERTY

_SHOWN = 5  # ids in a sentence
_OUTPUTS = ", ".join(str(number) for name, number in pb.Event.Type.items() if name.endswith("OUTPUT"))
_IS_PUBLISHED = f"(state IS NULL OR state NOT IN ({pb.Artifact.PENDING}, {pb.Artifact.ABANDONED}))"
_PUBLISHED = f"SELECT id FROM Artifact WHERE {_IS_PUBLISHED}"
_IN_CONTEXT = (
    "SELECT execution_id FROM Association JOIN Context ON Context.id = context_id "
    "JOIN Type ON Type.id = Context.type_id WHERE Type.name = '{}'"
)
_WITH_KEY = f"SELECT execution_id FROM ExecutionProperty WHERE name = '{KEY}'"
# Queries, each with the sentence about what it finds.
_UNLINKED = {
    f"SELECT id FROM Artifact WHERE {_IS_PUBLISHED} AND id IN (SELECT artifact_id FROM Attribution) AND id NOT IN "
    f"(SELECT artifact_id FROM Event WHERE type IN ({_OUTPUTS}))": (
        "artifact {} has a row in ML Metadata, but no row of Event names the execution that wrote it"
    ),
    "SELECT id FROM Event WHERE id NOT IN (SELECT event_id FROM EventPath)": (
        "event {} has no row of EventPath in ML Metadata: the key of the input or output is missing"
    ),
    "SELECT id FROM Execution WHERE id NOT IN (SELECT execution_id FROM Association)": (
        "execution {} has a row in ML Metadata, but no row of Association names its run and node"
    ),
    # ML Metadata puts artifacts into the contexts of the execution that it records with them. A decision, which belongs
    # to no node, gets its output later.
    "SELECT artifact_id, execution_id, group_concat(DISTINCT context_id) "
    "FROM Event JOIN Association USING (execution_id) "
    f"WHERE Event.type IN ({_OUTPUTS}) AND artifact_id IN ({_PUBLISHED}) "
    f"AND execution_id IN ({_IN_CONTEXT.format(NODE)}) "
    "AND (artifact_id, context_id) NOT IN (SELECT artifact_id, context_id FROM Attribution) "
    "GROUP BY artifact_id, execution_id": (
        "artifact {} and execution {}, which wrote it, are not in the same contexts in ML Metadata: rows of "
        "Attribution are missing, for contexts {}"
    ),
    "SELECT artifact_id, group_concat(DISTINCT context_id) FROM Attribution "
    "WHERE artifact_id IN (SELECT id FROM Artifact) AND context_id IN (SELECT id FROM Context) "
    "AND (artifact_id, context_id) NOT IN "
    "(SELECT artifact_id, context_id FROM Event JOIN Association USING (execution_id)) GROUP BY artifact_id": (
        "artifact {} is in contexts in ML Metadata that contain no execution which read or wrote it: rows of "
        "Association or Event are missing, for contexts {}"
    ),
    **{
        f"SELECT DISTINCT Type.name, property.name FROM {node}Property AS property "
        f"JOIN {node} ON {node}.id = property.{node.lower()}_id JOIN Type ON Type.id = {node}.type_id "
        "WHERE NOT is_custom_property AND (Type.id, property.name) NOT IN (SELECT type_id, name FROM TypeProperty)": (
            "type {} has no property {} in ML Metadata, but rows have a value of it: a row of TypeProperty is missing"
        )
        for node in ("Artifact", "Execution", "Context")
    },
    # What this project records beside the rows of TFX.
    f"SELECT id FROM Artifact WHERE state = {pb.Artifact.LIVE} AND id IN (SELECT artifact_id FROM Event "
    f"WHERE type IN ({_OUTPUTS}) AND execution_id IN ({_WITH_KEY})) AND (SELECT count(*) FROM ArtifactProperty "
    f"WHERE artifact_id = id AND name IN ('{RAW_DIGEST}', '{CONTENT_DIGEST}')) < 2": (
        "artifact {} lacks a digest in ML Metadata, though the execution that wrote it has a cache key: rows of "
        "ArtifactProperty are missing"
    ),
    f"SELECT id FROM Execution WHERE last_known_state = {pb.Execution.COMPLETE} "
    f"AND id IN ({_IN_CONTEXT.format(CACHE)}) AND id NOT IN ({_WITH_KEY})": (
        "execution {} is in the context of its cache key in ML Metadata, but has no key: rows of ExecutionProperty are "
        "missing"
    ),
    "SELECT Context.id, Context.name FROM Context JOIN Type ON Type.id = Context.type_id "
    f"WHERE Type.name = '{PIPELINE_RUN}' AND Context.id IN (SELECT context_id FROM Association "
    f"WHERE execution_id IN ({_WITH_KEY})) "
    f"AND Context.id NOT IN (SELECT context_id FROM ContextProperty WHERE name = '{START_PROPERTY}')": (
        "context {}, of run {}, has no start of the run in ML Metadata: rows of ContextProperty are missing"
    ),
}


def found(path: pathlib.Path) -> list[str]:
    """Return a sentence for each missing row. Raises `sqlite3.Error`."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
        opened.execute("BEGIN")  # one state, also while a run writes
        return [*_referred_to(opened), *_unlinked(opened)]


def _referred_to(opened: sqlite3.Connection) -> Iterator[str]:
    """Yield rows that others refer to."""
    tables = {str(name) for [name] in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    counts: dict[tuple[str, int], collections.Counter[str]] = {}
    for (table, column), other in rows.REFERENCES.items():
        if {table, other} <= tables:
            query = f"SELECT {column}, count(*) FROM {table} WHERE typeof({column}) = 'integer' "
            query += f"AND {column} NOT IN (SELECT id FROM {other}) GROUP BY {column}"
            for number, count in opened.execute(query):
                counts.setdefault((other, number), collections.Counter())[table] += count
    for (other, number), by_table in sorted(counts.items()):
        referring = ", ".join(f"{table} ({count:,})" for table, count in by_table.items())
        sentence = f"{other.lower()} {number} has no row in ML Metadata, but other rows refer to it: {referring}"
        if other == "Artifact" and "Event" in by_table:
            query = "SELECT DISTINCT execution_id FROM Event WHERE artifact_id = ? ORDER BY execution_id"
            ids = [str(one) for [one] in opened.execute(query, (number,))]
            sentence += f"; named by executions {first_of(ids, _SHOWN)}"
        yield sentence


def _unlinked(opened: sqlite3.Connection) -> Iterator[str]:
    """Yield rows that lack others which are always written with them."""
    for query, sentence in _UNLINKED.items():
        for values in opened.execute(query):
            yield sentence.format(*values)
