"""Differences of two runs, as text."""

from __future__ import annotations

import dataclasses

from components.evaluation.metrics import BCE, METRICS
from pipeline.inspection.run_diff import (
    Comparison,
    FirstDifference,
    MetricDifference,
    NodeStates,
    OutputDifference,
    SettingDifference,
)
from pipeline.inspection.views import RunRow, RunState
from pipeline.terminal import differences
from pipeline.terminal.table import Screen

ROWS = tuple(RunRow(name, "p", RunState.SUCCEEDED, None, None) for name in ("r1", "r2"))
SAME = Comparison(ROWS, (), (), (), (), (FirstDifference("r2", ""),), ())
FOUND = Comparison(
    ROWS,
    (
        SettingDifference("configuration", "training.epochs", ("50", "60")),
        SettingDifference("machine", "operating system", ("Debian 12", "Debian 13"), matters=False),
    ),
    (
        MetricDifference("bce", "overall", (0.5, 0.25), (0.0, -0.25)),
        MetricDifference("bce", "label 0", (0.5, None), (0.0, None)),
        MetricDifference("mse", "label 0", (0.5, 0.25), (0.0, -0.25)),
    ),
    (
        OutputDifference("Trainer", "model", (f"model-1:{'0a' * 32}", f"model-1:{'0b' * 32}"), (1, 2)),
        OutputDifference("Report", "report", ("", ""), (3, 0)),
    ),
    (NodeStates("Report", ("executed", "")),),
    (FirstDifference("r2", "Trainer", ("epochs: 50 -> 60", "model.py changed")),),
    ("of that nothing is known",),
)


def test_all_that_differs_is_shown_group_by_group():
    assert differences.as_text(Screen(), FOUND, BCE).splitlines() == [
        "r1 -> r2",
        "",
        "first difference: Trainer: epochs: 50 -> 60; model.py changed",
        "not compared: of that nothing is known",
        "",
        "configuration",
        "                   r1  r2",
        "  training.epochs  50  60",
        "",
        "machine",
        "                    r1         r2",
        "  operating system  Debian 12  Debian 13  no effect on results",
        "",
        "nodes",
        "          r1        r2",
        "  Report  executed  -",
        "",
        "metrics on the test split",
        "                     r1       r2    change",
        "  bce           0.50000  0.25000  -0.25000",
        "  bce, label 0  0.50000        -",
        "  and 1 more, of single slices; --json lists all",
        "",
        "content of outputs",
        "                   r1                            r2",
        "  Trainer  model   model-1:0a0a0a0a0a0a          model-1:0b0b0b0b0b0b",
        "  Report   report  artifact 3, without a digest  -",
    ]


def test_where_nothing_differs_that_is_said():
    assert differences.as_text(Screen(), SAME, BCE).splitlines()[2:] == [
        "no difference: settings, data, code, packages, machine, metrics and the content of all outputs are the same"
    ]
    unknown = dataclasses.replace(SAME, unknown=("no manifest",))
    assert differences.as_text(Screen(), unknown, BCE).splitlines()[2:] == [
        "no difference in what could be compared",
        "not compared: no manifest",
    ]


def test_other_settings_may_give_the_same():
    found = dataclasses.replace(SAME, settings=FOUND.settings)
    assert differences.as_text(Screen(), found, BCE).splitlines()[2] == "all outputs have the same content"


def test_names_from_a_store_stay_text():
    rows = (dataclasses.replace(ROWS[0], id="\x1b[2J"), ROWS[1])
    setting = SettingDifference("configuration", "\x1b", ("\x07", "\n"))
    found = dataclasses.replace(
        FOUND, runs=rows, settings=(setting,), partings=(FirstDifference("r2", "\x1b", ("\x1b",)),)
    )
    assert not {"\x1b", "\x07"} & set(differences.as_text(Screen(), found, BCE))


def test_losses_that_are_not_comparable_have_no_change_but_the_reason():
    active = MetricDifference("active_units", "overall", (5.0, 6.0), (0.0, 1.0))
    found = dataclasses.replace(
        FOUND,
        metrics=(*FOUND.metrics, active),
        incomparable=((), ("data.scaling is auto and range",)),
        slice_titles={"label 0": "label cat"},
    )
    lines = differences.as_text(Screen(), found, BCE, METRICS).splitlines()
    place = lines.index("metrics on the test split")
    assert lines[place + 1] == "  Losses are not comparable: data.scaling is auto and range"
    rows = [" ".join(line.split()) for line in lines[place + 3 : place + 6]]
    assert rows == [
        "BCE 0.50000 0.25000 not comparable",
        "BCE, label cat 0.50000 - not comparable",
        "active units 5 6 +1",
    ]


def test_metrics_on_the_validation_split_come_last_under_the_same_names():
    values = {"bce": (0.5, 0.25), "validation_bce": (0.5, 1.0), "validation_dead_units": (1.0, 0.0)}
    measured = [MetricDifference(name, "overall", two, (0.0, two[1] - two[0])) for name, two in values.items()]
    found = dataclasses.replace(FOUND, metrics=tuple(measured), incomparable=((), ("other data",)))
    lines = differences.as_text(Screen(), found, BCE, METRICS).splitlines()
    start = lines.index("metrics on the validation split")
    assert [" ".join(line.split()) for line in lines[start - 2 : start + 5]] == [
        "BCE 0.50000 0.25000 not comparable",
        "",
        "metrics on the validation split",
        "Losses are not comparable: other data",
        "r1 r2 change",
        "BCE 0.50000 1 not comparable",
        "dead units 1 0 -1",
    ]


def test_runs_are_named_by_their_settings_below_their_ids():
    found = dataclasses.replace(FOUND, names=("l1 = 0.001", "l1 = 1e-05"))
    assert differences.as_text(Screen(), found, BCE).splitlines()[1] == "l1 = 0.001 -> l1 = 1e-05"
