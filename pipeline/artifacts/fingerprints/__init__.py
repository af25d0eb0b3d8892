"""The content digest of an artifact: what of it is content, whatever its folder, compression, names and times.

Each type of artifact has a fingerprint: an ordered list of named entries, described in the module that the type names
(`artifacts/types.py`). The content digest is SHA-256 over these entries (`entries.py` gives the encoding), written
`<fingerprint>-<version>:<hex>`, such as `examples-1:ab12...`. Two artifacts are compared entry by entry. The version is
raised with any change that can change a digest.

Nothing is rounded: two numbers are the same when their bits are. A file that a fingerprint does not understand, because
its kind is unknown or because it cannot be read, counts by its relative name and its bytes. What is left out on purpose
is named in the module's docstring, with the reason. Empty folders are no content. For a type without a fingerprint all
files count by name and bytes (`raw.py`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from pipeline.artifacts import types
from pipeline.artifacts.fingerprints import entries
from pipeline.artifacts.types import StoredArtifact

_RAW = f"{__name__}.raw"


def content_digest(artifact: StoredArtifact) -> str:
    """The digest of an artifact's content: `<fingerprint>-<version>:<SHA-256 in hex>`.

    Raises:
      FileNotFoundError: there is nothing at `artifact.folder`.
    """
    form, found = _entries(artifact)
    return f"{form}:{entries.digest(found).hex()}"


def first_difference(one: StoredArtifact, other: StoredArtifact) -> str:
    """One line on the first difference between the content of two artifacts, or "" when it is the same.

    Raises:
      FileNotFoundError: there is nothing at the folder of one of them.
    """
    if one.type_name != other.type_name:
        return f"one is of type {one.type_name}, the other of type {other.type_name}"
    return entries.first_difference(lambda: _entries(one)[1], lambda: _entries(other)[1])


def _entries(artifact: StoredArtifact) -> tuple[str, Iterator[entries.ContentEntry]]:
    module = importlib.import_module(types.find(artifact.type_name).fingerprint or _RAW)
    return module.FORM, module.entries(artifact)
