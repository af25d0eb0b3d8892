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
      from_node, to_node: first and last node to run; empty: the whole pipeline.
      base_run: the run whose outputs the other nodes provide; empty: the newest in which they succeeded.
      use_cache: False executes every node.
      all_bytes: True hashes all files of reused artifacts, False only files whose time changed.
      command: the command line, as typed.
      trigger: what started the run.
      run_id_file: a file to write the run's id to as soon as there is one; None: none.
      like: the manifest of a run to rerun with its configuration and data, changed by `settings`.
      resumed: the id of the run to resume; `like` is its manifest.
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
    def options(self) -> RunOptions:
        """The options that are recorded for resuming the run."""
        named = (("--from-node", self.from_node), ("--to-node", self.to_node), ("--base", self.base_run))
        part = " ".join(f"{option} {value}" for option, value in named if value)
        return RunOptions(part, self.use_cache, self.all_bytes)
