"""The description of a data set of images or vectors."""

from __future__ import annotations

import dataclasses

from components.data.own_data.conversion import Conversion
from pipeline.core.dataset import Dataset


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageDataset(Dataset):
    """A data set of images or vectors, prepared by TensorFlow Datasets. The defaults are those of MNIST.

    Attributes:
      builder_dir: folder of the prepared data set, such as `.../mnist/3.0.1`.
      height, width: of every image, pixels; a vector has height 1, and its length as width.
      label_names: the name of each label, in the order of their numbers; empty: no labels.
      schema_file: path of the schema that the data is validated against.
      kind: `image` or `vector`.
      channels: 1, or 3 for colour.
      dtype: `uint8`, `uint16` or `float32`.
      own_splits: names of the data set's own splits; empty in descriptions of older versions.
      ids: whether its records have ids, which the examples and the codes then have too.
      conversion: how `sae data add` made its records.
    """

    builder_dir: str
    height: int
    width: int
    label_names: tuple[str, ...]
    schema_file: str
    kind: str = "image"
    channels: int = 1
    dtype: str = "uint8"
    own_splits: tuple[str, ...] = ()
    ids: bool = False
    conversion: Conversion = dataclasses.field(default_factory=Conversion)
