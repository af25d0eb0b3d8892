"""Sets this process up for a run: environment, and where noise goes. To be done before TensorFlow is imported."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import TextIO

from pipeline.core.pipeline_root import Root
from pipeline_config import EngineConfig


def set_environment(root: Root, engine: EngineConfig) -> None:
    """Sets what the libraries read from the environment, here and for the worker processes of Beam."""
    clear_temporary(root)
    os.environ.update(
        {
            "TF_USE_LEGACY_KERAS": "1",  # TFT and TFMA know Keras 2 only
            "TF_CPP_MIN_LOG_LEVEL": "1",
            "TFDS_DATA_DIR": os.environ.get("TFDS_DATA_DIR", ""),
            # The number of threads changes the order of additions, so it is configuration.
            "TF_NUM_INTRAOP_THREADS": str(engine.intra_op_threads),
            "TF_NUM_INTEROP_THREADS": str(engine.inter_op_threads),
            # NumPy's takes as many as it is told, but no more than there are cores; one there is everywhere.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "-1",  # the same arithmetic on every machine
            "TMPDIR": str(root.temporary),
            "KERAS_HOME": str(root.path / "cache" / "keras"),
            "MPLCONFIGDIR": str(root.path / "cache" / "matplotlib"),
        }
    )
    if not os.environ["TFDS_DATA_DIR"]:
        del os.environ["TFDS_DATA_DIR"]
    tempfile.tempdir = None  # forget what was chosen before


def clear_temporary(root: Root) -> None:
    """Empties the folder of temporary files: TFDS and TensorFlow leave some, and so does a killed run."""
    shutil.rmtree(root.temporary, ignore_errors=True)
    root.temporary.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def heavy_imports() -> Iterator[None]:
    """To import TensorFlow and TFX in: a third faster than without.

    They make millions of objects that live as long as the process. The garbage collector would go through all of them
    again and again while they are made, and at each full collection of the run that follows.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def output_to(log: pathlib.Path) -> Iterator[tuple[TextIO, TextIO]]:
    """Sends whatever is written to standard output and error, by Python or by C++, to a file.

    Yields the real standard output and standard error.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    real = [os.fdopen(os.dup(number), "w", encoding="utf-8", buffering=1) for number in (1, 2)]
    with open(log, "a", encoding="utf-8", buffering=1) as file:
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            yield real[0], real[1]
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, stream in enumerate(real, 1):
                os.dup2(stream.fileno(), number)
                stream.close()
