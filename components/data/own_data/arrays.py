"""NumPy's .npy and .npz files, and IDX files: images (n, height, width[, channels]) or vectors (n, d)."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np

from components import errors
from components.data import features
from components.data.own_data import columns, idx
from components.data.own_data.records import Array, OptionError, Options, Record, Source, kind_of, label_text, of_rows

_IDX_IMAGES = re.compile(r"(?P<split>.+?)-(images|data)[.-]idx[234]-\w+(\.gz)?")
_NPZ_SPLIT = re.compile(r"(?P<name>.+)_(?P<split>train|validation|val|test)")
_IDX_SPLITS = {"train": features.TRAIN, "validation": features.VALIDATION, "t10k": features.TEST, "test": features.TEST}


def npy(path: pathlib.Path, options: Options) -> Source:
    """Read an .npy file; the array stays on the disk. Raises as `npz` does."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = errors.first_line(error).rstrip(".")
        raise errors.DataError(
            f"{path} cannot be read as an array of numbers: {reason}; give an array of numbers, as numpy.save writes it"
        ) from error
    if options.array:
        raise OptionError("--array names an array of an .npz file; an .npy file has only one")
    return _source("NumPy array", array, {}, path, options)


def npz(path: pathlib.Path, options: Options) -> Source:
    """Read an .npz file: the array with the data, and those of labels and groups.

    Raises:
      errors.DataError: the file is damaged, or its arrays do not fit.
      OptionError: an option names no array, or must.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise errors.DataError(f"{path} cannot be read as arrays of numbers: {errors.first_line(error)}") from error
    if not arrays:
        raise errors.DataError(f"{path} holds no array")
    if not options.array and all(map(_NPZ_SPLIT.fullmatch, arrays)):
        return _npz_of_splits(path, arrays, options)
    name = options.array
    if name:
        columns.wanted(arrays, name, "--array", str(path))
    else:
        large = [
            name for name, array in arrays.items() if array.ndim > 1 and name not in (options.label, options.group)
        ]
        if len(large) != 1:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise OptionError(f"{path} holds {shapes}: name the array with the data with --array NAME")
        [name] = large
    return _source("NumPy arrays", arrays[name], {one: arrays[one] for one in arrays if one != name}, path, options)


def _npz_of_splits(path: pathlib.Path, arrays: Mapping[str, Array], options: Options) -> Source:
    """Read arrays such as `x_train`, `y_train`, `x_test`, `y_test`, as those of `mnist.npz`."""
    if options.labels:
        raise OptionError(f"{path} has arrays for each split: name those of the labels with --label NAME, or leave it")
    by_split: dict[str, dict[str, Array]] = {}
    for name, array in arrays.items():
        match = _NPZ_SPLIT.fullmatch(name)
        assert match
        split = features.VALIDATION if match["split"] == "val" else match["split"]
        by_split.setdefault(split, {})[match["name"]] = array
    if {features.TRAIN, features.TEST} - by_split.keys():
        raise errors.DataError(f"{path} needs arrays of both train and test; it has {', '.join(arrays)}")
    found = []
    for split in (split for split in features.SPLITS if split in by_split):
        own = by_split[split]
        large = [name for name, array in own.items() if array.ndim > 1 and name not in (options.label, options.group)]
        if len(large) != 1:
            raise OptionError(f"{path} has {len(large)} arrays of two or more dimensions for {split}: one is needed")
        beside = {name: own[name] for name in own if name != large[0]}
        found.append((split, _source("NumPy arrays", own[large[0]], beside, path, options)))
    if len({one.kind for _, one in found}) > 1:
        raise errors.DataError(f"{path} has both images and vectors")

    def read() -> Iterator[Record]:
        for split, one in found:
            for record in one.read():
                yield dataclasses.replace(record, id=f"{split} {record.id}", split=split)

    return Source("NumPy arrays", found[0][1].kind, read)


def idx_file(path: pathlib.Path, options: Options) -> Source:
    """Read one IDX file; labels are in another one, given as a file. Raises as `npz` does."""
    return _source("IDX file", idx.read(path), {}, path, options)


def is_idx_folder(folder: pathlib.Path) -> bool:
    """Return whether a folder contains IDX files of images under their usual names."""
    return any(_IDX_IMAGES.fullmatch(path.name) for path in folder.iterdir())


def idx_folder(folder: pathlib.Path, options: Options) -> Source:
    """Read IDX files under the names of MNIST's: `train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte.gz`, ....

    Raises:
      errors.DataError: a file is missing or damaged, or they do not fit.
      OptionError: an option does not fit.
    """
    if options.labels or options.group:
        raise OptionError(f"{folder} has IDX files with their labels: leave out --labels and --group")
    parts: list[tuple[str, Array, list[str] | None]] = []
    for path in sorted(folder.iterdir()):
        match = _IDX_IMAGES.fullmatch(path.name)
        if match is None:
            continue
        if match["split"] not in _IDX_SPLITS:
            raise errors.DataError(f"{path} is of no known split; names begin with {', '.join(_IDX_SPLITS)}")
        beside = sorted(folder.glob(f"{match['split']}-labels*"))
        if not beside and not options.no_labels:
            raise errors.DataError(f"{path} has no file {match['split']}-labels... beside it; or use --no-labels")
        array = idx.read(path)
        labels = None if options.no_labels else columns.texts(idx.read(beside[0]), str(beside[0]))
        if labels is not None:
            columns.check_rows(len(labels), len(array), str(beside[0]))
        parts.append((_IDX_SPLITS[match["split"]], array, labels))
    if {features.TRAIN, features.TEST} - {split for split, _, _ in parts}:
        raise errors.DataError(f"{folder} needs IDX files of both train and t10k (or test); give one file as PATH else")
    kinds = {kind_of(array, str(folder))[0] for _, array, _ in parts}
    if len(kinds) > 1:
        raise errors.DataError(f"{folder} has both images and vectors")

    def read() -> Iterator[Record]:
        first = 0
        for split, array, labels in parts:
            yield from of_rows(kind_of(array, str(folder))[1], labels, None, split, first)
            first += len(array)

    return Source("IDX files", kinds.pop(), read)


def _source(form: str, array: Array, beside: Mapping[str, Array], path: pathlib.Path, options: Options) -> Source:
    kind, array = kind_of(array, str(path))
    table: columns.Columns = {}
    if options.labels:
        table = columns.read(pathlib.Path(options.labels))
        for values in table.values():
            columns.check_rows(len(values), len(array), options.labels)

    def column(name: str, option: str) -> list[str]:
        if name in table:
            return [label_text(value, f"row {row} of {options.labels}") for row, value in enumerate(table[name])]
        columns.wanted({**beside, **table}, name, option, str(path))
        values = columns.texts(beside[name], f"{name} of {path}")
        columns.check_rows(len(values), len(array), f"{name} of {path}")
        return values

    usual = [name for name in beside if name.lower() in columns.LABELS]
    labels: list[str] | None = None
    if options.no_labels:
        pass
    elif options.label:
        labels = column(options.label, "--label")
    elif table:
        labels = column(next(iter(table)) if len(table) == 1 else columns.label_column(table, "", options.labels), "")
    elif len(usual) == 1:
        labels = column(usual[0], "--label")
    groups = column(options.group, "--group") if options.group else None
    return Source(form, kind, lambda: of_rows(array, labels, groups))
