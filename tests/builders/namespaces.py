"""Commands in namespaces of their own, as in a container; root on Linux can make them."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest

from tests import PROJECT

NOBODY = 65_534
# Process 1 of the namespace ends with the parent, and /proc shows the namespace.
_PID = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def in_pid_namespace(*command: str) -> list[str]:
    """Return a command line that runs a command as process 1 of a PID namespace; skip the test if that cannot be."""
    _need(*_PID, "true")
    return [*_PID, *command]


def on_another_host(*command: str, boot: str = "another-boot") -> list[str]:
    """Return a command line that runs a command with another host name and boot id, in a PID namespace."""
    setup = (
        f'hostname other-host && echo {boot} > "$0" && mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
    )
    wrapped = (*_PID, "--uts", "/bin/sh", "-c", f'set -- "$@"; set -e; f=$(mktemp); {setup.replace("$0", "$f")}', "sh")
    _need(*wrapped, "true")
    return [*wrapped, *command]


def as_user(user: int, group: int, *command: str) -> list[str]:
    """Return a command line that runs a command as a user with one group and umask 002, without environment.

    The Python of the tests may be in a folder that only root can enter; a mount namespace has it in one for everybody.
    """
    python = pathlib.Path(sys.base_prefix)
    closed = [str(one) for one in (python, *python.parents) if not one.stat().st_mode & 0o001]
    see = ""
    if closed:
        see = f"p=$(mktemp -d); mount --bind {python} $p; mount -t tmpfs -o mode=755 tmpfs {closed[-1]}; "
        see += f"mkdir -p {python}; mount --bind $p {python}; "
    change = f"umask 002; exec setpriv --reuid {user} --regid {group} --clear-groups env -i "
    change += f'PATH="$PATH" PYTHONPATH={PROJECT} "$@"'
    wrapped = ("unshare", "--mount", "/bin/sh", "-e", "-c", see + change, "sh")
    _need(*wrapped, sys.executable, "-c", "")
    return [*wrapped, *command]


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Take the rights of root from this process, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def owned_by_nobody(folder: pathlib.Path) -> Iterator[None]:
    """Give a folder to the user that this process is without the rights of root."""
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, -1)
    with as_nobody():
        yield


@contextlib.contextmanager
def visible_folder() -> Iterator[pathlib.Path]:
    """A folder that all users can enter, unlike those of pytest."""
    folder = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@functools.cache
def _need(*command: str) -> None:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        pytest.skip("needs the namespaces of Linux")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs namespaces: {done.stderr.strip()}")
