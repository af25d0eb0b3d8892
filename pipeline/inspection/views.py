"""What ML Metadata holds, in words that users would say: frozen dataclasses, free of protocol buffers.

Times are aware and in UTC; None where the store has none. Texts come from the store as they are: whatever shows them
escapes them.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping

from components.evaluation import metrics
from pipeline.core.serialization import INLINE
from pipeline.metadata.run_properties import RunAttempt
from pipeline.metadata.types import Property


def sort_columns() -> list[str]:
    """Return the names that runs can be sorted by."""
    return ["started", "seconds", *(one.run_key for one in metrics.columns()), "id"]


class RunState(str, enum.Enum):
    """How a run stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNFINISHED = "unfinished"  # its process is gone, and noted no end


class NodeRunState(str, enum.Enum):
    """How a node stands in a run."""

    RUNNING = "running"
    EXECUTED = "executed"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNFINISHED = "unfinished"  # ML Metadata says that it runs, but its process is gone
    WAITING = "waiting"  # of a run in progress
    NOT_RUN = "not run"


@dataclasses.dataclass(frozen=True)
class RunRow:
    """A run in a list of them.

    Attributes:
      id: its name in ML Metadata.
      pipeline: name of the pipeline; empty where the store does not say.
      seconds: from start to end, or until now while it runs; None where that is not known.
      dataset: name and version; empty where not recorded.
      trigger: what started it: `manual`.
      metrics: those that are columns of runs, by their name in a run (`test_bce`); None where nothing was evaluated.
      blessed: None where nothing was judged.
      executed, cached: numbers of nodes; None where not recorded (and not counted).
      error: why it failed; empty when it did not.
    """

    id: str
    pipeline: str
    state: RunState
    started: datetime.datetime | None
    seconds: float | None
    dataset: str = ""
    trigger: str = ""
    metrics: Mapping[str, float | None] = dataclasses.field(default_factory=dict, metadata={INLINE: True})
    blessed: bool | None = None
    executed: int | None = None
    cached: int | None = None
    error: str = ""


@dataclasses.dataclass(frozen=True)
class ArtifactRow:
    """An artifact in a list of them.

    Attributes:
      id: in ML Metadata.
      type: TFX's name of its type: `Examples`.
      name: its name in ML Metadata; mostly empty.
      uri: where it is now, also where the root was moved since.
      state: `live`, `deleted`, `out of use` ...; as ML Metadata says, in lower case.
      created: when it was published.
      content: digest of its content, `<form>-<version>:<hex>`; empty where there is none.
      run, node, key: what made it, and under which output key; empty where no execution did.
    """

    id: int
    type: str
    name: str
    uri: str
    state: str
    created: datetime.datetime | None
    content: str = ""
    run: str = ""
    node: str = ""
    key: str = ""

    @property
    def unusable(self) -> str:
        """Its state, where its bytes are deleted or not to be used; empty where it is live, or not known."""
        return "" if self.state in ("live", "") else self.state


@dataclasses.dataclass(frozen=True)
class ArtifactUse:
    """An artifact that an execution read or wrote.

    Attributes:
      key, index: of the input or output: a list under each key.
    """

    key: str
    index: int
    artifact: ArtifactRow


@dataclasses.dataclass(frozen=True)
class NodeRun:
    """One node in one run.

    Attributes:
      execution: id in ML Metadata; 0 where there is no execution of it.
      node: its id in TFX.
      type: TFX's name of the execution's type, mostly the component's class.
      seconds: how long it took, or has taken until now; None where not known.
      reasons: why it ran; empty when it was cached or nothing was recorded.
      error: why it failed; empty when it did not.
      cached_from: the run that made its outputs, when cached.
      inputs, outputs: sorted by key and index.
      properties: what the execution was told, by name.
      after: nodes of this run that came before it: those it read from, and those it waits for.
    """

    execution: int
    node: str
    type: str
    state: NodeRunState
    started: datetime.datetime | None
    ended: datetime.datetime | None
    seconds: float | None
    reasons: tuple[str, ...] = ()
    error: str = ""
    cached_from: str = ""
    inputs: tuple[ArtifactUse, ...] = ()
    outputs: tuple[ArtifactUse, ...] = ()
    properties: Mapping[str, Property] = dataclasses.field(default_factory=dict)
    after: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class VerificationRow:
    """A verdict of `sae verify` on a run.

    Attributes:
      artifact: id of the verdict in ML Metadata.
      node: the node that alone was rerun; empty: all of the run.
      compared: number of artifacts.
    """

    artifact: int
    when: datetime.datetime | None
    verified: bool
    node: str
    compared: int
    uri: str


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, whole.

    Attributes:
      nodes: in the order in which they ran; those of our pipeline that did not are among them.
      properties: of the run's context.
      metrics: what the Evaluator found on the whole test split, by name; empty where there is no evaluation.
      slices: the same by slice: `label 3`.
      verifications: the newest first.
      attempts: of a run that was resumed, the first one first; empty where it was not.
    """

    row: RunRow
    nodes: tuple[NodeRun, ...]
    properties: Mapping[str, Property] = dataclasses.field(default_factory=dict)
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    slices: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    verifications: tuple[VerificationRow, ...] = ()
    attempts: tuple[RunAttempt, ...] = ()

    def named_output(self, name: tuple[str, str] | None) -> ArtifactRow | None:
        """Return the artifact of the output with this node and key; None where there is none."""
        found = (use.artifact for node in self.nodes for use in node.outputs if (node.node, use.key) == name)
        return next(found, None)

    def output(self, type_name: str) -> ArtifactRow | None:
        """The first artifact of a type among its outputs, in the order of nodes and keys; None: there is none."""
        found = (use.artifact for node in self.nodes for use in node.outputs if use.artifact.type == type_name)
        return next(found, None)


@dataclasses.dataclass(frozen=True)
class File:
    """A file of an artifact. `digest`: SHA-256 in hex as it was published; empty where that was not recorded."""

    name: str
    size: int
    digest: str = ""


@dataclasses.dataclass(frozen=True)
class ExecutionUse:
    """An execution that made an artifact, took it over, or read it.

    Attributes:
      execution: id in ML Metadata.
      key: under which it knew the artifact.
      cached: whether the execution was cached: it reused what an earlier one had made.
    """

    execution: int
    run: str
    node: str
    key: str
    cached: bool
    when: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class ArtifactDetails:
    """An artifact, whole.

    Attributes:
      properties: of its type and custom ones.
      made_by: the execution that made it; None where none did, as with imported ones.
      taken_by: executions that were cached and took it over, the newest first.
      used_by: executions that read it, the newest first.
      cut: how many more of `taken_by` and `used_by` there are than are listed.
      files: as published, else as they are there now; sorted by name.
      files_cut: how many more files there are than are listed.
      gone: whether nothing is at its `uri` on this machine any more.
    """

    row: ArtifactRow
    properties: Mapping[str, Property]
    made_by: ExecutionUse | None
    taken_by: tuple[ExecutionUse, ...]
    used_by: tuple[ExecutionUse, ...]
    cut: int
    files: tuple[File, ...]
    files_cut: int
    gone: bool


@dataclasses.dataclass(frozen=True)
class Continuation:
    """Where a list was cut.

    Attributes:
      total: how many there are in all; None where they were not counted.
      next: what to pass to get the next ones; empty at the end.
    """

    total: int | None
    next: str = ""
