"""What a run leaves to be looked at: previews of its artifacts, its headline, its events. Real runs on the sample."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.artifacts import previews, types
from pipeline.core import event_log
from pipeline.core.errors import NotFoundError
from pipeline.core.events import EpochEnded, NodeEnded, NodeStarted, NodeState, Note, RunStarted
from pipeline.metadata import protobuf, run_properties
from pipeline.metadata.properties import PIPELINE_RUN
from pipeline.metadata.run_properties import Headline
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.e2e.conftest import QUICK, SampleRun, run_here, states
from tests.e2e.test_cache import connected, store_of

SHOWN = [(node.name, key) for node in PIPELINE.nodes for key in node.outputs if key != "pushed_model"]


@pytest.fixture
def root(sample_run: SampleRun, tmp_path: pathlib.Path) -> pathlib.Path:
    return sample_run.copy(tmp_path / "root")


def outputs_of(root: pathlib.Path, run_id: str) -> dict[tuple[str, str], Artifact]:
    """What stands for each output in a run, by node and key."""
    store = store_of(root)
    executions = store.executions(run_id)
    return {
        (node, key): output
        for node, execution in executions.items()
        for key, output in store.outputs(execution.id).items()
    }


def headline_in(root: pathlib.Path, run_id: str) -> Headline:
    """The headline on a run's context."""
    context = connected(root).get_context_by_type_and_name(PIPELINE_RUN, run_id)
    return run_properties.headline_of(
        {name: protobuf.value_of(value) for name, value in context.custom_properties.items()}
    )


def preview_in(root: pathlib.Path, output: Artifact) -> Any:
    folder = previews.folder_of(root, output.uri)
    assert folder is not None
    return previews.read(folder, output.type)


# --- previews


@pytest.mark.parametrize(("node", "key"), SHOWN)
def test_every_artifact_has_a_preview_with_the_pictures_that_it_names(
    sample_run: SampleRun, node: str, key: str
) -> None:
    output = outputs_of(sample_run.root, sample_run.run_id)[node, key]
    shown = preview_in(sample_run.root, output)
    assert shown is not None
    folder = previews.folder_of(sample_run.root, output.uri)
    assert folder is not None
    named = {one["file"] for one in _objects(dataclasses.asdict(shown)) if "width" in one}
    assert {path.name for path in folder.iterdir()} == {previews.FILE, *named}
    for name in named:
        path = previews.picture_path(folder, name)
        assert path is not None
        assert path.read_bytes().startswith(b"\x89PNG")


def _objects(value: Any) -> list[dict[str, Any]]:
    """All mappings in a value, at any depth."""
    if isinstance(value, Mapping):
        return [dict(value), *(inner for one in value.values() for inner in _objects(one))]
    if isinstance(value, (list, tuple)):
        return [inner for one in value for inner in _objects(one)]
    return []


def test_a_preview_tells_what_the_artifact_holds(sample_run: SampleRun) -> None:
    metrics = sample_run.summary["metrics"]
    shown = {
        key: preview_in(sample_run.root, output)
        for (_, key), output in outputs_of(sample_run.root, sample_run.run_id).items()
    }
    assert shown["examples"].section("splits").rows == (("train", 3572), ("validation", 714), ("test", 714))
    for name in ("train", "validation", "test"):
        tiles = shown["examples"].section(f"images of {name}").tiles
        assert [tile.label for tile in tiles] == [f"label {label // 2}" for label in range(20)]
    # 784 - 256 - 32 - 256 - 784, each layer with its biases.
    layers = shown["model"].records("layers")
    assert [layer["parameters"] for layer in layers] == [200_960, 8_224, 8_448, 201_488]
    assert [layer["activation"] for layer in layers] == ["relu", "relu", "relu", "sigmoid"]
    assert shown["model"].section("size").values == {"parameters": 419_120}
    assert len(shown["model"].section("the decoder's answer to each unit").tiles) == 32
    assert [losses["epoch"] for losses in shown["model_run"].records("losses by epoch")] == [1, 2]
    assert shown["evaluation"].section("metrics on the test split").values["BCE"] == metrics["test_bce"]
    assert [(row["metric"], row["limit"], row["passed"]) for row in shown["evaluation"].records("thresholds")] == [
        ("bce", 0.6, True),
        ("bce_to_mean_image", 0.99, True),
        ("bce", 0.7, True),
        ("bce_to_mean_image", 0.99, True),
    ]
    assert shown["blessing"].sections[0].passed is True
    tiles = shown["report"].section("test images and their reconstructions").tiles
    assert [tile.label for tile in tiles] == [str(label) for label in range(10)]
    units = shown["report"].section("activity of the units of the code").bars
    assert len(units) == 32
    assert len([unit for unit in units if unit.value == 0]) == metrics["dead_units"]


def test_without_previews_the_artifacts_are_the_same_and_the_run_succeeds(
    sample_run: SampleRun,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(artifact: types.StoredArtifact) -> None:
        raise RuntimeError(f"cannot show a {artifact.type_name}")

    monkeypatch.setattr(types, "make_preview", fail)
    other = tmp_path / "root"
    summary = run_here(other, *QUICK, to_node="Transform")
    assert not (other / "previews").exists()
    contents = {key: output.content for key, output in outputs_of(other, summary.run_id).items()}
    executed = {node for node, state in states(summary).items() if state == "executed"}
    assert executed == {"DataGate", *(node for node, _ in contents)}  # the gate has no output
    log = pathlib.Path(summary.log).read_text()
    assert log.count(": cannot show a ") >= len(contents)
    assert "WARNING pipeline.orchestration.tfx.publish: no preview of " in log
    expected = outputs_of(sample_run.root, sample_run.run_id)
    assert contents == {key: expected[key].content for key in contents}
    assert all(contents.values())


def test_previews_move_with_their_root_and_a_rerun_uses_them(root: pathlib.Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (root / "previews").rglob("*")}
    again = run_here(root, *QUICK)
    assert set(states(again).values()) == {"cached"}
    for (node, key), output in outputs_of(root, again.run_id).items():
        assert output.uri.startswith(f"{root}/artifacts/") or key == "pushed_model"
        if key != "pushed_model":
            assert preview_in(root, output) is not None, node
    assert {path: path.stat().st_mtime_ns for path in (root / "previews").rglob("*")} == before


# --- headline


def test_the_headline_of_a_run_is_its_summary_in_short(sample_run: SampleRun) -> None:
    summary = sample_run.summary
    found = headline_in(sample_run.root, sample_run.run_id)
    measures = dict(found.metrics)
    # ML Metadata keeps six decimals.
    assert measures == pytest.approx({name: summary["metrics"][name] for name in measures}, abs=5.1e-7)
    assert found.seconds == pytest.approx(summary["seconds"], abs=5.1e-7)
    rest = {name: value for name, value in vars(found).items() if name not in {"metrics", "seconds"}}
    assert rest == {
        "state": "succeeded",
        "dataset": "mnist_sample 1.0.0",
        "profile": "sample",
        "trigger": "manual",
        "blessed": 1,
        "executed": len(PIPELINE.names),
        "cached": 0,
        "skipped": 0,
        "pushed_version": "1",
        "error": None,
    }


def test_the_headline_of_a_rerun_counts_what_was_cached(root: pathlib.Path) -> None:
    first, again = store_of(root).run_ids()[0], run_here(root, *QUICK)
    one, other = headline_in(root, first), headline_in(root, again.run_id)
    assert (other.executed, other.cached) == (0, len(PIPELINE.names))
    assert other.seconds is not None
    assert dataclasses.replace(other, executed=len(PIPELINE.names), cached=0, seconds=one.seconds) == one


def test_the_headline_of_a_failed_run_says_why(root: pathlib.Path) -> None:
    failed = run_here(root, *QUICK, "data.train_examples=1")
    found = headline_in(root, failed.run_id)
    assert (found.state, found.error) == ("failed", failed.error)
    assert failed.error.startswith("DataGate: the data does not fit its schema")
    assert (found.executed, found.cached, found.metrics, found.blessed) == (0, 4, {}, None)


def test_a_run_that_breaks_off_around_its_nodes_says_why(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.orchestration.tfx import local_runner

    def fail(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(local_runner.LocalRunner, "run", fail)
    with pytest.raises(RuntimeError):
        run_here(root, *QUICK, use_cache=False)
    found = headline_in(root, store_of(root).run_ids()[0])
    assert (found.state, found.error, found.executed) == ("failed", "first line", 0)


def test_a_run_is_not_ended_by_a_headline_that_cannot_be_noted(
    root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(MetadataWriter, "end_run", fail)
    again = run_here(root, *QUICK)
    assert again.exit_code == 0
    assert headline_in(root, again.run_id).state is None
    assert "the disk is full" in pathlib.Path(again.log).read_text()


def test_a_run_that_does_not_begin_leaves_no_headline(root: pathlib.Path) -> None:
    before = store_of(root).run_ids()
    with pytest.raises(NotFoundError, match="1999"):
        run_here(root, *QUICK, from_node="Report", base_run="1999")
    assert store_of(root).run_ids() == before


# --- progress


def test_the_events_of_a_run_are_kept_in_order(sample_run: SampleRun) -> None:
    told = event_log.read(sample_run.root, sample_run.run_id)
    events = [one.event for one in told]
    assert isinstance(events[0], Note)
    assert events[0].warning  # of the variables that are ignored
    assert events[1] == Note("loading TensorFlow and TFX")
    [started] = [event for event in events if isinstance(event, RunStarted)]
    assert started.run_id == sample_run.run_id
    ended = [event.node for event in events if isinstance(event, NodeEnded)]
    assert list(started.nodes) == ended == [event.node for event in events if isinstance(event, NodeStarted)]
    assert {event.state for event in events if isinstance(event, NodeEnded)} == {NodeState.EXECUTED}
    assert [event.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2]
    assert [one.when for one in told] == sorted(one.when for one in told)


def test_a_run_can_be_followed_while_it_goes_on(root: pathlib.Path) -> None:
    done = threading.Event()
    seen: list[int] = []

    def follow() -> None:
        while not done.is_set():
            for path in (root / "progress").glob("*.jsonl"):
                if path.stem not in before:
                    seen.append(len(event_log.read(root, path.stem)))
            time.sleep(0.05)

    before = {path.stem for path in (root / "progress").glob("*.jsonl")}
    reader = threading.Thread(target=follow)
    reader.start()
    try:
        summary = run_here(root, *QUICK, "evaluation.images_per_label=2")
    finally:
        done.set()
        reader.join()
    assert {node for node, state in states(summary).items() if state == "executed"} == {"Report"}
    assert seen == sorted(seen)
    assert len(set(seen)) > 3


def test_a_run_without_a_place_for_its_events_succeeds(root: pathlib.Path) -> None:
    shutil.rmtree(root / "progress")
    (root / "progress").write_text("no folder")
    again = run_here(root, *QUICK)
    assert again.exit_code == 0
    assert event_log.read(root, again.run_id) == []
    assert str(root / "progress") in pathlib.Path(again.log).read_text()
