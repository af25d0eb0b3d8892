"""Rerun a run, or a part of it, from its manifest, in a separate root: for `sae verify` and `sae restore`."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from components import atomic_file
from pipeline.core import file_digests, parent_process, settings
from pipeline.core.errors import FREE_SPACE, ExitCode, NotFoundError, SaeError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.core.project import python_path
from pipeline.core.text import signal_name
from pipeline.definition.spec import Pipeline
from pipeline.metadata import root_store
from pipeline.metadata.properties import MANIFEST_DIGEST
from pipeline.metadata.store import Store
from pipeline.metadata.types import restore_hint
from pipeline.metadata.writer import rewrite_moved_uris
from pipeline.orchestration import partial_run
from pipeline.orchestration.resume import current_manifest
from pipeline.provenance import manifest, manifest_diff, numeric_variables
from pipeline.provenance.manifest import Manifest
from pipeline.provenance.manifest_diff import Difference
from pipeline.registry import superseded
from pipeline_config import LOCAL_RUNNER, Configuration, EngineConfig

SCRATCH = "scratch"  # folder of the root with the separate root
_NO_NODE_FAILED = (ExitCode.DONE, ExitCode.GATE_FAILED)


def recorded_manifest(pipeline: Pipeline, root: Root, store: Store, run_id: str) -> Manifest:
    """Return the manifest of a run.

    Raises:
      NotFoundError: there is none.
      UnavailableError: its digest is not the recorded one.
    """
    recorded = manifest.read(root.path, run_id, pipeline)
    path = manifest.path_of(root.path, run_id)
    if file_digests.of_file(path) != store.run_properties(run_id).get(MANIFEST_DIGEST):
        raise UnavailableError(
            f"{path} does not have the digest recorded for run {run_id}: put the original file back, or start a new "
            "run with `sae run`"
        )
    return recorded


def environment_differences(pipeline: Pipeline, recorded: Manifest) -> tuple[Difference, ...]:
    """Compare a manifest with the present data, code, packages and machine. Raises `UnavailableError` without data."""
    return tuple(manifest_diff.differences(recorded, current_manifest(pipeline, recorded), pipeline.configuration))


def engine_of(recorded: Manifest) -> EngineConfig:
    """Return the settings of the engine in a manifest."""
    common = {name: value for name, value in recorded.configuration.items() if name in Configuration.settings()}
    engine: EngineConfig = settings.of_values(common, Configuration).engine
    return engine


def ignored_variables(recorded: Manifest) -> dict[str, str]:
    """Return the variables of this process, with their values, that have no effect on a rerun."""
    return numeric_variables.ignored(os.environ, engine_of(recorded))


@contextlib.contextmanager
def scratch(root: Root, run_id: str) -> Iterator[Root]:
    """Yield an empty root for a rerun, and remove it afterwards, with those of killed processes. Needs the lock."""
    folder = root.path / SCRATCH
    shutil.rmtree(folder, ignore_errors=True)
    place = folder / f"{run_id}-{os.getpid()}"
    place.mkdir(parents=True)
    try:
        yield Root(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rerun(
    pipeline: Pipeline,
    root: Root,
    store: Store,
    recorded: Manifest,
    place: Root,
    from_node: str,
    to_node: str,
    workers: int,
    variables: Mapping[str, str],
) -> str:
    """Rerun in a child process, which ends with this one; return the id of the new run.

    Args:
      pipeline: of the run.
      root, store: of the original run.
      recorded: its manifest.
      place: root of the rerun; the inputs of the part are copied there.
      from_node, to_node: first and last node of the part; empty for all nodes on that side.
      workers: number of Beam workers.
      variables: environment variables of the child process.

    Raises:
      NotFoundError: an input of the part is missing.
      SaeError: a node failed.
    """
    like = place.path / "manifest.json"
    atomic_file.write(like, manifest.to_json(recorded))
    command = [sys.executable, "-m", "pipeline", *pipeline.options, "run", "--json", "--no-cache", "--like", str(like)]
    command += ["--profile", recorded.profile, "--root", str(place.path), "--set", f"engine.beam_workers={workers}"]
    # Results do not depend on the runner, and a cluster may neither be there nor see the separate root.
    command += ["--set", f"engine.runner={LOCAL_RUNNER}"]
    if from_node or to_node:
        _, needed = partial_run.nodes_of(pipeline, from_node, to_node)
        if needed:
            copy_inputs(root, store, recorded.run_id, needed, place)
            command += ["--base", recorded.run_id]
        command += ["--from-node", from_node] if from_node else []
        command += ["--to-node", to_node] if to_node else []
    left_out = {settings.ROOT_VARIABLE, *ignored_variables(recorded)}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment = parent_process.environment({**environment, "PYTHONPATH": python_path(), **variables})
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=place.path, env=environment, check=False)
    try:
        summary: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        summary = {}
    if done.returncode not in _NO_NODE_FAILED or not summary:
        code = done.returncode
        how = f"was killed by {signal_name(-code)}" if code < 0 else f"exited with {code}"
        reason = summary.get("error") or f"`sae run` {how}"
        failed = UnavailableError if code == ExitCode.ENVIRONMENT else SaeError
        raise failed(f"the rerun of run {recorded.run_id} failed: {reason}")
    return str(summary["run_id"])


def copy_inputs(root: Root, store: Store, run_id: str, needed: list[str], place: Root) -> None:
    """Copy the metadata store and the outputs of these nodes to another root, with the paths of that root."""
    place.path.mkdir(exist_ok=True)
    found = root_store.of(root)
    if reason := found.copy_to(place.metadata):
        raise UnavailableError(f"{found.name} cannot be copied to {place.metadata}: {reason}; {FREE_SPACE}")
    root.copy_record_to(place)
    # Here, because a run there would say that its root was moved, and that the list of superseded models was missing.
    rewrite_moved_uris(place)
    superseded.rebuild(place, store)
    executions = store.executions(run_id)
    if missing := [name for name in needed if name not in executions]:
        raise NotFoundError(f"run {run_id} has no {', '.join(missing)}: rerun the whole run, or use another run")
    for name in needed:
        for key, output in store.outputs(executions[name].id).items():
            if output.deleted:
                raise NotFoundError(f"{name}'s {key} of run {run_id} was {output.deleted}: {restore_hint(output.id)}")
            folder = pathlib.Path(output.uri)
            if folder.is_relative_to(root.path) and folder.is_dir():
                shutil.copytree(folder, place.path / folder.relative_to(root.path), dirs_exist_ok=True)
