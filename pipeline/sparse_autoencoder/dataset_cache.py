"""Descriptions of data sets that earlier runs in a root resolved, so that a rerun need not import TensorFlow Datasets.

A description is reused only for the same data settings and while the data set is still in the same place. The cache
holds the place of the files; their digests are computed each time.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from components import atomic_file, json_text
from components.data import sample_path
from pipeline.core import file_digests, pipeline_root, regular_file, serialization, settings
from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.core.settings import Request, Settings
from pipeline.definition.spec import FoundDataset
from pipeline.sparse_autoencoder import dataset_folder
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import DataConfig, PipelineConfig

_MAX_ENTRIES = 50
# Placeholders for the root and for the package with the curated schemas, so that either can be moved.
_ROOT, _PACKAGE = "<root>", "<components>"
# The settings that choose a data set.
SETTINGS = frozenset(name for name in PipelineConfig.settings() if name.startswith("data.")) - {"data.download_timeout"}


def remember(root: Root, asked: Settings, found: ImageDataset) -> None:
    """Record the data set that was found for the settings `asked`."""
    entry = {
        "asked": _data_settings(asked),
        "source": {**dataclasses.asdict(found), "files": {}},
        "beside": _versions_beside(pathlib.Path(found.builder_dir)),
    }
    for place, name in _placeholders(root):
        entry = _moved(entry, place, name)
    others = [other for other in _entries(root, resolved=False) if other["asked"] != entry["asked"]]
    atomic_file.write(_path(root), json.dumps([*others, entry][-_MAX_ENTRIES:], indent=1) + "\n")


def recall(root: Root, request: Request, asked: Settings) -> FoundDataset | None:
    """Return the data set that an earlier run found for the settings `asked`, with the present digests of its files.

    None if there is none, or if another one may be found now.
    """
    entries, now = _entries(root), _data_settings(asked)
    try:
        for entry in reversed(entries):
            if entry["asked"] == now:
                return _from_entry(request, asked, entry, exact=True)
        for entry in reversed(entries):
            if entry["asked"]["data.dataset"] == now["data.dataset"]:
                return _from_entry(request, asked, entry, exact=False)
    except (AttributeError, KeyError, TypeError):  # a damaged entry counts as missing
        pass
    return None


def of_sample(request: Request, resolved: Settings) -> Settings:
    """Resolve the request with the profile of the sample where the sample replaces the data set."""
    if resolved.config.data.dataset == sample_path.NAME:
        return resolved
    profile = dataset_folder.SAMPLE_PROFILES.get(resolved.profile, dataset_folder.SAMPLE_PROFILE)
    return settings.resolve(dataclasses.replace(request, profile=profile))


def fingerprint(root: Root, request: Request, asked: Settings) -> str:
    """Return the digest of the data that a run with the settings `asked` would read; empty if there is none.

    Raises:
      UnavailableError: this pipeline cannot read the prepared data set.
      OSError: the data cannot be read.
    """
    recalled = recall(root, request, asked)
    if recalled is not None:
        return recalled.dataset.fingerprint
    data = asked.config.data
    if dataset_folder.names_sample(data):
        return file_digests.of_mapping(sample_files())
    folder = dataset_folder.prepared_version(data)
    if folder is not None:
        return file_digests.of_mapping(file_digests.of_folder(folder))
    return file_digests.of_mapping(sample_files()) if dataset_folder.sample_allowed(asked) else ""


def is_sample(described: ImageDataset) -> bool:
    """Return whether a description is of the embedded sample."""
    return described.name == sample_path.NAME


def refresh(recorded: ImageDataset) -> ImageDataset:
    """Return a recorded data set with the present digests of its files.

    If its folder is gone, the same version is looked for in the folder of prepared data sets.

    Raises:
      UnavailableError: the data set is gone.
    """
    if is_sample(recorded):
        return dataclasses.replace(recorded, files=sample_files())
    folder = pathlib.Path(recorded.builder_dir)
    if not folder.is_dir():
        prepared = dataset_folder.data_folder(DataConfig())
        folder = (prepared / recorded.name / recorded.version).resolve()
        if not folder.is_dir():
            raise UnavailableError(
                f"data set {recorded.name} {recorded.version} is no longer in {recorded.builder_dir}, nor in "
                f"{prepared}: restore it, or set TFDS_DATA_DIR to its folder of prepared data sets"
            )
    return dataclasses.replace(recorded, builder_dir=str(folder), files=file_digests.of_folder(folder))


def sample_files() -> dict[str, str]:
    """Return the digest, by file name, of the embedded sample."""
    path = sample_path.path()
    return {path.name: file_digests.of_file(path)}


def _from_entry(request: Request, asked: Settings, entry: Mapping[str, Any], exact: bool) -> FoundDataset | None:
    if "ids" not in entry["source"]:  # of an earlier version, which did not say whether records have ids
        return None
    found = serialization.build(ImageDataset, entry["source"])
    folder = pathlib.Path(found.builder_dir)
    if not folder.is_dir():
        return None
    if is_sample(found):
        # The sample replaces the data set only while that is not prepared.
        data = asked.config.data
        is_prepared = data.dataset != sample_path.NAME and (dataset_folder.data_folder(data) / data.dataset).exists()
        if is_prepared or not dataset_folder.sample_allowed(asked):
            return None
        files = sample_files()
    else:
        if _versions_beside(folder) != entry["beside"]:
            return None
        files = file_digests.of_folder(folder)
    if not pathlib.Path(found.schema_file).is_file():
        return None
    used = of_sample(request, asked) if is_sample(found) else asked
    return FoundDataset(used, dataclasses.replace(found, files=files), exact)


def _data_settings(asked: Settings) -> dict[str, Any]:
    values: dict[str, Any] = {name: value for name, value in asked.config.values().items() if name in SETTINGS}
    values["TFDS_DATA_DIR"] = os.environ.get("TFDS_DATA_DIR", "")
    for name in ("data.data_dir", "TFDS_DATA_DIR"):  # a relative path depends on the working directory
        values[name] = values[name] and os.path.abspath(os.path.expanduser(values[name]))
    return values


def _placeholders(root: Root) -> tuple[tuple[str, str], ...]:
    return (str(pathlib.Path(sample_path.__file__).parent), _PACKAGE), (str(root.path), _ROOT)


def _moved(value: Any, old: str, new: str) -> Any:
    """Return nested values in which paths below `old` are replaced by paths below `new`."""
    if isinstance(value, dict):
        return {name: _moved(inner, old, new) for name, inner in value.items()}
    return pipeline_root.moved_path(value, old, new) if isinstance(value, str) else value


def _versions_beside(folder: pathlib.Path) -> list[str]:
    """Return the versions beside a prepared one, as a new version would be read instead."""
    return sorted(path.name for path in folder.parent.iterdir()) if folder.parent.is_dir() else []


def _path(root: Root) -> pathlib.Path:
    return root.data / "sources.json"


def _entries(root: Root, resolved: bool = True) -> list[dict[str, Any]]:
    try:
        entries = json_text.parse(regular_file.text(_path(root)))
    except (OSError, ValueError):  # the cache only saves time
        return []
    if not isinstance(entries, list):
        return []
    for place, name in _placeholders(root) if resolved else ():
        entries = [_moved(entry, name, place) for entry in entries]
    return [entry for entry in entries if isinstance(entry, dict) and {"asked", "source", "beside"} <= set(entry)]
