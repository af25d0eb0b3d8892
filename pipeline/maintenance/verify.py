"""`sae verify RUN`: rerun a run in a clean environment, and compare every artifact with the recorded one.

The rerun uses the recorded manifest, a separate root, and another hash seed, time zone and number of Beam workers.
With --node, only that node runs, on its recorded inputs. Nodes that depend on earlier pushes are not compared.
"""

from __future__ import annotations

import dataclasses
import enum
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from components import atomic_file
from pipeline.core import file_digests, root_lock, serialization
from pipeline.core.errors import ExitCode, SaeError, UsageError
from pipeline.core.pipeline_root import Root, stamp
from pipeline.core.text import counted
from pipeline.definition.spec import Pipeline
from pipeline.maintenance import rerun
from pipeline.metadata import references, root_store, run_properties
from pipeline.metadata.properties import MODEL_DIGEST, RAW_DIGEST
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import recovery
from pipeline.provenance import manifest, numeric_variables
from pipeline.provenance.manifest import Manifest
from pipeline.provenance.manifest_diff import Difference, Group

_VERDICT_FILE = "verdict.json"
_Outputs = Mapping[tuple[str, str], Artifact]  # of a run, by node and output key


class ArtifactVerdict(str, enum.Enum):
    """Result of the comparison of an artifact."""

    IDENTICAL = "identical bytes"
    SAME = "same content, other bytes"
    DIFFERENT = "different"


class IncompleteError(SaeError):
    """The run did not succeed, so it does not have all its results."""

    exit_code = ExitCode.GATE_FAILED


@dataclasses.dataclass(frozen=True)
class ArtifactComparison:
    """A recorded artifact, compared with the regenerated one.

    Attributes:
      artifact_id: of the recorded one, in ML Metadata.
      recorded, again: content digests.
      difference: the first difference; empty if the content is the same.
    """

    node: str
    output: str
    artifact_id: int
    verdict: ArtifactVerdict
    recorded: str
    again: str
    difference: str


@dataclasses.dataclass(frozen=True)
class Verification:
    """Result of a verification.

    Attributes:
      verified: whether the content of all artifacts is the same.
      run_id: the verified run.
      node: the only node that was rerun; empty: all.
      surroundings: differences of the environment from the recorded one.
      changed: what the rerun changed on purpose.
      artifacts: the compared outputs.
    """

    verified: bool
    run_id: str
    node: str
    surroundings: tuple[Difference, ...]
    changed: tuple[str, ...]
    artifacts: tuple[ArtifactComparison, ...]

    @property
    def next_step(self) -> str:
        """What to do if it is not verified; empty if that is not known."""
        return "" if self.verified else _remedy(self.surroundings)


def _remedy(surroundings: Sequence[Difference]) -> str:
    """Return how to verify with the recorded code; empty if it is that."""
    effects = [one.effect for one in surroundings if one.group == Group.CODE]  # each ends with what to do
    remedies = "; ".join(dict.fromkeys(effect.rpartition(": ")[2] for effect in effects))
    return f"the code is not that of the run: {remedies}, then verify again" if remedies else ""


def verify(
    pipeline: Pipeline,
    root: Root,
    wanted: str,
    node: str,
    note: Callable[[str], None],
    note_environment: Callable[[str, tuple[Difference, ...]], None],
) -> Verification:
    """Rerun a run, compare, and record the verdict in ML Metadata.

    Args:
      pipeline: of the run.
      root: of the run.
      wanted: a run id, its unique beginning, or `latest`.
      node: the node to rerun on its recorded inputs; empty for the whole run.
      note: called with each line of progress.
      note_environment: called with the run's id and the differences of the environment, before the rerun.

    Raises:
      NotFoundError: no such run, node or manifest.
      UsageError: the node depends on earlier pushes.
      IncompleteError: the run, or the node, did not succeed.
      LockedError: a run is in progress.
      UnavailableError: the data set is gone.
      SaeError: the rerun failed.
    """
    node = references.find_node(node, pipeline.names, "--node") if node else ""
    if node and pipeline.by_name[node].depends_on_history:
        raise UsageError(
            f"--node {node}: its result depends on earlier pushes, which no rerun can reproduce; "
            f"use one of {', '.join(one.name for one in pipeline.nodes if not one.depends_on_history)}"
        )
    store = open_store(root, read_only=True)
    run_id = store.find_run(wanted)
    _check_complete(pipeline, root, store, run_id, node)
    recorded = rerun.recorded_manifest(pipeline, root, store, run_id)
    differences = rerun.environment_differences(pipeline, recorded)
    note_environment(run_id, differences)
    with root_store.lock(root), rerun.scratch(root, run_id) as scratch:
        for text in recovery.close_killed_runs(root, open_store(root)).values():
            note(text)
        workers = 2 if recorded.engine.workers == 1 else 1
        changed = (
            f"in the folder {scratch.path}",
            f"with {counted(workers, 'Beam worker')} instead of {recorded.engine.workers}",
            "with another hash seed and time zone",
        )
        note(f"rerunning {node or 'all nodes'} {', '.join(changed)}")
        note(numeric_variables.notice(rerun.ignored_variables(recorded)))
        variables = {"PYTHONHASHSEED": "20261", "TZ": "Pacific/Kiritimati"}
        try:
            new_run = rerun.rerun(pipeline, root, store, recorded, scratch, node, node, workers, variables)
        except SaeError as error:
            if remedy := _remedy(differences):
                raise type(error)(f"{error}; {remedy}") from error
            raise
        ours, theirs = store.outputs_of_run(run_id), open_store(scratch).outputs_of_run(new_run)
        names = [node] if node else [one.name for one in pipeline.nodes if not one.depends_on_history]
        artifacts = tuple(_compare(pipeline, names, ours, theirs, root, recorded))
        verified = all(one.verdict != ArtifactVerdict.DIFFERENT for one in artifacts)
        found = Verification(verified, run_id, node, differences, changed, artifacts)
        _record(root, found)
    return found


def _check_complete(pipeline: Pipeline, root: Root, store: Store, run_id: str, node: str) -> None:
    """Raise `IncompleteError` if the run, or the node if one is named, has no results to compare."""
    properties = store.run_properties(run_id)
    state = run_properties.headline_of(properties).state
    if state == "succeeded":
        return
    if not state and (holder := root_lock.holder(root.lock_file)) and holder.run in ("", run_id):
        return  # in progress: the lock is refused below
    executions = store.executions(run_id)
    done = {name for name, one in executions.items() if one.has_succeeded}
    missing = [name for name in ([node] if node else pipeline.names) if name not in done]
    if not missing and (node or state != "failed"):  # killed before its end was recorded
        return
    nodes = f"{', '.join(missing) or 'no node'} did not succeed"
    ended = {"cancelled": "was interrupted", "failed": "failed"}.get(state or "", "was killed")
    next_step = run_properties.options_of(properties).next_step(run_id, manifest.path_of(root.path, run_id))
    raise IncompleteError(
        f"run {run_id} is incomplete: it {ended}, and {nodes}; {next_step}, then verify it; "
        "`sae verify RUN --node NODE` verifies one node that succeeded"
    )


def _compare(
    pipeline: Pipeline, names: list[str], ours: _Outputs, theirs: _Outputs, root: Root, recorded: Manifest
) -> Iterator[ArtifactComparison]:
    same: dict[str, str] = {}  # recorded content digests of artifacts with the same content, by the regenerated digest
    for name in names:
        for key in pipeline.by_name[name].outputs:
            if (name, key) not in ours:
                continue
            one, other = ours[name, key], theirs.get((name, key))
            if other is not None and MODEL_DIGEST in other.properties:
                # A newer version of the fingerprint gives the same model another digest: compare with the recorded one.
                model = str(other.properties[MODEL_DIGEST])
                other = dataclasses.replace(
                    other, properties={**other.properties, MODEL_DIGEST: same.get(model, model)}
                )
            verdict, difference = _verdict(one, other, root, recorded)
            again = other.content if other else ""
            if verdict != ArtifactVerdict.DIFFERENT:
                same[again] = one.content
            yield ArtifactComparison(name, key, one.id, verdict, one.content, again, difference)


def _verdict(one: Artifact, other: Artifact | None, root: Root, recorded: Manifest) -> tuple[ArtifactVerdict, str]:
    """Return the verdict, and the first difference."""
    if other is None:
        return ArtifactVerdict.DIFFERENT, "the rerun has no such output"
    if not one.content:
        return ArtifactVerdict.DIFFERENT, "it was published without a content digest"
    if one.content == other.content:
        same_bytes = one.properties.get(RAW_DIGEST) == other.properties.get(RAW_DIGEST)
        return ArtifactVerdict.IDENTICAL if same_bytes else ArtifactVerdict.SAME, ""
    if one.files is not None and (damage := file_digests.damage(pathlib.Path(one.uri), one.files)):
        return ArtifactVerdict.DIFFERENT, f"the content differs; the first difference is not known, because {damage}"
    difference = _first_difference(one, other, root, recorded)
    # Without a difference, two versions of the fingerprint made the digests.
    return ArtifactVerdict.DIFFERENT if difference else ArtifactVerdict.SAME, difference


def _first_difference(one: Artifact, other: Artifact, root: Root, recorded: Manifest) -> str:
    from pipeline.orchestration import imports, process_setup  # imports TensorFlow: only needed if something differs

    process_setup.set_environment(root, rerun.engine_of(recorded))
    with process_setup.output_to(root.temporary / "libraries.log"):  # not on the terminal
        with imports.heavy_imports():
            from pipeline.artifacts import fingerprints, types

        first, second = (
            types.StoredArtifact(output.type, pathlib.Path(output.uri), output.properties) for output in (one, other)
        )
        return fingerprints.first_difference(first, second)


def _record(root: Root, found: Verification) -> None:
    """Record the verdict as an artifact that is linked to the run and to the compared artifacts."""
    name = f"{found.run_id}-{stamp()}"
    folder = root.path / "verifications" / name
    number = 1
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{name}-{number}")
    folder.mkdir(parents=True)
    atomic_file.write(folder / _VERDICT_FILE, serialization.document(found) + "\n")
    MetadataWriter(root).record_verification(
        found.run_id,
        folder,
        [compared.artifact_id for compared in found.artifacts],
        {"verified": int(found.verified), "node": found.node, "compared": len(found.artifacts)},
    )
