"""Read a prepared TFDS data set of images or vectors: its description, and its records in order."""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_datasets as tfds

from components import errors
from components.data import features as feature_names
from components.data import record_file, tf_example
from components.data.own_data import metadata
from components.data.own_data.conversion import Conversion

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_PNG_COLOURS = {1: (0, "grey"), 3: (2, "colour")}  # colour type of the PNG header and its name, by channels
BITS = {"uint8": 8, "uint16": 16}
_MISSING = re.compile(r"Feature: (\S+) \(data type: \w+\) is required but could not be found")  # of TensorFlow
_BATCH = 500  # records parsed and handed from TensorFlow to Python at once; one by one takes 15 times as long
_BATCH_BYTES = 32 * 1024 * 1024  # largest size of such a batch, decoded

Floats = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Description:
    """A data set that the pipeline can use.

    Attributes:
      name: with its config if it has one, as TFDS writes it: `emnist/letters`.
      version: `3.0.1`.
      kind: whether an example is an image or a vector of numbers.
      shape: (height, width, channels) of every image, pixels; (n,) of every vector.
      dtype: `uint8`, `uint16` or `float32`; that of other numbers, which are converted, is `float32`.
      data_key: name of the feature with the image or vector.
      label_key: name of the feature with the label; empty: no labels.
      label_names: by the label's number; empty: no labels.
      split_sizes: number of examples by split.
      resized: whether images are resampled to `shape`.
      id_key: name of the feature with the record's id, in a data set that `sae data add` made; else empty.
      conversion: how `sae data add` made its records.
    """

    name: str
    version: str
    kind: Literal["image", "vector"]
    shape: tuple[int, ...]
    dtype: str
    data_key: str
    label_key: str
    label_names: tuple[str, ...]
    split_sizes: dict[str, int]
    resized: bool = False
    id_key: str = ""
    conversion: Conversion = dataclasses.field(default_factory=Conversion)

    @property
    def height(self) -> int:
        """Pixels; 1 for a vector."""
        return self.shape[0] if self.kind == "image" else 1

    @property
    def width(self) -> int:
        """Pixels, or the numbers of a vector."""
        return self.shape[1] if self.kind == "image" else self.shape[0]

    @property
    def channels(self) -> int:
        """3 for colour, else 1."""
        return self.shape[2] if self.kind == "image" else 1

    @functools.cached_property
    def png_header(self) -> bytes:
        """Width, height, bits and colour type of every image of integers, as in the header of a PNG file."""
        return struct.pack(">IIBB", self.width, self.height, BITS[self.dtype], _PNG_COLOURS[self.channels][0])


class DatasetRecord(NamedTuple):
    """A record: a PNG file or a flat array, its label or None, and its id, empty if it has none."""

    data: bytes | Floats
    label: int | None
    id: str


@dataclasses.dataclass(frozen=True)
class Slice:
    """Records `start` up to, not including, `stop` of one of the data set's own splits."""

    split: str
    start: int
    stop: int


def describe(builder: tfds.core.DatasetBuilder, size: tuple[int, int] | None = None) -> Description:
    """Describe a data set.

    Args:
      builder: of the prepared data set.
      size: height and width to resample the images to, pixels; None: their own.

    Raises:
      errors.DataError: its examples are not one image or one vector of numbers each, with at most one label.
    """
    info = builder.info
    name = f"{builder.name}/{builder.builder_config.name}" if builder.builder_config else builder.name
    # Not any object with items(): a sequence of dicts has items as well.
    found = dict(info.features.items()) if isinstance(info.features, tfds.features.FeaturesDict) else {}
    images = {key: feature for key, feature in found.items() if isinstance(feature, tfds.features.Image)}
    labels = {key: feature for key, feature in found.items() if isinstance(feature, tfds.features.ClassLabel)}
    # A data set with an image may have numbers that describe it; they are ignored.
    usable = images or {key: feature for key, feature in found.items() if _is_numeric(feature)}
    kinds = ", ".join(f"{key}: {type(feature).__name__}" for key, feature in found.items()) or "no named features"

    def refuse(reason: str) -> errors.DataError:
        return errors.DataError(
            f"data set {name} cannot be used: {reason}. This pipeline needs one image (grey or colour; 8 bit, 16 bit "
            "or float) or one vector of numbers in each example, and at most one integer label. Choose another data "
            "set, or write a copy of this one with tfds.dataset_builders.store_as_tfds_dataset"
        )

    if len(usable) != 1:
        what = "image features" if images else "features that are an image or an array of numbers"
        raise refuse(f"it has {len(usable)} {what}, one is needed ({kinds})")
    if len(labels) > 1:
        raise refuse(f"it has {len(labels)} label features, at most one is possible ({kinds})")
    [(data_key, feature)] = usable.items()
    shape, dtype = tuple(feature.shape), tf.as_dtype(feature.dtype)
    if len(shape) == 2:
        shape = (*shape, 1)  # an array of a grey image
    if len(shape) == 1 and size:
        raise refuse(f"data.size = {size[0]}x{size[1]} is given, but its feature {data_key} has vectors, not images")
    if len(shape) == 3 and shape[2] not in _PNG_COLOURS:
        raise refuse(f"its feature {data_key} has shape {shape}, one or three channels are needed")
    if None in shape and not images:
        raise refuse(f"its feature {data_key} has no fixed size (shape {shape})")
    if None in shape and size is None:
        raise refuse(f"its images have no fixed size (shape {shape}): give one with --set data.size=HEIGHTxWIDTH")
    if 0 in shape:
        raise refuse(f"its feature {data_key} is empty (shape {shape})")
    is_integer_image = len(shape) == 3 and dtype.name in BITS
    resized = size is not None and shape[:2] != size
    [(label_key, label)] = labels.items() or [("", None)]
    own = (builder.info.metadata or {}).get(metadata.KEY)
    return Description(
        name=name,
        version=str(builder.version),
        kind="image" if len(shape) == 3 else "vector",
        shape=(*size, int(shape[2])) if size is not None else tuple(int(length) for length in shape),
        dtype=dtype.name if is_integer_image else "float32",
        data_key=data_key,
        label_key=label_key,
        label_names=() if label is None else tuple(label.names or map(str, range(label.num_classes))),
        split_sizes={split: info.splits[split].num_examples for split in info.splits},
        resized=resized,
        id_key=feature_names.ID if own and feature_names.ID in found else "",
        conversion=metadata.conversion(own) if own else Conversion(),
    )


def _is_numeric(feature: Any) -> bool:
    """Return whether a feature is an array of numbers, of one to three dimensions."""
    return (
        isinstance(feature, tfds.features.Tensor)
        and 1 <= len(feature.shape) <= 3
        and (tf.as_dtype(feature.dtype).is_floating or tf.as_dtype(feature.dtype).is_integer)
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


def joined(parts: Iterable[Slice]) -> list[Slice]:
    """Join slices that follow each other in the same split."""
    found: list[Slice] = []
    for part in parts:
        if found and (found[-1].split, found[-1].stop) == (part.split, part.start):
            part = Slice(part.split, found.pop().start, part.stop)
        found.append(part)
    return found


def records(builder_dir: str, description: Description, part: Slice) -> Iterator[DatasetRecord]:
    """Yield the records of a slice in their order on disk.

    An image of integers is a PNG file: the stored one, unless it is a JPEG file, an array, or resampled. An image of
    floats or a vector is a flat array. Memory does not grow with the slice.

    Raises:
      errors.DataError: a file of the data set is damaged, or an image is not as described; names the record.
    """
    builder = tfds.builder_from_directory(builder_dir)
    position = part.start
    try:
        for batch in _batches(builder, description, part):
            values = batch[description.data_key]
            labels = batch[description.label_key].tolist() if description.label_key else [None] * len(values)
            ids = batch[description.id_key] if description.id_key else [b""] * len(values)
            for value, label, name in zip(values, labels, ids, strict=True):
                datum = _datum(value, description, f"record {position} of {part.split}")
                yield DatasetRecord(datum, label, name.decode())
                position += 1
    except tf.errors.OpError as error:
        # The whole batch failed: count the records that can be read one by one.
        position += _readable(_batches(builder, description, Slice(part.split, position, part.stop), 1))
        place = f"data set {description.name} in {pathlib.Path(builder_dir)}"
        if missing := _MISSING.search(error.message):
            raise errors.DataError(
                f"{place} has no {missing[1]} in record {position} of {part.split}, and each example needs one: write "
                "a copy without such examples with tfds.dataset_builders.store_as_tfds_dataset"
            ) from error
        reason = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", error.message.splitlines()[0])
        raise errors.DataError(
            f"{place} is damaged at record {position} of {part.split} ({reason}). Delete that folder and prepare the "
            "data set again"
        ) from error


_Batch = dict[str, npt.NDArray[Any]]  # a row for each record, by feature


def _batches(
    builder: tfds.core.DatasetBuilder, description: Description, part: Slice, most: int = _BATCH
) -> Iterator[_Batch]:
    """Yield the features that the description names, in batches of at most `most` records.

    TFDS parses records one by one, which takes 15 times as long as TensorFlow for a batch.
    """
    keys = [key for key in (description.data_key, description.label_key, description.id_key) if key]
    parsed = {key: _parsed(builder.info.features[key], description) for key in keys}
    if None in parsed.values() or builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        dataset = _open(builder, description, part)
        shape = dataset.element_spec[description.data_key].shape
        # Images of different shapes, which are resampled, cannot be in one batch. TensorFlow reads two batches ahead.
        size = min(_batch_size(description), most) if shape.is_fully_defined() else 1
        yield from tfds.as_numpy(dataset.batch(size).prefetch(2))
        return
    for file in builder.info.splits[_instruction(part)].file_instructions:
        dataset = record_file.records(file.filename).skip(file.skip).take(file.take)
        whole = dataset.apply(tf.data.experimental.assert_cardinality(file.take))
        for examples in whole.batch(min(_batch_size(description), most)):
            values = tf.io.parse_example(examples, parsed)
            yield {key: _as_described(values[key], builder.info.features[key]).numpy() for key in keys}


def _parsed(feature: tfds.features.FeatureConnector, description: Description) -> tf.io.FixedLenFeature | None:
    """Return how TensorFlow parses a feature as it is stored; None if only TFDS can decode it."""
    stored = feature.get_serialized_info()
    if _is_image_file(feature, description):
        return tf.io.FixedLenFeature((), tf.string)
    # TFDS decodes images of floats and compressed arrays. For a missing value it would return the type's smallest one.
    if isinstance(stored, dict) or stored.tf_dtype != feature.tf_dtype or None in stored.shape:
        return None
    if stored.tf_dtype.is_integer:
        return tf.io.FixedLenFeature(stored.shape, tf.int64)
    kept = stored.tf_dtype in (tf.float32, tf.string)
    return tf.io.FixedLenFeature(stored.shape, stored.tf_dtype) if kept else None


def _as_described(values: tf.Tensor, feature: tfds.features.FeatureConnector) -> tf.Tensor:
    """Return values in the feature's own type: integers of all sizes are stored as int64."""
    return tf.cast(values, feature.tf_dtype) if values.dtype == tf.int64 else values


def _is_image_file(feature: tfds.features.FeatureConnector, description: Description) -> bool:
    """Return whether a feature is an image that is used as the file that is stored."""
    return isinstance(feature, tfds.features.Image) and description.dtype in BITS


def _instruction(part: Slice) -> str:
    return f"{part.split}[{part.start}:{part.stop}]"


def _open(builder: tfds.core.DatasetBuilder, description: Description, part: Slice) -> tf.data.Dataset:
    """Return the records of a slice as TFDS decodes them."""
    features = builder.info.features
    wanted = {key: features[key] for key in (description.data_key, description.label_key, description.id_key) if key}
    as_stored = _is_image_file(features[description.data_key], description)
    decoders = {description.data_key: tfds.decode.SkipDecoding()} if as_stored else {}
    return builder.as_dataset(
        split=_instruction(part),
        decoders=tfds.decode.PartialDecoding(wanted, decoders=decoders),
        shuffle_files=False,
        # One reader keeps the order on disk.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )


def _batch_size(description: Description) -> int:
    size = 4 * math.prod(description.shape)  # bytes
    return min(_BATCH, max(1, _BATCH_BYTES // size))


def _readable(records: Iterator[_Batch]) -> int:
    """Return how many records can be read before the first damaged one; each is a batch of its own."""
    count = 0
    try:
        for _ in records:
            count += 1
    except tf.errors.OpError:
        pass
    return count


def _datum(value: Any, description: Description, where: str) -> bytes | Floats:
    """Return a PNG file, or a flat float32 array, of a record: the bytes of a file, or an array."""
    if isinstance(value, bytes):
        if not description.resized and not value.startswith(_JPEG_SIGNATURE):
            check_png(value, description, where)
            return value
        value = _decoded(value, description, where)
    if description.kind == "image":
        value = np.reshape(value, (*value.shape[:2], description.channels))
        if description.resized:
            value = resample(value, description.height, description.width)
        if value.shape != description.shape:
            raise errors.DataError(
                f"{where} of {description.name} has shape {value.shape}, expected {description.shape}"
            )
        if description.dtype in BITS:
            return tf_example.png_file(value)
    flat: Floats = np.ravel(value).astype(np.float32)
    return flat


def _decoded(file: bytes, description: Description, where: str) -> npt.NDArray[Any]:
    """Decode a PNG or JPEG file, of 16 bit if the data set is."""
    try:
        image: npt.NDArray[Any] = tf.io.decode_image(
            file, channels=description.channels, dtype=tf.as_dtype(description.dtype), expand_animations=False
        ).numpy()
    except tf.errors.OpError as error:
        raise errors.DataError(
            f"{where} of {description.name} is neither a PNG nor a JPEG file that can be read"
        ) from error
    return image


def resample(image: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[Any]:
    """Resample an image of shape (h, w, channels) bilinearly, antialiased, in float32; integers are rounded."""
    resized = tf.image.resize(image, (height, width), method="bilinear", antialias=True).numpy()
    if np.issubdtype(image.dtype, np.integer):
        resized = np.clip(np.rint(resized), 0, np.iinfo(image.dtype).max)
    same: npt.NDArray[Any] = resized.astype(image.dtype)
    return same


def check_png(png: bytes, description: Description, where: str) -> None:
    """Raise `errors.DataError` unless a PNG's header fits the data set: size, depth, and grey or colour."""
    if png.startswith(_PNG_SIGNATURE) and png[16:26] == description.png_header:
        return
    if not png.startswith(_PNG_SIGNATURE) or len(png) < 26:
        raise errors.DataError(
            f"{where} of {description.name} is not a PNG file; only PNG and JPEG images are supported"
        )
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    expected_colour, name = _PNG_COLOURS[description.channels]
    raise errors.DataError(
        f"{where} of {description.name} is a PNG of {height}x{width} pixels, {depth}-bit, colour type {colour}; "
        f"expected {description.height}x{description.width}, {BITS[description.dtype]}-bit, {name} "
        f"(colour type {expected_colour})"
    )
