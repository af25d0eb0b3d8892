"""Set up this process for a run, before TensorFlow is imported: environment variables and redirected output."""

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

from pipeline.core import regular_file
from pipeline.core.pipeline_root import Root
from pipeline_config import EngineConfig


def set_environment(root: Root, engine: EngineConfig) -> None:
    """Set the environment variables that the libraries read, also for Beam's worker processes."""
    clear_temporary(root)
    os.environ.update(
        {
            "TF_USE_LEGACY_KERAS": "1",  # TFT and TFMA know Keras 2 only
            "TF_CPP_MIN_LOG_LEVEL": "1",
            # The number of threads changes the order of additions, so it is configuration.
            "TF_NUM_INTRAOP_THREADS": str(engine.intra_op_threads),
            "TF_NUM_INTEROP_THREADS": str(engine.inter_op_threads),
            # NumPy uses no more threads than there are cores; every machine has one.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "-1",  # the same arithmetic on every machine
            "TMPDIR": str(root.temporary),
            "KERAS_HOME": str(root.path / "cache" / "keras"),
            "MPLCONFIGDIR": str(root.path / "cache" / "matplotlib"),
        }
    )
    if not os.environ.get("TFDS_DATA_DIR"):
        os.environ.pop("TFDS_DATA_DIR", None)  # TFDS takes an empty value for a folder
    tempfile.tempdir = None  # makes `tempfile` read TMPDIR again


def clear_temporary(root: Root) -> None:
    """Empty the folder of temporary files; TFDS, TensorFlow and killed runs leave some."""
    shutil.rmtree(root.temporary, ignore_errors=True)
    root.temporary.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def heavy_imports() -> Iterator[None]:
    """Import TensorFlow and TFX in this context: a third faster, because the garbage collector is off.

    They create millions of objects that live as long as the process; these are also excluded from later collections.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def output_to(log: pathlib.Path) -> Iterator[tuple[TextIO, TextIO]]:
    """Redirect standard output and error, of Python and of C++, to a file; yield the original streams."""
    sys.stdout.flush()
    sys.stderr.flush()
    real = [os.fdopen(os.dup(number), "w", encoding="utf-8", buffering=1) for number in (1, 2)]
    with regular_file.opened_to_append(log) as file:
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
