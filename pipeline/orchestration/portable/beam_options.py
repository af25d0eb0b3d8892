"""Check the pipeline options of Beam in `engine.beam_options`, before anything runs.

Beam parses them, in a process of its own: commands that only read, such as `sae plan`, do not import Beam.
"""

from __future__ import annotations

import os
import subprocess
import sys

from pipeline.core.errors import UnavailableError, UsageError
from pipeline.core.project import python_path
from pipeline.core.text import last_line
from pipeline_config import EngineConfig

_SETTING = "engine.beam_options"
_PARSER = "pipeline.orchestration.tfx.beam_arguments"
# Options that a setting or the run itself gives.
_TAKEN = {
    "--runner": "set engine.runner",
    "--job_endpoint": "set engine.job_endpoint",
    "--flink_master": "set engine.flink_master",
    "--parallelism": "set engine.parallelism",
    "--environment_type": "leave it out: it is EXTERNAL, with `sae worker`",
    "--environment_config": "set engine.worker_address",
    "--job_name": "leave it out: each job has a name of its own",
    "--streaming": "leave it out: a run's jobs have an end",
}


def check(engine: EngineConfig) -> None:
    """Check the options.

    Raises:
      UsageError: neither Beam nor its job server has such an option, or its value is not allowed.
      UnavailableError: Beam cannot be started.
    """
    arguments = engine.beam_arguments
    for one in arguments:
        name = one.partition("=")[0]
        if advice := _TAKEN.get(name):
            raise UsageError(f"{_SETTING} contains {name}: {advice}")
    if not arguments:
        return
    endpoint = "" if engine.runner == "dataflow" else engine.job_endpoint
    command = [sys.executable, "-m", _PARSER, endpoint, *arguments]
    environment = {**os.environ, "PYTHONPATH": python_path()}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        last = last_line(done.stderr) or "no reason was given"
        raise UnavailableError(f"Beam cannot parse {_SETTING}: {last}; check the installation with `sae doctor`")
    if refused := done.stdout.strip():
        raise UsageError(f"{_SETTING} = {engine.beam_options!r} is not allowed: {refused}")
