"""Read a prepared TFDS data set of grey images: its description, and its records in order."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import struct
from collections.abc import Iterator

import tensorflow as tf
import tensorflow_datasets as tfds

from components import errors

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_GREY = 0  # colour type of the PNG header
_BATCH = 500  # records handed from TensorFlow to Python at once; one by one takes ten times as long


@dataclasses.dataclass(frozen=True)
class Description:
    """A data set that the pipeline can use.

    Attributes:
      name: with its config if it has one, as TFDS writes it: `emnist/letters`.
      version: `3.0.1`.
      height, width: of every image, pixels.
      label_names: by the label's number.
      image_key, label_key: names of the two features in the data set.
      split_sizes: number of examples by split.
    """

    name: str
    version: str
    height: int
    width: int
    label_names: tuple[str, ...]
    image_key: str
    label_key: str
    split_sizes: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Slice:
    """Records `start` up to, not including, `stop` of one of the data set's own splits."""

    split: str
    start: int
    stop: int


def describe(builder: tfds.core.DatasetBuilder) -> Description:
    """Describe a data set.

    Raises:
      errors.DataError: its examples are not one grey 8-bit image of fixed size and one integer label each.
    """
    info = builder.info
    name = f"{builder.name}/{builder.builder_config.name}" if builder.builder_config else builder.name
    # Not any object with items(): a sequence of dicts has items as well.
    found = dict(info.features.items()) if isinstance(info.features, tfds.features.FeaturesDict) else {}
    images = {key: feature for key, feature in found.items() if isinstance(feature, tfds.features.Image)}
    labels = {key: feature for key, feature in found.items() if isinstance(feature, tfds.features.ClassLabel)}
    kinds = ", ".join(f"{key}: {type(feature).__name__}" for key, feature in found.items()) or "no named features"

    def refuse(reason: str) -> errors.DataError:
        return errors.DataError(
            f"data set {name} cannot be used: {reason}. This pipeline needs grey 8-bit images of one size with an "
            "integer label, such as mnist, fashion_mnist, kmnist or emnist/letters"
        )

    if len(images) != 1:
        raise refuse(f"it has {len(images)} image features, one is needed ({kinds})")
    if len(labels) != 1:
        raise refuse(f"it has {len(labels)} label features, one is needed ({kinds})")
    [(image_key, image)], [(label_key, label)] = images.items(), labels.items()
    if len(image.shape) != 3 or image.shape[2] != 1:
        raise refuse(f"its images have shape {image.shape}, one channel is needed")
    if None in image.shape:
        raise refuse(f"its images have no fixed size (shape {image.shape})")
    if tf.as_dtype(image.dtype) != tf.uint8:
        raise refuse(f"its pixels are {tf.as_dtype(image.dtype).name}, uint8 is needed")
    return Description(
        name=name,
        version=str(builder.version),
        height=int(image.shape[0]),
        width=int(image.shape[1]),
        label_names=tuple(label.names or [str(number) for number in range(label.num_classes)]),
        image_key=image_key,
        label_key=label_key,
        split_sizes={split: info.splits[split].num_examples for split in info.splits},
    )


def slices(builder: tfds.core.DatasetBuilder, split: str, longest: int) -> list[Slice]:
    """Cut a split, in TFDS's split language, into slices of at most `longest` records. An empty split has none.

    Raises:
      errors.DataError: the data set has no such split.
    """
    try:
        instructions = tfds.core.ReadInstruction.from_spec(split).to_absolute(builder.info.splits)
    except (ValueError, KeyError, AssertionError) as error:
        known = ", ".join(builder.info.splits) or "none"
        raise errors.DataError(
            f"{split!r} is not a split of {builder.info.full_name}: choose from {known}, or a part such as "
            f"train[:80%] or train[1000:] ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error
    found = []
    for part in instructions:
        stop = builder.info.splits[part.splitname].num_examples if part.to is None else part.to
        for start in range(part.from_ or 0, stop, longest):
            found.append(Slice(part.splitname, start, min(start + longest, stop)))
    return found


def records(builder_dir: str, description: Description, part: Slice) -> Iterator[tuple[bytes, int]]:
    """Yield the records of a slice in their order on disk: PNG file and label. Memory does not grow with the slice.

    Raises:
      errors.DataError: a file of the data set is damaged, or an image is not as described; names the record.
    """
    dataset = _open(builder_dir, description, part)
    position = part.start
    try:
        # TensorFlow reads two batches ahead.
        for batch in tfds.as_numpy(dataset.batch(_BATCH).prefetch(2)):
            for png, label in zip(batch[description.image_key], batch[description.label_key], strict=True):
                check_png(png, description, f"record {position} of {part.split}")
                yield png, int(label)
                position += 1
    except tf.errors.OpError as error:
        # The whole batch failed: count the records that can be read one by one.
        position += _readable(dataset.skip(position - part.start))
        reason = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", error.message.splitlines()[0])
        raise errors.DataError(
            f"data set {description.name} in {pathlib.Path(builder_dir)} is damaged at record {position} of "
            f"{part.split} ({reason}). Delete that folder and prepare the data set again"
        ) from error


def _open(builder_dir: str, description: Description, part: Slice) -> tf.data.Dataset:
    builder = tfds.builder_from_directory(builder_dir)
    wanted = {key: builder.info.features[key] for key in (description.image_key, description.label_key)}
    return builder.as_dataset(
        split=f"{part.split}[{part.start}:{part.stop}]",
        decoders=tfds.decode.PartialDecoding(wanted, decoders={description.image_key: tfds.decode.SkipDecoding()}),
        shuffle_files=False,
        # One reader keeps the order on disk.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )


def _readable(dataset: tf.data.Dataset) -> int:
    """Return how many records can be read before the first damaged one."""
    count = 0
    try:
        for _ in dataset:
            count += 1
    except tf.errors.OpError:
        pass
    return count


def check_png(png: bytes, description: Description, where: str) -> None:
    """Raise `errors.DataError` unless a PNG's header is that of an 8-bit grey image of the data set's shape."""
    if not png.startswith(_PNG_SIGNATURE) or len(png) < 26:
        raise errors.DataError(f"{where} of {description.name} is not a PNG file; only PNG images are supported")
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    if (height, width, depth, colour) != (description.height, description.width, 8, _PNG_GREY):
        raise errors.DataError(
            f"{where} of {description.name} is a PNG of {height}x{width} pixels, {depth}-bit, colour type {colour}; "
            f"expected {description.height}x{description.width}, 8-bit, grey (colour type 0)"
        )
