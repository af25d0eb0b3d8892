"""Complete the commands that messages suggest between backticks, so that they work when they are pasted.

Code that raises an error or writes a note names a command without the options that select the root, the store and the
pipeline: "`sae runs` lists all". Commands and pages add these options before they show the message.
"""

from __future__ import annotations

import dataclasses
import re

from pipeline.core import shell

_COMMAND = re.compile(r"`sae ([a-z][^`\n]*)`")
WITH_METADATA = frozenset(
    ("runs", "show", "why", "diff", "artifacts", "artifact", "lineage", "logs", "models", "open", "serve", "export")
)
WITHOUT_ROOT = frozenset(("data",))  # they select the folder of data sets instead
WITHOUT_SELECTION = frozenset(("cluster", "worker"))  # they use no root of their own
_PASSWORD = re.compile(r"(?<=://)([^:@/?#]*):[^@/?#]*(?=@)")


@dataclasses.dataclass(frozen=True)
class Selection:
    """What the user selected; an empty text is a default, which needs no option.

    Attributes:
      pipeline, root, metadata, data_dir: values of the options of these names.
      program: what the user types for `sae`.
    """

    pipeline: str = ""
    root: str = ""
    metadata: str = ""
    data_dir: str = ""
    program: str = "sae"

    @property
    def command(self) -> str:
        """Return how a command begins: `sae`, with `--pipeline` if it was selected."""
        return f"{self.program} --pipeline {shell.quoted(self.pipeline)}" if self.pipeline else self.program

    def completed(self, text: str) -> str:
        """Return a message whose commands select the same pipeline, and the same root or store."""
        return _COMMAND.sub(lambda match: f"`{self.command} {match.group(1)}{self._options(match.group(1))}`", text)

    def _options(self, command: str) -> str:
        name = command.split()[0]
        if name in WITHOUT_SELECTION or re.search(r"(^| )--(root|metadata|data-dir|help)\b", command):
            return ""
        if name in WITHOUT_ROOT:
            return f" --data-dir {shell.quoted(self.data_dir)}" if self.data_dir else ""
        if self.metadata and name in WITH_METADATA:
            store = _PASSWORD.sub(r"\1", self.metadata)
            return f" --metadata {shell.quoted(store)}"
        return f" --root {shell.quoted(self.root)}" if self.root else ""
