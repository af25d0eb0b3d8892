"""Compile a pipeline with the SDK of Kubeflow, and read a specification with it. Runs in .venv-export.

    python compiled.py SPECIFICATION WANTED

WANTED is a JSON file: `name`, `about`, `image`, `claim`, and `tasks` with `id`, `title`, `command` and `upstream`;
perhaps `memory` and `cpu` of each task.
It prints a JSON list of both, as the SDK reads them.
"""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile
from typing import Any

from google.protobuf import json_format
from kfp import compiler, dsl, kubernetes
from kfp.components import load_component_from_file


def read(path: str) -> dict[str, Any]:
    """Return a pipeline and its platform as JSON."""
    found = load_component_from_file(path)
    return {
        "pipeline": json_format.MessageToDict(found.pipeline_spec),
        "platform": json_format.MessageToDict(found.platform_spec),
    }


def component(name: str, image: str, command: str) -> Any:
    """Return a component that runs a command of a shell."""

    def step():
        return dsl.ContainerSpec(image=image, command=["sh", "-c"], args=[command])

    step.__name__ = name.replace("-", "_")
    return dsl.container_component(step)


def compile_pipeline(wanted: dict[str, Any], path: str) -> None:
    """Compile the wanted pipeline."""

    @dsl.pipeline(name=wanted["name"], description=wanted["about"])
    def whole():  # the SDK reads annotations
        made: dict[str, Any] = {}
        for one in wanted["tasks"]:
            task = component(one["id"], wanted["image"], one["command"])()
            task.set_display_name(one["title"]).set_caching_options(False)
            task.set_retry(2, backoff_duration="60s", backoff_factor=2.0)
            task.set_env_variable("TFDS_DATA_DIR", "/mnt/sae/tensorflow_datasets")
            if "memory" in wanted:
                task.set_memory_request(wanted["memory"]).set_memory_limit(wanted["memory"])
            if "cpu" in wanted:
                task.set_cpu_request(wanted["cpu"])
            kubernetes.mount_pvc(task, pvc_name=wanted["claim"], mount_path="/mnt/sae")
            task.after(*(made[name] for name in one["upstream"]))
            made[one["id"]] = task

    compiler.Compiler().compile(whole, path)


def main(specification: str, wanted: str) -> None:
    """Print both."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder, "pipeline.yaml"))
        compile_pipeline(json.loads(pathlib.Path(wanted).read_text("utf-8")), path)
        print(json.dumps([read(specification), read(path)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
