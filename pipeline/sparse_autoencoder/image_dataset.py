"""The description of a data set of images."""

from __future__ import annotations

import dataclasses

from pipeline.core.dataset import Dataset


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageDataset(Dataset):
    """A labelled data set of grey images, prepared by TensorFlow Datasets.

    Attributes:
      builder_dir: folder of the prepared data set, such as `.../mnist/3.0.1`.
      height, width: of every image, pixels.
      label_names: the name of each label, in the order of their numbers.
      schema_file: path of the schema that the data is validated against.
    """

    builder_dir: str
    height: int
    width: int
    label_names: tuple[str, ...]
    schema_file: str
