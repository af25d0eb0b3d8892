"""Makes a run, or a part of it, again from its manifest, in a root of its own: for `sae verify` and `sae restore`."""

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

from pipeline.core import file_digests, settings
from pipeline.core.errors import ExitCode, NotFoundError, SaeError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.core.project import PROJECT
from pipeline.definition.spec import Pipeline
from pipeline.metadata import sqlite
from pipeline.metadata.properties import MANIFEST_DIGEST
from pipeline.metadata.store import Store
from pipeline.metadata.types import restore_hint
from pipeline.orchestration import partial_run
from pipeline.orchestration.resume import current_manifest
from pipeline.provenance import manifest, manifest_diff
from pipeline.provenance.manifest import Manifest
from pipeline.provenance.manifest_diff import Difference

SCRATCH = "scratch"  # folder of the root that holds it
_NO_NODE_FAILED = (ExitCode.DONE, ExitCode.GATE_FAILED)
_MOST_SHOWN = 5  # differences of a group; another line of TFX has hundreds of other packages


def manifest_of(pipeline: Pipeline, root: Root, store: Store, run_id: str) -> Manifest:
    """The manifest of a run, which must be the one that it noted.

    Raises:
      NotFoundError: there is none.
      UnavailableError: it is another one.
    """
    recorded = manifest.read(root.path, run_id, pipeline)
    path = manifest.path_of(root.path, run_id)
    if file_digests.of_file(path) != store.run_properties(run_id).get(MANIFEST_DIGEST):
        raise UnavailableError(f"{path} is not the manifest that the run noted: restore it, or make the run again")
    return recorded


def differences(pipeline: Pipeline, recorded: Manifest) -> tuple[Difference, ...]:
    """What is not here and now as it was recorded. Raises `UnavailableError` where the data is no longer there."""
    return tuple(manifest_diff.differences(recorded, current_manifest(pipeline, recorded), pipeline.configuration))


def surroundings_text(run_id: str, found: tuple[Difference, ...]) -> list[str]:
    """What is not here as it was recorded, and what follows from that."""
    if not any(difference.matters for difference in found):
        return [f"run {run_id}: code, data, configuration, packages and processor are as recorded"]
    lines = [f"run {run_id}: not all is here as it was recorded"]
    for group in manifest_diff.Group:
        of_group = [difference for difference in found if difference.group == group and difference.matters]
        shown = of_group[:_MOST_SHOWN]
        lines += [f"  {group.value}: {one.field}: {one.old} -> {one.new} ({one.effect})" for one in shown]
        if len(of_group) > len(shown):
            lines.append(f"  {group.value}: and {len(of_group) - len(shown)} more")
    return lines


@contextlib.contextmanager
def scratch(root: Root, run_id: str) -> Iterator[Root]:
    """A root to make the run again in, removed afterwards. Under the lock: what a killed process left goes too."""
    place = root.path / SCRATCH
    shutil.rmtree(place, ignore_errors=True)
    folder = place / f"{run_id}-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield Root(folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def make(
    pipeline: Pipeline,
    root: Root,
    store: Store,
    recorded: Manifest,
    place: Root,
    from_node: str,
    to_node: str,
    workers: int,
    surroundings: Mapping[str, str],
) -> str:
    """Runs in a process of its own; returns the id of the run.

    Args:
      pipeline: of the run.
      root, store: of the run that is made again.
      recorded: its manifest.
      place: where it is made again; what the part reads is copied there.
      from_node, to_node: the part to make; empty for the whole on that side.
      workers: of Beam.
      surroundings: variables of the process's environment.

    Raises:
      NotFoundError: an input of the part is not there.
      SaeError: a node failed.
    """
    like = place.path / "manifest.json"
    like.write_text(manifest.to_json(recorded), encoding="utf-8")
    command = [sys.executable, "-m", "pipeline", *(["--pipeline", pipeline.location] if pipeline.location else [])]
    command += ["run", "--json", "--no-cache", "--like", str(like)]
    command += ["--profile", recorded.profile, "--root", str(place.path), "--set", f"engine.beam_workers={workers}"]
    if from_node or to_node:
        _, needed = partial_run.nodes_of(pipeline, from_node, to_node)
        if needed:
            copy_inputs(root, store, recorded.run_id, needed, place)
            command += ["--base", recorded.run_id]
        command += ["--from-node", from_node] if from_node else []
        command += ["--to-node", to_node] if to_node else []
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    environment = {name: value for name, value in os.environ.items() if name != settings.ROOT_VARIABLE}
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=place.path,
        env={**environment, "PYTHONPATH": path, **surroundings},
        check=False,
    )
    try:
        summary: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        summary = {}
    if done.returncode not in _NO_NODE_FAILED or not summary:
        reason = summary.get("error") or f"`sae run` ended with {done.returncode}"
        raise SaeError(f"run {recorded.run_id} could not be made again: {reason}")
    return str(summary["run_id"])


def copy_inputs(root: Root, store: Store, run_id: str, needed: list[str], place: Root) -> None:
    """Copies what a node read; the other root is then like one that was moved there."""
    place.path.mkdir(exist_ok=True)
    if reason := sqlite.copy_in_child(root.metadata, place.metadata):  # this process has it open
        raise UnavailableError(f"{root.metadata} cannot be copied: {reason}")
    shutil.copy2(root.path / "root.json", place.path / "root.json")
    executions = store.executions(run_id)
    missing = [name for name in needed if name not in executions]
    if missing:
        raise NotFoundError(f"run {run_id} has no {', '.join(missing)}: make the whole run again, or another one")
    for name in needed:
        for key, output in store.outputs(executions[name].id).items():
            if output.deleted:
                advice = restore_hint(output.id)
                raise NotFoundError(f"{name}'s {key} of run {run_id} was {output.deleted}: {advice}")
            folder = pathlib.Path(output.uri)
            if folder.is_relative_to(root.path) and folder.is_dir():
                target = place.path / folder.relative_to(root.path)
                shutil.copytree(folder, target, dirs_exist_ok=True)
