"""Encode new images with a saved model, and compare them with the schema of its training data."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_datasets as tfds
from tensorflow_data_validation.statistics import stats_impl

from components.codes import table
from components.codes.inputs import Batch
from components.data import data_gate, features, tfds_reader
from components.errors import DataError, first_line
from components.evaluation import metrics
from components.model import saved_model

_BATCH = 1_000  # records
_COLOUR_TYPE = 25  # its byte in the header of a PNG file: 0 grey, 2 colour
_WORSE = 2.0  # times the loss on the test split: seeds and labels of one data set differ by less


class Encoder:
    """A saved model, and what it found of the images encoded so far.

    Attributes:
      pixels: of an image that the model encodes.
      warnings: one line for each way in which the images are unlike the training data, in the order found.
    """

    def __init__(self, model: pathlib.Path, schema: pathlib.Path | None = None, test_loss: float | None = None) -> None:
        """Load a model.

        Args:
          model: folder of a SavedModel that the Trainer wrote.
          schema: of its training data, as text; None: unknown.
          test_loss: its reconstruction loss on the test split; None: unknown.

        Raises:
          DataError: it is not such a model.
        """
        try:
            loaded = tf.saved_model.load(str(model))
            self._signatures = {name: loaded.signatures[name] for name in ("encode", "evaluate")}
            [images] = self._signatures["encode"].structured_input_signature[1].values()
            self.pixels = int(images.shape[1])
        except Exception as error:  # TensorFlow raises many kinds on a damaged model
            reason = first_line(error)
            raise DataError(f"{model} is no SavedModel of this pipeline: {reason}") from error
        self._loaded = loaded  # owns the variables
        self._schema = tfdv.load_schema_text(str(schema)) if schema else None
        self._test_loss, self._losses, self._count = test_loss, 0.0, 0
        self._loss = metrics.BCE
        self._seen: dict[str, str] = {}

    @property
    def reads_floats(self) -> bool:
        """Whether the model scales floats itself, because it was trained on floats."""
        return self._schema is not None and any(one.name == features.VALUES for one in self._schema.feature)

    def encode(self, batch: Batch) -> pa.Table:
        """Return the rows of a batch. Floats are taken as scaled already, unless the model reads floats.

        Raises:
          DataError: an example has another shape than those that the model encodes.
        """
        if batch.floats is not None and not self.reads_floats:
            codes = self._signatures["encode"](images=tf.constant(batch.floats))[saved_model.CODE].numpy()
        else:
            columns = _columns(batch)
            self._check_colour(batch)
            self._validate(columns)
            try:
                found = self._signatures["evaluate"](examples=tf.constant(_serialized(columns)))
            except tf.errors.InvalidArgumentError as error:
                raise DataError(
                    f"the examples from {batch.ids[0]} to {batch.ids[-1]} do not all have the shape that the model "
                    f"encodes ({self._shape})"
                ) from error
            codes = found[saved_model.CODE].numpy()
            self._count += len(codes)
            self._loss = metrics.LOSSES[metrics.loss_of(found)].metric
            self._losses += float(tf.reduce_sum(found[self._loss.name]))
        return table.to_table(batch.ids, batch.split, codes, batch.labels)

    def _size(self, name: str) -> int:
        """Return the only value that the schema allows for a size; 1 if it has none."""
        sizes = {one.name: one.int_domain.max for one in self._schema.feature} if self._schema else {}
        return int(sizes.get(name, 1))

    @property
    def _shape(self) -> str:
        if self._schema is None or self.reads_floats:
            return f"{self.pixels:,} numbers"
        return f"height {self._size(features.HEIGHT)}, width {self._size(features.WIDTH)}"

    def _check_colour(self, batch: Batch) -> None:
        """Refuse colour for a grey model, and the reverse: TensorFlow would convert it."""
        colour = self._size(features.CHANNELS) == 3
        for name, png in zip(batch.ids, batch.pngs, strict=bool(batch.pngs)):
            if (png[_COLOUR_TYPE] == 2) != colour:
                raise DataError(f"image {name} is {'grey' if colour else 'in colour'}, the model encodes the other")

    def _validate(self, columns: dict[str, Any]) -> None:
        """Compare TFDV's statistics of a batch with the schema; without labels, without that feature."""
        if self._schema is None:
            return
        schema = type(self._schema)()
        schema.CopyFrom(self._schema)
        if features.LABEL not in columns:
            kept = [one for one in schema.feature if one.name != features.LABEL]
            del schema.feature[:]
            schema.feature.extend(kept)
        arrays = [pa.array(values) for values in columns.values()]
        statistics = stats_impl.generate_statistics_in_memory(
            pa.RecordBatch.from_arrays(arrays, list(columns)), tfdv.StatsOptions(num_top_values=0)
        )
        for text in data_gate.describe_anomalies("the input", tfdv.validate_statistics(statistics, schema)):
            self._seen.setdefault(":".join(text.split(":")[:2]), text)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return a line for each anomaly, and one if the model reconstructs the images badly."""
        found = list(self._seen.values())
        if self._count and self._test_loss and self._losses / self._count > _WORSE * self._test_loss:
            found.append(
                f"its reconstruction loss, {self._loss.title}, is {self._losses / self._count:.4f}, on the test split "
                f"{self._test_loss:.4f}"
            )
        return tuple(found)


def _columns(batch: Batch) -> dict[str, Any]:
    """Return the raw features of a batch by name, a list for each example, as ExampleGen writes them."""
    columns: dict[str, Any] = {}
    if batch.floats is not None:
        columns[features.VALUES] = list(batch.floats)
    else:
        columns[features.IMAGE] = [[png] for png in batch.pngs]
        # From the header of a PNG file.
        columns[features.HEIGHT] = [[int.from_bytes(png[20:24], "big")] for png in batch.pngs]
        columns[features.WIDTH] = [[int.from_bytes(png[16:20], "big")] for png in batch.pngs]
        if all(png[_COLOUR_TYPE] == 2 for png in batch.pngs):
            columns[features.CHANNELS] = [[3]] * len(batch.pngs)
    if batch.labels is not None:
        columns[features.LABEL] = batch.labels[:, np.newaxis].tolist()
    return columns


def _serialized(columns: dict[str, Any]) -> list[bytes]:
    """Return tf.Examples with the feature that the model reads."""
    found = []
    for name in (features.IMAGE, features.VALUES):
        for values in columns.get(name, []):
            example = tf.train.Example()
            feature = example.features.feature[name]
            (feature.bytes_list if name == features.IMAGE else feature.float_list).value.extend(values)
            found.append(example.SerializeToString(deterministic=True))
    return found


def read_dataset(builder_dir: str) -> Iterator[Batch]:
    """Yield the records of every split of a prepared TFDS data set, in their order on disk.

    Raises:
      DataError: the data set is not supported, or damaged.
    """
    builder = tfds.builder_from_directory(builder_dir)
    description = tfds_reader.describe(builder)
    for split in description.split_sizes:
        number = 0
        for part in tfds_reader.slices(builder, split, _BATCH):
            records = list(tfds_reader.records(builder_dir, description, part))
            ids = [f"{split}/{one}" for one in range(number, number + len(records))]
            pngs = [data for data, _, _ in records if isinstance(data, bytes)]
            floats = None if pngs else np.stack([data for data, _, _ in records if not isinstance(data, bytes)])
            numbers = [label for _, label, _ in records if label is not None]
            labels: npt.NDArray[np.int64] | None = np.array(numbers, np.int64) if numbers else None
            yield Batch(ids, pngs=pngs, floats=floats, labels=labels, split=split)
            number += len(records)
