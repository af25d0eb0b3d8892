"""Why a node ran, or did not, told afterwards."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pipeline.core import serialization
from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root
from pipeline.inspection import explain
from pipeline.metadata.store import open_store
from pipeline.provenance import manifest, packages, source_code
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import why
from tests.builders.roots import STATE, tree
from tests.pipeline.provenance.test_manifest import RECORDED

TO_TRAINER = ("ExampleGen", "SchemaGen", "Transform", "Trainer")  # the others take as long to record, each


def explained(recorded, run_id, node):
    return explain.explain(PIPELINE, recorded.store(), recorded.root, run_id, node)


def sizes(recorded, node):
    """Lines of parts that are the same, as they are to be shown."""
    key = recorded.decisions()[node].key
    packages_named = len(key.parts["packages"]) - 2  # of the fields, one is of what they require, and one Python
    assert packages_named > 1
    counts = {part: len(fields) for part, fields in key.parts.items()}
    return {
        "code": f"code        the same ({counts['code']} files)",
        "parameters": f"parameters  the same ({counts['parameters']} values)",
        "inputs": f"inputs      the same ({counts['inputs']} artifacts)",
        "packages": f"packages    the same ({packages_named} packages, all that they require, and Python)",
    }


def test_a_first_execution_has_nothing_to_be_compared_with(recorded):
    recorded.run("r1", names=TO_TRAINER)
    answer = explained(recorded, "r1", "Trainer")
    assert (answer.run_id, answer.node, answer.state) == ("r1", "Trainer", "executed")
    assert (answer.against, answer.changes, answer.reasons) == ("", (), ("as asked",))
    assert why.as_text(answer).splitlines() == [
        "Trainer of run r1: executed",
        "  as asked",
        "",
        "no earlier execution of it succeeded in this root: nothing to compare with",
    ]


def test_the_name_of_a_node_is_found_whatever_its_capitals(recorded):
    recorded.run("r1", failed="Transform")
    answer = explained(recorded, "r1", "exampleGEN")
    assert answer.node == "ExampleGen"
    with pytest.raises(NotFoundError, match=r"no node traner; did you mean Trainer\?"):
        explained(recorded, "r1", "traner")
    with pytest.raises(NotFoundError, match="Trainer has no execution in run r1"):
        explained(recorded, "r1", "trainer")


def test_an_execution_is_compared_field_by_field_with_the_nearest_before_it(recorded):
    recorded.run("r1", names=TO_TRAINER)
    recorded.run("r2", "training.epochs=60", names=TO_TRAINER)
    recorded.run("r3", "training.epochs=70", "model.l1=0.5", names=TO_TRAINER)
    answer = explained(recorded, "r2", "Trainer")
    assert answer.against == "r1"
    assert [(change.part, str(change)) for change in answer.changes] == [("parameters", "epochs: 50 -> 60")]
    assert answer.key["parameters"]["epochs"] == "60"
    assert answer.key == {part: dict(fields) for part, fields in recorded.decisions("training.epochs=60")[
        "Trainer"].key.parts.items()}  # fmt: skip
    same = sizes(recorded, "Trainer")
    assert why.as_text(answer).splitlines() == [
        "Trainer of run r2: executed",
        "  as asked",
        "",
        "nearest earlier execution: run r1",
        "",
        same["code"],
        "parameters  epochs: 50 -> 60",
        "data        no files but its inputs",
        same["inputs"],
        same["packages"],
    ]


def test_an_earlier_attempt_at_the_same_run_is_called_that(recorded):
    recorded.run("r1", names=TO_TRAINER)
    recorded.run("r2", "training.epochs=60", names=TO_TRAINER)
    answer = dataclasses.replace(explained(recorded, "r2", "Trainer"), against="r2")
    assert "nearest earlier execution: an earlier attempt at this run" in why.as_text(answer).splitlines()


def test_several_changes_of_a_part_stand_below_each_other(recorded):
    recorded.run("r1", names=TO_TRAINER)
    recorded.run("r2", "training.epochs=60", "training.seed=3", names=TO_TRAINER)
    lines = why.as_text(explained(recorded, "r2", "Trainer")).splitlines()
    assert lines[6:8] == ["parameters  epochs: 50 -> 60", "            seed: 0 -> 3"]


def test_data_is_told_file_by_file(recorded):
    recorded.run("r1")
    (recorded.data / "mnist-train.tfrecord").write_bytes(b"other images")
    (recorded.data / "mnist-test.tfrecord").rename(recorded.data / "mnist-test-2.tfrecord")
    recorded.run("r2")
    answer = explained(recorded, "r2", "ExampleGen")
    digest = recorded.source().files["mnist-test-2.tfrecord"][:12]
    assert [str(change) for change in answer.changes] == [
        f"mnist-test-2.tfrecord is new: {digest}",
        "mnist-test.tfrecord is gone",
        "mnist-train.tfrecord changed",
    ]


def test_files_of_data_are_counted_also_if_they_are_many(recorded):
    recorded.run("r1", names=TO_TRAINER)
    recorded.run("r2", names=TO_TRAINER)
    answer = explained(recorded, "r2", "ExampleGen")
    lines = why.as_text(answer).splitlines()
    assert f"data        the same ({len(recorded.source().files)} files)" in lines
    assert "inputs      none" in lines
    many = dataclasses.replace(answer, key={**answer.key, "data": {"all 12,345 files": "0" * 64}})
    assert "data        the same (all 12,345 files)" in why.as_text(many).splitlines()


def test_other_inputs_are_told_by_their_digests(recorded):
    recorded.run("r1")
    recorded.run("r2", "training.epochs=60")
    answer = explained(recorded, "r2", "Evaluator")
    old, new = (recorded.outputs(run, "Trainer")["model"].content for run in ("r1", "r2"))
    assert [str(change) for change in answer.changes] == [
        f"model: {old[:20]} -> {new[:20]}"
    ]  # `model-1:` and 12 digits


def test_later_executions_do_not_count(recorded):
    recorded.run("r1", names=TO_TRAINER)
    recorded.run("r2", "training.epochs=60", "training.seed=3", names=TO_TRAINER)
    recorded.run("r3", "training.epochs=60", names=TO_TRAINER)
    assert explained(recorded, "r2", "Trainer").against == "r1"
    assert explained(recorded, "r1", "Trainer").against == ""


def test_an_old_run_is_compared_with_what_was_before_it_however_many_came_after(recorded):
    recorded.run("r1", names=TO_TRAINER)
    recorded.run("r2", "training.epochs=60", names=TO_TRAINER)
    given = {node: recorded.outputs("r1", node) for node in TO_TRAINER}
    for number in range(3, 26):
        recorded.run(f"r{number}", f"training.epochs={number}", names=["Trainer"], given=given)
    assert explained(recorded, "r2", "Trainer").against == "r1"


def test_a_cached_node_names_the_run_whose_outputs_it_used(recorded):
    recorded.run("r1")
    recorded.replay("r2")
    answer = explained(recorded, "r2", "Trainer")
    assert (answer.state, answer.against, answer.changes, answer.reasons) == ("cached", "r1", (), ())
    same = sizes(recorded, "Trainer")
    assert why.as_text(answer).splitlines() == [
        "Trainer of run r2: cached",
        "",
        "used the outputs of run r1",
        "",
        same["code"],
        same["parameters"],
        "data        no files but its inputs",
        same["inputs"],
        same["packages"],
    ]


def test_a_cached_node_names_neither_a_failed_nor_a_damaged_execution_of_the_same_key(recorded):
    recorded.run("r1")
    recorded.run("r2")
    recorded.run("r3", failed="ExampleGen")
    (recorded.folder_of("r2", "ExampleGen", "examples") / "part-0").unlink()
    recorded.replay("r4", names=["ExampleGen"])
    assert explained(recorded, "r4", "ExampleGen").against == "r1"


def test_a_cached_node_without_outputs_names_one_that_succeeded(recorded):
    recorded.run("r1")
    recorded.run("r2", failed="DataGate")
    recorded.replay("r3", names=["DataGate"])
    assert explained(recorded, "r3", "DataGate").against == "r1"


def test_a_cached_node_names_none_that_ran_later(recorded):
    recorded.run("r1")
    recorded.replay("r2")
    recorded.run("r3")
    for node in ("DataGate", "Trainer"):
        assert explained(recorded, "r2", node).against == "r1"


def test_a_failed_node_is_told_with_what_differs(recorded):
    recorded.run("r1", names=TO_TRAINER)
    recorded.run("r2", "training.epochs=60", names=TO_TRAINER, failed="Trainer")
    answer = explained(recorded, "r2", "Trainer")
    assert (answer.state, answer.against) == ("failed", "r1")
    assert [str(change) for change in answer.changes] == ["epochs: 50 -> 60"]


def test_as_json_it_is_one_object(recorded):
    recorded.run("r1", names=TO_TRAINER)
    recorded.run("r2", "training.epochs=60", names=TO_TRAINER)
    found = json.loads(serialization.document(explained(recorded, "latest", "Trainer")))
    assert (found["schema_version"], found["run_id"], found["node"], found["against"]) == (2, "r2", "Trainer", "r1")
    assert found["changes"] == [{"part": "parameters", "field": "epochs", "old": "50", "new": "60"}]
    assert set(found["key"]) == {"code", "parameters", "data", "inputs", "packages"}
    assert found["reasons"] == ["as asked"]


def test_asking_writes_nothing(recorded):
    recorded.run("r1")
    before = tree(recorded.folder)
    explained(recorded, "latest", "Trainer")
    assert tree(recorded.folder) == before


def test_a_moved_root_is_answered_too(recorded):
    recorded.run("r1")
    recorded.replay("r2")
    root = Root(recorded.root.path.rename(recorded.folder / "moved"))
    assert explain.explain(PIPELINE, open_store(root, read_only=True), root, "r2", "Trainer").against == "r1"


def test_what_is_not_there_is_not_found(recorded, tmp_path):
    recorded.run("r1", failed="StatisticsGen")
    with pytest.raises(NotFoundError, match="no run r9"):
        explained(recorded, "r9", "Trainer")
    with pytest.raises(NotFoundError) as error:
        explained(recorded, "r1", "SchmaGen")
    assert str(error.value).startswith("no node SchmaGen; did you mean SchemaGen? (there are: ExampleGen, ")


def test_an_execution_without_a_key_cannot_be_explained(recorded):
    recorded.run("r1", names=TO_TRAINER, noted=False)
    with pytest.raises(NotFoundError, match=r"Trainer.*r1"):
        explained(recorded, "r1", "Trainer")


def test_what_has_not_ended_is_said_to_be_so(recorded):
    made = recorded.run("r1", names=TO_TRAINER)
    [execution] = recorded.writer.store.get_executions_by_id([made["Trainer"]])
    execution.last_known_state = STATE.RUNNING
    recorded.writer.store.put_executions([execution])
    assert explained(recorded, "r1", "Trainer").state == "not ended"


# --- packages that were required ---------------------------------------------------------------


@pytest.fixture
def after_an_update(recorded, monkeypatch):
    """A run before and one after another version of a package that TFX requires."""
    real = packages._installed
    name = "absl-py"
    assert not any(name in source_code.distributions(node.code) for node in PIPELINE.nodes if node.code)

    def installed(path):
        return {**real(path), name: dataclasses.replace(real(path)[name], version="99")}

    recorded.run("r1")
    with monkeypatch.context() as patch:
        patch.setattr(packages, "_installed", installed)
        recorded.run("r2")
    return recorded


def write_manifest(recorded, run_id, **versions):
    noted = dataclasses.replace(RECORDED, run_id=run_id, packages={"tfx": "1.16.0", **versions})
    manifest.write(recorded.root.path, noted)


def test_required_packages_are_named_from_the_manifests_and_those_of_other_nodes_are_not(after_an_update):
    write_manifest(after_an_update, "r1", **{"absl-py": "1.4", "same": "1", "gone": "1", "matplotlib": "1"})
    write_manifest(after_an_update, "r2", **{"absl-py": "99", "same": "1", "new": "2", "matplotlib": "2"})
    answer = explained(after_an_update, "r2", "SchemaGen")
    assert [str(change) for change in answer.changes] == [
        "and all that these require changed",
        "absl-py: 1.4 -> 99",
        "gone is gone",
        "new is new: 2",
    ]
    lines = why.as_text(answer).splitlines()
    assert "packages    and all that these require changed" in lines
    assert "            absl-py: 1.4 -> 99" in lines


@pytest.mark.parametrize("there", [(), ("r1",), ("r2",)])
def test_where_a_manifest_is_gone_the_sum_alone_is_told(after_an_update, there):
    for run_id in there:
        write_manifest(after_an_update, run_id, **{"absl-py": run_id})
    answer = explained(after_an_update, "r2", "SchemaGen")
    assert [str(change) for change in answer.changes] == ["and all that these require changed"]


def test_manifests_are_not_read_where_no_required_package_changed(recorded):
    recorded.run("r1", names=TO_TRAINER)
    recorded.run("r2", "training.epochs=60", names=TO_TRAINER)
    write_manifest(recorded, "r1", other="1")
    write_manifest(recorded, "r2", other="2")
    assert [str(change) for change in explained(recorded, "r2", "Trainer").changes] == ["epochs: 50 -> 60"]
