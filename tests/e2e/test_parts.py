"""Runs of a part of the pipeline, and without the cache."""

from __future__ import annotations

import importlib.metadata
import pathlib
import re

import pytest

from components.evaluation import metrics
from pipeline.core import file_digests
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import root_store
from pipeline.metadata.properties import FILES
from pipeline.metadata.store import open_store
from pipeline.orchestration.summary import Summary
from tests.e2e.conftest import CHANGED, QUICK, ChangedRun, SampleRun, run_here, states

TFX = importlib.metadata.version("tfx")


@pytest.fixture(scope="module")
def root(changed: ChangedRun, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return changed.copy(tmp_path_factory.mktemp("parts") / "root")


@pytest.fixture(scope="module")
def whole(sample_run: SampleRun) -> SampleRun:
    """The first run in the root, of all of it."""
    return sample_run


@pytest.fixture(scope="module")
def up_to_transform(root: pathlib.Path) -> Summary:
    return run_here(root, *QUICK, to_node="Transform", use_cache=False)


def test_to_node_runs_what_comes_before_it_and_no_more(up_to_transform: Summary) -> None:
    found = states(up_to_transform)
    skipped = {node for node, state in found.items() if state == "skipped"}
    assert skipped == {"Trainer", "Encode", "Evaluator", "PixelProbe", "Probe", "PushGate", "Pusher", "Report"}
    assert set(found.values()) == {"executed", "skipped"}
    assert up_to_transform.metrics == {}
    assert up_to_transform.blessed is None


def test_from_node_takes_the_rest_from_the_newest_run_in_which_it_succeeded(
    root: pathlib.Path, changed: ChangedRun, capfd: pytest.CaptureFixture[str]
) -> None:
    run_here(root, *QUICK, to_node="ExampleGen")  # newer, but without a model
    summary = run_here(root, *CHANGED, from_node="Evaluator", to_node="Pusher", use_cache=False)
    executed = {node for node, state in states(summary).items() if state == "executed"}
    assert executed == {"Evaluator", "PushGate", "Pusher"}
    assert summary.metrics["test_bce"] == changed.last.metrics["test_bce"]
    assert summary.metrics.items() < changed.last.metrics.items()  # without those of the Probe
    assert f"of run {changed.last.run_id}" in capfd.readouterr().err


def test_base_chooses_the_run(root: pathlib.Path, changed: ChangedRun, capfd: pytest.CaptureFixture[str]) -> None:
    base, other = changed.first, changed.last
    summary = run_here(root, *QUICK, from_node="Pusher", to_node="Pusher", base_run=base.run_id, use_cache=False)
    assert summary.metrics["test_bce"] == base.summary["metrics"]["test_bce"] != other.metrics["test_bce"]
    assert f"of run {base.run_id}" in capfd.readouterr().err
    run_here(root, *QUICK, from_node="Pusher", to_node="Pusher", base_run=other.run_id)
    said = capfd.readouterr().err
    assert re.search(rf"Trainer of run {other.run_id} differs.*l1.*--from-node Trainer", said), said


@pytest.mark.parametrize(
    ("node", "output", "user"), [("Transform", "transform_graph", "Trainer"), ("Trainer", "model", "Evaluator")]
)
def test_a_model_that_does_not_load_is_not_used(
    root: pathlib.Path, whole: SampleRun, node: str, output: str, user: str
) -> None:
    """As one of the other TFX version may not: nothing runs, and the line says which node makes it again."""
    store = open_store(Root(root))
    runs = store.run_ids()
    [path] = pathlib.Path(store.outputs(store.executions(whole.run_id)[node].id)[output].uri).rglob("saved_model.pb")
    content = path.read_bytes()
    noted = note_files(root, whole.run_id, node, output)
    try:
        path.write_bytes(content[:1000])
        note_files(root, whole.run_id, node, output)  # as if it had been published so
        with pytest.raises(UnavailableError) as refused:
            run_here(root, *QUICK, from_node=user, base_run=whole.run_id)
    finally:
        path.write_bytes(content)
        note_files(root, whole.run_id, node, output, noted)
    for part in (whole.run_id, f"TFX {TFX}", f"--from-node {node}"):
        assert part in str(refused.value)
    assert store.run_ids() == runs


def test_a_model_that_lacks_a_new_metric_is_not_evaluated(
    root: pathlib.Path, whole: SampleRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing runs, and the line says which node makes a model that has it."""
    runs = open_store(Root(root)).run_ids()
    new = metrics.Metric("largest_error", "largest error", "largest error of a pixel")
    monkeypatch.setattr(metrics, "METRICS", (*metrics.METRICS, new))
    with pytest.raises(UnavailableError) as refused:
        run_here(root, *QUICK, from_node="Evaluator", base_run=whole.run_id)
    for part in (f"Trainer made in run {whole.run_id} lacks the output largest_error", "--from-node Trainer"):
        assert part in str(refused.value)
    assert open_store(Root(root)).run_ids() == runs
    report = run_here(root, *QUICK, from_node="Report", base_run=whole.run_id)  # which does not evaluate
    assert states(report)["Report"] == "cached"


def test_what_is_reused_counts_as_reused_also_after_a_node_that_failed(
    root: pathlib.Path, whole: SampleRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(launcher: object) -> None:
        raise ValueError("no launch")

    monkeypatch.setattr("tfx.orchestration.portable.launcher.Launcher.launch", fail)
    failed = run_here(root, *QUICK, from_node="Evaluator", base_run=whole.run_id, use_cache=False)
    found = states(failed)
    assert {node for node, state in found.items() if state == "skipped"} == {"PushGate", "Pusher", "Report"}
    assert (found["Evaluator"], found["PixelProbe"], found["Probe"]) == ("failed", "cached", "cached")


def note_files(root: pathlib.Path, run_id: str, node: str, output: str, text: str = "") -> str:
    """Notes the files of an output as they are now, or as `text` says; returns what was noted before."""
    found = open_store(Root(root))
    store = root_store.of(Root(root)).connect()
    [artifact] = store.get_artifacts_by_id([found.outputs(found.executions(run_id)[node].id)[output].id])
    before = str(artifact.custom_properties[FILES].string_value)
    now = text or file_digests.to_text(file_digests.scan(pathlib.Path(artifact.uri)))
    artifact.custom_properties[FILES].string_value = now
    store.put_artifacts([artifact])
    return before


def test_a_damaged_model_that_loads_is_found_by_its_digest_and_not_used(root: pathlib.Path, whole: SampleRun) -> None:
    store = open_store(Root(root))
    model = store.outputs(store.executions(whole.run_id)["Trainer"].id)["model"]
    [path] = pathlib.Path(model.uri).rglob("fingerprint.pb")  # of the others TensorFlow itself sees the damage
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    runs = store.run_ids()
    with pytest.raises(UnavailableError) as damaged:
        run_here(root, *QUICK, from_node="Evaluator", base_run=whole.run_id, use_cache=False)
    for part in (whole.run_id, str(path), "--from-node Trainer"):
        assert part in str(damaged.value)
    assert store.run_ids() == runs
    assert not store.outputs(store.executions(whole.run_id)["Trainer"].id)["model"].live
    with pytest.raises(NotFoundError, match="Trainer"):
        run_here(root, *QUICK, from_node="Evaluator", base_run=whole.run_id)
    again = run_here(root, *QUICK, from_node="Trainer", to_node="Trainer")
    used = store.outputs(store.executions(again.run_id)["Trainer"].id)["model"]
    assert used.id != model.id
    assert used.live
    assert used.content == model.content
