"""Where the daemon keeps what it needs of its runs until they are closed: in `scheduling/` under the root."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Collection

_FOLDER = "scheduling"


@dataclasses.dataclass(frozen=True)
class DaemonFiles:
    """Paths for the attempts of a root, by their ids.

    Attributes:
      root: the pipeline root.
    """

    root: pathlib.Path

    @property
    def lock(self) -> pathlib.Path:
        """Held by the daemon for as long as it lives."""
        return self.root / "daemon.lock"

    @property
    def folder(self) -> pathlib.Path:
        """Of all of these."""
        return self.root / _FOLDER

    def run_id(self, attempt: int) -> pathlib.Path:
        """The run writes its id there."""
        return self.folder / f"{attempt}.run"

    def output(self, attempt: int) -> pathlib.Path:
        """What `sae run` prints."""
        return self.folder / f"{attempt}.output"

    def hook_output(self, attempt: int) -> pathlib.Path:
        """What a command after the run prints."""
        return self.folder / f"{attempt}.command"

    def clear(self, attempt: int) -> None:
        """Removes what an attempt left."""
        for path in (self.run_id(attempt), self.output(attempt)):
            path.unlink(missing_ok=True)

    def clear_except(self, attempts: Collection[int]) -> None:
        """Makes the folder, and removes what all but these attempts left: their daemon was killed."""
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.iterdir():
            if path.name.partition(".")[0] not in map(str, attempts):
                path.unlink(missing_ok=True)
