"""Read all records once: whether they can be used, and the split of each.

A record's split depends on the seed and on the SHA-256 of its group, or else of its content before conversion. So it is
the same on every machine, for other sizes, and when records are added; equal records are in one split.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from components import errors
from components.data import features
from components.data.own_data.convert import convert
from components.data.own_data.records import (
    IMAGE,
    Array,
    OptionError,
    Options,
    Record,
    Source,
    UnreadableRecordError,
    listed,
)
from components.text import counted

_NAMES_KEPT = 20  # of unreadable records and of duplicates, in the metadata


@dataclasses.dataclass(frozen=True)
class SurveyedRecord:
    """A record that is stored: its number in the source, id, split, label, and the digest of its converted values."""

    number: int
    id: str
    split: str
    label: str | None
    digest: bytes


@dataclasses.dataclass(frozen=True)
class Survey:
    """What all records have in common.

    Attributes:
      entries: the records to store, in the order of the source.
      shape: of each record.
      dtype: of its values: `uint8`, `uint16` or `float32`.
      label_names: in the order of their numbers: whole numbers by value, else by text; empty without labels.
      facts: what was found, for the metadata of the data set; JSON.
      warnings: sentences for the user.
    """

    entries: tuple[SurveyedRecord, ...]
    shape: tuple[int, ...]
    dtype: str
    label_names: tuple[str, ...]
    facts: dict[str, Any]
    warnings: tuple[str, ...]


def split_of(key: bytes, options: Options) -> str:
    """Return the split of the records with a key, by the fractions of the options."""
    digest = hashlib.sha256(f"{options.seed}:".encode() + key).digest()
    place, bound = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for name, fraction in options.fractions:
        bound += fraction
        if place < bound:
            return name
    return options.fractions[-1][0]  # the fractions add up to 1 but for rounding


def digest_of(values: Array) -> bytes:
    """Return the SHA-256 of type, shape and values of a record."""
    digest = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode())
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.digest()


def survey(source: Source, options: Options, progress: Callable[[int], None] = lambda count: None) -> Survey:
    """Read every record, and check that all can be stored together.

    Args:
      source: the records.
      options: how they are converted and split.
      progress: called with the number of records read so far.

    Raises:
      errors.DataError: a record cannot be read, or they do not fit together.
      OptionError: an option does not fit the records.
    """
    if source.kind != IMAGE and (options.size is not None or options.colour is not None):
        raise OptionError(f"--size, --grey and --colour are for images, and these are vectors ({source.form})")
    read = _Read()
    for number, record in enumerate(source.read()):
        read.add(number, record, source.kind, options)
        progress(number + 1)
    spread = _checked(read, source, options)
    names = _label_names(read.entries)
    _check_splits(read, options)
    [(shape, dtype)] = read.formats
    duplicates, crossing = _duplicates(read.entries)
    constant = int(np.count_nonzero(spread.low == spread.high))
    splits = collections.Counter(entry.split for entry in read.entries)
    facts: dict[str, Any] = {
        "form": source.form,
        "content": read.content.hexdigest(),
        "records": {name: splits[name] for name in features.SPLITS if splits[name]},
        "labels": _label_counts(read.entries, names),
        "range": [float(spread.low.min()), float(spread.high.max())],
        "train_mean": spread.mean,
        "train_deviation": spread.deviation,
        "constant_values": constant,
        "groups": len(read.groups),
        "splits": "folders or files" if read.given else "hash of the group" if read.groups else "hash of the content",
        "unreadable": len(read.unreadable),
        "unreadable_named": read.unreadable[:_NAMES_KEPT],
        "duplicates": duplicates,
        "duplicates_across_splits": len(crossing),
        "duplicates_named": crossing[:_NAMES_KEPT],
        "ignored_files": len(source.ignored),
    }
    left_out, ignored = len(read.unreadable), len(source.ignored)
    value_word = "pixel" if source.kind == IMAGE else "value"
    are_constant = f"{counted(math.prod(shape), value_word)} {'is' if constant == 1 else 'are'} the same in all records"
    notes = (
        (left_out, f"left out {counted(left_out, 'record')} that cannot be used: {listed(read.unreadable)}"),
        (ignored, f"ignored {counted(ignored, 'other file')}: {listed(source.ignored)}"),
        (duplicates, f"{counted(duplicates, 'record is', 'records are')} equal to an earlier one"),
        (
            len(crossing),
            f"{counted(len(crossing), 'record is', 'records are')} equal to one of another split: {listed(crossing)}",
        ),
        (constant, f"{constant:,} of {are_constant}"),
    )
    return Survey(tuple(read.entries), shape, dtype, names, facts, tuple(text for count, text in notes if count))


def read_again(source: Source, found: Survey, options: Options, split: str) -> Iterator[tuple[SurveyedRecord, Array]]:
    """Yield the records of a split with their converted values, in the order of the source.

    Raises:
      errors.DataError: a record changed since the survey.
    """
    wanted = {entry.number: entry for entry in found.entries if entry.split == split}
    for number, record in enumerate(source.read()):
        entry = wanted.get(number)
        if entry is None:
            continue
        try:
            values = convert(record.load(), source.kind, options)
        except UnreadableRecordError as error:
            raise errors.DataError(f"{record.id} changed while it was read: {error}; start again") from error
        if digest_of(values) != entry.digest:
            raise errors.DataError(f"{record.id} changed while it was read; start again")
        yield entry, values


class _Spread:
    """Smallest and largest value at each place, and mean and deviation over the train split."""

    def __init__(self, first: Array) -> None:
        self.low, self.high = first.copy(), first.copy()
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, values: Array, split: str) -> None:
        np.minimum(self.low, values, out=self.low)
        np.maximum(self.high, values, out=self.high)
        if split == features.TRAIN:
            exact = values.astype(np.float64)
            self._count += exact.size
            self._sum += float(exact.sum())
            self._squares += float(np.square(exact).sum())

    @property
    def mean(self) -> float:
        return self._sum / max(self._count, 1)

    @property
    def deviation(self) -> float:
        return math.sqrt(max(self._squares / max(self._count, 1) - self.mean**2, 0.0))


class _Read:
    """What the records that were read so far are.

    Attributes:
      entries: the records that can be stored.
      unreadable: the ids of the others, each with the reason.
      groups: the split of each group, and its first record.
      formats: the ids of records by their shape and type.
      content: the digest of all records before conversion, and of their ids.
      spread: of the values of those that are like the first one; None: there is none.
      given: whether the source has splits.
    """

    def __init__(self) -> None:
        self.entries: list[SurveyedRecord] = []
        self.unreadable: list[str] = []
        self.groups: dict[str, tuple[str, str]] = {}
        self.formats: dict[tuple[tuple[int, ...], str], list[str]] = collections.defaultdict(list)
        self.content = hashlib.sha256()
        self.spread: _Spread | None = None
        self.given = False

    def add(self, number: int, record: Record, kind: str, options: Options) -> None:
        """Load and convert a record, and decide on its split."""
        self.given = self.given or bool(record.split)
        try:
            raw = record.load()
            values = convert(raw, kind, options)
        except UnreadableRecordError as error:
            self.unreadable.append(f"{record.id}: {error}")
            return
        original = digest_of(raw)
        self.content.update(original + record.id.encode("utf-8", "surrogateescape"))
        split = self._split(record, original, options)
        self.formats[values.shape, values.dtype.name].append(record.id)
        self.entries.append(SurveyedRecord(number, record.id, split, record.label, digest_of(values)))
        if self.spread is None:
            self.spread = _Spread(values)
        if (values.shape, values.dtype) == (self.spread.low.shape, self.spread.low.dtype):
            self.spread.add(values, split)

    def _split(self, record: Record, original: bytes, options: Options) -> str:
        """Return the split of a record whose digest before conversion is `original`."""
        if record.group is None:
            return record.split or split_of(original, options)
        split = record.split or split_of(os.fsencode(record.group), options)
        known, first = self.groups.setdefault(record.group, (split, record.id))
        if known != split:
            raise errors.DataError(
                f"the group {record.group!r} is in two splits: {first} in {known}, {record.id} in {split}; move "
                "its records into one split"
            )
        return split


def _checked(read: _Read, source: Source, options: Options) -> _Spread:
    """Return the spread of the values; raise `errors.DataError` if the records cannot be stored together."""
    if read.unreadable and not options.skip_unreadable:
        count = counted(len(read.entries) + len(read.unreadable), "record")
        raise errors.DataError(
            f"{len(read.unreadable):,} of {count} cannot be used: {listed(read.unreadable)}; "
            "mend or remove them, or leave them out with --skip-unreadable"
        )
    _check_formats(read.formats, source)
    if len(read.entries) < 2 or read.spread is None:
        raise errors.DataError(
            f"the {source.form} holds {counted(len(read.entries), 'usable record')}; splits for training and test "
            "need more"
        )
    if (read.spread.low == read.spread.high).all():
        raise errors.DataError("all records are equal: there is nothing to learn from them")
    return read.spread


def _check_splits(read: _Read, options: Options) -> None:
    """Raise `errors.DataError` if a split would be empty."""
    found = {entry.split for entry in read.entries}
    wanted = found if read.given else dict(options.fractions).keys()
    if missing := [name for name in features.SPLITS if name in wanted and name not in found]:
        raise errors.DataError(
            f"the split {missing[0]} would be empty: {counted(len(read.entries), 'record')}"
            f"{_in_groups(len(read.groups))} are too few for --split and --seed {options.seed}; choose other fractions "
            "or another seed"
        )


def _check_formats(formats: dict[tuple[tuple[int, ...], str], list[str]], source: Source) -> None:
    """Raise `errors.DataError` if records differ in size, channels or type."""
    if len(formats) < 2:
        return
    common = sorted(formats.items(), key=lambda one: -len(one[1]))
    shapes = [shape for (shape, _), _ in common]

    def examples(part: Callable[[tuple[tuple[int, ...], str]], str]) -> str:
        by_part: dict[str, list[str]] = {}
        for form, ids in common:
            by_part.setdefault(part(form), []).extend(ids)
        return listed(f"{one} ({len(ids):,}, such as {ids[0]})" for one, ids in by_part.items())

    if len({shape[2:] for shape in shapes}) > 1:
        found = examples(lambda form: "grey" if form[0][2] == 1 else "colour")
        raise errors.DataError(f"{source.form}: {found}; convert them with --grey or --colour")
    if len({shape[:2] for shape in shapes}) > 1:
        found = examples(lambda form: f"{form[0][0]}x{form[0][1]}")
        raise errors.DataError(f"{source.form}: images of {len(set(shapes))} sizes: {found}; resize with --size HxW")
    found = examples(lambda form: form[1])
    raise errors.DataError(f"{source.form}: images of several types: {found}; convert them to one bit depth")


def is_whole(label: str) -> bool:
    """Return whether the name of a label is a whole number."""
    return re.fullmatch(r"-?[0-9]{1,18}", label) is not None


def in_order(labels: Iterable[str]) -> list[str]:
    """Return the names of labels in the order of their numbers: whole numbers by value, then the others by text."""
    return sorted(labels, key=lambda name: (0, int(name), "") if is_whole(name) else (1, 0, name))


def _label_names(entries: list[SurveyedRecord]) -> tuple[str, ...]:
    found = {entry.label for entry in entries}
    if found == {None}:
        return ()
    names = in_order(name for name in found if name is not None)
    if len(names) < 2:
        raise errors.DataError(f"all records have the one label {names[0]!r}, which says nothing: use --no-labels")
    return tuple(names)


def _label_counts(entries: list[SurveyedRecord], names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    counts = collections.Counter((entry.split, entry.label) for entry in entries)
    return {
        split: {name: counts[split, name] for name in names}
        for split in features.SPLITS
        if names and any(entry.split == split for entry in entries)
    }


def _in_groups(count: int) -> str:
    return f" in {counted(count, 'group')}, each of which is in one split," if count else ""


def _duplicates(entries: list[SurveyedRecord]) -> tuple[int, list[str]]:
    """Return how many records are equal to an earlier one, and those that are in another split than it."""
    first: dict[bytes, SurveyedRecord] = {}
    count, crossing = 0, []
    for entry in entries:
        other = first.setdefault(entry.digest, entry)
        if other is not entry:
            count += 1
            if other.split != entry.split:
                crossing.append(f"{entry.id} of {entry.split} = {other.id} of {other.split}")
    return count, crossing
