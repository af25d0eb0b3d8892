"""A child process ends when the process that started it is killed."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from pipeline.core import parent_process
from tests import PROJECT
from tests.waiting import lives, wait_until

CHILD = "from pipeline.core import parent_process; parent_process.end_with_parent(); print('ready', flush=True); "
PARENT = """
import os, subprocess, sys
from pipeline.core import parent_process
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], env=parent_process.environment(os.environ))
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.parametrize("system", ["", "import sys; sys.platform = 'darwin'; "], ids=["here", "elsewhere"])
def test_a_child_ends_with_a_killed_parent(system: str) -> None:
    child = system + CHILD + "import time; time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, child], stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert parent.stdout is not None
    lines = sorted(parent.stdout.readline().strip() for _ in range(2))
    assert lines[1] == "ready"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    try:
        wait_until(lambda: not lives(int(lines[0])), 5)
    finally:
        if psutil.pid_exists(int(lines[0])):
            psutil.Process(int(lines[0])).kill()


def test_a_child_whose_parent_ended_before_it_asked_does_not_begin() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, parent_process.VARIABLE: str(os.getppid())},
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert str(os.getppid()) in done.stderr


def test_other_processes_do_not_see_the_variable() -> None:
    script = CHILD + f"import os; print({parent_process.VARIABLE!r} in os.environ)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=parent_process.environment(os.environ),
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=True,
    )
    assert done.stdout.split() == ["ready", "False"]
    parent_process.end_with_parent()  # without the variable it does nothing
