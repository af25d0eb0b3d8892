"""What a candidate is held against: the newest pushed model of its sparsity that was not rolled_back."""

from __future__ import annotations

import json
import shutil

import pytest

from components.push import decision
from pipeline.metadata.types import Artifact
from pipeline.orchestration.cache import CacheVerdict
from pipeline.registry import promotion
from pipeline.sparse_autoencoder import baseline
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders.histories import DATA
from tests.builders.roots import METRICS

AFTER_DATA = [name for name in PIPELINE.names if name not in DATA]


def standing(recorded, run, examples=None):
    store = recorded.store()
    model = recorded.outputs(run, "Trainer")["model"]
    return baseline.standing(recorded.root, store, model, examples or recorded.outputs(run, "ExampleGen")["examples"])


def candidate(recorded, run, *assignments):
    """Records a run up to its model, from the data of the first run."""
    given = {name: recorded.outputs("run-1", name) for name in DATA}
    recorded.run(run, *assignments, names=["Trainer", "Evaluator"], given=given)
    return run


def of(recorded, run, *assignments):
    """The standing of a new candidate with these settings."""
    candidate(recorded, run, *assignments)
    return standing(recorded, run, recorded.outputs("run-1", "ExampleGen")["examples"])


def content(recorded, run):
    return recorded.outputs(run, "Trainer")["model"].content


def measured(recorded, run, bce):
    """Notes another loss on a run's evaluation."""
    found = recorded.outputs(run, "Evaluator")["evaluation"]
    numbers = json.loads(found.properties["metrics"])
    recorded.change(found.id, metrics=json.dumps({**numbers, "overall": {**numbers["overall"], "bce": bce}}))


def test_the_first_model_is_held_against_nothing(recorded):
    recorded.run("run-1", names=[*DATA, "Trainer", "Evaluator"])
    found = standing(recorded, "run-1")
    assert (found.baseline, found.served, found.note) == (None, 0, "nothing was served")
    assert (found.model, found.l1) == (content(recorded, "run-1"), 1e-3)


def test_a_new_model_is_held_against_the_one_that_is_served(four):
    measured(four, "run-4", 0.0625)
    found = of(four, "new", "training.seed=9")
    assert (found.baseline.version, found.baseline.run_id) == (4, "run-4")
    assert (found.baseline.model, found.baseline.loss) == (content(four, "run-4"), 0.0625)
    assert (found.note, found.served) == ("", 0)


def test_what_is_served_is_held_against_nothing(four):
    found = standing(four, "run-4", four.outputs("run-1", "ExampleGen")["examples"])
    assert (found.served, found.baseline) == (4, None)


def test_so_is_what_a_kill_left_served_before_it_was_noted(four):
    candidate(four, "new", "training.seed=9")
    shutil.copytree(four.folder_of("new", "Trainer", "model") / "Format-Serving", four.root.serving / "5")
    assert standing(four, "new", four.outputs("run-1", "ExampleGen")["examples"]).served == 5


def test_a_version_that_nobody_knows_is_said_to_be_no_baseline(four):
    shutil.copytree(four.root.serving / "1", four.root.serving / "5")
    (four.root.serving / "5" / "saved_model.pb").write_text("of somebody else")
    found = of(four, "new", "training.seed=9")
    assert found.baseline.version == 4
    assert found.note == ("the newest of L1 0.001; version 5, which was served, had not been pushed by this pipeline")


def test_a_model_of_another_l1_is_not_comparable(four):
    found = of(four, "new", "model.l1=1e-4")
    assert (found.baseline, found.l1) == (None, 1e-4)
    assert found.note == (
        "not comparable: no other model of L1 0.0001 was pushed before; version 4, which was served, has L1 0.001"
    )


def test_rolled_back_models_are_told_from_models_that_were_never_pushed(four):
    given = {name: four.outputs("run-1", name) for name in DATA}
    four.run("other", "model.l1=1e-4", names=AFTER_DATA, given=given)
    promotion.rollback(four.root, "worse in the field", print)
    found = of(four, "new", "model.l1=1e-4", "training.seed=9")
    assert found.baseline is None
    assert found.note == (
        "not comparable: all other pushed models of L1 0.0001 were rolled back; version 6, which was served, has L1 "
        "0.001"
    )
    # The rolled-back model itself is no other model.
    found = standing(four, "other", four.outputs("run-1", "ExampleGen")["examples"])
    assert found.note.startswith("not comparable: no other model of L1 0.0001 was pushed before; ")


def test_a_model_or_a_served_version_without_a_recorded_l1_is_named_so(four, monkeypatch):
    served = content(four, "run-4")
    of_model = baseline._terms
    monkeypatch.setattr(
        baseline, "_terms", lambda store, model: None if model.content == served else of_model(store, model)
    )
    found = of(four, "new", "training.seed=9")
    assert found.baseline.version == 3
    assert found.note == "the newest of L1 0.001; version 4, which was served, has no recorded sparsity"
    monkeypatch.setattr(baseline, "_terms", lambda store, model: None)
    found = of(four, "other", "training.seed=8")
    assert found.note.startswith("not comparable: the sparsity of this model was not recorded; ")


def test_a_sweep_is_judged_within_its_own_l1(four):
    given = {name: four.outputs("run-1", name) for name in DATA}
    four.run("other", "model.l1=1e-4", names=AFTER_DATA, given=given)
    assert (four.root.serving / "5").is_dir()
    found = of(four, "new", "model.l1=1e-3", "training.seed=9")
    assert (found.baseline.version, found.baseline.run_id) == (4, "run-4")
    assert found.note == "the newest of L1 0.001; version 5, which was served, has L1 0.0001"
    found = of(four, "new-too", "model.l1=1e-4", "training.seed=9")
    assert (found.baseline.version, found.note) == (5, "")


def test_a_rolled_back_model_is_no_baseline(four):
    promotion.rollback(four.root, "worse in the field", print)
    found = of(four, "new", "training.seed=9")
    assert (found.baseline.version, found.baseline.run_id, found.note) == (5, "run-3", "")


def test_nor_is_it_while_it_is_still_served(four):
    """As where a rollback was cut off before its version was there, or somebody removed that by hand."""
    promotion.rollback(four.root, "worse in the field", print)
    shutil.rmtree(four.root.serving / "5")
    found = of(four, "new", "training.seed=9")
    assert (found.baseline.model, found.baseline.run_id) == (content(four, "run-3"), "run-3")
    assert found.note == "the newest of L1 0.001; version 4, which was served, had been rolled back"


def test_a_model_that_was_promoted_is_the_baseline(four):
    promotion.promote(four.root, "run-2", "better in the field", print)
    found = of(four, "new", "training.seed=9")
    assert (found.baseline.version, found.baseline.run_id) == (5, "run-2")


def test_a_loss_on_other_examples_is_not_taken(four):
    examples = four.outputs("run-1", "ExampleGen")["examples"]
    candidate(four, "new", "training.seed=9")
    others = {**examples.properties, "content_digest": "examples-1:of another test split"}
    found = standing(four, "new", Artifact(examples.uri, others, examples.id))
    assert found.baseline.loss is None
    assert found.baseline.folder == str(four.folder_of("run-4", "Trainer", "model") / "Format-Serving")
    # The artifact's bytes are gone, those that are served are not.
    shutil.rmtree(four.folder_of("run-4", "Trainer", "model"))
    assert standing(four, "new", Artifact("", others)).baseline.folder == str(four.root.serving / "4")
    shutil.rmtree(four.root.serving / "4")
    assert standing(four, "new", Artifact("", others)).baseline.folder == ""


def test_nor_is_one_on_examples_without_a_digest(four):
    """Nobody could say that two of them are the same."""
    candidate(four, "new", "training.seed=9")
    first = four.outputs("run-1", "ExampleGen")["examples"]
    four.change(first.id, content_digest="")
    assert standing(four, "new", Artifact("", {})).baseline.loss is None


# --- what becomes of a decision ----------------------------------------------------------------


def gate(recorded, *assignments):
    return recorded.decisions(*assignments)["PushGate"]


def test_a_decision_is_used_again_while_its_model_is_served(four):
    found = gate(four, "training.seed=4")
    assert (found.verdict, found.run_id) == (CacheVerdict.CACHED, "run-4")
    assert decision.standing_of(found.runtime_properties["standing"]).served == 4


def test_a_decision_against_another_baseline_is_made_again(four):
    found = gate(four, "training.seed=3")  # it was held against run-2's, and run-4's is served now
    assert found.verdict == CacheVerdict.RUN
    assert found.reasons == ("the served model, or those pushed before, changed since the decision",)
    assert decision.standing_of(found.runtime_properties["standing"]).baseline.run_id == "run-4"


def test_it_is_used_again_when_the_same_baseline_is_served_again(four):
    promotion.rollback(four.root, "worse in the field", print)
    found = gate(four, "training.seed=4")  # run-4's was held against run-3's, which is served again
    assert (found.verdict, found.run_id) == (CacheVerdict.CACHED, "run-4")


def test_a_decision_to_keep_back_is_made_again_once_somebody_promoted_the_model(four):
    decided = four.outputs("run-4", "PushGate")["decision"]
    path = four.folder_of("run-4", "PushGate", "decision") / "decision.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "push": False}))
    four.change(decided.id, gone=["files"])
    assert gate(four, "training.seed=4").verdict == CacheVerdict.RUN


def test_a_decision_that_cannot_be_read_is_made_again(four):
    path = four.folder_of("run-4", "PushGate", "decision") / "decision.json"
    path.write_text("{}")
    four.change(four.outputs("run-4", "PushGate")["decision"].id, gone=["files"])
    found = gate(four, "training.seed=4")
    assert found.verdict == CacheVerdict.RUN
    assert found.reasons == (f"{path} does not contain a decision of the push gate",)


@pytest.mark.parametrize(("limit", "verdict"), [("1.05", CacheVerdict.CACHED), ("1.2", CacheVerdict.RUN)])
def test_another_limit_decides_anew(four, limit, verdict):
    assert gate(four, "training.seed=4", f"serving.max_bce_to_served={limit}").verdict == verdict


def test_a_run_that_is_gone_on_with_keeps_a_decision_as_long_as_it_holds(four):
    """Somebody may have chosen another model between two attempts."""
    store, node = four.store(), PIPELINE.by_name["PushGate"]
    execution = store.executions("run-4")["PushGate"].id
    given = store.execution(execution), store.inputs(execution), store.outputs(execution)
    assert four.decider("training.seed=4").is_reusable(node, *given)
    promotion.promote(four.root, "run-1", "better in the field", print)
    assert not four.decider("training.seed=4").is_reusable(node, *given)


def test_a_recorded_loss_is_that_of_the_evaluation(four):
    assert of(four, "new", "training.seed=9").baseline.loss == METRICS["bce"]
