"""Set up this process for a run, before TensorFlow is imported: environment variables and redirected output."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from pipeline.core import regular_file
from pipeline.core.pipeline_root import Root
from pipeline.provenance import numeric_variables
from pipeline_config import EngineConfig

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LOG_LEVEL = ("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings and errors of TensorFlow, unless the user sets another
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def set_environment(root: Root, engine: EngineConfig) -> dict[str, str]:
    """Empty the folder of temporary files, and set the environment variables (`set_variables`)."""
    clear_temporary(root)
    return set_variables(root, engine)


def set_variables(root: Root, engine: EngineConfig) -> dict[str, str]:
    """Set the environment variables that the libraries read, also for Beam's worker processes.

    Returns:
      The user's variables that have no effect (`numeric_variables.ignored`), with their values.
    """
    ignored = numeric_variables.ignored(os.environ, engine)
    for name in ignored:
        del os.environ[name]
    os.environ.update(numeric_variables.fixed(engine))
    os.environ.setdefault(*LOG_LEVEL)
    os.environ.update(
        {
            "TMPDIR": str(root.temporary),
            "KERAS_HOME": str(root.path / "cache" / "keras"),
            "MPLCONFIGDIR": str(root.path / "cache" / "matplotlib"),
        }
    )
    _bypass_proxy(engine)
    if not os.environ.get("TFDS_DATA_DIR"):
        os.environ.pop("TFDS_DATA_DIR", None)  # TFDS takes an empty value for a folder
    tempfile.tempdir = None  # makes `tempfile` read TMPDIR again
    return ignored


def _bypass_proxy(engine: EngineConfig) -> None:
    """Never reach this machine or the job server through a proxy: gRPC would look there for Beam's processes."""
    direct = [*_LOOPBACK]
    if engine.runner not in ("local", "dataflow"):
        host = engine.job_endpoint.rpartition(":")[0].strip("[]")
        direct += [host] if host not in direct else []
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""  # libraries prefer the former
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        if name != "no_grpc_proxy" or name in os.environ:  # gRPC prefers it to no_proxy
            hosts = [host.strip() for host in (os.environ.get(name) or given).split(",") if host.strip()]
            os.environ[name] = ",".join([*hosts, *(host for host in direct if host not in hosts)])


def clear_temporary(root: Root) -> None:
    """Empty the folder of temporary files; TFDS, TensorFlow and killed runs leave some."""
    shutil.rmtree(root.temporary, ignore_errors=True)
    root.temporary.mkdir(exist_ok=True)  # without parents: the root may have been removed


class _Lasting(io.FileIO):
    """A file that drops what cannot be written: a closed terminal must not end a run, or what records its end."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


@contextlib.contextmanager
def output_to(log: pathlib.Path) -> Iterator[tuple[TextIO, TextIO]]:
    """Redirect standard output and error, of Python and of C++, to a file; yield the original streams."""
    sys.stdout.flush()
    sys.stderr.flush()
    real = [
        io.TextIOWrapper(io.BufferedWriter(_Lasting(os.dup(number), "w")), encoding="utf-8", line_buffering=True)
        for number in (1, 2)
    ]
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
