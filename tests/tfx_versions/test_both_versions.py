"""Both TFX versions give the same results on the same data, and share one root."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import open_store
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.e2e.conftest import QUICK
from tests.tfx_versions.conftest import DATA, PROJECT, Command, sae_run, states

SAMPLE = ("--profile", "sample", *(word for assignment in QUICK for word in ("--set", assignment)))
MNIST = ("--set", f"data.data_dir=../{DATA}", "--set", "model.l1=1e-5")
Runs = dict[str, dict[str, Any]]

# Digest of each split as the Trainer sees it: all images after the transform graph, in order.
TRANSFORMED = """
import glob, hashlib, sys
import tensorflow_transform as tft
from components.data.transformed_input import load_images
root = sys.argv[1]
[graph] = glob.glob(f"{root}/artifacts/Transform/transform_graph/*")
for split in ("train", "validation", "test"):
    images = load_images([f"{root}/artifacts/ExampleGen/examples/*/Split-{split}/*"], tft.TFTransformOutput(graph))
    print(split, images.dtype.name, images.shape, hashlib.sha256(images.numpy().tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def mnist(older: Command, current: Command, share: pathlib.Path) -> Runs:
    """A run on MNIST with each line, in a root of its own."""
    if not (PROJECT.parent / DATA).is_dir():
        pytest.skip("no prepared MNIST beside the project")
    lines = {"older": older, "current": current}
    return {name: sae_run(line, share / name, *MNIST) for name, line in lines.items()}


def test_example_gen_writes_the_same_bytes(mnist: Runs, share: pathlib.Path) -> None:
    files = {}
    for name in mnist:
        [folder] = (share / name / "artifacts/ExampleGen/examples").iterdir()
        files[name] = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(files["older"]) > 3
    assert files["older"] == files["current"]


def test_transform_gives_the_same_bits(mnist: Runs, older: Command, current: Command, share: pathlib.Path) -> None:
    expected = older("-c", TRANSFORMED, share / "older")
    assert "train float32 (50000, 784)" in expected
    assert current("-c", TRANSFORMED, share / "current") == expected


def test_the_schema_and_the_anomalies_are_the_same(mnist: Runs, share: pathlib.Path) -> None:
    for pattern in ("SchemaGen/schema/*/schema.pbtxt", "ExampleValidator/anomalies/*/Split-*/SchemaDiff.pb"):
        found = [sorted((share / name / "artifacts").glob(pattern)) for name in ("older", "current")]
        assert [path.name for path in found[0]] == [path.name for path in found[1]] != []
        assert [path.read_bytes() for path in found[0]] == [path.read_bytes() for path in found[1]]


def test_the_losses_agree(mnist: Runs) -> None:
    first, second = mnist["older"]["metrics"], mnist["current"]["metrics"]
    assert first["test_bce"] == pytest.approx(second["test_bce"], abs=0.002)
    # What depends on the data alone agrees to the last digits that single precision has.
    for name in ("entropy_floor", "mean_image_bce", "mean_image_mse"):
        assert first[name] == pytest.approx(second[name], rel=1e-6)
    assert mnist["older"]["blessed"] is mnist["current"]["blessed"] is True


@pytest.mark.parametrize(("maker", "user"), [("older", "current"), ("current", "older")])
def test_a_model_of_the_other_line_is_used_when_it_loads(
    mnist: Runs, older: Command, current: Command, share: pathlib.Path, maker: str, user: str
) -> None:
    line = {"older": older, "current": current}[user]
    summary = sae_run(line, share / maker, *MNIST, "--from-node", "Evaluator")
    assert states(summary)["Evaluator"] == "executed"
    assert summary["metrics"]["test_bce"] == pytest.approx(mnist[maker]["metrics"]["test_bce"], rel=1e-6)
    assert summary["blessed"] is True


def test_a_root_goes_on_with_either_line_and_no_hit_crosses_them(
    older: Command, current: Command, share: pathlib.Path
) -> None:
    root = share / "both"
    made = [sae_run(line, root, *SAMPLE) for line in (older, current, older, current)]
    first = dict.fromkeys(PIPELINE.names, "executed")
    # The model of the other version is served each time, so the Pusher runs. The gate ran without a served model first,
    # so it runs again on the older version; on the current one it compared with the same model before.
    again = {**dict.fromkeys(PIPELINE.names, "cached"), "Pusher": "executed"}
    assert [states(summary) for summary in made] == [first, first, {**again, "PushGate": "executed"}, again]
    assert [summary["pushed_version"] for summary in made] == ["1", "2", "3", "4"]
    # One line reads all of it, also what the other one wrote last.
    store = open_store(Root(root))
    assert store.run_ids() == [summary["run_id"] for summary in reversed(made)]
    for summary in made:
        found = store.executions(summary["run_id"])
        assert {node: execution.state for node, execution in found.items()} == states(summary)
