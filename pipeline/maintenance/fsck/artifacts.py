"""Artifacts: whether each is still what was published, and which ones are out of use or deleted."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterator

from pipeline.core import file_digests
from pipeline.maintenance.fsck import files
from pipeline.maintenance.fsck.findings import Checked, Finding, FindingKind
from pipeline.metadata.properties import FILES, OUT_OF_USE, RAW_DIGEST
from pipeline.metadata.types import Artifact

_WORDS = files.Words("holds other bytes than when it was published", "was not there when the artifact was published")


def findings(artifact: Artifact, checked: Checked) -> Iterator[Finding]:
    """What there is to say of an artifact; of one that was announced only, nothing."""
    if artifact.live:
        for fault in _faults(artifact, checked):
            yield dataclasses.replace(fault, artifact=artifact.id)
    elif artifact.deleted:
        left = "; files of it are left there, `sae gc --yes` deletes them" if os.path.lexists(artifact.uri) else ""
        yield Finding(FindingKind.DELETED, f"{artifact.uri}, {artifact.deleted}{left}", artifact.uri, artifact.id)
    elif artifact.published:
        reason = artifact.properties.get(OUT_OF_USE) or f"no reason was noted, its state is {artifact.state}"
        yield Finding(FindingKind.OUT_OF_USE, f"{artifact.uri} is out of use: {reason}", artifact.uri, artifact.id)


def _faults(artifact: Artifact, checked: Checked) -> Iterator[Finding]:
    """What is wrong with a live artifact."""
    uri, folder = artifact.uri, pathlib.Path(artifact.uri)
    if not uri:
        yield Finding(FindingKind.MISSING, "ML Metadata does not say where it lies")
    elif "://" in uri:
        yield Finding(FindingKind.UNVERIFIED, f"{uri} is no path on a disk here, and not looked at", uri)
    elif not artifact.properties.keys() & {FILES, RAW_DIGEST}:
        sentence = f"{uri} has no digests: it was written by plain TFX, or by an older version of sae"
        yield _absence(folder) or Finding(FindingKind.UNVERIFIED, sentence, uri)
    else:
        try:
            noted = files.noted(artifact.properties)
        except ValueError as error:
            sentence = f"{uri} cannot be checked, its digests in ML Metadata are damaged: {error}"
            yield Finding(FindingKind.ALTERED, sentence, uri)
            yield from filter(None, [_absence(folder)])
            return
        if file_digests.of_files(noted) != artifact.properties.get(RAW_DIGEST):
            sentence = f"{uri} has a {RAW_DIGEST} in ML Metadata that does not agree with its list of files there"
            yield Finding(FindingKind.ALTERED, sentence, uri)
        yield from files.compare(folder, noted, _WORDS, checked)


def _absence(path: pathlib.Path) -> Finding | None:
    """That nothing is at a place, or that it cannot be told; None where something is."""
    try:
        return None if files.stat_of(path) else files.missing(path)
    except OSError as error:
        return files.unreadable(path, error)
