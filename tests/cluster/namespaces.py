"""Hosts on this machine that have a network of their own: network namespaces on a bridge. Needs root and Linux.

Each group of hosts has a number. Who uses it holds a socket of that name, which the kernel frees with the process; all
processes of the same network see it, also those in a chroot with other process ids.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

from pipeline.cluster.plan import Host

_KILL_SECONDS = 10.0  # for a process to end after SIGKILL
_NAMESPACES, _LINKS = pathlib.Path("/run/netns"), pathlib.Path("/sys/class/net")
_NAME = re.compile(r"sae(\d+)-host\d+")
_NUMBERS = range(1, 250)  # each has a network 10.78.NUMBER


def why_not() -> str:
    """Return why this machine cannot have them; empty if it can."""
    if not sys.platform.startswith("linux"):
        return "needs network namespaces, which only Linux has"
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    if shutil.which("ip") is None:
        return "needs the command ip (Debian: iproute2)"
    probe = f"probe{os.getpid()}"
    done = subprocess.run(["ip", "link", "add", probe, "type", "bridge"], capture_output=True, check=False)
    if done.returncode:
        return f"cannot make a bridge: {done.stderr.decode(errors='replace').strip()}"
    _ip("link", "delete", probe)
    return ""


@contextlib.contextmanager
def made(count: int) -> Iterator[tuple[str, tuple[Host, ...]]]:
    """Make hosts on a bridge; yield the bridge's address and the hosts. At the end, all their processes are killed."""
    _remove_abandoned()
    with _free_number() as group:
        yield from _group(group, count)


def _group(group: int, count: int) -> Iterator[tuple[str, tuple[Host, ...]]]:
    bridge, net = f"saebridge{group}", f"10.78.{group}"
    hosts = []
    try:
        _remove(group)  # a bridge that was left behind in another mount namespace
        _ip("link", "add", bridge, "type", "bridge")
        _ip("address", "add", f"{net}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for number in range(1, count + 1):
            name, inner, address = f"sae{group}-host{number}", f"sae{group}in{number}", f"{net}.{10 + number}"
            outer = f"sae{group}out{number}"
            _ip("netns", "add", name)
            _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
            _ip("link", "set", outer, "master", bridge, "up")
            enter = ("ip", "netns", "exec", name)
            for command in (f"address add {address}/24 dev {inner}", f"link set {inner} up", "link set lo up"):
                _ip("-n", name, *command.split())
            hosts.append(Host(f"host{number}", address, enter=enter))
        yield f"{net}.1", tuple(hosts)
    finally:
        _remove(group)


def kill(host: Host) -> None:
    """Kill all processes of a host at once, as a power cut does, and wait until their ports are free.

    A process whose first thread has ended is not listed, but its other threads may still have its ports.
    """
    while listed := _processes(host):
        with contextlib.ExitStack() as stack:
            handles = []
            for process in listed:
                with contextlib.suppress(ProcessLookupError):
                    handles.append(os.pidfd_open(process))
                    stack.callback(os.close, handles[-1])
                    os.kill(process, signal.SIGKILL)
            for handle in handles:
                select.select([handle], [], [], _KILL_SECONDS)


def _processes(host: Host) -> list[int]:
    command = ["ip", "netns", "pids", host.enter[-1]]
    return [int(one) for one in subprocess.run(command, capture_output=True, check=True).stdout.split()]


def _remove_abandoned() -> None:
    """Remove what a killed test process left."""
    names = [path.name for path in _NAMESPACES.iterdir()] if _NAMESPACES.is_dir() else []
    for group in {int(match[1]) for name in names if (match := _NAME.fullmatch(name))}:
        with contextlib.suppress(OSError), _used(group):
            _remove(group)


@contextlib.contextmanager
def _free_number() -> Iterator[int]:
    """Use the first number that is free."""
    for group in _NUMBERS:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_used(group))
            except OSError:
                continue
            yield group
            return
    raise OSError("all numbers of groups of hosts are in use")


def _used(group: int) -> socket.socket:
    """Use a number until the socket is closed. Raises `OSError` if another process does."""
    used = socket.socket(socket.AF_UNIX)
    try:
        used.bind(f"\0sae-cluster-hosts-{group}")
    except OSError:
        used.close()
        raise
    return used


def _remove(group: int) -> None:
    """Remove the hosts of a group, with their processes, and the bridge."""
    for path in sorted(_NAMESPACES.glob(f"sae{group}-host*")):
        kill(Host("", "", enter=("", path.name)))
        _ip("netns", "delete", path.name)
    # The ends of links in the namespaces go with these, but later than the command ends, and then the names are in use.
    for link in (f"saebridge{group}", *(path.name for path in _LINKS.glob(f"sae{group}out*"))):
        subprocess.run(["ip", "link", "delete", link], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
