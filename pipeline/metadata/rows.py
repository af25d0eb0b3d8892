"""Find rows of an SQLite store that ML Metadata's C++ cannot read, and repair a copy where nothing is lost by it.

ML Metadata reports no error for such rows: it ends its process. The tables are those of schema 10; what an older schema
does not have is not checked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sqlite3
from collections.abc import Iterator, Mapping

from pipeline.core.text import beginning

_NODES = ("Artifact", "Execution", "Context")
# Columns with the id of a row in another table, and that table.
REFERENCES = {
    **{(f"{node}Property", f"{node.lower()}_id"): node for node in _NODES},
    **{(node, "type_id"): "Type" for node in _NODES},
    ("Event", "artifact_id"): "Artifact",
    ("Event", "execution_id"): "Execution",
    ("EventPath", "event_id"): "Event",
    ("Association", "context_id"): "Context",
    ("Association", "execution_id"): "Execution",
    ("Attribution", "context_id"): "Context",
    ("Attribution", "artifact_id"): "Artifact",
    ("ParentContext", "context_id"): "Context",
    ("ParentContext", "parent_context_id"): "Context",
    ("TypeProperty", "type_id"): "Type",
    ("ParentType", "type_id"): "Type",
    ("ParentType", "parent_type_id"): "Type",
}
# Rows that mean nothing without the row that they refer to. Events stay: they show that an artifact was deleted.
_PARTS = tuple(key for key in REFERENCES if key[0] not in (*_NODES, "Event", "TypeProperty", "ParentType"))
_STORED = {  # SQLite's types of value by the beginning of a declared type
    "INT": ("integer",),
    "TINYINT": ("integer",),
    "BOOLEAN": ("integer",),
    "DOUBLE": ("real", "integer"),
    "VARCHAR": ("text",),
    "TEXT": ("text",),
}
_FLAGS = ("TINYINT", "BOOLEAN")  # 0 or 1, except `type_kind`
_ENUMS = ("state", "last_known_state", "type", "type_kind", "data_type")  # 32 bits
_LONGEST = 40  # characters of a value in a message


def first_problem(path: pathlib.Path) -> str:
    """Return the first row that ML Metadata cannot read, in words; empty if there is none. Raises `sqlite3.Error`."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
        opened.text_factory = bytes
        opened.create_function("is_utf8", 1, _is_utf8, deterministic=True)
        opened.create_function("is_ascii", 1, bytes.isascii, deterministic=True)  # spares most calls of Python
        return next(_problems(opened), "")


def remove_parts_of_deleted_rows(path: pathlib.Path) -> int:
    """Delete the rows of a copy that belong to rows that were deleted; return their number."""
    with contextlib.closing(sqlite3.connect(path)) as opened, opened:
        tables = dict(_tables(opened))
        deleted = 0
        while True:  # a path belongs to an event that belongs to an artifact
            before = deleted
            for table, column in _PARTS:
                other = REFERENCES[table, column]
                if table in tables and other in tables:
                    where = f"{column} NOT IN (SELECT id FROM {other})"
                    deleted += opened.execute(f"DELETE FROM {table} WHERE {where}").rowcount
            if deleted == before:
                return deleted


def _tables(opened: sqlite3.Connection) -> Iterator[tuple[str, dict[str, tuple[str, bool]]]]:
    """Yield the name of each table of ML Metadata, with declared type and NOT NULL of its columns."""
    known = sorted({table for table, _ in REFERENCES} | set(REFERENCES.values()))
    for table in known:
        columns = {
            _text(name): (_text(kind).upper(), bool(required or key))
            for _, name, kind, required, _, key in opened.execute(f"PRAGMA table_info({table})")
        }
        if columns:
            yield table, columns


@dataclasses.dataclass(frozen=True)
class _Check:
    """A condition of SQL on a column, which holds for no row that ML Metadata can read."""

    table: str
    column: str
    where: str
    allowed: str


def _problems(opened: sqlite3.Connection) -> Iterator[str]:
    tables = dict(_tables(opened))
    checks = [*_checks_of_values(tables), *_checks_of_references(tables)]
    # One pass over each table; only a table with a problem is read again, to find its column.
    damaged = {
        table
        for table in tables
        if (conditions := " OR ".join(f"({check.where})" for check in checks if check.table == table))
        and opened.execute(f"SELECT 1 FROM {table} WHERE {conditions} LIMIT 1").fetchone()
    }
    for check in checks:
        if check.table in damaged:
            yield from _found(opened, check, tables[check.table])


def _checks_of_values(tables: Mapping[str, Mapping[str, tuple[str, bool]]]) -> Iterator[_Check]:
    for table, columns in tables.items():
        for column, (declared, required) in columns.items():
            stored = next((kinds for start, kinds in _STORED.items() if declared.startswith(start)), ())
            if not stored:
                continue
            allowed = (*stored, *(() if required else ("null",)))
            # Most columns of properties are null, which SQLite sees faster than it finds a type in a list.
            given = "" if required else f"{column} IS NOT NULL AND "
            others = " AND ".join(f"typeof({column}) <> '{kind}'" for kind in stored)
            yield _Check(table, column, given + others, " or ".join(allowed))
            if stored == ("text",):
                text = f"CAST({column} AS BLOB)"
                where = f"{column} IS NOT NULL AND NOT is_ascii({text}) AND NOT is_utf8({text})"
                yield _Check(table, column, where, "UTF-8")
            elif declared.startswith(_FLAGS) and column != "type_kind":
                yield _Check(table, column, f"{column} NOT IN (0, 1)", "0 or 1")
            elif column in _ENUMS:
                yield _Check(table, column, f"{column} NOT BETWEEN 0 AND 2147483647", "32 bits")


def _checks_of_references(tables: Mapping[str, Mapping[str, tuple[str, bool]]]) -> Iterator[_Check]:
    for (table, column), other in REFERENCES.items():
        if table in tables and other in tables and column in tables[table]:
            yield _Check(table, column, f"{column} NOT IN (SELECT id FROM {other})", f"the id of a row of {other}")


def _found(opened: sqlite3.Connection, check: _Check, columns: Mapping[str, tuple[str, bool]]) -> Iterator[str]:
    key = "id" if "id" in columns else next(name for name in columns if name.endswith("_id"))
    wanted = f"SELECT {key}, {check.column} FROM {check.table} WHERE {check.where} LIMIT 1"
    for number, value in opened.execute(wanted):
        shown = beginning(_text(value), _LONGEST)
        place = f"table {check.table}, {key} {_text(number)}"
        yield f"{place}: {check.column} is {shown!r}, {check.allowed} is expected"


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
