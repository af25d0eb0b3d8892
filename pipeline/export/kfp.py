"""Export the pipeline as a specification of Kubeflow Pipelines 2: what its SDK compiles a pipeline to.

The tasks run one after another, because a root has one run at a time, and Kubeflow has no limit of tasks at once.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shlex
from collections.abc import Collection

from pipeline.core.errors import ExitCode, UsageError
from pipeline.definition.spec import Pipeline
from pipeline.export.tasks import Task, tasks_of
from pipeline.export.template import render
from pipeline.scheduler.types import Work
from pipeline_config import SchedulePolicies

DEFAULT_ROOT = "/mnt/sae/pipeline_root"
_DATA = "tensorflow_datasets"  # beside the root, in the same volume
_ID = re.compile(r"[a-z0-9]([-a-z0-9]{0,126}[a-z0-9])?")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_CLAIM = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_MEMORY = re.compile(r"([1-9][0-9]{0,8})([MGT]i?)")
_UNITS = {"M": 10**6, "Mi": 2**20, "G": 10**9, "Gi": 2**30, "T": 10**12, "Ti": 2**40}
_CPU = re.compile(r"(?=.*[1-9])([0-9]{1,6}m|[0-9]{1,6}(\.[0-9]{1,3})?)")  # 0.001 is the least that Kubernetes knows
_NO_MOUNT = re.compile(r"[:\x00-\x1f\x7f]")  # characters that the path of a mount cannot have
_PLACEHOLDER = "{{$"  # begins a text that Kubeflow replaces
_JOB = "{{$.pipeline_job_name}}"


@dataclasses.dataclass(frozen=True)
class KfpRequest:
    """What a specification runs, and where.

    Attributes:
      name: the name of the pipeline; empty: that of the pipeline in the form that Kubeflow allows.
      work: the options of `sae run`.
      image: the container image of all tasks.
      claim: the claim of the persistent volume with the root, which is mounted at the folder above it.
      root: the pipeline root in the container.
      memory: what each task requests, and at most gets, such as `4Gi`; empty: what the cluster sets.
      cpu: the processors that each task requests, such as `2` or `500m`; empty: what the cluster sets.
    """

    name: str
    work: Work
    image: str
    claim: str
    root: str = DEFAULT_ROOT
    memory: str = ""
    cpu: str = ""


@dataclasses.dataclass(frozen=True)
class _Step:
    """A task with its names in Kubeflow, those that it waits for, and its command."""

    id: str
    title: str
    upstream: tuple[str, ...]
    command: str


def specification(pipeline: Pipeline, request: KfpRequest) -> str:
    """Return the text of a YAML file with the specification and that of its volume.

    Raises:
      UsageError: Kubeflow does not allow the name, Kubernetes not the image, the claim, memory or processors, or the
        root is not in a folder for a volume.
    """
    name = request.name or kebab(pipeline.name)
    if not _ID.fullmatch(name):
        raise UsageError(
            f"a pipeline of Kubeflow cannot be called {name!r}: a name has 1 to 128 small letters, digits and '-', and "
            "begins and ends with a letter or digit; give another one with --name"
        )
    if not _IMAGE.fullmatch(request.image):
        raise UsageError(
            f"--image {request.image!r} is not allowed: write it as for `docker pull`, such as example.org/sae:1"
        )
    if not _CLAIM.fullmatch(request.claim):
        raise UsageError(
            f"--claim {request.claim!r} is not allowed: a claim has 1 to 253 small letters, digits, '-' and '.', and "
            "begins and ends with a letter or digit"
        )
    mount = pathlib.PurePosixPath(request.root).parent
    is_path = mount.is_absolute() and ".." not in mount.parts and not _NO_MOUNT.search(request.root)
    if not is_path or len(mount.parts) < 2:
        raise UsageError(
            f"--root {request.root} is not allowed: give a path in the container, in a folder where the volume can be "
            f"mounted, such as {DEFAULT_ROOT}"
        )
    return render(
        "pipeline.yaml.jinja",
        pipeline=pipeline,
        request=request,
        name=name,
        policies=SchedulePolicies(),
        steps=_steps(pipeline, request),
        environment={"TFDS_DATA_DIR": str(mount / _DATA)},
        resources={**_cpu(request.cpu), **_memory(request.memory)},
        mount=str(mount),
    )


def kebab(name: str) -> str:
    """Return a name as Kubeflow writes it: `example-gen` for `ExampleGen`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _cpu(text: str) -> dict[str, str | float]:
    """Return the fields for processors: as a text, and as the number that older versions of Kubeflow read."""
    if not text:
        return {}
    if not _CPU.fullmatch(text):
        raise UsageError(f"--cpu {text!r} is not allowed: write a number of processors, such as 2, 0.5 or 500m")
    number = int(text[:-1]) / 1_000 if text.endswith("m") else float(text)
    return {"cpuRequest": number, "resourceCpuRequest": text}


def _memory(text: str) -> dict[str, str | float]:
    """Return the fields for memory, likewise; the number is in GB.

    Memory has a limit too, unlike processors: a task that takes more than it requested can be ended on a full host, and
    `sae run` compares what it needs with the limit.
    """
    if not text:
        return {}
    found = _MEMORY.fullmatch(text)
    if not found:
        raise UsageError(
            f"--memory {text!r} is not allowed: write a whole number and Mi, Gi, Ti, M, G or T, such as 4Gi"
        )
    number = int(found[1]) * _UNITS[found[2]] / 10**9
    return {
        "memoryLimit": number,
        "memoryRequest": number,
        "resourceMemoryLimit": text,
        "resourceMemoryRequest": text,
    }


def _steps(pipeline: Pipeline, request: KfpRequest) -> list[_Step]:
    """Return the tasks, each after the one before it too."""
    run = ("sae", *pipeline.options, *request.work.command(), "--root", request.root)
    for word in run:
        if _PLACEHOLDER in word:
            raise UsageError(f"{word!r} cannot be exported: Kubeflow replaces texts that begin with {_PLACEHOLDER}")
    nodes, whole = tasks_of(pipeline)
    steps: list[_Step] = []
    ids: dict[str, str] = {}  # by name
    for task in (*nodes, whole):
        ids[task.name] = _unique(kebab(task.name) or "node", ids.values())
        before = {ids[name] for name in task.upstream} | {step.id for step in steps[-1:]}
        part = () if task is whole else ("--to-node", task.name)
        steps.append(_Step(ids[task.name], task.name, tuple(sorted(before)), _command((*run, *part), task)))
    return steps


def _command(run: tuple[str, ...], task: Task) -> str:
    command = f"{shlex.join(run)} --trigger 'kubeflow {_JOB}'"
    go_on = f" || (code=$?; [ $code -eq {int(ExitCode.GATE_FAILED)} ] || exit $code)"
    return command + go_on if task.judged else command


def _unique(name: str, taken: Collection[str]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found
