"""Which run `sae resume` goes on with, and whether it may: only with the code, configuration, packages and data that
the run began with does it end as it would have ended unbroken.
"""

from __future__ import annotations

import dataclasses

from pipeline.core import file_digests
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.metadata import run_properties
from pipeline.metadata.properties import MANIFEST_DIGEST
from pipeline.metadata.run_properties import RunOptions, options_of
from pipeline.metadata.store import Store
from pipeline.provenance import cache_key, manifest, manifest_diff
from pipeline.provenance.manifest import Manifest

_OPEN = ("failed", "cancelled")  # states of runs that can be gone on with
_MOST_SHOWN = 3  # differences told; another line of TFX has hundreds of other packages


@dataclasses.dataclass(frozen=True)
class Resumable:
    """A run that can be gone on with."""

    run_id: str
    recorded: Manifest
    asked: RunOptions


def find(pipeline: Pipeline, root: Root, store: Store, wanted: str) -> Resumable:
    """The run to go on with. Those that broke off must have been closed before.

    Args:
      root: where it is.
      store: its store.
      wanted: a run id, the beginning of one, or `latest`; empty for the newest that failed or was interrupted.

    Raises:
      NotFoundError: no such run, or its manifest is gone.
      UsageError: it succeeded, or ran a part.
      UnavailableError: code, configuration, packages, machine or data are not what they were; says what changed.
    """
    run_id = store.find_run(wanted) if wanted else _newest(root, store)
    properties = store.run_properties(run_id)
    state = run_properties.headline_of(properties).state
    again = f"`sae run --like {manifest.path_of(root.path, run_id)}`"
    if state == "succeeded":
        raise UsageError(f"run {run_id} succeeded, there is nothing left of it to do: {again} makes it again")
    asked = options_of(properties)
    if asked.part:
        raise UsageError(
            f"run {run_id} ran a part ({asked.part}), and only whole runs are gone on with: {asked.next_step(run_id)}"
        )
    recorded = manifest.read(root.path, run_id, pipeline)
    path = manifest.path_of(root.path, run_id)
    if file_digests.of_file(path) != properties.get(MANIFEST_DIGEST):
        raise UnavailableError(
            f"{path} is not the manifest that run {run_id} noted, so what it was made from is not known: restore it, "
            "or start anew with `sae run`"
        )
    found = [
        one
        for one in manifest_diff.differences(recorded, _here(pipeline, recorded), pipeline.configuration)
        if one.matters
    ]
    if found:
        said = "; ".join(f"{one.group.value}: {one.field}: {one.old} -> {one.new}" for one in found[:_MOST_SHOWN])
        more = f"; and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
        raise UnavailableError(
            f"run {run_id} cannot be gone on with, since it began there changed {said}{more}: {again} makes a new run "
            "with its settings, which takes over what still holds"
        )
    return Resumable(run_id, recorded, asked)


def _here(pipeline: Pipeline, recorded: Manifest) -> Manifest:
    """What it would be made from now, with the settings that this version has."""
    defaults = pipeline.configuration().recorded()
    configuration = {name: recorded.configuration.get(name, default) for name, default in defaults.items()}
    return dataclasses.replace(current_manifest(pipeline, recorded), configuration=configuration)


def current_manifest(pipeline: Pipeline, recorded: Manifest) -> Manifest:
    """The manifest of `recorded`'s configuration with the code, packages, data and machine that are here.

    Raises:
      UnavailableError: the data is no longer there.
    """
    return manifest.collect(
        run_id=recorded.run_id,
        command=(),
        profile=recorded.profile,
        configuration=recorded.configuration,
        data=pipeline.data.refresh(recorded.data),
        code=cache_key.code_of_nodes(pipeline.nodes),
        pipeline=pipeline,
    )


def _newest(root: Root, store: Store) -> str:
    for run_id in store.run_ids():
        if run_properties.headline_of(store.run_properties(run_id)).state in _OPEN:
            return run_id
    raise NotFoundError(
        f"no run in {root.path} failed or broke off: there is nothing to go on with; `sae runs` lists all"
    )
