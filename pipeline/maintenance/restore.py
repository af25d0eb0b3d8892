"""`sae restore ARTIFACT`: makes an artifact again whose bytes are gone or damaged, and puts it back in its place.

The node that made it runs again elsewhere, on the inputs that it had; where these are gone too, all nodes before it do.
Nothing is put back unless its content has the digest that was recorded.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from components import atomic_file
from pipeline.artifacts import previews
from pipeline.core import file_digests
from pipeline.core.errors import ExitCode, NotFoundError, SaeError, UnavailableError, UsageError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.maintenance import rerun
from pipeline.metadata.properties import RAW_DIGEST
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.orchestration import partial_run


class OtherContentError(SaeError):
    """What was made again is not what was recorded."""

    exit_code = ExitCode.GATE_FAILED


@dataclasses.dataclass(frozen=True)
class Restored:
    """An artifact that is in its place again.

    Attributes:
      artifact: id in ML Metadata.
      node, output: what it is.
      path: its place.
      content: digest of its content, as recorded and as made again.
      identical: whether its bytes are those that were published first; else its content alone is the same.
    """

    artifact: int
    node: str
    output: str
    path: str
    content: str
    identical: bool


@dataclasses.dataclass(frozen=True)
class Restoration:
    """What came of it.

    Attributes:
      run_id: the run that made the artifact first.
      restored: that artifact, and others that had to be made again for it.
    """

    run_id: str
    restored: tuple[Restored, ...]


@dataclasses.dataclass(frozen=True)
class _Lost:
    """An output of a run that is not there as it was published."""

    node: str
    key: str
    output: Artifact


def restore(pipeline: Pipeline, root: Root, artifact_id: int, tell: Callable[[str], None]) -> Restoration:
    """Makes an artifact again, with what it takes, and puts it back.

    Args:
      pipeline: of the run that made it.
      root: of the artifact.
      artifact_id: in ML Metadata.
      tell: is told, line by line, what is going on.

    Raises:
      NotFoundError: no node of a run made it, or that run has no manifest.
      UsageError: it is there, as it was published.
      UnavailableError: it has no digest, the data that the run read is no longer there, or it depends on what was
        served then.
      LockedError: a run holds the root.
      OtherContentError: it came out otherwise; nothing was changed.
      SaeError: a node failed.
    """
    store = open_store(root, read_only=True)
    run_id, node, key = _origin(pipeline, store, artifact_id)
    outputs = {name: store.outputs(execution.id) for name, execution in store.executions(run_id).items()}
    wanted = _Lost(node, key, outputs[node][key])
    _check(pipeline, root, wanted)
    recorded = rerun.manifest_of(pipeline, root, store, run_id)
    for line in rerun.surroundings_text(run_id, rerun.differences(pipeline, recorded)):
        tell(line)
    with root.lock(), rerun.scratch(root, run_id) as scratch:
        _, needed = partial_run.nodes_of(pipeline, node, node)
        before = [lost for name in needed for lost in _lost(name, outputs.get(name, {}))]
        for one in before:
            _check_restorable(pipeline, one)
        whole = bool(before) or any(name not in outputs for name in needed)
        for one in before:
            tell(f"{one.node}'s {one.key}, artifact {one.output.id}, is gone as well, and made again first")
        tell(f"making {node} again{' and what comes before it' if whole else ' on the inputs that it had'}")
        made = rerun.make(
            pipeline, root, store, recorded, scratch, "" if whole else node, node, recorded.engine.workers, {}
        )
        found = _made(open_store(scratch), made)
        lost = [*before, *_lost(node, outputs[node])]
        pairs = [(one, _same(one, found.get((one.node, one.key)), run_id)) for one in lost]
        restored = tuple(_put_back(root, scratch, one, other) for one, other in pairs)
    return Restoration(run_id, restored)


def _origin(pipeline: Pipeline, store: Store, artifact_id: int) -> tuple[str, str, str]:
    """The run, the node and the output key that made an artifact first."""
    for execution in store.makers(artifact_id):
        run_id = store.owner(execution).run
        for name, one in store.executions(run_id).items() if run_id else ():
            if one.id == execution and one.state == NodeState.EXECUTED and name in pipeline.by_name:
                keys = {output.id: key for key, output in store.outputs(execution).items()}
                return run_id, name, keys[artifact_id]
    raise NotFoundError(
        f"artifact {artifact_id} was made by no node of a run in this root: what `sae promote` and `sae rollback` "
        "served, `sae promote RUN` serves again"
    )


def _check(pipeline: Pipeline, root: Root, wanted: _Lost) -> None:
    output = wanted.output
    what = f"{wanted.node}'s {wanted.key}, artifact {output.id}"
    if not output.content or output.files is None:
        raise UnavailableError(f"{what}, was published without digests, so nobody could tell whether it is the same")
    if not pathlib.Path(output.uri).is_relative_to(root.artifacts):
        raise UnavailableError(f"{what}, lies outside the artifacts of this root, in {output.uri}")
    _check_restorable(pipeline, wanted)
    if not _is_lost(output):
        raise UsageError(f"{what}, is there as it was published: there is nothing to restore")


def _check_restorable(pipeline: Pipeline, lost: _Lost) -> None:
    if not pipeline.by_name[lost.node].restorable:
        raise UnavailableError(
            f"{lost.node}'s {lost.key}, artifact {lost.output.id}, depends on what was served then, so it cannot be "
            "made again: the next run that needs one decides anew"
        )


def _lost(node: str, outputs: Mapping[str, Artifact]) -> Iterator[_Lost]:
    return (_Lost(node, key, output) for key, output in outputs.items() if _is_lost(output))


def _is_lost(output: Artifact) -> bool:
    damaged = output.files is not None and file_digests.damage(pathlib.Path(output.uri), output.files, all_bytes=True)
    return not output.live or bool(damaged)


def _made(store: Store, run_id: str) -> dict[tuple[str, str], Artifact]:
    return {
        (name, key): output
        for name, execution in store.executions(run_id).items()
        for key, output in store.outputs(execution.id).items()
    }


def _same(one: _Lost, other: Artifact | None, run_id: str) -> Artifact:
    """What was made again, if it is what was recorded."""
    if other is None or other.content != one.output.content:
        came = f"{other.content}, recorded is {one.output.content}" if other else "nothing"
        raise OtherContentError(
            f"{one.node}'s {one.key} of run {run_id} came out otherwise: {came}; nothing was restored, "
            f"`sae verify {run_id}` shows where it parts"
        )
    return other


def _put_back(root: Root, scratch: Root, one: _Lost, other: Artifact) -> Restored:
    """Moves what was made again to the artifact's place; marks it as there when it is."""
    place = pathlib.Path(one.output.uri)
    for made, target in _moves(root, scratch, pathlib.Path(other.uri), place):
        if os.path.lexists(target):  # what is damaged goes with the scratch root
            target.rename(scratch.path / f"replaced-{one.output.id}-{target.parts[-4]}")
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.replace(made, target)
    MetadataWriter(root).record_restored(one.output.id, other)
    return Restored(
        artifact=one.output.id,
        node=one.node,
        output=one.key,
        path=str(place),
        content=one.output.content,
        identical=one.output.properties.get(RAW_DIGEST) == other.properties.get(RAW_DIGEST),
    )


def _moves(
    root: Root, scratch: Root, made: pathlib.Path, place: pathlib.Path
) -> Sequence[tuple[pathlib.Path, pathlib.Path]]:
    """From where to where: the preview, which may be missing, then the artifact."""
    shown = previews.folder_of(scratch.path, str(made)), previews.folder_of(root.path, str(place))
    moves = [(made, place)]
    if shown[0] is not None and shown[1] is not None and shown[0].is_dir():
        moves.insert(0, (shown[0], shown[1]))
    return moves
