"""Transform's `preprocessing_fn`: flatten the image or vector and scale it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.data import features

# Values of the setting `data.scaling`.
AUTO, RANGE, STANDARD = "auto", "range", "standard"
_LARGEST = {"uint8": features.MAX_PIXEL, "uint16": features.MAX_PIXEL_16}


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Decode, flatten and scale a batch.

    Args:
      inputs: raw examples as `components.data.features` describes them: `image`: string, shape (n, 1), or `values`:
        float32, shape (n, values); with labels `label`: int64, shape (n, 1); others are dropped.
      custom_config: `height` and `width` of every image, pixels, and where they are not these, `channels` (1), `dtype`
        (`uint8`), `kind` (`image`) and `scaling` (`auto`).

    Returns:
      `image_xf`: float32, shape (n, values), in [0, 1] unless standardised; with labels `label_xf`: int64, shape (n,).

    Raises:
      tf.errors.InvalidArgumentError: when the graph runs on an image of another shape, or not on a PNG file.
    """
    scaling, dtype = custom_config.get("scaling", AUTO), custom_config.get("dtype", "uint8")
    shape = custom_config["height"], custom_config["width"], custom_config.get("channels", 1)
    size = math.prod(shape)
    if features.VALUES in inputs:
        numbers = tf.reshape(inputs[features.VALUES], [-1, size])
    else:
        numbers = tf.cast(_decoded(inputs[features.IMAGE], shape, tf.as_dtype(dtype)), tf.float32)
    if scaling == AUTO and dtype in _LARGEST:
        scaled = numbers / _LARGEST[dtype]
    else:
        scale = standardise if scaling == STANDARD else to_range
        scaled = scale(numbers, per_value=custom_config.get("kind") == "vector")
    outputs = {features.IMAGE_XF: tf.reshape(scaled, [-1, size])}
    if features.LABEL in inputs:
        outputs[features.LABEL_XF] = tf.reshape(inputs[features.LABEL], [-1])
    return outputs


def _decoded(files: tf.Tensor, shape: tuple[int, int, int], dtype: tf.DType) -> tf.Tensor:
    """Decode PNG files of images of one shape (height, width, channels)."""

    def decode(png: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.io.decode_png(png, channels=shape[2], dtype=dtype), shape)

    return tf.map_fn(decode, tf.reshape(files, [-1]), fn_output_signature=tf.TensorSpec(shape, dtype))


def to_range(values: tf.Tensor, per_value: bool) -> tf.Tensor:
    """Scale values by their minimum and maximum over the train split, clipped to [0, 1]; 0 where these are equal.

    Args:
      values: float32, shape (n, values) or (n, height, width, channels).
      per_value: whether each column has a minimum and maximum of its own, or all have one.
    """
    low = tft.min(values, reduce_instance_dims=not per_value)
    high = tft.max(values, reduce_instance_dims=not per_value)
    return tf.clip_by_value(tf.math.divide_no_nan(values - low, high - low), 0.0, 1.0)


def standardise(values: tf.Tensor, per_value: bool) -> tf.Tensor:
    """Subtract the mean over the train split, and divide by the standard deviation; 0 where that is 0.

    Args:
      values: float32, shape (n, values) or (n, height, width, channels).
      per_value: whether each column has a mean and deviation of its own, or all have one.
    """
    mean = tft.mean(values, reduce_instance_dims=not per_value)
    deviation = tf.sqrt(tft.var(values, reduce_instance_dims=not per_value))
    return tf.math.divide_no_nan(values - mean, deviation)
