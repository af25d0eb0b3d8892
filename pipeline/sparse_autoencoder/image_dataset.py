"""The description of a data set of images, found before the TFX pipeline is created."""

from __future__ import annotations

import dataclasses

from pipeline.core.dataset import Dataset


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageDataset(Dataset):
    """A data set of grey images with labels, prepared by TensorFlow Datasets.

    Attributes:
      builder_dir: folder of the prepared data set: `.../mnist/3.0.1`.
      height, width: of every image, pixels.
      label_names: one per label.
      schema_file: the schema that the data is validated against.
    """

    builder_dir: str
    height: int
    width: int
    label_names: tuple[str, ...]
    schema_file: str
