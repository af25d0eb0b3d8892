"""The two lines of TFX that this project runs on, and all that differs between them.

There is one code base and one lock; Python's version picks the line, by the markers in pyproject.toml. Nothing else in
the project asks for a version. `tools/bootstrap.py` imports this module under whatever Python is there, hence the old
syntax.

What differs, and is not seen here because one way serves both lines:

- Keras: TensorFlow 2.16 and 2.21 both bring Keras 3; TFT and TFMA know Keras 2 only, so all code imports `tf_keras`.
- ML Metadata 1.18 and later has no ZetaSQL, so nothing uses `filter_query`; contexts and events are walked instead.
- TFMA 0.52 no longer exports its protos, so they are imported from their own modules.
- tfx-bsl 1.16 imports dill, TFX 1.21 needs a TensorBoard of its own: both are declared in pyproject.toml.
"""

import contextlib
import os
import re
import sys
from typing import NamedTuple, Optional, Tuple

if sys.version_info >= (3, 11):
    import tomllib  # settings files; in Python's library from 3.11 on
else:
    with contextlib.suppress(ImportError):  # during set-up, before there are packages
        import tomli as tomllib

__all__ = ["CURRENT", "LINES", "Line", "for_machine", "glibc_version", "here", "of_python", "tomllib"]

Version = Tuple[int, int]


class Line(NamedTuple):
    """A line of TFX.

    Attributes:
      name: TFX's version.
      pythons: versions of Python that its packages are for, the best one first.
      glibc: the oldest C library that its packages load with, on Linux.
      arm64: whether it has packages for macOS on arm64.
    """

    name: str
    pythons: Tuple[Version, ...]
    glibc: Version
    arm64: bool


# ML Metadata and Data Validation are built for glibc 2.39 (manylinux_2_39).
CURRENT = Line("1.21", ((3, 13), (3, 12), (3, 11)), glibc=(2, 39), arm64=True)
# For machines that cannot load the current one. Python 3.10 gets no more security fixes.
OLDER = Line("1.16", ((3, 10),), glibc=(2, 17), arm64=False)
LINES = (CURRENT, OLDER)


def of_python(version: Version) -> Optional[Line]:
    """The line that a Python of this version gets from the lock; None when there is none."""
    return next((line for line in LINES if version in line.pythons), None)


def here() -> Line:
    """The line that runs this.

    Raises:
      LookupError: this Python has none.
    """
    line = of_python(sys.version_info[:2])
    if line is None:
        raise LookupError("no TFX line is for Python %d.%d" % sys.version_info[:2])
    return line


def for_machine(system: str, machine: str, glibc: Optional[Version]) -> Optional[Line]:
    """The newest line that has packages for a machine; None when none has.

    Args:
      system: as in `sys.platform`.
      machine: as from `uname -m`.
      glibc: its version; None for another C library.
    """
    if (system, machine) == ("darwin", "arm64"):
        return next(line for line in LINES if line.arm64)
    if (system, machine) == ("linux", "x86_64") and glibc is not None:
        return next((line for line in LINES if glibc >= line.glibc), None)
    return None


def glibc_version() -> Optional[Version]:
    """The C library's version; None when it is not glibc."""
    try:
        found = re.match(r"glibc (\d+)\.(\d+)", os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (AttributeError, OSError, ValueError):  # not Linux, or another C library
        return None
    return (int(found.group(1)), int(found.group(2))) if found else None
