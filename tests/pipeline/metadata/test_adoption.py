"""A run that was executed in a copy of a root is taken over with its results."""

import copy
import json
import pathlib
import shutil

import pytest

from pipeline.core import file_digests
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.maintenance import fsck
from pipeline.metadata import root_store, run_properties
from pipeline.metadata.adoption import adopt_run, link_tree
from pipeline.metadata.properties import MANIFEST_DIGEST
from pipeline.metadata.writer import MetadataWriter, rewrite_moved_uris
from pipeline.orchestration import partial_run, recovery, replay
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders.roots import Recorded, Writer, set_properties

PART, _ = partial_run.nodes_of(PIPELINE, "", "Encode,Evaluator,Probe")
MODEL_PART = ["Trainer", "Encode", "Evaluator", "Probe"]
SHARED = [name for name in PART if name not in MODEL_PART]


def ended(recorded, run_id, **fields):
    properties = {"trigger": "sweep l1 point 1", "state": "succeeded", "seconds": 3.0, "test_bce": 0.0943, **fields}
    recorded.end(run_id, **properties)
    for place in (recorded.root.manifests / f"{run_id}.json", recorded.root.logs / f"{run_id}.log"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"of {run_id}")


@pytest.fixture
def recorded(tmp_path):
    made = Recorded(tmp_path)
    made.run("r1", names=PART)
    ended(made, "r1")
    return made


@pytest.fixture
def worker(recorded):
    """A copy of the root with the same run, in which others are recorded."""
    place = recorded.root.sweeps / "l1" / "workers" / "1"
    place.mkdir(parents=True)
    made = copy.copy(recorded)
    made.root = Root(place)
    assert root_store.of(recorded.root).copy_to(made.root.metadata) == ""  # a file, also of a database
    recorded.root.copy_record_to(made.root)
    link_tree(recorded.root.artifacts, made.root.artifacts)
    rewrite_moved_uris(made.root)
    made.writer = Writer(made.root.metadata)
    return made


def run_of_model(worker, run_id, *assignments, **fields):
    """Record a run whose first nodes are cached."""
    decisions = worker.decider(*assignments).decide_all(SHARED)
    writer = MetadataWriter(worker.root)
    writer.begin_run(PIPELINE.name, run_id, {})
    replay.replay(PIPELINE, decisions, writer, run_id, lambda event: None)
    given = {one.node: one.outputs for one in decisions}
    failed = fields.pop("failed", "")
    worker.run(run_id, *assignments, names=MODEL_PART, given=given, failed=failed)
    ended(worker, run_id, **fields)


def test_results_are_linked_under_ids_of_the_root(recorded, worker):
    recorded.run("r2", "model.l1=0.5", names=PART)  # takes ids that the worker uses as well
    run_of_model(worker, "r3", "model.l1=1e-4")
    assert adopt_run(worker.root, recorded.root, "r3") is True
    store = recorded.store()
    executions = store.executions("r3")
    assert {name: one.state for name, one in executions.items()} == {
        **dict.fromkeys(SHARED, NodeState.CACHED), **dict.fromkeys(MODEL_PART, NodeState.EXECUTED),
    }  # fmt: skip
    for name in PART:
        for key, output in recorded.outputs("r3", name).items():
            assert output.content == worker.outputs("r3", name)[key].content
            assert pathlib.Path(output.uri).is_relative_to(recorded.root.artifacts)
            assert file_digests.damage(pathlib.Path(output.uri), output.files, all_bytes=True) == ""
    for name in SHARED:
        assert recorded.outputs("r3", name) == recorded.outputs("r1", name)
    inputs = store.inputs(executions["Evaluator"].id)
    assert inputs["model"].id == recorded.outputs("r3", "Trainer")["model"].id
    assert inputs["examples"].id == recorded.outputs("r1", "ExampleGen")["examples"].id
    assert executions["Trainer"].key.digest == worker.store().executions("r3")["Trainer"].key.digest


def test_record_of_the_run_is_that_of_the_worker(recorded, worker):
    run_of_model(worker, "r3", "model.l1=1e-4", seconds=7.5)
    (worker.root.manifests / "r3.json").write_text(json.dumps({"paths.root": str(worker.root.path)}))
    context = worker.writer.store.get_context_by_type_and_name("pipeline_run", "r3")
    set_properties(context.custom_properties, {MANIFEST_DIGEST: "of the worker's"})
    worker.writer.store.put_contexts([context])
    adopt_run(worker.root, recorded.root, "r3")
    properties = recorded.store().run_properties("r3")
    found = run_properties.headline_of(properties)
    assert (found.state, found.seconds, found.trigger, found.metrics["test_bce"]) == (
        "succeeded", 7.5, "sweep l1 point 1", 0.0943,
    )  # fmt: skip
    assert properties[run_properties.ADOPTED_FROM] == str(worker.root.path)
    manifest = recorded.root.manifests / "r3.json"
    assert json.loads(manifest.read_text()) == {"paths.root": str(recorded.root.path)}
    assert properties[MANIFEST_DIGEST] == file_digests.of_file(manifest)
    assert (recorded.root.logs / "r3.log").read_text() == "of r3"
    before = recorded.store().run_ids()
    assert adopt_run(worker.root, recorded.root, "r3") is False
    assert recorded.store().run_ids() == before


def test_results_survive_the_worker_and_are_used_as_cache(recorded, worker):
    run_of_model(worker, "r3", "model.l1=1e-4")
    adopt_run(worker.root, recorded.root, "r3")
    shutil.rmtree(worker.root.path)
    decisions = recorded.decider("model.l1=1e-4").decide_all(PART)
    assert {one.verdict.value for one in decisions} == {"cached"}
    assert {one.run_id for one in decisions if one.node in MODEL_PART} == {"r3"}
    assert not [one for one in fsck.check(recorded.root).findings if "artifacts" in (one.path or "")]


def test_a_failed_run_has_its_failure(recorded, worker):
    run_of_model(worker, "r3", "model.l1=1e-4", failed="Encode", state="failed", error="Encode: no space")
    adopt_run(worker.root, recorded.root, "r3")
    executions = recorded.store().executions("r3")
    assert (executions["Trainer"].state, executions["Encode"].state) == (NodeState.EXECUTED, NodeState.FAILED)
    assert run_properties.headline_of(recorded.store().run_properties("r3")).error == "Encode: no space"


def test_cached_results_that_the_root_lacks_are_taken_over_too(recorded, worker):
    run_of_model(worker, "r3", "model.l1=1e-4")
    MetadataWriter(worker.root).begin_run(PIPELINE.name, "r4", {})
    decisions = worker.decider("model.l1=1e-4").decide_all(PART)
    replay.replay(PIPELINE, decisions, MetadataWriter(worker.root), "r4", lambda event: None)
    ended(worker, "r4")
    adopt_run(worker.root, recorded.root, "r4")  # without r3
    executions = recorded.store().executions("r4")
    assert {executions[name].state for name in SHARED} == {NodeState.CACHED}
    assert {executions[name].state for name in MODEL_PART} == {NodeState.EXECUTED}
    model = recorded.outputs("r4", "Trainer")["model"]
    assert file_digests.damage(pathlib.Path(model.uri), model.files, all_bytes=True) == ""


def test_a_takeover_that_is_killed_is_closed_like_a_killed_run(recorded, worker, monkeypatch):
    run_of_model(worker, "r3", "model.l1=1e-4")

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.metadata.adoption.link_tree", killed)
    with pytest.raises(KeyboardInterrupt):
        adopt_run(worker.root, recorded.root, "r3")
    store = recorded.store()
    assert store.unended_runs() == ["r3"]
    recovery.close_killed_runs(recorded.root, store)
    found = run_properties.headline_of(recorded.store().run_properties("r3"))
    assert (found.state, recovery.REASON in found.error) == ("failed", True)
