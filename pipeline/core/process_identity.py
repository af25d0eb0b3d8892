"""Whether a process lives, told from a later one that was given its number."""

from __future__ import annotations

import contextlib
import os
import pathlib

import psutil

_PROC = pathlib.Path("/proc")


def identity(process: int) -> str:
    """What tells a process from all others of its number, before and after it; empty where there is none.

    When it began, in ticks since the machine did: unlike a time of day that does not change when the clock is set.
    """
    with contextlib.suppress(OSError, IndexError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name of the program stands in brackets and may hold anything; 19 fields after it comes its start.
        return f"{boot}/{(_PROC / str(process) / 'stat').read_text(encoding='utf-8').rpartition(')')[2].split()[19]}"
    if _PROC.joinpath("self").exists():
        return ""
    try:
        return str(psutil.Process(process).create_time())
    except psutil.Error:
        return ""


def same_boot(known: str) -> bool:
    """Whether a process of this identity was one of this boot, as far as can be told."""
    boot, separator, _ = known.partition("/")
    return bool(separator) and identity(os.getpid()).startswith(f"{boot}/")


def lives(process: int, known: str) -> bool:
    """Whether the process of this identity still runs; one that ended and was not yet waited for does not."""
    try:
        return identity(process) == known and psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
