"""Opens a store of ML Metadata to read it: an SQLite file, or a server by URL. Nothing here writes to one."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Iterator
from typing import Protocol

import ml_metadata as mlmd

from pipeline.metadata import database_stores
from pipeline.metadata.sqlite_stores import StoreFile


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
    """A store to read, as long as the context lasts.

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
        yield source


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
