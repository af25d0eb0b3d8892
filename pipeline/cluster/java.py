"""Find the Java that starts the programs of a cluster."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from pipeline.cluster.engines import ClusterEngine
from pipeline.core.errors import UnavailableError

_SUPPORTED = (11, 17, 21)  # by all engines
_SECONDS = 60.0  # for its answer; 0.1 on a free machine
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find(engine: ClusterEngine) -> str:
    """Return the path of `java`: that of JAVA_HOME, else the one on PATH.

    Raises:
      UnavailableError: there is none, it does not start or end, or the engine does not support its version.
    """
    allowed = " or ".join(map(str, _SUPPORTED))
    todo = f"install Java {allowed}, as by `apt-get install default-jre-headless`, or set JAVA_HOME to one"
    home = os.environ.get("JAVA_HOME", "")
    path = os.path.join(home, "bin", "java") if home else shutil.which("java")
    if path is None:
        raise UnavailableError(f"java is not on PATH: {todo}")
    try:
        done = subprocess.run(
            [path, "-version"], capture_output=True, text=True, errors="replace", check=False, timeout=_SECONDS
        )
    except OSError as error:
        raise UnavailableError(f"{path} cannot be started ({error.strerror}): {todo}") from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{path} -version has not ended after {_SECONDS:.0f} s: {todo}") from error
    match = _VERSION.search(done.stderr + done.stdout)
    if match is None:
        raise UnavailableError(f"{path} -version prints no version (exit code {done.returncode}): {todo}")
    if int(match[1]) not in _SUPPORTED:
        raise UnavailableError(f"{path} is Java {match[1]}, {engine} supports Java {allowed}: {todo}")
    return path
