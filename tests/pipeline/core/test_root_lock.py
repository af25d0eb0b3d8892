"""The holder of a lock file."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys

import psutil
import pytest

from pipeline.core import root_lock
from pipeline.core.pipeline_root import Root


@pytest.fixture
def root(tmp_path):
    made = Root(tmp_path / "root")
    made.create()
    return made


def test_the_holder_is_known_while_the_root_is_locked(root):
    assert root_lock.holder(root.lock_file) is None
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    with root.lock():
        found = root_lock.holder(root.lock_file)
        assert found is not None
        assert before <= found.since <= datetime.datetime.now(datetime.timezone.utc)
    assert root_lock.holder(root.lock_file) is None


def test_a_killed_process_is_no_holder(root):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (root.path / "lock").write_text(f"process {gone.pid} since 2026-11-24 16:00:00+00:00\n")
    assert root_lock.holder(root.lock_file) is None


def test_a_later_process_with_the_same_number_is_no_holder(root):
    begun = datetime.datetime.fromtimestamp(psutil.Process().create_time(), datetime.timezone.utc)
    for seconds, held in ((-5, False), (0, True), (5, True)):
        since = (begun + datetime.timedelta(seconds=seconds)).replace(microsecond=0)
        (root.path / "lock").write_text(f"process {os.getpid()} since {since.isoformat(sep=' ')}\n")
        assert (root_lock.holder(root.lock_file) is not None) is held


@pytest.mark.parametrize("odd", ["", "nobody", "process 1 since yesterday evening", "process 99999999999999 since a b"])
def test_a_lock_file_with_other_text_has_no_holder(root, odd):
    (root.path / "lock").write_text(odd)
    assert root_lock.holder(root.lock_file) is None


def test_the_lock_names_its_run(root):
    with root.lock() as note_holder:
        assert root_lock.holder(root.lock_file).run == ""
        note_holder("20261124-120000-2")
        assert root_lock.holder(root.lock_file).run == "20261124-120000-2"
        assert root_lock.holder(root.lock_file) is not None
    assert root_lock.holder(root.lock_file) is None
