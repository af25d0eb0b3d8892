"""Run a Python program in a mount namespace of its own; skip a test where that is not allowed."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest


def run_in_namespace(mounts: str, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run shell commands that mount, then a Python program with arguments; skip if the mounts fail."""
    python = shlex.join([sys.executable, "-c", program, *map(str, arguments)])
    script = f"{{ {mounts}; }} || exit 77\n{python}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 77 or done.stderr.startswith("unshare: "):
        pytest.skip(f"this user cannot mount: {done.stderr.strip()}")
    return done
