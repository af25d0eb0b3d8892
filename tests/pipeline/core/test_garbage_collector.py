"""The garbage collector during imports."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from pipeline.core import garbage_collector
from tests import PROJECT


@pytest.fixture(autouse=True)
def thawed():
    yield
    gc.unfreeze()


def test_the_collector_is_off_and_leaves_out_what_was_created():
    before = gc.get_freeze_count()
    with garbage_collector.off_for_imports():
        assert not gc.isenabled()
        made = [[] for _ in range(100)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)


def test_the_collector_is_on_again_after_an_import_that_failed():
    with pytest.raises(ImportError), garbage_collector.off_for_imports():
        raise ImportError("no such module")
    assert gc.isenabled()


AT_EXIT = """
import atexit
from pipeline.core import garbage_collector

class Circle:
    def __init__(self):
        self.circle = self
    def __del__(self, print=print):
        print("collected")

atexit.register(print, "handler")
{call}
Circle()
"""


@pytest.mark.parametrize(
    ("call", "printed"),
    [("", ["handler", "collected"]), ("garbage_collector.off_at_exit()", ["handler"])],
    ids=["with the collector", "without"],
)
def test_the_end_of_a_process_calls_handlers_but_collects_no_circles(call, printed):
    code = AT_EXIT.format(call=call)
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == printed
