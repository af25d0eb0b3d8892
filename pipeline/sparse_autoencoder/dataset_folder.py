"""Find a prepared data set on disk as TensorFlow Datasets (TFDS) does, without importing it."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Collection
from typing import Any

from components import json_text
from components.data import curated_schemas, features, sample_path
from pipeline.core import shell
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.core.local_path import check_no_pattern, local_path
from pipeline.core.pipeline_root import Root
from pipeline.core.settings import Settings
from pipeline.definition.spec import DataLookup
from pipeline_config import DataConfig, PipelineConfig

# The data set that the embedded sample is a part of, and the only one that it replaces.
SAMPLED = "mnist"
SAMPLE_PROFILE = "sample"
# The profiles of the sample that stand for those of MNIST where MNIST is not prepared; for all others SAMPLE_PROFILE.
SAMPLE_PROFILES = {"mnist_sparse": "sample_sparse", "mnist_overcomplete": "sample_overcomplete"}
_VARIABLE = "TFDS_DATA_DIR"
_DEFAULT = "~/tensorflow_datasets"
_VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}")
INFO, FEATURES = "dataset_info.json", "features.json"
FORMAT = "tfrecord"
# Of a data set without a validation split.
_PARTS = ("train[:83%]", "train[83%:]", "test")
_REMEDY = "prepare it again with TFDS, or remove that folder"


def data_folder(data: DataConfig) -> pathlib.Path:
    """Return the folder of prepared data sets: `data.data_dir`, else TFDS_DATA_DIR, else TFDS's default; absolute.

    Raises:
      UsageError: TFDS_DATA_DIR is a URL or another text that is no path, or TensorFlow takes the path for a pattern.
      UnavailableError: its path is too long.
    """
    try:
        path = data.data_dir or local_path(os.environ.get(_VARIABLE) or _DEFAULT)
    except ValueError as error:
        raise UsageError(f"{_VARIABLE} = {os.environ.get(_VARIABLE)!r} is not allowed: {error}") from error
    folder = pathlib.Path(os.path.abspath(path))
    for one in (folder, folder.resolve()):  # TFDS prepares in the first, ExampleGen reads from the second
        check_no_pattern("data folder", str(one), f"data.data_dir or {_VARIABLE}")
    return folder


def names_sample(data: DataConfig) -> bool:
    """Return whether the settings name the embedded sample, as data set or as source."""
    return data.source == "sample" or data.dataset == sample_path.NAME


def check_source(data: DataConfig) -> None:
    """Raise `UsageError` if the sample shall be used in place of a data set that it is no part of."""
    if data.source == "sample" and data.dataset not in (SAMPLED, sample_path.NAME):
        raise UsageError(
            f"data.source = sample contains digits of {SAMPLED}, not {data.dataset}: use data.source = tfds, or "
            f"--profile {SAMPLE_PROFILE}"
        )


def check_schema(data: DataConfig, size: tuple[int, int] | None) -> None:
    """Check that the curated schema of the settings allows the size of the images; without a schema any is.

    Args:
      data: the settings.
      size: height and width, pixels; None: not known.

    Raises:
      UsageError: it does not, or there is no such schema.
    """
    if not data.schema:
        return
    try:
        curated_schemas.path_of(data.schema)
    except KeyError as error:
        raise UsageError(f"data.schema: {error.args[0]}; leave it empty to make one from the data set") from error
    if size is None:
        return
    from components.data import schema  # 15 ms: it imports TensorFlow Metadata

    allowed = schema.curated_size(data.schema)
    if allowed and size != allowed:
        asked, fixed = (f"{height}x{width}" for height, width in (size, allowed))
        given = f"data.size = {asked} is not allowed" if data.size else f"the images of {data.dataset} are {asked}"
        raise UsageError(
            f"{given}: data.schema = {data.schema} allows {fixed} only; leave data.size empty, or make a schema from "
            "the data set with --set data.schema="
        )


def sample_allowed(asked: Settings) -> bool:
    """Return whether a run may use the embedded sample.

    It replaces MNIST only where the user named neither data set nor folder: in an option or a file. TFDS_DATA_DIR does
    not count, because it is the folder of all data sets of a machine, also of those not downloaded yet.
    """
    data = asked.config.data
    if names_sample(data):
        return True
    return data.source == "auto" and data.dataset == SAMPLED and not _explicit(asked)


def prepared_version(data: DataConfig) -> pathlib.Path | None:
    """Return the folder of a prepared data set's newest version, which TFDS reads; None if there is none.

    Raises:
      UnavailableError: this pipeline cannot read that version.
    """
    folder = newest_version(data_folder(data) / data.dataset)
    if folder is None:
        return None
    for name in (INFO, FEATURES):
        if not (folder / name).is_file():
            raise UnavailableError(f"data set {data.dataset} in {folder} is incomplete: it has no {name}; {_REMEDY}")
    try:
        info: Any = json_text.parse((folder / INFO).read_text(encoding="utf-8"))
        stored_as = str(info.get("fileFormat") or FORMAT)
    except (OSError, ValueError, AttributeError) as error:
        raise UnavailableError(
            f"data set {data.dataset} in {folder} is damaged: {INFO} cannot be read ({error}); {_REMEDY}"
        ) from error
    if stored_as != FORMAT:
        raise UnavailableError(
            f"data set {data.dataset} in {folder} is stored as {stored_as}, this pipeline reads {FORMAT}; {_REMEDY}"
        )
    return folder


def newest_version(folder: pathlib.Path) -> pathlib.Path | None:
    """Return the subfolder with the highest version; None if there is none."""
    if not folder.is_dir():
        return None
    found = [path for path in folder.iterdir() if is_version(path.name) and path.is_dir()]
    return max(found, key=lambda path: [int(part) for part in path.name.split(".")], default=None)


def is_version(name: str) -> bool:
    """Return whether a folder's name is a version: `3.0.1`."""
    return _VERSION.fullmatch(name) is not None


def check_root(asked: Settings) -> None:
    """Check that the settings choose the data set of the runs in the root, as far as that is known without TFDS.

    Raises:
      UsageError: they choose another one.
    """
    root, data = Root.at(pathlib.Path(asked.config.paths.root)), asked.config.data
    held = root.dataset()
    if held is None:
        return
    chosen = [sample_path.NAME if data.source == "sample" else data.dataset]
    if sample_allowed(asked) and prepared_version(data) is None:
        chosen.append(sample_path.NAME)
    if _without_config(held) not in map(_without_config, chosen):
        options, given = shell.joined(run_options(held)), _given(asked)
        remedy = f"give {options} in place of {given}" if given else f"add {options}"
        raise UsageError(
            f"the pipeline root {root.path} contains runs on data set {held}, this run is on {chosen[0]}: {remedy}, or "
            "choose another root with --root"
        )


def _given(asked: Settings) -> str:
    """Return what of an option or a file chose the data set, in words; empty if nothing did."""
    for name in ("data.dataset", "data.source"):
        origin = asked.origins[name]
        if origin.startswith("file "):
            return f"{name} in {origin.removeprefix('file ')}"
        if origin == "--set":
            return f"--set {name}={shell.quoted(str(asked.config.values()[name]))}"
    return ""


def run_options(dataset: str) -> tuple[str, ...]:
    """Return the options of `sae run` that choose a data set: its profile, or the data set itself."""
    if dataset == sample_path.NAME:
        return "--profile", SAMPLE_PROFILE
    for profile, values in PipelineConfig.profiles.items():
        if values.get("data.dataset", DataConfig().dataset) == dataset:
            return "--profile", profile
    return "--set", f"data.dataset={dataset}"


def _without_config(name: str) -> str:
    """Return the name of a data set without its config and version, which TFDS may complete."""
    return re.split(r"[/:]", name)[0]


def look_up(asked: Settings) -> DataLookup:
    """Return where a run will find its data, as far as that is known without a download.

    Raises:
      UsageError: there is no such data set, split or schema, the schema does not allow `data.size`, or the root
        contains runs on another data set.
      UnavailableError: this pipeline cannot read it.
    """
    check_root(asked)
    data = asked.config.data
    check_source(data)
    check_schema(data, data.height_and_width)
    if names_sample(data):
        return DataLookup(True, "the embedded sample (5,000 digits)")
    version, folder = prepared_version(data), data_folder(data)
    if version is not None:
        _check_splits(data, version)
        return DataLookup(True, f"{data.dataset} prepared in {version}")
    configs = [path for path in _folders(folder / data.dataset) if newest_version(path)]
    if configs:  # TFDS chooses the default one
        return DataLookup(True, f"{data.dataset} prepared in {configs[0].parent}")
    missing, download = f"{data.dataset} is not in {folder}", f"a run will try to download {data.dataset}"
    if sample_allowed(asked):
        return DataLookup(True, f"{missing}; {download}, or else use the embedded sample")
    if folder.exists() and not folder.is_dir():
        raise UnavailableError(f"{missing}: it is not a folder; point TFDS_DATA_DIR or data.data_dir to a folder")
    from pipeline.sparse_autoencoder import downloadable  # imports this module

    downloadable.check_name(data)
    return DataLookup(False, missing, f"{download}; or set TFDS_DATA_DIR to the folder of a prepared copy")


def splits(data: DataConfig, known: Collection[str]) -> dict[str, str]:
    """Return the TFDS split by name: that of the settings, else the data set's own, else a part of its train split.

    Args:
      data: the settings; an empty split is not given.
      known: names of the data set's own splits. They are used if it has train, validation and test.
    """
    given = (data.train_split, data.validation_split, data.test_split)
    default = features.SPLITS if set(features.SPLITS) <= set(known) else _PARTS
    return {name: one or other for name, one, other in zip(features.SPLITS, given, default, strict=True)}


def _check_splits(data: DataConfig, folder: pathlib.Path) -> None:
    """Raise `UsageError` if a prepared data set does not have the splits that the settings name."""
    try:
        info: Any = json_text.parse((folder / INFO).read_text(encoding="utf-8"))
        known = [str(split["name"]) for split in info["splits"]]
    except (OSError, ValueError, KeyError, TypeError):  # TFDS says what is wrong with the splits
        return
    for name, asked in splits(data, known).items():
        setting = f"{name}_split"
        parts = [part.strip().partition("[")[0] for part in asked.split("+")]
        if missing := [part for part in parts if part not in (*known, "all")]:
            raise UsageError(
                f"data.{setting} = {asked!r} is not allowed: {folder} has no split {', '.join(map(repr, missing))}; "
                f"choose from {', '.join(known) or 'none'}, or a part such as train[:80%]"
            )


def _explicit(asked: Settings) -> bool:
    """Return whether the user named the data set or its folder in an option or a file."""
    return any(
        asked.config.values()[name] and not asked.origins[name].startswith(("default", "profile "))
        for name in ("data.dataset", "data.data_dir")
    )


def _folders(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
