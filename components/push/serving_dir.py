"""The folder of served models, and what a push notes of it; free of TFX."""

from __future__ import annotations

import filecmp
import json
import pathlib
import shutil
from collections.abc import Iterable

from components import atomic_file

# The custom properties that TFX's own Pusher sets.
PUSHED = "pushed"
PUSHED_DESTINATION = "pushed_destination"
PUSHED_VERSION = "pushed_version"

# Custom property of a pushed model: 1 where it was not pushed because somebody had replaced it.
HELD_BACK = "held_back"
# The same: why it was not, where its own gates or the comparison kept it back.
NOT_PUSHED = "not_pushed"
# Of a Model: the digest of its content, by which it is held back.
CONTENT_DIGEST = "content_digest"

MODEL = "Format-Serving"  # the folder of a Model artifact that holds the SavedModel to serve


def newest_version(serving_dir: pathlib.Path) -> pathlib.Path | None:
    """The folder with the highest version number, the one that TensorFlow Serving takes."""
    versions = [path for path in serving_dir.glob("*") if path.name.isdecimal() and path.is_dir()]
    return max(versions, key=lambda path: int(path.name), default=None)


def push(model: pathlib.Path, serving_dir: pathlib.Path) -> pathlib.Path:
    """Makes `model` the highest version in `serving_dir` and returns that version's folder.

    A model that is the highest version already stays what it is. `model` is a SavedModel's folder.
    """
    serving_dir.mkdir(parents=True, exist_ok=True)
    newest = newest_version(serving_dir)
    if newest is not None and same_files(model, newest):
        return newest
    # A name that no server takes for a version; what a killed push left behind is thrown away.
    unfinished = serving_dir / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(model, unfinished)
    destination = serving_dir / str(int(newest.name) + 1 if newest else 1)
    atomic_file.replace(unfinished, destination)
    return destination


def held_back(serving_dir: pathlib.Path) -> frozenset[str]:
    """Content digests of models that no run pushes: somebody replaced them. Raises `ValueError` where damaged."""
    path = _held_back(serving_dir)
    try:
        return frozenset(map(str, json.loads(path.read_text(encoding="utf-8"))["models"]))
    except FileNotFoundError:
        return frozenset()
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: it should list models that are held back") from error


def hold_back(serving_dir: pathlib.Path, models: Iterable[str]) -> None:
    """Makes `models` those that are held back."""
    atomic_file.write(_held_back(serving_dir), json.dumps({"models": sorted(models)}, indent=1))


def _held_back(serving_dir: pathlib.Path) -> pathlib.Path:
    # Beside the folder, not in it: whoever looks for versions finds versions only.
    return serving_dir.with_name("held_back.json")


def same_files(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    names = [sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) for root in (one, other)]
    return names[0] == names[1] and not any(
        filecmp.cmpfiles(one, other, names[0], shallow=False)[1:][number] for number in (0, 1)
    )
