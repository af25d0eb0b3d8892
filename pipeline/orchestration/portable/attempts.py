"""Files that a task of a cluster left behind when it was restarted: they are no part of an output."""

from __future__ import annotations

import logging
import pathlib
import shutil
from collections.abc import Iterable

logger = logging.getLogger(__name__)

# Folders of Beam's file sinks, and files that components write before they rename them.
_PATTERNS = ("beam-temp-*", "*.unfinished")


def remove(folders: Iterable[str]) -> None:
    """Remove the attempts in the folders of a node's outputs, after its job succeeded."""
    for folder in folders:
        for pattern in _PATTERNS:
            for found in sorted(pathlib.Path(folder).rglob(pattern)):
                logger.info("removed %s, which an attempt left behind", found)
                if found.is_dir():
                    shutil.rmtree(found, ignore_errors=True)
                else:
                    found.unlink(missing_ok=True)
