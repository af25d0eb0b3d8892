"""The folder of served models, and what a push records; free of TFX."""

from __future__ import annotations

import filecmp
import json
import pathlib
import shutil
from collections.abc import Iterable

from components import atomic_file, int64, json_text

# Custom properties of a PushedModel that TFX's own Pusher sets as well.
PUSHED = "pushed"
PUSHED_DESTINATION = "pushed_destination"
PUSHED_VERSION = "pushed_version"
# Custom properties of a PushedModel that was not pushed: 1 if it is superseded; the reason if a gate rejected it.
SUPERSEDED = "held_back"
NOT_PUSHED = "not_pushed"
# Custom property of a Model: the digest of its content.
CONTENT_DIGEST = "content_digest"

MODEL = "Format-Serving"  # the folder of a Model artifact that contains the SavedModel to serve


def newest_version(serving_dir: pathlib.Path) -> pathlib.Path | None:
    """Return the folder with the highest version number, which TensorFlow Serving serves; None if there is none."""
    return max(versions(serving_dir).items(), default=(0, None))[1]


def versions(serving_dir: pathlib.Path) -> dict[int, pathlib.Path]:
    """Return the folders of all versions by their numbers, the lowest first."""
    found = {number: path for path in serving_dir.glob("*") if (number := int64.parsed(path.name)) is not None}
    return {number: path for number, path in sorted(found.items()) if path.is_dir()}


def push(model: pathlib.Path, serving_dir: pathlib.Path) -> pathlib.Path:
    """Publish the SavedModel in the folder `model` as the highest version in `serving_dir`; return its folder.

    Copies nothing if it is the highest version already.

    Raises:
      ValueError: the highest version has the highest possible number.
    """
    serving_dir.mkdir(exist_ok=True)
    newest = newest_version(serving_dir)
    if newest is None and not superseded_file(serving_dir).exists():
        write_superseded(serving_dir, ())  # from now on, a missing file means a lost one
    if newest is not None and same_files(model, newest):
        return newest
    number = 1 + int(newest.name) if newest else 1
    if number > int64.LARGEST:
        raise ValueError(f"{newest} has the highest possible number: rename it to a lower one, then push again")
    # No server takes this name for a version. Remove what a killed push left.
    unfinished = serving_dir / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    destination = serving_dir / str(number)
    try:
        shutil.copytree(model, unfinished)
        atomic_file.replace(unfinished, destination)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return destination


def superseded(serving_dir: pathlib.Path) -> frozenset[str]:
    """Return the content digests of superseded models: those that a rollback or promotion replaced; no run pushes them.

    Raises:
      ValueError: the file is damaged; or it is missing, although there are versions.
    """
    path = superseded_file(serving_dir)
    try:
        return frozenset(map(str, json_text.parse(path.read_text(encoding="utf-8"))["models"]))
    except FileNotFoundError:
        if newest_version(serving_dir) is None:
            return frozenset()
        raise ValueError(
            f"{path} is missing: it lists the superseded and rolled-back models, which must not be pushed"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: expected an object with a list `models` of content digests") from error


def write_superseded(serving_dir: pathlib.Path, models: Iterable[str]) -> None:
    """Replace the list of superseded models by these content digests."""
    atomic_file.write(superseded_file(serving_dir), json.dumps({"models": sorted(models)}, indent=1))


def superseded_file(serving_dir: pathlib.Path) -> pathlib.Path:
    """Return the file with the list of superseded models."""
    return serving_dir.with_name("held_back.json")  # beside the folder, which contains versions only


def same_files(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Return whether two folders contain the same files with the same bytes."""
    names = [sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) for root in (one, other)]
    if names[0] != names[1]:
        return False
    _, different, unreadable = filecmp.cmpfiles(one, other, names[0], shallow=False)
    return not different and not unreadable
