"""`sae restore --metadata`: decisions made since the copy, what is lost, and what `sae gc` does then."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil

import pytest

from components.push import serving_dir
from pipeline.core import file_digests
from pipeline.core.events import NodeState
from pipeline.maintenance import fsck
from pipeline.maintenance.fsck import FindingKind
from pipeline.metadata import backup
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import decision_log, journal
from tests.builders.histories import four, made_once, nightly, sae
from tests.builders.roots import STATE, Writer, change_bytes

__all__ = ["four", "made_once", "sae"]

pytestmark = pytest.mark.sqlite_file  # which has copies in the root

STRICT = ("--yes", "--set", "retention.runs=1", "--set", "retention.pushed=0")


@pytest.fixture
def copied(four):
    """A root whose store was copied; all decisions of the test come after that."""
    backup.make(four.root, "run-4", keep=3)
    return four


def content(recorded, run):
    return recorded.outputs(run, "Trainer")["model"].content


def decided(recorded):
    found = decision_log.decisions(recorded.store())
    return [dataclasses.replace(one, execution=0, when=one.when.isoformat(timespec="milliseconds")) for one in found]


def model_exists(recorded, run):
    return (recorded.root.artifacts / "Trainer" / "model" / run / "Format-Serving" / "saved_model.pb").exists()


def test_decisions_since_the_copy_are_recorded_again_and_named(copied, sae):
    sae("pin", "run-1", "--reason", "paper")
    sae("pin", "run-3", "--reason", "mistake")
    sae("unpin", "run-3", "--reason", "as said")
    sae("promote", "run-2", "--reason", "better")
    assert sae("rollback", "--reason", "worse")[0] == 0
    before = decided(copied)
    shutil.rmtree(copied.root.serving / "5")
    code, printed, _ = sae("restore", "--metadata")
    assert code == 0
    for said in ("run run-1, pinned for 'paper'", "run run-2, promoted for 'better'", "run run-4, rolled back to for"):
        assert said in printed
    assert decided(copied) == before
    assert decision_log.rolled_back(copied.store()) == {content(copied, "run-2")}
    assert serving_dir.superseded(copied.root.serving) == {content(copied, "run-2")}
    assert {one.kind for one in fsck.check(copied.root).findings} == {FindingKind.DELETED}  # version 5
    assert sae("gc", *STRICT)[0] == 0
    assert [model_exists(copied, f"run-{number}") for number in range(1, 5)] == [True, False, False, True]
    assert sae("restore", "--metadata")[1].count("recorded again") == 5  # the same copy once more


def test_what_gc_deleted_since_the_copy_is_recorded_as_deleted(copied, sae):
    sae("gc", *STRICT)
    deleted = {one.id for one in copied.store().all_artifacts() if one.deleted}
    assert deleted
    assert sae("restore", "--metadata")[0] == 0
    assert {one.id for one in copied.store().all_artifacts() if one.deleted} == deleted
    assert fsck.check(copied.root).damaged == 0


def test_an_artifact_that_was_restored_with_other_bytes_since_the_copy_is_sound(copied, sae):
    model = copied.outputs("run-1", "Trainer")["model"]
    path = copied.folder_of("run-1", "Trainer", "model") / "Format-Serving" / "saved_model.pb"
    change_bytes(path)
    files = file_digests.scan(pathlib.Path(model.uri))
    recorded = {"raw_digest": file_digests.of_files(files), "files": file_digests.to_text(files)}
    shutil.rmtree(copied.root.serving / "1")
    MetadataWriter(copied.root).record_restored(model.id, dataclasses.replace(model, properties=recorded))
    damaged = fsck.check(copied.root).damaged
    sae("restore", "--metadata")
    assert fsck.check(copied.root).damaged == damaged
    assert copied.outputs("run-1", "Trainer")["model"].properties["raw_digest"] == recorded["raw_digest"]


def test_decisions_that_a_killed_restore_did_not_record_are_recorded_by_unpin_and_gc(copied, sae):
    sae("pin", "run-1", "--reason", "paper")
    sae("pin", "run-2", "--reason", "talk")
    for again in (("unpin", "run-2", "--reason", "held"), ("gc", *STRICT)):
        shutil.copy(backup.copies(copied.root)[0], copied.root.metadata)
        [finding, *_] = [one for one in fsck.check(copied.root).findings if one.kind == FindingKind.LOST]
        assert "`sae gc --yes` records it again" in finding.sentence
        assert sae(*again)[0] == 0
        assert list(decision_log.pinned(copied.store())) == ["run-1"]
        assert journal.lost(copied.root, copied.store()) == []


def test_decisions_are_recorded_again_where_the_store_is_gone(copied, sae):
    sae("pin", "run-1", "--reason", "paper")
    sae("rollback", "--reason", "worse")
    copied.root.metadata.write_bytes(b"no database")
    assert sae("restore", "--metadata")[0] == 0
    assert list(decision_log.pinned(copied.store())) == ["run-1"]
    assert decision_log.rolled_back(copied.store()) == {content(copied, "run-4")}


def test_decisions_of_a_version_that_wrote_no_file_are_taken_from_the_store(copied, sae):
    sae("pin", "run-1", "--reason", "paper")
    copied.root.decisions.unlink()
    sae("restore", "--metadata")
    assert list(decision_log.pinned(copied.store())) == ["run-1"]


def test_a_copy_that_was_put_back_by_hand_does_not_unpin(copied, sae):
    sae("pin", "run-1", "--reason", "paper")
    shutil.copy(backup.copies(copied.root)[0], copied.root.metadata)
    assert sae("gc", *STRICT)[0] == 0
    assert model_exists(copied, "run-1")
    assert sae("pin", "run-1", "--reason", "again")[0] == 2  # it is pinned: the file said so


def test_open_and_cancelled_decisions_stay_as_they_are(copied, sae):
    writer = MetadataWriter(copied.root)
    model = copied.outputs("run-2", "Trainer")["model"]
    chosen = {"run": "run-2", "reason": "better", "model": model.content, "replaced_version": 4}
    cancelled, _ = (writer.record_decision("sae.Promote", "run-2", chosen, {"model": model.id}, False) for _ in "12")
    writer.cancel_decision(cancelled, "the files are missing")
    sae("restore", "--metadata")
    first, last = decision_log.decisions(copied.store())
    assert (first.open, first.carried_out, first.cancelled) == (False, False, "the files are missing")
    assert last.open
    assert copied.store().execution(first.execution).state == NodeState.CANCELLED
    assert "carried out an interrupted decision: run run-2" in sae("promote", "run-1", "--reason", "good")[2]


@pytest.fixture
def lost_run(copied, sae):
    """A run after the copy, which was pinned and is served; its folders have numbers, as those of real runs."""
    nightly(copied, "59", 5)
    copied.root.manifests.mkdir(exist_ok=True)
    (copied.root.manifests / "59.json").write_text("{}")
    sae("pin", "59", "--reason", "the paper")
    return copied


def test_what_is_lost_is_named_and_gc_deletes_nothing_of_it(lost_run, sae):
    printed = sae("restore", "--metadata")[1]
    assert "decision lost, because the copy does not contain its run: run 59, pinned for 'the paper'" in printed
    assert "version 5 is still served" in printed
    assert "`sae promote RUN --reason TEXT --root " in printed
    [finding] = [one for one in fsck.check(lost_run.root).findings if one.kind == FindingKind.LOST]
    assert "`sae unpin 59 --reason TEXT`" in finding.sentence
    found = json.loads(sae("gc", *STRICT, "--json")[1])
    assert len(found["contradictions"]) == 2
    assert found["left_over"] == []
    assert model_exists(lost_run, "59")
    assert serving_dir.newest_version(lost_run.root.serving).name == "5"


def test_gc_deletes_it_after_an_operator_gave_it_up(lost_run, sae):
    sae("restore", "--metadata")
    assert sae("promote", "run-4", "--reason", "known")[0] == 0
    assert "folders that no artifact names are kept" in sae("gc", *STRICT)[1]
    assert model_exists(lost_run, "59")
    assert sae("unpin", "59", "--reason", "given up")[:1] == (0,)
    assert sae("unpin", "59", "--reason", "given up")[:1] == (3,)
    found = json.loads(sae("gc", *STRICT, "--json")[1])
    assert found["contradictions"] == []
    assert not model_exists(lost_run, "59")
    assert fsck.check(lost_run.root).damaged == 0


def test_a_newer_copy_brings_it_back(lost_run, sae):
    backup.make(lost_run.root, "59", keep=3)
    sae("restore", "--metadata", "run-4")
    assert list(decision_log.pinned(lost_run.store())) == []
    assert sae("restore", "--metadata", "59")[0] == 0
    assert list(decision_log.pinned(lost_run.store())) == ["59"]
    assert fsck.check(lost_run.root).findings == ()


def test_the_served_model_is_kept_if_only_its_push_is_unknown(copied, sae):
    """As after a promotion whose record is lost with the store and the file."""
    sae("promote", "run-2", "--reason", "better")
    copied.root.decisions.unlink()
    shutil.copy(backup.copies(copied.root)[0], copied.root.metadata)
    sae("gc", *STRICT)
    assert model_exists(copied, "run-2")


def test_a_line_that_a_kill_cut_off_is_completed_by_the_next_decision(four, sae):
    sae("pin", "run-1", "--reason", "one")
    text = four.root.decisions.read_bytes()
    four.root.decisions.write_bytes(text[:40])
    assert journal.read(four.root) == {}
    sae("pin", "run-2", "--reason", "two")
    assert [one.run for one in journal.read(four.root).values()] == ["run-1", "run-2"]


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_lost(four, sae):
    four.root.decisions.mkdir()
    code, _, said = sae("pin", "run-1", "--reason", "one")
    assert (code, said.count("\n")) == (6, 1)
    assert "decisions.jsonl" in said


def test_ids_of_lost_runs_are_not_used_again(copied, sae):
    nightly(copied, "run-5", 5)
    lost = copied.outputs("run-5", "Trainer")["model"].id
    execution = copied.store().executions("run-5")["Report"].id
    assert sae("restore", "--metadata")[0] == 0
    assert "run-5" not in copied.store().run_ids()
    again = Writer(copied.root.metadata)
    made = again.execution("run-6", "Trainer", STATE.COMPLETE)
    assert made > execution
    assert again.artifact(made, "model", "elsewhere") > lost
    assert sae("restore", "--metadata")[0] == 0  # the same copy once more
    assert Writer(copied.root.metadata).execution("run-7", "Trainer", STATE.COMPLETE) > made
