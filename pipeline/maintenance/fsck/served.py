"""Compare the versions in the serving folder with the models that were pushed, byte by byte."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping

from components.push import serving_dir
from pipeline.core import file_digests
from pipeline.core.pipeline_root import Root
from pipeline.maintenance.fsck import files
from pipeline.maintenance.fsck.findings import Checked, Finding, FindingKind
from pipeline.metadata.properties import FILES
from pipeline.metadata.store import Store
from pipeline.registry import superseded, versions
from pipeline.registry.versions import Push

_SERVED = files.Messages("has other bytes than in the pushed model", "is not in the pushed model")


def findings(
    root: Root, store: Store, pushes: Mapping[int, Push], last: Push | None, checked: Checked
) -> Iterator[Finding]:
    """Yield the differences between the versions in the serving folder and the pushed models.

    Args:
      root, store: to check.
      pushes: the newest push of each version, by version.
      last: the last push: it made the highest version, so its model must be served.
      checked: counts what is read.
    """
    try:
        folders = serving_dir.versions(root.serving)
    except OSError as error:
        yield files.unreadable(root.serving, error)
        return
    served = max(folders, default=-1)
    if last is not None and served < last.version:
        lost = root.serving / str(last.version)
        instead = f"version {served} is served instead" if folders else "nothing is served"
        yield Finding(FindingKind.SERVED, f"{lost}, the last pushed model, is missing: {instead}", str(lost))
    for number, folder in folders.items():
        push = pushes.get(number)
        if push is not None:
            yield from _compare(folder, push, number == served, store, checked)
        else:
            sentence = f"{folder} is a version in the serving folder, but ML Metadata contains no push of it"
            yield Finding(FindingKind.ORPHANED, sentence, str(folder))


def superseded_list(root: Root, store: Store) -> Iterator[Finding]:
    """Yield why a run could push a model that a decision replaced."""
    if problem := superseded.problem(root, store):
        sentence = f"{problem}; the next `sae run`, `promote` or `rollback` rebuilds it from ML Metadata"
        path = str(serving_dir.superseded_file(root.serving))
        yield Finding(FindingKind.SUPERSEDED, sentence, path)


def _compare(folder: pathlib.Path, push: Push, is_served: bool, store: Store, checked: Checked) -> Iterator[Finding]:
    try:
        pushed = _pushed_files(push, store, folder)
    except (ValueError, OSError) as error:
        sentence = f"{folder} cannot be compared with the pushed model: {error}"
        yield Finding(FindingKind.UNVERIFIED, sentence, str(folder), push.artifact)
        return
    for fault in files.compare(folder, pushed, _SERVED, checked):
        # An earlier version is not served, but a rollback may serve it.
        kind = FindingKind.SERVED if is_served and fault.kind != FindingKind.UNREADABLE else fault.kind
        yield dataclasses.replace(fault, kind=kind, artifact=push.artifact)


def _pushed_files(push: Push, store: Store, version: pathlib.Path) -> file_digests.Files:
    """Return the files of the pushed model, by their names in the version. Raises `ValueError` or `OSError`."""
    known = versions.run_and_model(store, push)
    if known is None:
        raise ValueError("ML Metadata does not contain that model")
    _, model = known
    if FILES in model.properties:
        files.recorded_files(model.properties)  # checks them
        found, *earlier = versions.served_files(model)
        if earlier:  # the model may have been pushed before it was restored with other bytes
            held = file_digests.of_folder(version).items()
            found = max(
                (found, *earlier), key=lambda one: sum((name, state.digest) in held for name, state in one.items())
            )
    else:
        found = file_digests.scan(pathlib.Path(model.uri) / serving_dir.MODEL)
    if not found:
        raise ValueError(f"artifact {model.id} has no files in {serving_dir.MODEL}")
    return found
