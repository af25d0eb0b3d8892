"""The two TFX versions that this project runs on, and all differences between them.

There is one code base and one lock; Python's version selects the TFX version, through the markers in pyproject.toml. No
other module asks for a version. `tools/bootstrap.py` imports this module on any Python 3, hence the old syntax.

Differences that are not visible here, because one solution serves both versions:

- Keras: TensorFlow 2.16 and 2.21 both bring Keras 3; TFT and TFMA support Keras 2 only, so all code imports `tf_keras`.
- ML Metadata 1.18 and later has no ZetaSQL, so no code uses `filter_query`; it walks contexts and events instead.
- TFMA 0.52 no longer exports its protos; they are imported from their own modules.
- tfx-bsl 1.16 imports dill, TFX 1.21 needs a TensorBoard of its own: pyproject.toml declares both.
"""

import os
import re
import sys
from typing import NamedTuple, Optional, Tuple

Version = Tuple[int, int]


class TfxVersion(NamedTuple):
    """A version of TFX.

    Attributes:
      name: `1.21`.
      pythons: versions of Python that its packages support, the preferred one first.
      glibc: the oldest C library that its packages load with, on Linux.
      arm64: whether it has packages for macOS on arm64.
    """

    name: str
    pythons: Tuple[Version, ...]
    glibc: Version
    arm64: bool


# ML Metadata and Data Validation are built for glibc 2.39 (manylinux_2_39).
CURRENT = TfxVersion("1.21", ((3, 13), (3, 12), (3, 11)), glibc=(2, 39), arm64=True)
# For machines that cannot load the current one. Python 3.10 gets no more security fixes.
OLDER = TfxVersion("1.16", ((3, 10),), glibc=(2, 17), arm64=False)
_ALL = (CURRENT, OLDER)


def of_python(version: Version) -> Optional[TfxVersion]:
    """Return the TFX version that the lock has for a version of Python; None if it has none."""
    return next((tfx for tfx in _ALL if version in tfx.pythons), None)


def here() -> TfxVersion:
    """Return the TFX version for the running Python.

    Raises:
      LookupError: there is none.
    """
    tfx = of_python(sys.version_info[:2])
    if tfx is None:
        raise LookupError("no TFX version supports Python %d.%d" % sys.version_info[:2])
    return tfx


def for_machine(system: str, machine: str, glibc: Optional[Version]) -> Optional[TfxVersion]:
    """Return the newest TFX version that has packages for a machine; None if none has.

    Args:
      system: as in `sys.platform`.
      machine: as from `uname -m`.
      glibc: its version; None for another C library.
    """
    if (system, machine) == ("darwin", "arm64"):
        return next(tfx for tfx in _ALL if tfx.arm64)
    if (system, machine) == ("linux", "x86_64") and glibc is not None:
        return next((tfx for tfx in _ALL if glibc >= tfx.glibc), None)
    return None


def c_library() -> str:
    """Return name and version of the C library, such as `glibc 2.36`; empty if it is not known."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):  # not Linux, or another C library
        return ""


def glibc_version() -> Optional[Version]:
    """Return the version of the C library; None if it is not glibc."""
    found = re.match(r"glibc (\d+)\.(\d+)", c_library())
    return (int(found.group(1)), int(found.group(2))) if found else None
