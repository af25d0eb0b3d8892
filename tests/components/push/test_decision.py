"""The push gate's rule, and its decision on the disk."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from typing import Any

import pytest

from components.push import decision
from components.push.decision import Baseline, GateDecision, Standing

BASELINE = Baseline(version=3, run_id="run-3", model="model-1:old", loss=0.08, folder="/root/serving/3")
STANDING = Standing(model="model-1:new", l1=1e-3, baseline=BASELINE)


def decide(bce: float, standing: Standing = STANDING, **changes: Any) -> GateDecision:
    values: dict[str, Any] = {"blessed": True, "limit": 1.05, "baseline_loss": 0.08, **changes}
    return decision.decide(loss=bce, standing=standing, **values)


# 1.05 * 0.08 is 0.084.
@pytest.mark.parametrize(("bce", "push"), [(0.08, True), (0.0839, True), (0.0841, False), (0.05, True), (0.2, False)])
def test_a_model_is_pushed_when_it_is_not_worse_than_allowed(bce: float, push: bool) -> None:
    decided = decide(bce)
    assert decided.push == push
    assert (decided.baseline, decided.baseline_loss, decided.baseline_evaluation) == (BASELINE, 0.08, "recorded")


def test_the_reason_has_both_losses_their_ratio_and_what_is_allowed() -> None:
    assert decide(0.1).reason == "test BCE 0.1000 is 1.250 times the 0.0800 of version 3, allowed is at most 1.05"


def test_the_reason_says_why_it_is_not_held_against_what_is_served() -> None:
    standing = dataclasses.replace(STANDING, note="the newest of L1 0.001; version 4, which was served, has L1 0.0001")
    reason = "(the newest of L1 0.001; version 4, which was served, has L1 0.0001)"
    assert decide(0.1, standing).reason.endswith(f"at most 1.05 {reason}")


def test_a_limit_below_one_asks_for_a_better_model() -> None:
    assert [decide(bce, limit=0.99).push for bce in (0.08, 0.0793, 0.0792)] == [False, False, True]


def test_no_limit_pushes_whatever_is_blessed() -> None:
    decided = decide(5.0, limit=math.inf)
    assert (decided.push, decided.limit) == (True, None)
    assert decided.reason == "test BCE 5.0000 is 62.500 times the 0.0800 of version 3, allowed is any"


def test_what_is_not_blessed_is_compared_with_nothing() -> None:
    decided = decide(0.01, blessed=False)
    assert (decided.push, decided.reason, decided.baseline) == (False, "the model is not blessed", None)


def test_what_is_served_already_is_compared_with_nothing() -> None:
    decided = decide(0.5, Standing("model-1:new", 1e-3, served=7), baseline_loss=None)
    assert (decided.push, decided.reason, decided.baseline) == (True, "it was served already, as version 7", None)


def test_without_a_baseline_it_is_pushed_for_the_reason_that_there_is_none() -> None:
    decided = decide(0.5, Standing("model-1:new", 1e-3, note="nothing was served"), baseline_loss=None)
    assert (decided.push, decided.reason, decided.baseline) == (True, "nothing was served", None)


def test_a_baseline_that_cannot_be_measured_holds_nothing_back() -> None:
    standing = dataclasses.replace(STANDING, baseline=dataclasses.replace(BASELINE, loss=None))
    decided = decide(0.5, standing, baseline_loss=None, problem="its model is gone")
    assert (decided.push, decided.reason) == (True, "not comparable with version 3: its model is gone")
    assert (decided.baseline, decided.baseline_loss, decided.baseline_evaluation) == (standing.baseline, None, "")


def test_it_says_when_the_gate_measured_the_baseline_itself() -> None:
    standing = dataclasses.replace(STANDING, baseline=dataclasses.replace(BASELINE, loss=None))
    assert decide(0.08, standing, baseline_loss=0.081).baseline_evaluation == "made by the push gate"


@pytest.mark.parametrize(
    ("decided", "standing", "holds"),
    [
        (decide(0.08), STANDING, True),
        (decide(0.2), STANDING, True),
        (decide(0.08), dataclasses.replace(STANDING, baseline=None), False),
        (decide(0.08), dataclasses.replace(STANDING, baseline=dataclasses.replace(BASELINE, model="other")), False),
        # The same model under another number, measured again: nothing that was decided changes.
        (decide(0.08), dataclasses.replace(STANDING, baseline=dataclasses.replace(BASELINE, version=9)), True),
        # What was let pass is served now; what was kept back, somebody promoted.
        (decide(0.08), Standing("model-1:new", served=4), True),
        (decide(0.2), Standing("model-1:new", served=4), False),
        (decide(0.2, blessed=False), Standing("model-1:new", served=4), True),
        (decide(0.2, blessed=False), STANDING, True),
        (decide(0.2, Standing("model-1:new", note="nothing was served")), STANDING, False),
        (decide(0.2, Standing("model-1:new", note="nothing was served")), Standing("model-1:new"), True),
    ],
)
def test_a_decision_holds_while_the_baseline_is_the_same(decided: Any, standing: Standing, holds: bool) -> None:
    assert decided.holds(standing) == holds


def test_a_standing_is_told_as_text() -> None:
    for standing in (STANDING, Standing(), Standing("model-1:new", None, 4, None, "why")):
        assert decision.standing_of(standing.as_text()) == standing


def test_a_gate_that_is_told_nothing_says_that_it_compared_nothing() -> None:
    decided = decide(0.5, decision.standing_of(""), baseline_loss=None)
    assert (decided.push, decided.reason) == (True, "what was pushed before was not looked up")


@pytest.mark.parametrize(
    "decided", [decide(0.1), decide(0.1, blessed=False), decide(0.1, Standing("m", None, note="nothing was served"))]
)
def test_a_decision_is_read_as_it_was_written(decided: GateDecision, tmp_path: pathlib.Path) -> None:
    decision.write(tmp_path, decided)
    found = decision.read(tmp_path)
    baseline = decided.baseline and dataclasses.replace(decided.baseline, loss=None, folder="")
    assert found == dataclasses.replace(decided, baseline=baseline)


def test_the_file_names_no_place(tmp_path: pathlib.Path) -> None:
    decision.write(tmp_path, decide(0.1))
    values = json.loads((tmp_path / "decision.json").read_text())
    assert values["baseline"] == {"version": 3, "run_id": "run-3", "model": "model-1:old"}
    assert (values["schema_version"], values["push"], values["bce"], values["limit"]) == (1, False, 0.1, 1.05)
    assert (values["baseline_bce"], values["l1"]) == (0.08, 0.001)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema_version": 1}', "null", '{"schema_version": 1, "baseline": 3}']
)
def test_what_is_no_decision_is_named(text: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "decision.json").write_text(text)
    with pytest.raises(ValueError, match=r"decision\.json"):
        decision.read(tmp_path)
