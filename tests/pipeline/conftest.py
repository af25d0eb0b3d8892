"""What the tests of the pipeline share."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from pipeline import cli
from pipeline.provenance import source_code
from tests.builders import pages
from tests.builders.roots import Recorded


@pytest.fixture(scope="module", autouse=True)
def code_read_once() -> Iterator[None]:
    """Read the code of nodes once for a file of tests, which do not change it: some read it hundreds of times."""
    with source_code.read_once():
        yield


@pytest.fixture
def recorded(tmp_path: pathlib.Path) -> Recorded:
    """Return a root in which runs are recorded without being executed."""
    return Recorded(tmp_path)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Return a root that no test changes: `good` and `better` succeeded, `bad` failed, `again` is all cached."""
    recorded = Recorded(tmp_path_factory.mktemp("filled"))
    pages.fill(recorded)
    return recorded


@pytest.fixture
def sae(capsys):
    """Run the command in this process; return its exit code, standard output and standard error."""

    def run(*arguments):
        try:
            code = cli.main(list(arguments)) or 0
        except SystemExit as end:
            code = end.code
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(sae):
    """Run a command that ends with this exit code and with one short line on standard error; return the line."""

    def run(code, *arguments):
        found, output, errors = sae(*arguments)
        assert (found, output, errors.count("\n")) == (code, "", 1), errors
        assert errors.startswith("error: ")
        assert not errors.startswith("error: unexpected ")
        assert len(errors) < 700
        return errors

    return run
