"""The part of a data set's description that every pipeline has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pipeline.core import file_digests


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set that a run reads; a pipeline adds fields in a subclass.

    Attributes:
      name, version: `emnist/letters`, `3.0.1`.
      files: SHA-256 in hex of each file that identifies its content, by name.
      split_sizes: examples in each split, by name; empty if unknown before the run.
      notice: one sentence to show with every result, or empty.
    """

    name: str
    version: str
    files: Mapping[str, str]
    split_sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    notice: str = ""

    @property
    def fingerprint(self) -> str:
        """Return the digest of the names and bytes of the files; times and folders do not count."""
        return file_digests.of_mapping(self.files)
