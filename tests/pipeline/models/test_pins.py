"""`sae pin` and `sae unpin`: what is recorded, and what is refused."""

from __future__ import annotations

import getpass

import pytest

from pipeline.errors import LockedError, NotFoundError, UsageError
from pipeline.models import history, pins
from pipeline.models.history import Kind
from tests.pipeline.recorded import Recorded


@pytest.fixture
def recorded(tmp_path):
    made = Recorded(tmp_path)
    made.run("run-1")
    return made


def test_each_decision_is_kept_with_its_reason_and_its_author(recorded):
    pins.pin(recorded.root, "latest", " for the paper ")
    pins.unpin(recorded.root, "run", "printed")
    found = recorded.store().ask(history.entries)
    assert [(one.kind, one.run_id, one.reason, one.who) for one in found] == [
        (Kind.PIN, "run-1", "for the paper", getpass.getuser()),
        (Kind.UNPIN, "run-1", "printed", getpass.getuser()),
    ]
    assert 0 < found[0].when <= found[1].when


def test_the_last_decision_counts(recorded):
    assert recorded.store().ask(history.pinned) == {}
    for kept in (True, False, True):
        (pins.pin if kept else pins.unpin)(recorded.root, "run-1", "as asked")
        assert list(recorded.store().ask(history.pinned)) == ["run-1"] * kept


def test_it_is_an_execution_in_the_runs_context_that_reads_the_model(recorded):
    pins.pin(recorded.root, "run-1", "for the paper")
    [entry] = recorded.store().ask(history.entries)
    assert recorded.store().inputs(entry.execution)["model"].id == recorded.outputs("run-1", "Trainer")["model"].id
    context = recorded.writer.store.get_context_by_type_and_name("pipeline_run", "run-1")
    executions = recorded.writer.store.get_executions_by_context(context.id)
    assert [one.type for one in executions if one.id == entry.execution] == ["sae.Pin"]
    assert set(recorded.store().executions("run-1")) >= {"Trainer"}  # no node of the run


def test_a_run_without_a_model_can_be_pinned(recorded):
    recorded.run("run-2", names=["ExampleGen"], failed="ExampleGen")
    assert pins.pin(recorded.root, "run-2", "to look at") == "run-2"


@pytest.mark.parametrize(("wanted", "reason", "error", "said"), [
    ("run-9", "x", NotFoundError, "no run run-9; did you mean run-1"),
    ("run-1", "  ", UsageError, "--reason is empty"),
])  # fmt: skip
def test_what_cannot_be_pinned_is_refused(recorded, wanted, reason, error, said):
    with pytest.raises(error, match=said):
        pins.pin(recorded.root, wanted, reason)
    assert recorded.store().ask(history.entries) == []


def test_a_second_pin_and_an_unpin_of_nothing_are_refused(recorded):
    with pytest.raises(UsageError, match=r"run run-1 is not pinned \(no run is\)"):
        pins.unpin(recorded.root, "run-1", "x")
    pins.pin(recorded.root, "run-1", "for the paper")
    with pytest.raises(UsageError, match="run run-1 is pinned already: 'for the paper'"):
        pins.pin(recorded.root, "run-1", "again")


def test_a_root_that_a_run_holds_is_refused(recorded):
    with recorded.root.lock(), pytest.raises(LockedError):
        pins.pin(recorded.root, "run-1", "x")
