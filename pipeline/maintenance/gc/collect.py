"""What of a root may go, and its deletion: marked in ML Metadata first, then deleted.

A kill at any moment leaves nothing half done that the next call does not finish: what is marked and still there is
deleted then, and a served version leaves its name before its files go.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.maintenance import rerun
from pipeline.maintenance.fsck import orphans
from pipeline.maintenance.fsck.findings import FindingKind
from pipeline.maintenance.gc import policy as keeping
from pipeline.maintenance.gc import sizes
from pipeline.maintenance.gc.policy import Kept
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import versions
from pipeline_config import RetentionConfig

_MIB = 1 << 20
_PAGE = 100  # artifacts looked up at once


@dataclasses.dataclass(frozen=True)
class Victim:
    """An artifact whose bytes go.

    Attributes:
      id: in ML Metadata.
      type, node: TFX's name of its type, and what made it.
      run: that made it; empty where ML Metadata does not say.
      path: its folder.
      bytes: of its files and its preview.
      marked: whether it was marked before: a call that was killed got no further.
    """

    id: int
    type: str
    node: str
    run: str
    path: str
    bytes: int
    marked: bool = False


@dataclasses.dataclass(frozen=True)
class StoredOutput:
    """An output of one of our nodes, in this root.

    Attributes:
      id: in ML Metadata.
      type: TFX's name of its type.
      place: below the root's `artifacts`: `Trainer/model/17`.
      node: that made it.
      deleted: whether its bytes were deleted, or are about to be.
    """

    id: int
    type: str
    place: pathlib.PurePath
    node: str
    deleted: bool


@dataclasses.dataclass(frozen=True)
class LeftOver:
    """A folder that nothing names: half-written by a run that was cut off. `bytes`: of its files."""

    path: str
    bytes: int


@dataclasses.dataclass(frozen=True)
class DeletionPlan:
    """What may go, and what is kept.

    Attributes:
      kept: the runs and versions that stay.
      artifacts: whose bytes go, the oldest first.
      versions: numbers of the versions in the serving folder that go, the oldest first.
      own: ids of the artifacts whose places these are.
      left_over: what else goes.
      before, after: bytes by directory, as they are and as they will be.
      limit: bytes that the policy allows; 0: any number.
    """

    kept: Kept
    artifacts: tuple[Victim, ...]
    versions: tuple[int, ...]
    own: tuple[int, ...]
    left_over: tuple[LeftOver, ...]
    before: dict[str, int]
    after: dict[str, int]
    limit: int


def plan(pipeline: Pipeline, root: Root, store: Store, policy: RetentionConfig) -> DeletionPlan:
    """Looks at a root; nothing is written."""
    pushes = versions.pushes(store, root)
    # What nothing can make again stays: decisions of the push gate, which are small and tell of what was served.
    outputs = [one for one in _outputs_of_nodes(pipeline, root, store) if pipeline.by_name[one.node].restorable]
    stored = [one for one in outputs if not one.deleted or _is_there(root, one)]
    sized = {one.id: tuple(sizes.of_folder(parent / one.place) for parent in _places(root)) for one in stored}
    found = keeping.kept(root, store, policy, pushes)
    of_run = {run.id: _artifacts_of_run(store, run.id) for run in found.runs}
    before = sizes.by_directory(root.path)
    left_over = tuple(_left_over(root, store))
    known = {push.version for push in pushes}
    while True:
        ids = set().union(*(of_run[run.id] for run in found.runs))
        going = [one for one in stored if one.deleted or one.id not in ids]
        numbers = tuple(one for one in _versions(root) if one in known and one not in found.versions)
        after = dict(before)
        for name, size in _freed(root, going, sized, numbers, left_over):
            after[name] -= size
        fewer = keeping.without_oldest(found)
        if fewer is None or not policy.max_mib or sum(after.values()) <= policy.max_mib * _MIB:
            break
        found = fewer
    makers = _makers(store, [one.id for one in going])
    victims = tuple(
        Victim(
            one.id, one.type, one.node, makers.get(one.id, ""), str(root.artifacts / one.place),
            sum(sized[one.id]), one.deleted,
        )
        for one in sorted(going, key=lambda one: one.id)
    )  # fmt: skip
    own = tuple(push.artifact for push in pushes if push.own and push.version in numbers)
    return DeletionPlan(found, victims, numbers, own, left_over, before, after, policy.max_mib * _MIB)


def delete(root: Root, planned: DeletionPlan) -> None:
    """Deletes what was planned.

    Raises:
      OSError: something cannot be deleted; what is marked is deleted by the next call.
    """
    MetadataWriter(root).mark_deleted([*(one.id for one in planned.artifacts if not one.marked), *planned.own])
    for victim in planned.artifacts:
        place = pathlib.Path(victim.path).relative_to(root.artifacts)
        for parent in _places(root):
            _remove(parent / place)
    for version in planned.versions:
        # A server that looks in between sees the whole version or none.
        going = root.serving / f".deleted-{version}"
        _remove(going)
        (root.serving / str(version)).rename(going)
        _remove(going)
    for one in planned.left_over:
        _remove(pathlib.Path(one.path))


def _outputs_of_nodes(pipeline: Pipeline, root: Root, store: Store) -> list[StoredOutput]:
    """Every published artifact in its own place below `artifacts`."""
    found = (_stored(pipeline, root, one) for one in store.all_artifacts() if one.published)
    return [one for one in found if one is not None]


def _stored(pipeline: Pipeline, root: Root, artifact: Artifact) -> StoredOutput | None:
    path = pathlib.PurePath(artifact.uri)
    if not path.is_relative_to(root.artifacts):
        return None
    place = path.relative_to(root.artifacts)
    # Anything else below `artifacts` was not made by this pipeline.
    if len(place.parts) != 3 or place.parts[0] not in pipeline.by_name or ".." in place.parts:
        return None
    return StoredOutput(artifact.id, artifact.type, place, place.parts[0], artifact.state == "DELETED")


def _artifacts_of_run(store: Store, run_id: str) -> set[int]:
    """Ids of all artifacts that a run's executions read, made or reused."""
    context = store.run_context(run_id)
    executions = store.executions_of_run(context) if context else []
    return {event.artifact for event in store.events_of_executions([one.id for one in executions])}


def _makers(store: Store, artifact_ids: Sequence[int]) -> dict[int, str]:
    """The runs that made artifacts, by the artifact's id."""
    found: dict[int, str] = {}
    for first in range(0, len(artifact_ids), _PAGE):
        artifacts = store.artifacts_by_id(artifact_ids[first : first + _PAGE])
        found.update((number, maker.owner.run) for number, maker in store.makers_of(artifacts).items())
    return found


def _remove(path: pathlib.Path) -> None:
    """Deletes a folder or a file; nothing where nothing is."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _places(root: Root) -> tuple[pathlib.Path, pathlib.Path]:
    """Where an artifact and its preview are, in folders alike."""
    return root.artifacts, root.previews


def _is_there(root: Root, one: StoredOutput) -> bool:
    return any(os.path.lexists(parent / one.place) for parent in _places(root))


def _versions(root: Root) -> list[int]:
    if not root.serving.is_dir():
        return []
    return sorted(int(path.name) for path in root.serving.iterdir() if path.name.isdecimal() and path.is_dir())


def _left_over(root: Root, store: Store) -> Iterator[LeftOver]:
    """Half-written outputs, as `sae fsck` finds them, deleted versions, and the scratch root of what was killed."""
    for finding in orphans.findings(root, store):
        # What is no output of a node may be a user's.
        if finding.kind == FindingKind.ORPHANED and finding.output and pathlib.Path(finding.path).name.isdecimal():
            yield LeftOver(finding.path, sizes.of_folder(pathlib.Path(finding.path)))
    places = [*root.serving.glob(".deleted-*"), root.serving / ".unfinished", root.path / rerun.SCRATCH]
    for place in places:
        if place.exists():
            yield LeftOver(str(place), sizes.of_folder(place))


def _freed(
    root: Root,
    going: Iterable[StoredOutput],
    sized: Mapping[int, tuple[int, ...]],
    versions: Iterable[int],
    left_over: Iterable[LeftOver],
) -> Iterator[tuple[str, int]]:
    """Names of directories, and bytes that go in each."""
    for one in going:
        for parent, size in zip(_places(root), sized[one.id], strict=True):
            if size:
                yield parent.name, size
    for version in versions:
        yield root.serving.name, sizes.of_folder(root.serving / str(version))
    for left in left_over:
        yield pathlib.Path(left.path).relative_to(root.path).parts[0], left.bytes
