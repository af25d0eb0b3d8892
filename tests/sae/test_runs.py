"""The package `sae` on a root with recorded runs: rows, a run, artifacts, errors, and what notebooks show."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable

import pandas
import pytest

import sae
from components.evaluation import metrics
from sae.model import RawData
from sae.root import PipelineRoot
from sae.runs import RunList
from tests import PROJECT
from tests.builders.roots import METRICS, Recorded, write
from tests.golden import store
from tests.golden.store import FAILED, FIRST, SECOND


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return store.make(tmp_path_factory.mktemp("recorded"))


@pytest.fixture
def root(recorded: Recorded) -> PipelineRoot:
    return sae.open(recorded.root.path)


def test_runs_are_rows_newest_first(root: PipelineRoot) -> None:
    runs = root.runs()
    assert [one.id for one in runs] == [FAILED, SECOND, FIRST]
    assert runs[2].metrics["test_bce"] == 0.0943
    assert [one.id for one in runs[1:]] == [SECOND, FIRST]
    assert [one.id for one in root.runs(2)] == [FAILED, SECOND]
    assert [one.id for one in root.runs(state="succeeded", sort="test_bce", ascending=True)] == [FIRST, SECOND]
    with pytest.raises(dataclasses.FrozenInstanceError):
        runs[0].id = "other"  # type: ignore[misc]


def test_runs_are_filtered_by_conditions_as_in_the_shell(root: PipelineRoot) -> None:
    assert [one.id for one in root.runs(where="state=succeeded")] == [SECOND, FIRST]
    assert [one.id for one in root.runs(where=["state=succeeded", "training.epochs=60"])] == [SECOND]
    assert [one.id for one in root.runs(1, where="state=succeeded,test_bce<1", sort="test_bce")] == [SECOND]


@pytest.mark.parametrize("wanted", [3, -1, None])
def test_a_run_that_is_no_text_is_refused(root: PipelineRoot, wanted: object) -> None:
    with pytest.raises(sae.UsageError, match=f"run {wanted} is not allowed: give an id, .*'latest~1'"):
        root.run(wanted)  # type: ignore[arg-type]


def test_a_node_is_found_by_its_name(root: PipelineRoot) -> None:
    nodes = root.run(FIRST).nodes
    assert nodes["Trainer"].node == nodes["trainer"].node == "Trainer"
    assert nodes["ExampleGen"] == nodes[0] == nodes[:1][0]
    with pytest.raises(sae.NotFoundError, match=r"no node Trainr; did you mean Trainer\? \(there are: ExampleGen, "):
        nodes["Trainr"]


def test_the_model_of_a_run_scales_as_its_data_set_and_settings_say(root: PipelineRoot) -> None:
    run = root.run(FIRST)
    assert run._raw_data() == RawData("uint8", "auto", (28, 28, 1))


def test_runs_of_squared_errors_show_them_and_can_be_sorted_by_them(root: PipelineRoot) -> None:
    assert len(root.runs(sort="test_mse")) == 3
    rows = root.runs()
    assert "test MSE" not in rows._repr_html_()
    squared = dataclasses.replace(rows[1], metrics={"test_bce": None, "test_mse": 0.3})
    shown = RunList((squared,), metrics.shown(root.pipeline.columns, [squared.metrics]))
    assert shown.to_pandas()["test_mse"].tolist() == [0.3]
    assert "test MSE" in shown._repr_html_()


def test_a_table_of_pandas_has_metrics_that_are_no_column_of_lists(root: PipelineRoot) -> None:
    first, *_ = root.runs()
    row = dataclasses.replace(first, metrics={"validation_mse": 0.2, "knn_accuracy": None})
    table = RunList((row,), root.pipeline.columns).to_pandas()
    assert table["validation_mse"].tolist() == [0.2]
    assert "knn_accuracy" not in table.columns


def test_runs_become_a_table_of_pandas(root: PipelineRoot) -> None:
    table = root.runs().to_pandas()
    assert not {"metrics", "settings"} & set(table.columns)
    assert list(table.index) == [FAILED, SECOND, FIRST]
    assert table.loc[FIRST, "test_bce"] == 0.0943
    assert math.isnan(table.loc[FAILED, "test_bce"])
    assert table.loc[FAILED, "state"] == "failed"
    assert table.loc[FIRST, "started"].utcoffset().total_seconds() == 0
    assert (table.loc[FIRST, "model.l1"], table.loc[FIRST, "training.epochs"]) == (1e-3, 50)
    assert table["model.l1"].dtype == float


@pytest.mark.parametrize(
    "options", [{"state": "bad"}, {"sort": "bad"}, {"limit": 0}, {"where": "bad<1"}, {"where": ["bad"]}]
)
def test_a_list_of_runs_refuses_other_options(root: PipelineRoot, options: dict[str, object]) -> None:
    with pytest.raises(sae.UsageError, match=r"bad|limit 0"):
        root.runs(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"limit": "3"}, "limit '3' is not allowed"),
        ({"limit": 2.0}, "limit 2.0 is not allowed"),
        ({"sort": None}, "sort None is not allowed"),
        ({"where": None}, "where None is not allowed"),
        ({"where": [3]}, r"where \[3\] is not allowed"),
        ({"where": b"state=failed"}, "where b'state=failed' is not allowed"),
    ],
)
def test_arguments_of_another_type_are_refused(root: PipelineRoot, options: dict[str, object], named: str) -> None:
    with pytest.raises(sae.UsageError, match=named):
        root.runs(**options)  # type: ignore[arg-type]


def test_a_run_has_state_metrics_and_settings(root: PipelineRoot) -> None:
    run = root.run(FIRST)
    assert (run.state, run.dataset, run.seconds, run.blessed, run.error) == ("succeeded", "mnist 3.0.1", 68.9, True, "")
    assert {name: run.metrics[name] for name in METRICS} == METRICS
    assert run.slices["label 0"]["bce"] == 0.1
    assert root.run(SECOND).settings["training.epochs"] == 60
    assert root.run("latest").id == FAILED
    assert root.run().error.startswith("DataGate: ")
    assert run.nodes[0].node == "ExampleGen"
    assert repr(run) == f"RecordedRun(id='{FIRST}', state='succeeded', root='{root.path}')"


def test_lists_are_printed_as_tables(root: PipelineRoot) -> None:
    titles, *rows = str(root.runs()).splitlines()
    assert titles.split()[:2] == ["run", "state"]
    assert [row.split()[:2] for row in rows] == [[FAILED, "failed"], [SECOND, "succeeded"], [FIRST, "succeeded"]]
    assert str(root.runs()[:0]) == "no runs"
    titles, *rows = str(root.run(FIRST).nodes).splitlines()
    assert titles.split() == ["node", "state", "time"]
    assert ["Trainer", "executed"] in [row.split()[:2] for row in rows]


def test_an_unknown_name_is_an_error_that_names_what_there_is(root: PipelineRoot) -> None:
    run, row = root.run(FIRST), root.runs()[2]
    for values, name, said in (
        (run.metrics, "bcee", f"no metric 'bcee' of run {FIRST}; did you mean bce? (there are: bce, mse, "),
        (run.slices, "label 11", f"no slice 'label 11' of run {FIRST}; did you mean label 1? (there are: label 0"),
        (run.slices["label 0"], "bcee", "no metric 'bcee' of slice 'label 0'; did you mean bce?"),
        (run.settings, "l1", f"no setting 'l1' of run {FIRST}; did you mean model.l1? (there are: "),
        (row.metrics, "bce", f"no metric 'bce' of run {FIRST}; did you mean test_bce? (there are: test_bce, "),
        (row.settings, "epochs", "; did you mean training.epochs? "),
        (root.run(FAILED).metrics, "bce", f"no metric 'bce': run {FAILED} has none"),
    ):
        with pytest.raises(KeyError) as caught:
            values[name]
        assert said in str(caught.value)
        assert isinstance(caught.value, sae.NotFoundError)
        assert values.get(name) is None
        assert name not in values
        assert pandas.Series([name]).map(values).isna().all()
    assert re.search(r" and \d+ more\)$", _error_of(lambda: run.settings["nothing"]))


def test_values_by_name_can_be_copied(root: PipelineRoot) -> None:
    row = root.runs()[2]
    assert dataclasses.asdict(row)["metrics"] == row.metrics
    copied = pickle.loads(pickle.dumps(row))
    assert copied == row
    assert _error_of(lambda: copied.metrics["bce"]) == _error_of(lambda: row.metrics["bce"])


def _error_of(call: Callable[[], object]) -> str:
    with pytest.raises(KeyError) as caught:
        call()
    return str(caught.value)


def test_a_run_has_artifacts_also_those_of_cached_nodes(root: PipelineRoot, recorded: Recorded) -> None:
    model = root.run(FIRST).artifact("Trainer")
    assert (model.type, model.node, model.key) == ("Model", "Trainer", "model")
    assert model.path == recorded.folder_of(FIRST, "Trainer", "model")
    assert root.run(FIRST).artifact("Trainer", "model_run").key == "model_run"
    assert root.run(SECOND).artifact("ExampleGen").path == recorded.folder_of(FIRST, "ExampleGen", "examples")


def test_errors_are_those_of_the_command(root: PipelineRoot, tmp_path: pathlib.Path) -> None:
    run = root.run(FAILED)
    for call, text in (
        (lambda: root.run("20200101-000000"), f"`sae runs --root {root.path}` lists all"),
        (lambda: run.artifact("Trainr"), "did you mean Trainer?"),
        (lambda: run.artifact("Trainer"), "the node is skipped"),
        (run.model, f"run {FAILED} has no model: it is failed"),
        (run.report, f"run {FAILED} has no report: it is failed"),
        (lambda: sae.open(tmp_path / "none"), f"`sae run --root {tmp_path / 'none'}` makes the first one"),
    ):
        with pytest.raises(sae.NotFoundError) as caught:
            call()
        assert text in str(caught.value)
        assert caught.value.exit_code == 3
    with pytest.raises(sae.UsageError, match="gs://bucket"):
        sae.open("gs://bucket")


def test_why_a_run_failed_names_commands_with_the_root(tmp_path: pathlib.Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.run(FIRST, names=["SchemaGen"], failed="SchemaGen")
    error = "a worker ended; `sae resume` repeats it, or use --set engine.beam_workers=1"
    recorded.end(FIRST, state="failed", seconds=1.0, error=error)
    root = sae.open(recorded.root.path)
    command = f"`sae resume --root {root.path}`"
    said = f'a worker ended; {command} repeats it, or use settings={{"engine.beam_workers": 1}}'
    assert root.runs()[0].error == said
    assert root.run().error == said
    assert command in root.run()._repr_html_()


def test_missing_files_say_how_to_regenerate_them(tmp_path: pathlib.Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.run(FIRST)
    artifact = sae.open(recorded.root.path).run().artifact("Report")
    shutil.rmtree(artifact.path)
    command = f"`sae restore {artifact.id} --root {recorded.root.path}`"
    with pytest.raises(sae.NotFoundError, match=f"is missing: .*; {command} regenerates it"):
        _ = artifact.path
    with pytest.raises(sae.NotFoundError, match=command):
        sae.open(recorded.root.path).run().report()


def test_the_report_has_its_page_numbers_and_figures(tmp_path: pathlib.Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.run(FIRST)
    report = sae.open(recorded.root.path).run().report()
    with pytest.raises(sae.NotFoundError, match=r"has no file summary\.json"):
        _ = report.summary
    summary = {"blessed": False, "reasons": ["test <loss> is 0.3"], "metrics": {"bce": 0.25}}
    write(report.folder / "summary.json", json.dumps(summary))
    (report.folder / "curves-light.png").write_bytes(b"png")
    (report.folder / "curves-dark.png").write_bytes(b"other")
    assert report.path.name == "report.html"
    assert report.summary == summary
    assert report.figures == {"curves": report.folder / "curves-light.png"}
    assert "did you mean curves?" in _error_of(lambda: report.figures["curve"])
    assert f"of the report of run {FIRST}; did you mean metrics?" in _error_of(lambda: report.summary["metric"])
    page = report._repr_html_()
    assert "not blessed" in page
    assert "test &lt;loss&gt; is 0.3" in page
    assert "<td>bce</td><td>0.25000</td>" in page
    assert page.count("data:image/png;base64,cG5n") == 1


def test_notebooks_show_tables_with_escaped_text(root: PipelineRoot) -> None:
    runs = root._repr_html_()
    assert "<th>run</th>" in runs
    assert f"<td>{FIRST}</td><td>succeeded</td>" in runs
    assert "0.0943" in runs
    run = root.run(FIRST)._repr_html_()
    assert f"<h4>run {FIRST}</h4>" in run
    assert "<td>Trainer</td><td>executed</td>" in run
    assert "<td>0.09430</td>" in run
    row = dataclasses.replace(root.runs()[0], dataset="<b>&")
    assert "<td>&lt;b&gt;&amp;</td>" in sae.RunList((row,), ())._repr_html_()


@pytest.mark.component
def test_reading_does_not_import_tensorflow(root: PipelineRoot) -> None:
    code = (
        "import sys, sae; root = sae.open(sys.argv[1]); root._repr_html_(); run = root.run(sys.argv[2]); run.settings; "
        "run._repr_html_(); run.report(); run.artifact('Trainer').path; root.runs().to_pandas(); "
        "print(sorted({'tensorflow', 'tfx', 'apache_beam'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root.path), FIRST], capture_output=True, text=True, cwd=PROJECT, check=False
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_figures_and_tables_of_a_report_without_its_files_are_errors(tmp_path: pathlib.Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.run(FIRST)
    report = sae.open(recorded.root.path).run().report()
    assert report.history == recorded.folder_of(FIRST, "Trainer", "model_run") / "history.json"
    with pytest.raises(sae.UsageError, match=r"no format 'gif' \(there are: svg, pdf, png\)"):
        report.save_figures(tmp_path / "figures", ["gif"])
    with pytest.raises(sae.UsageError, match="no format 3 "):
        report.save_figures(tmp_path / "figures", 3)  # type: ignore[arg-type]
    with pytest.raises(sae.NotFoundError, match="losses of the epochs"):  # formats are checked first
        report.save_figures(tmp_path / "figures", "png")
    with pytest.raises(sae.NotFoundError, match="losses of the epochs"):
        report.save_tables(tmp_path / "tables")
    write(report.history, "[]")
    write(report.folder / "summary.json", "{}")
    with pytest.raises(sae.UnavailableError, match="is damaged: metrics is missing"):
        report.save_figures(tmp_path / "figures")
    assert not (tmp_path / "figures").exists()
