"""What a run would be made from here and now: to hold against the manifest that it noted."""

from __future__ import annotations

import dataclasses
import pathlib

from pipeline.core import file_digests
from pipeline.core.errors import UnavailableError
from pipeline.definition import dataset_cache
from pipeline.definition.dataset import Source
from pipeline.provenance import cache_key, manifest
from pipeline.provenance.manifest import Manifest


def of(recorded: Manifest) -> Manifest:
    """The manifest of `recorded`'s configuration with the code, packages, data and machine that are here.

    Raises:
      UnavailableError: the data is no longer there.
    """
    return manifest.collect(
        run_id=recorded.run_id,
        command=(),
        profile=recorded.profile,
        configuration=recorded.configuration,
        data=_data(recorded.data),
        code=cache_key.code_of_nodes(),
    )


def _data(recorded: Source) -> Source:
    if dataset_cache.is_sample(recorded):
        return dataclasses.replace(recorded, files=dataset_cache.sample_files())
    folder = pathlib.Path(recorded.builder_dir)
    if not folder.is_dir():
        raise UnavailableError(
            f"data set {recorded.name} {recorded.version} is no longer in {folder}: bring it back, this needs the same "
            "data again"
        )
    return dataclasses.replace(recorded, files=file_digests.of_folder(folder))
