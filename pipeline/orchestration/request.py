"""The options of `sae run` and `sae plan`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from pipeline.core import settings
from pipeline.core.settings import Settings
from pipeline.definition.spec import Pipeline
from pipeline.metadata.run_properties import RunOptions
from pipeline.provenance import manifest


@dataclasses.dataclass(frozen=True)
class RunRequest:
    """The options of `sae run` and `sae plan`."""

    pipeline: Pipeline  # the pipeline to run
    settings: settings.Request  # profile, file, assignments
    # from_node, to_node: first and last node to run, or several separated by commas; empty: the whole pipeline
    from_node: str = ""
    to_node: str = ""
    base_run: str = ""  # the run whose outputs the other nodes provide; empty: the newest in which they succeeded
    use_cache: bool = True  # False executes every node
    all_bytes: bool = False  # True hashes all files of reused artifacts, False only files whose time changed
    command: tuple[str, ...] = ()  # the command line, as typed
    trigger: str = "manual"  # what started the run
    run_id_file: pathlib.Path | None = None  # a file to write the run's id to as soon as there is one; None: none
    run_id_suffix: str = ""  # ends the run's id
    # the manifest of a run to rerun with its configuration and data, changed by `settings`
    like: manifest.Manifest | None = None
    resumed: str = ""  # the id of the run to resume; `like` is its manifest

    def recorded_data(self, resolved: Settings) -> Any:
        """Return the data set of the run to rerun or to resume; None if there is none, or settings choose another."""
        if self.like is None:
            return None
        recorded, values = self.like.configuration, resolved.config.values()
        same = all(recorded.get(name, values[name]) == values[name] for name in self.pipeline.data.settings)
        return self.like.data if same else None

    def reruns(self, resolved: Settings) -> bool:
        """Whether a run is run again on its data, as by `sae restore`.

        Hints are of no use then: the settings are given, and hints are about the newest version of the data set.
        """
        return not self.resumed and self.recorded_data(resolved) is not None

    @property
    def options(self) -> RunOptions:
        """The options that are recorded for resuming the run."""
        named = (("--from-node", self.from_node), ("--to-node", self.to_node), ("--base", self.base_run))
        part = " ".join(f"{option} {value}" for option, value in named if value)
        return RunOptions(part, self.use_cache, self.all_bytes)
