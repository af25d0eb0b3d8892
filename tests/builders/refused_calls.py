"""Let the kernel refuse system calls of a process, as a file system without locks does."""

from __future__ import annotations

import ctypes
import platform
import struct
import sys

FLOCK = {"x86_64": 73, "aarch64": 32}.get(platform.machine())  # numbers of the system call


def refuse(call: int, error: int) -> None:
    """Let a system call of this process fail with an error number from now on, by a seccomp filter."""
    code = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 0),  # load the number of the call
            (0x15, 0, 1, call),  # if it is another one, skip the next instruction
            (0x06, 0, 0, 0x00050000 | error),  # SECCOMP_RET_ERRNO
            (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
        )
    )
    text = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(text)))
    library = ctypes.CDLL(None, use_errno=True)
    for option in ((38, 1, 0, 0, 0), (22, 2, ctypes.c_void_p(ctypes.addressof(program)), 0, 0)):
        if library.prctl(*option):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP with a filter
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":  # python refused_calls.py CALL ERROR PROGRAM ARGUMENTS...
    import os

    refuse(int(sys.argv[1]), int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
