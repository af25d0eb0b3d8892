"""Identify a process beyond its number, which the kernel gives to later processes again."""

from __future__ import annotations

import contextlib
import os
import pathlib

import psutil

_PROC = pathlib.Path("/proc")


def identity(process: int) -> str:
    """Return what no other process has: its boot, start and PID namespace; empty if the process does not exist.

    The start is in ticks since the boot, which do not change when the clock is set. The number of a process means
    another one in another PID namespace (a container).
    """
    with contextlib.suppress(OSError, IndexError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name of the program is in brackets and may contain anything; the start is the 20th field after it.
        start = (_PROC / str(process) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        return f"{boot}/{start}/{_namespace()}"
    if _PROC.joinpath("self").exists():
        return ""
    try:
        return str(psutil.Process(process).create_time())
    except psutil.Error:
        return ""


def _namespace() -> str:
    """Return the PID namespace of this process: `pid:[4026531836]`."""
    return os.readlink(_PROC / "self/ns/pid")


def same_boot(known: str) -> bool:
    """Whether a process with this identity started in the current boot; False where that is unknown."""
    boot, separator, _ = known.partition("/")
    return bool(separator) and identity(os.getpid()).startswith(f"{boot}/")


def is_visible(known: str) -> bool:
    """Whether a process with this identity can be seen from here: it is not of another PID namespace of this boot."""
    parts = known.split("/")
    if len(parts) < 3 or not same_boot(known):  # an earlier version, macOS, or before a reboot
        return True
    return parts[2] == _namespace()


def is_same(process: int, known: str) -> bool:
    """Whether the process with this number has this identity, also one that an earlier version recorded."""
    found = identity(process)
    return found == known or (known.count("/") == 1 and found.startswith(f"{known}/"))


def lives(process: int, known: str) -> bool:
    """Whether the process with this identity still runs; a zombie does not."""
    try:
        return is_same(process, known) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
