"""What is shown of an artifact's content, by its type. `artifacts/test_previews.py` has one preview of each."""

from __future__ import annotations

import dataclasses

import pytest

from components.evaluation.thresholds import EpochLosses
from pipeline.artifacts import previews
from pipeline.terminal import preview
from pipeline.terminal.table import Screen
from tests.pipeline.artifacts.test_previews import FEATURE, ONE_OF_EACH

SHOWN = {
    "Examples": [
        "splits",
        "  split  examples",
        "  train        60",
        "",
        "features",
        "  feature  type   shape",
        "  image    bytes  (1,)",
    ],
    "ExampleStatistics": [
        "split train, 60 examples",
        "  feature  type    values  missing  least     mean  most      std  zeros  unique  histogram",
        "  label    int         59        1      0  4.50000     9  2.50000      7          █",
        "  image    string      60        0                                            58  278 bytes on average",
    ],
    "ExampleAnomalies": ["split test", "  label: out of range: 10 is above 9"],
    "Schema": [
        "features",
        "  feature  type  presence          shape  domain",
        "  label    int   in every example  (1,)   0 to 9",
    ],
    "TransformGraph": [
        "goes in",
        "  feature  type   shape",
        "  image    bytes  (1,)",
        "",
        "comes out",
        "  feature   type     shape",
        "  image_xf  float32  (784,)",
    ],
    "Model": [
        "12 parameters",
        "  layer  in  out  activation  parameters",
        "  code    3    3  relu                12",
        "",
        "signature encode",
        "  takes  image  bytes  (1,)",
        "  gives  image  bytes  (1,)",
    ],
    "ModelRun": [
        "reconstruction loss by epoch",
        "         epoch  training  validation",
        "  first      1   0.40000     0.50000",
        "  best       1   0.40000     0.50000",
        "  last       1   0.40000     0.50000",
        "  validation, epochs 1 to 1: █",
    ],
    "ModelEvaluation": [
        "metrics on the test split",
        "  bce  0.10000",
        "",
        "by slice",
        "  slice        bce",
        "  label 3  0.20000",
        "",
        "thresholds",
        "  metric  of         value    limit",
        "  bce     overall  0.10000  0.12000  kept",
        "  bce     label 3  0.20000           nothing asked",
    ],
    "ModelBlessing": ["not blessed: bce is 0.2, allowed is at most 0.1"],
    "PushDecision": [
        "kept back: worse",
        "",
        "  model              test BCE  measured",
        "  this one            0.10000  its Evaluator",
        "  version 3, run r3   0.08000  recorded",
    ],
    "Report": [
        "page  /r/7/report.html",
        "1 test images beside what the model makes of them",
        "",
        "units of the code, on test images",
        "  unit  active on  mean then",
        "     0      25.0%    1.50000",
    ],
}


def shown(found, screen=None):
    return preview.lines(screen or Screen(), found, "/r/7")


@pytest.mark.parametrize("kind", previews.KINDS)
def test_each_kind_is_shown(kind):
    assert shown(ONE_OF_EACH[kind]) == SHOWN[kind]


@pytest.mark.parametrize("kind", previews.KINDS)
def test_no_kind_lets_control_characters_through(kind):
    def evil(value):
        if dataclasses.is_dataclass(value):
            changes = {field.name: evil(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return dataclasses.replace(value, **changes)
        if isinstance(value, tuple):
            return tuple(map(evil, value))
        if isinstance(value, dict):
            return {evil(key): evil(inner) for key, inner in value.items()}
        return f"{value}\x1b[2J" if isinstance(value, str) else value

    text = "".join(preview.lines(Screen(), evil(ONE_OF_EACH[kind]), "/r/\x1b[2J"))
    assert "\x1b" not in text


def test_splits_with_other_features_have_their_own_table():
    split = previews.ExamplesSplit("train", 6, (FEATURE,), ())
    other = dataclasses.replace(split, name="test", features=(dataclasses.replace(FEATURE, name="other"),))
    lines = shown(previews.Examples((split, dataclasses.replace(split, name="validation"), other)))
    assert [line for line in lines if line.startswith("features")] == [
        "features of train, validation",
        "features of test",
    ]


def test_a_data_set_without_anomalies_is_said_to_have_none():
    splits = (previews.AnomaliesSplit("train", ()), previews.AnomaliesSplit("test", ()))
    assert shown(previews.Anomalies(splits)) == ["no anomalies in train, test"]
    found = (*splits, *ONE_OF_EACH["ExampleAnomalies"].splits)
    assert shown(previews.Anomalies(found))[:2] == ["split train", "  no anomalies"]


def test_curves_have_the_best_epoch_and_at_most_60_bars():
    history = tuple(EpochLosses(n, 0.5, 1 / n, 0.5, 1 / n if n < 90 else 0.5) for n in range(1, 101))
    lines = shown(previews.ModelRun(history))
    assert lines[3].split() == ["best", "89", "0.01124", "0.01124"]
    assert lines[4].split() == ["last", "100", "0.01000", "0.50000"]
    curve = lines[5].partition(": ")[2]
    assert (len(curve), curve[0], curve[-1]) == (60, "█", "▄")
    assert shown(previews.ModelRun(())) == ["no epoch was noted"]


def test_a_blessed_model_and_a_missed_threshold():
    assert shown(previews.Blessing(True, ())) == ["blessed"]


def test_a_model_that_was_compared_with_nothing_stands_alone():
    found = previews.PushDecision(True, "nothing was served", 0.1, 0.001, None, None, None, None, "")
    assert shown(found) == [
        "to be served: nothing was served",
        "",
        "  model     test BCE  measured",
        "  this one   0.10000  its Evaluator",
    ]


def test_a_baseline_that_was_not_measured_has_no_loss():
    found = previews.PushDecision(True, "not comparable", 0.1, 0.001, 1.05, 3, "r3", None, "")
    assert shown(found)[-1].split() == ["version", "3,", "run", "r3"]
    missed = previews.Threshold("bce", "overall", 0.2, 0.1, False)
    lines = shown(previews.Evaluation({}, {}, (missed,)), Screen(color=True))
    assert lines[-1].endswith("\x1b[31mmissed\x1b[0m")


def test_units_that_are_never_active_are_named():
    units = (previews.UnitActivity(0, 0.0, 0.0), previews.UnitActivity(1, 0.5, 2.0), previews.UnitActivity(7, 0.0, 0.0))
    assert shown(previews.Report((), units))[-1] == "never active: 0, 7"
