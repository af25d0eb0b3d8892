"""What earlier runs in a root found out about their data sets, so that a rerun need not ask TensorFlow Datasets again.

A description is used again only for the same data settings, and only while what identifies the data set still lies
where it lay. Its files are read anew each time: only where they are is remembered, not what they hold.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from components import atomic_file
from components.data import sample_path
from pipeline.core import file_digests, pipeline_root, serialization, settings
from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.core.settings import Request, Settings
from pipeline.definition.spec import FoundDataset
from pipeline.sparse_autoencoder.image_dataset import ImageDataset

# The one data set that the embedded sample is a part of, and so the only one that it may stand in for.
SAMPLED = "mnist"
_MOST = 50  # descriptions kept
_VERSION = re.compile(r"\d+\.\d+\.\d+")
# Stand for the root's path and for that of the curated schemas' package, so that either may be moved.
_IN_ROOT, _IN_PACKAGE = "<root>", "<components>"
_NOT_ASKED = {"data.download_timeout"}


def remember(root: Root, asked: Settings, profile: str, found: ImageDataset) -> None:
    """Record what was found for the settings `asked`; `profile` is that of the data set that was found."""
    entry = {
        "asked": _asked(asked),
        "profile": profile,
        "source": {**dataclasses.asdict(found), "files": {}},
        "beside": _beside(pathlib.Path(found.builder_dir)),
    }
    for place, name in _places(root):
        entry = _mapped(entry, place, name)
    others = [other for other in _entries(root, resolved=False) if other["asked"] != entry["asked"]]
    atomic_file.write(_file(root), json.dumps([*others, entry][-_MOST:], indent=1) + "\n")


def recall(root: Root, request: Request, asked: Settings) -> FoundDataset | None:
    """The data set for the settings `asked`, as an earlier run described it, with its files as they are now.

    None where none is known, or it may be another one by now.
    """
    entries, now = _entries(root), _asked(asked)
    try:
        for entry in reversed(entries):
            if entry["asked"] == now:
                return _recalled(root, request, asked, entry, exact=True)
        for entry in reversed(entries):
            if entry["asked"]["data.dataset"] == now["data.dataset"]:
                return _recalled(root, request, asked, entry, exact=False)
    except (AttributeError, KeyError, TypeError):  # damaged: as if it were not known
        pass
    return None


def with_profile(request: Request, resolved: Settings, profile: str) -> Settings:
    """`resolved` with the profile that was used in its place: the sample's, where the sample stands in."""
    if profile == resolved.profile:
        return resolved
    return settings.resolve(dataclasses.replace(request, profile=profile))


def fingerprint(root: Root, request: Request, asked: Settings) -> str:
    """Digest of the data that a run with the settings `asked` would read; empty where there is none.

    Raises:
      OSError: it cannot be read.
    """
    recalled = recall(root, request, asked)
    if recalled is not None:
        return recalled.dataset.fingerprint
    data = asked.config.data
    if data.source == "sample" or data.dataset == sample_path.NAME:
        return file_digests.of_mapping(sample_files())
    folder = newest_version(_data_dir(_asked(asked)) / data.dataset)
    if folder is not None:
        return file_digests.of_mapping(file_digests.of_folder(folder))
    return file_digests.of_mapping(sample_files()) if data.source == "auto" and data.dataset == SAMPLED else ""


def newest_version(folder: pathlib.Path) -> pathlib.Path | None:
    """The folder of a prepared data set's newest version, which TensorFlow Datasets takes; None where there is none."""
    if not folder.is_dir():
        return None
    found = [path for path in folder.iterdir() if _VERSION.fullmatch(path.name) and path.is_dir()]
    return max(found, key=lambda path: [int(part) for part in path.name.split(".")], default=None)


def is_sample(described: ImageDataset) -> bool:
    """Whether it is the embedded sample."""
    return described.name == sample_path.NAME


def refresh(recorded: ImageDataset) -> ImageDataset:
    """A recorded data set with its files as they are now.

    Raises:
      UnavailableError: it is no longer where it was.
    """
    folder = pathlib.Path(recorded.builder_dir)
    if is_sample(recorded):
        files = sample_files()
    elif folder.is_dir():
        files = file_digests.of_folder(folder)
    else:
        raise UnavailableError(
            f"data set {recorded.name} {recorded.version} is no longer in {folder}: restore it, or name its folder of "
            "prepared data sets with --set data.data_dir=DIR"
        )
    return dataclasses.replace(recorded, files=files)


def sample_files() -> dict[str, str]:
    """What identifies the embedded sample."""
    path = sample_path.path()
    return {path.name: file_digests.of_file(path)}


def _recalled(
    root: Root, request: Request, asked: Settings, entry: Mapping[str, Any], exact: bool
) -> FoundDataset | None:
    found = serialization.build(ImageDataset, entry["source"])
    folder = pathlib.Path(found.builder_dir)
    if not folder.is_dir():
        return None
    if found.name == sample_path.NAME:
        # It stands in for as long as there is no prepared copy of what was asked for.
        dataset = entry["asked"]["data.dataset"]
        if dataset != sample_path.NAME and (_data_dir(entry["asked"]) / dataset).exists():
            return None
        files = sample_files()
    else:
        if _beside(folder) != entry["beside"]:
            return None
        files = file_digests.of_folder(folder)
    if not pathlib.Path(found.schema_file).is_file():
        return None
    used = with_profile(request, asked, entry["profile"])
    return FoundDataset(used, dataclasses.replace(found, files=files), exact)


def _asked(asked: Settings) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: value
        for name, value in asked.config.values().items()
        if name.startswith("data.") and name not in _NOT_ASKED
    }
    values["TFDS_DATA_DIR"] = os.environ.get("TFDS_DATA_DIR", "")
    for name in ("data.data_dir", "TFDS_DATA_DIR"):  # the same text names another folder elsewhere
        values[name] = values[name] and os.path.abspath(os.path.expanduser(values[name]))
    return values


def _data_dir(asked: Mapping[str, Any]) -> pathlib.Path:
    """Where TensorFlow Datasets looks for prepared data sets."""
    return pathlib.Path(asked["data.data_dir"] or asked["TFDS_DATA_DIR"] or "~/tensorflow_datasets").expanduser()


def _places(root: Root) -> tuple[tuple[str, str], ...]:
    return (str(pathlib.Path(sample_path.__file__).parent), _IN_PACKAGE), (str(root.path), _IN_ROOT)


def _mapped(value: Any, old: str, new: str) -> Any:
    """A tree of values in which each path in the folder `old` lies in `new`."""
    if isinstance(value, dict):
        return {name: _mapped(inner, old, new) for name, inner in value.items()}
    return pipeline_root.moved_path(value, old, new) if isinstance(value, str) else value


def _beside(folder: pathlib.Path) -> list[str]:
    """The versions of a data set: another one may be the newest now."""
    return sorted(path.name for path in folder.parent.iterdir()) if folder.parent.is_dir() else []


def _file(root: Root) -> pathlib.Path:
    return root.data / "sources.json"


def _entries(root: Root, resolved: bool = True) -> list[dict[str, Any]]:
    try:
        entries = json.loads(_file(root).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it only saves time: what cannot be read is asked for again
        return []
    if not isinstance(entries, list):
        return []
    for place, name in _places(root) if resolved else ():
        entries = [_mapped(entry, name, place) for entry in entries]
    return [
        entry for entry in entries if isinstance(entry, dict) and {"asked", "profile", "source", "beside"} <= set(entry)
    ]
