"""Reading and mending ML Metadata, on real stores written the way TFX's launcher writes them."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import ml_metadata as mlmd
import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.errors import UnavailableError
from pipeline.events import NodeState
from pipeline.metadata import NodeExecution, Output, Store, remove_outputs
from pipeline.root import Root

STATE = pb.Execution.State


class Writer:
    """Writes executions as TFX's launcher does: in the contexts of the pipeline, of the run and of the node."""

    def __init__(self, path):
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        self.store = mlmd.MetadataStore(config)

    def context(self, kind, name):
        context_type = self.store.put_context_type(pb.ContextType(name=kind))
        known = self.store.get_context_by_type_and_name(kind, name)
        return known.id if known else self.store.put_contexts([pb.Context(type_id=context_type, name=name)])[0]

    def execution(self, run, node, state, result=None):
        """Puts an execution and returns its id; `result` is what TFX stores of a failure."""
        contexts = [
            self.context("pipeline", "sparse_autoencoder"),
            self.context("pipeline_run", run),
            self.context("node", f"sparse_autoencoder.{node}"),
        ]
        kind = self.store.put_execution_type(pb.ExecutionType(name=f"type_of_{node}"))
        execution = pb.Execution(type_id=kind, last_known_state=state)
        if result is not None:
            execution.custom_properties["__execution_result__"].string_value = result
        [made] = self.store.put_executions([execution])
        self.store.put_attributions_and_associations(
            [], [pb.Association(execution_id=made, context_id=context) for context in contexts]
        )
        return made

    def artifact(self, execution, key, uri, index=0, event=pb.Event.OUTPUT, **properties):
        kind = self.store.put_artifact_type(pb.ArtifactType(name="Anything"))
        artifact = pb.Artifact(type_id=kind, uri=uri, state=pb.Artifact.LIVE)
        for name, value in properties.items():
            field = {int: "int_value", float: "double_value", str: "string_value"}[type(value)]
            setattr(artifact.custom_properties[name], field, value)
        [made] = self.store.put_artifacts([artifact])
        steps = [pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=index)]
        self.store.put_events(
            [pb.Event(artifact_id=made, execution_id=execution, type=event, path=pb.Event.Path(steps=steps))]
        )


@pytest.fixture
def root(tmp_path):
    root = Root(tmp_path / "root")
    root.create()
    return root


@pytest.fixture
def writer(root):
    return Writer(root.metadata)


@pytest.fixture
def store(root, writer):
    return Store(root.metadata)


def test_an_empty_store_has_no_runs(root):
    store = Store(root.metadata)
    assert store.run_ids() == []
    assert store.executions("20261123-143005") == {}


def test_runs_come_newest_first(writer, store):
    for run in ("20261123-143005", "20261123-143005-2", "20261122-000000"):
        writer.execution(run, "ExampleGen", STATE.COMPLETE)
    assert store.run_ids() == ["20261122-000000", "20261123-143005-2", "20261123-143005"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (STATE.COMPLETE, NodeState.EXECUTED),
        (STATE.CACHED, NodeState.CACHED),
        (STATE.FAILED, NodeState.FAILED),
        (STATE.CANCELED, NodeState.CANCELLED),
        (STATE.NEW, None),
        (STATE.RUNNING, None),
        (STATE.UNKNOWN, None),
    ],
)
def test_each_state_of_an_execution_is_read(writer, store, written, read):
    execution = writer.execution("1", "Trainer", written)
    assert store.executions("1") == {"Trainer": NodeExecution(execution, "Trainer", read, "")}


def test_a_run_has_its_own_executions_only(writer, store):
    writer.execution("1", "ExampleGen", STATE.COMPLETE)
    second = writer.execution("2", "ExampleGen", STATE.CACHED)
    writer.execution("2", "Trainer", STATE.FAILED)
    found = store.executions("2")
    assert list(found) == ["ExampleGen", "Trainer"]
    assert found["ExampleGen"].id == second


def test_of_two_executions_of_a_node_the_newer_one_counts(writer, store):
    writer.execution("1", "Trainer", STATE.FAILED)
    newer = writer.execution("1", "Trainer", STATE.COMPLETE)
    assert store.executions("1")["Trainer"] == NodeExecution(newer, "Trainer", NodeState.EXECUTED, "")


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (json.dumps({"resultMessage": "DataError: no label", "code": 2}), "DataError: no label"),
        (json.dumps({"code": 2}), '{"code": 2}'),
        ("not JSON", "not JSON"),
    ],
)
def test_the_reason_of_a_failure_is_what_the_node_said(writer, store, result, reason):
    writer.execution("1", "Trainer", STATE.FAILED, result)
    assert store.executions("1")["Trainer"].reason == reason


def test_outputs_are_found_by_their_key_with_their_properties(writer, store):
    execution = writer.execution("1", "Trainer", STATE.COMPLETE)
    writer.artifact(execution, "model", "/root/model/1", digest="abc", epochs=50, loss=0.5)
    writer.artifact(execution, "model_run", "/root/model_run/1")
    assert store.outputs(execution) == {
        "model": Output("/root/model/1", {"digest": "abc", "epochs": 50, "loss": 0.5}, 1, "Anything"),
        "model_run": Output("/root/model_run/1", {}, 2, "Anything"),
    }


def test_inputs_and_unfinished_outputs_are_no_outputs(writer, store):
    execution = writer.execution("1", "Trainer", STATE.COMPLETE)
    writer.artifact(execution, "examples", "/in", event=pb.Event.INPUT)
    writer.artifact(execution, "model", "/pending", event=pb.Event.PENDING_OUTPUT)
    assert store.outputs(execution) == {}


def test_of_several_artifacts_under_a_key_the_first_one_counts(writer, store):
    execution = writer.execution("1", "Trainer", STATE.COMPLETE)
    writer.artifact(execution, "model", "/first", index=0)
    writer.artifact(execution, "model", "/second", index=1)
    assert store.outputs(execution)["model"].uri == "/first"


def test_what_a_run_left_unfinished_is_closed_with_the_reason(root, writer, store):
    ended = {
        node: writer.execution("1", node, state)
        for node, state in (
            ("ExampleGen", STATE.COMPLETE),
            ("SchemaGen", STATE.CACHED),
            ("Transform", STATE.FAILED),
        )
    }
    for node, state in (("Trainer", STATE.RUNNING), ("Evaluator", STATE.NEW), ("Report", STATE.UNKNOWN)):
        writer.execution("1", node, state)
    assert sorted(store.close_unfinished("1", root, "the run was interrupted")) == ["Evaluator", "Report", "Trainer"]
    found = Store(root.metadata).executions("1")
    for node in ("Trainer", "Evaluator", "Report"):
        assert (found[node].state, found[node].reason) == (NodeState.CANCELLED, "the run was interrupted")
    assert {node: found[node].state for node in ended} == {
        "ExampleGen": NodeState.EXECUTED,
        "SchemaGen": NodeState.CACHED,
        "Transform": NodeState.FAILED,
    }
    assert store.close_unfinished("1", root, "again") == []


def test_closing_a_run_leaves_another_ones_alone(root, writer, store):
    writer.execution("1", "Trainer", STATE.RUNNING)
    writer.execution("2", "Trainer", STATE.RUNNING)
    assert store.close_unfinished("2", root, "why") == ["Trainer"]
    assert store.executions("1")["Trainer"].state is None


def test_closing_a_run_that_never_began_does_nothing(root, store):
    assert store.close_unfinished("1", root, "why") == []


def test_closing_removes_what_the_execution_had_written_and_nothing_else(root, writer, store):
    complete = writer.execution("1", "Trainer", STATE.COMPLETE)
    running = writer.execution("2", "Trainer", STATE.RUNNING)
    trainer = root.artifacts / "Trainer"
    kept = [
        trainer / "model" / str(complete),
        trainer / ".system" / "executor_execution" / str(complete),
        root.artifacts / "Evaluator" / "evaluation" / str(running),
    ]
    removed = [
        trainer / "model" / str(running),
        trainer / "model_run" / str(running),
        trainer / ".system" / "executor_execution" / str(running),
        trainer / ".system" / "stateful_working_dir" / "2",
    ]
    for folder in kept + removed:
        folder.mkdir(parents=True)
        (folder / "file").touch()
    store.close_unfinished("2", root, "why")
    assert [(folder / "file").exists() for folder in kept] == [True] * 3
    assert [folder.exists() for folder in removed] == [False] * 4


def test_removing_outputs_that_were_never_written_does_nothing(root):
    remove_outputs(root.artifacts, "Trainer", 7)
    assert list(root.artifacts.iterdir()) == []


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\0" + bytes(100)])
def test_a_damaged_store_is_named_and_left_as_it_is(root, content):
    root.metadata.write_bytes(content)
    with pytest.raises(UnavailableError) as error:
        Store(root.metadata)
    text = str(error.value)
    assert text.startswith(f"{root.metadata} cannot be opened as an ML Metadata store (")
    assert text.endswith("): it was left as it is; restore a copy of it, or choose another root with --root")
    assert "\n" not in text
    assert root.metadata.read_bytes() == content


def test_a_folder_in_place_of_the_store_is_named(root):
    root.metadata.mkdir()
    with pytest.raises(UnavailableError, match="cannot be opened as an ML Metadata store"):
        Store(root.metadata)


def test_a_store_of_a_newer_schema_is_refused_with_both_versions_and_left_as_it_is(root):
    Writer(root.metadata).execution("run-1", "Trainer", STATE.COMPLETE)
    forge_schema_version(root.metadata, 11)
    before = root.metadata.read_bytes()
    with pytest.raises(UnavailableError, match=r"has schema 11 of ML Metadata, .* schema 10: .*version that wrote it"):
        Store(root.metadata)
    assert root.metadata.read_bytes() == before


@pytest.mark.parametrize("forged", [True, False])
def test_a_store_of_an_older_schema_is_refused_with_both_versions_and_left_as_it_is(root, forged):
    Writer(root.metadata).execution("run-1", "Trainer", STATE.COMPLETE)
    if forged:  # tables of schema 10 that say 9: a migration would break off half way
        forge_schema_version(root.metadata, 9)
    else:
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(root.metadata)
        metadata_store.downgrade_schema(config, 9)
    before = root.metadata.read_bytes()
    with pytest.raises(UnavailableError, match=r"has schema 9 of ML Metadata, .* schema 10: .*own migration"):
        Store(root.metadata)
    assert root.metadata.read_bytes() == before


def forge_schema_version(path, version):
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("UPDATE MLMDEnv SET schema_version = ?", (version,)).rowcount == 1
        database.commit()
