"""Whether a node runs and why, on roots in which runs were recorded."""

from __future__ import annotations

import dataclasses
import os
import shutil

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core import file_digests
from pipeline.core.errors import UnavailableError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline
from pipeline.metadata import node_key
from pipeline.metadata.store import nearest_execution
from pipeline.metadata.types import Artifact, Execution
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration.cache import CacheVerdict
from pipeline.provenance import manifest, packages
from pipeline.sparse_autoencoder.definition import PIPELINE, PUSHER
from tests.builders import roots
from tests.builders.roots import STATE, change_bytes, tree
from tests.pipeline.provenance.test_manifest import RECORDED

RUN, CACHED, DEPENDS = CacheVerdict.RUN, CacheVerdict.CACHED, CacheVerdict.DEPENDS


@pytest.fixture
def after_a_run(recorded):
    recorded.run("r1")
    return recorded


def verdicts(made):
    return {name: one.verdict for name, one in made.items() if one.verdict != CACHED}


def out_of_use(recorded, artifact_id):
    MetadataWriter(recorded.root).mark_out_of_use(artifact_id, "a reason")


def test_in_an_empty_root_every_node_would_run_or_wait_and_never_did(recorded):
    made = recorded.decisions()
    assert list(made) == list(PIPELINE.names)
    assert {one.verdict for one in made.values()} == {RUN}
    assert {one.reasons for one in made.values()} == {("it never ran in this root",)}
    assert {(one.execution_id, one.run_id, len(one.outputs)) for one in made.values()} == {(0, "", 0)}


def test_with_the_same_keys_every_node_is_cached_with_the_outputs_of_before(after_a_run):
    made = after_a_run.decisions()
    assert {one.verdict for one in made.values()} == {CACHED}
    store = after_a_run.store()
    executions = store.executions("r1")
    for name, one in made.items():
        assert (one.reasons, one.damage, one.run_id) == ((), (), "r1")
        assert one.execution_id == executions[name].id
        assert one.outputs == store.outputs(executions[name].id)
        assert one.key == store.execution(one.execution_id).key


def test_a_node_does_not_reuse_the_result_of_another_one_with_the_same_key(after_a_run):
    twin = dataclasses.replace(PIPELINE.by_name["SchemaGen"], name="Twin")
    decider = after_a_run.decider()
    configured = ConfiguredPipeline(
        dataclasses.replace(PIPELINE, nodes=(*PIPELINE.nodes, twin)),
        decider.configured.settings,
        decider.configured.dataset,
        decider.root.serving,
    )
    made = {one.node: one for one in dataclasses.replace(decider, configured=configured).decide_all()}
    assert made["Twin"].key == made["SchemaGen"].key
    assert (made["SchemaGen"].verdict, made["Twin"].verdict) == (CACHED, RUN)


def test_deciding_writes_nothing(after_a_run):
    change_bytes(after_a_run.folder_of("r1", "Trainer", "model") / "Format-Serving" / "saved_model.pb")
    before = tree(after_a_run.folder)
    after_a_run.decisions("training.epochs=3")
    after_a_run.decisions(all_bytes=True)
    assert tree(after_a_run.folder) == before


def test_a_changed_setting_runs_its_nodes_and_those_after_them_wait_for_what_they_make(after_a_run):
    made = after_a_run.decisions("training.epochs=60")
    waiting = dict.fromkeys(("Encode", "Evaluator", "Probe", "PushGate", "Pusher"), DEPENDS)
    assert verdicts(made) == {"Trainer": RUN, **waiting, "Report": RUN}
    assert made["Trainer"].reasons == ("parameters: epochs: 50 -> 60",)
    assert made["Evaluator"].reasons == ("unless the outputs of Trainer stay the same",)
    assert made["Pusher"].reasons == ("unless the outputs of Evaluator, PushGate and Trainer stay the same",)
    assert made["Report"].reasons == ("parameters: training.epochs: 50 -> 60",)
    assert made["Evaluator"].key.parts["inputs"].keys() == {"examples", "schema"}  # those that are known


def test_changed_data_is_told_by_its_file(after_a_run):
    (after_a_run.data / "mnist-test.tfrecord").write_bytes(b"other images")
    made = after_a_run.decisions()
    assert made["ExampleGen"].verdict == RUN
    assert made["ExampleGen"].reasons == ("data: mnist-test.tfrecord changed",)
    assert made["SchemaGen"].verdict == CACHED
    assert {name for name, one in made.items() if one.verdict == DEPENDS} == set(PIPELINE.names[2:])


def test_every_change_is_told(after_a_run):
    made = after_a_run.decisions("training.epochs=60", "model.l1=0.5")
    assert made["Trainer"].reasons == ("parameters: epochs: 50 -> 60", "parameters: l1: 0.001 -> 0.5")


def test_of_several_runs_the_nearest_is_compared_with(after_a_run):
    after_a_run.run("r2", "training.epochs=60", "model.l1=0.5", "training.seed=3")
    assert after_a_run.decisions("training.epochs=70")["Trainer"].reasons == ("parameters: epochs: 50 -> 70",)
    made = after_a_run.decisions("training.epochs=70", "model.l1=0.5", "training.seed=3")
    assert made["Trainer"].reasons == ("parameters: epochs: 60 -> 70",)


def test_going_back_to_earlier_settings_is_cached(after_a_run):
    after_a_run.run("r2", "training.epochs=60")
    made = after_a_run.decisions()
    assert (made["Trainer"].verdict, made["Trainer"].run_id) == (CACHED, "r1")
    assert (made["ExampleGen"].verdict, made["ExampleGen"].run_id) == (CACHED, "r2")


@pytest.mark.parametrize("setting", ["engine.beam_workers=4", "paths.root=/elsewhere", "data.data_dir=/elsewhere"])
def test_what_shapes_no_result_runs_nothing(after_a_run, setting):
    assert verdicts(after_a_run.decisions(setting)) == {}


def test_touched_files_run_nothing(after_a_run):
    for folder in (after_a_run.data, after_a_run.schema.parent, after_a_run.root.artifacts):
        for path in folder.rglob("*.*"):
            os.utime(path, (1, 1))
    assert verdicts(after_a_run.decisions()) == {}


def test_a_moved_root_runs_nothing(after_a_run):
    after_a_run.root = Root(after_a_run.root.path.rename(after_a_run.folder / "moved"))
    made = after_a_run.decisions(all_bytes=True)
    assert verdicts(made) == {}
    assert made["Trainer"].outputs["model"].uri == str(after_a_run.folder / "moved" / "artifacts/Trainer/model/r1")


def test_without_the_cache_every_node_runs(after_a_run):
    made = after_a_run.decisions(use_cache=False)
    assert {one.verdict for one in made.values()} == {RUN}
    assert {one.reasons for one in made.values()} == {("the cache is not used",)}


# --- damage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "part-0").unlink(), "{folder}/part-0 is missing"),
        (lambda folder: shutil.rmtree(folder), "{folder}/inner/part-1 is missing"),
        (lambda folder: (folder / "part-0").write_bytes(b""), "{folder}/part-0 has 0 bytes, it was published with"),
        (lambda folder: change_bytes(folder / "inner" / "part-1"), "{folder}/inner/part-1 holds other bytes than it"),
        (lambda folder: (folder / "more").touch(), "{folder}/more was not there when the artifact was published"),
    ],
    ids=["file gone", "folder gone", "emptied", "other bytes", "stranger"],
)
def test_what_is_damaged_is_made_again_and_named(after_a_run, harm, said):
    folder = after_a_run.folder_of("r1", "ExampleGen", "examples")
    harm(folder)
    one = after_a_run.decisions()["ExampleGen"]
    [damage] = one.damage
    assert one.verdict == RUN
    assert damage.artifact_id == after_a_run.outputs("r1", "ExampleGen")["examples"].id
    assert damage.output == "ExampleGen's examples"
    assert damage.reason.startswith(said.format(folder=folder))
    assert one.reasons == (f"ExampleGen's examples is damaged: {damage.reason}",)


def test_those_that_read_what_is_damaged_wait_for_what_is_made_of_it(after_a_run):
    change_bytes(after_a_run.folder_of("r1", "Trainer", "model") / "Format-Serving" / "saved_model.pb")
    made = after_a_run.decisions()
    waiting = dict.fromkeys(("Encode", "Evaluator", "Probe", "PushGate", "Pusher", "Report"), DEPENDS)
    assert verdicts(made) == {"Trainer": RUN, **waiting}
    assert made["Report"].reasons == ("unless the outputs of Evaluator, Probe and Trainer stay the same",)


@pytest.mark.parametrize(
    ("node", "output"), [(node.name, output) for node in PIPELINE.nodes for output in node.outputs]
)
def test_damage_of_every_output_is_seen(after_a_run, node, output):
    (after_a_run.folder_of("r1", node, output) / "stranger").touch()
    one = after_a_run.decisions()[node]
    assert (one.verdict, [damage.output for damage in one.damage]) == (RUN, [f"{node}'s {output}"])


def test_each_damaged_output_is_told(after_a_run):
    for output in ("evaluation", "blessing"):
        (after_a_run.folder_of("r1", "Evaluator", output) / "stranger").touch()
    one = after_a_run.decisions()["Evaluator"]
    assert {damage.output for damage in one.damage} == {"Evaluator's evaluation", "Evaluator's blessing"}
    assert len(one.reasons) == 2


def test_bytes_under_an_unchanged_time_are_seen_where_all_bytes_are_read(after_a_run):
    change_bytes(after_a_run.folder_of("r1", "ExampleGen", "examples") / "part-0", keep_time=True)
    assert verdicts(after_a_run.decisions()) == {}
    one = after_a_run.decisions(all_bytes=True)["ExampleGen"]
    assert one.verdict == RUN
    assert one.reasons[0].endswith("part-0 holds other bytes than it was published with")


def test_where_one_copy_is_damaged_another_of_the_same_key_is_used(after_a_run):
    after_a_run.run("r2")
    harmed = after_a_run.outputs("r2", "ExampleGen")["examples"]
    change_bytes(after_a_run.folder_of("r2", "ExampleGen", "examples") / "part-0")
    one = after_a_run.decisions()["ExampleGen"]
    assert (one.verdict, one.run_id, one.reasons) == (CACHED, "r1", ())
    assert [damage.artifact_id for damage in one.damage] == [harmed.id]
    change_bytes(after_a_run.folder_of("r1", "ExampleGen", "examples") / "part-0")
    one = after_a_run.decisions()["ExampleGen"]
    assert (one.verdict, len(one.damage), len(one.reasons)) == (RUN, 2, 2)
    assert "/r2/" in one.reasons[0]
    assert "/r1/" in one.reasons[1]


def test_what_is_out_of_use_is_not_used(after_a_run):
    out_of_use(after_a_run, after_a_run.outputs("r1", "Evaluator")["blessing"].id)
    one = after_a_run.decisions()["Evaluator"]
    assert (one.verdict, one.reasons, one.damage) == (RUN, ("its blessing is out of use",), ())


def test_what_is_out_of_use_is_passed_over_for_an_older_copy(after_a_run):
    after_a_run.run("r2")
    out_of_use(after_a_run, after_a_run.outputs("r2", "SchemaGen")["schema"].id)
    one = after_a_run.decisions()["SchemaGen"]
    assert (one.verdict, one.run_id) == (CACHED, "r1")


def test_a_result_whose_code_changed_while_it_ran_is_not_used_again(recorded):
    made = recorded.run("r1", names=["ExampleGen"])
    [execution] = recorded.writer.store.get_executions_by_id([made["ExampleGen"]])
    execution.custom_properties["code_changed"].string_value = "components/a.py"
    recorded.writer.store.put_executions([execution])
    one = recorded.decisions()["ExampleGen"]
    assert (one.verdict, one.reasons) == (RUN, ("components/a.py changed while it ran",))
    store = recorded.store()
    ended = store.execution(execution.id)
    node, outputs = PIPELINE.by_name["ExampleGen"], store.outputs(ended.id)
    assert not recorded.decider().is_reusable(node, ended, {}, outputs)
    assert recorded.decider().is_reusable(
        node,
        dataclasses.replace(
            ended, properties={name: value for name, value in ended.properties.items() if name != "code_changed"}
        ),
        {},
        outputs,
    )


def test_an_output_that_was_not_published_cannot_be_used(recorded):
    made = recorded.run("r1", names=["ExampleGen"])
    store = recorded.writer.store
    [key_context] = [c for c in store.get_contexts_by_execution(made["ExampleGen"]) if c.type == "execution_cache"]
    assert key_context.name == recorded.store().execution(made["ExampleGen"]).key.digest
    # The same key once more, without any output.
    [old] = store.get_executions_by_id([made["ExampleGen"]])
    new = pb.Execution(type_id=old.type_id, last_known_state=old.last_known_state)
    for name, value in old.custom_properties.items():
        new.custom_properties[name].CopyFrom(value)
    contexts = store.get_contexts_by_execution(old.id)
    store.put_execution(new, [], contexts, reuse_context_if_already_exist=True, force_reuse_context=True)
    assert recorded.decisions()["ExampleGen"].verdict == CACHED
    shutil.rmtree(recorded.root.artifacts)
    one = recorded.decisions()["ExampleGen"]
    assert one.verdict == RUN
    assert one.reasons[0] == "its examples was not published"


def test_outputs_of_which_nothing_was_noted_are_used_as_they_are(after_a_run):
    examples = after_a_run.outputs("r1", "ExampleGen")["examples"]
    after_a_run.change(examples.id, gone=["files"])
    (after_a_run.folder_of("r1", "ExampleGen", "examples") / "stranger").touch()
    assert after_a_run.decisions()["ExampleGen"].verdict == CACHED


# --- what ended otherwise ----------------------------------------------------------------------


def test_a_failed_execution_is_no_hit(recorded):
    recorded.run("r1", failed="StatisticsGen")
    made = recorded.decisions()
    assert made["SchemaGen"].verdict == CACHED
    one = made["StatisticsGen"]
    assert (one.verdict, one.reasons) == (RUN, ("its last attempt did not succeed",))
    assert made["Report"].reasons == ("it never ran in this root",)


def test_a_node_that_has_a_checkpoint_is_said_to_continue_from_it(recorded):
    recorded.run("r1", failed="Trainer")
    [before] = recorded.decisions()["Trainer"].reasons
    (recorded.root.checkpoints / recorded.decisions()["Trainer"].key.digest).mkdir(parents=True)
    [after] = recorded.decisions()["Trainer"].reasons
    assert ("checkpoint" in before, "checkpoint" in after) == (False, True)


def test_a_failed_execution_is_no_hit_even_where_it_left_outputs(recorded):
    made = recorded.run("r1", names=["SchemaGen"])
    assert recorded.decisions()["SchemaGen"].verdict == CACHED
    for state in (STATE.FAILED, STATE.CANCELED, STATE.RUNNING, STATE.NEW):
        [execution] = recorded.writer.store.get_executions_by_id([made["SchemaGen"]])
        execution.last_known_state = state
        recorded.writer.store.put_executions([execution])
        assert recorded.decisions()["SchemaGen"].verdict == RUN


def test_after_a_failure_the_older_success_is_used(after_a_run):
    after_a_run.run("r2", failed="Trainer")
    one = after_a_run.decisions()["Trainer"]
    assert (one.verdict, one.run_id) == (CACHED, "r1")


def test_what_failed_runs_again_whatever_is_made_before_it(recorded):
    recorded.run("r1", failed="StatisticsGen")
    (recorded.data / "mnist-test.tfrecord").write_bytes(b"other images")
    one = recorded.decisions()["StatisticsGen"]
    assert (one.verdict, one.reasons) == (RUN, ("its last attempt did not succeed",))


def test_executions_without_a_key_are_not_compared_with(recorded):
    recorded.run("r1", noted=False)
    made = recorded.decisions()
    reason = "no earlier execution of it ended and recorded a cache key"
    assert {(one.verdict, one.reasons) for one in made.values()} == {(RUN, (reason,))}


def test_what_a_node_is_no_longer_told_is_a_change_of_its_own(after_a_run, monkeypatch):
    """It runs, whatever becomes of what it reads."""
    evaluator = PIPELINE.by_name["Evaluator"]

    def fewer(config, dataset):
        found = evaluator.parameters(config, dataset)
        del found["example_splits"]
        return found

    nodes = tuple(dataclasses.replace(node, parameters=fewer) if node is evaluator else node for node in PIPELINE.nodes)
    monkeypatch.setattr(roots, "PIPELINE", dataclasses.replace(PIPELINE, nodes=nodes))
    one = after_a_run.decisions("training.epochs=60")["Evaluator"]
    assert (one.verdict, one.reasons) == (RUN, ("parameters: example_splits is gone",))


def test_of_what_waits_only_its_own_changes_are_told(after_a_run):
    made = after_a_run.decisions("training.epochs=60", "evaluation.max_bce=0.5")
    assert made["Evaluator"].verdict == RUN
    assert made["Evaluator"].reasons == ("parameters: gates.max_loss: 0.12 -> 0.5",)


def test_another_content_of_an_input_runs_those_that_read_it(after_a_run):
    given = {name: after_a_run.outputs("r1", name) for name in PIPELINE.names}
    examples = given["ExampleGen"]["examples"]
    other = Artifact(examples.uri, {**examples.properties, "content_digest": "examples-1:" + "f" * 64}, examples.id)
    [one] = after_a_run.decider().decide_all(["StatisticsGen"], {"ExampleGen": {"examples": other}})
    old, new = examples.content, "examples-1:ffffffffffff"
    assert one.verdict == RUN
    assert one.reasons == (f"inputs: examples: {old[: len('examples-1:') + 12]} -> {new}",)


def test_a_part_takes_the_rest_from_what_is_given(after_a_run):
    given = {name: after_a_run.outputs("r1", name) for name in ("ExampleGen", "Transform")}
    made = after_a_run.decider("training.epochs=60").decide_all(["Trainer"], given)
    assert [(one.node, one.verdict) for one in made] == [("Trainer", RUN)]
    made = after_a_run.decider().decide_all(["Trainer"], given)
    assert [(one.node, one.verdict, one.run_id) for one in made] == [("Trainer", CACHED, "r1")]


def test_an_input_without_a_digest_counts_as_the_artifact_that_it_is(recorded):
    """Plain TFX wrote it: another artifact is another input, whatever it holds."""
    plain = recorded.run("plain", names=["ExampleGen"], noted=False)
    given = {"ExampleGen": recorded.store().outputs(plain["ExampleGen"])}
    recorded.run("r1", names=["StatisticsGen"], given=given)
    [one] = recorded.decider().decide_all(["StatisticsGen"], given)
    assert one.key.parts["inputs"] == {"examples": f"unverified artifact {given['ExampleGen']['examples'].id}"}
    assert one.verdict == CACHED
    again = recorded.run("again", names=["ExampleGen"], noted=False)
    [one] = recorded.decider().decide_all(
        ["StatisticsGen"], {"ExampleGen": recorded.store().outputs(again["ExampleGen"])}
    )
    assert one.verdict == RUN


# --- models and blessings ----------------------------------------------------------------------


def test_a_model_that_is_served_is_not_pushed_again(after_a_run):
    assert after_a_run.decisions()["Pusher"].verdict == CACHED
    serving = after_a_run.root.serving
    shutil.copytree(serving / "1", serving / "2")  # the same bytes under another number
    assert after_a_run.decisions()["Pusher"].verdict == CACHED


def test_a_blessed_model_is_pushed_where_another_is_served(after_a_run):
    after_a_run.run("r2", "training.epochs=60")
    made = after_a_run.decisions()
    assert made["PushGate"].verdict == RUN
    assert (made["Pusher"].verdict, made["Pusher"].reasons) == (
        DEPENDS,
        ("unless the outputs of PushGate stay the same",),
    )
    # With what the gate would decide, to push it:
    given = {name: after_a_run.outputs("r1", name) for name in PIPELINE.names}
    [one] = after_a_run.decider().decide_all(["Pusher"], given)
    assert (one.verdict, one.reasons) == (RUN, ("another model, or none, is served now",))
    assert after_a_run.decisions("training.epochs=60")["Pusher"].verdict == CACHED


def test_a_blessed_model_is_pushed_where_none_is_served(after_a_run):
    shutil.rmtree(after_a_run.root.serving)
    one = after_a_run.decisions()["Pusher"]
    assert (one.verdict, one.reasons) == (RUN, ("another model, or none, is served now",))


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_a_served_model_counts_by_its_bytes(after_a_run, name):
    change_bytes(after_a_run.root.serving / "1" / name, keep_time=True)
    assert after_a_run.decisions()["Pusher"].verdict == RUN


def test_a_served_model_is_compared_with_what_was_published_of_it(after_a_run):
    """Its artifact may be gone, as long as nobody reads it."""
    given = {name: after_a_run.outputs("r1", name) for name in PIPELINE.names}
    shutil.rmtree(after_a_run.folder_of("r1", "Trainer", "model"))
    [one] = after_a_run.decider().decide_all(["Pusher"], given)
    assert one.verdict == CACHED


def test_a_model_of_which_no_files_were_noted_is_compared_as_it_lies_there(after_a_run):
    after_a_run.change(after_a_run.outputs("r1", "Trainer")["model"].id, gone=["files"])
    assert after_a_run.decisions()["Pusher"].verdict == CACHED
    change_bytes(after_a_run.root.serving / "1" / "saved_model.pb")
    assert after_a_run.decisions()["Pusher"].verdict == RUN


def test_of_models_with_the_same_content_the_one_that_is_served_counts(after_a_run):
    """Training again may write other bytes of the same content."""
    after_a_run.run("r2")
    folder = after_a_run.folder_of("r2", "Trainer", "model")
    change_bytes(folder / "Format-Serving" / "saved_model.pb")
    noted = file_digests.to_text(file_digests.scan(folder))
    after_a_run.change(after_a_run.outputs("r2", "Trainer")["model"].id, files=noted)
    shutil.copytree(folder / "Format-Serving", after_a_run.root.serving / "2", dirs_exist_ok=True)
    one = after_a_run.decisions()["Pusher"]
    assert (one.verdict, one.run_id) == (CACHED, "r2")
    shutil.rmtree(after_a_run.root.serving / "2")
    one = after_a_run.decisions()["Pusher"]
    assert (one.verdict, one.run_id) == (CACHED, "r1")


def test_a_reason_is_told_once(after_a_run):
    after_a_run.run("r2")
    shutil.rmtree(after_a_run.root.serving)
    assert after_a_run.decisions()["Pusher"].reasons == ("another model, or none, is served now",)


def test_a_model_that_was_not_pushed_need_not_be_served(recorded):
    recorded.run("r1", blessed=False)
    assert not recorded.root.serving.exists()
    assert recorded.decisions()["Pusher"].verdict == CACHED


def model(content, number=1):
    return Artifact(f"/model/{number}", {"content_digest": content} if content else {}, number)


def blessing(**properties):
    return Artifact("/blessing", {"blessed": 1, **properties}, 9)


@pytest.mark.parametrize("key", ["model_blessing", "blessing"])
@pytest.mark.parametrize(
    ("model", "blessing"),
    [
        (model("model-1:a"), blessing(model_digest="model-1:a")),
        # Made again with the same content, it is the same model.
        (model("model-1:a", 5), blessing(model_digest="model-1:a", current_model_id=1)),
        (model("model-1:a", 5), blessing(current_model_id=5)),
        (model("", 5), blessing(current_model_id=5)),
        (model("", 5), blessing(model_digest="", current_model_id=5)),
        (model("", 5), blessing()),
    ],
    ids=["by content", "by content made again", "by number", "plain TFX", "judged by us, made by plain TFX", "unknown"],
)
def test_a_blessing_goes_with_the_model_that_it_judged(key, model, blessing):
    PUSHER.check_inputs({"model": model, key: blessing})


@pytest.mark.parametrize("key", ["model_blessing", "blessing"])
@pytest.mark.parametrize(
    ("model", "blessing"),
    [
        (model("model-1:b"), blessing(model_digest="model-1:a")),
        (model("model-1:b", 1), blessing(model_digest="model-1:a", current_model_id=1)),
        (model("", 1), blessing(model_digest="model-1:a", current_model_id=1)),
        (model("model-1:a", 5), blessing(current_model_id=4)),
        (model("", 5), blessing(current_model_id=4)),
        (model("", 5), blessing(model_digest="", current_model_id=4)),
    ],
    ids=["content", "content under the same number", "unverified", "number", "plain TFX", "judged by us"],
)
def test_a_blessing_of_another_model_is_refused(key, model, blessing):
    with pytest.raises(UnavailableError) as error:
        PUSHER.check_inputs({"model": model, key: blessing})
    assert str(error.value) == (
        f"the blessing in /blessing is of another model than the one in {model.uri}: run the Evaluator on it, with "
        "--from-node Evaluator"
    )


@pytest.mark.parametrize("inputs", [{}, {"model": model("a")}, {"blessing": blessing(model_digest="b")}])
def test_without_a_model_or_a_blessing_there_is_nothing_to_refuse(inputs):
    PUSHER.check_inputs(inputs)


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("node", ["Pusher", "Report"])
def test_no_node_is_handed_a_blessing_of_another_model(after_a_run, node, use_cache):
    after_a_run.run("r2", "training.epochs=60")
    given = {name: after_a_run.outputs("r1", name) for name in PIPELINE.names}
    given["Trainer"] = after_a_run.outputs("r2", "Trainer")
    with pytest.raises(UnavailableError, match=r"blessing.*model"):
        after_a_run.decider(use_cache=use_cache).decide_all([node], given)


# --- the nearest execution ---------------------------------------------------------------------


def execution(number, state, properties):
    return Execution(number, "tfx.Trainer", f"r{number}", state, "", None, None, properties)


def candidate(number, state=NodeState.EXECUTED, **parameters):
    return execution(number, state, key(**parameters).properties())


def key(**parameters):
    return node_key.CacheKey({part: parameters if part == "parameters" else {} for part in node_key.PARTS})


def test_the_nearest_has_the_fewest_fields_unlike():
    far, near = candidate(3, a="x", b="x"), candidate(2, a="x", b="2")
    assert nearest_execution([far, near], key(a="1", b="2")) == near
    assert nearest_execution([near, far], key(a="1", b="2")) == near


def test_of_several_equally_near_the_first_counts():
    one, other = candidate(2, a="x"), candidate(1, a="y")
    assert nearest_execution([one, other], key(a="1")) == one


def test_what_has_no_key_or_has_not_ended_is_not_near():
    running, without = candidate(3, None, a="1"), execution(2, NodeState.EXECUTED, {})
    failed = candidate(1, NodeState.FAILED, a="2")
    assert nearest_execution([running, without, failed], key(a="1")) == failed
    assert nearest_execution([running, without], key(a="1")) is None
    assert nearest_execution([], key(a="1")) is None


def test_damage_is_told_of_a_single_artifact(after_a_run):
    decider = after_a_run.decider()
    examples = after_a_run.outputs("r1", "ExampleGen")["examples"]
    assert decider.damage(examples) == ""
    (after_a_run.folder_of("r1", "ExampleGen", "examples") / "part-0").unlink()
    assert decider.damage(examples) == f"{examples.uri}/part-0 is missing"


def test_what_an_earlier_attempt_made_holds_only_with_the_same_key_and_undamaged(after_a_run):
    store = after_a_run.store()
    trainer = PIPELINE.by_name["Trainer"]
    ended = store.execution(store.executions("r1")["Trainer"].id)
    inputs, outputs = store.inputs(ended.id), store.outputs(ended.id)
    assert after_a_run.decider().is_reusable(trainer, ended, inputs, outputs)
    # Also where nothing else is reused: the run itself began without the cache.
    assert after_a_run.decider(use_cache=False).is_reusable(trainer, ended, inputs, outputs)
    assert not after_a_run.decider("training.epochs=7").is_reusable(trainer, ended, inputs, outputs)
    change_bytes(after_a_run.folder_of("r1", "Trainer", "model") / "Format-Serving" / "saved_model.pb")
    assert not after_a_run.decider().is_reusable(trainer, ended, inputs, outputs)


def test_a_required_package_that_changed_is_named_before_the_run(recorded, monkeypatch):
    """The key has one digest of all required packages; the manifest of the earlier run has their versions."""
    recorded.run("r1")
    installed, name = packages._installed, "absl-py"  # TFX requires it, and no node imports it
    monkeypatch.setattr(
        packages,
        "_installed",
        lambda path: {**installed(path), name: dataclasses.replace(installed(path)[name], version="99")},
    )
    assert recorded.decisions()["SchemaGen"].reasons == ("packages: and all that these require changed",)
    of_run = {**packages.installed_runtime(), name: "1.4", "matplotlib": "1"}
    manifest.write(recorded.root.path, dataclasses.replace(RECORDED, run_id="r1", packages=of_run))
    decided = recorded.decisions()
    assert decided["SchemaGen"].reasons == ("packages: absl-py: 1.4 -> 99",)
    assert "packages: absl-py: 1.4 -> 99" in decided["Encode"].reasons
