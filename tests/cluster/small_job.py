"""A small Beam job for a cluster: numbers are spread, and summed by key.

    python -m tests.cluster.small_job SETTINGS FOLDER NAME SECONDS

SETTINGS: JSON of the settings of a run. Each of the 200 numbers takes SECONDS. In FOLDER, each sum becomes a file KEY,
and each process that works a file `began-ID`, which contains the network namespace of its host.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Mapping

from tests import PROJECT

NUMBERS, KEYS = 200, 5
SUMS = {str(key): sum(range(key, NUMBERS, KEYS)) for key in range(KEYS)}


def start(settings: Mapping[str, str], folder: pathlib.Path, name: str, seconds: float) -> subprocess.Popen[bytes]:
    """Start the job in a process of its own."""
    command = [sys.executable, "-m", "tests.cluster.small_job", json.dumps(dict(settings)), str(folder), name]
    return subprocess.Popen([*command, str(seconds)], cwd=PROJECT)


def sums(folder: pathlib.Path) -> dict[str, int]:
    """Return the sums that a job wrote."""
    return {path.name: int(path.read_text()) for path in folder.iterdir() if path.name.isdecimal()}


def main(settings: dict[str, str], folder: str, name: str, seconds: float) -> None:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipeline.orchestration.portable import worker_identity
    from pipeline.sparse_autoencoder.definition import PIPELINE

    # Nested functions, because Beam sends these themselves and not their names.
    def work(number: int) -> tuple[int, int]:
        import os
        import pathlib
        import time

        pathlib.Path(folder, f"began-{os.getpid()}").write_text(os.readlink("/proc/self/ns/net"))
        time.sleep(seconds)
        return number % KEYS, number

    def write(key: int, total: int) -> None:
        import pathlib

        pathlib.Path(folder, str(key)).write_text(str(total))

    parameters = worker_identity.JobParameters(worker_identity.here(PIPELINE), {}, "Small", folder)
    environment = {
        "url": settings["engine.worker_address"],
        "params": {worker_identity.PARAMETER: parameters.to_text()},
    }
    options = [
        f"--job_name={name}",
        f"--job_endpoint={settings['engine.job_endpoint']}",
        "--environment_type=EXTERNAL",
        f"--environment_config={json.dumps(environment)}",
        f"--parallelism={settings['engine.parallelism']}",
    ]
    with beam.Pipeline(runner="PortableRunner", options=PipelineOptions(options)) as pipeline:
        numbers = pipeline | beam.Create(range(NUMBERS)) | beam.Reshuffle()
        _ = numbers | beam.Map(work) | beam.CombinePerKey(sum) | beam.MapTuple(write)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))
