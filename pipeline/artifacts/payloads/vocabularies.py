"""The vocabularies of a SavedModel: files in its folder `assets`, with an entry on each line."""

from __future__ import annotations

import pathlib

from pipeline.artifacts.payloads import files, tfrecords
from pipeline.artifacts.payloads.files import UnreadableFileError
from pipeline.artifacts.sections import Table, Value, columns
from pipeline.core.text import beginning

_FOLDER = "assets"
_RECORDS = ".tfrecord.gz"  # TFT's other format
_LARGEST = 16 * files.MIB
_LARGEST_RECORDS = 2 * files.MIB
_MOST = 50
_FIRST = 5  # entries shown of each
_LONGEST = 40  # characters of an entry
_COLUMNS = columns("vocabulary", "entries:number", "first entries")


def sections(model: pathlib.Path) -> list[Table]:
    """Return a table of the vocabularies of a SavedModel's folder; none if there are none."""
    try:
        found = sorted(path for path in (model / _FOLDER).iterdir() if path.is_file() and not path.is_symlink())
    except OSError:
        return []
    rows = tuple(_row(path) for path in found[:_MOST])
    return [Table("vocabularies", _COLUMNS, rows)] if rows else []


def _row(path: pathlib.Path) -> tuple[Value, ...]:
    try:
        if path.name.endswith(_RECORDS):
            entries = list(tfrecords.read(path, _LARGEST_RECORDS))
        else:
            entries = files.content(path, _LARGEST).splitlines()
    except UnreadableFileError as error:
        return path.name, None, str(error)
    if any(b"\0" in entry for entry in entries[:_FIRST]):
        return path.name, None, "not text"
    first = ", ".join(beginning(one.decode(errors="replace"), _LONGEST) for one in entries[:_FIRST])
    return path.name, len(entries), first
