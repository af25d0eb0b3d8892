"""The metrics of a trained model on the validation split: those of the Evaluator, by the same functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from components.evaluation import image_metrics, slice_metrics


def measure(
    encode: Callable[[tf.Tensor], tf.Tensor],
    decode: Callable[[tf.Tensor], tf.Tensor],
    batches: Iterable[tf.Tensor],
    mean_image: tf.Tensor,
    loss: str = "bce",
) -> dict[str, float]:
    """Compute the metrics of `metrics.evaluated(loss)` that are means over images or computed from a slice.

    Args:
      encode: takes float32 images, shape (n, pixels), and returns their codes: float32, shape (n, units), >= 0.
      decode: takes codes and returns logits, of a model with loss mse the reconstructions: float32, shape (n, pixels).
      batches: of all images, at least one.
      mean_image: float32, shape (pixels,), the mean training image.
      loss: that the model was trained with, a key of `metrics.LOSSES`.
    """
    count, counts = 0, slice_metrics.UnitCounts()
    sums: dict[str, float] = {}
    for images in batches:
        codes = encode(images)
        measured = image_metrics.measure_images(images, codes, decode(codes), mean_image, loss)
        for name, values in measured.items():
            sums[name] = sums.get(name, 0.0) + float(values.numpy().sum(dtype=np.float64))
        count += int(images.shape[0])
        counts += slice_metrics.UnitCounts.of(codes.numpy())
    averages = {name: total / count for name, total in sums.items()}
    return averages | slice_metrics.measure_slice(averages, counts, loss)
