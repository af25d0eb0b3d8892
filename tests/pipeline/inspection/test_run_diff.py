"""Runs side by side: only what differs, and where they part."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pipeline.core.errors import NotFoundError
from pipeline.inspection.locations import open_reader
from pipeline.inspection.run_diff import (
    FirstDifference,
    MetricDifference,
    NodeStates,
    OutputDifference,
    SettingDifference,
    compare,
)
from pipeline.provenance import manifest
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders.roots import METRICS
from tests.pipeline.provenance.test_manifest import RECORDED, changed


def compared(recorded, *run_ids, metadata=None):
    with open_reader(PIPELINE, metadata, recorded.root) as reader:
        return compare(reader, run_ids)


def write(recorded, run_id, one=RECORDED, **fields):
    manifest.write(recorded.root.path, dataclasses.replace(one, run_id=run_id, **fields))


def metrics(recorded, run_id, overall, per_label):
    """Says what the evaluation of a run found."""
    evaluation = recorded.outputs(run_id, "Evaluator")["evaluation"]
    recorded.change(evaluation.id, metrics=json.dumps({"overall": overall, "per_label": per_label}))


def test_a_run_and_its_repetition_do_not_differ(recorded):
    recorded.run("r1")
    recorded.replay("r2")
    for run_id in ("r1", "r2"):
        write(recorded, run_id)
    found = compared(recorded, "r1", "r2")
    assert found.same
    assert (found.settings, found.metrics, found.outputs, found.states, found.unknown) == ((), (), (), (), ())
    assert found.partings == (FirstDifference("r2", ""),)
    assert [row.id for row in found.runs] == ["r1", "r2"]


def test_settings_that_differ_have_a_value_for_each_run(recorded):
    for run_id, epochs, l1 in (("r1", 2, 0.1), ("r2", 3, 0.1), ("r3", 2, 0.5)):
        recorded.run(run_id, names=["SchemaGen"])
        write(recorded, run_id, configuration={**RECORDED.configuration, "training.epochs": epochs, "model.l1": l1})
    found = compared(recorded, "r1", "r2", "r3")
    assert found.settings == (
        SettingDifference("configuration", "training.epochs", ("2", "3", "2")),
        SettingDifference("configuration", "model.l1", ("0.1", "0.1", "0.5")),
    )
    assert not found.same


def test_paths_of_one_root_are_no_difference(recorded):
    for run_id, root in (("r1", "root"), ("r2", str(recorded.root.path))):
        recorded.run(run_id, names=["SchemaGen"])
        write(recorded, run_id, configuration={**RECORDED.configuration, "paths.root": root})
    assert compared(recorded, "r1", "r2").settings == ()


def test_groups_come_in_one_order_and_say_what_has_no_effect(recorded):
    for run_id in ("r1", "r2"):
        recorded.run(run_id, names=["SchemaGen"])
    write(recorded, "r1")
    write(recorded, "r2", changed("machine", system="Debian 13"), packages={"numpy": "2.0", "tfx": "1.16.0"})
    assert compared(recorded, "r1", "r2").settings == (
        SettingDifference("packages", "numpy", ("1.26.4", "2.0")),
        SettingDifference("machine", "operating system", ("Debian 12", "Debian 13"), matters=False),
    )


def test_what_is_told_of_a_pair_alone_is_said_to_be(recorded):
    """Of a processor's features only those are told that the other one lacks, so the first run's depend on the pair."""
    for run_id in ("r1", "r2", "r3"):
        recorded.run(run_id, names=["SchemaGen"])
    write(recorded, "r1")  # avx, avx2, ibrs
    write(recorded, "r2", changed("machine", features=("avx", "ibrs")))
    write(recorded, "r3", changed("machine", features=("avx2", "ibrs")))
    [found] = compared(recorded, "r1", "r2", "r3").settings
    assert found.values == ("avx2", "none of its own", "none of its own (in place of avx)")


def test_losses_of_other_terms_are_not_comparable_and_slices_have_titles(recorded):
    for run_id, scaling in (("r1", "auto"), ("r2", "auto"), ("r3", "range")):
        recorded.run(run_id, names=["SchemaGen"])
        one = changed("data", label_names=("cat", "1"))
        write(recorded, run_id, one, configuration={**RECORDED.configuration, "data.scaling": scaling})
    found = compared(recorded, "r1", "r2", "r3")
    assert found.incomparable == ((), (), ("data.scaling is auto and range",))
    assert found.slice_titles == {"label 0": "label cat"}
    write(recorded, "r3", changed("data", label_names=("dog", "1")))
    assert compared(recorded, "r1", "r3").slice_titles == {}


def test_without_manifests_what_the_executions_were_told_is_compared(recorded, tmp_path):
    recorded.run("r1", names=["SchemaGen"])
    recorded.run("r2", names=["SchemaGen"])
    write(recorded, "r1")
    store = recorded.writer.store
    [execution] = [one for one in store.get_executions() if one.name == "r2 SchemaGen"]
    execution.custom_properties["own"].int_value = 8
    store.put_executions([execution])
    found = compared(recorded, "r1", "r2")
    assert found.settings == (SettingDifference("configuration", "SchemaGen own", ("7", "8")),)
    [unknown] = found.unknown
    assert unknown.startswith("no manifest of run r2 in ")
    assert unknown.endswith("; compared instead: each node's properties in ML Metadata")
    alone = tmp_path / "alone.sqlite"
    alone.write_bytes(recorded.root.metadata.read_bytes())
    found = compared(recorded, "r1", "r2", metadata=str(alone))
    assert found.settings == (SettingDifference("configuration", "SchemaGen own", ("7", "8")),)
    assert found.unknown == ("a store alone has no manifests; compared instead: each node's properties in ML Metadata",)


def test_metrics_have_a_delta_against_the_first_run(recorded):
    for run_id in ("r1", "r2", "r3"):
        recorded.run(run_id)
    metrics(recorded, "r2", {**METRICS, "bce": 0.25, "new": 1.0}, {"0": {"bce": 0.25}})
    metrics(recorded, "r1", {**METRICS, "bce": 0.5}, {"0": {"bce": 0.125}})
    metrics(recorded, "r3", {**METRICS, "bce": 0.5}, {"0": {"bce": 0.125}})
    assert compared(recorded, "r1", "r2", "r3").metrics == (
        MetricDifference("bce", "overall", (0.5, 0.25, 0.5), (0.0, -0.25, 0.0)),
        MetricDifference("new", "overall", (None, 1.0, None), (None, None, None)),
        MetricDifference("bce", "label 0", (0.125, 0.25, 0.125), (0.0, 0.125, 0.0)),
    )


def test_runs_part_at_the_first_node_that_made_something_else(recorded):
    recorded.run("r1")
    names = ["Trainer", "Encode", "Evaluator", "Probe", "PushGate", "Pusher", "Report"]
    recorded.replay("r2", names=[name for name in PIPELINE.names if name not in names])
    given = {node: recorded.outputs("r1", node) for node in ("ExampleGen", "SchemaGen", "Transform", "PixelProbe")}
    recorded.run("r2", "training.epochs=60", names=names, given=given, content="other")
    for run_id in ("r1", "r2"):
        write(recorded, run_id)
    found = compared(recorded, "r1", "r2")
    assert found.partings == (FirstDifference("r2", "Trainer", ("epochs: 50 -> 60",)),)
    assert [(one.node, one.key) for one in found.outputs] == [
        ("Trainer", "model"),
        ("Trainer", "model_run"),
        ("Encode", "codes"),
        ("Evaluator", "blessing"),
        ("Evaluator", "evaluation"),
        ("Probe", "scores"),
        ("PushGate", "decision"),
        ("Pusher", "pushed_model"),
        ("Report", "report"),
    ]
    models = [recorded.outputs(run_id, "Trainer")["model"] for run_id in ("r1", "r2")]
    assert found.outputs[0] == OutputDifference(
        "Trainer", "model", tuple(one.content for one in models), tuple(one.id for one in models)
    )
    assert found.states == ()


def test_equal_content_made_twice_is_no_difference(recorded):
    for run_id in ("r1", "r2"):
        recorded.run(run_id, names=["SchemaGen"])
        write(recorded, run_id)
    ids = {recorded.outputs(run_id, "SchemaGen")["schema"].id for run_id in ("r1", "r2")}
    assert len(ids) == 2
    assert compared(recorded, "r1", "r2").same


def test_a_run_that_failed_parts_where_it_failed(recorded):
    recorded.run("r1", names=["ExampleGen", "SchemaGen"])
    recorded.run("r2", names=["ExampleGen", "SchemaGen"], failed="SchemaGen")
    for run_id in ("r1", "r2"):
        write(recorded, run_id)
    found = compared(recorded, "r1", "r2")
    assert found.states == (NodeStates("SchemaGen", ("executed", "failed")),)
    schema = recorded.outputs("r1", "SchemaGen")["schema"]
    assert found.outputs == (OutputDifference("SchemaGen", "schema", (schema.content, ""), (schema.id, 0)),)
    assert found.partings == (FirstDifference("r2", "SchemaGen"),)


def test_each_run_parts_by_itself(recorded):
    recorded.run("r1", names=["ExampleGen", "SchemaGen"])
    recorded.run("r2", names=["ExampleGen", "SchemaGen"], content="other")
    recorded.run("r3", names=["ExampleGen", "SchemaGen"])
    assert [(one.run, one.node) for one in compared(recorded, "r1", "r2", "r3").partings] == [
        ("r2", "ExampleGen"),
        ("r3", ""),
    ]


def test_what_has_no_digest_is_not_known_to_differ(recorded):
    for run_id in ("r1", "r2", "r3"):
        recorded.run(run_id, names=["SchemaGen"], noted=run_id == "r3")
        write(recorded, run_id)
    found = compared(recorded, "r1", "r2")
    assert not found.same
    [schema] = found.outputs
    assert (schema.node, schema.contents, len(set(schema.artifacts))) == ("SchemaGen", ("", ""), 2)
    assert found.partings == (FirstDifference("r2", ""),)
    assert found.unknown == ("without a digest, so whether they differ is not known: SchemaGen schema",)
    assert compared(recorded, "r1", "r3").outputs == ()
    assert compared(recorded, "r3", "r3").unknown == ()


def test_a_run_parts_only_where_that_is_known(recorded):
    recorded.run("r1", names=["SchemaGen"], noted=False)
    recorded.run("r2", names=["SchemaGen"])
    recorded.run("r3", names=["SchemaGen"], content="other")
    found = compared(recorded, "r1", "r2", "r3")
    assert [one.node for one in found.partings] == ["", ""]
    assert [one.node for one in compared(recorded, "r2", "r1", "r3").partings] == ["", "SchemaGen"]
    assert len(found.outputs) == 1  # two of them have others


def test_an_output_that_the_other_run_has_not_is_a_difference(recorded):
    for run_id in ("r1", "r2"):
        recorded.run(run_id, names=["SchemaGen"])
    [execution] = [one for one in recorded.writer.store.get_executions() if one.name == "r2 SchemaGen"]
    recorded.writer.artifact(execution.id, "extra", "/somewhere")
    found = compared(recorded, "r1", "r2")
    assert [(one.key, one.artifacts[0]) for one in found.outputs] == [("extra", 0)]
    assert (found.states, found.partings[0].node) == ((), "SchemaGen")


def test_the_same_artifact_without_a_digest_is_the_same(recorded):
    recorded.run("r1", names=["SchemaGen"], noted=False)
    write(recorded, "r1")
    assert compared(recorded, "r1", "r1").unknown == ()


def test_a_run_that_does_not_exist_is_not_found(recorded):
    recorded.run("r1", names=["SchemaGen"])
    with pytest.raises(NotFoundError, match="no run r9"):
        compared(recorded, "r1", "r9")
