"""Read ExampleGen's files through the transform graph, in their order on disk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.data import features

BATCH = 1_000  # images transformed at once: the graph's overhead is small, and so is the memory
_ALIGNMENT = 64  # bytes
_BATCH_BYTES = 64 * 1024 * 1024  # of large images fewer are transformed at once


def batch_of(values: int) -> int:
    """Return how many images of `values` float32 to transform at once."""
    return max(1, min(BATCH, _BATCH_BYTES // (4 * values)))


def transformed(
    files: Sequence[str],
    transform: tft.TFTransformOutput,
    batch_size: int | None = None,
    *,
    ids: bool = False,
    numbers: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """Read the transformed examples of `files` in batches.

    Args:
      files: paths, or patterns of paths, of one split's TFRecords; read in the order of their names.
      transform: the transform graph.
      batch_size: images in a batch; the last one may be smaller. None: `batch_of` their size.
      ids: whether to read the examples' ids.
      numbers: of the examples to read, from 0 in their order, which stays; None: all. The others are not transformed.

    Returns:
      Dicts of `image_xf`: float32, shape (n, pixels), and if there are labels `label_xf`: int64, shape (n,).
      With `ids` also `id`: string, shape (n,), empty where an example has none.
    """
    paths = sorted(path for pattern in files for path in tf.io.gfile.glob(pattern))
    spec = transform.raw_feature_spec()
    size = batch_size or batch_of(transform.transformed_feature_spec()[features.IMAGE_XF].shape[0])
    id_spec = {features.ID: tf.io.FixedLenFeature([], tf.string, default_value="")}
    layer = transform.transform_features_layer()

    # Converting Keras' and TFT's own source takes three seconds.
    @tf.autograph.experimental.do_not_convert
    def apply(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = layer(tf.io.parse_example(serialized, spec))
        found = {name: outputs[name] for name in (features.IMAGE_XF, features.LABEL_XF) if name in outputs}
        return {**found, **(tf.io.parse_example(serialized, id_spec) if ids else {})}

    records = tf.data.TFRecordDataset(paths)
    if numbers is not None:
        wanted = np.zeros(max(numbers, default=-1) + 1, bool)
        wanted[list(numbers)] = True
        is_wanted = tf.constant(wanted)

        @tf.autograph.experimental.do_not_convert
        def is_chosen(number: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return is_wanted[number]

        @tf.autograph.experimental.do_not_convert
        def record(_: tf.Tensor, serialized: tf.Tensor) -> tf.Tensor:
            return serialized

        records = records.take(len(wanted)).enumerate().filter(is_chosen).map(record)
    return records.batch(size).map(apply, num_parallel_calls=2, deterministic=True)


def load_images(files: Sequence[str], transform: tft.TFTransformOutput) -> tf.Tensor:
    """Return all images of a split: float32, shape (n, pixels).

    They are in memory once. TensorFlow would concatenate them into a copy, and keep the memory of both when they are
    deleted.
    """
    paths = sorted(path for pattern in files for path in tf.io.gfile.glob(pattern))
    count = sum(len(records) for records in tf.data.TFRecordDataset(paths).batch(BATCH))
    images = _aligned(count, transform.transformed_feature_spec()[features.IMAGE_XF].shape[0])
    if not count:
        return tf.constant(images)
    filled = 0
    for batch in transformed(files, transform):
        found = batch[features.IMAGE_XF]
        images[filled : filled + len(found)] = found
        filled += len(found)
    return tf.experimental.dlpack.from_dlpack(images.__dlpack__())  # shares the memory


def _aligned(rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Return an array of float32 whose memory TensorFlow and XLA can use: it begins at a multiple of 64."""
    size = 4 * rows * columns
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(np.float32).reshape(rows, columns)
