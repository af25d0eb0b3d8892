"""`sae pin` and `sae unpin`: what is recorded, and what is refused."""

from __future__ import annotations

import getpass

import pytest

from pipeline.core.errors import ExitCode, LockedError, NotFoundError, UsageError
from pipeline.inspection.locations import open_reader
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import decision_log, pins
from pipeline.registry.decision_log import DecisionType
from pipeline.sparse_autoencoder.definition import PIPELINE


def test_each_decision_is_kept_with_its_reason_and_its_author(four):
    pins.pin(four.root, "latest~3", " for the paper ")
    pins.unpin(four.root, "run-1", "printed")
    found = decision_log.decisions(four.store())
    assert [(one.kind, one.run_id, one.reason, one.who) for one in found] == [
        (DecisionType.PIN, "run-1", "for the paper", getpass.getuser()),
        (DecisionType.UNPIN, "run-1", "printed", getpass.getuser()),
    ]
    assert found[0].when <= found[1].when


def test_the_last_decision_counts(four):
    assert decision_log.pinned(four.store()) == {}
    for kept in (True, False, True):
        (pins.pin if kept else pins.unpin)(four.root, "run-1", "as asked")
        assert list(decision_log.pinned(four.store())) == ["run-1"] * kept


def test_it_is_an_execution_in_the_runs_context_that_reads_the_model(four):
    pins.pin(four.root, "run-1", "for the paper")
    [entry] = decision_log.decisions(four.store())
    assert four.store().inputs(entry.execution)["model"].id == four.outputs("run-1", "Trainer")["model"].id
    context = four.writer.store.get_context_by_type_and_name("pipeline_run", "run-1")
    executions = four.writer.store.get_executions_by_context(context.id)
    assert [one.type for one in executions if one.id == entry.execution] == ["sae.Pin"]
    assert set(four.store().executions("run-1")) >= {"Trainer"}  # no node of the run


def test_a_run_without_a_model_can_be_pinned(four):
    four.run("run-9", names=["ExampleGen"], failed="ExampleGen")
    assert pins.pin(four.root, "run-9", "to look at") == pins.Pinned("run-9")


def test_it_is_no_node_of_the_run_for_those_who_show_it(four):
    pins.pin(four.root, "run-4", "for the paper")
    with open_reader(PIPELINE, None, four.root) as reader:
        assert {one.node for one in reader.run("run-4").nodes} == set(PIPELINE.names)
        assert "sae.Pin" in {step.type for step in reader.lineage(reader.find_artifact("run-4:Trainer")).down}


@pytest.mark.parametrize(("wanted", "reason", "error", "said"), [
    ("run-7", "x", NotFoundError, "no run run-7; did you mean run-"),
    ("run-1", "  ", UsageError, "--reason is empty"),
])  # fmt: skip
def test_what_cannot_be_pinned_is_refused(four, wanted, reason, error, said):
    with pytest.raises(error, match=said):
        pins.pin(four.root, wanted, reason)
    assert decision_log.decisions(four.store()) == []


def test_a_second_pin_and_an_unpin_of_nothing_are_refused(four):
    with pytest.raises(UsageError, match="run-1"):
        pins.unpin(four.root, "run-1", "x")
    pins.pin(four.root, "run-1", "for the paper")
    with pytest.raises(UsageError, match=r"run-1.*'for the paper'"):
        pins.pin(four.root, "run-1", "again")


def test_a_root_that_a_run_holds_is_refused(four):
    with four.root.lock(), pytest.raises(LockedError):
        pins.pin(four.root, "run-1", "x")


def delete(four, run_id, nodes):
    wanted = [one.id for node in nodes for one in four.outputs(run_id, node).values()]
    MetadataWriter(four.root).mark_deleted(wanted)


def test_a_run_of_which_gc_left_a_part_is_pinned_and_what_is_gone_is_named(four, sae):
    delete(four, "run-1", ["Trainer"])
    code, _, said = sae("pin", "run-1", "--reason", "paper")
    assert code == 0
    assert "Trainer:model, Trainer:model_run" in said
    assert "sae restore run-1:Trainer:model" in said
    assert list(decision_log.pinned(four.store())) == ["run-1"]
    assert sae("pin", "run-2", "--reason", "whole")[2].count("\n") == 1


def test_a_run_of_which_gc_left_nothing_is_not_pinned(four, sae):
    delete(four, "run-1", PIPELINE.names)
    code, printed, said = sae("pin", "run-1", "--reason", "paper")
    assert (code, printed) == (ExitCode.NOT_FOUND, "")
    assert "Trainer:model" in said
    assert "sae restore run-1:ExampleGen:examples" in said
    assert decision_log.decisions(four.store()) == []
