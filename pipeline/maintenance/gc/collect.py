"""Select and delete the bytes of artifacts that a policy does not keep.

Artifacts are marked in ML Metadata first, then deleted, and a served version loses its name before its files: after a
kill the next call deletes what was marked. Previews and leftovers are deleted before: a mark needs space on the disk.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
import shutil
import stat
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from components import int64
from components.push import serving_dir
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.maintenance import left_over, rerun
from pipeline.maintenance.fsck import orphans
from pipeline.maintenance.fsck.findings import FindingKind
from pipeline.maintenance.gc import policy as retention
from pipeline.maintenance.gc.policy import KeptRun, Reason
from pipeline.metadata import replaced_stores
from pipeline.metadata.client import FullDiskError
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import versions
from pipeline_config import RetentionConfig

_MIB = 1 << 20
_PAGE = 100  # artifacts per query
_REPLACED_STORES = 3  # that are kept, of each cause: before a restore, and before the root was moved
_ROOT_FILES = "files of the root"  # files directly in the root, mostly ML Metadata


@dataclasses.dataclass(frozen=True)
class Victim:
    """An artifact whose bytes are deleted.

    Attributes:
      id: in ML Metadata.
      type: its type's name in TFX.
      node, run: that made it; `run` is empty if ML Metadata does not contain it.
      path: its folder.
      bytes: of its files and its preview.
      marked: whether an earlier call that was killed had marked it.
    """

    id: int
    type: str
    node: str
    run: str
    path: str
    bytes: int
    marked: bool


@dataclasses.dataclass(frozen=True)
class LeftOver:
    """A file or folder that a killed process or a replaced store left, and no artifact names. `bytes`: of its files."""

    path: str
    bytes: int


@dataclasses.dataclass(frozen=True)
class Directory:
    """A directory of the root, or the files beside them. `freed`: of its bytes, those that are deleted."""

    name: str
    bytes: int
    freed: int


@dataclasses.dataclass(frozen=True)
class Collected:
    """What is kept, and what is or would be deleted.

    Attributes:
      root: its folder.
      deleted: False for a dry run.
      bytes: of the root, before.
      freed: bytes deleted.
      limit: bytes that the policy allows; 0: any number.
      kept: the runs whose artifacts are kept, newest first.
      artifacts: whose bytes are deleted, oldest first.
      versions: deleted versions in the serving folder, oldest first.
      left_over: deleted files and folders of killed processes, and stores that were replaced.
      contradictions: why folders that no artifact names are kept; empty if they are not.
      newest: number of newest runs that the policy keeps.
    """

    root: str
    deleted: bool
    bytes: int
    freed: int
    limit: int
    directories: tuple[Directory, ...]
    kept: tuple[KeptRun, ...]
    artifacts: tuple[Victim, ...]
    versions: tuple[int, ...]
    left_over: tuple[LeftOver, ...]
    contradictions: tuple[str, ...]
    newest: int

    def reason_text(self, reason: Reason) -> str:
        """Return why a run is kept, in words."""
        return f"among the newest {self.newest}" if reason == Reason.NEWEST else reason.value

    @property
    def too_large(self) -> bool:
        """Return whether the kept artifacts take more than the policy allows."""
        return 0 < self.limit < self.bytes - self.freed


def plan(
    pipeline: Pipeline, root: Root, store: Store, policy: RetentionConfig, *, is_written: bool = False
) -> Collected:
    """Return what a policy deletes; write nothing.

    Args:
      is_written: whether another process holds the lock of the root: what it has not finished is not left over.
    """
    pushes = versions.pushes(store, root)
    candidates: list[Victim] = []
    uris: set[str] = set()
    for artifact in store.all_artifacts():
        if artifact.published:
            uris.add(artifact.uri)
            candidates += filter(None, [_candidate(pipeline, root, artifact)])
    sizes = {one.id: {folder.parts[-4]: _size(folder) for folder in _folders(root, one)} for one in candidates}
    kept = retention.kept(root, store, policy, pushes)
    of_run = {run.id: _artifacts_of_run(store, run.id) for run in kept.runs}
    before = _sizes_by_directory(root.path)
    contradictions = retention.contradictions(root, store, pushes)
    orphaned = () if contradictions or is_written else _orphaned(root, store, uris)
    leftovers = tuple(_left_over(root, orphaned, is_written))
    pushed = {push.version for push in pushes}.intersection(serving_dir.versions(root.serving))
    while True:
        kept_ids = set().union(*(of_run[run.id] for run in kept.runs))
        victims = [one for one in candidates if one.marked or one.id not in kept_ids]
        deleted_versions = sorted(pushed - kept.versions)
        freed = collections.Counter[str]()
        for one in victims:
            freed.update(sizes[one.id])
        freed[root.serving.name] += sum(_size(root.serving / str(version)) for version in deleted_versions)
        for folder in leftovers:
            place = pathlib.Path(folder.path).relative_to(root.path)
            freed[place.parts[0] if place.parts[0] in before else _ROOT_FILES] += folder.bytes
        fewer = retention.without_oldest(kept)
        size = sum(before.values()) - freed.total()
        if fewer is None or not policy.max_mib or size <= policy.max_mib * _MIB:
            break
        kept = fewer
    runs = _runs(store, [one.id for one in victims])
    return Collected(
        root=str(root.path),
        deleted=False,
        bytes=sum(before.values()),
        freed=freed.total(),
        limit=policy.max_mib * _MIB,
        directories=tuple(Directory(name, size, freed[name]) for name, size in before.items()),
        kept=kept.runs,
        artifacts=tuple(
            dataclasses.replace(one, run=runs.get(one.id, ""), bytes=sum(sizes[one.id].values())) for one in victims
        ),
        versions=tuple(deleted_versions),
        left_over=leftovers,
        contradictions=contradictions,
        newest=policy.runs,
    )


def delete(root: Root, store: Store, planned: Collected) -> Collected:
    """Delete what was planned.

    Raises:
      OSError: something cannot be deleted; the next call deletes what was marked.
    """
    # On a full disk these make space for the marks.
    for left in planned.left_over:
        _remove(pathlib.Path(left.path))
    for victim in planned.artifacts:
        _remove(_folders(root, victim)[1])
    in_place = [push.artifact for push in versions.pushes(store, root) if push.own and push.version in planned.versions]
    _mark(root, planned.artifacts, in_place)
    for victim in planned.artifacts:
        for path in _folders(root, victim):
            _remove(path)
    for version in planned.versions:
        # A server sees the whole version or none.
        renamed = root.serving / f".deleted-{version}"
        _remove(renamed)
        (root.serving / str(version)).rename(renamed)
        _remove(renamed)
    return dataclasses.replace(planned, deleted=True)


def _mark(root: Root, victims: Sequence[Victim], in_place: Sequence[int]) -> None:
    """Mark artifacts in ML Metadata; on a full disk, delete the largest ones first, as many as the marks need.

    After a kill in between, the next call marks them: artifacts without files are victims like others.
    """
    wanted = [*(one.id for one in victims if not one.marked), *in_place]
    largest = sorted(victims, key=lambda one: one.bytes)
    while True:
        try:
            MetadataWriter(root).mark_deleted(wanted)  # a client that failed keeps its transaction open
        except FullDiskError:
            if not largest:
                raise
            for path in _folders(root, largest.pop()):
                _remove(path)
        else:
            return


def _candidate(pipeline: Pipeline, root: Root, artifact: Artifact) -> Victim | None:
    """Return a restorable output of this pipeline's nodes that is in the root; None: it cannot be regenerated."""
    path = pathlib.PurePath(artifact.uri)
    if not path.is_relative_to(root.artifacts) or ".." in path.parts:
        return None
    place = path.relative_to(root.artifacts).parts  # NODE/OUTPUT/EXECUTION, for outputs of nodes
    if len(place) != 3 or place[0] not in pipeline.by_name or not pipeline.by_name[place[0]].restorable:
        return None
    found = Victim(artifact.id, artifact.type, place[0], "", str(path), 0, artifact.state == "DELETED")
    return found if not found.marked or any(map(os.path.lexists, _folders(root, found))) else None


def _folders(root: Root, one: Victim) -> list[pathlib.Path]:
    """Return the folders of an artifact and of its preview."""
    place = pathlib.Path(one.path).relative_to(root.artifacts)
    return [root.artifacts / place, root.previews / place]


def _artifacts_of_run(store: Store, run_id: str) -> set[int]:
    """Return the ids of all inputs and outputs of a run's executions."""
    executions = store.executions_of_run(store.run_context(run_id))
    return {event.artifact for event in store.events_of_executions([one.id for one in executions])}


def _runs(store: Store, artifact_ids: Sequence[int]) -> dict[int, str]:
    """Return the run that made each artifact, by the artifact's id."""
    found: dict[int, str] = {}
    for first in range(0, len(artifact_ids), _PAGE):
        artifacts = store.artifacts_by_id(artifact_ids[first : first + _PAGE])
        found.update((number, maker.owner.run) for number, maker in store.makers_of(artifacts).items())
    return found


def _remove(path: pathlib.Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _orphaned(root: Root, store: Store, uris: Container[str]) -> Iterator[pathlib.Path]:
    """Yield half-written outputs, as `sae fsck` finds them; `uris`: of all published artifacts."""
    for finding in orphans.findings(root, store, uris.__contains__):
        # Anything that is not the output of a node may be a user's file.
        path = pathlib.Path(finding.path)
        if finding.kind == FindingKind.ORPHANED and finding.output and int64.parsed(path.name) is not None:
            yield path


def _left_over(root: Root, orphaned: Iterable[pathlib.Path], is_written: bool) -> Iterator[LeftOver]:
    """Yield half-written outputs, other files of killed processes, and replaced stores."""
    places = [*orphaned]
    if not is_written:
        places += [root.path / rerun.SCRATCH, *left_over.if_unlocked(root)]
    places += left_over.of_killed_processes(root)
    for cause in replaced_stores.Cause:
        for store_file in replaced_stores.paths(root, cause)[_REPLACED_STORES:]:
            places += [store_file, *root.path.glob(f"{store_file.name}-[wjs]*")]  # SQLite's files beside it
    inside = set(places)
    for place in dict.fromkeys(places):
        if place.exists() and inside.isdisjoint(place.parents):
            yield LeftOver(str(place), _size(place))


def _size(path: pathlib.Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 if there is none. Links are not followed."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    if not stat.S_ISDIR(found.st_mode):
        return found.st_size
    with os.scandir(path) as entries:
        return sum(_size(pathlib.Path(entry.path)) for entry in entries)


def _sizes_by_directory(root: pathlib.Path) -> Mapping[str, int]:
    """Return the bytes of each directory in a root, by name, then those of the files beside them.

    A link in the root to a folder elsewhere, such as on another disk, counts as that folder.
    """
    entries, inside = sorted(root.iterdir()), root.resolve()
    real = {path: path.resolve() for path in entries if path.is_dir()}
    folders = {path: place for path, place in real.items() if not path.is_symlink() or not place.is_relative_to(inside)}
    beside = sum(_size(path) for path in entries if path not in folders)
    return {**{path.name: _size(place) for path, place in folders.items()}, _ROOT_FILES: beside}
