"""What a run was made from: noted when it begins and stored beside its results."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from components import atomic_file
from pipeline.core import serialization, tfx_versions
from pipeline.core.dataset import Dataset
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.provenance import environment, packages
from pipeline.provenance import source_code as code_of
from pipeline_config import Configuration, Value

SCHEMA_VERSION = 1

_ENGINE = "FnApiRunner"
_INFINITE = "inf"


class _DataSource(Protocol):
    @property
    def dataset(self) -> type[Dataset]: ...


class RecordedPipeline(Protocol):
    """What the manifest reads of a pipeline; `pipeline.definition.spec.Pipeline` has the same attributes."""

    @property
    def location(self) -> str: ...
    @property
    def configuration(self) -> type[Configuration]: ...
    @property
    def data(self) -> _DataSource: ...


@dataclasses.dataclass(frozen=True)
class Engine:
    """What ran the nodes' work.

    Attributes:
      name: Beam's runner.
      workers: its processes.
      intra_op_threads, inter_op_threads: TensorFlow's threads within one operation and across operations.
    """

    name: str
    workers: int
    intra_op_threads: int
    inter_op_threads: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a run was made from. All values are plain; digests are SHA-256 in hex.

    Attributes:
      run_id: of the run.
      created: when, in UTC, ISO 8601.
      trigger: what started it: `manual`.
      command: the command line, as typed.
      profile: name of the profile.
      configuration: every setting by its dotted name.
      seed: of the weights and of each epoch's order; one of the settings.
      data: the data set.
      code: by node, digest by file: `components/model/run_fn.py`.
      code_digest: of all of the project's code, also of what is outside the nodes.
      git: the commit; None where there is none to tell.
      packages: version by name of whatever is installed and needed to run.
      lock: the lock that lay beside the project; None where none did.
      tfx_line: name of the line of TFX: `1.16`.
      python: the interpreter.
      tensorflow: the build of TensorFlow; None when it is not installed as a package.
      machine: where it ran.
      engine: what ran the nodes' work; some of the settings.
      pipeline: where it is declared, `MODULE:NAME`; empty: the one of this project.
    """

    run_id: str
    created: str
    trigger: str
    command: tuple[str, ...]
    profile: str
    configuration: Mapping[str, Value]
    seed: int
    data: Dataset
    code: Mapping[str, Mapping[str, str]]
    code_digest: str
    git: environment.Git | None
    packages: Mapping[str, str]
    lock: environment.Lock | None
    tfx_line: str
    python: environment.Python
    tensorflow: environment.TensorFlow | None
    machine: environment.Machine
    engine: Engine
    pipeline: str = ""


def collect(
    *,
    run_id: str,
    command: Sequence[str],
    profile: str,
    configuration: Mapping[str, Value],
    data: Dataset,
    code: Mapping[str, Mapping[str, str]],
    pipeline: RecordedPipeline,
    trigger: str = "manual",
    created: datetime.datetime | None = None,
) -> Manifest:
    """Notes what a run is made from, here and now.

    Args:
      run_id: of the run.
      command: the command line, as typed.
      profile: name of the profile.
      configuration: every setting by its dotted name.
      data: the data set.
      code: by node, what `pipeline.provenance.source_code.files` says of its module.
      pipeline: that runs.
      trigger: what started the run.
      created: an aware time; None: now.

    Raises:
      LookupError: no line of TFX is for this Python.
    """
    created = created or datetime.datetime.now(datetime.timezone.utc)
    return Manifest(
        run_id=run_id,
        created=created.astimezone(datetime.timezone.utc).isoformat(timespec="seconds"),
        trigger=trigger,
        command=tuple(command),
        profile=profile,
        configuration=dict(configuration),
        seed=_seed(pipeline, configuration),
        data=data,
        code={node: dict(files) for node, files in code.items()},
        pipeline=pipeline.location,
        code_digest=code_of.project_digest(),
        git=environment.git(),
        packages=packages.installed_runtime(),
        lock=environment.lock(),
        tfx_line=tfx_versions.here().name,
        python=environment.python(),
        tensorflow=environment.tensorflow(),
        machine=environment.machine(),
        engine=Engine(
            name=_ENGINE,
            workers=int(configuration["engine.beam_workers"]),
            intra_op_threads=int(configuration["engine.intra_op_threads"]),
            inter_op_threads=int(configuration["engine.inter_op_threads"]),
        ),
    )


def to_json(manifest: Manifest) -> str:
    """One object; arguments of a command line that are not valid text are escaped, so that it can always be written."""
    values = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(manifest)}
    values["data"]["fingerprint"] = manifest.data.fingerprint
    # JSON has no infinity; `--set` reads it from the same text.
    values["configuration"] = {
        name: _INFINITE if value == math.inf else value for name, value in manifest.configuration.items()
    }
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def from_json(text: str, name: str = "the manifest", pipeline: RecordedPipeline | None = None) -> Manifest:
    """The manifest that `to_json` wrote. Fields that this version does not know are left out.

    Args:
      text: what `to_json` gave.
      name: what to call it in an error.
      pipeline: of the run; None: of data set and settings only that is read which all pipelines have.

    Raises:
      UnavailableError: it is damaged, or of a newer version.
    """
    try:
        values = json.loads(text)
        version = values["schema_version"]
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(name, f"no schema_version ({error})") from error
    if version != SCHEMA_VERSION:
        raise UnavailableError(
            f"{name} has schema_version {version!r}, this version of sae knows {SCHEMA_VERSION}: use the version that "
            "wrote it"
        )
    try:
        manifest = serialization.build(Manifest, values)
        data = serialization.build(pipeline.data.dataset if pipeline else Dataset, values["data"])
    except (KeyError, TypeError) as error:
        raise _damaged(name, str(error.args[0])) from error
    configuration = {name: _finite_or_not(pipeline, name, value) for name, value in manifest.configuration.items()}
    return dataclasses.replace(manifest, configuration=configuration, data=data)


def _finite_or_not(pipeline: RecordedPipeline | None, name: str, value: Value) -> Value:
    declared = pipeline.configuration.settings().get(name) if pipeline else None
    is_number = pipeline is None or (declared is not None and isinstance(declared.default, float))
    return math.inf if value == _INFINITE and is_number else value


def _seed(pipeline: RecordedPipeline, configuration: Mapping[str, Value]) -> int:
    names = [name for name, setting in pipeline.configuration.settings().items() if setting.option == "--seed"]
    return int(configuration[names[0]]) if names else 0


def path_of(root_folder: pathlib.Path, run_id: str) -> pathlib.Path:
    """Where the manifest of a run is stored."""
    return root_folder / "manifests" / f"{run_id}.json"


def write(root_folder: pathlib.Path, manifest: Manifest) -> pathlib.Path:
    """Stores a manifest, all of it or nothing, and returns where.

    Raises:
      UnavailableError: it cannot be written.
    """
    path = path_of(root_folder, manifest.run_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.write(path, to_json(manifest))
    except OSError as error:
        raise UnavailableError(
            f"cannot write {path}: {error.strerror}; free space, or choose another root with --root"
        ) from error
    return path


def read(root_folder: pathlib.Path, run_id: str, pipeline: RecordedPipeline | None = None) -> Manifest:
    """The stored manifest of a run.

    Raises:
      NotFoundError: there is none.
      UnavailableError: it is damaged, or of a newer version.
    """
    path = path_of(root_folder, run_id)
    if not re.fullmatch(r"\w[\w.:+-]*", run_id):  # it comes from the command line and must not name another folder
        raise NotFoundError(f"no run {run_id!r}: the id of a run is letters, digits and -; `sae run` prints it")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(
            f"no manifest of run {run_id} in {path.parent}, so what it was made from is not known: look for a typing "
            "error or another --root; a run of an older version has none and must be run again"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(str(path), str(error)) from error
    manifest = from_json(text, str(path), pipeline)
    if manifest.run_id != run_id:
        raise _damaged(str(path), f"it is of run {manifest.run_id}")
    return manifest


def _damaged(name: str, reason: str) -> UnavailableError:
    return UnavailableError(f"{name} is damaged: {reason}; restore it from a backup, or make the run again")
