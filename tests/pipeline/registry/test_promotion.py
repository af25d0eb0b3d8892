"""`sae promote` and `sae rollback`: what is served then, what no run pushes by itself, and what is recorded."""

from __future__ import annotations

import getpass
import json
import shutil

import pytest

from components.push import serving_dir
from pipeline import cli
from pipeline.core.errors import LockedError, NotFoundError, UnavailableError, UsageError
from pipeline.maintenance import fsck, gc
from pipeline.maintenance.fsck import FindingKind
from pipeline.maintenance.gc.policy import Kept, KeptRun, Reason, without_oldest
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration.cache import CacheVerdict
from pipeline.registry import decision_log, listing, promotion, versions
from pipeline.registry.decision_log import DecisionType
from pipeline.registry.listing import VersionState
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline_config import RetentionConfig
from tests.builders.histories import nightly
from tests.builders.roots import Recorded, change_bytes, tree


def served(recorded):
    """The version that a server takes, and the run whose model it holds."""
    newest = serving_dir.newest_version(recorded.root.serving)
    runs = recorded.store().run_ids()
    models = {run: recorded.outputs(run, "Trainer")["model"] for run in runs}
    return int(newest.name), next(run for run, model in models.items() if versions.has_bytes_of(newest, model))


def promote(recorded, run, reason="better in the field"):
    return promotion.promote(recorded.root, run, reason, print)


def rollback(recorded, reason="worse in the field"):
    return promotion.rollback(recorded.root, reason, print)


def listed(recorded):
    return listing.list_models(recorded.store(), recorded.root, PIPELINE.headlines)


def content(recorded, run):
    return recorded.outputs(run, "Trainer")["model"].content


def with_its_decision(recorded, run, *assignments):
    """What becomes of the Pusher where the push gate decides as it did in a run."""
    given = {name: recorded.outputs(run, name) for name in ("Trainer", "Evaluator", "PushGate")}
    [one] = recorded.decider(*assignments).decide_all(["Pusher"], given)
    return one


# --- promote -----------------------------------------------------------------------------------


def test_an_older_model_becomes_the_highest_version(four):
    assert served(four) == (4, "run-4")
    assert promote(four, "run-2") == promotion.ServingChange("run-2", 5, 4)
    assert served(four) == (5, "run-2")
    assert sorted(path.name for path in four.root.serving.iterdir()) == ["1", "2", "3", "4", "5"]


def test_it_is_recorded_with_reason_author_and_what_it_replaced(four):
    promote(four, "run-2")
    [entry] = decision_log.decisions(four.store())
    assert (entry.kind, entry.run_id, entry.reason) == (DecisionType.PROMOTE, "run-2", "better in the field")
    assert (entry.who, entry.replaced_version, entry.carried_out) == (getpass.getuser(), 4, True)
    assert (entry.model, entry.replaced) == (content(four, "run-2"), content(four, "run-4"))
    pushed = four.store().outputs(entry.execution)["pushed_model"]
    assert (pushed.uri, pushed.type) == (str(four.root.serving / "5"), "PushedModel")
    read = four.store().inputs(entry.execution)
    assert read["model"].id == four.outputs("run-2", "Trainer")["model"].id
    assert read["replaced"].id == four.outputs("run-4", "Pusher")["pushed_model"].id
    assert fsck.check(four.root).findings == ()


def test_what_was_promoted_is_not_replaced_by_a_rerun_that_changes_nothing(four):
    promote(four, "run-2")
    pusher = with_its_decision(four, "run-4", "training.seed=4")
    assert (pusher.verdict, pusher.run_id) == (CacheVerdict.CACHED, "run-4")
    # Of a model that nobody replaced by hand and that passes the gate, a run still ends with its model served.
    assert with_its_decision(four, "run-3", "training.seed=3").reasons == ("another model, or none, is served now",)


def test_a_model_whose_artifact_is_gone_is_promoted_from_a_version(four):
    shutil.rmtree(four.folder_of("run-2", "Trainer", "model"))
    promote(four, "run-2")
    assert served(four) == (5, "run-2")


def test_a_damaged_artifact_is_not_served(four):
    folder = four.folder_of("run-2", "Trainer", "model")
    change_bytes(folder / "Format-Serving" / "saved_model.pb", keep_time=True)
    promote(four, "run-2")
    assert served(four) == (5, "run-2")
    shutil.rmtree(four.root.serving / "3")
    change_bytes(four.folder_of("run-3", "Trainer", "model") / "Format-Serving" / "saved_model.pb")
    with pytest.raises(NotFoundError, match=r"model \d+"):
        promote(four, "run-3")


def test_nothing_is_recorded_where_the_bytes_are_gone(four):
    gc.apply(PIPELINE, four.root, RetentionConfig(runs=1, pushed=0, max_mib=0))
    with pytest.raises(NotFoundError, match="gc"):
        promote(four, "run-2")
    assert decision_log.decisions(four.store()) == []
    assert served(four) == (4, "run-4")


def test_what_cannot_be_promoted_is_refused(four):
    nightly(four, "run-5", 5, blessed=False)
    four.run("run-6", "training.seed=6", names=["Trainer"], failed="Trainer",
             given={name: four.outputs("run-1", name) for name in ("ExampleGen", "Transform")})  # fmt: skip
    before = tree(four.root.serving)
    for run, reason, error, said in (
        ("run-9", "x", NotFoundError, "no run run-9"),
        ("run-6", "x", NotFoundError, "run run-6 has no model: none of its nodes made one"),
        ("run-5", "x", promotion.NotBlessedError, "model of run run-5 is not blessed: .*; `sae show run-5` shows why"),
        ("run-4", "x", UsageError, "the model of run run-4 is served already, as version 4"),
        ("run-2", " ", UsageError, "--reason is empty"),
    ):
        with pytest.raises(error, match=said):
            promote(four, run, reason)
    with four.root.lock(), pytest.raises(LockedError):
        promote(four, "run-2")
    assert tree(four.root.serving) == before
    assert decision_log.decisions(four.store()) == []


def test_models_of_plain_tfx_are_refused(recorded):
    recorded.run("plain-1", noted=False)
    recorded.run("plain-2", noted=False, content="other")
    with pytest.raises(UnavailableError, match="TFX"):
        promote(recorded, "plain-1")


# --- rollback ----------------------------------------------------------------------------------


def test_the_model_before_it_becomes_the_highest_version_again_and_again(four):
    assert rollback(four) == promotion.ServingChange("run-3", 5, 4)
    assert served(four) == (5, "run-3")
    assert rollback(four) == promotion.ServingChange("run-2", 6, 5)
    assert rollback(four) == promotion.ServingChange("run-1", 7, 6)
    with pytest.raises(NotFoundError, match=r"\b7\b"):
        rollback(four)
    assert served(four) == (7, "run-1")
    rolled_back = decision_log.rolled_back(four.store())
    assert rolled_back == {content(four, f"run-{number}") for number in (2, 3, 4)}
    assert fsck.check(four.root).findings == ()


def test_a_rolled_back_model_is_not_pushed_again_by_a_rerun(four):
    rollback(four)
    assert four.decisions("training.seed=4")["Pusher"].verdict == CacheVerdict.CACHED
    assert serving_dir.superseded(four.root.serving) == {content(four, "run-4")}
    four.replay("run-5", "training.seed=4")
    assert served(four) == (5, "run-3")


def test_a_new_model_is_pushed_over_what_was_rolled_back_to(four):
    rollback(four)
    nightly(four, "run-5", 5)
    assert served(four) == (6, "run-5")
    assert rollback(four) == promotion.ServingChange("run-3", 7, 6)  # not the one that was rolled_back


def test_a_rolled_back_model_is_served_again_when_somebody_promotes_it(four):
    rollback(four)
    assert promote(four, "run-4", "it was the camera").version == 6
    assert served(four) == (6, "run-4")
    assert decision_log.rolled_back(four.store()) == frozenset()
    assert serving_dir.superseded(four.root.serving) == {content(four, "run-3")}
    # What was held back when it ran is pushed when it runs again, once it is not held back any more.
    pushed = four.outputs("run-4", "Pusher")["pushed_model"]
    four.change(pushed.id, pushed=0, held_back=1)
    [reason] = four.decisions("training.seed=4")["Pusher"].reasons
    assert reason == "its model was rolled back or superseded then, and is not any more"


def test_a_promotion_can_be_rolled_back(four):
    promote(four, "run-2")
    assert rollback(four) == promotion.ServingChange("run-4", 6, 5)


def test_nothing_to_roll_back_is_said(recorded):
    recorded.run("run-1", blessed=False)
    with pytest.raises(NotFoundError):
        rollback(recorded)
    recorded.run("run-2", "training.seed=2")
    with pytest.raises(NotFoundError, match=r"\b1\b"):
        rollback(recorded)


def test_gc_keeps_no_rolled_back_model_for_a_rollback_and_each_model_once(four):
    rollback(four)
    found = gc.apply(PIPELINE, four.root, RetentionConfig(runs=1, pushed=1, max_mib=0))
    assert {run.id: run.version for run in found.kept} == {"run-4": 0, "run-3": 5, "run-2": 2}
    assert sorted(path.name for path in four.root.serving.iterdir()) == ["2", "5"]
    promote(four, "run-4")
    gc.apply(PIPELINE, four.root, RetentionConfig(runs=1, pushed=0, max_mib=0))
    assert fsck.check(four.root).damaged == 0  # the version that the rollback made is gone, and said to be
    assert rollback_refused(four)


def rollback_refused(recorded):
    with pytest.raises(NotFoundError):
        rollback(recorded)
    return True


# --- breaking off ------------------------------------------------------------------------------


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(("module", "name"), [
    (serving_dir, "write_superseded"), (serving_dir, "push"), (MetadataWriter, "complete_decision"),
])  # fmt: skip
def test_what_a_kill_cut_off_is_carried_out_by_the_next_decision(four, monkeypatch, capsys, module, name):
    def kill(*_):
        raise KilledError

    monkeypatch.setattr(module, name, kill)
    with pytest.raises(KilledError):
        rollback(four, "worse")
    monkeypatch.undo()
    assert fsck.check(four.root).damaged == 0
    assert promote(four, "run-1").version == 6
    said = capsys.readouterr().out
    assert "carried out an interrupted decision: run run-3, rolled back to for 'worse' (version 5)" in said
    entries = decision_log.decisions(four.store())
    assert [one.kind for one in entries] == [DecisionType.ROLLBACK, DecisionType.PROMOTE]
    assert all(one.carried_out for one in entries)
    assert decision_log.rolled_back(four.store()) == {content(four, "run-4")}
    assert fsck.check(four.root).findings == ()


def test_what_a_kill_cut_off_is_called_off_where_another_model_was_pushed_since(four, monkeypatch, capsys):
    monkeypatch.setattr(serving_dir, "push", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rollback(four, "worse")
    monkeypatch.undo()
    nightly(four, "run-5", 5)
    assert promote(four, "run-1").version == 6
    assert "cancelled an interrupted decision, because another model was pushed since" in capsys.readouterr().out
    assert [one.carried_out for one in decision_log.decisions(four.store())] == [False, True]
    assert serving_dir.superseded(four.root.serving) == {content(four, "run-5")}


def interrupted(recorded, monkeypatch, decide, *arguments):
    """Kills a decision between its record and the rename."""

    def kill(*_):
        raise KilledError

    monkeypatch.setattr(serving_dir, "push", kill)
    with pytest.raises(KilledError):
        decide(recorded, *arguments)
    monkeypatch.undo()


STRICT = RetentionConfig(runs=1, pushed=0, max_mib=0)


def test_gc_keeps_what_an_interrupted_decision_names(four, monkeypatch, capsys):
    interrupted(four, monkeypatch, promote, "run-2")
    nightly(four, "run-5", 5, blessed=False)
    shutil.rmtree(four.folder_of("run-2", "Trainer", "model"))  # a version has the same bytes
    found = gc.apply(PIPELINE, four.root, STRICT)
    assert {run.id: set(run.reasons) for run in found.kept} == {
        "run-5": {Reason.NEWEST}, "run-4": {Reason.SERVED, Reason.OPEN}, "run-2": {Reason.OPEN},
    }  # fmt: skip
    assert sorted(path.name for path in four.root.serving.iterdir()) == ["2", "4"]
    assert rollback(four) == promotion.ServingChange("run-4", 6, 5)
    assert "carried out an interrupted decision: run run-2, promoted for" in capsys.readouterr().out
    assert {run.id for run in gc.apply(PIPELINE, four.root, STRICT).kept} == {"run-5", "run-4"}


def test_gc_keeps_what_an_interrupted_rollback_would_replace(four, monkeypatch):
    interrupted(four, monkeypatch, rollback)
    nightly(four, "run-5", 5)  # served instead, so the rollback will be cancelled
    nightly(four, "run-6", 6, blessed=False)
    kept = {run.id: set(run.reasons) for run in gc.apply(PIPELINE, four.root, STRICT).kept}
    assert kept["run-4"] == kept["run-3"] == {Reason.OPEN}
    assert promote(four, "run-4").version == 6


def test_a_limit_on_the_size_deletes_nothing_that_an_interrupted_decision_names():
    runs = tuple(KeptRun(name, (reason,)) for name, reason in (("b", Reason.NEWEST), ("a", Reason.OPEN)))
    assert without_oldest(Kept(runs, frozenset())) is None


@pytest.mark.parametrize("decide", [lambda four: promote(four, "run-1"), rollback], ids=["promote", "rollback"])
def test_a_decision_that_cannot_be_carried_out_is_cancelled_and_blocks_nothing(four, monkeypatch, capsys, decide):
    interrupted(four, monkeypatch, promote, "run-2", "better")
    shutil.rmtree(four.folder_of("run-2", "Trainer", "model"))
    shutil.rmtree(four.root.serving / "2")
    assert decide(four).version == 5
    [said] = [line for line in capsys.readouterr().out.splitlines() if "cancelled" in line]
    assert said.startswith("cancelled an interrupted decision, because the files of model ")
    assert "run run-2, promoted for 'better'" in said
    first, last = decision_log.decisions(four.store())
    assert (first.carried_out, first.open, last.carried_out) == (False, False, True)
    assert first.cancelled.startswith("the files of model ")
    assert fsck.check(four.root).counts["unended"] == 0
    cancelled = listed(four).decisions[1]
    assert (cancelled.carried_out, cancelled.cancelled) == (False, first.cancelled)


def test_fsck_reports_an_interrupted_decision_by_name(four, monkeypatch):
    interrupted(four, monkeypatch, promote, "run-2", "better")
    found = fsck.check(four.root)
    [finding] = [one for one in found.findings if one.kind == FindingKind.UNENDED]
    assert (finding.execution, found.damaged) == (decision_log.decisions(four.store())[0].execution, 0)
    assert "run run-2, promoted for 'better'" in finding.sentence
    assert "`sae promote RUN --reason TEXT`" in finding.sentence


# --- the list ----------------------------------------------------------------------------------


def test_the_list_has_every_version_with_run_metric_and_digest(four):
    context = four.writer.store.get_context_by_type_and_name("pipeline_run", "run-2")
    context.custom_properties["sae_test_bce"].double_value = 0.0943
    four.writer.store.put_contexts([context])
    rollback(four)
    promote(four, "run-2")
    gc.apply(PIPELINE, four.root, RetentionConfig(runs=1, pushed=1, max_mib=0))
    found = listed(four)
    assert [(one.version, one.run, one.state, one.how, one.withdrawn) for one in found.models] == [
        (6, "run-2", VersionState.SERVED, "promoted", False),
        (5, "run-3", VersionState.KEPT, "rolled back to", False),
        (4, "run-4", VersionState.DELETED, "pushed", True),
        (3, "run-3", VersionState.DELETED, "pushed", False),
        (2, "run-2", VersionState.DELETED, "pushed", False),
        (1, "run-1", VersionState.DELETED, "pushed", False),
    ]
    assert [one.metrics["test_bce"] for one in found.models[:2]] == [0.0943, None]
    assert [one.model for one in found.models[:2]] == [content(four, "run-2"), content(four, "run-3")]
    assert [(one.what, one.run, one.reason, one.carried_out) for one in found.decisions] == [
        ("promoted", "run-2", "better in the field", True),
        ("rolled back to", "run-3", "worse in the field", True),
    ]


def test_versions_of_another_root_or_without_a_push_are_not_listed(four, tmp_path):
    pushed = four.outputs("run-3", "Pusher")["pushed_model"]
    four.change(pushed.id, pushed_destination=str(tmp_path / "elsewhere" / "3"))
    shutil.copytree(four.root.serving / "4", four.root.serving / "9")
    found = listed(four)
    assert [(one.version, one.state) for one in found.models] == [(number, VersionState.KEPT) for number in (4, 2, 1)]


def test_a_decision_that_has_not_ended_does_not_make_its_run_unfinished(recorded):
    recorded.run("plain-1", noted=False)
    recorded.run("plain-2", noted=False, content="other")
    MetadataWriter(recorded.root).record_decision("sae.Promote", "plain-1", {"run": "plain-1"}, {}, ended=False)
    found = gc.look(PIPELINE, recorded.root, RetentionConfig(runs=1, pushed=0, max_mib=0))
    assert next(run.reasons for run in found.kept if run.id == "plain-1") == (Reason.OPEN,)


# --- as commands -------------------------------------------------------------------------------


def test_the_commands_say_what_is_served_now(sae):
    assert sae("rollback", "--reason", "worse") == (
        0, "", "the model of run run-3 is served as version 5 instead of version 4\n",
    )  # fmt: skip
    assert sae("promote", "latest", "--reason", "better")[2].startswith("the model of run run-4 is served as version 6")
    code, _, said = sae("promote", "run-4", "--reason", "again")
    assert (code, said) == (2, "error: the model of run run-4 is served already, as version 6\n")


def test_the_list_as_text_and_as_json(sae, four):
    sae("pin", "run-1", "--reason", "for the paper")
    sae("rollback", "--reason", "worse\x1b[31m")
    _, printed, _ = sae("models")
    first, second, *_ = printed.splitlines()
    assert first.split() == ["version", "state", "run", "pushed", "model", "how"]
    digest = content(four, "run-3").rpartition(":")[2][:12]
    assert second.split()[:3] == ["5", "served", "run-3"]
    assert digest in second
    assert f"rolled back to by {getpass.getuser()}: worse\\x1b[31m" in second
    assert "kept, rolled back" in printed
    assert "kept, pinned" in printed
    values = json.loads(sae("models", "--json")[1])
    assert (values["schema_version"], values["root"]) == (2, str(four.root.path))
    assert [one["state"] for one in values["models"]] == ["served", *["kept"] * 4]
    assert [one["what"] for one in values["decisions"]] == ["rolled back to", "pinned"]


def test_a_root_without_a_push_has_no_models(tmp_path, capfd):
    recorded = Recorded(tmp_path)
    recorded.run("run-1", blessed=False)
    with pytest.raises(SystemExit):
        cli.main(["models", "--root", str(recorded.root.path)])
    assert capfd.readouterr().err.startswith("no model was pushed in ")
