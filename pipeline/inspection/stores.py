"""Opens a store of ML Metadata to read it: an SQLite file, or a server by URL. Nothing here writes to one."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Iterator
from typing import Protocol

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors

from pipeline.core.errors import UnavailableError
from pipeline.inspection import database_stores
from pipeline.inspection.sqlite_stores import StoreFile
from pipeline.metadata import store


class Source(Protocol):
    """A store that can be read.

    Attributes:
      name: its file or its URL without the password, for people.
    """

    name: str

    def connect(self) -> mlmd.MetadataStore:
        """A client. It is not thread-safe: each thread opens its own; that takes milliseconds.

        Raises:
          UnavailableError: the store cannot be read any more, or a writer holds it for too long.
        """
        ...


@contextlib.contextmanager
def open_source(given: str) -> Iterator[Source]:
    """A store to read, as long as the context lasts; what ML Metadata raises in it is raised as `UnavailableError`.

    Args:
      given: the path of an SQLite file, or `postgresql://user@host/database`, `mysql://user@host/database`.

    Raises:
      NotFoundError: no such file.
      UsageError: a URL that is none.
      UnavailableError: damaged, of a newer schema, no store of ML Metadata, or the server does not answer.
    """
    with contextlib.ExitStack() as opened:
        opened.enter_context(_quiet())
        source: Source
        if "://" in given:
            source = opened.enter_context(database_stores.open_server(given))
        else:
            source = opened.enter_context(contextlib.closing(StoreFile(pathlib.Path(given))))
        source.connect()  # what is wrong with it is found out here
        try:
            yield source
        except mlmd_errors.StatusError as error:
            raise unreadable(source, error) from error


def unreadable(source: Source, error: mlmd_errors.StatusError) -> UnavailableError:
    """What to say of a store that could be opened, but not be read to the end."""
    if isinstance(error, mlmd_errors.AbortedError):
        return UnavailableError(f"{source.name} is busy: a writer held it for longer than was waited; try again")
    return UnavailableError(
        f"{source.name} cannot be read to the end ({store.said(str(error))}): the file is damaged, or "
        "the server went away"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the warning that ML Metadata's client logs of each error that it also raises, statement and all."""
    log = logging.getLogger("absl")
    log.addFilter(_no_echo)
    try:
        yield
    finally:
        log.removeFilter(_no_echo)


def _no_echo(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("mlmd client ")
