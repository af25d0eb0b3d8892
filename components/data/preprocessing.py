"""Transform's `preprocessing_fn`: flatten the image and scale it to [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.data import features


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Decode, flatten and scale a batch.

    Args:
      inputs: `image`: string, shape (n, 1), PNG files, 8-bit grey; `label`: int64, shape (n, 1); others are dropped.
      custom_config: `height` and `width` of every image, pixels.

    Returns:
      `image_xf`: float32, shape (n, height * width), values in [0, 1]; `label_xf`: int64, shape (n,).

    Raises:
      tf.errors.InvalidArgumentError: when the graph runs on an image of another shape, or not on a PNG file.
    """
    height, width = custom_config["height"], custom_config["width"]

    def decode(png: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.io.decode_png(png, channels=1, dtype=tf.uint8), [height, width, 1])

    images = tf.map_fn(
        decode,
        tf.reshape(inputs[features.IMAGE], [-1]),
        fn_output_signature=tf.TensorSpec([height, width, 1], tf.uint8),
    )
    scaled = tf.cast(images, tf.float32) / features.MAX_PIXEL
    return {
        features.IMAGE_XF: tf.reshape(scaled, [-1, height * width]),
        features.LABEL_XF: tf.reshape(inputs[features.LABEL], [-1]),
    }
