"""Runs, nodes and artifacts as commands, pages and JSON show them: frozen dataclasses.

Times are aware and in UTC; None if not recorded. Texts are as in the store: code that shows them must escape them.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Iterable, Mapping
from typing import Any

from components.evaluation.metrics import Metric
from pipeline.core.serialization import INLINE
from pipeline.metadata.properties import COMPONENT_ID, PIPELINE_NAME, is_parameter
from pipeline.metadata.run_properties import RunAttempt
from pipeline.metadata.types import Property


def sort_columns(metrics: Iterable[Metric]) -> list[str]:
    """Return the names that runs can be sorted by; `metrics` are those that a pipeline declares."""
    return ["started", "seconds", *(one.run_key for one in metrics if one.column), "id"]


class RunState(str, enum.Enum):
    """State of a run."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNFINISHED = "unfinished"  # its process died without recording an end


class NodeRunState(str, enum.Enum):
    """State of a node in a run."""

    RUNNING = "running"
    EXECUTED = "executed"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNFINISHED = "unfinished"  # ML Metadata says that it runs, but its process died
    WAITING = "waiting"  # its run is in progress
    NOT_RUN = "not run"


@dataclasses.dataclass(frozen=True)
class RunRow:
    """A run in a list of runs.

    Attributes:
      id: the run's id.
      pipeline: name of the pipeline; empty if not recorded.
      seconds: duration, until now while it runs; None if unknown.
      dataset: name and version of the data set; empty if not recorded.
      trigger: what started it, such as `manual`; empty if not recorded.
      metrics: values of the metrics that are columns, by name; None for a metric that was not evaluated.
      blessed: None if no model was evaluated.
      executed, cached, skipped: numbers of nodes; None if not recorded.
      error: why it failed or was interrupted; empty if it was not.
      settings: values of the settings that affect results, by name; empty if they are not recorded.
      tags, note, note_by, note_when: what people said of the run with `sae tag` and `sae note`; who wrote the note.
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
    skipped: int | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    note: str = ""
    note_by: str = ""
    note_when: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class NotebookCell(RunRow):
    """A run that is a cell of a notebook, with its component."""

    component: str


@dataclasses.dataclass(frozen=True)
class Session:
    """A session of a notebook: its components in the order in which they ran first, its cells newest first."""

    components: tuple[str, ...]
    runs: tuple[NotebookCell, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SessionRow(RunRow):
    """A session of a notebook in a list of runs.

    `id` is that of the newest cell; `state` and `error` come from the newest cell of each component; numbers of nodes
    are sums; `started` and `seconds` span all cells; it has the tags of all cells, and no note.
    """

    session: Session


_NAMES = (COMPONENT_ID, PIPELINE_NAME)  # properties that repeat contexts
_NO_VALUES = (None, "", "None", "null")  # classic TFX writes Python's None as text
UNFINISHED_STATES = ("pending", "abandoned", "incomplete")  # of artifacts that never came to be
ARTIFACT_STATES = ("live", *UNFINISHED_STATES, "out of use", "deleted")  # that artifacts can be filtered by


@dataclasses.dataclass(frozen=True)
class ArtifactRow:
    """An artifact in a list of artifacts.

    Attributes:
      id: id in ML Metadata.
      type: TFX's name of its type: `Examples`.
      name: name in ML Metadata; usually empty.
      uri: where it is now, also if the root was moved.
      state: `live`, `deleted`, `out of use`, `pending` or `abandoned` if it was never published, `incomplete` if its
        execution did not complete, `removed` if its row was deleted from ML Metadata and only events name it, or ML
        Metadata's name in lower case.
      created: when it was published.
      content: content digest, `<form>-<version>:<hex>`; empty if it has none.
      run, node, key: the run, node and output key that made it; empty if no execution did.
      command: the command that made it in place of a node, such as `sae verify`; else empty.
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
    command: str = ""

    @property
    def unusable(self) -> str:
        """Its state if it must not be used; empty if it is live, or the state is unknown."""
        return "" if self.state in ("live", "") else self.state

    @property
    def exists(self) -> bool:
        """Whether it came to be: its execution completed, and published it."""
        return self.state not in UNFINISHED_STATES

    @property
    def removed(self) -> bool:
        """Whether its row was deleted from ML Metadata: it has no page, and only id and maker are known."""
        return self.state == "removed"


@dataclasses.dataclass(frozen=True)
class ArtifactUse:
    """An artifact that an execution read or wrote, with the input or output key and its position in the key's list."""

    key: str
    index: int
    artifact: ArtifactRow


@dataclasses.dataclass(frozen=True)
class NodeRun:
    """A node in a run.

    Attributes:
      execution: id in ML Metadata; 0 if the node has no execution.
      node: the node's id in TFX.
      type: TFX's name of the execution's type, usually the component's class.
      seconds: duration, until now while it runs; None if unknown.
      reasons: why it was executed; empty if it was cached, or nothing was recorded.
      error: why it failed, was cancelled or skipped; empty if it was not.
      cached_from: the run that made its outputs, if it was cached.
      inputs, outputs: artifacts, sorted by key and index.
      properties: the execution's parameters, by name.
      after: upstream nodes in this run.
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

    @property
    def parameters(self) -> Mapping[str, Property]:
        """The properties that say what the node does, not in which run; without those that have no value."""
        return {
            name: one
            for name, one in self.properties.items()
            if is_parameter(name) and name not in _NAMES and one not in _NO_VALUES
        }


@dataclasses.dataclass(frozen=True)
class VerificationRow:
    """A verification of a run by `sae verify`.

    Attributes:
      artifact: id of the verdict in ML Metadata.
      node: the only node that was rerun; empty if the whole run was.
      compared: number of compared artifacts.
      uri: folder of the verdict.
    """

    artifact: int
    when: datetime.datetime | None
    verified: bool
    node: str
    compared: int
    uri: str


@dataclasses.dataclass(frozen=True)
class Run:
    """A run with its nodes.

    Attributes:
      nodes: in the order in which they ran, or the pipeline's order if some did not.
      properties: properties of the run's context.
      metrics: by name, on the whole test split, and then on the validation split; empty if none are recorded.
      slices: metrics by slice, such as `label 3`.
      verifications: newest first.
      attempts: attempts at a run that was resumed, oldest first; empty if it was not.
    """

    row: RunRow
    nodes: tuple[NodeRun, ...]
    properties: Mapping[str, Property] = dataclasses.field(default_factory=dict)
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    slices: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    verifications: tuple[VerificationRow, ...] = ()
    attempts: tuple[RunAttempt, ...] = ()

    def named_output(self, name: tuple[str, str] | None) -> ArtifactRow | None:
        """Return the artifact of the output with this node and key; None if there is none, or it never came to be."""
        found = (use.artifact for node in self.nodes for use in node.outputs if (node.node, use.key) == name)
        return next((artifact for artifact in found if artifact.exists and not artifact.removed), None)

    def output(self, type_name: str) -> ArtifactRow | None:
        """Return the first output of a type, in the order of nodes and keys; None if there is none."""
        found = (use.artifact for node in self.nodes for use in node.outputs if use.artifact.type == type_name)
        return next((artifact for artifact in found if artifact.exists), None)


@dataclasses.dataclass(frozen=True)
class File:
    """A file of an artifact; `size` in bytes, `digest` its SHA-256 in hex as published, or empty if not recorded."""

    name: str
    size: int
    digest: str = ""


@dataclasses.dataclass(frozen=True)
class ExecutionUse:
    """An execution that made, reused or read an artifact.

    Attributes:
      execution: id in ML Metadata.
      key: the input or output key.
      cached: whether the execution was cached.
      when: time of the event.
      command: the command that recorded the execution in place of a node, such as `sae verify`; else empty.
    """

    execution: int
    run: str
    node: str
    key: str
    cached: bool
    when: datetime.datetime | None
    command: str = ""


@dataclasses.dataclass(frozen=True)
class ArtifactDetails:
    """An artifact with its uses and files.

    Attributes:
      properties: properties of its type and custom properties.
      made_by: the execution that made it; None for an imported artifact.
      taken_by: cached executions that reused it, newest first.
      used_by: executions that read it, newest first.
      cut: number of executions that are not listed in `taken_by` and `used_by`.
      files: files as published, or else as they are now; sorted by name.
      files_cut: number of files that are not listed.
      gone: whether its `uri` is a missing path on this machine. In a store without a root, `uri` is where the files
        were found, and `gone` means that they were not: they may be on another machine.
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
    """The rest of a list that was cut.

    Attributes:
      total: number of items in all; None if they were not counted.
      next: `start` of the next items; empty at the end.
      unfinished: number of artifacts that match but are left out, because they never came to be.
    """

    total: int | None
    next: str = ""
    unfinished: int = 0
