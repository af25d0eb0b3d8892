"""Writes to ML Metadata: cached executions, a run's context, what is out of use, and the places of a moved root."""

from __future__ import annotations

import json
import pathlib
import uuid

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.metadata import missing_rows, protobuf, replaced_stores, root_store
from pipeline.metadata.run_properties import START_PROPERTY
from pipeline.metadata.store import open_store
from pipeline.metadata.writer import CachedNode, MetadataWriter, rewrite_moved_uris
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders.roots import RESULT, STATE, Recorded, Writer


@pytest.fixture
def recorded(tmp_path):
    recorded = Recorded(tmp_path)
    recorded.run("r1")
    return recorded


@pytest.fixture
def recorder(recorded):
    return MetadataWriter(recorded.root)


@pytest.fixture
def store(recorded):
    return recorded.writer.store


def steps(event):
    return [getattr(step, step.WhichOneof("value")) for step in event.path.steps]


def contexts_of(store, execution_id):
    return {(context.type, context.name) for context in store.get_contexts_by_execution(execution_id)}


# --- a hit -------------------------------------------------------------------------------------


def test_a_hit_is_a_cached_execution_of_the_same_type_in_the_runs_contexts(recorded, recorder, store):
    recorded.replay("r2", names=["Evaluator"])
    old, new = (store.get_executions_by_context(context.id) for context in map(run_context(store), ("r1", "r2")))
    [new] = new
    [old] = [execution for execution in old if execution.type == "tfx.Evaluator"]
    assert (new.type_id, new.last_known_state) == (old.type_id, STATE.CACHED)
    assert str(uuid.UUID(new.name)) == new.name
    assert new.name != old.name
    assert contexts_of(store, new.id) == {
        ("pipeline", PIPELINE.name),
        ("pipeline_run", "r2"),
        ("node", f"{PIPELINE.name}.Evaluator"),
    }


def run_context(store):
    return lambda run_id: store.get_context_by_type_and_name("pipeline_run", run_id)


def test_a_hit_has_the_properties_of_the_execution_that_ran_and_the_key_of_now(recorded, store):
    recorded.replay("r2", names=["Evaluator"])
    [new] = store.get_executions_by_context(run_context(store)("r2").id)
    assert {name: value.string_value for name, value in new.properties.items()} == {"declared": "of Evaluator"}
    notes = {name: protobuf.value_of(value) for name, value in new.custom_properties.items()}
    key = recorded.decisions()["Evaluator"].key
    # Neither why the other one ran, nor what its executor said, nor what stands among the declared ones.
    assert notes == {"own": 7, **key.properties()}
    [old] = [e for e in store.get_executions_by_context(run_context(store)("r1").id) if e.type == "tfx.Evaluator"]
    assert {"reasons", RESULT, "declared"} <= set(old.custom_properties)


def test_a_hit_names_places_as_they_are_now_and_only_those_that_the_node_is_told(recorded, recorder, store):
    key = recorded.decisions()["Evaluator"].key
    executed = recorded.store().executions("r1")["Evaluator"].id
    paths = {"declared": "/now", "serving_dir": "/elsewhere"}
    recorder.record_cached(PIPELINE.name, "r2", CachedNode("Evaluator", key, executed, {}, {}, paths))
    [new] = store.get_executions_by_context(run_context(store)("r2").id)
    assert new.properties["declared"].string_value == "/now"
    assert "serving_dir" not in new.custom_properties


def test_the_key_of_a_hit_is_the_one_of_now(recorded, recorder, store):
    key = recorded.decisions("training.epochs=60")["Trainer"].key
    executed = recorded.store().executions("r1")["Trainer"].id
    recorder.record_cached(PIPELINE.name, "r2", CachedNode("Trainer", key, executed, {}, {}))
    [new] = store.get_executions_by_context(run_context(store)("r2").id)
    assert recorded.store().execution(new.id).key == key


def test_a_hit_has_an_event_for_each_input_and_each_output(recorded, store):
    recorded.replay("r2", names=["Evaluator"])
    [new] = store.get_executions_by_context(run_context(store)("r2").id)
    found = {(event.type, *steps(event)): event.artifact_id for event in store.get_events_by_execution_ids([new.id])}
    id_of = {(node, key): output.id for node in PIPELINE.names for key, output in recorded.outputs("r1", node).items()}
    assert found == {
        (pb.Event.INPUT, "examples", 0): id_of["ExampleGen", "examples"],
        (pb.Event.INPUT, "model", 0): id_of["Trainer", "model"],
        (pb.Event.INPUT, "schema", 0): id_of["SchemaGen", "schema"],
        (pb.Event.OUTPUT, "evaluation", 0): id_of["Evaluator", "evaluation"],
        (pb.Event.OUTPUT, "blessing", 0): id_of["Evaluator", "blessing"],
    }


def test_a_run_of_hits_alone_leaves_the_artifacts_as_they_are(recorded, store):
    def artifacts():
        return [
            (artifact.id, artifact.uri, artifact.state, sorted(artifact.custom_properties))
            for artifact in store.get_artifacts()
        ]

    before = artifacts()
    recorded.replay("r2")
    assert artifacts() == before
    executions = recorded.store().executions("r2")
    assert list(executions) == list(PIPELINE.names)
    assert {execution.state for execution in executions.values()} == {NodeState.CACHED}
    for node in PIPELINE.names:
        assert recorded.outputs("r2", node) == recorded.outputs("r1", node)
        one, other = (recorded.store().executions(run)[node].id for run in ("r1", "r2"))
        assert recorded.store().inputs(one) == recorded.store().inputs(other)


def test_a_hit_in_a_new_run_makes_its_context_and_another_one_uses_it(recorded, store):
    for run in ("r2", "r2", "r3"):
        recorded.replay(run, names=["ExampleGen"])
    assert sorted(context.name for context in store.get_contexts_by_type("pipeline_run")) == ["r1", "r2", "r3"]
    assert len(store.get_contexts_by_type("node")) == len(PIPELINE.names)
    names = [execution.name for execution in store.get_executions() if execution.type == "tfx.ExampleGen"]
    assert len(set(names)) == len(names) == 4


def test_a_hit_is_no_source_of_later_hits(recorded):
    recorded.replay("r2")
    one = recorded.decisions()["Trainer"]
    assert one.run_id == "r1"
    assert [recorded.store().owner(found.id).run for found in recorded.store().executions_with_key(one.key.digest)] == [
        "r1"
    ]


# --- a run, and what is out of use -------------------------------------------------------------


def test_a_run_begins_with_its_context_below_the_pipelines(tmp_path):
    root = Root(tmp_path / "new")
    root.create()
    recorder = MetadataWriter(root)
    recorder.begin_run(PIPELINE.name, "r1", {"manifest_digest": "abc", "other": "x"})
    recorder.begin_run(PIPELINE.name, "r1", {"manifest_digest": "abc", "other": "x"})  # once more changes nothing
    recorder.begin_run(PIPELINE.name, "r2", {})
    store = Writer(root.metadata).store
    [pipeline] = store.get_contexts_by_type("pipeline")
    one, other = store.get_contexts_by_type("pipeline_run")
    assert (pipeline.name, one.name, other.name) == (PIPELINE.name, "r1", "r2")
    assert {name: value.string_value for name, value in one.custom_properties.items()} == {
        "manifest_digest": "abc",
        "other": "x",
    }
    for run in (one, other):
        assert [parent.id for parent in store.get_parent_contexts_by_context(run.id)] == [pipeline.id]
    assert open_store(root).run_ids() == ["r2", "r1"]


def test_a_run_whose_context_is_there_without_a_parent_gets_it(recorded, recorder, store):
    assert store.get_parent_contexts_by_context(run_context(store)("r1").id) == []
    recorder.begin_run(PIPELINE.name, "r1", {})
    [parent] = store.get_parent_contexts_by_context(run_context(store)("r1").id)
    assert parent.name == PIPELINE.name


def test_what_is_noted_at_the_end_of_a_run_joins_what_was_noted_before(tmp_path):
    root = Root(tmp_path / "new")
    root.create()
    recorder = MetadataWriter(root)
    recorder.begin_run(PIPELINE.name, "r1", {"manifest_digest": "abc", "seconds": 0.5})
    recorder.end_run("r1", {"seconds": 61.25, "cached": 10, "state": "succeeded"})
    store = Writer(root.metadata).store
    [run] = store.get_contexts_by_type("pipeline_run")
    assert {name: protobuf.value_of(value) for name, value in run.custom_properties.items()} == {
        "manifest_digest": "abc",
        "seconds": 61.25,
        "cached": 10,
        "state": "succeeded",
    }
    assert run.custom_properties["cached"].WhichOneof("value") == "int_value"
    assert [parent.name for parent in store.get_parent_contexts_by_context(run.id)] == [PIPELINE.name]


def test_what_is_taken_out_of_use_is_not_live_and_says_why(recorded, recorder, store):
    before = recorded.outputs("r1", "Trainer")
    recorder.mark_out_of_use(before["model"].id, "part-0 is missing")
    after = recorded.outputs("r1", "Trainer")
    assert not after["model"].live
    assert after["model"].properties == {**before["model"].properties, "out_of_use": "part-0 is missing"}
    assert after["model_run"] == before["model_run"]
    [artifact] = store.get_artifacts_by_id([before["model"].id])
    assert artifact.state == pb.Artifact.MARKED_FOR_DELETION
    assert len(store.get_events_by_artifact_ids([artifact.id])) == 6  # the lineage stays: Trainer and five readers


# --- a moved root ------------------------------------------------------------------------------


@pytest.fixture
def moved(recorded):
    """The root of a run, somewhere else."""
    old = recorded.root.path
    for path in (old.with_name("root2"), old.parent / "foreign"):
        path.mkdir()
    recorded.writer.artifact(
        recorded.store().executions("r1")["Trainer"].id, "foreign", str(old.parent / "foreign" / "a"),
        beside=str(old.with_name("root2") / "x"), text=f"it lay in {old}/artifacts", number=5, itself=str(old),
    )  # fmt: skip
    recorded.writer.artifact(recorded.store().executions("r1")["Trainer"].id, "sibling", f"{old}2/artifacts/b")
    recorded.root = Root(old.rename(recorded.folder / "moved"))
    return recorded


def artifacts(root):
    return {artifact.id: artifact for artifact in Writer(root).store.get_artifacts()}


@pytest.mark.sqlite_file
def test_a_root_that_was_not_moved_is_not_mended(recorded):
    before = recorded.root.metadata.read_bytes()
    assert rewrite_moved_uris(recorded.root) is None
    assert recorded.root.metadata.read_bytes() == before
    assert list(recorded.root.path.glob("metadata.sqlite?*")) == []


def test_a_moved_root_without_metadata_only_notes_its_place(tmp_path):
    Root(tmp_path / "old").create()
    root = Root((tmp_path / "old").rename(tmp_path / "new"))
    assert root.moved() == (str(tmp_path / "old"), str(tmp_path / "new"))
    assert rewrite_moved_uris(root) is None
    assert root.moved() is None
    assert not root.metadata.exists()


def test_mending_writes_where_artifacts_and_pushed_models_lie_now(moved):
    old, new = str(moved.folder / "root"), str(moved.folder / "moved")
    before = artifacts(moved.root)
    rewrite_moved_uris(moved.root)
    after = artifacts(moved.root)
    changed = 0
    for number, artifact in after.items():
        if artifact.uri != before[number].uri:
            changed += 1
            assert artifact.uri == before[number].uri.replace(old, new, 1)
            assert pathlib.Path(artifact.uri).is_dir()
    assert changed == sum(len(node.outputs) for node in PIPELINE.nodes)
    pushed = moved.outputs("r1", "Pusher")["pushed_model"]
    assert pushed.properties["pushed_destination"] == f"{new}/serving/1"
    assert moved.root.moved() is None
    assert {one.verdict.value for one in moved.decisions(all_bytes=True).values()} == {"cached"}


def test_mending_leaves_alone_what_lay_elsewhere(moved):
    old, new = str(moved.folder / "root"), str(moved.folder / "moved")
    rewrite_moved_uris(moved.root)
    outputs = moved.outputs("r1", "Trainer")
    assert outputs["foreign"].uri == f"{moved.folder}/foreign/a"
    assert outputs["foreign"].properties == {
        "beside": f"{old}2/x",
        "text": f"it lay in {old}/artifacts",
        "number": 5,
        "itself": new,
    }
    assert outputs["sibling"].uri == f"{old}2/artifacts/b"


@pytest.mark.parametrize("cause", list(replaced_stores.Cause))
def test_a_replaced_store_sorts_above_earlier_ones_also_if_the_clock_was_ahead(tmp_path, cause):
    root = Root(tmp_path)
    made = []
    for name in ("29991231-000000", "20201231-000000", "29991231-000000-2", "29991231-000000-10"):
        made.append(tmp_path / f"metadata.sqlite.{cause.value}-{name}")
        made[-1].touch()
    (tmp_path / f"{made[0].name}-journal").touch()
    (tmp_path / "metadata.sqlite.before-lunch").touch()
    assert replaced_stores.paths(root, cause) == [made[3], made[2], made[0], made[1]]
    new = replaced_stores.new_path(root, cause)
    assert new.name == f"metadata.sqlite.{cause.value}-29991231-000000-11"
    new.touch()
    assert replaced_stores.paths(root, cause)[0] == new


@pytest.mark.sqlite_file
def test_the_copy_from_before_is_exact(moved):
    before = moved.root.metadata.read_bytes()
    copy = rewrite_moved_uris(moved.root)
    assert copy.parent == moved.root.path
    assert copy.name.startswith("metadata.sqlite.before-move-")
    header = 100  # bytes of SQLite's own: it counts changes in it
    assert copy.read_bytes()[header:] == before[header:]
    assert moved.root.metadata.read_bytes() != before


@pytest.mark.parametrize("moment", ["while writing", "after writing"])
def test_a_mending_that_broke_off_is_gone_on_with(moved, monkeypatch, moment):
    def break_off(self, *_):
        raise KeyboardInterrupt

    place = (mlmd.MetadataStore, "put_artifacts") if moment == "while writing" else (Root, "record_location")
    before = artifacts(moved.root)
    with monkeypatch.context() as patch:
        patch.setattr(*place, break_off)
        with pytest.raises(KeyboardInterrupt):
            rewrite_moved_uris(moved.root)
    if moment == "while writing":
        assert artifacts(moved.root) == before
    # What only reads finds everything meanwhile.
    assert moved.root.moved() is not None
    assert {one.verdict.value for one in moved.decisions().values()} == {"cached"}
    copy = rewrite_moved_uris(moved.root)
    assert (copy is None) == bool(moved.root.metadata_url())  # a server keeps none
    assert moved.root.moved() is None
    for node in PIPELINE.nodes:
        for output in node.outputs:
            assert moved.outputs("r1", node.name)[output].uri == f"{moved.root.path}/artifacts/{node.name}/{output}/r1"


def test_all_places_are_written_at_once(moved, monkeypatch):
    calls = []
    real = mlmd.MetadataStore.put_artifacts
    monkeypatch.setattr(
        mlmd.MetadataStore, "put_artifacts", lambda self, found: calls.append(len(found)) or real(self, found)
    )
    rewrite_moved_uris(moved.root)
    assert calls == [sum(len(node.outputs) for node in PIPELINE.nodes) + 1]  # and one whose property names the root


def test_mending_twice_in_a_folder_of_the_old_place_maps_once(recorded, monkeypatch):
    """The root moves into a folder that bears its old name."""
    old = recorded.root.path
    old.rename(recorded.folder / "between")
    old.mkdir()
    recorded.root = Root((recorded.folder / "between").rename(old / "within"))
    with monkeypatch.context() as patch:
        patch.setattr(Root, "record_location", lambda self: None)
        rewrite_moved_uris(recorded.root)
    rewrite_moved_uris(recorded.root)
    assert recorded.outputs("r1", "Trainer")["model"].uri == f"{old}/within/artifacts/Trainer/model/r1"
    assert {one.verdict.value for one in recorded.decisions().values()} == {"cached"}


def test_in_a_store_without_artifacts_only_the_place_is_noted(tmp_path):
    old = Root(tmp_path / "old")
    old.create()
    MetadataWriter(old).begin_run(PIPELINE.name, "r1", {})
    root = Root(old.path.rename(tmp_path / "new"))
    assert rewrite_moved_uris(root) is not None
    assert json.loads((root.path / "root.json").read_text())["path"] == str(root.path)


class _KilledError(Exception):
    """Stands for the end of the process."""


def _recorded_of(store, run_id):
    """Return what is recorded of a run's executions, without ids, names and times."""
    executions = store.get_executions_by_context(run_context(store)(run_id).id)
    found = []
    for one in sorted(executions, key=lambda one: one.id):
        events = [
            (event.artifact_id, event.type, steps(event)) for event in store.get_events_by_execution_ids([one.id])
        ]
        contexts = contexts_of(store, one.id) - {("pipeline_run", run_id)}
        custom = {name: protobuf.value_of(value) for name, value in one.custom_properties.items()}
        declared = {name: protobuf.value_of(value) for name, value in one.properties.items()}
        found.append((one.type, one.last_known_state, declared, custom, events, contexts))
    return found


def _artifacts_by_context(store, run_id):
    return {
        (context.type, context.name.replace(run_id, "RUN")): {
            one.id for one in store.get_artifacts_by_context(context.id)
        }
        for context in store.get_contexts()
        if context.type != "pipeline_run" or context.name == run_id
    }


def test_hits_recorded_together_are_recorded_like_hits_one_by_one(recorded, recorder, store):
    recorded.replay("r2")
    separately, of_contexts = _recorded_of(store, "r2"), _artifacts_by_context(store, "r2")
    recorder.begin_run(PIPELINE.name, "r3", {})
    recorder.record_all_cached(PIPELINE.name, "r3", recorded.cached_nodes())
    assert len(separately) == len(PIPELINE.names)
    assert _recorded_of(store, "r3") == separately
    assert _artifacts_by_context(store, "r3") == of_contexts


def test_no_hits_are_recorded_as_nothing(recorded, recorder, store):
    recorder.begin_run(PIPELINE.name, "r2", {})
    recorder.record_all_cached(PIPELINE.name, "r2", [])
    assert not store.get_executions_by_context(run_context(store)("r2").id)


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
def test_hits_whose_recording_was_interrupted_are_closed(recorded, recorder, store, monkeypatch, calls):
    recorder.begin_run(PIPELINE.name, "r2", {START_PROPERTY: "manual"})
    call, left = recorder._client._call, [calls]

    def killed_after(method, *arguments, **options):
        if method.startswith("Put"):
            left[0] -= 1
            if left[0] < 0:
                raise _KilledError
        return call(method, *arguments, **options)

    nodes = recorded.cached_nodes()
    recorded_store = root_store.of(recorded.root)
    missing = recorded_store.query(missing_rows.found)
    with monkeypatch.context() as patched:
        patched.setattr(recorder._client, "_call", killed_after)
        if calls < 3:
            with pytest.raises(_KilledError):
                recorder.record_all_cached(PIPELINE.name, "r2", nodes)
        else:
            recorder.record_all_cached(PIPELINE.name, "r2", nodes)
    before = _artifacts_by_context(store, "r1")
    assert [one for one in recorded_store.query(missing_rows.found) if one not in missing] == []
    closed = MetadataWriter(recorded.root).close_unfinished("r2", "killed", killed=True)
    assert closed == (list(PIPELINE.names) if calls in (1, 2) else [])
    assert list(recorded.store().executions("r2")) == ([] if calls == 0 else list(PIPELINE.names))
    states = [one.last_known_state for one in store.get_executions_by_context(run_context(store)("r2").id)]
    ended = pb.Execution.CACHED if calls == 3 else pb.Execution.FAILED
    assert states == ([] if calls == 0 else [ended] * 14)
    assert _artifacts_by_context(store, "r1") == before
    for node in PIPELINE.names:
        assert all(pathlib.Path(output.uri).exists() for output in recorded.outputs("r1", node).values())
