"""Imports of the libraries for a run. In processes of their own, because pytest's has them."""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import subprocess
import sys

import pytest

from pipeline.core import tfx_versions
from pipeline.orchestration import imports
from tests import PROJECT


def test_distributions_have_their_names_after_heavy_imports() -> None:
    with contextlib.suppress(ImportError), imports.heavy_imports():
        found = importlib.metadata.packages_distributions()
        raise ImportError
    assert found == {}
    assert importlib.metadata.packages_distributions()["google"]
    first, second = imports.heavy_imports(), imports.heavy_imports()  # as in two threads
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert importlib.metadata.packages_distributions()["google"]


def test_objects_made_by_heavy_imports_are_not_collected_again() -> None:
    before = gc.get_freeze_count()
    try:
        with imports.heavy_imports():
            assert not gc.isenabled()
            kept = [[] for _ in range(1_000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()


@pytest.mark.skipif(tfx_versions.here() == tfx_versions.CURRENT, reason="with TFX 1.21 all is imported")
@pytest.mark.component
def test_what_no_node_uses_is_not_imported_and_can_be_used_later() -> None:
    script = """
import importlib, io, sys
from pipeline.orchestration import imports
from pipeline.sparse_autoencoder.definition import PIPELINE
with imports.heavy_imports():
    from pipeline.definition.pipeline import create_pipeline
    from pipeline.orchestration.tfx import local_runner
    from tfx.components.transform.component import Transform
    for node in PIPELINE.nodes:
        if node.code:
            importlib.import_module(node.code)
unused = "matplotlib", "keras_tuner", "kubernetes", "google.cloud.bigquery.client", "tensorflow_datasets.core"
unused += "IPython.terminal", "ipywidgets", "nltk.corpus", "scipy.stats._stats_py", "sklearn"
unused += "docker.client", "h5py._hl"
print([name for name in unused if name in sys.modules])
from components.report import figures
figures.Figure().savefig(io.BytesIO())
print("IPython.terminal" in sys.modules)
import tfx.components
from tfx.components import CsvExampleGen
from google.cloud import bigquery
import IPython, nltk, tensorflow_model_analysis as tfma
from scipy import stats
known = IPython.version_info
imported = tuple(map(int, IPython.__version__.split(".")[:2]))
print(IPython.get_ipython(), known == imported, IPython.get_ipython.__module__)
print(nltk.stem.PorterStemmer().stem("nodes"), tfma.view.render_plot.__name__, round(stats.t.ppf(0.975, 10), 3))
from components.data import tfds_reader
print(tfds_reader.tfds.core.Version("1.2.0").minor)
print(CsvExampleGen.__name__, tfx.components.transform.component.Transform is Transform, bigquery.Client.__name__)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], stdout=subprocess.PIPE, text=True, cwd=PROJECT, check=True
    )
    assert done.stdout.splitlines() == [
        "[]",
        "False",
        "None True IPython.core.getipython",
        "node render_plot 2.228",
        "2",
        "CsvExampleGen True Client",
    ]
