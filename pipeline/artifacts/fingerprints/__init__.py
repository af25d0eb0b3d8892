"""Content digests of artifacts, independent of folder, compression, file names and times.

A fingerprint defines what counts as the content of a type: an ordered list of named entries. Its module, which
`artifacts/types.py` names, has `FORM`, its name and version (`examples-1`), and `entries(artifact, files)`. Raise the
version with any change that can change a digest. The content digest is SHA-256 over the entries (`entries.py` gives the
encoding), written `<form>:<hex>`. Two artifacts are compared entry by entry.

Nothing is rounded: two numbers are equal if their bits are. Files that a fingerprint does not take, or cannot read,
count by relative name and bytes; so do all files of a type without a fingerprint (`raw-1`). What is left out on purpose
is in the module's docstring, with the reason. Empty folders do not count.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator

from pipeline.artifacts import types
from pipeline.artifacts.fingerprints import entries
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.types import StoredArtifact

_RAW = "raw-1"


def content_digest(artifact: StoredArtifact) -> str:
    """Return the digest of an artifact's content: `<form>:<SHA-256 in hex>`.

    Raises:
      FileNotFoundError: `artifact.folder` does not exist.
    """
    form, found = content_entries(artifact)
    return f"{form}:{entries.digest(found).hex()}"


def first_difference(one: StoredArtifact, other: StoredArtifact) -> str:
    """Return one line on the first difference between the content of two artifacts, or "" if they are equal.

    Raises:
      FileNotFoundError: the folder of one of them does not exist.
    """
    if one.type_name != other.type_name:
        return f"one is of type {one.type_name}, the other of type {other.type_name}"
    return entries.first_difference(lambda: content_entries(one)[1], lambda: content_entries(other)[1])


def content_entries(artifact: StoredArtifact) -> tuple[str, Iterator[entries.ContentEntry]]:
    """Return the form of an artifact's fingerprint, and its entries."""
    files = Files(artifact.folder)
    name = types.find(artifact.type_name).fingerprint
    if not name:
        return _RAW, files.rest()
    module = importlib.import_module(name)
    # rest() starts only when the fingerprint has taken its files.
    return module.FORM, itertools.chain(module.entries(artifact, files), files.rest())
