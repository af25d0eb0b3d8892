"""What the readers of own data give: records with an id, values, and perhaps a label, a group and a split."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components import errors

Array = npt.NDArray[Any]
IMAGE, VECTOR = "image", "vector"
_NAMED = 3  # of many, in a message


class OptionError(Exception):
    """An option does not fit the data that it is given for."""


class UnreadableRecordError(errors.DataError):
    """One record cannot be read; the others can."""


@dataclasses.dataclass(frozen=True)
class Record:
    """One record, not read yet.

    Attributes:
      id: unique: the file's name relative to the folder, or the number of the row.
      load: returns the values: an image (height, width, channels) or a vector (n,), of the type in the source. Raises
        `UnreadableRecordError`.
      label: its name; None if there is none.
      group: records of one group stay in one split; None if there is none.
      split: the split that the source has it in; empty if that is to be chosen.
    """

    id: str
    load: Callable[[], Array]
    label: str | None = None
    group: str | None = None
    split: str = ""


@dataclasses.dataclass(frozen=True)
class Source:
    """Files of one form.

    Attributes:
      form: in words: `folder of pictures`.
      kind: `image` or `vector`.
      read: yields the records, in the same order each time.
      ignored: names of files that are of no form that is read.
      columns: of a table, the names of those with the data, in their order; pyarrow numbers those without.
    """

    form: str
    kind: str
    read: Callable[[], Iterator[Record]]
    ignored: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Options:
    """How the records are read, converted and split.

    Attributes:
      size: height and width to resize images to, pixels; None: as they are.
      resampling: the name of Pillow's filter that resizes.
      colour: True converts images to three channels, False to grey, None neither.
      fractions: fraction of the records by split; they add up to 1.
      seed: of the choice of the split.
      label: column or array of the labels; empty: the usual names.
      labels: file with the labels; empty: none.
      no_labels: whether to leave labels out.
      group: column, array or regular expression (of file names) of the groups; empty: none.
      array: array with the data in an .npz file; empty: the only one of two or more dimensions.
      leave_out: columns of a table that are no data.
      skip_unreadable: whether to leave out records that cannot be read.
    """

    size: tuple[int, int] | None = None
    resampling: str = "bilinear"
    colour: bool | None = None
    fractions: tuple[tuple[str, float], ...] = (("train", 0.8), ("validation", 0.1), ("test", 0.1))
    seed: int = 0
    label: str = ""
    labels: str = ""
    no_labels: bool = False
    group: str = ""
    array: str = ""
    leave_out: tuple[str, ...] = ()
    skip_unreadable: bool = False


def of_rows(
    array: Array,
    labels: Sequence[str] | None,
    groups: Sequence[str] | None,
    split: str = "",
    first: int = 0,
) -> Iterator[Record]:
    """Yield a record for each row of an array; `first` is the number of the first row."""
    for row in range(len(array)):
        yield Record(
            id=str(first + row),
            load=lambda row=row: np.asarray(array[row]),  # type: ignore[misc]
            label=None if labels is None else labels[row],
            group=None if groups is None else groups[row],
            split=split,
        )


def kind_of(array: Array, where: str) -> tuple[str, Array]:
    """Return the kind of an array, and the array with a channel for grey images.

    Raises:
      errors.DataError: it is neither images nor vectors, or not of real numbers.
    """
    if array.dtype.kind not in "buif":
        raise errors.DataError(f"{where} holds values of type {array.dtype}; whole or real numbers are needed")
    if array.ndim == 2:
        return VECTOR, array
    if array.ndim == 3:
        return IMAGE, array[..., np.newaxis]
    if array.ndim == 4 and array.shape[3] in (1, 3):
        return IMAGE, array
    hint = ""
    if array.ndim == 4 and array.shape[1] in (1, 3):
        # PyTorch's order. It is not converted: images that are 1 or 3 pixels high have the same shape.
        hint = "; if the channels are second, save numpy.moveaxis(array, 1, -1)"
    elif array.ndim == 4 and array.shape[3] in (2, 4):
        hint = "; if the last channel is transparency, save array[..., :-1]"
    raise errors.DataError(
        f"{where} has the shape {array.shape}; allowed are vectors (n, d), grey images (n, height, width) or images "
        "(n, height, width, channels) with 1 or 3 channels" + hint
    )


def text(name: str) -> str:
    r"""Return a file name as text that any program can read: bytes that are no UTF-8 become `\x..`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def label_text(value: object, where: str) -> str:
    """Return the name of a label: a text, or a whole number.

    Raises:
      OptionError: it is empty or missing, another number, or has a line break, which TFDS cannot store.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, float):
        if not value.is_integer():
            raise OptionError(f"{where} has the label {value}: labels are words or whole numbers")
        value = int(value)
    name = text(value) if isinstance(value, str) else str(value)
    name = name.strip()
    if value is None or not name:
        raise OptionError(f"{where} has no label: give it one, leave it out, or use --no-labels")
    if len(name.splitlines()) > 1:
        raise OptionError(f"{where} has the label {name!r}: a label must not contain a line break")
    return name


def listed(names: Iterable[str]) -> str:
    """Write `a, b, c and 7 more`."""
    found = list(names)
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more
