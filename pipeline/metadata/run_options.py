"""What a run was asked for beside its configuration: noted on its context, for whoever goes on with it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

_PROPERTY = "sae_asked"  # custom property of a run's context, as JSON


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a run was asked for.

    Attributes:
      part: the nodes, as the options that named them; empty for all.
      use_cache: False runs every node.
      all_bytes: True reads all files of what is reused.
    """

    part: str = ""
    use_cache: bool = True
    all_bytes: bool = False

    def properties(self) -> dict[str, str]:
        """The custom property that holds it."""
        return {_PROPERTY: json.dumps(vars(self))}

    def way_on(self, run_id: str) -> str:
        """What to do about a run that did not get to its end: the end of a sentence. Only whole runs are resumed."""
        if self.part:
            return f"`sae run {self.part}` with the same settings takes over what had ended"
        return f"`sae resume {run_id}` goes on with it"


def of_run(properties: Mapping[str, object]) -> Asked:
    """What the custom properties of a run's context say; of one that notes nothing, the whole pipeline."""
    try:
        return Asked(**json.loads(str(properties[_PROPERTY])))
    except (KeyError, ValueError, TypeError):
        return Asked()
