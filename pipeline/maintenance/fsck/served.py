"""Compare the served model with the last pushed one, byte by byte."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

from components.push import serving_dir
from pipeline.core import file_digests
from pipeline.core.pipeline_root import Root
from pipeline.maintenance.fsck import files
from pipeline.maintenance.fsck.findings import Checked, Finding, FindingKind
from pipeline.metadata.properties import EARLIER_FILES, FILES
from pipeline.metadata.store import Store
from pipeline.registry import versions
from pipeline.registry.versions import Push

_MODEL_INPUT = "model"  # key under which a Pusher reads what it pushes
_SERVED = files.Messages("has other bytes than in the pushed model", "is not in the pushed model")


def findings(root: Root, store: Store, push: Push | None, checked: Checked) -> Iterator[Finding]:
    """Yield the differences between the served version and the pushed model.

    Args:
      root, store: to check.
      push: the last push: it made the highest version, so its model must be served.
      checked: counts what is read.
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
        yield Finding(FindingKind.SERVED, f"{lost}, the last pushed model, is missing: {instead}", str(lost))
    elif newest is not None and push is not None and served == push.version:
        yield from _compare(newest, push, store, checked)
    elif newest is not None:
        sentence = f"{newest} is the newest model in the serving folder, but ML Metadata contains no push of it"
        yield Finding(FindingKind.ORPHANED, sentence, str(newest))


def _compare(newest: pathlib.Path, push: Push, store: Store, checked: Checked) -> Iterator[Finding]:
    try:
        pushed = _pushed_files(push.artifact, store, newest)
    except (ValueError, OSError) as error:
        sentence = f"{newest} cannot be compared with the pushed model: {error}"
        yield Finding(FindingKind.UNVERIFIED, sentence, str(newest), push.artifact)
        return
    for fault in files.compare(newest, pushed, _SERVED, checked):
        kind = FindingKind.UNREADABLE if fault.kind == FindingKind.UNREADABLE else FindingKind.SERVED
        yield dataclasses.replace(fault, kind=kind, artifact=push.artifact)


def _pushed_files(artifact_id: int, store: Store, newest: pathlib.Path) -> file_digests.Files:
    """Return the files of the pushed model, by their names in the version. Raises `ValueError` or `OSError`.

    Cached executions read the same content, so the first execution that has the model is enough.
    """
    model = next((store.inputs(execution).get(_MODEL_INPUT) for execution in store.makers(artifact_id)), None)
    if model is None:
        raise ValueError("ML Metadata does not contain that model")
    folder = f"{serving_dir.MODEL}/"
    if FILES in model.properties:
        recorded = files.recorded_files(model.properties)
        found = {name[len(folder) :]: state for name, state in recorded.items() if name.startswith(folder)}
        if EARLIER_FILES in model.properties:  # the model may have been pushed before it was restored with other bytes
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
