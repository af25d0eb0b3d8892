"""Store surveyed records as a data set of TensorFlow Datasets, through a builder of its own."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from components import atomic_file, errors
from components.data import features
from components.data.own_data import metadata
from components.data.own_data.records import IMAGE, Options, Source
from components.data.own_data.survey import Survey, read_again


class _OwnData(tfds.dataset_builders.AdhocBuilder, skip_registration=True):  # type: ignore[call-arg]
    """AdhocBuilder with metadata."""

    def __init__(self, *, facts: dict[str, Any], **options: Any) -> None:
        self._facts = facts
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self._description,
            features=self._feature_spec,
            metadata=tfds.core.MetadataDict({metadata.KEY: self._facts}),
        )


def prepare(
    folder: pathlib.Path, name: str, version: str, source: Source, found: Survey, options: Options
) -> pathlib.Path:
    """Prepare the data set in `folder`, and return its own folder, `folder/name/version`.

    Raises:
      errors.DataError: a record changed since the survey.
      errors.WriteError: the data set cannot be written.
    """
    numbers = {label: number for number, label in enumerate(found.label_names)}

    def examples(split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        equal: collections.Counter[bytes] = collections.Counter()  # records seen, by digest
        for entry, values in read_again(source, found, options, split):
            example: dict[str, Any] = {source.kind: values, features.ID: entry.id}
            if entry.label is not None:
                example[features.LABEL] = numbers[entry.label]
            # TFDS orders records by the hash of these keys, so that added records do not reorder the others.
            yield f"{entry.digest.hex()}-{equal[entry.digest]}", example
            equal[entry.digest] += 1

    tfds.disable_progress_bar()
    builder = _OwnData(
        name=name,
        version=version,
        data_dir=str(folder),
        description=f"Own data, made from: {source.form}.",
        features=tfds.features.FeaturesDict(_features(source, found)),
        split_datasets={split: _Examples(examples, split) for split in found.facts["records"]},
        facts={
            **found.facts,
            "options": metadata.options(options),
            **({metadata.COLUMNS: list(source.columns)} if source.columns else {}),
        },
    )
    try:
        builder.download_and_prepare()
        for path in sorted(pathlib.Path(builder.data_dir).glob("*.tfrecord*")):
            _sort_features(path)
    except (RuntimeError, OSError, tf.errors.OpError) as error:  # the first is what TFDS makes of the last
        reason = errors.first_line(error)
        raise errors.WriteError(
            f"the data set cannot be written in {folder.parent}: {reason}; nothing of it was kept"
        ) from error
    return pathlib.Path(builder.data_dir)


def _sort_features(path: pathlib.Path) -> None:
    """Write the features of each record sorted by name; TFDS writes them in an order that differs between processes."""
    unfinished = path.with_name(path.name + ".unfinished")
    with tf.io.TFRecordWriter(str(unfinished)) as writer:
        for record in tf.data.TFRecordDataset(str(path)):
            writer.write(tf.train.Example.FromString(record.numpy()).SerializeToString(deterministic=True))
    atomic_file.replace(unfinished, path)


class _Examples:
    """An iterable that starts to read when it is iterated."""

    def __init__(self, read: Any, split: str) -> None:
        self._read, self._split = read, split

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        found: Iterator[tuple[str, dict[str, Any]]] = self._read(self._split)
        return found


def _features(source: Source, found: Survey) -> dict[str, Any]:
    values: Any
    if source.kind == IMAGE and found.dtype in ("uint8", "uint16"):
        values = tfds.features.Image(shape=found.shape, dtype=np.dtype(found.dtype), encoding_format="png")
    else:
        values = tfds.features.Tensor(shape=found.shape, dtype=np.float32)
    stored = {source.kind: values, features.ID: tfds.features.Text()}
    if found.label_names:
        stored[features.LABEL] = tfds.features.ClassLabel(names=list(found.label_names))
    return stored


def known_names() -> list[str]:
    """Return the names of the data sets that TensorFlow Datasets itself has."""
    names: list[str] = tfds.list_builders(with_community_datasets=False)
    return names
