"""Find the run that `sae resume` resumes, and check that its inputs are unchanged.

A resumed run has the result of an uninterrupted one only if code, configuration, packages, machine and data are the
same.
"""

from __future__ import annotations

import dataclasses

from pipeline.core import file_digests, shell
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.metadata import run_properties, sweep_trigger
from pipeline.metadata.properties import MANIFEST_DIGEST
from pipeline.metadata.run_properties import RunOptions, options_of
from pipeline.metadata.store import Store
from pipeline.provenance import cache_key, manifest, manifest_diff
from pipeline.provenance.manifest import Manifest

_RESUMABLE_STATES = ("failed", "cancelled")
_MAX_LISTED = 3  # listed in the error; another TFX version has hundreds of other packages


def find(pipeline: Pipeline, root: Root, store: Store, wanted: str) -> tuple[Manifest, RunOptions]:
    """Return the manifest and the options of the run to resume. Killed runs must have been closed before.

    Args:
      pipeline: the pipeline of the run.
      root: the root of the run.
      store: its store.
      wanted: a run id, its unique beginning, or `latest`; empty: the newest run, which must have failed or been
        interrupted. Points of sweeps do not count.

    Raises:
      NotFoundError: there is no such run, or its manifest is missing.
      UsageError: the run succeeded, or ran only a part of the pipeline; or `wanted` is empty and the newest succeeded.
      UnavailableError: code, configuration, packages, machine or data changed since the run began; names the changes.
    """
    run_id = store.find_run(wanted) if wanted else _newest(root, store)
    properties = store.run_properties(run_id)
    path = manifest.path_of(root.path, run_id)
    rerun = f"`sae run --like {shell.quoted(str(path))}`"
    if run_properties.headline_of(properties).state == "succeeded":
        raise UsageError(f"run {run_id} succeeded, so there is nothing to resume; {rerun} reruns it")
    options = options_of(properties)
    if options.part:
        raise UsageError(
            f"run {run_id} ran a part ({options.part}), and only whole runs can be resumed; "
            f"{options.next_step(run_id, path)}"
        )
    recorded = manifest.read(root.path, run_id, pipeline)
    if file_digests.of_file(path) != properties.get(MANIFEST_DIGEST):
        raise UnavailableError(
            f"{path} is not the manifest that run {run_id} recorded, so its inputs are not known; restore the file, "
            "or start a new run with `sae run`"
        )
    defaults = pipeline.configuration().recorded()
    configuration = {name: recorded.configuration.get(name, default) for name, default in defaults.items()}
    here = dataclasses.replace(current_manifest(pipeline, recorded), configuration=configuration)
    changes = [one for one in manifest_diff.differences(recorded, here, pipeline.configuration) if one.matters]
    if changes:
        listed = [f"{one.group.value}: {one.field}: {one.old} -> {one.new}" for one in changes[:_MAX_LISTED]]
        listed += [f"and {len(changes) - _MAX_LISTED} more"] if len(changes) > _MAX_LISTED else []
        raise UnavailableError(
            f"run {run_id} cannot be resumed, because its inputs changed since it began: {'; '.join(listed)}; {rerun} "
            "starts a new run with its settings and reuses the results that are still valid"
        )
    return recorded, options


def current_manifest(pipeline: Pipeline, recorded: Manifest) -> Manifest:
    """Return the manifest that a run with `recorded`'s configuration and data set would have here and now.

    Raises:
      UnavailableError: the data set is missing.
    """
    found = manifest.collect(
        run_id=recorded.run_id,
        command=(),
        profile=recorded.profile,
        # An earlier version may not have had a setting that the description of the engine needs.
        configuration={**pipeline.configuration().recorded(), **recorded.configuration},
        data=pipeline.data.refresh(recorded.data),
        code=cache_key.code_of_nodes(pipeline.nodes),
        pipeline=pipeline,
    )
    return dataclasses.replace(found, configuration=recorded.configuration)


def _newest(root: Root, store: Store) -> str:
    """Return the newest run that failed or was interrupted, unless a newer one succeeded."""
    newer = ""
    for run_id in store.run_ids():
        found = run_properties.headline_of(store.run_properties(run_id))
        if sweep_trigger.parse(found.trigger or "") is not None:  # which only its sweep continues
            continue
        if found.state == "succeeded":
            newer = newer or run_id
        elif found.state in _RESUMABLE_STATES:
            if newer:  # the model of the older run could replace the newer one's
                raise UsageError(
                    f"the newest run, {newer}, succeeded; the newest that did not is older: `sae resume {run_id}` "
                    "resumes it"
                )
            return run_id
    raise NotFoundError(f"no run in {root.path} failed or was interrupted, so there is nothing to resume (`sae runs`)")
