"""Compare files on the disk with those recorded in ML Metadata, byte by byte."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import stat
from collections.abc import Iterator, Mapping

from components.errors import cause_text
from pipeline.core import file_digests
from pipeline.core.text import counted
from pipeline.maintenance.fsck.findings import Checked, Finding, FindingKind
from pipeline.metadata.properties import FILES, OUT_OF_USE, RAW_DIGEST
from pipeline.metadata.types import Artifact


@dataclasses.dataclass(frozen=True)
class Messages:
    """What to say of a file that changed, and of one that is not recorded."""

    changed: str
    unexpected: str


_ARTIFACT = Messages("has other bytes than when it was published", "did not exist when the artifact was published")


def artifact_findings(artifact: Artifact, checked: Checked) -> Iterator[Finding]:
    """Yield damage of an artifact, or that it is out of use or deleted."""
    if artifact.live:
        for fault in _damage(artifact, checked):
            yield dataclasses.replace(fault, artifact=artifact.id)
    elif artifact.deleted:
        left = "; files of it still exist: delete them with `sae gc --yes`" if os.path.lexists(artifact.uri) else ""
        yield Finding(FindingKind.DELETED, f"{artifact.uri}, {artifact.deleted}{left}", artifact.uri, artifact.id)
    elif artifact.published:
        reason = artifact.properties.get(OUT_OF_USE) or f"no reason is recorded, its state is {artifact.state}"
        yield Finding(FindingKind.OUT_OF_USE, f"{artifact.uri} is out of use: {reason}", artifact.uri, artifact.id)


def _damage(artifact: Artifact, checked: Checked) -> Iterator[Finding]:
    uri, folder = artifact.uri, pathlib.Path(artifact.uri)
    if not uri:
        yield Finding(FindingKind.MISSING, "ML Metadata has no URI of it")
    elif "://" in uri:
        yield Finding(FindingKind.UNVERIFIED, f"{uri} is not a local path, and was not checked", uri)
    elif not artifact.properties.keys() & {FILES, RAW_DIGEST}:
        sentence = f"{uri} has no digests: plain TFX or an older version of sae wrote it"
        yield _absence(folder) or Finding(FindingKind.UNVERIFIED, sentence, uri)
    else:
        try:
            recorded = recorded_files(artifact.properties)
        except ValueError as error:
            sentence = f"{uri} cannot be checked, its digests in ML Metadata are damaged: {error}"
            yield Finding(FindingKind.ALTERED, sentence, uri)
            yield from filter(None, [_absence(folder)])
            return
        if file_digests.of_files(recorded) != artifact.properties.get(RAW_DIGEST):
            sentence = f"{uri} has a {RAW_DIGEST} in ML Metadata that does not match its list of files there"
            yield Finding(FindingKind.ALTERED, sentence, uri)
        yield from compare(folder, recorded, _ARTIFACT, checked)


def _absence(path: pathlib.Path) -> Finding | None:
    """Return a finding if nothing is at a path, or it cannot be read."""
    try:
        return None if stat_of(path) else missing(path)
    except OSError as error:
        return unreadable(path, error)


def recorded_files(properties: Mapping[str, str | int | float]) -> file_digests.Files:
    """Return the files of an artifact as published. Raises `ValueError` if their record is damaged."""
    if FILES not in properties:
        raise ValueError("the list of files is missing")
    files = file_digests.from_text(str(properties[FILES]))
    outside = [name for name in files if pathlib.PurePosixPath(name).is_absolute() or ".." in name.split("/")]
    if outside:
        raise ValueError(f"the list contains a file outside the artifact, {outside[0]}")
    return files


def compare(folder: pathlib.Path, files: file_digests.Files, messages: Messages, checked: Checked) -> Iterator[Finding]:
    """Yield the differences between a folder and the record of its files."""
    try:
        found = stat_of(folder)
    except OSError as error:
        yield unreadable(folder, error)
        return
    if found is None or not stat.S_ISDIR(found.st_mode):
        yield Finding(FindingKind.MISSING, f"{folder} is {'not a folder' if found else 'missing'}", str(folder))
        return
    for name, state in sorted(files.items()):
        path = folder / name
        checked.files += 1
        try:
            yield from _compare_file(path, state, messages, checked)
        except OSError as error:
            yield unreadable(path, error)
    yield from _unexpected_files(folder, files, messages)


def _compare_file(
    path: pathlib.Path, state: file_digests.FileState, messages: Messages, checked: Checked
) -> Iterator[Finding]:
    found = stat_of(path)
    if found is None:
        yield missing(path)
    elif not stat.S_ISREG(found.st_mode):  # reading a pipe would block
        yield Finding(FindingKind.ALTERED, f"{path} is not a file", str(path))
    elif found.st_size != state.size:
        yield Finding(
            FindingKind.ALTERED, f"{path} has {counted(found.st_size, 'byte')} instead of {state.size:,}", str(path)
        )
    else:
        checked.bytes += found.st_size
        if file_digests.of_file(path) != state.digest:
            yield Finding(FindingKind.ALTERED, f"{path} {messages.changed}", str(path))


def _unexpected_files(folder: pathlib.Path, files: file_digests.Files, messages: Messages) -> Iterator[Finding]:
    """Yield files that are not recorded. Publication does not record pipes, sockets and devices either."""
    unreadable_folders: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=unreadable_folders.append):
        folders.sort()
        for name in sorted(names):
            path = pathlib.Path(place, name)
            try:
                if path.relative_to(folder).as_posix() not in files and path.is_file():
                    yield Finding(FindingKind.ALTERED, f"{path} {messages.unexpected}", str(path))
            except OSError as error:
                yield unreadable(path, error)
    for reason in unreadable_folders:
        yield unreadable(pathlib.Path(str(reason.filename)), reason)


def stat_of(path: pathlib.Path) -> os.stat_result | None:
    """Return the status of a file or folder; None if there is none, or the name is invalid."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def missing(path: pathlib.Path) -> Finding:
    """Return the finding that a file or folder is missing."""
    return Finding(FindingKind.MISSING, f"{path} is missing", str(path))


def unreadable(path: pathlib.Path, error: OSError) -> Finding:
    """Return the finding that a file or folder cannot be read."""
    return Finding(FindingKind.UNREADABLE, f"{path} cannot be read: {cause_text(error)}", str(path))
