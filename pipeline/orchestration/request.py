"""The options of `sae run` and `sae plan`."""

from __future__ import annotations

import dataclasses
import pathlib

from pipeline.core import settings
from pipeline.definition.spec import Pipeline
from pipeline.metadata.run_properties import RunOptions
from pipeline.provenance import manifest


@dataclasses.dataclass(frozen=True)
class RunRequest:
    """The options of `sae run` and `sae plan`.

    Attributes:
      pipeline: the pipeline to run.
      settings: profile, file, assignments.
      from_node, to_node: the part to run; empty for the whole.
      base_run: the run that stands in for the rest; empty for the newest that fits.
      use_cache: False runs every node.
      all_bytes: True reads all files of what is reused, False those whose time changed.
      command: the command line, as typed.
      trigger: what started the run.
      run_id_file: its id is written there, as soon as it has one; None: nowhere.
      like: the manifest of a run to make again: its configuration and data, with the settings that were given here.
      resumed: the run to go on with, under its id; `like` is its manifest.
    """

    pipeline: Pipeline
    settings: settings.Request
    from_node: str = ""
    to_node: str = ""
    base_run: str = ""
    use_cache: bool = True
    all_bytes: bool = False
    command: tuple[str, ...] = ()
    trigger: str = "manual"
    run_id_file: pathlib.Path | None = None
    like: manifest.Manifest | None = None
    resumed: str = ""

    @property
    def asked(self) -> RunOptions:
        """What is noted of it, for going on with the run."""
        named = (("--from-node", self.from_node), ("--to-node", self.to_node), ("--base", self.base_run))
        part = " ".join(f"{option} {value}" for option, value in named if value)
        return RunOptions(part, self.use_cache, self.all_bytes)
