"""Read ExampleGen's files through the transform graph, in their order on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.data import features

_ALIGNMENT = 64  # bytes


def records(files: Sequence[str]) -> tf.data.Dataset:
    """Read the serialized examples of `files`: paths, or patterns of paths, in the order of their names."""
    return tf.data.TFRecordDataset(sorted(path for pattern in files for path in tf.io.gfile.glob(pattern)))


def image_decoder(transform: tft.TFTransformOutput) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function from serialized examples, string, shape (n,), to images, float32, shape (n, pixels)."""
    spec = transform.raw_feature_spec()
    layer = transform.transform_features_layer()

    # Converting Keras' and TFT's own source takes three seconds.
    @tf.autograph.experimental.do_not_convert
    def decode(serialized: tf.Tensor) -> tf.Tensor:
        return layer(tf.io.parse_example(serialized, spec))[features.IMAGE_XF]

    return decode  # type: ignore[no-any-return]


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
      batch_size: images in a batch; the last one may be smaller. None: `features.batch_of` their size.
      ids: whether to read the examples' ids.
      numbers: of the examples to read, from 0 in their order, which stays; None: all. The others are not transformed.

    Returns:
      Dicts of `image_xf`: float32, shape (n, pixels), and if there are labels `label_xf`: int64, shape (n,).
      With `ids` also `id`: string, shape (n,), empty where an example has none.
    """
    spec = transform.raw_feature_spec()
    size = batch_size or features.batch_of(transform.transformed_feature_spec()[features.IMAGE_XF].shape[0])
    id_spec = {features.ID: tf.io.FixedLenFeature([], tf.string, default_value="")}
    layer = transform.transform_features_layer()

    @tf.autograph.experimental.do_not_convert
    def apply(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = layer(tf.io.parse_example(serialized, spec))
        found = {name: outputs[name] for name in (features.IMAGE_XF, features.LABEL_XF) if name in outputs}
        return {**found, **(tf.io.parse_example(serialized, id_spec) if ids else {})}

    examples = records(files)
    if numbers is not None:
        wanted = np.zeros(max(numbers, default=-1) + 1, bool)
        wanted[list(numbers)] = True
        is_wanted = tf.constant(wanted)

        @tf.autograph.experimental.do_not_convert
        def chosen(part: tf.Tensor, serialized: tf.Tensor) -> tf.Tensor:
            return tf.boolean_mask(serialized, is_wanted[part * size :][: tf.size(serialized)])

        # In parts, because to call a function for a single example takes as long as to transform it.
        examples = examples.take(len(wanted)).batch(size).enumerate().map(chosen).unbatch()
    return examples.batch(size).map(apply, num_parallel_calls=2, deterministic=True)


def load_images(files: Sequence[str], transform: tft.TFTransformOutput) -> tf.Tensor:
    """Return all images of a split: float32, shape (n, pixels).

    They are in memory once. TensorFlow would concatenate them into a copy, and keep the memory of both when they are
    deleted.
    """
    count = sum(len(batch) for batch in records(files).batch(features.BATCH))
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
