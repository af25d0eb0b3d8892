"""A jar file that names the jars of a class path in its manifest."""

from __future__ import annotations

import pathlib
import zipfile
from collections.abc import Sequence


def write(path: pathlib.Path, jars: Sequence[pathlib.Path]) -> None:
    """Write the jar file.

    With each job, Beam ships the jars that it finds on the class path of its job server. It does not follow addresses
    with a host, as Java does; so it ships only this jar, and the others are on the class path of each host anyway.
    """
    addresses = [jar.absolute().as_uri().replace("file://", "file://localhost", 1) for jar in jars]
    text = f"Class-Path: {' '.join(addresses)}"
    lines = [text[:70], *(f" {text[start : start + 69]}" for start in range(70, len(text), 69))]  # of at most 72 bytes
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("META-INF/MANIFEST.MF", "\n".join(["Manifest-Version: 1.0", *lines, "", ""]))
