"""The folder of served models, and what a push notes of it; free of TFX."""

from __future__ import annotations

import filecmp
import pathlib

# The custom properties that TFX's own Pusher sets.
PUSHED = "pushed"
PUSHED_DESTINATION = "pushed_destination"
PUSHED_VERSION = "pushed_version"

MODEL = "Format-Serving"  # the folder of a Model artifact that holds the SavedModel to serve


def newest_version(serving_dir: pathlib.Path) -> pathlib.Path | None:
    """The folder with the highest version number, the one that TensorFlow Serving takes."""
    versions = [path for path in serving_dir.glob("*") if path.name.isdecimal() and path.is_dir()]
    return max(versions, key=lambda path: int(path.name), default=None)


def same_files(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    names = [sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) for root in (one, other)]
    return names[0] == names[1] and not any(
        filecmp.cmpfiles(one, other, names[0], shallow=False)[1:][number] for number in (0, 1)
    )
