"""Identify a process beyond its number, which the kernel gives to later processes again."""

from __future__ import annotations

import contextlib
import os
import pathlib

import psutil

_PROC = pathlib.Path("/proc")


def identity(process: int) -> str:
    """Return the boot and the start of a process, which no other process has; empty if the process does not exist.

    The start is in ticks since the boot, which do not change when the clock is set.
    """
    with contextlib.suppress(OSError, IndexError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name of the program is in brackets and may contain anything; the start is the 20th field after it.
        return f"{boot}/{(_PROC / str(process) / 'stat').read_text(encoding='utf-8').rpartition(')')[2].split()[19]}"
    if _PROC.joinpath("self").exists():
        return ""
    try:
        return str(psutil.Process(process).create_time())
    except psutil.Error:
        return ""


def same_boot(known: str) -> bool:
    """Whether a process with this identity started in the current boot; False where that is unknown."""
    boot, separator, _ = known.partition("/")
    return bool(separator) and identity(os.getpid()).startswith(f"{boot}/")


def lives(process: int, known: str) -> bool:
    """Whether the process with this identity still runs; a zombie does not."""
    try:
        return identity(process) == known and psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
