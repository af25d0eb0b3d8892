"""Conditions on runs, and the settings by which runs differ."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import pytest

from pipeline.core.errors import UsageError
from pipeline.inspection import run_filter
from pipeline.inspection.views import RunRow, RunState
from pipeline.metadata import run_properties
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import runs
from pipeline.terminal.table import Screen
from pipeline_config import PipelineConfig

METRICS = PIPELINE.declared_metrics


def row(run_id="a", metrics=None, seconds=1.0, **settings):
    names = {f"model.{name}": value for name, value in settings.items()}
    return RunRow(
        run_id,
        "p",
        RunState.SUCCEEDED,
        None,
        seconds,
        "mnist 3.0.1",
        metrics=metrics or {},
        blessed=True,
        settings=names,
    )


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("model.l1<1e-3", True),
        ("model.l1 < 0.0001", False),
        ("model.l1<=1e-4", True),
        ("model.l1>=1e-4,model.l1<1", True),
        ("model.l1==1e-4", True),
        ("model.l1=0.0001", True),
        ("model.l1!=0.0001", False),
        ("model.loss=bce", True),
        ("model.loss=BCE", True),
        ("model.loss!=mse", True),
        ("model.jit=yes", True),
        ("model.jit=1", False),  # whether, not how many
        ("model.limit>1e300", True),
        ("test_bce<0.1", True),
        ("test_bce<0.1,state=failed", False),
        ("state=succeeded", True),
        ("blessed=yes", True),
        ("blessed=no", False),
        ("seconds>0.5", True),
        ("dataset=mnist 3.0.1", True),
        ("active_units>0", False),  # without a value
        ("active_units!=7", False),
        ("model.loss<1", False),  # a text is neither below nor above a number
    ],
)
def test_a_condition(condition, holds):
    one = row(metrics={"test_bce": 0.09, "active_units": None}, l1=1e-4, loss="bce", jit=True, limit="inf")
    assert all(part.holds(one) for part in run_filter.parse([condition])) == holds


@pytest.mark.parametrize(
    "text",
    [
        "model.l1",
        "<",
        "model.l1<",
        "model.l1<a",
        "1<2",
        "model.l1<1 and seed=2",
        "a b=1",
        "=",
        "x" * 300 + "=1",
        "a=<1",
        "a===1",
    ],
)
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(UsageError):
        run_filter.parse([text])


def test_an_unknown_name_suggests_a_known_one():
    rows = [row(l1=1e-4), row(code_units=32)]
    run_filter.check("model.code_units", rows, ())
    run_filter.check("test_bce", rows, METRICS)
    with pytest.raises(UsageError, match=r"did you mean model\.l1"):
        run_filter.check("model.l2", rows, ())


def test_the_title_of_a_column_suggests_its_setting():
    rows = [row(code_units=32)]
    with pytest.raises(UsageError, match=r"did you mean model\.code_units\?"):
        run_filter.check("code_units", rows, METRICS)
    with pytest.raises(UsageError, match=r"did you mean test_bce or model\.loss\?"):
        run_filter.check("loss", [row(loss="bce")], METRICS)


def test_an_unknown_name_lists_every_field_and_metric():
    rows = [row(metrics={"knn_accuracy": 0.9})]
    with pytest.raises(UsageError) as raised:
        run_filter.check("zzz", rows, METRICS)
    [listed] = re.findall(r"there are: (.*), and the runs' settings", str(raised.value))
    assert {"started", "test_bce", "knn_accuracy", "blessed", "state", "dataset"} <= {*listed.split(", ")}
    assert len(listed.split(", ")) == len({*listed.split(", ")})


def test_runs_without_a_value_come_last_in_both_orders():
    rows = [row("a", l1=1e-3), row("b"), row("c", l1=1e-5), row("d", l1="auto")]
    assert [one.id for one in run_filter.by_value(rows, "model.l1", ascending=True)] == ["c", "a", "d", "b"]
    assert [one.id for one in run_filter.by_value(rows, "model.l1", ascending=False)] == ["d", "a", "c", "b"]


def test_only_settings_that_differ_are_columns():
    rows = [row(l1=1e-3, seed=1, units=32), row(l1=1e-4, seed=1, units=32), row(), row(l1=1e-3, units=32, new=5)]
    assert run_filter.differing_settings(rows) == ("model.l1",)
    assert run_filter.differing_settings([row(l1=1.0), row(l1=1)]) == ()
    assert run_filter.differing_settings([]) == ()
    assert run_filter.differing_settings([row(l1=1.0), row(l1=1)], {"model.l1", "model.l2"}) == ("model.l1",)


def test_a_title_is_short_where_that_is_unambiguous():
    names = ("model.l1", "data.batch_size", "training.batch_size")
    assert list(run_filter.titles(names).values()) == ["l1", "data.batch_size", "training.batch_size"]


def test_the_list_has_a_column_for_each_of_them():
    head, first, _ = runs.as_text(Screen(), [row(l1=1e-3, u=32), row(l1=1e-5, u=32)], PIPELINE.columns).splitlines()
    assert head.split().count("l1") == 1
    assert "u" not in head.split()
    assert "0.001" in first.split()


def test_csv_has_all_metrics_and_settings_with_all_digits():
    rows = [row("a", {"test_bce": 0.09123456789}, l1=1.23456789e-05, on=True), row('b,"c"', l1=2.0)]
    first, second = csv.DictReader(io.StringIO(runs.as_csv(rows)))
    assert (first["test_bce"], first["model.l1"], first["model.on"]) == ("0.09123456789", "1.23456789e-05", "yes")
    assert (second["id"], second["test_bce"], second["model.l1"], second["model.on"]) == ('b,"c"', "", "2", "")
    assert (first["state"], first["started"]) == ("succeeded", "")


def test_what_a_run_records_is_read_back():
    config = PipelineConfig.build({"model.l1": 1e-4, "serving.max_bce_to_served": math.inf})
    recorded = run_properties.settings_properties(config.affecting_results())
    json.loads(*recorded.values(), parse_constant=pytest.fail)  # Infinity is no JSON
    found = run_properties.settings_of(recorded)
    assert (found["model.l1"], found["serving.max_bce_to_served"]) == (1e-4, math.inf)
    assert not any(name.startswith("paths.") for name in found)
    assert run_properties.settings_of({}) is None
    assert run_properties.settings_of({**recorded, next(iter(recorded)): "{"}) == {}


def test_runs_are_named_by_the_settings_in_which_they_differ():
    rows = [row("a", l1=1e-3, seed=1, loss="bce"), row("b", l1=1e-3, seed=2, loss="bce"), row("c", l1=0.0, seed=1)]
    assert run_filter.run_names(rows) == ("l1 = 0.001, seed = 1", "l1 = 0.001, seed = 2", "l1 = 0, seed = 1")


def test_runs_that_do_not_differ_or_have_no_settings_have_no_name():
    assert run_filter.run_names([row("a", l1=1), row("b", l1=1)]) == ("", "")
    assert run_filter.run_names([row("a", l1=1), row("b", l1=2), row("c")]) == ("l1 = 1", "l1 = 2", "")


def test_a_name_has_the_first_of_many_settings():
    first, other = (row(run_id, **{f"s{i}": i + shift for i in range(6)}) for run_id, shift in (("a", 0), ("b", 1)))
    assert run_filter.run_names([first, other])[0] == "s0 = 0, s1 = 1, s2 = 2, s3 = 3, and 2 more"


def test_parameters_are_headline_settings_and_those_that_are_not_the_profiles():
    settings = {**PipelineConfig.build(PipelineConfig.profiles["sample"]).affecting_results(), "training.epochs": 7}
    found = run_filter.parameters(settings, "sample", PipelineConfig)
    assert list(found.items()) == [("model.l1", 0.001), ("training.seed", 0), ("training.epochs", 7)]
    assert "data.dataset" in run_filter.parameters(settings, "mnist", PipelineConfig)
    # Of a profile, what belongs to its data set does not apply to another one.
    other = {"data.dataset": "cells", "data.train_examples": 0, "evaluation.max_bce": math.inf, "training.epochs": 7}
    assert list(run_filter.parameters(other, "mnist", PipelineConfig)) == ["data.dataset", "training.epochs"]
    other["data.dataset"] = "mnist"
    assert len(run_filter.parameters(other, "mnist", PipelineConfig)) == 3
    assert run_filter.parameters({}, "sample", PipelineConfig) == {}


def test_parameters_leave_out_empty_defaults_and_the_name_of_the_data_set():
    settings = {"data.dataset": "cells", "data.scaling": "range"}
    assert run_filter.parameters(settings, "mnist", PipelineConfig, "cells 1.0.0") == {"data.scaling": "range"}
    assert run_filter.parameters(settings, "mnist", PipelineConfig, "other 1.0.0") == settings
    settings = {"data.dataset": "mnist", "data.schema": "mnist"}  # only the setting that names the data set is left out
    assert run_filter.parameters(settings, "", PipelineConfig, "mnist 3.0.1") == {"data.schema": "mnist"}
    assert run_filter.parameters({"data.dataset": "mnist", "data.schema": ""}, "mnist", PipelineConfig) == {}


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"scaling": "standard", "l1": 0.5}, "model.scaling=standard"),
        ({"l1": 1e-3}, "model.l1>0.001"),
        ({"on": True}, "model.on=yes"),
        ({"schema": "", "layers": [64, 16], "l1": 2.0}, "model.l1>2"),
        ({}, "seconds>1"),
    ],
)
def test_the_example_of_a_condition_can_be_typed(settings, shown):
    one = row(**settings)
    assert run_filter.example([one], tuple(one.settings)) == shown
    [condition] = run_filter.parse([shown])
    assert condition.name in (*one.settings, "seconds")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00027583475549166736, "0.00027583"),
        (1.1268145953419502e-05, "1.1268e-05"),
        (0.001, "0.001"),
        (12345678, "12345678"),
        (2.0, "2"),
        ("", "empty"),
        (None, ""),
        (True, "yes"),
    ],
)
def test_a_setting_in_a_table_is_short(value, text):
    assert run_filter.short_setting(value) == text


def test_lists_round_settings_and_csv_does_not():
    rows = [row(l1=0.00027583475549166736, hidden_layers=""), row("b", l1=0.5, hidden_layers="256")]
    assert "0.00027583 " in runs.as_text(Screen(None), rows, PIPELINE.declared_metrics)
    assert "empty" in runs.as_text(Screen(None), rows, PIPELINE.declared_metrics)
    assert "0.00027583475549166736" in runs.as_csv(rows)
    assert run_filter.run_names(rows)[0] == "l1 = 0.00027583, hidden_layers = empty"
