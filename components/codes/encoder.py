"""Encode new data with a saved model, and compare it with the schema of the model's training data."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_datasets as tfds
from tensorflow_data_validation.statistics import stats_impl

from components.codes import table
from components.codes.new_data import BATCH, Batch, TrainingData, Values, check_shape, image_text
from components.data import data_gate, features, preprocessing, tf_example, tfds_reader
from components.errors import DataError, first_line
from components.evaluation import metrics
from components.model import saved_model
from components.model.signature_call import on_rows
from components.text import counted

_WORSE = 2.0  # times the loss on the test split: seeds and labels of one data set differ by less


class Encoder:
    """A saved model, and what it found of the records encoded so far.

    Attributes:
      size: numbers in an image or vector that the model encodes.
      shape: height, width and channels of the images that it decodes; None if it reads numbers.
      dtype: `uint8` or `uint16`, of the pixels of these images; `float32` if it reads numbers.
    """

    def __init__(self, model: pathlib.Path, training: TrainingData | None = None) -> None:
        """Load a model.

        Args:
          model: folder of a SavedModel that the Trainer wrote.
          training: what is known of its training data.

        Raises:
          DataError: it is not such a model.
        """
        try:
            loaded = tf.saved_model.load(str(model))
            self._signatures = {name: loaded.signatures[name] for name in ("encode", "evaluate")}
            [images] = self._signatures["encode"].structured_input_signature[1].values()
            self.size = int(images.shape[1])
            self.shape, self.dtype = _decoded_images(self._signatures["evaluate"])
        except Exception as error:  # TensorFlow raises many kinds on a damaged model
            reason = first_line(error)
            raise DataError(f"{model} is no SavedModel of this pipeline: {reason}") from error
        self._loaded = loaded  # owns the variables
        self._training = training or TrainingData()
        schema = self._training.schema
        self._schema = tfdv.load_schema_text(str(schema)) if schema else None
        self._losses, self._count = 0.0, 0
        self._loss = metrics.BCE
        self._seen: dict[str, str] = {}

    def encode(self, batch: Batch) -> pa.Table:
        """Return the rows of a batch. A model that decodes images takes floats as scaled already.

        Raises:
          DataError: a record has another shape or type than those that the model encodes.
        """
        values = [self._as_read(name, one) for name, one in zip(batch.ids, batch.values, strict=True)]
        scaled = [self.shape is not None and not isinstance(one, bytes) for one in values]
        if any(scaled) and not all(scaled):
            one, other = batch.ids[scaled.index(True)], batch.ids[scaled.index(False)]
            raise DataError(f"record {one} is of floats, record {other} of whole numbers: convert them to one type")
        if all(scaled):
            codes = on_rows(self._signatures["encode"], "images", np.stack(values))[saved_model.CODE].numpy()
        else:
            codes = self._measured(batch, values)
        return table.to_table(batch.ids, batch.split, codes, batch.labels, batch.label_names)

    def _measured(self, batch: Batch, values: Sequence[bytes | tfds_reader.Floats]) -> npt.NDArray[np.float32]:
        """Encode through the transform graph in the model, and compare with the training data."""
        self._validate(self._columns(values, batch.labels))
        examples = [tf_example.serialized(one) for one in values]
        with _without_constant_folding():
            found = on_rows(self._signatures["evaluate"], "examples", examples)
        self._count += len(values)
        self._loss = metrics.LOSSES[metrics.loss_of(found)].metric
        self._losses += float(tf.reduce_sum(found[self._loss.name]))
        codes: npt.NDArray[np.float32] = found[saved_model.CODE].numpy()
        return codes

    def _as_read(self, name: str, given: Values | bytes) -> bytes | tfds_reader.Floats:
        """Return a record as the model reads it: a PNG file, or numbers."""
        if isinstance(given, bytes):
            return given
        if self.shape is None:
            given = given.astype(np.float32)
        if self._training.size is not None and given.ndim == 3 and given.shape[:2] != self._training.size:
            given = tfds_reader.resample(given, *self._training.size)
        if self.shape is not None and given.dtype.name == self.dtype and given.ndim == 3:
            check_shape(name, given.shape, self.shape)
            return tf_example.png_file(given)
        if self.shape is not None and given.dtype.kind != "f":
            raise DataError(f"record {name} is an image of {given.dtype}, the model encodes {self.dtype}: convert it")
        if given.size != self.size:
            found = "an image" if given.ndim == 3 else "a vector"
            model = f"images of {image_text(self.shape)}" if self.shape else f"vectors of {self.size:,}"
            raise DataError(
                f"record {name} is {found} of {counted(given.size, 'number')}, the model encodes {model}: give such "
                "data, or choose another model with --model"
            )
        flat = given.reshape(-1).astype(np.float32)
        if self.shape is not None and self._training.scaling != preprocessing.STANDARD:
            inside = (flat >= 0) & (flat <= 1)
            if not inside.all():
                raise DataError(
                    f"record {name} has the value {flat[np.argmin(inside)]:g}, which is not allowed: floats must be in "
                    f"[0, 1], scaled as the model does; or give images of {self.dtype}"
                )
        return flat

    def _columns(self, values: Sequence[bytes | tfds_reader.Floats], labels: Any) -> dict[str, Any]:
        """Return the raw features of records by name, a list for each example, as ExampleGen writes them."""
        columns: dict[str, Any] = {}
        if self.shape is None:
            columns[features.VALUES] = list(values)
        else:
            columns[features.IMAGE] = [[png] for png in values]
            sizes = zip((features.HEIGHT, features.WIDTH, features.CHANNELS), self.shape, strict=True)
            columns |= {name: [[size]] * len(values) for name, size in sizes if (name, size) != (features.CHANNELS, 1)}
        if labels is not None:
            columns[features.LABEL] = labels[:, np.newaxis].tolist()
        return columns

    def _validate(self, columns: dict[str, Any]) -> None:
        """Compare TFDV's statistics of a batch with the schema, without features that new data need not have."""
        if self._schema is None:
            return
        schema = type(self._schema)()
        schema.CopyFrom(self._schema)
        optional = {features.LABEL, features.HEIGHT, features.WIDTH, features.CHANNELS} - columns.keys()
        kept = [one for one in schema.feature if one.name not in optional]
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
        """Return a line for each anomaly, and one if the model reconstructs the records badly."""
        found = list(self._seen.values())
        test_loss = self._training.test_loss
        if self._count and test_loss and self._losses / self._count > _WORSE * test_loss:
            found.append(
                f"its reconstruction loss, {self._loss.title}, is {self._losses / self._count:.4f}, on the test split "
                f"{test_loss:.4f}"
            )
        return tuple(found)

    def read_dataset(self, builder_dir: str) -> Iterator[Batch]:
        """Yield the records of every split of a prepared TFDS data set, in their order on disk.

        Raises:
          DataError: the data set is not supported, is damaged, or has another type than the model.
        """
        builder = tfds.builder_from_directory(builder_dir)
        description = tfds_reader.describe(builder, self._training.size)
        if description.dtype in tfds_reader.BITS and self.shape is not None:
            found, wanted = (description.shape, description.dtype), (self.shape, self.dtype)
            if found != wanted:
                raise DataError(
                    f"the data set {description.name} has images of {image_text(found[0])}, {found[1]}: the model "
                    f"encodes {image_text(self.shape)}, {self.dtype}"
                )
        for split in description.split_sizes:
            number = 0
            for part in tfds_reader.slices(builder, split, BATCH):
                records = list(tfds_reader.records(builder_dir, description, part))
                ids = [one.id or f"{split}/{place}" for place, one in enumerate(records, start=number)]
                values = [self._as_numbers(one.data, description.dtype) for one in records]
                numbers = [one.label for one in records if one.label is not None]
                yield Batch(ids, values, np.array(numbers, np.int64) if numbers else None, split=split)
                number += len(records)

    def _as_numbers(self, data: bytes | tfds_reader.Floats, dtype: str) -> bytes | tfds_reader.Floats:
        """Return the pixels of a PNG file for a model that reads numbers."""
        if not isinstance(data, bytes) or self.shape is not None:
            return data
        flat: tfds_reader.Floats = (
            tf.io.decode_png(data, dtype=tf.as_dtype(dtype)).numpy().reshape(-1).astype(np.float32)
        )
        return flat


def _decoded_images(signature: Any) -> tuple[tuple[int, ...] | None, str]:
    """Return shape and type of the images that the graph of a signature decodes; None if it decodes none."""
    for function in signature.graph.as_graph_def().library.function:
        nodes = {node.op: node for node in function.node_def}
        if "DecodePng" in nodes:
            shape = tuple(dim.size for dim in nodes["EnsureShape"].attr["shape"].shape.dim)
            return shape, tf.as_dtype(nodes["DecodePng"].attr["dtype"].type).name
    return None, "float32"


@contextlib.contextmanager
def _without_constant_folding() -> Iterator[None]:
    """Divide pixels as the nodes of a run do: constant folding multiplies them by the rounded reciprocal."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"constant_folding": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"constant_folding": before.get("constant_folding", True)})
