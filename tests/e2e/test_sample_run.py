"""Three runs on the embedded sample: every node executed, every node cached, and a changed setting of the model."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import subprocess
import sys

import ml_metadata as mlmd
import numpy as np
import numpy.typing as npt
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from pipeline.metadata import root_store
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.e2e.conftest import PROJECT, QUICK, ChangedRun, SampleRun, run_here, states
from tests.test_docs import not_in_the_section_on_backups


@pytest.fixture(scope="module")
def runs(changed: ChangedRun, tmp_path_factory: pytest.TempPathFactory) -> ChangedRun:
    """The runs in a root that another run may change."""
    return dataclasses.replace(changed, root=changed.copy(tmp_path_factory.mktemp("sample") / "root"))


@pytest.fixture(scope="module")
def store(runs: ChangedRun) -> mlmd.MetadataStore:
    return root_store.of(Root(runs.root)).connect_read_only()


@pytest.fixture(scope="module")
def test_images(runs: ChangedRun) -> npt.NDArray[np.float32]:
    """The sample's test split, read by TFDS alone."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(str(runs.root / "data" / "mnist_sample" / "1.0.0"))
    rows = tfds.as_numpy(builder.as_dataset(split="train[4286:]", batch_size=-1, shuffle_files=False))
    return rows["image"].reshape(-1, 784).astype(np.float32) / 255


def test_the_first_run_executes_every_node(sample_run: SampleRun) -> None:
    summary = sample_run.summary
    assert {node["id"]: node["state"] for node in summary["nodes"]} == dict.fromkeys(PIPELINE.names, "executed")
    assert summary["exit_code"] == ExitCode.DONE
    assert summary["blessed"] is True


def test_its_log_has_each_line_once(sample_run: SampleRun) -> None:
    log = (sample_run.root / "logs" / f"{sample_run.run_id}.log").read_text(encoding="utf-8")
    assert log.count(": epoch 1 of ") == 1
    assert not re.search(r"^(INFO|WARNING|ERROR):[a-z_.]+:", log, re.MULTILINE)  # as logging.basicConfig writes them


def test_the_section_on_backups_lists_every_file_of_the_root(runs: ChangedRun) -> None:
    assert not_in_the_section_on_backups(path.name for path in runs.root.iterdir()) == []


def test_the_same_run_again_takes_every_node_from_the_cache(runs: ChangedRun) -> None:
    assert states(runs.again) == dict.fromkeys(PIPELINE.names, "cached")
    assert runs.again.metrics == runs.first.summary["metrics"]
    assert runs.again.blessed is True


def test_a_changed_setting_runs_only_what_depends_on_it(runs: ChangedRun) -> None:
    executed = {node for node, state in states(runs.last).items() if state == "executed"}
    assert executed == {"Trainer", "Encode", "Evaluator", "Probe", "PushGate", "Report", "Pusher"}
    assert {state for node, state in states(runs.last).items() if node not in executed} == {"cached"}
    assert (runs.last.exit_code, runs.last.blessed) == (ExitCode.DONE, True)


def test_ml_metadata_holds_an_execution_per_node_and_run(runs: ChangedRun, store: mlmd.MetadataStore) -> None:
    for summary, state in ((runs.first, pb.Execution.COMPLETE), (runs.again, pb.Execution.CACHED)):
        context = store.get_context_by_type_and_name("pipeline_run", summary.run_id)
        executions = store.get_executions_by_context(context.id)
        assert len(executions) == len(PIPELINE.names)
        assert {execution.last_known_state for execution in executions} == {state}


def test_ml_metadata_holds_the_outputs_with_their_types(store: mlmd.MetadataStore) -> None:
    types = {kind.id: kind.name for kind in store.get_artifact_types()}
    found: dict[str, int] = {}
    for artifact in store.get_artifacts():
        assert artifact.state == pb.Artifact.LIVE
        assert pathlib.Path(artifact.uri).exists()
        found[types[artifact.type_id]] = found.get(types[artifact.type_id], 0) + 1
    # Two of what the changed setting made again, one of the rest.
    assert found == {
        "Examples": 1,
        "ExampleStatistics": 1,
        "Schema": 1,
        "ExampleAnomalies": 1,
        "TransformGraph": 1,
        "Model": 2,
        "ModelRun": 2,
        "ModelEvaluation": 2,
        "ModelBlessing": 2,
        "Codes": 2,
        "PixelScores": 1,
        "ProbeScores": 2,
        "PushDecision": 2,
        "PushedModel": 2,
        "Report": 2,
    }


def test_events_link_the_model_to_what_it_was_made_from(store: mlmd.MetadataStore) -> None:
    model = min(store.get_artifacts_by_type("Model"), key=lambda one: int(one.id))
    [made] = [e for e in store.get_events_by_artifact_ids([model.id]) if e.type == pb.Event.OUTPUT][:1]
    types = {kind.id: kind.name for kind in store.get_artifact_types()}
    events = store.get_events_by_execution_ids([made.execution_id])
    inputs = store.get_artifacts_by_id([event.artifact_id for event in events if event.type == pb.Event.INPUT])
    assert {types[artifact.type_id] for artifact in inputs} == {"Examples", "TransformGraph"}


def test_examples_say_what_they_are(store: mlmd.MetadataStore) -> None:
    [examples] = store.get_artifacts_by_type("Examples")
    assert examples.custom_properties["dataset"].string_value == "mnist_sample"
    assert examples.custom_properties["dataset_version"].string_value == "1.0.0"
    assert examples.custom_properties["image_shape"].string_value == "28x28x1"
    sizes = [examples.custom_properties[f"{split}_examples"].int_value for split in ("train", "validation", "test")]
    assert sizes == [3572, 714, 714]
    assert re.fullmatch("[0-9a-f]{64}", examples.custom_properties["dataset_fingerprint"].string_value)


def test_losses_agree_with_numpy_on_the_saved_weights(runs: ChangedRun, test_images: npt.NDArray[np.float32]) -> None:
    import tensorflow as tf

    model = tf.saved_model.load(str(runs.root / "serving" / "2"))
    weights = {variable.name: variable.numpy() for variable in model.model_variables}

    def dense(inputs: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.float64]:
        return inputs @ weights[f"{name}/kernel:0"].astype(np.float64) + weights[f"{name}/bias:0"]

    images = test_images.astype(np.float64)
    code = np.maximum(dense(np.maximum(dense(images, "encoder_hidden"), 0), "code"), 0)
    logits = dense(np.maximum(dense(code, "decoder_hidden"), 0), "logits")
    reconstruction = 1 / (1 + np.exp(-logits))
    bce = -(images * np.log(reconstruction) + (1 - images) * np.log1p(-reconstruction)).mean()
    assert runs.last.metrics["test_bce"] == pytest.approx(bce, abs=1e-5)
    assert runs.last.metrics["test_mse"] == pytest.approx(np.square(images - reconstruction).mean(), abs=1e-5)
    assert runs.last.metrics["active_units"] == pytest.approx((code > 0).sum(axis=1).mean(), abs=1e-2)
    assert runs.last.metrics["dead_units"] == (~(code > 0).any(axis=0)).sum()


def test_baselines_agree_with_numpy(runs: ChangedRun, test_images: npt.NDArray[np.float32]) -> None:
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(str(runs.root / "data" / "mnist_sample" / "1.0.0"))
    train = tfds.as_numpy(builder.as_dataset(split="train[:3572]", batch_size=-1, shuffle_files=False))["image"]
    train = train.reshape(-1, 784) / 255
    mean = np.clip(train.mean(axis=0), 1e-7, 1 - 1e-7)
    images = test_images.astype(np.float64)
    bce = -(images * np.log(mean) + (1 - images) * np.log(1 - mean)).mean()
    assert runs.last.metrics["mean_image_bce"] == pytest.approx(bce, abs=1e-5)

    # PCA by singular values, where the pipeline takes eigenvectors of the covariance.
    centred = train - train.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:32]
    rest = images - train.mean(axis=0)
    assert runs.last.report is not None
    summary = json.loads((pathlib.Path(runs.last.report).parent / "summary.json").read_text())
    assert summary["metrics"]["pca_mse"] == pytest.approx(np.square(rest - rest @ axes.T @ axes).mean(), rel=1e-3)


def test_each_blessed_model_is_served_under_a_version_of_its_own(runs: ChangedRun) -> None:
    assert runs.first.summary["pushed_version"] == "1"
    assert (runs.again.pushed_version, runs.last.pushed_version) == ("1", "2")
    assert sorted(path.name for path in (runs.root / "serving").iterdir()) == ["1", "2"]


def test_a_cached_run_serves_its_model_again_when_another_one_was_served_since(runs: ChangedRun) -> None:
    back = run_here(runs.root, *QUICK)
    assert states(back)["Trainer"] == "cached"
    assert (states(back)["Pusher"], back.pushed_version) == ("executed", "3")
    assert bytes_by_name(runs.root / "serving" / "1") == bytes_by_name(runs.root / "serving" / "3")


def bytes_by_name(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_history_holds_every_epoch(runs: ChangedRun, store: mlmd.MetadataStore) -> None:
    _, model_run = sorted(store.get_artifacts_by_type("ModelRun"), key=lambda one: int(one.id))
    history = json.loads((pathlib.Path(model_run.uri) / "history.json").read_text())
    assert [losses["epoch"] for losses in history] == [1, 2, 3, 4, 5]
    assert history[-1]["val_reconstruction"] < history[0]["val_reconstruction"]
    assert all(losses["loss"] > losses["reconstruction"] for losses in history)
    assert list(pathlib.Path(model_run.uri).glob("events.out.tfevents.*"))


def test_the_snippet_in_the_guide_encodes_images_with_the_served_model(
    runs: ChangedRun, tmp_path: pathlib.Path
) -> None:
    """In a fresh process that cannot import this package."""
    guide = (PROJECT / "docs" / "model.md").read_text()
    [snippet] = re.findall(r"```python\n(.*?saved_model\.load.*?)```", guide, re.DOTALL)
    assert "pipeline_root" in snippet
    script = tmp_path / "snippet.py"
    script.write_text(
        "import sys\nsys.path = [path for path in sys.path if path]\nsys.modules['components'] = None\n"
        + snippet.replace("pipeline_root", str(runs.root))
        + "\nprint(codes.shape, float(codes.min()) >= 0)\n"
    )
    done = subprocess.run([sys.executable, "-I", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert re.fullmatch(r"\(\d+, 32\) True", done.stdout.strip().splitlines()[-1])


def test_nothing_is_left_in_the_temporary_folder(runs: ChangedRun) -> None:
    assert not list((runs.root / "tmp").iterdir())
