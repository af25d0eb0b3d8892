"""`sae verify RUN`: makes a run again, elsewhere and in other surroundings, and compares what came out.

It is made again from its manifest, in a root of its own, with another hash seed, time zone and number of Beam workers:
none of that may change a result. With a node named, that node alone runs again, on the inputs that it had. Whether the
model was pushed is not compared: that depends on what was served then, which no other root holds.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping

from pipeline.core import file_digests, serialization, settings
from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root, stamp
from pipeline.core.text import counted
from pipeline.definition.spec import Pipeline
from pipeline.maintenance import rerun
from pipeline.metadata.properties import MODEL_DIGEST, RAW_DIGEST
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import partial_run, recovery
from pipeline.provenance import manifest_diff
from pipeline.provenance.manifest import Manifest
from pipeline_config import Configuration

VERDICT_FILE = "verdict.json"


class ArtifactVerdict(str, enum.Enum):
    """How an artifact came out."""

    IDENTICAL = "identical bytes"
    SAME = "same content, other bytes"
    DIFFERENT = "different"


@dataclasses.dataclass(frozen=True)
class ArtifactComparison:
    """One artifact, and the one that was made again.

    Attributes:
      artifact_id: of the first, in ML Metadata.
      recorded, again: digests of their content.
      difference: where they part, in words; empty when the content is the same.
    """

    node: str
    output: str
    artifact_id: int
    verdict: ArtifactVerdict
    recorded: str
    again: str
    difference: str = ""


@dataclasses.dataclass(frozen=True)
class Verification:
    """What came of it.

    Attributes:
      verified: whether the content of all artifacts is the same.
      run_id: the run that was made again.
      node: the node that alone was made again; empty: all.
      surroundings: what is not here as it was recorded, and what that does to the claim.
      changed: what was made otherwise on purpose.
      artifacts: each output that was compared.
    """

    verified: bool
    run_id: str
    node: str
    surroundings: tuple[manifest_diff.Difference, ...]
    changed: tuple[str, ...]
    artifacts: tuple[ArtifactComparison, ...]


def verify(pipeline: Pipeline, root: Root, wanted: str, node: str, tell: Callable[[str], None]) -> Verification:
    """Makes a run again, compares, and records the verdict in ML Metadata.

    Args:
      pipeline: of the run.
      root: where the run is.
      wanted: a run id, the beginning of one, or `latest`.
      node: the node to make again on its recorded inputs; empty for the whole run.
      tell: is told, line by line, what is going on.

    Raises:
      NotFoundError: no such run, node or manifest.
      UsageError: what the node makes depends on what was served then.
      LockedError: a run holds the root.
      UnavailableError: the data is no longer there.
      SaeError: the run could not be made again.
    """
    partial_run.check_node(pipeline, "--node", node)
    if node and pipeline.by_name[node].depends_on_history:
        raise UsageError(
            f"--node {node}: what it decides depends on what was served then, so it is recorded, not made again; "
            f"one of {', '.join(one.name for one in pipeline.nodes if not one.depends_on_history)}"
        )
    store = open_store(root, read_only=True)
    run_id = store.find_run(wanted)
    recorded = rerun.manifest_of(pipeline, root, store, run_id)
    differences = rerun.differences(pipeline, recorded)
    for line in rerun.surroundings_text(run_id, differences):
        tell(line)
    with root.lock(), rerun.scratch(root, run_id) as scratch:
        for killed_run in recovery.close_killed_runs(root, open_store(root)):
            tell(str(killed_run))
        workers = 2 if recorded.engine.workers == 1 else 1
        changed = (
            f"in the folder {scratch.path}",
            f"with {counted(workers, 'Beam worker')} for {recorded.engine.workers}",
            "with another hash seed and time zone",
        )
        tell(f"making {node or 'all of it'} again {', '.join(changed)}")
        surroundings = {"PYTHONHASHSEED": "20261", "TZ": "Pacific/Kiritimati"}
        made = rerun.make(pipeline, root, store, recorded, scratch, node, node, workers, surroundings)
        artifacts = tuple(_compare(pipeline, root, store, run_id, open_store(scratch), made, node, recorded))
        verified = all(one.verdict != ArtifactVerdict.DIFFERENT for one in artifacts)
        found = Verification(verified, run_id, node, differences, changed, artifacts)
        _record(root, found)
    return found


def _compare(
    pipeline: Pipeline,
    root: Root,
    store: Store,
    run_id: str,
    other: Store,
    made: str,
    node: str,
    recorded: Manifest,
) -> Iterator[ArtifactComparison]:
    ours, theirs = store.executions(run_id), other.executions(made)
    same: dict[str, str] = {}  # content digests, made again and recorded, of artifacts found to be the same
    for name in (
        [node] if node else [one.name for one in pipeline.nodes if one.name in ours and not one.depends_on_history]
    ):
        before = store.outputs(ours[name].id) if name in ours else {}
        after = other.outputs(theirs[name].id) if name in theirs else {}
        for key in pipeline.by_name[name].outputs:
            if key in before:
                compared = _compare_artifacts(name, key, before[key], _about(after.get(key), same), root, recorded)
                if compared.verdict != ArtifactVerdict.DIFFERENT:
                    same[compared.again] = compared.recorded
                yield compared


def _about(output: Artifact | None, same: Mapping[str, str]) -> Artifact | None:
    """With the digest of the model that it is about as it was recorded, where the model is the same.

    There are two digests where a later version of the fingerprint made the second one.
    """
    if output is None or MODEL_DIGEST not in output.properties:
        return output
    model = str(output.properties[MODEL_DIGEST])
    return dataclasses.replace(output, properties={**output.properties, MODEL_DIGEST: same.get(model, model)})


def _compare_artifacts(
    node: str, key: str, one: Artifact, other: Artifact | None, root: Root, recorded: Manifest
) -> ArtifactComparison:
    def verdict(kind: ArtifactVerdict, difference: str = "") -> ArtifactComparison:
        return ArtifactComparison(node, key, one.id, kind, one.content, other.content if other else "", difference)

    if other is None:
        return verdict(ArtifactVerdict.DIFFERENT, "it was not made again")
    if not one.content:
        return verdict(ArtifactVerdict.DIFFERENT, "it was published without a content digest")
    if one.content == other.content:
        same_bytes = one.properties.get(RAW_DIGEST) == other.properties.get(RAW_DIGEST)
        return verdict(ArtifactVerdict.IDENTICAL if same_bytes else ArtifactVerdict.SAME)
    if one.files is not None and (damage := file_digests.damage(pathlib.Path(one.uri), one.files)):
        return verdict(ArtifactVerdict.DIFFERENT, f"its content is another one; where cannot be said, as {damage}")
    difference = _first_difference(one, other, root, recorded)
    if not difference:  # the forms were of two versions
        return verdict(ArtifactVerdict.SAME)
    return verdict(ArtifactVerdict.DIFFERENT, difference)


def _first_difference(one: Artifact, other: Artifact, root: Root, recorded: Manifest) -> str:
    from pipeline.orchestration import process_setup  # and TensorFlow: only where something differs

    common = {name: value for name, value in recorded.configuration.items() if name in Configuration.settings()}
    process_setup.set_environment(root, settings.of_values(common, Configuration).engine)
    with process_setup.output_to(pathlib.Path(os.devnull)):  # what the libraries say while they are loaded
        with process_setup.heavy_imports():
            from pipeline.artifacts import fingerprints, types

        first, second = (
            types.StoredArtifact(output.type, pathlib.Path(output.uri), output.properties) for output in (one, other)
        )
        return fingerprints.first_difference(first, second)


def _record(root: Root, found: Verification) -> None:
    """Keeps the verdict as an artifact in ML Metadata, linked to the run and to what was compared."""
    when = stamp()
    place = root.path / "verifications"
    names = (f"{found.run_id}-{when}", *(f"{found.run_id}-{when}-{number}" for number in range(2, 1000)))
    folder = next(place / name for name in names if not (place / name).exists())
    folder.mkdir(parents=True)
    (folder / VERDICT_FILE).write_text(serialization.document(found) + "\n", encoding="utf-8")
    MetadataWriter(root).record_verification(
        found.run_id,
        folder,
        [compared.artifact_id for compared in found.artifacts],
        {"verified": int(found.verified), "node": found.node, "compared": len(found.artifacts)},
    )
