"""tf.Examples with the features of `components.data.features`. Imports TensorFlow only when it makes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data import features


def serialized(
    data: bytes | npt.NDArray[np.float32], numbers: Mapping[str, int] | None = None, record_id: str = ""
) -> bytes:
    """Return a serialized tf.Example.

    Args:
      data: a PNG file, or the numbers of a vector or of an image of floats, row by row.
      numbers: further features of one integer each, such as `height`, by name.
      record_id: the feature `id`; empty: none.
    """
    import tensorflow as tf

    example = tf.train.Example()
    if isinstance(data, bytes):
        example.features.feature[features.IMAGE].bytes_list.value.append(data)
    else:
        example.features.feature[features.VALUES].float_list.value.extend(data.tolist())
    for name, number in (numbers or {}).items():
        example.features.feature[name].int64_list.value.append(number)
    if record_id:
        example.features.feature[features.ID].bytes_list.value.append(record_id.encode())
    # Otherwise protobuf writes map entries in any order.
    made: bytes = example.SerializeToString(deterministic=True)
    return made


def png_file(image: npt.NDArray[Any]) -> bytes:
    """Return an image of uint8 or uint16, shape (height, width, 1 or 3), as a PNG file."""
    import tensorflow as tf

    png: bytes = tf.io.encode_png(image).numpy()
    return png
