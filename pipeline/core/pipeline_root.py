"""The pipeline root: the folder that contains everything runs write. It has a layout, a format and a lock."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import json
import os
import pathlib
import pwd
from collections.abc import Callable

from components import atomic_file, json_text
from components.errors import cause_text
from pipeline.core import local_path, regular_file, root_lock, shell
from pipeline.core.errors import UnavailableError, UsageError, advice, check_text

_FORMAT = 1  # of a root whose store is an SQLite file in it
FORMAT = 2  # of one whose store is elsewhere; increased when an older version would misread the layout
SQLITE_MAGIC = b"SQLite format 3\0"  # how such a file begins
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def stamp() -> str:
    """Return the current time in UTC as the beginning of a name: `20261124-203912`. Such names sort by time."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")


class _PathInRoot:
    """An attribute with the absolute path of a file or folder in a root."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, root: Root, owner: type[Root]) -> pathlib.Path:
        return root.path / self._name


@dataclasses.dataclass(frozen=True)
class Root:
    """A pipeline root, TFX's term for the folder that contains everything runs write; `root` for short.

    Attributes:
      path: the folder, absolute.

    Raises:
      UsageError: the name of the folder is no text, so ML Metadata cannot store it.
    """

    path: pathlib.Path

    def __post_init__(self) -> None:
        check_text("root", str(self.path))

    @classmethod
    def at(cls, folder: pathlib.Path) -> Root:
        """Return the root in a folder, without links in its path.

        Where two paths name the folder, such as those of a bind mount, it has the path that ML Metadata contains.

        Raises:
          UsageError: it is a file, or below one.
        """
        root = cls(folder.resolve())
        _check_no_file(root.path)
        with contextlib.suppress(UnavailableError, OSError, ValueError):  # a damaged file is reported when it is used
            recorded = root._read().get("path")
            if isinstance(recorded, str) and os.path.isabs(recorded) and os.path.samefile(recorded, root.path):
                return cls(pathlib.Path(recorded))
        return root

    artifacts = _PathInRoot("artifacts")  # outputs of the nodes: `<node>/<output>/<execution>`
    metadata = _PathInRoot("metadata.sqlite")  # ML Metadata's SQLite file
    metadata_copies = _PathInRoot("metadata.backup")  # copies of that file, made after runs that succeeded
    decisions = _PathInRoot("decisions.jsonl")  # promotions, rollbacks and pins, also those that a restored copy lacks
    serving = _PathInRoot("serving")  # pushed models, one folder per version
    logs = _PathInRoot("logs")  # one file per run
    data = _PathInRoot("data")  # the embedded sample, and schemas made from a data set's description
    temporary = _PathInRoot("tmp")  # emptied at the start and at the end of a run
    manifests = _PathInRoot("manifests")  # inputs of each run: code, configuration, data, environment; one file per run
    previews = _PathInRoot("previews")  # previews of artifacts, in folders like theirs
    read_previews = _PathInRoot("cache/previews")  # of artifacts without a preview, made by commands that read
    progress = _PathInRoot("progress")  # events of each run, one file per run
    answers = _PathInRoot("cache/provenance.json")  # about installed packages and code, found by earlier runs
    checkpoints = _PathInRoot("checkpoints")  # of trainings that have not ended, one folder per cache key
    sweeps = _PathInRoot("sweeps")  # definitions of sweeps, one folder per sweep
    about = _PathInRoot("root.json")  # format, path, data set, pipeline and store of the root
    lock_file = _PathInRoot("lock")  # held by a run as long as it lives

    def worker_logs(self, run_id: str) -> pathlib.Path:
        """Return the folder with the logs of a run's workers on a cluster: `NODE/HOST-PROCESS-WORKER.log`."""
        return self.logs / f"{run_id}.workers"

    def check_path(self) -> None:
        """Check that TensorFlow and Beam can write to and read from this path.

        Raises:
          UsageError: they would take it for a pattern.
          UnavailableError: the paths of files below it would be too long.
        """
        local_path.check_no_pattern("pipeline root", str(self.path), "--root")
        local_path.check_length(str(self.path), local_path.ROOM)

    def create(self) -> None:
        """Create the missing folders, and check the format.

        Raises:
          UsageError: TensorFlow and Beam cannot use the path.
          UnavailableError: the folder cannot be created or written, or a newer version of `sae` created it.
        """
        self.check_path()
        try:
            for folder in (self.path, self.artifacts, self.logs, self.data, self.temporary):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.temporary / "probe"
            try:
                probe.write_bytes(b"probe")
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise UnavailableError(
                (self.refused() if error.errno in _FORBIDDEN else "")
                or f"cannot write to the pipeline root {self.path}: {cause_text(error)}; "
                f"{advice(error, 'choose another with --root')}"
            ) from error
        about = self._read()
        if not about:
            self._write({"format": _FORMAT, "path": str(self.path)})
        elif "path" not in about:  # created by a version that did not record it
            self.record_location()

    def refused(self) -> str:
        """Say which file or folder of this root this user cannot write, and why; empty if there is none."""
        folders = [self.path, self.artifacts, self.serving, self.logs, self.data, self.temporary, self.manifests]
        folders += [self.previews, self.progress, self.checkpoints, self.metadata_copies, self.sweeps]
        nodes = [path for depth in ("*", "*/*", "*/.system/*") for path in self.artifacts.glob(depth)]
        return refused(*folders, self.lock_file, self.metadata, self.decisions, *nodes)

    def claim_dataset(self, name: str) -> None:
        """Record the data set of the runs in this root.

        Raises:
          UsageError: the runs in it are on another data set.
        """
        about = self._read()
        if about.get("dataset", name) != name:
            raise UsageError(
                f"the pipeline root {self.path} contains runs on data set {about['dataset']}, this run is on {name}: "
                "choose another root with --root"
            )
        if "dataset" not in about:
            self._write({**about, "dataset": name})

    def claim_pipeline(self, location: str) -> None:
        """Record the pipeline of the runs in this root, which later commands use.

        Raises:
          UsageError: the runs in it are of another pipeline.
        """
        self.check_pipeline(location)
        about = self._read()
        if location and "pipeline" not in about:
            self._write({**about, "pipeline": location})

    def check_pipeline(self, location: str) -> None:
        """Check that a pipeline, `MODULE:NAME` or empty for the default one, is that of the runs in this root.

        Raises:
          UsageError: the runs in it are of another pipeline.
        """
        about = self._read() if self.path.is_dir() else {}
        held = str(about.get("pipeline", "" if "dataset" in about else location))
        if held != location:
            raise UsageError(
                f"the pipeline root {self.path} contains runs of {held or 'the default pipeline'}, not of "
                f"{location or 'the default pipeline'}: choose another root with --root, or leave out --pipeline and "
                "SAE_PIPELINE"
            )

    def pipeline(self) -> str:
        """Return the recorded pipeline as `MODULE:NAME`; empty if none is recorded: the default pipeline.

        Raises:
          UnavailableError: the record is damaged.
        """
        return self._recorded_text("pipeline", "MODULE:NAME")

    def format(self) -> int:
        """Return the format of this root. Raises `UnavailableError` if its record is damaged."""
        return int(str(self._read().get("format", _FORMAT)))

    def metadata_url(self) -> str:
        """Return the recorded URL of ML Metadata's store, without a password; empty: it is the SQLite file.

        Raises:
          UnavailableError: the record is damaged.
        """
        return self._recorded_text("metadata", "a URL")

    def _recorded_text(self, name: str, form: str) -> str:
        """Return a text of the record; empty if it is not there. Raises `UnavailableError` if it is no text."""
        found = self._read().get(name, "") if self.path.is_dir() else ""
        if not isinstance(found, str):
            raise UnavailableError(
                f"{self.about} is damaged: {name} is {found!r}, not {form}; restore it, or choose another --root"
            )
        return found

    def record_metadata_url(self, url: str) -> None:
        """Record the URL of ML Metadata's store, which later commands use."""
        self._write({**self._read(), "format": FORMAT, "metadata": url})

    def copy_record_to(self, other: Root) -> None:
        """Copy the record of this root to one whose store is an SQLite file, as if this root had been moved there."""
        about = {name: value for name, value in self._read().items() if name != "metadata"}
        other._write({**about, "format": _FORMAT})

    def moved(self) -> tuple[str, str] | None:
        """Return the path that ML Metadata contains, and the current path of this root; None if they are equal."""
        recorded = self._read().get("path", str(self.path))
        return None if recorded == str(self.path) else (str(recorded), str(self.path))

    def record_location(self) -> None:
        """Record that ML Metadata contains the current path of this root."""
        about = self._read()
        if about.get("path") != str(self.path):
            self._write({**about, "path": str(self.path)})

    def record_old_location(self, path: str) -> None:
        """Record that ML Metadata contains `path`, because it is from before the root was moved."""
        self._write({**self._read(), "path": path})

    def dataset(self) -> str | None:
        """Return the name of the data set of the runs in this root; None before the first run."""
        name = self._read().get("dataset")
        return None if name is None else str(name)

    def _read(self) -> dict[str, object]:
        try:
            about = json_text.parse(regular_file.text(self.about))
            found = int(about["format"])
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except KeyError as error:
            raise UnavailableError(
                f"{self.about} is damaged: it names no format; restore it, or choose another --root"
            ) from error
        except OSError as error:
            raise UnavailableError(
                f"{self.about} cannot be read: {cause_text(error)}; its owner can allow it with `chmod`, or move "
                "away what has its name and restore it, or choose another --root"
            ) from error
        except (ValueError, TypeError, OverflowError) as error:
            raise UnavailableError(f"{self.about} is damaged: {error}; restore it, or choose another --root") from error
        if found > FORMAT:
            raise UnavailableError(
                f"the pipeline root {self.path} has format {found}, this version knows up to {FORMAT}: "
                "update sae, or choose another root with --root"
            )
        return dict(about)

    def _write(self, about: dict[str, object]) -> None:
        atomic_file.write(self.about, json.dumps(about, indent=1) + "\n")

    def lock(self) -> contextlib.AbstractContextManager[Callable[[str], None]]:
        """Lock the root for one run. The context manager returns a function that records the run's id in the lock.

        Raises:
          LockedError: another process holds the lock; the message names it and since when.
          UnavailableError: this user cannot write all of the root, or its file system has no locks.
        """
        if refusal := self.refused():
            raise UnavailableError(refusal)
        return root_lock.hold(
            self.lock_file, f"another run holds {self.path}", "wait for it to end, or choose another root with --root"
        )


def _check_no_file(folder: pathlib.Path) -> None:
    """Raise `UsageError` if a folder that may not exist yet is a file, or below one."""
    existing = next(one for one in (folder, *folder.parents) if os.path.exists(one))
    if existing.is_dir():
        return
    is_store = False
    with contextlib.suppress(OSError), regular_file.opened(existing) as file:
        is_store = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    what = "a file" if existing == folder else f"below the file {existing}"
    other = f", or read this store with `sae runs --metadata {shell.quoted(str(existing))}`" if is_store else ""
    raise UsageError(f"the root {folder} is {what}: name a folder with --root{other}")


def refused(*paths: pathlib.Path) -> str:
    """Say which of these paths this user cannot write, and why; empty if each can be written or does not exist."""
    return next(filter(None, map(_refused, paths)), "")


def _refused(path: pathlib.Path) -> str:
    try:
        found = path.stat()
        rights = os.W_OK | (os.X_OK if path.is_dir() else 0)
        if os.access(path, rights, effective_ids=os.access in os.supports_effective_ids):
            return ""
        read_only = os.statvfs(path).f_flag & os.ST_RDONLY
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot write {path}: {cause_text(error)}; choose another root with --root"
    if read_only:
        return f"cannot write {path}: its file system is read-only; mount it to write, or choose another --root"
    if found.st_uid == os.geteuid():
        return f"cannot write {path}: its permissions forbid it; allow it with `chmod u+rwX`, or choose another --root"
    return (
        f"cannot write {path}: it belongs to {_user_name(found.st_uid)}, this process runs as "
        f"{_user_name(os.geteuid())}; its owner can let a group write the root with `chmod -R g+rwX`, "
        "or choose another root with --root"
    )


def _user_name(number: int) -> str:
    try:
        return f"{pwd.getpwuid(number).pw_name} (user id {number})"
    except KeyError:
        return f"user id {number}"


def moved_path(path: str, old: str, new: str) -> str:
    """Return the path that `path` has after the folder `old` was moved to `new`."""
    if new.startswith(f"{old}/") and path.startswith(f"{new}/"):
        return path  # already mapped
    return new + path[len(old) :] if path == old or path.startswith(f"{old}/") else path
