"""The manifest of a run: its code, configuration, data, packages and machine, written when the run begins."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import math
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from components import atomic_file, json_text
from components.errors import cause_text
from pipeline.core import project, regular_file, serialization, settings, tfx_versions
from pipeline.core.dataset import Dataset
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.text import short_digest
from pipeline.provenance import environment, numeric_variables, packages, source_code
from pipeline_config import Configuration, Value

SCHEMA_VERSION = 1

# Beam's runners, by the value of engine.runner.
_RUNNERS = {"local": "FnApiRunner", "dataflow": "DataflowRunner"}
_PORTABLE_RUNNER = "PortableRunner"


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
    """The engine of the nodes."""

    name: str  # Beam's runner
    workers: int  # its processes
    # intra_op_threads, inter_op_threads: TensorFlow's threads within one operation and across operations
    intra_op_threads: int
    inter_op_threads: int


_ID_FILE = "--run-id-file"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The inputs of a run. Digests are SHA-256 in hex."""

    run_id: str
    created: str  # start time in UTC, ISO 8601
    trigger: str  # what started the run: `manual`
    command: tuple[str, ...]  # the command line, as typed, or as a schedule, a sweep or a Python program made it
    profile: str
    configuration: Mapping[str, Value]  # every setting by its dotted name
    seed: int  # also one of the settings
    data: Dataset
    code: Mapping[str, Mapping[str, str]]  # digest by file, by node
    code_digest: str  # of all code of the project, also outside the nodes
    git: environment.Git | None  # the commit of this project; None outside a repository
    packages: Mapping[str, str]  # version by name of each installed package that is needed to run
    lock: environment.Lock | None  # the lock file of the project; None if there is none
    tfx_line: str  # TFX version: `1.16`
    python: environment.Python
    tensorflow: environment.TensorFlow | None  # None if it is not installed as a package
    machine: environment.Machine
    engine: Engine  # also in the settings
    git_unknown: str = ""  # why the commit is unknown; empty if it is known
    pipeline: str = ""  # its declaration, `MODULE:NAME`; empty: the default pipeline
    # The commit of the code of another pipeline than the default one, and why it is unknown. Older versions noted none.
    pipeline_git: environment.Git | None = None
    pipeline_git_unknown: str = ""
    # Environment variables that select instructions, by name; None: an older version did not record them.
    variables: Mapping[str, str] | None = None

    @property
    def typed_command(self) -> list[str]:
        """The command line as a person would type it: `sae`, without the file that tells another process the id."""
        if not self.command:
            return []
        program = "sae" if project.is_module(self.command[0]) else self.command[0]
        pairs = itertools.pairwise(self.command)
        return [program, *(word for before, word in pairs if _ID_FILE not in (before, word.partition("=")[0]))]


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
) -> Manifest:
    """Return the manifest of a run that begins here and now.

    Args:
      run_id, command, profile, configuration, data, code, trigger: as in `Manifest`.
      pipeline: the pipeline that runs.

    Raises:
      LookupError: no TFX version is declared for this Python version.
    """
    checkout = environment.checkout()
    of_pipeline = _checkout_of(pipeline.location, code) if pipeline.location else environment.Checkout()
    seed = settings.find_option("--seed", pipeline.configuration)
    return Manifest(
        run_id=run_id,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        trigger=trigger,
        command=tuple(command),
        profile=profile,
        configuration=dict(configuration),
        seed=int(configuration[seed]) if seed else 0,
        data=data,
        code={node: dict(files) for node, files in code.items()},
        pipeline=pipeline.location,
        pipeline_git=of_pipeline.git,
        pipeline_git_unknown=of_pipeline.unknown,
        code_digest=source_code.project_digest(),
        git=checkout.git,
        git_unknown=checkout.unknown,
        packages=packages.installed_runtime(),
        lock=environment.lock(),
        tfx_line=tfx_versions.here().name,
        python=environment.python(),
        tensorflow=environment.tensorflow(),
        machine=environment.machine(),
        engine=Engine(
            name=_RUNNERS.get(str(configuration["engine.runner"]), _PORTABLE_RUNNER),
            workers=int(configuration["engine.beam_workers"]),
            intra_op_threads=int(configuration["engine.intra_op_threads"]),
            inter_op_threads=int(configuration["engine.inter_op_threads"]),
        ),
        variables=numeric_variables.recorded(os.environ),
    )


def _checkout_of(location: str, code: Mapping[str, Mapping[str, str]]) -> environment.Checkout:
    """Return the commit of the code of a pipeline, whose nodes have the code that `Manifest` describes."""
    module = location.partition(":")[0]
    file, others = source_code.paths(module, {path for files in code.values() for path in files})
    if file is None:
        return environment.Checkout(unknown=f"the module {module} has no file")
    return environment.checkout_of(file, others)


def to_json(manifest: Manifest) -> str:
    """Return a manifest as JSON; bytes of the command line that are not valid text are escaped."""
    values = {"schema_version": SCHEMA_VERSION, **vars(manifest)}
    values["data"] = {**dataclasses.asdict(manifest.data), "fingerprint": manifest.data.fingerprint}
    values["configuration"] = serialization.without_infinity(manifest.configuration)
    return json.dumps(values, indent=2, allow_nan=False, default=dataclasses.asdict) + "\n"


def from_json(text: str, name: str = "the manifest", pipeline: RecordedPipeline | None = None) -> Manifest:
    """Return the manifest that `to_json` wrote, without fields that this version does not know.

    Args:
      text: the JSON.
      name: the name of the manifest in an error message.
      pipeline: the pipeline of the run; None: read only what all pipelines have of the data set and the settings.

    Raises:
      UnavailableError: the manifest is damaged, or was written by a newer version.
    """
    try:
        values = json_text.parse(text)
        version = values["schema_version"]
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(name, f"no schema_version ({error})") from error
    if version != SCHEMA_VERSION:
        raise UnavailableError(
            f"{name} has schema_version {version!r}, this version of sae reads {SCHEMA_VERSION}; use the version that "
            "wrote it"
        )
    try:
        manifest = serialization.build(Manifest, values)
        data = serialization.build(pipeline.data.dataset if pipeline else Dataset, values["data"])
    except (KeyError, TypeError) as error:
        raise _damaged(name, str(error.args[0])) from error
    configuration = {name: _parse_infinity(pipeline, name, value) for name, value in manifest.configuration.items()}
    if pipeline:
        configuration = pipeline.configuration.renamed(configuration)
    return dataclasses.replace(manifest, configuration=configuration, data=data)


def _parse_infinity(pipeline: RecordedPipeline | None, name: str, value: Value) -> Value:
    declared = pipeline.configuration.settings().get(name) if pipeline else None
    is_number = pipeline is None or (declared is not None and isinstance(declared.default, float))
    return math.inf if value == serialization.INFINITY and is_number else value


def commit_text(manifest: Manifest) -> str:
    """Return the first digits of the commit, and whether there were changes; or why the commit is unknown.

    Of another pipeline than the default one, the commit of its code and that of this project.
    """
    of_project = _commit_text(manifest.git, manifest.git_unknown)
    if not manifest.pipeline:
        return of_project
    of_pipeline = _commit_text(manifest.pipeline_git, manifest.pipeline_git_unknown)
    return of_pipeline if of_pipeline == of_project else f"{of_pipeline}; of sae {of_project}"


def _commit_text(git: environment.Git | None, unknown: str) -> str:
    if git is None:
        return f"unknown: {unknown}" if unknown else "unknown"
    return short_digest(git.commit) + " with uncommitted changes" * git.dirty


def path_of(root_folder: pathlib.Path, run_id: str) -> pathlib.Path:
    """Return the path of a run's manifest."""
    return root_folder / "manifests" / f"{run_id}.json"


def write(root_folder: pathlib.Path, manifest: Manifest) -> pathlib.Path:
    """Write a manifest atomically, and return its path. Raises `UnavailableError` if it cannot be written."""
    path = path_of(root_folder, manifest.run_id)
    try:
        path.parent.mkdir(exist_ok=True)
        atomic_file.write(path, to_json(manifest))
    except OSError as error:
        raise UnavailableError(
            f"cannot write {path}: {cause_text(error)}; free space, or choose another root with --root"
        ) from error
    return path


def read(root_folder: pathlib.Path, run_id: str, pipeline: RecordedPipeline | None = None) -> Manifest:
    """Return the stored manifest of a run.

    Raises:
      NotFoundError: there is none.
      UnavailableError: it is damaged, or was written by a newer version.
    """
    path = path_of(root_folder, run_id)
    if not re.fullmatch(r"\w[\w.:+-]*", run_id):  # from the command line; must not name another folder
        raise NotFoundError(f"no run {run_id!r}: a run id consists of letters, digits and -; `sae runs` lists them")
    try:
        with regular_file.opened(path) as file:
            manifest = _from_bytes(file.read(), str(path), pipeline)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"no manifest of run {run_id} in {path.parent}: runs of TFX's own runners and of older versions have none, "
            "and cannot be resumed or rerun; otherwise restore the file from a backup, or check --root"
        ) from error
    except OSError as error:
        raise _damaged(str(path), str(error)) from error
    if manifest.run_id != run_id:
        raise _damaged(str(path), f"it belongs to run {manifest.run_id}")
    return manifest


def from_file(path: pathlib.Path, pipeline: RecordedPipeline) -> Manifest:
    """Return the manifest in a file, of a run of this pipeline.

    Raises:
      OSError: the file cannot be read.
      UnavailableError: like `from_json`.
      UsageError: the run is of another pipeline.
    """
    content = path.read_bytes()  # once, as it may be a pipe: `--like <(command)`
    held = _from_bytes(content, str(path), None).pipeline
    if held != pipeline.location:
        default = "the default pipeline"
        way = f"add --pipeline {held} before the command" if held else "leave out --pipeline and SAE_PIPELINE"
        raise UsageError(f"{path} is of a run of {held or default}, not of {pipeline.location or default}: {way}")
    return _from_bytes(content, str(path), pipeline)


def _from_bytes(content: bytes, name: str, pipeline: RecordedPipeline | None) -> Manifest:
    try:
        return from_json(content.decode("utf-8"), name, pipeline)
    except UnicodeDecodeError as error:
        raise _damaged(name, str(error)) from error


def _damaged(name: str, reason: str) -> UnavailableError:
    return UnavailableError(f"{name} is damaged: {reason}; restore it from a backup, or start a new run")
