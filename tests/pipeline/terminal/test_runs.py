"""A line for each run."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from components.evaluation.metrics import Metric
from pipeline.core.serialization import jsonable
from pipeline.inspection.views import Continuation, RunRow, RunState
from pipeline.metadata import run_properties
from pipeline.metadata.run_properties import Headline
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import runs
from pipeline.terminal.table import Screen

STARTED = datetime.datetime(2026, 11, 23, 14, 30, 5, tzinfo=datetime.timezone.utc)
GOOD = RunRow("20261123-143005", "ours", RunState.SUCCEEDED, STARTED, 68.94, "mnist 3.0.1", "manual",
              {"test_bce": 0.0943, "active_units": 17.21},              True, 10, 0)  # fmt: skip
BAD = RunRow("20261123-150000", "ours", RunState.FAILED, None, None, error="DataGate: the data does not fit its schema")


def as_text(screen, rows):
    return runs.as_text(screen, rows, PIPELINE.columns)


def test_a_run_has_all_its_columns_in_a_pipe():
    titles, good, bad = as_text(Screen(), [GOOD, BAD]).splitlines()
    assert titles == (
        "run              state      started             time  data set     trigger  test BCE  active  blessed  "
        "executed  cached  error"
    )
    assert good == (
        "20261123-143005  succeeded  2026-11-23 14:30  68.9 s  mnist 3.0.1  manual     0.0943    17.2  yes     "
        "       10       0"
    )
    assert bad.split("  ")[:2] == ["20261123-150000", "failed"]
    assert bad.index("DataGate: the data does not fit its schema") == titles.index("error")


def test_a_note_is_a_column_where_it_fits():
    rows = [dataclasses.replace(GOOD, tags=("paper",), note="figure 3, the left one"), BAD]
    titles, good, _ = as_text(Screen(), rows).splitlines()
    assert good.index("figure 3, the left one") == titles.index("note")
    assert "note" not in as_text(Screen(width=80), rows)


def test_a_schedule_is_named_without_the_time_of_its_tick():
    scheduled = dataclasses.replace(GOOD, trigger="schedule nightly 2026-11-24T03:00:00Z")
    assert "  schedule nightly    0.0943" in as_text(Screen(), [scheduled])


def test_on_80_columns_the_less_important_ones_go():
    lines = as_text(Screen(width=80), [GOOD, BAD]).splitlines()
    assert lines[0].split() == ["run", "state", "time", "test", "BCE", "active", "blessed", "executed", "cached"]
    assert max(map(len, lines)) <= 80


def test_states_and_verdicts_have_colors():
    text = as_text(Screen(color=True), [GOOD, dataclasses.replace(BAD, blessed=False)])
    assert "\x1b[32msucceeded\x1b[0m" in text
    assert "\x1b[31mfailed\x1b[0m" in text
    assert "\x1b[33mno\x1b[0m" in text


def test_the_pipeline_is_named_where_there_are_several():
    assert "ours" not in as_text(Screen(), [GOOD, BAD])
    assert "theirs" in as_text(Screen(), [GOOD, dataclasses.replace(BAD, pipeline="theirs")])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((20, Continuation(1234, "20"), None), "20 of 1,234 runs; --limit 1234 shows all"),
        ((3, Continuation(3), None), ""),
        ((0, Continuation(0), None), "no run in /root: `sae run` starts the first one"),
        ((0, Continuation(0), RunState.FAILED), "no run is failed: `sae runs` lists all runs"),
    ],
)
def test_what_is_left_out_or_missing_is_said(arguments, said):
    assert runs.note(*arguments, "/root") == said
    assert as_text(Screen(), []) == ""


def test_the_squared_error_is_a_column_where_a_run_has_no_cross_entropy():
    both = dataclasses.replace(GOOD, metrics={"test_bce": 0.0943, "test_mse": 0.006, "active_units": 17.21})
    squared = dataclasses.replace(GOOD, metrics={"test_bce": None, "test_mse": 0.335, "active_units": 6.4})
    assert "test BCE  active" in as_text(Screen(), [both, BAD])
    assert "test MSE  active" in as_text(Screen(), [squared, BAD])
    assert "test BCE" not in as_text(Screen(), [squared, BAD])
    titles, first, second = as_text(Screen(), [both, squared]).splitlines()
    assert "test BCE  test MSE  active" in titles
    assert "0.0943" in first
    assert "0.33500" in second


def test_what_runs_are_filtered_and_sorted_by_is_a_column_also_where_it_is_equal():
    row = dataclasses.replace(GOOD, metrics={**GOOD.metrics, "dead_units": 0.0}, settings={"model.l1": 0.5, "a.b": 1})
    rows = [row, row]
    assert as_text(Screen(), rows).splitlines()[0].split()[7:] == [
        "test",
        "BCE",
        "active",
        "blessed",
        "executed",
        "cached",
    ]
    titles, first, _ = runs.as_text(
        Screen(), rows, PIPELINE.declared_metrics, named=["model.l1", "dead_units", "blessed"]
    ).splitlines()
    assert "active  dead   l1  blessed" in titles
    assert first[: titles.index("  blessed")].split()[-3:] == ["17.2", "0", "0.5"]
    narrow = runs.as_text(Screen(width=50), rows, PIPELINE.declared_metrics, named=["model.l1"]).splitlines()[0]
    assert narrow.split() == ["run", "state", "test", "BCE", "active", "l1"]


def test_the_probe_is_a_column_where_a_run_has_it():
    probed = dataclasses.replace(GOOD, metrics={**GOOD.metrics, "linear_probe_accuracy": 0.8697})
    assert "linear probe" not in as_text(Screen(), [GOOD, BAD])
    titles, first, second = as_text(Screen(), [probed, GOOD]).splitlines()
    assert "active  linear probe" in titles
    assert "0.8697" in first
    assert "0.8697" not in second


def test_a_metric_with_a_column_is_recorded_and_listed():
    added = Metric("psnr", "PSNR", "peak signal to noise", decimals=1, run_key="psnr", recorded=True, column="PSNR")
    properties = run_properties.headline_properties(Headline(metrics={"test_bce": 0.1, "psnr": 20.04}))
    assert {name: properties[name] for name in ("sae_test_bce", "sae_psnr")} == {"sae_test_bce": 0.1, "sae_psnr": 20.04}
    row = dataclasses.replace(GOOD, metrics=run_properties.headline_of(properties).metrics)
    assert jsonable(row)["psnr"] == 20.04
    titles, line = runs.as_text(Screen(), [row], [*PIPELINE.columns, added]).splitlines()
    assert "PSNR  blessed" in titles
    assert "20.0" in line
