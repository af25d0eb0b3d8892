"""The model that is served: whether it is the last one that was pushed, byte by byte."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

from components.push import serving_dir
from pipeline.core import file_digests
from pipeline.core.pipeline_root import Root
from pipeline.core.text import is_number
from pipeline.maintenance.fsck import files
from pipeline.maintenance.fsck.findings import Checked, Finding, FindingKind
from pipeline.metadata.properties import EARLIER_FILES, FILES, PUSHED_MODEL
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact
from pipeline.registry import versions

_MODEL_INPUT = "model"  # key under which a Pusher reads what it pushes
_WORDS = files.Words("holds other bytes than in the model that was pushed", "is not in the model that was pushed")


@dataclasses.dataclass(frozen=True)
class LastPush:
    """A push to the root's serving folder.

    Attributes:
      version: under which the model is served.
      artifact: id of the pushed model in ML Metadata.
    """

    version: int
    artifact: int


def push_of(artifact: Artifact, root: Root, store: Store) -> LastPush | None:
    """The push that an artifact tells of; None where it tells of none, or of one to another folder."""
    notes = artifact.properties
    if not artifact.live or artifact.type != PUSHED_MODEL or not notes.get(serving_dir.PUSHED):
        return None
    destination = pathlib.Path(store.current_path(str(notes.get(serving_dir.PUSHED_DESTINATION, ""))))
    version = str(notes.get(serving_dir.PUSHED_VERSION, destination.name))
    is_here = is_number(version) and destination == root.serving / version
    return LastPush(int(version), artifact.id) if is_here else None


def findings(root: Root, store: Store, push: LastPush | None, checked: Checked) -> Iterator[Finding]:
    """The newest model in the serving folder against the model that it is a copy of.

    Args:
      root, store: where to look.
      push: the last one. It made the highest version, so that its model is what must be served.
      checked: is told what was read.
    """
    try:
        newest = serving_dir.newest_version(root.serving)
    except OSError as error:
        yield files.unreadable(root.serving, error)
        return
    served = -1 if newest is None else int(newest.name)
    if push is not None and served < push.version:
        lost = root.serving / str(push.version)
        instead = f"version {newest.name} is served instead" if newest else "nothing is served"
        yield Finding(FindingKind.SERVED, f"{lost}, the last model that was pushed, is missing: {instead}", str(lost))
    elif newest is not None and push is not None and served == push.version:
        yield from _compare(newest, push, store, checked)
    elif newest is not None:
        sentence = f"{newest} is the newest model in the serving folder, but ML Metadata knows of no push to it"
        yield Finding(FindingKind.ORPHANED, sentence, str(newest))


def _compare(newest: pathlib.Path, push: LastPush, store: Store, checked: Checked) -> Iterator[Finding]:
    try:
        pushed = _pushed_files(push.artifact, store, newest)
    except (ValueError, OSError) as error:
        sentence = f"{newest} cannot be compared with the model that was pushed: {error}"
        yield Finding(FindingKind.UNVERIFIED, sentence, str(newest), push.artifact)
        return
    for fault in files.compare(newest, pushed, _WORDS, checked):
        kind = FindingKind.UNREADABLE if fault.kind == FindingKind.UNREADABLE else FindingKind.SERVED
        yield dataclasses.replace(fault, kind=kind, artifact=push.artifact)


def _pushed_files(artifact_id: int, store: Store, newest: pathlib.Path) -> file_digests.Files:
    """Files of the model that a push copied, by their names in the copy.

    Raises:
      ValueError, OSError: they are not known.
    """
    # All that a cached execution reads is the same by content, so that the first one speaks for all.
    model = next((store.inputs(execution).get(_MODEL_INPUT) for execution in store.makers(artifact_id)), None)
    if model is None:
        raise ValueError("ML Metadata does not say which one that was")
    folder = f"{serving_dir.MODEL}/"
    if FILES in model.properties:
        noted = files.noted(model.properties)
        found = {name[len(folder) :]: state for name, state in noted.items() if name.startswith(folder)}
        if EARLIER_FILES in model.properties:  # was it pushed before the model was restored with other bytes?
            held = file_digests.of_folder(newest).items()
            found = max(
                versions.served_files(model),
                key=lambda one: sum((name, state.digest) in held for name, state in one.items()),
            )
    else:
        found = file_digests.scan(pathlib.Path(model.uri) / serving_dir.MODEL)
    if not found:
        raise ValueError(f"artifact {model.id} has no files in {serving_dir.MODEL}")
    return found
