"""Read new data to encode from any files that `sae data add` reads. Free of TensorFlow."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data.own_data import metadata, survey
from components.data.own_data.conversion import Conversion
from components.data.own_data.convert import convert
from components.data.own_data.records import Options, Record, Source, UnreadableRecordError, listed
from components.errors import DataError

BATCH = 1_000  # records
_COLOURS = {1: "grey", 3: "colour"}  # by number of channels

Values = npt.NDArray[Any]
_Converted = tuple[Record, Values, Values]  # a record, its values, and these converted


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What is known of the data that a model was trained on; the defaults: nothing.

    Attributes:
      schema: the file of its schema, as text.
      test_loss: the reconstruction loss of the model on the test split.
      scaling: the setting `data.scaling`.
      size: height and width that ExampleGen resampled images to, pixels (the setting `data.size`).
      conversion: how `sae data add` made its records before.
      shape: height, width and channels of its images, resampled; None if they are unknown or no images.
      dtype: of their pixels.
      label_names: the name of each label, in the order of their numbers.
    """

    schema: pathlib.Path | None = None
    test_loss: float | None = None
    scaling: str = "auto"
    size: tuple[int, int] | None = None
    conversion: Conversion = dataclasses.field(default_factory=Conversion)
    shape: tuple[int, ...] | None = None
    dtype: str = "uint8"
    label_names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Batch:
    """Records to encode.

    Attributes:
      ids: n texts.
      values: n images (height, width, channels), or vectors, or images of floats as vectors; or PNG files.
      labels: int64, shape (n,); None without labels.
      label_names: n texts, where they are not the labels' numbers; else None.
      split: of all of them; empty if there are no splits.
    """

    ids: list[str]
    values: Sequence[Values | bytes]
    labels: npt.NDArray[np.int64] | None = None
    label_names: list[str] | None = None
    split: str = ""


def image_text(shape: Sequence[int]) -> str:
    """Return an image's height, width and channels in words: `28x28, grey`."""
    return f"{shape[0]}x{shape[1]}, {_COLOURS[shape[2]]}"


def check_shape(name: str, found: Sequence[int], wanted: Sequence[int]) -> None:
    """Raise `DataError` if the image of a record has another height, width or number of channels than the model's."""
    if tuple(found) == tuple(wanted):
        return
    size = f" --size {wanted[0]}x{wanted[1]}" if tuple(found[:2]) != tuple(wanted[:2]) else ""
    colour = f" --{_COLOURS[wanted[2]]}" if found[2] != wanted[2] else ""
    raise DataError(
        f"record {name} is {image_text(found)}, the model encodes {image_text(wanted)}: `sae data add NAME "
        f"PATH{size}{colour}` makes a data set of such images, which `sae encode NAME --to FILE` takes"
    )


def check_first(source: Source, training: TrainingData, skip_unreadable: bool = False) -> None:
    """Check the first record of a source, before TensorFlow is imported to encode them all.

    Args:
      source: the records.
      training: what the model was trained on.
      skip_unreadable: whether to check the first one that can be read.

    Raises:
      DataError: it is an image of another height, width or number of channels than the model's.
    """
    if training.shape is None:
        return
    options = metadata.converting(training.conversion)
    first = next(_converted(source.read(), source.kind, options, [] if skip_unreadable else None), None)
    if first is None:
        return
    record, _, image = first
    if image.dtype.name == training.dtype and image.ndim == len(training.shape):
        check_shape(record.id, (*(training.size or image.shape[:2]), image.shape[2]), training.shape)


def read(source: Source, training: TrainingData, pixels: bool, skipped: list[str] | None = None) -> Iterator[Batch]:
    """Yield the records of a source, converted as the training data was.

    Args:
      source: the records.
      training: how that data was converted, and its labels.
      pixels: whether the model encodes images of uint8 or uint16, and takes floats as scaled already.
      skipped: gets the id of each record that cannot be read or converted, with the reason; None: that is an error.

    Raises:
      DataError: there is no record, or one cannot be read or converted.
    """
    options = metadata.converting(training.conversion)
    numbers = label_numbers({one.label for one in source.read() if one.label is not None}, training.label_names)
    named = any(name != str(number) for name, number in numbers.items())
    empty = True
    for split, records in itertools.groupby(source.read(), key=lambda one: one.split):
        for part in _parts(_converted(records, source.kind, options, skipped)):
            empty = False
            labels = [one.label for one, _, _ in part if one.label is not None]
            yield Batch(
                [one.id for one, _, _ in part],
                [_checked(*one, pixels) for one in part],
                np.array([numbers[name] for name in labels], np.int64) if labels else None,
                labels if named else None,
                split,
            )
    if empty:
        none_read = f": {listed(skipped)}" if skipped else ""
        raise DataError(f"the {source.form} contains no records{' that can be used' * bool(skipped)}{none_read}")


def _parts(records: Iterable[_Converted]) -> Iterator[list[_Converted]]:
    rest = iter(records)
    while part := list(itertools.islice(rest, BATCH)):
        yield part


def _converted(
    records: Iterable[Record], kind: str, options: Options, skipped: list[str] | None
) -> Iterator[_Converted]:
    """Yield each record with its values, and with these converted; `skipped` as for `read`."""
    for record in records:
        try:
            raw = record.load()
            found = convert(raw, kind, options)
        except UnreadableRecordError as error:
            if skipped is None:
                raise DataError(
                    f"record {record.id} cannot be encoded: {error}; mend it or remove it, or leave such records out "
                    "with --skip-unreadable"
                ) from error
            skipped.append(f"{record.id}: {error}")
        else:
            yield record, raw, found


def _checked(record: Record, raw: Values, found: Values, pixels: bool) -> Values:
    """Return the converted values of a record. Raises `DataError` if the model does not encode their type."""
    if pixels and raw.dtype.kind in "iu" and found.dtype.kind == "f":
        raise DataError(
            f"record {record.id} is of type {raw.dtype}, shape {raw.shape}: the model encodes images (n, height, "
            "width) of uint8 or uint16, or floats that are scaled already; give such data, or choose another "
            "model with --model"
        )
    return found


def label_numbers(names: Iterable[str], known: Sequence[str]) -> dict[str, int]:
    """Return the number of each label's name.

    It is that of the training data, and -1 for a name that is not in it. Whole numbers are their own if the names of
    the training data are as well, or are unknown. Other names are then numbered as `sae data add` numbers them.

    Args:
      names: of the new data.
      known: of the training data, in the order of their numbers; empty if unknown.
    """
    ordered = survey.in_order(names)
    if known and tuple(known) != tuple(map(str, range(len(known)))):
        numbers = {name: number for number, name in enumerate(known)}
        return {name: numbers.get(name, -1) for name in ordered}
    if all(map(survey.is_whole, ordered)):
        return {name: int(name) for name in ordered}
    return {name: -1 if known else number for number, name in enumerate(ordered)}
