"""Roots with a history: runs that each made a model of their own from the same data."""

from __future__ import annotations

import copy
import functools
import shutil

import pytest

from components.push import serving_dir
from pipeline import cli
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests import metadata_stores
from tests.builders.roots import Recorded, Writer

DATA = PIPELINE.names[:6]


def nightly(recorded: Recorded, run_id: str, seed: int, blessed: bool = True, state: str = "succeeded") -> None:
    """A run that makes a model of its own from the data that the first one read."""
    names = [name for name in PIPELINE.names if not (name in DATA and recorded.store().run_ids())]
    given = {}
    if len(names) < len(PIPELINE.names):
        first = recorded.store().run_ids()[-1]
        given = {name: recorded.outputs(first, name) for name in DATA}
        recorded.replay(run_id, names=DATA)
    recorded.run(run_id, f"training.seed={seed}", names=names, given=given, blessed=blessed)
    note(recorded, run_id, state)


def note(recorded: Recorded, run_id: str, state: str | None) -> None:
    recorded.end(run_id, state=state, trigger="manual")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Four runs, and a copy of their folder: to record them takes longer than all that a test does with them."""
    return _four_runs(tmp_path_factory.getbasetemp() / "four" / "runs")


@functools.cache  # pytest makes another fixture for each module that imports it
def _four_runs(folder):
    folder.mkdir(parents=True)
    recorded = Recorded(folder)
    for number in range(1, 5):
        nightly(recorded, f"run-{number}", number)
    serving_dir.write_superseded(recorded.root.serving, ())  # as the first push does
    as_made = recorded.folder.with_name("as-made")
    shutil.copytree(recorded.folder, as_made)
    return recorded, as_made, metadata_stores.kept(recorded.root)


@pytest.fixture
def four(made_once):
    """Four runs, each with a model of its own that was pushed; the last one's is served."""
    recorded, as_made, store = made_once
    shutil.rmtree(recorded.folder)
    shutil.copytree(as_made, recorded.folder)
    metadata_stores.reset(recorded.root, store)
    again = copy.copy(recorded)
    again.writer = Writer(recorded.root)
    return again


@pytest.fixture
def sae(four, capfd):
    """Runs a command on a root with four runs; returns its exit code, what it printed, and what it said beside that."""

    def run(*arguments):
        try:
            cli.main([*arguments, "--root", str(four.root.path)])
        except SystemExit as end:
            return end.code, *capfd.readouterr()

    return run
