"""`sae restore ARTIFACT`: regenerate an artifact whose bytes are missing or corrupted, and put it back.

The node that made it runs again in a separate root on its recorded inputs; if these are missing too, all upstream nodes
run. Nothing is put back unless every content digest is the recorded one.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence

from components import atomic_file
from pipeline.artifacts import previews
from pipeline.core import file_digests, unfinished_folder
from pipeline.core.errors import ExitCode, NotFoundError, SaeError, UnavailableError, UsageError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.maintenance import rerun
from pipeline.metadata import root_store
from pipeline.metadata.properties import RAW_DIGEST
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import partial_run
from pipeline.provenance import numeric_variables
from pipeline.provenance.manifest_diff import Difference


class OtherContentError(SaeError):
    """A regenerated artifact has another content digest than the recorded one."""

    exit_code = ExitCode.GATE_FAILED


@dataclasses.dataclass(frozen=True)
class Restored:
    """A restored artifact.

    Attributes:
      artifact: its id in ML Metadata.
      path: its folder.
      content: its content digest.
      identical: whether the bytes are those that were published first, not only the content.
    """

    artifact: int
    node: str
    output: str
    path: str
    content: str
    identical: bool


@dataclasses.dataclass(frozen=True)
class Restoration:
    """The run that made the artifact, and the restored artifacts: that one, and others that its node needs or makes."""

    run_id: str
    restored: tuple[Restored, ...]


@dataclasses.dataclass(frozen=True)
class _Output:
    """An output of the run."""

    node: str
    key: str
    artifact: Artifact

    def __str__(self) -> str:
        return f"{self.node}'s {self.key}, artifact {self.artifact.id},"

    @property
    def is_lost(self) -> bool:
        """Return whether it is deleted, out of use or damaged."""
        one = self.artifact
        return not one.live or (
            one.files is not None and bool(file_digests.damage(pathlib.Path(one.uri), one.files, all_bytes=True))
        )


def restore(
    pipeline: Pipeline,
    root: Root,
    artifact_id: int,
    note: Callable[[str], None],
    note_environment: Callable[[str, tuple[Difference, ...]], None],
) -> Restoration:
    """Regenerate an artifact, and its missing inputs, and put them back.

    Args:
      pipeline: of the run that made it.
      root: of the artifact.
      artifact_id: in ML Metadata.
      note: called with each line of progress.
      note_environment: called with the run's id and the differences of the environment, before the rerun.

    Raises:
      NotFoundError: no node of a run made it, or that run has no manifest.
      UsageError: it is undamaged.
      UnavailableError: it has no content digest, the data set is gone, or its node depends on earlier pushes.
      LockedError: a run is in progress.
      OtherContentError: the content differs; nothing was changed.
      SaeError: a node failed.
    """
    store = open_store(root, read_only=True)
    run_id, node, key = _origin(pipeline, store, artifact_id)
    outputs = [_Output(*names, one) for names, one in store.outputs_of_run(run_id).items()]
    _check(pipeline, root, next(one for one in outputs if (one.node, one.key) == (node, key)))
    recorded = rerun.recorded_manifest(pipeline, root, store, run_id)
    note_environment(run_id, rerun.environment_differences(pipeline, recorded))
    with root_store.lock(root), rerun.scratch(root, run_id) as scratch:
        _, upstream = partial_run.nodes_of(pipeline, node, node)
        lost_inputs = [one for one in outputs if one.node in upstream and one.is_lost]
        for one in lost_inputs:
            _check_restorable(pipeline, one)
            note(f"{one} is missing too, and is regenerated first")
        whole = bool(lost_inputs) or not set(upstream) <= store.executions(run_id).keys()
        note(f"rerunning {node} {'and all upstream nodes' if whole else 'on its recorded inputs'}")
        note(numeric_variables.notice(rerun.ignored_variables(recorded)))
        first, workers = "" if whole else node, recorded.engine.workers
        new_run = rerun.rerun(pipeline, root, store, recorded, scratch, first, node, workers, {})
        made = open_store(scratch).outputs_of_run(new_run)
        lost = [*lost_inputs, *(one for one in outputs if one.node == node and one.is_lost)]
        pairs = [(one, _checked(one, made.get((one.node, one.key)), run_id)) for one in lost]
        restored = tuple(_put_back(root, scratch, one, other) for one, other in pairs)
    return Restoration(run_id, restored)


def _origin(pipeline: Pipeline, store: Store, artifact_id: int) -> tuple[str, str, str]:
    """Return the run, the node and the output key that made an artifact."""
    for execution in store.makers(artifact_id):
        run_id = store.owner(execution).run
        for name, one in store.executions(run_id).items() if run_id else ():
            if one.id == execution and one.state == NodeState.EXECUTED and name in pipeline.by_name:
                keys = {output.id: key for key, output in store.outputs(execution).items()}
                return run_id, name, keys[artifact_id]
    raise NotFoundError(
        f"no node of a run in this root made artifact {artifact_id}; serve a promoted version again with "
        "`sae promote RUN --reason TEXT`"
    )


def _check(pipeline: Pipeline, root: Root, output: _Output) -> None:
    artifact = output.artifact
    if not artifact.content or artifact.files is None:
        raise UnavailableError(f"{output} was published without digests, so a regenerated one cannot be checked")
    if not pathlib.Path(artifact.uri).is_relative_to(root.artifacts):
        raise UnavailableError(f"{output} is outside the artifact folder of this root, in {artifact.uri}")
    _check_restorable(pipeline, output)
    if not output.is_lost:
        raise UsageError(f"{output} is undamaged: there is nothing to restore")


def _check_restorable(pipeline: Pipeline, output: _Output) -> None:
    if not pipeline.by_name[output.node].restorable:
        raise UnavailableError(
            f"{output} depends on earlier pushes, so it cannot be regenerated; a new run decides again: `sae run`"
        )


def _checked(one: _Output, other: Artifact | None, run_id: str) -> Artifact:
    """Return the regenerated artifact. Raises `OtherContentError` if its content digest is not the recorded one."""
    recorded = one.artifact.content
    if other is None or other.content != recorded:
        regenerated = f"{other.content}, recorded is {recorded}" if other else "nothing"
        raise OtherContentError(
            f"the rerun of {one.node} made another {one.key} than run {run_id}: {regenerated}; nothing was restored; "
            f"find the first difference with `sae verify {run_id}`"
        )
    return other


def _put_back(root: Root, scratch: Root, one: _Output, other: Artifact) -> Restored:
    """Move a regenerated artifact into place, then mark it as live."""
    place = pathlib.Path(one.artifact.uri)
    for made, target in _moves(root, scratch, pathlib.Path(other.uri), place):
        if os.path.lexists(target):  # damaged files are removed with the scratch root
            _move(target, scratch.path / f"replaced-{one.artifact.id}-{target.parts[-4]}")
        target.parent.mkdir(parents=True, exist_ok=True)
        _move(made, target)
    MetadataWriter(root).record_restored(one.artifact.id, other)
    identical = one.artifact.properties.get(RAW_DIGEST) == other.properties.get(RAW_DIGEST)
    return Restored(one.artifact.id, one.node, one.key, str(place), one.artifact.content, identical)


def _move(source: pathlib.Path, target: pathlib.Path) -> None:
    """Move a folder; it appears at once, also if a link in the root leads to another disk."""
    try:
        atomic_file.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with unfinished_folder.create(target) as unfinished:
            shutil.copytree(source, unfinished, symlinks=True, dirs_exist_ok=True)
            atomic_file.replace(unfinished, target)
        shutil.rmtree(source)


def _moves(
    root: Root, scratch: Root, made: pathlib.Path, place: pathlib.Path
) -> Sequence[tuple[pathlib.Path, pathlib.Path]]:
    """Return sources and targets: the preview, if there is one, then the artifact."""
    source, target = previews.folder_of(scratch.path, str(made)), previews.folder_of(root.path, str(place))
    moves = [(made, place)]
    if source is not None and target is not None and source.is_dir():
        moves.insert(0, (source, target))
    return moves
