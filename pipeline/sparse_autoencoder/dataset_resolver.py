"""Find the data set that a run reads: a prepared folder, a download, or the embedded sample.

Importing this module imports TensorFlow Datasets.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import requests
import tensorflow as tf
import tensorflow_datasets as tfds

import pipeline_config
from components import atomic_file, errors
from components.data import curated_schemas, sample_builder, sample_path, schema, tfds_reader
from pipeline.core import file_digests, settings
from pipeline.core.errors import FREE_SPACE, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import FoundDataset
from pipeline.sparse_autoencoder import dataset_cache, dataset_folder, downloadable
from pipeline.sparse_autoencoder.dataset_folder import SAMPLE_PROFILE, SAMPLED
from pipeline.sparse_autoencoder.image_dataset import ImageDataset


def find(
    root: Root, request: settings.Request, resolved: settings.Settings, download: Callable[[Any], None]
) -> FoundDataset:
    """Find the data set of a run, and record it for later runs.

    Args:
      root: the pipeline root; the embedded sample is prepared below it.
      request: the settings that the user gave.
      resolved: the resolved settings.
      download: downloads and prepares a builder's data set, and shows the progress.

    Raises:
      UsageError: there is no such data set, split or schema, or the root contains runs on another data set.
      UnavailableError: the data set is missing and cannot be downloaded, or its features are not supported.
    """
    settled, dataset = _find(root, request, resolved, download)
    root.claim_dataset(dataset.name)
    dataset_cache.remember(root, resolved, dataset)
    return FoundDataset(settled, dataset)


def _find(
    root: Root, request: settings.Request, resolved: settings.Settings, download: Callable[[Any], None]
) -> tuple[settings.Settings, ImageDataset]:
    """Return the data set and its settings: those of the sample if it replaces the data set."""
    dataset_folder.check_root(resolved)
    data = resolved.config.data
    dataset_folder.check_source(data)
    if dataset_folder.names_sample(data):
        return _sample(request, resolved, root, "")
    builder, missing = _prepared_or_downloaded(data, root, download)
    if builder is not None:
        files = file_digests.of_folder(pathlib.Path(builder.data_dir))
        return resolved, describe(builder, files, resolved, root, "")
    if dataset_folder.sample_allowed(resolved):
        notice = f"This is the embedded sample, 5,000 digits of MNIST's training set, not {SAMPLED}: {missing}"
        if root.dataset() in (None, sample_path.NAME):
            return _sample(request, resolved, root, notice)
        missing += f"; the embedded sample is not used instead, because {root.path} contains runs on {root.dataset()}"
    raise UnavailableError(
        f"data set {data.dataset} is not available: {missing}. Point TFDS_DATA_DIR or data.data_dir to a folder of "
        f"prepared data sets{_or_sample(root)}"
    )


def prepare(recorded: ImageDataset, root: Root) -> ImageDataset:
    """Return the data set of an earlier run, ready to be read, with the present digests of its files.

    Raises:
      UnavailableError: the data set or its schema is gone.
    """
    found = dataset_cache.refresh(recorded)
    if dataset_cache.is_sample(found):
        found = dataclasses.replace(found, builder_dir=str(_prepare_sample(root)))
    return dataclasses.replace(found, schema_file=str(_present_schema(found, root)))


def _present_schema(recorded: ImageDataset, root: Root) -> pathlib.Path:
    """Return the schema of an earlier run; one that was made is made again if its root is elsewhere now.

    Raises:
      UnavailableError: a curated schema is gone.
    """
    file = pathlib.Path(recorded.schema_file)
    if file.is_file():
        return file
    if file.stem in curated_schemas.names():  # this project was moved
        return curated_schemas.path_of(file.stem)
    if file.stem not in {_schema_name(recorded, resized) for resized in (False, True)}:
        raise UnavailableError(f"the schema {file} is gone: restore it, or start a new run with `sae run`")
    here = root.data / file.name
    if not here.is_file():  # as in the separate root of `sae verify`
        _write_schema(here, recorded)
    return here


def _sample(
    request: settings.Request, resolved: settings.Settings, root: Root, notice: str
) -> tuple[settings.Settings, ImageDataset]:
    """Return the embedded sample, prepared below the root, and the settings of its profile."""
    resolved = dataset_cache.of_sample(request, resolved)
    sample = tfds.builder_from_directory(str(_prepare_sample(root)))
    return resolved, describe(sample, dataset_cache.sample_files(), resolved, root, notice)


def _prepare_sample(root: Root) -> pathlib.Path:
    """Prepare the embedded sample below the root, unless it is, and return its folder. Raises `UnavailableError`."""
    builder = sample_builder.MnistSample(data_dir=root.data)
    try:
        builder.download_and_prepare()
    except (RuntimeError, OSError, tf.errors.OpError) as error:  # the first is what TFDS makes of the last
        raise UnavailableError(
            f"the embedded sample cannot be written in {root.data}: {errors.first_line(error)}; {FREE_SPACE}, or "
            "choose another root with --root"
        ) from error
    return pathlib.Path(builder.data_dir)


def _prepared_or_downloaded(
    data: pipeline_config.DataConfig, root: Root, download: Callable[[tfds.core.DatasetBuilder], None]
) -> tuple[tfds.core.DatasetBuilder | None, str]:
    """Return the builder of a prepared data set, or None and the reason."""
    dataset_folder.prepared_version(data)  # TFDS passes over a version that it cannot read, as if it were not there
    folder = str(dataset_folder.data_folder(data))
    try:
        return tfds.core.read_only_builder.builder_from_files(data.dataset, data_dir=folder), ""
    except tfds.core.registered.DatasetNotFoundError:
        pass
    except (OSError, ValueError, AssertionError) as error:
        raise UnavailableError(
            f"the prepared data set {data.dataset} cannot be read: {errors.first_line(error)}"
        ) from error
    try:
        builder = tfds.builder(data.dataset, data_dir=folder)
    except (tfds.core.registered.DatasetNotFoundError, ValueError) as error:
        known = tfds.list_builders(with_community_datasets=False)
        raise UsageError(downloadable.unknown(data, known)) from error
    reason = unreachable(list(builder.url_infos or ()), data.download_timeout)
    if reason:
        return None, f"{folder} holds no prepared copy, and {reason}"
    try:
        download(builder)
    except Exception as error:
        # Any error of this data set's own code. TFDS prepares under a temporary name, so nothing incomplete is left.
        raise UnavailableError(
            f"the download of {data.dataset} failed: {errors.first_line(error)}. Nothing of it was kept; try again"
            f"{_or_sample(root)}"
        ) from error
    return builder, ""


def _or_sample(root: Root) -> str:
    """Suggest a run on the sample, unless the root contains runs on another data set.

    An empty root is not suggested: the run would reserve it for the sample.
    """
    held = root.dataset()
    if held not in (None, sample_path.NAME):
        return ""
    place = "" if held else " --root sample_root"
    return f", or run `sae run --profile {SAMPLE_PROFILE}{place}` on the embedded digits"


def unreachable(urls: list[str], timeout: float) -> str:
    """Return why the first of `urls` cannot be fetched, within twice `timeout` seconds; empty if it can."""
    if not urls:
        return ""
    host = urls[0].split("/")[2] if "//" in urls[0] else urls[0]

    def ask() -> str:
        response = requests.head(urls[0], timeout=timeout, allow_redirects=True)
        return f"{host} refuses it ({response.status_code})" if response.status_code >= 400 else ""

    # In a thread, because looking up the host's name has no time limit.
    executor = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="reach")
    try:
        return executor.submit(ask).result(timeout=min(2 * timeout, 9.0))
    except (requests.RequestException, concurrent.futures.TimeoutError, OSError):
        return f"its download host {host} cannot be reached"
    finally:
        executor.shutdown(wait=False)


def describe(
    builder: tfds.core.DatasetBuilder, files: dict[str, str], resolved: settings.Settings, root: Root, notice: str
) -> ImageDataset:
    """Describe a prepared data set; write its schema below the root if it has no curated one.

    Raises:
      UsageError: there is no such split or schema.
      UnavailableError: the features of the data set are not supported.
    """
    data = resolved.config.data
    try:
        description = tfds_reader.describe(builder, data.height_and_width)
    except errors.DataError as error:
        raise UnavailableError(str(error)) from error
    wanted = dataset_folder.splits(data, description.split_sizes)
    try:
        sizes = {
            name: sum(part.stop - part.start for part in tfds_reader.slices(builder, split, data.shard_examples))
            for name, split in wanted.items()
        }
    except errors.DataError as error:
        raise UsageError(f"{error}; set data.train_split, data.validation_split or data.test_split") from error
    return ImageDataset(
        builder_dir=str(pathlib.Path(builder.data_dir).resolve()),
        files=files,
        name=description.name,
        version=description.version,
        height=description.height,
        width=description.width,
        label_names=description.label_names,
        kind=description.kind,
        channels=description.channels,
        dtype=description.dtype,
        own_splits=tuple(description.split_sizes),
        ids=bool(description.id_key),
        conversion=description.conversion,
        split_sizes=sizes,
        schema_file=str(_schema_file(data, description, root)),
        notice=notice,
    )


def _schema_file(data: pipeline_config.DataConfig, description: tfds_reader.Description, root: Root) -> pathlib.Path:
    if data.schema:
        is_image = description.kind == "image"
        dataset_folder.check_schema(data, (description.height, description.width) if is_image else None)
        return curated_schemas.path_of(data.schema)
    path = root.data / f"{_schema_name(description, description.resized)}.pbtxt"
    _write_schema(path, description)
    return path


def _schema_name(described: tfds_reader.Description | ImageDataset, resized: bool) -> str:
    """Return the name of a schema that is made, without its ending."""
    size = f"-{described.height}x{described.width}" if resized else ""
    return f"{described.name.replace('/', '_')}-{described.version}{size}"


def _write_schema(path: pathlib.Path, described: tfds_reader.Description | ImageDataset) -> None:
    text = schema.schema_text(
        described.height,
        described.width,
        len(described.label_names),
        channels=described.channels,
        kind=described.kind,
        dtype=described.dtype,
    )
    atomic_file.write(path, text)
