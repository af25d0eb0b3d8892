"""Reading and mending ML Metadata, on real stores written the way TFX's launcher writes them."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import signal
import sqlite3
import subprocess
import sys
import tempfile

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core import file_digests
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root, moved_path
from pipeline.metadata import client
from pipeline.metadata import properties as names
from pipeline.metadata.store import open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter, remove_outputs
from tests import PROJECT
from tests.builders.roots import STATE, Recorded, Writer, tree
from tests.builders.store_reader import reader


@pytest.fixture
def writer(root):
    return Writer(root.metadata)


@pytest.fixture
def store(root, writer):
    return open_store(root)


def test_an_empty_store_has_no_runs(root):
    store = open_store(root)
    assert store.run_ids() == []
    assert store.executions("20261123-143005") == {}


def test_what_is_written_waits_for_a_program_that_reads_and_says_so(root, writer):
    told = []

    class Ending(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage())
            program.end()

    recorder = MetadataWriter(root)
    ending = Ending()
    client.logger.addHandler(ending)
    try:
        with reader(root.metadata) as program:
            recorder.begin_run("pipeline", "r1", {"number": 7})
    finally:
        client.logger.removeHandler(ending)
    assert told == [f"another program is reading {root.metadata}: waiting until it has done so"]
    assert open_store(root).run_properties("r1") == {"number": 7}


def test_a_program_that_does_not_end_is_not_waited_for_for_ever(root, writer, monkeypatch):
    recorder = MetadataWriter(root)
    recorder.begin_run("pipeline", "r1", {"number": 7})
    monkeypatch.setattr(client, "_PATIENCE", 0.0)
    with reader(root.metadata), pytest.raises(UnavailableError) as raised:
        recorder.end_run("r1", {"number": 8})
    assert f"`fuser {root.metadata}` names its process" in str(raised.value)
    assert open_store(root).run_properties("r1") == {"number": 7}
    recorder.end_run("r1", {"number": 8})
    assert open_store(root).run_properties("r1") == {"number": 8}


@pytest.fixture
def cut_off(root, writer):
    """The store of a root whose writer was killed in the middle of a change that had reached the file."""
    writer.execution("r1", "Trainer", STATE.COMPLETE)
    command = [sys.executable, "-m", "tests.builders.store_writer", "uncommitted", str(root.metadata)]
    assert subprocess.run(command, check=False, cwd=PROJECT).returncode == -signal.SIGKILL
    assert root.metadata.with_name("metadata.sqlite-journal").stat().st_size > 0
    return root


def test_what_a_killed_writer_had_not_committed_is_not_read_and_nothing_is_written(cut_off, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = tree(cut_off.path)
    store = open_store(cut_off, read_only=True)
    assert store.run_ids() == ["r1"]
    assert list(folder.iterdir()) == []
    assert list(store.executions("r1")) == ["Trainer"]  # the copy is open, not there
    assert tree(cut_off.path) == before
    assert open_store(cut_off).run_ids() == ["r1"]  # who writes takes it back
    assert not cut_off.metadata.with_name("metadata.sqlite-journal").exists()


def test_a_damaged_file_that_a_writer_left_is_refused_and_left(cut_off):
    with open(cut_off.metadata, "r+b") as file:
        file.truncate(5000)
    cut_off.metadata.with_name("metadata.sqlite-journal").write_bytes(b"no journal")
    before = tree(cut_off.path)
    with pytest.raises(UnavailableError, match="`sae restore --metadata`"):
        open_store(cut_off, read_only=True)
    assert tree(cut_off.path) == before


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
    [(node, found)] = store.executions("1").items()
    assert (node, found.id, found.type, found.state, found.error) == ("Trainer", execution, "type_of_Trainer", read, "")
    assert (found.state_name, found.is_of_node, found.key, found.reasons) == (STATE.Name(written), True, None, ())


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
    found = store.executions("1")["Trainer"]
    assert (found.id, found.state) == (newer, NodeState.EXECUTED)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (json.dumps({"resultMessage": "DataError: no label", "code": 2}), "DataError: no label"),
        (json.dumps({"code": 2}), '{"code": 2}'),
        ("not JSON", "not JSON"),
        ("5", "5"),
        ("[]", "[]"),
        ("[" * 10_000, "[" * 10_000),
    ],
    ids=lambda value: value[:20],
)
def test_the_reason_of_a_failure_is_what_the_node_said(writer, store, result, reason):
    writer.execution("1", "Trainer", STATE.FAILED, result)
    assert store.executions("1")["Trainer"].error == reason


@pytest.mark.parametrize("earlier", ["{", "5", "[5]", '["{"]', "[" * 10_000, json.dumps(["[" * 10_000])])
def test_damaged_digests_of_earlier_files_are_left_out(earlier):
    now = {"a": file_digests.FileState(1, 2, "abc")}
    properties = {names.FILES: file_digests.to_text(now), names.EARLIER_FILES: earlier}
    assert Artifact("/root/model/1", properties, 1, "Anything").files_over_time == [now]


def test_outputs_are_found_by_their_key_with_their_properties(writer, store):
    execution = writer.execution("1", "Trainer", STATE.COMPLETE)
    writer.artifact(execution, "model", "/root/model/1", digest="abc", epochs=50, loss=0.5)
    writer.artifact(execution, "model_run", "/root/model_run/1")
    found = store.outputs(execution)
    created = found["model"].created
    assert found == {
        "model": Artifact(
            "/root/model/1", {"digest": "abc", "epochs": 50, "loss": 0.5}, 1, "Anything", created=created
        ),
        "model_run": Artifact("/root/model_run/1", {}, 2, "Anything", created=found["model_run"].created),
    }
    assert created.tzinfo is datetime.timezone.utc


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
    assert sorted(MetadataWriter(root).close_unfinished("1", "the run was interrupted")) == [
        "Evaluator",
        "Report",
        "Trainer",
    ]
    found = open_store(root).executions("1")
    for node in ("Trainer", "Evaluator", "Report"):
        assert (found[node].state, found[node].error) == (NodeState.CANCELLED, "the run was interrupted")
    assert {node: found[node].state for node in ended} == {
        "ExampleGen": NodeState.EXECUTED,
        "SchemaGen": NodeState.CACHED,
        "Transform": NodeState.FAILED,
    }
    assert MetadataWriter(root).close_unfinished("1", "again") == []


def test_closing_a_run_leaves_another_ones_alone(root, writer, store):
    writer.execution("1", "Trainer", STATE.RUNNING)
    writer.execution("2", "Trainer", STATE.RUNNING)
    assert MetadataWriter(root).close_unfinished("2", "why") == ["Trainer"]
    assert store.executions("1")["Trainer"].state is None


def test_closing_a_run_that_never_began_does_nothing(root, store):
    assert MetadataWriter(root).close_unfinished("1", "why") == []


def test_closing_removes_what_the_execution_had_written_and_nothing_else(root, writer, store):
    complete = writer.execution("1", "Trainer", STATE.COMPLETE)
    running = writer.execution("2", "Trainer", STATE.RUNNING)
    trainer = root.artifacts / "Trainer"
    kept = [
        trainer / "model" / str(complete),
        trainer / ".system" / "executor_execution" / str(complete),
        root.artifacts / "Evaluator" / "evaluation" / str(running),
        root.previews / "Trainer" / "model" / str(complete),
    ]
    removed = [
        trainer / "model" / str(running),
        trainer / "model_run" / str(running),
        trainer / ".system" / "executor_execution" / str(running),
        trainer / ".system" / "stateful_working_dir" / "2",
        root.previews / "Trainer" / "model" / str(running),
    ]
    for folder in kept + removed:
        folder.mkdir(parents=True)
        (folder / "file").touch()
    MetadataWriter(root).close_unfinished("2", "why")
    assert [(folder / "file").exists() for folder in kept] == [True] * 4
    assert [folder.exists() for folder in removed] == [False] * 5


def test_removing_outputs_that_were_never_written_does_nothing(root):
    remove_outputs(root, "Trainer", 7)
    assert list(root.artifacts.iterdir()) == []


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\0" + bytes(100)])
def test_a_damaged_store_is_named_and_left_as_it_is(root, content):
    root.metadata.write_bytes(content)
    with pytest.raises(UnavailableError) as error:
        open_store(root)
    text = str(error.value)
    assert text.startswith(f"{root.metadata} cannot be opened as an ML Metadata store (")
    assert text.endswith("): it was left as it is; restore a copy of it, or choose another root with --root")
    assert "\n" not in text
    assert root.metadata.read_bytes() == content


def test_a_folder_in_place_of_the_store_is_named(root):
    root.metadata.mkdir()
    with pytest.raises(UnavailableError, match="ML Metadata"):
        open_store(root)


def test_a_store_of_a_newer_schema_is_refused_with_both_versions_and_left_as_it_is(root):
    Writer(root.metadata).execution("run-1", "Trainer", STATE.COMPLETE)
    forge_schema_version(root.metadata, 11)
    before = root.metadata.read_bytes()
    with pytest.raises(UnavailableError, match=r"schema 11\b.*schema 10\b"):
        open_store(root)
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
    with pytest.raises(UnavailableError, match=r"schema 9\b.*schema 10\b"):
        open_store(root)
    assert root.metadata.read_bytes() == before


def forge_schema_version(path, version):
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("UPDATE MLMDEnv SET schema_version = ?", (version,)).rowcount == 1
        database.commit()


# --- runs, keys and candidates -----------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path):
    return Recorded(tmp_path / "recorded")


def test_a_run_is_found_by_its_id_its_beginning_or_as_the_latest(writer, store):
    for run in ("20261123-143005", "20261123-143005-2", "20261124-000000"):
        writer.execution(run, "ExampleGen", STATE.COMPLETE)
    assert store.find_run("20261123-143005") == "20261123-143005"  # though another one begins so
    assert store.find_run("20261124") == "20261124-000000"
    assert store.find_run("20261123-143005-") == "20261123-143005-2"
    assert store.find_run("latest") == "20261124-000000"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("20261123", "run 20261123: 2 ids start with it: 20261123-143005, 20261123-143006; give more of the id"),
        (
            "20261123-1430055",
            "no run 20261123-1430055; did you mean 20261123-143005? (latest is the newest; `sae runs` lists all)",
        ),
        ("zzz", "no run zzz (latest is the newest; `sae runs` lists all)"),
        ("", "the id of the run is empty (latest is the newest; `sae runs` lists all)"),
    ],
)
def test_a_run_that_is_not_there_or_not_the_only_one_is_not_found(writer, store, wanted, said):
    for run in ("20261123-143006", "20261123-143005"):
        writer.execution(run, "ExampleGen", STATE.COMPLETE)
    with pytest.raises(NotFoundError) as error:
        store.find_run(wanted)
    assert str(error.value) == said


def test_of_many_runs_that_begin_so_five_are_named(writer, store):
    for number in range(7):
        writer.execution(f"r{number}", "ExampleGen", STATE.COMPLETE)
    with pytest.raises(NotFoundError, match=r"\br\b.*\b7\b.*r0, r1, r2, r3, r4 and 2 more"):
        store.find_run("r")


def test_without_runs_there_is_no_latest(store):
    with pytest.raises(NotFoundError, match="no run latest"):
        store.find_run("latest")


def test_what_ran_with_a_key_is_found_by_its_digest_the_newest_first(recorded):
    for run in ("r1", "r2"):
        recorded.run(run, names=["SchemaGen"])
    recorded.replay("r3", names=["SchemaGen"])
    store = recorded.store()
    [one, other] = store.executions_with_key(recorded.decisions()["SchemaGen"].key.digest)
    assert (store.owner(one.id).run, store.owner(other.id).run) == ("r2", "r1")
    assert (one.state, one.reasons) == (NodeState.EXECUTED, ("as asked",))
    assert one.key == other.key == recorded.decisions()["SchemaGen"].key
    assert store.executions_with_key(one.key.digest, before=one.id) == [other]
    assert store.executions_with_key("0" * 64) == []


def test_the_executions_of_a_node_are_found_in_all_states_the_newest_first(recorded):
    recorded.run("r1", names=["ExampleGen", "SchemaGen"])
    recorded.replay("r2", names=["SchemaGen"])
    recorded.run("r3", names=["SchemaGen"], failed="SchemaGen")
    recorded.run("r4", names=["SchemaGen"], noted=False)
    store = recorded.store()
    found = store.executions_of_node("sparse_autoencoder", "SchemaGen")
    assert [store.owner(candidate.id).run for candidate in found] == ["r4", "r3", "r2", "r1"]
    executed, failed, cached = NodeState.EXECUTED, NodeState.FAILED, NodeState.CACHED
    assert [candidate.state for candidate in found] == [executed, failed, cached, executed]
    assert [candidate.key is None for candidate in found] == [True, False, False, False]
    assert [candidate.reasons for candidate in found] == [(), ("as asked",), (), ("as asked",)]
    assert store.executions_of_node("sparse_autoencoder", "SchemaGen", before=found[1].id) == found[2:]
    assert store.executions_of_node("sparse_autoencoder", "Trainer") == []
    assert store.executions_of_node("another_pipeline", "SchemaGen") == []
    assert store.execution(found[2].id) == found[2]


def test_of_many_executions_the_newest_twenty_are_looked_at(writer, store):
    made = [writer.execution(f"r{number}", "SchemaGen", STATE.COMPLETE) for number in range(23)]
    found = store.executions_of_node("sparse_autoencoder", "SchemaGen")
    assert [candidate.id for candidate in found] == made[:2:-1]
    earlier = store.executions_of_node("sparse_autoencoder", "SchemaGen", before=made[3])
    assert [candidate.id for candidate in earlier] == made[2::-1]


def test_inputs_are_found_by_their_key(recorded):
    made = recorded.run("r1", names=["ExampleGen", "SchemaGen", "StatisticsGen", "ExampleValidator"])
    store = recorded.store()
    inputs = store.inputs(made["ExampleValidator"])
    assert inputs == {
        "statistics": store.outputs(made["StatisticsGen"])["statistics"],
        "schema": store.outputs(made["SchemaGen"])["schema"],
    }
    assert store.inputs(made["ExampleGen"]) == {}


def test_an_execution_of_a_run_that_is_of_no_node_is_left_out(writer, store):
    """A verification is recorded in the run's context alone."""
    writer.execution("1", "Trainer", STATE.COMPLETE)
    kind = writer.store.put_execution_type(pb.ExecutionType(name="sae.Verify"))
    [made] = writer.store.put_executions([pb.Execution(type_id=kind, last_known_state=STATE.COMPLETE)])
    association = pb.Association(execution_id=made, context_id=writer.context("pipeline_run", "1"))
    writer.store.put_attributions_and_associations([], [association])
    assert list(store.executions("1")) == ["Trainer"]


def test_an_artifact_has_the_properties_of_its_type_and_those_of_its_own(writer, store):
    execution = writer.execution("1", "ExampleGen", STATE.COMPLETE)
    made = writer.artifact(execution, "examples", "/a", own="x")
    writer.store.put_artifact_type(pb.ArtifactType(name="Anything", properties={"span": pb.INT}), can_add_fields=True)
    [artifact] = writer.store.get_artifacts_by_id([made])
    artifact.properties["span"].int_value = 3
    writer.store.put_artifacts([artifact])
    assert store.outputs(execution)["examples"].properties == {"span": 3, "own": "x"}


def test_declared_events_count_as_well(writer, store):
    execution = writer.execution("1", "Trainer", STATE.COMPLETE)
    writer.artifact(execution, "examples", "/in", event=pb.Event.DECLARED_INPUT)
    writer.artifact(execution, "model", "/out", event=pb.Event.DECLARED_OUTPUT)
    assert [list(store.inputs(execution)), list(store.outputs(execution))] == [["examples"], ["model"]]


def test_an_artifact_tells_its_digest_and_its_files():
    files = {"a": file_digests.FileState(1, 2, "ab")}
    output = Artifact("/a", {"content_digest": "model-1:ab", "files": file_digests.to_text(files)})
    assert (output.content, output.files) == ("model-1:ab", files)
    assert (Artifact("/a", {}).content, Artifact("/a", {}).files) == ("", None)
    assert Artifact("/a", {"files": "damaged"}).files is None


def test_what_was_deleted_or_marked_is_not_live(writer, store):
    execution = writer.execution("1", "Trainer", STATE.COMPLETE)
    made = writer.artifact(execution, "model", "/a")
    for state, live in (
        (pb.Artifact.LIVE, True),
        (pb.Artifact.MARKED_FOR_DELETION, False),
        (pb.Artifact.DELETED, False),
        (pb.Artifact.PENDING, False),
    ):
        [artifact] = writer.store.get_artifacts_by_id([made])
        artifact.state = state
        writer.store.put_artifacts([artifact])
        assert store.outputs(execution)["model"].live == live


# --- a moved root, and reading alone -----------------------------------------------------------


def test_places_in_a_moved_root_are_mapped_on_reading(root, writer):
    execution = writer.execution("1", "Trainer", STATE.COMPLETE)
    old = str(root.path)
    for key, uri in (("model", f"{old}/artifacts/a"), ("beside", f"{old}2/artifacts/a"), ("foreign", "/data/a")):
        writer.artifact(execution, key, uri)
        writer.artifact(execution, key, uri, event=pb.Event.INPUT)
    moved = Root(root.path.rename(root.path.with_name("moved")))
    store = open_store(moved, read_only=True)
    for found in (store.outputs(execution), store.inputs(execution)):
        assert {key: output.uri for key, output in found.items()} == {
            "model": f"{moved.path}/artifacts/a",
            "beside": f"{old}2/artifacts/a",
            "foreign": "/data/a",
        }
    assert Writer(moved.metadata).store.get_artifacts()[0].uri == f"{old}/artifacts/a"


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("/a/root", "/a/root", "/b", "/b"),
        ("/a/root/x", "/a/root", "/b", "/b/x"),
        ("/a/root2/x", "/a/root", "/b", "/a/root2/x"),
        ("/c/a/root/x", "/a/root", "/b", "/c/a/root/x"),
        ("", "/a/root", "/b", ""),
        ("/a/root/x", "/a/root", "/a", "/a/x"),
        ("/a/x", "/a", "/a/old", "/a/old/x"),
        ("/a/old/x", "/a", "/a/old", "/a/old/x"),
    ],
)
def test_a_path_moves_with_the_folder_that_it_is_in(path, old, new, expected):
    assert moved_path(path, old, new) == expected


def test_reading_alone_writes_nothing(recorded):
    recorded.run("r1")
    before = tree(recorded.root.path)
    store = open_store(recorded.root, read_only=True)
    for execution in store.executions(store.find_run("latest")).values():
        store.execution(execution.id)
        store.inputs(execution.id)
        store.outputs(execution.id)
    with pytest.raises(UnavailableError):
        store._client.put_artifact_type(pb.ArtifactType(name="New"))
    assert tree(recorded.root.path) == before


def test_for_reading_alone_a_missing_store_is_not_made(tmp_path):
    root = Root(tmp_path / "none")
    with pytest.raises(NotFoundError, match=f"{root.path}.*`sae run`.*--root"):
        open_store(root, read_only=True)
    assert not root.path.exists()


def test_a_store_to_write_is_made(root):
    open_store(root).run_ids()
    assert root.metadata.is_file()
