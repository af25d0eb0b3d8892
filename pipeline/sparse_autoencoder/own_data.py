"""Add and remove data sets of the user's own files: `sae data add` and `sae data remove`."""

from __future__ import annotations

import contextlib
import pathlib
import re
from collections.abc import Callable, Iterator

from components import atomic_file, errors
from components.data import sample_path
from components.data.own_data import forms, survey
from components.data.own_data.records import OptionError, Options
from pipeline.core import unfinished_folder
from pipeline.core.errors import FREE_SPACE, NotFoundError, UnavailableError, UsageError, advice
from pipeline.core.text import counted
from pipeline.sparse_autoencoder import prepared

NAME = re.compile(r"[a-z][a-z0-9_]*")
VERSION = re.compile(r"(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8})){2}")
_LONGEST = 100  # characters of a name


def add(
    folder: pathlib.Path,
    name: str,
    version: str,
    path: pathlib.Path,
    options: Options,
    tell: Callable[[str], None],
    progress: Callable[[int], None],
    quiet: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
) -> pathlib.Path:
    """Prepare a data set in the folder of prepared data sets, completely or not at all, and return its own folder.

    Args:
      folder: of prepared data sets.
      name, version: of the new one.
      path: the files.
      options: how they are read, converted and split.
      tell: called with each warning.
      progress: called with the number of records read so far.
      quiet: makes the context in which TensorFlow is imported and writes the data set.

    Raises:
      UsageError: the name is not allowed or taken, or an option does not fit the files.
      NotFoundError: there is nothing at `path`.
      UnavailableError: the files cannot be used, or the data set cannot be written.
    """
    check_name(name)
    if not VERSION.fullmatch(version):
        raise UsageError(f"--version {version!r} is not allowed: give three numbers, such as 1.0.0")
    target = folder / name / version
    if target.exists():
        raise _taken(target, name)
    if not path.exists():
        raise NotFoundError(f"{path} does not exist: give {forms.FORMS}")
    if options.labels and not pathlib.Path(options.labels).is_file():
        raise NotFoundError(f"--labels {options.labels} is not a file: give a CSV, .npy or IDX file")
    try:
        source = forms.open_source(path, options)
        found = survey.survey(source, options, progress)
        for text in found.warnings:
            tell(f"warning: {text}")
        with quiet(), _refused(folder), unfinished_folder.create(folder / name) as unfinished:
            # Imports TensorFlow, so only now.
            from components.data.own_data import builder

            if name in builder.known_names():
                raise UsageError(
                    f"{name!r} is a data set of TensorFlow Datasets, which would be downloaded where yours is not: "
                    f"choose another name, such as my_{name}"
                )
            made = builder.prepare(unfinished, name, version, source, found, options)
            target.parent.mkdir(exist_ok=True)
            try:
                atomic_file.replace(made, target)
            except OSError as error:  # another process was faster
                raise _taken(target, name) from error
            finally:
                with contextlib.suppress(OSError):
                    target.parent.rmdir()  # only if it is empty
    except OptionError as error:
        raise UsageError(str(error)) from error
    except errors.WriteError as error:
        raise UnavailableError(f"{error}; {FREE_SPACE}, or name another folder with --data-dir") from error
    except errors.DataError as error:
        raise UnavailableError(str(error)) from error
    return target


def _taken(target: pathlib.Path, name: str) -> UsageError:
    return UsageError(
        f"{target} exists already: choose another --version, or remove it with `sae data remove {name} "
        f"--version {target.name} --yes`"
    )


@contextlib.contextmanager
def _refused(folder: pathlib.Path) -> Iterator[None]:
    """Turn an error of the file system into an `UnavailableError` that says what to do."""
    try:
        yield
    except OSError as error:
        next_step = advice(error, "make it a writable folder, or name another with --data-dir")
        raise UnavailableError(f"{folder} cannot be changed ({errors.cause_text(error)}): {next_step}") from error


def check_name(name: str) -> None:
    """Raise `UsageError` unless TFDS and the setting `data.dataset` allow a name."""
    if not NAME.fullmatch(name) or len(name) > _LONGEST or name == sample_path.NAME:
        reason = "it is the embedded sample's" if name == sample_path.NAME else "it cannot name a data set"
        raise UsageError(
            f"the name {name!r} is not allowed, {reason}: give lower case letters, digits and underscores, with a "
            f"letter first, at most {_LONGEST}"
        )


def removable(folder: pathlib.Path, name: str, version: str = "") -> list[prepared.PreparedDataset]:
    """Return the versions of a data set that `remove` would delete: one, or all.

    Raises:
      NotFoundError: there is none.
      UsageError: it was not made by `sae data add`.
    """
    chosen = prepared.versions(folder, name, version)
    if foreign := [one for one in chosen if not one.own]:
        raise UsageError(
            f"{foreign[0].folder} was not made by sae data add, so it is not removed: delete the folder yourself if "
            "nothing else needs it"
        )
    return chosen


def remove(chosen: list[prepared.PreparedDataset]) -> str:
    """Delete these versions, each at once for readers, and return what was deleted, in words."""
    for one in chosen:
        with _refused(one.folder.parent), unfinished_folder.create(one.folder.parent) as unfinished:
            one.folder.rename(unfinished / one.version)
        with contextlib.suppress(OSError):
            one.folder.parent.rmdir()  # only if it is empty
    return f"{counted(len(chosen), 'version')} of {chosen[0].name}"
