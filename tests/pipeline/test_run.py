"""A run's id."""

from __future__ import annotations

import datetime
import re
import time

import pytest

from pipeline import run
from pipeline.root import Root


@pytest.fixture
def root(tmp_path):
    root = Root(tmp_path / "root")
    root.create()
    return root


@pytest.fixture
def far_from_utc(monkeypatch):
    """Local time is nine hours ahead of UTC."""
    monkeypatch.setenv("TZ", "XXX-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def times_from_now():
    """The run ids without a number of this second and of the minute that follows."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return [(now + datetime.timedelta(seconds=second)).strftime("%Y%m%d-%H%M%S") for second in range(60)]


def test_a_run_is_named_by_the_time_in_utc(root, far_from_utc):
    assert run._new_run_id(root) in times_from_now()


def test_a_run_in_a_second_that_is_taken_gets_a_number(root):
    for name in times_from_now():
        (root.logs / f"{name}.log").touch()
    assert re.fullmatch(r"\d{8}-\d{6}-2", run._new_run_id(root))
    for name in times_from_now():
        (root.logs / f"{name}-2.log").touch()
    assert re.fullmatch(r"\d{8}-\d{6}-3", run._new_run_id(root))


def test_only_the_id_itself_counts_as_taken(root):
    for name in times_from_now():
        (root.logs / f"{name}-2.log").touch()
    assert re.fullmatch(r"\d{8}-\d{6}", run._new_run_id(root))
