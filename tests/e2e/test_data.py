"""Data sets: others than MNIST, changed, damaged, of the wrong kind, and not there."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.core.errors import ExitCode, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import open_store
from pipeline.metadata.writer import rewrite_moved_uris
from pipeline.orchestration.summary import Summary
from pipeline.provenance import manifest
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.e2e.conftest import QUICK, SampleRun, run_here, states

# Splits of the data sets made here, and gates that let a hardly trained model pass.
SMALL = ("data.train_split=train[:300]", "data.validation_split=train[300:]", "data.train_examples=300",
         "data.validation_examples=100", "data.test_examples=100", *QUICK, "training.batch_size=30")  # fmt: skip
SIZES = {"train": 400, "test": 100}

MakeDataset = Callable[..., pathlib.Path]


@pytest.fixture(scope="module")
def fashion_data(make_dataset: MakeDataset) -> pathlib.Path:
    """A folder of prepared data sets, not to be changed."""
    return make_dataset("fashion_mnist", SIZES)


@pytest.fixture(scope="module")
def fashion(fashion_data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """A run in a root of its own, not to be changed."""
    root = tmp_path_factory.mktemp("fashion") / "root"
    settings = (*SMALL, "training.epochs=20", f"data.data_dir={fashion_data}")
    return run_here(root, *settings, profile="fashion_mnist", to_node="Evaluator")


@pytest.fixture(scope="module")
def letters(make_dataset: MakeDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Summary, tuple[str, ...]]:
    """A run in a root of its own, not to be changed, and the settings that name its data."""
    sizes = {"train": 386, "test": 100}  # 83 % of the former are 10 batches of 32
    data = ("data.dataset=tiny_letters", f"data.data_dir={make_dataset('tiny_letters', sizes, side=16, labels=26)}")
    root = tmp_path_factory.mktemp("letters") / "root"
    learned = ("training.epochs=60", "training.batch_size=32")
    return run_here(root, *data, *learned, profile="mnist", to_node="Pusher"), data


def root_like(summary: Summary, place: pathlib.Path) -> pathlib.Path:
    """A copy of a run's root, to be changed."""
    shutil.copytree(summary.root, place)
    rewrite_moved_uris(Root(place))
    return place


def test_fashion_mnist_is_trained_on_and_evaluated(fashion: Summary) -> None:
    ran = {node for node, state in states(fashion).items() if state == "executed"}
    assert ran == set(PIPELINE.names) - {"Encode", "PixelProbe", "Probe", "PushGate", "Pusher", "Report"}
    assert fashion.dataset == "fashion_mnist 1.0.0"
    assert fashion.metrics["test_bce"] < fashion.metrics["mean_image_bce"]


def test_a_data_set_without_a_profile_gets_schema_splits_and_gates_of_its_own(
    letters: tuple[Summary, tuple[str, ...]],
) -> None:
    summary, _ = letters
    assert states(summary)["DataGate"] == "executed"
    assert "max: 25" in (pathlib.Path(summary.root) / "data" / "tiny_letters-1.0.0.pbtxt").read_text()
    # Better than 0.9 of the mean image's loss: the one gate that needs no number of its own.
    assert summary.metrics["bce_to_mean_image"] < 0.9
    assert summary.blessed is True


def test_a_rerun_with_settings_of_other_data_reads_that(
    fashion: Summary, letters: tuple[Summary, tuple[str, ...]], tmp_path: pathlib.Path
) -> None:
    _, data = letters
    root = tmp_path / "root"
    like = manifest.read(pathlib.Path(fashion.root), fashion.run_id, PIPELINE)
    summary = run_here(root, *data, "data.size=8x8", like=like, to_node="ExampleGen")
    assert summary.dataset == "tiny_letters 1.0.0"
    found: Any = manifest.read(root, summary.run_id, PIPELINE).data
    assert (found.height, found.width) == (8, 8)
    assert found.split_sizes == {"train": 320, "validation": 66, "test": 100}  # 83 % of 386


def test_a_rerun_on_data_of_other_content_warns_and_records_that_data(
    tmp_path: pathlib.Path, make_dataset: MakeDataset, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = make_dataset("fashion_mnist", {"train": 80, "test": 20})
    data = ("data.dataset=fashion_mnist", f"data.data_dir={folder}")
    earlier = run_here(tmp_path / "root", *data, profile="mnist", to_node="ExampleGen")
    like = manifest.read(tmp_path / "root", earlier.run_id, PIPELINE)
    capfd.readouterr()

    def warnings_of_rerun(root: pathlib.Path, sizes: dict[str, int]) -> list[str]:
        rerun = run_here(root, like=like, to_node="ExampleGen")
        recorded: Any = manifest.read(root, rerun.run_id, PIPELINE).data
        assert recorded.split_sizes == sizes
        return [line for line in capfd.readouterr().err.splitlines() if line.startswith("warning: fashion_mnist 1.0.0")]

    assert warnings_of_rerun(tmp_path / "same", {"train": 66, "validation": 14, "test": 20}) == []
    shutil.rmtree(folder / "fashion_mnist")
    make_dataset("fashion_mnist", {"train": 50, "test": 10}, folder=folder, seed=1)
    assert len(warnings_of_rerun(tmp_path / "other", {"train": 42, "validation": 8, "test": 10})) == 1


def test_a_model_that_learned_nothing_is_not_blessed(
    letters: tuple[Summary, tuple[str, ...]], tmp_path: pathlib.Path
) -> None:
    root = root_like(letters[0], tmp_path / "root")
    shutil.rmtree(root / "serving")
    poor = ("training.epochs=1", "training.learning_rate=1e-6")
    summary = run_here(root, *letters[1], *poor, profile="mnist", to_node="Pusher")
    assert states(summary)["Trainer"] == "executed"
    assert summary.blessed is False
    assert summary.exit_code == ExitCode.GATE_FAILED
    assert any("bce_to_mean_image" in reason for reason in summary.reasons)
    assert states(summary)["Pusher"] == "skipped"
    assert not (root / "serving").exists()


def test_changed_data_runs_what_depends_on_it_and_touched_data_nothing(
    fashion: Summary, fashion_data: pathlib.Path, tmp_path: pathlib.Path, make_dataset: MakeDataset
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(fashion_data, folder)
    root = root_like(fashion, tmp_path / "root")
    part = ("ExampleGen", "SchemaGen", "StatisticsGen", "ExampleValidator", "DataGate", "Transform")

    def executed() -> set[str]:
        """The nodes that ran; all others of the part were cached."""
        summary = run_here(root, *SMALL, f"data.data_dir={folder}", profile="fashion_mnist", to_node="Transform")
        assert {states(summary)[node] for node in part} <= {"executed", "cached"}
        return {node for node, state in states(summary).items() if state == "executed"}

    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    assert executed() == set()

    [about] = folder.rglob("dataset_info.json")
    about.write_text(about.read_text() + "\n")
    assert executed() == {"ExampleGen"}  # the same images came out of it

    shutil.rmtree(folder)
    make_dataset("fashion_mnist", SIZES, folder=folder, seed=1)
    assert executed() == set(part) - {"SchemaGen"}


def test_a_label_outside_the_schema_stops_the_run_after_the_anomalies_are_published(
    tmp_path: pathlib.Path, make_dataset: MakeDataset
) -> None:
    folder = make_dataset("fashion_mnist", SIZES, labels=12)
    root = tmp_path / "root"
    for validator in ("executed", "cached"):
        summary = run_here(root, *SMALL, f"data.data_dir={folder}", profile="fashion_mnist")
        assert summary.exit_code == ExitCode.GATE_FAILED
        assert states(summary)["ExampleValidator"] == validator
        assert states(summary)["DataGate"] == "failed"
        assert states(summary)["Trainer"] == "skipped"
        assert "label in train: Out-of-range values" in summary.error
    store = open_store(Root(root))
    executions = store.executions(summary.run_id)
    anomalies = store.outputs(executions["ExampleValidator"].id)["anomalies"]
    assert (pathlib.Path(anomalies.uri) / "Split-train" / "SchemaDiff.pb").is_file()
    assert "Out-of-range values" in executions["DataGate"].error


def test_a_damaged_record_fails_example_gen_and_is_named(fashion_data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(fashion_data, folder)
    [path] = folder.rglob("*train.tfrecord*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    summary = run_here(tmp_path / "root", *SMALL, f"data.data_dir={folder}", profile="fashion_mnist")
    assert summary.exit_code == ExitCode.NODE_FAILED
    assert states(summary)["ExampleGen"] == "failed"
    assert "fashion_mnist" in summary.error
    assert "damaged at record" in summary.error
    assert "\n" not in summary.error
    assert not list((tmp_path / "root" / "artifacts" / "ExampleGen" / "examples").iterdir())


def test_a_damaged_artifact_is_handed_to_no_node(sample_run: SampleRun, tmp_path: pathlib.Path) -> None:
    root = sample_run.copy(tmp_path / "root")
    path = flip_a_byte_of_the_training_examples(root)
    with pytest.raises(UnavailableError) as refused:
        run_here(root, *QUICK, from_node="StatisticsGen", use_cache=False)
    for part in ("ExampleGen", sample_run.run_id, str(path), "--from-node ExampleGen"):
        assert part in str(refused.value)
    again = run_here(root, *QUICK, to_node="Transform")
    assert states(again)["ExampleGen"] == "executed"
    assert {states(again)[node] for node in ("StatisticsGen", "Transform")} == {"cached"}


def flip_a_byte_of_the_training_examples(root: pathlib.Path) -> pathlib.Path:
    [path] = (root / "artifacts").rglob("train-*.tfrecord")
    content = bytearray(path.read_bytes())
    content[20_000] ^= 0xFF
    path.write_bytes(content)
    return path


def test_what_is_damaged_while_the_run_goes_on_fails_the_node_that_would_read_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.orchestration.tfx import publish

    describe = publish.describe_outputs

    def and_damage(execution: Any, output: Any) -> Any:
        described = describe(execution, output)
        if execution.pipeline_node.node_info.id == "ExampleGen":
            flip_a_byte_of_the_training_examples(tmp_path / "root")
        return described

    monkeypatch.setattr(publish, "describe_outputs", and_damage)
    broken = run_here(tmp_path / "root", *QUICK)
    assert broken.exit_code == ExitCode.NODE_FAILED
    assert states(broken)["StatisticsGen"] == "failed"
    assert broken.error.startswith("StatisticsGen: ")
    assert "--from-node ExampleGen" in broken.error


def test_without_data_and_network_mnist_becomes_the_sample_and_says_so(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing listens on the discard port
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    summary = run_here(tmp_path / "root", *QUICK, profile="mnist", to_node="ExampleGen")
    assert summary.dataset == "mnist_sample 1.0.0"
    assert "embedded sample" in summary.notice
    assert "cannot be reached" in summary.notice
