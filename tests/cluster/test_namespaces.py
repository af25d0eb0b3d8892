"""Hosts in network namespaces: groups at the same time do not meet, and a killed process leaves none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import PROJECT
from tests.cluster import namespaces
from tests.waiting import lives, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(bool(namespaces.why_not()), reason="needs root, Linux and ip")]

HOLD = """
import subprocess
from tests.cluster import namespaces
with namespaces.made(1) as (_, [host]):
    sleeper = subprocess.Popen([*host.enter, "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE)
    sleeper.stdout.readline()  # until it is in the namespace: later, it would enter the next one of that name
    print(host.enter[-1], sleeper.pid, flush=True)
    input()
"""


def test_groups_at_the_same_time_have_networks_of_their_own() -> None:
    with namespaces.made(1) as (first, [one]), namespaces.made(1) as (second, [other]):
        assert first != second
        for bridge, host in ((first, one), (second, other)):
            assert host.address.rpartition(".")[0] == bridge.rpartition(".")[0]
            found = subprocess.run([*host.enter, "ip", "address"], capture_output=True, text=True, check=True).stdout
            assert f"inet {host.address}/24" in found


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_uses_is_not() -> None:
    with namespaces.made(1) as (_, [used]):
        holder = subprocess.Popen([sys.executable, "-c", HOLD], cwd=PROJECT, stdin=-1, stdout=-1, text=True)
        assert holder.stdin is not None
        assert holder.stdout is not None
        with holder.stdin, holder.stdout:
            name, sleeper = holder.stdout.readline().split()
            holder.kill()
            holder.wait()
        assert lives(int(sleeper))
        with namespaces.made(1) as (_, [host]):
            assert host.enter[-1] == name != used.enter[-1]
            wait_until(lambda: not lives(int(sleeper)), 10)
        subprocess.run([*used.enter, "true"], check=True)
