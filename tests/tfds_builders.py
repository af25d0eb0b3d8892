"""Small real data sets, prepared by TensorFlow Datasets."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tests import lazy

tfds = lazy.module("tensorflow_datasets")

# Not square, so that height and width cannot be mixed up unseen.
HEIGHT, WIDTH, LABELS = 6, 8, 3


def band(number: int) -> npt.NDArray[np.uint8]:
    """A grey image: a bright band in the rows of its label, on noise that no other number has."""
    image = np.random.default_rng(number).integers(0, 60, (HEIGHT, WIDTH, 1), dtype=np.uint8)
    row = 2 * (number % LABELS)
    image[row : row + 2] += 180
    return image


def bands(numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Records whose label is the image's number modulo `LABELS`."""
    return [{"image": band(number), "label": number % LABELS} for number in numbers]


def grey(labels: int = LABELS, **image: Any) -> dict[str, Any]:
    """The features of a data set that the pipeline can use; `image` changes those of the image."""
    return {
        "image": tfds.features.Image(**({"shape": (HEIGHT, WIDTH, 1)} | image)),
        "label": tfds.features.ClassLabel(num_classes=labels),
    }


def prepare(
    folder: pathlib.Path,
    splits: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    features: Mapping[str, Any] | None = None,
    name: str = "bands",
    config: str | None = None,
    files: int = 1,
    in_order: bool = False,
) -> str:
    """Writes a data set, version 1.2.3, into `folder`.

    Args:
      folder: holds data sets.
      splits: records by name of the split.
      features: of the data set; None: `grey()`.
      name, config: of the data set.
      files: files per split.
      in_order: keep the records' order, which TFDS else shuffles.

    Returns:
      The folder of the prepared data set.
    """
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        config=config,
        version="1.2.3",
        data_dir=str(folder),
        features=tfds.features.FeaturesDict(dict(features or grey())),
        split_datasets={split: list(enumerate(records)) for split, records in splits.items()},
        download_config=tfds.download.DownloadConfig(num_shards=files),
        disable_shuffling=in_order,
    )
    return str(builder.data_dir)
