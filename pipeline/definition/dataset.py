"""The data set that a run reads, found and described before the pipeline is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pipeline.core import file_digests


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
      builder_dir: folder of the prepared data set: `.../mnist/3.0.1`.
      files: SHA-256 in hex of each file that identifies its content, by name.
      name, version: `emnist/letters`, `3.0.1`.
      height, width: of every image, pixels.
      label_names: one per label.
      split_sizes: examples in the splits `train`, `validation` and `test` of this run.
      schema_file: what the data is checked against.
      notice: one sentence to show with every result, or empty.
    """

    builder_dir: str
    files: Mapping[str, str]
    name: str
    version: str
    height: int
    width: int
    label_names: tuple[str, ...]
    split_sizes: Mapping[str, int]
    schema_file: str
    notice: str = ""

    @property
    def fingerprint(self) -> str:
        """Digest of the content: of the files' names and bytes, not of times or places."""
        return file_digests.of_mapping(self.files)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**dataclasses.asdict(self), "label_names": list(self.label_names)}


def from_dict(values: Mapping[str, Any]) -> Source:
    """The data set that `as_dict` wrote."""
    return Source(**{**values, "label_names": tuple(values["label_names"])})
