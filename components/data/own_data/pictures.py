"""A picture, or a folder of pictures: PNG, JPEG, TIFF, BMP, WebP."""

from __future__ import annotations

import collections
import functools
import os
import pathlib
import re
import stat
import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from components import errors
from components.data import features
from components.data.own_data import columns
from components.data.own_data.records import (
    IMAGE,
    Array,
    OptionError,
    Options,
    Record,
    Source,
    UnreadableRecordError,
    label_text,
    listed,
    text,
)

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")


def source(path: pathlib.Path, options: Options) -> Source:
    """Find the pictures of a folder, at any depth; or take a single one, by its name.

    Subfolders are labels, unless a file has them or there are to be none. If the folder contains `train`, `test` and
    perhaps `validation` and nothing else, these are the splits, with the labels below them.

    Raises:
      errors.DataError: there is no picture, a link leads outside, or labels do not fit.
      OptionError: an option does not fit the folder.
    """
    folder = path if path.is_dir() else path.parent
    names, ignored = _find(folder) if path.is_dir() else ([path.name], [])
    labels_file = pathlib.Path(options.labels) if options.labels else None
    if labels_file is not None and labels_file.resolve().is_relative_to(folder):
        own = str(labels_file.resolve().relative_to(folder))
        ignored = [name for name in ignored if name != own]
    if not names:
        others = f"; it holds {listed(map(text, ignored))}" if ignored else ""
        raise errors.DataError(f"{folder} holds no pictures ({', '.join(SUFFIXES)}){others}")
    splits = _splits(names, folder)
    table = _table(labels_file, names) if labels_file is not None else {}
    labels = _labels(names, splits, table, options)
    groups = _groups(names, table, options)
    entries = [
        Record(
            id=text(name),
            load=functools.partial(decode, folder / name),
            label=labels[place] if labels else None,
            group=groups[place] if groups else None,
            split=splits[place] if splits else "",
        )
        for place, name in enumerate(names)
    ]

    def read() -> Iterator[Record]:
        yield from entries

    return Source("folder of pictures" if path.is_dir() else "picture", IMAGE, read, tuple(map(text, ignored)))


def decode(path: pathlib.Path) -> Array:
    """Return the pixels of a picture: shape (height, width, 1 or 3), uint8, uint16 or float32.

    It is turned as its EXIF orientation says.

    Raises:
      UnreadableRecordError: it is damaged, too large, has several pages, transparent pixels, or more bits than can be
        read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise UnreadableRecordError("it is not a regular file")
            with Image.open(path, formats=_FORMATS) as image:
                return _pixels(image)
        except UnreadableRecordError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise UnreadableRecordError(
                f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels, the limit against decompression bombs"
            ) from error
        except UnidentifiedImageError as error:
            raise UnreadableRecordError("it is not a picture of a known format") from error
        except OSError as error:
            raise UnreadableRecordError(errors.cause_text(error)) from error
        except Exception as error:  # decoders raise any error on damaged bytes
            raise UnreadableRecordError(f"it is damaged ({type(error).__name__}: {error})") from error


def _pixels(image: Image.Image) -> Array:
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and image.format != "MPO":  # the further pictures of that format are for other screens
        raise UnreadableRecordError(f"it has {pages} pages; split it into files of one")
    if ";16" in str(getattr(image, "tile", "")) and image.mode not in _GREY_16:
        raise UnreadableRecordError("it has 16 bits in each of several channels, of which 8 could be read; convert it")
    turned = ImageOps.exif_transpose(image)
    if turned.mode in (*_GREY_16, "I"):
        values = np.asarray(turned)
        _refuse_if(values == turned.info.get("transparency"))
        fits = values.min() >= 0 and values.max() <= np.iinfo(np.uint16).max
        return values.astype(np.uint16 if fits else np.float32)[..., np.newaxis]
    if turned.mode == "F":
        return np.asarray(turned, np.float32)[..., np.newaxis]
    if turned.has_transparency_data:
        values = np.asarray(turned.convert("RGBA"))
        _refuse_if(values[..., 3] < np.iinfo(np.uint8).max)
    values = np.asarray(turned.convert("RGB"))
    grey = turned.mode in ("1", "L", "LA", "La") or (turned.mode in ("P", "PA") and (values == values[..., :1]).all())
    return values[..., :1] if grey else values


def _refuse_if(transparent: Array) -> None:
    if np.any(transparent):
        raise UnreadableRecordError("it has transparent pixels, whose values are not defined; save it without them")


def _find(folder: pathlib.Path) -> tuple[list[str], list[str]]:
    """Return the names of pictures and of other files relative to the folder, sorted; hidden files are left out.

    Raises:
      errors.DataError: a folder cannot be read, or a link leads to a folder or outside.
    """

    def fail(error: OSError) -> None:
        raise errors.DataError(f"{text(str(error.filename))} cannot be read: {errors.cause_text(error)}") from error

    pictures, others = [], []
    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if os.path.islink(os.path.join(parent, name)):
                raise errors.DataError(
                    f"{text(os.path.join(parent, name))} is a link to a folder, which is not followed: replace it by "
                    "the folder, or remove it"
                )
        for name in (name for name in files if not name.startswith(".")):
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, folder)
            if not name.lower().endswith(SUFFIXES):
                others.append(relative)
                continue
            if os.path.islink(path) and not pathlib.Path(os.path.realpath(path)).is_relative_to(folder):
                raise errors.DataError(
                    f"{text(path)} is a link out of the folder, to {text(os.path.realpath(path))}: copy the picture "
                    "into the folder, or remove the link"
                )
            pictures.append(relative)
    return sorted(pictures, key=os.fsencode), sorted(others, key=os.fsencode)


def _splits(names: Sequence[str], folder: pathlib.Path) -> list[str] | None:
    """Return the split of each picture if the folders at the top are splits, else None."""
    tops = [name.partition(os.sep)[0] if os.sep in name else "" for name in names]
    found = set(tops)
    if not found & {features.TRAIN, features.TEST}:
        return None
    if found <= set(features.SPLITS) and {features.TRAIN, features.TEST} <= found:
        return tops
    wrong = sorted(found - set(features.SPLITS))
    reason = (
        f"it has pictures outside of them, in {listed(text(name) or 'the folder itself' for name in wrong)}"
        if wrong
        else f"it has only {listed(sorted(found))}"
    )
    raise errors.DataError(
        f"{folder} looks like a folder of the splits train, validation and test, but {reason}: put every picture into "
        "train or test, and perhaps validation, or rename these folders"
    )


def _table(path: pathlib.Path, names: Sequence[str]) -> columns.Columns:
    """Read the columns of the file of labels, in the order of the pictures.

    Raises:
      errors.DataError: a picture is missing in it, is in it twice, or is not in the folder.
    """
    found = columns.read(path)
    if len(found) < 2:
        raise errors.DataError(f"{path} does not fit: labels of pictures need a column of file names and one of labels")
    key = columns.file_column(found)
    listed_names = [os.path.normpath(name) for name in found[key]]
    rows = {name: row for row, name in enumerate(listed_names)}
    known = set(names)
    faults = (
        ("names twice", sorted(name for name, count in collections.Counter(listed_names).items() if count > 1)),
        ("has no line for", [name for name in names if name not in rows]),
        ("names what is not in the folder:", [name for name in rows if name not in known]),
    )
    for fault, wrong in faults:
        if wrong:
            raise errors.DataError(
                f"{path} does not fit: its column {key!r} {fault} {listed(map(text, wrong))} (the first line gives the "
                "names of the columns)"
            )
    return {name: [values[rows[one]] for one in names] for name, values in found.items()}


def _labels(
    names: Sequence[str], splits: Sequence[str] | None, table: Mapping[str, Sequence[str]], options: Options
) -> list[str] | None:
    if options.no_labels:
        return None
    if table:
        rest = {name: values for name, values in table.items() if name != columns.file_column(table)}
        column = next(iter(rest)) if len(rest) == 1 and not options.label else ""
        column = column or columns.label_column(rest, options.label, options.labels)
        return [label_text(value, text(name)) for name, value in zip(names, table[column], strict=True)]
    if options.label:
        raise OptionError("--label names a column, so pictures need --labels FILE.csv with it")
    below = [name.split(os.sep)[1 if splits else 0 : -1] for name in names]
    if not any(below):
        return None
    if loose := [text(name) for name, folders in zip(names, below, strict=True) if not folders]:
        raise errors.DataError(
            f"subfolders are labels, but these pictures are in none: {listed(loose)}; move them, or use --no-labels"
        )
    return [label_text(folders[0], text(name)) for name, folders in zip(names, below, strict=True)]


def _groups(names: Sequence[str], table: Mapping[str, Sequence[str]], options: Options) -> list[str] | None:
    """Return the group of each picture: of a column of the file of labels, or what the regular expression finds."""
    if not options.group:
        return None
    if options.group in table:
        return list(table[options.group])
    try:
        pattern = re.compile(options.group)
    except re.error as error:
        raise OptionError(f"--group {options.group!r} is no regular expression ({error}), and no column") from error
    found = [pattern.search(name) for name in names]
    if missing := [text(name) for name, match in zip(names, found, strict=True) if match is None]:
        raise OptionError(f"--group {options.group!r} does not match {listed(missing)}: every picture needs a group")
    return [match[1] or "" if match.re.groups else match[0] for match in found if match is not None]
