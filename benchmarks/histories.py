"""Stores of ML Metadata with many runs that executed every node, without their files."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
import uuid

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.metadata import run_properties
from pipeline.sparse_autoencoder.definition import PIPELINE

PROPERTY = "x" * 1_500  # about as long as the properties that a run records on an execution

# The tables of ML Metadata whose rows belong to one run, and their columns with ids of what a run has.
CONTEXTS = {"Context": ("id",), "ContextProperty": ("context_id",), "ParentContext": ("context_id",)}
OTHERS = {
    "Execution": ("id",),
    "ExecutionProperty": ("execution_id",),
    "Artifact": ("id",),
    "ArtifactProperty": ("artifact_id",),
    "Event": ("id", "artifact_id", "execution_id"),
    "EventPath": ("event_id",),
    "Association": ("id", "context_id", "execution_id"),
    "Attribution": ("id", "context_id", "artifact_id"),
}


def executed_runs(path: pathlib.Path, runs: int) -> None:
    """Write a store with runs that executed every node."""
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    store = mlmd.MetadataStore(config)
    kinds = {name: store.put_context_type(pb.ContextType(name=name)) for name in ("pipeline", "pipeline_run", "node")}
    types = {node.name: store.put_execution_type(pb.ExecutionType(name=node.name)) for node in PIPELINE.nodes}
    keys = {key: store.put_artifact_type(pb.ArtifactType(name=key)) for node in PIPELINE.nodes for key in node.outputs}
    [parent] = store.put_contexts([pb.Context(type_id=kinds["pipeline"], name=PIPELINE.name)])
    for number in range(runs):
        run = pb.Context(type_id=kinds["pipeline_run"], name=f"run-{number:05d}")
        metrics = {"test_bce": 0.08 + number % 50 / 10_000, "active_units": 12.0}
        headline = run_properties.Headline(
            "succeeded", 40.0 + number % 7, "mnist 3.0.1", "mnist", "manual", 1, 10, 0, metrics=metrics
        )
        for name, value in run_properties.headline_properties(headline).items():
            kind = {str: "string_value", float: "double_value", int: "int_value"}[type(value)]
            setattr(run.custom_properties[name], kind, value)
        [run_id] = store.put_contexts([run])
        store.put_parent_contexts([pb.ParentContext(child_id=run_id, parent_id=parent)])
        made: dict[tuple[str, str], pb.Artifact] = {}
        for node in PIPELINE.nodes:
            execution = pb.Execution(type_id=types[node.name], name=str(uuid.uuid4()), last_known_state=3)
            execution.custom_properties["key_code"].string_value = PROPERTY
            pairs = [(made[source], event(key, pb.Event.INPUT)) for key, source in node.inputs.items()]
            for key in node.outputs:
                artifact = pb.Artifact(type_id=keys[key], uri=f"/nowhere/{node.name}/{key}/{number}", state=2)
                artifact.custom_properties["content_digest"].string_value = f"{key}-1:{uuid.uuid4().hex}"
                artifact.custom_properties["files"].string_value = PROPERTY
                pairs.append((artifact, event(key, pb.Event.OUTPUT)))
            contexts = [
                pb.Context(type_id=kinds["pipeline"], name=PIPELINE.name),
                pb.Context(type_id=kinds["pipeline_run"], name=run.name),
                pb.Context(type_id=kinds["node"], name=f"{PIPELINE.name}.{node.name}"),
            ]
            _, ids, _ = store.put_execution(
                execution, pairs, contexts, reuse_context_if_already_exist=True, force_reuse_context=True
            )
            if node.outputs:
                written = store.get_artifacts_by_id(ids[-len(node.outputs) :])
                made.update({(node.name, key): one for key, one in zip(node.outputs, written, strict=True)})


def event(key: str, event_type: int) -> pb.Event:
    steps = [pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=0)]
    return pb.Event(type=event_type, path=pb.Event.Path(steps=steps))


def multiply(path: pathlib.Path, times: int) -> None:
    """Copy the runs of a store, with other ids, names and times: ML Metadata takes minutes for 10,000."""
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        store.execute(
            "CREATE TEMP TABLE runs AS SELECT Context.id, create_time_since_epoch AS time FROM Context"
            " JOIN Type ON Type.id = type_id WHERE Type.name = 'pipeline_run'"
        )
        [runs, span] = store.execute("SELECT count(*), max(time) - min(time) + 1 FROM runs").fetchone()
        tables = [table for table, ids in OTHERS.items() if "id" in ids]
        most = max(store.execute(f"SELECT max(id) FROM {table}").fetchone()[0] for table in (*tables, "Context"))
        for table in ("Context", "Execution", "Artifact"):  # the copies come after them, and not in the future
            store.execute(
                f"UPDATE {table} SET create_time_since_epoch = create_time_since_epoch - :before,"
                " last_update_time_since_epoch = last_update_time_since_epoch - :before",
                {"before": (times - 1) * span},
            )
        for copy in range(1, times):
            values = {"most": most, "shift": copy * most, "later": copy * span, "copy": copy, "runs": copy * runs}
            for table, ids in {**CONTEXTS, **OTHERS}.items():
                columns = [column[1] for column in store.execute(f"PRAGMA table_info({table})")]
                copied = ", ".join(new_value(table, column, ids) for column in columns)
                rows = f"{ids[0]} IN (SELECT id FROM runs)" if table in CONTEXTS else f"{ids[0]} <= :most"
                store.execute(
                    f"INSERT INTO {table} ({', '.join(columns)}) SELECT {copied} FROM {table} WHERE {rows}", values
                )


def new_value(table: str, column: str, ids: tuple[str, ...]) -> str:
    """Return the value of a column in a copy, in SQL."""
    if column == "context_id":  # the contexts of nodes are those of all runs
        return "context_id + CASE WHEN context_id IN (SELECT id FROM runs) THEN :shift ELSE 0 END"
    if column in ids:
        return f"{column} + :shift"
    if column in ("create_time_since_epoch", "last_update_time_since_epoch"):
        return f"{column} + :later"
    if (table, column) == ("Context", "name"):
        return "printf('run-%05d', substr(name, 5) + :runs)"
    if (table, column) == ("Execution", "name"):
        return "name || '-' || :copy"
    return column
