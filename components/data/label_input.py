"""Read the labels of ExampleGen's files through the transform graph, without their images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.data import features, transformed_input


def labels(files: Sequence[str], transform: tft.TFTransformOutput) -> npt.NDArray[np.int64] | None:
    """Return the labels of all examples of a split: int64, shape (n,); None if the data set has none.

    Args:
      files: paths, or patterns of paths, of the split's TFRecords; read in the order of their names.
      transform: the transform graph. TensorFlow runs the part of it that computes labels, so no image is decoded.
    """
    if features.LABEL_XF not in transform.transformed_feature_spec():
        return None
    spec = transform.raw_feature_spec()
    layer = transform.transform_features_layer()

    @tf.autograph.experimental.do_not_convert
    def apply(serialized: tf.Tensor) -> tf.Tensor:
        return layer(tf.io.parse_example(serialized, spec))[features.LABEL_XF]

    batches = transformed_input.records(files).batch(features.BATCH)
    found = batches.map(apply, num_parallel_calls=2, deterministic=True).as_numpy_iterator()
    labels_of_split: npt.NDArray[np.int64] = np.concatenate([np.empty(0, np.int64), *found])
    return labels_of_split
