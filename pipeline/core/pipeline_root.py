"""The pipeline root: what lies where, its format, its data set, and the lock that one run holds."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import locale
import os
import pathlib
from collections.abc import Callable

from components import atomic_file
from pipeline.core import root_lock, settings
from pipeline.core.errors import UnavailableError, UsageError

# Raised when the layout changes so that an older version would misread it.
FORMAT = 1


def stamp() -> str:
    """The time as names begin with it, in UTC: `20261124-203912`. They sort as the times do."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")


@dataclasses.dataclass(frozen=True)
class Root:
    """Paths in a pipeline root, all absolute.

    Attributes:
      path: the folder.

    Raises:
      UsageError: the name of the folder is no text in this process's encoding, so ML Metadata cannot hold it.
    """

    path: pathlib.Path

    def __post_init__(self) -> None:
        try:
            str(self.path).encode()
        except UnicodeEncodeError as error:
            raise UsageError(
                f"root {os.fsencode(self.path).decode('utf-8', 'replace')!a}: this process's locale, "
                f"{locale.setlocale(locale.LC_CTYPE)}, cannot name it: set LC_ALL=C.UTF-8 or PYTHONUTF8=1, or choose a "
                "name in ASCII"
            ) from error

    @property
    def artifacts(self) -> pathlib.Path:
        """Outputs of the nodes: `<node>/<output>/<execution>`."""
        return self.path / "artifacts"

    @property
    def metadata(self) -> pathlib.Path:
        """ML Metadata's SQLite file."""
        return self.path / "metadata.sqlite"

    @property
    def metadata_copies(self) -> pathlib.Path:
        """Copies of that file, one after each of the newest runs that succeeded."""
        return self.path / "metadata.backup"

    @property
    def serving(self) -> pathlib.Path:
        """Pushed models, one folder a version."""
        return self.path / "serving"

    @property
    def logs(self) -> pathlib.Path:
        """One file a run."""
        return self.path / "logs"

    @property
    def data(self) -> pathlib.Path:
        """The embedded sample, once prepared, and schemas made from a data set's description."""
        return self.path / "data"

    @property
    def temporary(self) -> pathlib.Path:
        """Emptied at the start and at the end of a run."""
        return self.path / "tmp"

    @property
    def manifests(self) -> pathlib.Path:
        """What each run was made from, one file a run."""
        return self.path / "manifests"

    @property
    def previews(self) -> pathlib.Path:
        """What is shown of artifacts, in folders like theirs."""
        return self.path / "previews"

    @property
    def progress(self) -> pathlib.Path:
        """Events of each run, one file a run."""
        return self.path / "progress"

    @property
    def checkpoints(self) -> pathlib.Path:
        """Of trainings that have not ended, one folder a key."""
        return self.path / "checkpoints"

    @property
    def about(self) -> pathlib.Path:
        """What makes a folder a root: format, place, data set."""
        return self.path / "root.json"

    @property
    def lock_file(self) -> pathlib.Path:
        """Held by a run for as long as it lives."""
        return self.path / "lock"

    def create(self) -> None:
        """Makes the folders that are not there yet, and checks the format.

        Raises:
          UnavailableError: the folder cannot be made or written, or a newer version made it.
        """
        try:
            for folder in (self.path, self.artifacts, self.logs, self.data, self.temporary):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.temporary / "probe"
            probe.write_bytes(b"probe")
            probe.unlink()
        except OSError as error:
            raise UnavailableError(
                f"cannot write to the pipeline root {self.path}: {error.strerror}; choose another with --root"
            ) from error
        about = self._read()
        if not about:
            self._write({"format": FORMAT, "path": str(self.path)})
        elif "path" not in about:  # made by a version that did not note it
            self.note_place()

    def claim_dataset(self, name: str) -> None:
        """Notes that this root holds runs on data set `name`.

        Raises:
          UsageError: it holds runs on another one.
        """
        about = self._read()
        if about.get("dataset", name) != name:
            raise UsageError(
                f"the pipeline root {self.path} holds runs on data set {about['dataset']}, this run is on {name}: "
                "choose another root with --root"
            )
        if "dataset" not in about:
            self._write({**about, "dataset": name})

    def claim_pipeline(self, location: str) -> None:
        """Record which pipeline the runs in this root are of, so that other commands use the same.

        Raises:
          UsageError: it holds runs of another one.
        """
        about = self._read()
        held = str(about.get("pipeline", "" if "dataset" in about else location))
        if held != location:
            raise UsageError(
                f"the pipeline root {self.path} holds runs of {held or 'the default pipeline'}, this run is of "
                f"{location or 'the default pipeline'}: choose another root with --root"
            )
        if location and "pipeline" not in about:
            self._write({**about, "pipeline": location})

    def pipeline(self) -> str:
        """Where the pipeline of the runs in this root is declared; empty where none is recorded: the default one."""
        return str(self._read().get("pipeline", "")) if self.path.is_dir() else ""

    def moved(self) -> tuple[str, str] | None:
        """Where this root lay when its metadata was written, and where it lies now; None where that is the same."""
        noted = self._read().get("path", str(self.path))
        return None if noted == str(self.path) else (str(noted), str(self.path))

    def note_place(self) -> None:
        """Notes that the metadata says where the root lies now."""
        about = self._read()
        if about.get("path") != str(self.path):
            self._write({**about, "path": str(self.path)})

    def note_old_place(self, path: str) -> None:
        """Notes that the metadata says that the root lies in `path`: it is of before the root was moved."""
        self._write({**self._read(), "path": path})

    def dataset(self) -> str | None:
        """Name of the data set that the runs in this root are on; None before the first run."""
        name = self._read().get("dataset")
        return None if name is None else str(name)

    def _read(self) -> dict[str, object]:
        try:
            about = json.loads(self.about.read_text(encoding="utf-8"))
            found = int(about["format"])
        except FileNotFoundError:
            return {}
        except KeyError as error:
            raise UnavailableError(
                f"{self.about} is damaged: it names no format; restore it, or choose another --root"
            ) from error
        except (OSError, ValueError, TypeError) as error:
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
        """Hold the root for one run: a context manager with a function that records for which run.

        Raises:
          LockedError: another process holds it; names it and since when.
        """
        return root_lock.hold(
            self.lock_file, f"another run holds {self.path}", "wait for it to end, or choose another root with --root"
        )


def moved_path(path: str, old: str, new: str) -> str:
    """The path that `path` has since the folder `old` is `new`."""
    if new.startswith(f"{old}/") and path.startswith(f"{new}/"):
        return path  # it was mapped before
    return new + path[len(old) :] if path == old or path.startswith(f"{old}/") else path


def resolve_root(given: str | None) -> Root:
    """Return the root given with `--root`, else the one of the environment, else the default."""
    return Root(pathlib.Path(settings.resolve(settings.Request(root=given)).config.paths.root).resolve())
