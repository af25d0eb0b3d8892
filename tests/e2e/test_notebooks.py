"""The notebooks of docs/notebooks, each executed from its first cell to its last."""

from __future__ import annotations

import copy
import pathlib

import pytest

from pipeline.sparse_autoencoder.definition import PIPELINE
from tests import PROJECT
from tests.e2e.conftest import QUICK


def test_the_notebook_of_the_package_trains_on_own_arrays(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Here, because they take 2 s to import.
    nbclient = pytest.importorskip("nbclient", reason="nbclient is in the lock for Python 3.10 only")
    import nbformat

    notebook = nbformat.read(PROJECT / "docs" / "notebooks" / "sparse_codes.ipynb", as_version=4)
    assert all(cell.cell_type == "markdown" or not cell.outputs for cell in notebook.cells), "clear the outputs"
    # 49 divides the number of images, like the batches of QUICK that of the sample.
    settings = dict(setting.split("=") for setting in (*QUICK, "training.batch_size=49"))
    given = f"root = {str(tmp_path / 'root')!r}\ndata = {str(tmp_path / 'data')!r}\nsettings = {settings!r}"
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    parameters.source = given
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    executed = copy.deepcopy(notebook)
    nbclient.NotebookClient(executed, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()

    cells = {cell.source: cell.outputs for cell in executed.cells if cell.cell_type == "code"}
    [progress] = [shown for source, shown in cells.items() if source.startswith("runs = {l1: sae.run(")]
    count = len(PIPELINE.names)
    pages = [one.data["text/html"] for one in progress if "data" in one]
    assert len(pages) == 2  # a table for each run, updated in place
    assert all(f"{count} of {count} nodes" in page for page in pages)
    assert "<td>ExampleGen</td><td>executed</td>" in pages[0]
    assert "<td>ExampleGen</td><td>cached</td>" in pages[1]
    assert "<td>Trainer</td><td>executed</td>" in pages[0]
    assert "<td>Trainer</td><td>executed</td>" in pages[1]
    printed = "".join(one.text for outputs in cells.values() for one in outputs if one.output_type == "stream")
    assert "my_digits 1.0.0 is in " in printed
    assert "image 8x8x1 uint8" in printed
    assert "L1 0.001: accuracy 0." in printed
    assert (tmp_path / "digits.png").is_file()
    pictures = sum("image/png" in one.get("data", {}) for outputs in cells.values() for one in outputs)
    assert pictures == 2
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".svg", ".pdf"}
    assert "data:image/png;base64," in list(cells.values())[-1][0].data["text/html"]
