"""Read ExampleGen's files through the transform graph, in their order on disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.data import features, resident

_ALIGNMENT = 64  # bytes
_loading = threading.Lock()  # what is loaded ahead may be wanted meanwhile


def paths(files: Sequence[str]) -> list[str]:
    """Return the paths that match `files`: paths, or patterns of paths, in the order of their names."""
    return sorted(path for pattern in files for path in tf.io.gfile.glob(pattern))


def records(files: Sequence[str]) -> tf.data.Dataset:
    """Read the serialized examples of `files`: paths, or patterns of paths, in the order of their names."""
    return tf.data.TFRecordDataset(paths(files))


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
    size = batch_size or features.batch_of(_pixels(transform))
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


def batches(
    files: Sequence[str],
    transform: tft.TFTransformOutput,
    batch_size: int | None = None,
    *,
    ids: bool = False,
    numbers: Sequence[int] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the batches of `transformed` as arrays: from memory if the split is there, or may stay there from now on.

    The arrays cannot be written to. Arguments as of `transformed`.
    """
    split = _resident(files, transform, may_load=numbers is None)
    if split is None:
        yield from transformed(files, transform, batch_size, ids=ids, numbers=numbers).as_numpy_iterator()
        return
    count, pixels = split.images.shape
    size = batch_size or features.batch_of(pixels)
    for start in range(0, count if numbers is None else len(numbers), size):
        part: Any = slice(start, start + size) if numbers is None else np.asarray(numbers[start : start + size])
        batch: dict[str, Any] = {features.IMAGE_XF: split.images[part]}
        if split.labels is not None:
            batch[features.LABEL_XF] = split.labels[part]
        if ids:
            none = np.full(len(batch[features.IMAGE_XF]), b"", object)
            batch[features.ID] = none if split.ids is None else split.ids[part]
        yield batch


def load_images(files: Sequence[str], transform: tft.TFTransformOutput) -> tf.Tensor:
    """Return all images of a split: float32, shape (n, pixels). The split stays in memory if `resident` has room.

    They are in memory once. TensorFlow would concatenate them into a copy, and keep the memory of both when they are
    deleted.
    """
    split = _load(files, transform)
    # The tensor shares the memory of the array.
    images = tf.experimental.dlpack.from_dlpack(split.images.__dlpack__()) if len(split.images) else split.images
    _keep(files, transform, split)
    return tf.convert_to_tensor(images)


def load_ahead(files: Sequence[str], transform: tft.TFTransformOutput) -> None:
    """Load a split that `batches` will read, if `resident` has room for it."""
    _resident(files, transform, may_load=True)


def _resident(files: Sequence[str], transform: tft.TFTransformOutput, may_load: bool) -> resident.Split | None:
    """Return a split that is in memory, or may be loaded and stay there; None: it is to be read in batches."""
    if not resident.is_allowed():
        return None
    key = _key(files, transform)
    if not may_load:
        return resident.find(key)
    with _loading:
        split = resident.find(key)
        if split is None and 4 * _count(files) * _pixels(transform) <= resident.room():
            split = _load(files, transform)
            _keep(files, transform, split)
    return split


def _keep(files: Sequence[str], transform: tft.TFTransformOutput, split: resident.Split) -> None:
    if resident.is_allowed():
        resident.keep(_key(files, transform), split)


def _load(files: Sequence[str], transform: tft.TFTransformOutput) -> resident.Split:
    """Read all examples of a split."""
    images = _aligned(_count(files), _pixels(transform))
    labels: list[Any] = []
    own: list[Any] = []
    filled = 0
    for batch in transformed(files, transform, ids=True).as_numpy_iterator():
        found = batch[features.IMAGE_XF]
        images[filled : filled + len(found)] = found
        filled += len(found)
        labels += [batch[features.LABEL_XF]] if features.LABEL_XF in batch else []
        own.append(batch[features.ID])
    return resident.Split(
        images,
        np.concatenate(labels) if labels else None,
        np.concatenate(own) if any(map(any, own)) else None,
    )


def _key(files: Sequence[str], transform: tft.TFTransformOutput) -> Hashable:
    """Return the files of a split and of the transform graph, with sizes and times, which show that they changed."""
    graph = os.path.join(transform.transform_savedmodel_dir, tf.saved_model.SAVED_MODEL_FILENAME_PB)
    found = ((path, tf.io.gfile.stat(path)) for path in [*paths(files), graph])
    return tuple((path, stat.length, stat.mtime_nsec) for path, stat in found)


def _count(files: Sequence[str]) -> int:
    return sum(len(batch) for batch in records(files).batch(features.BATCH))


def _pixels(transform: tft.TFTransformOutput) -> int:
    return int(transform.transformed_feature_spec()[features.IMAGE_XF].shape[0])


def _aligned(rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Return an array of float32 whose memory TensorFlow and XLA can use: it begins at a multiple of 64."""
    size = 4 * rows * columns
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(np.float32).reshape(rows, columns)
