"""The examples: the pipeline under TFX's LocalDagRunner and in its InteractiveContext, without `sae`."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pipeline.artifacts.fingerprints import content_digest
from pipeline.artifacts.types import StoredArtifact
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_reader
from pipeline.inspection.views import NodeRunState
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests import PROJECT
from tests.e2e.conftest import QUICK, SampleRun

pytestmark = pytest.mark.chaos  # a minute each
# Statistics depend on the batches, which Beam tunes by the clock, and later nodes on the number of threads.
DATA = {"ExampleGen", "SchemaGen", "ExampleValidator", "Transform"}


def digests(metadata: pathlib.Path) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the content digest of each output of the newest run by node and key; every node was executed."""
    with open_reader(PIPELINE, str(metadata), Root(metadata.parent)) as reader:
        run = reader.run(reader.find_run("latest"))
        assert {node.node: node.state for node in run.nodes} == dict.fromkeys(PIPELINE.names, NodeRunState.EXECUTED)
        for node in run.nodes:
            for use in node.outputs:
                found = reader.artifact(use.artifact.id)
                stored = StoredArtifact(found.row.type, pathlib.Path(found.row.uri), found.properties)
                yield (node.node, use.key), found.row.content or content_digest(stored)


def test_the_pipeline_runs_under_the_local_dag_runner_of_tfx(tmp_path: pathlib.Path, sample_run: SampleRun) -> None:
    root = tmp_path / "root"
    done = subprocess.run(
        [sys.executable, "-m", "examples.local_dag_runner", str(root), *QUICK],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made, expected = dict(digests(root / "metadata.sqlite")), dict(digests(sample_run.root / "metadata.sqlite"))
    assert made.keys() == expected.keys()
    assert {name: made[name] for name in made if name[0] in DATA} == {
        name: expected[name] for name in expected if name[0] in DATA
    }
    assert [path.name for path in (root / "serving").iterdir()] == ["1"]


def test_the_notebook_runs_nodes_in_the_interactive_context(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is in the lock for Python 3.10 only")
    import nbformat

    notebook = nbformat.read(PROJECT / "docs" / "notebooks" / "interactive_context.ipynb", as_version=4)
    assert all(cell.cell_type == "markdown" or not cell.outputs for cell in notebook.cells), "clear the outputs"
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    parameters.source = f"folder = {str(tmp_path / 'root')!r}\nsettings = {list(QUICK)!r}"
    # The kernel finds what an installation contains, and not the rest of the checkout.
    installed = tmp_path / "installed"
    installed.mkdir()
    for name in ("components", "pipeline", "pipeline_config.py", "sae"):
        (installed / name).symlink_to(PROJECT / name)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()

    [*_, shown, trained] = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert sum("No anomalies found" in one.get("data", {}).get("text/html", "") for one in shown) == 3
    assert "'epoch': 2" in trained[-1].data["text/plain"]
