"""Measure the time from a fresh clone to the result on the sample. The cache of packages has to be warm."""

from __future__ import annotations

import os
import pathlib
import shutil

from benchmarks.measuring import PROJECT, Options, SkippedError, measure, say

# Of the machine alone: the variables of this checkout's make, Python and pipeline are not inherited.
INHERITED = ("HOME", "LANG", "PATH", "TMPDIR", "USER")
PREFIXES = ("PIP_", "SSL_", "UV_", "XDG_")


def clone(options: Options) -> dict[str, list[float]]:
    """Clone the last commit, and run `make run` on the sample."""
    if not (PROJECT / ".git").exists() or not shutil.which("git"):
        raise SkippedError(f"it needs git, and {PROJECT} to be a checkout")
    kept = [f"{name}={value}" for name, value in os.environ.items() if name in INHERITED or name.startswith(PREFIXES)]
    seconds = []
    for number in range(1, options.rounds + 1):
        with options.work() as folder:
            place = pathlib.Path(folder, "sae")
            cloned = measure(["git", "clone", "--quiet", str(PROJECT), str(place)])
            made = measure(["env", "-i", *kept, "make", "run", "ARGS=--profile sample"], folder=place)
        seconds.append(cloned.seconds + made.seconds)
        say(f"round {number}: {seconds[-1]:.1f} s")
    return {"clone": seconds}
