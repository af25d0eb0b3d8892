"""What ML Metadata's client needs to write to PostgreSQL: texts that its backend can send, and errors in words.

Its backend makes a syntax error of each text with a backslash, because it cuts the quotes of libpq's literal E'...' in
the wrong place. TFX and this project record such texts: JSON in JSON. So another character is sent, which Unicode
reserves for use inside a program, and triggers of the database (`postgresql.prepare`) put the backslash back before a
row is written: what is stored, and what every client reads, is the text as it was given.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.errors import UnavailableError
from pipeline.metadata import database_stores, postgresql
from pipeline.metadata.client import ANSWERS, first_line

_LOST = (
    "server closed the connection", "no connection to the server", "terminating connection", "could not receive data",
    "could not send data", "connection not open", "SSL connection has been closed", "SSL SYSCALL error",
)  # fmt: skip


class Database:
    """A PostgreSQL database that a client of ML Metadata writes to."""

    def __init__(self, config: pb.PostgreSQLDatabaseConfig) -> None:
        self.name = database_stores.name_of(config)

    def opening(self) -> contextlib.AbstractContextManager[None]:
        return database_stores.captured_log([])

    def sent(self, request: Any) -> Any:
        if b"\\" not in request.SerializeToString():
            return request
        copy = type(request)()
        copy.CopyFrom(request)
        _encode(copy)
        return copy

    def call(self, method: Callable[[], None]) -> None:
        postgresql.check_lock(self.name)
        try:
            with database_stores.captured_log([]):
                method()
        except mlmd_errors.StatusError as error:
            if isinstance(error, ANSWERS):
                raise
            reason = first_line(str(error))
            if any(words in str(error) for words in _LOST):
                raise postgresql.lost(self.name, reason) from error
            raise UnavailableError(
                f"{self.name} was not changed, because the server or ML Metadata refused it ({reason}): check the "
                "server's log; `sae resume` continues the run"
            ) from error


def _encode(message: Any) -> None:
    """Replace the backslashes in all values of properties."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            values = value.values() if field.message_type.fields_by_name["value"].message_type else ()
        else:
            values = value if field.label == field.LABEL_REPEATED else (value,)
        for one in values:
            if isinstance(one, pb.Value):
                if one.WhichOneof("value") == "string_value":
                    one.string_value = one.string_value.replace("\\", postgresql.BACKSLASH)
            else:
                _encode(one)
