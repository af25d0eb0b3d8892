"""Findings of `sae fsck`."""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Mapping

from pipeline.core.errors import ExitCode
from pipeline.metadata.store import Store

_LISTED = 1_000  # findings of a kind that are listed; all are counted


class FindingKind(str, enum.Enum):
    """Kind of a finding; damage first."""

    MISSING = "missing"
    ALTERED = "altered"
    UNREADABLE = "unreadable"
    SERVED = "served"  # the served model is not the last pushed one; of earlier versions: missing, altered
    SUPERSEDED = "superseded"  # the Pusher's list of them is missing, damaged or out of date
    MANIFESTS = "manifests"
    ROW_MISSING = "row_missing"  # of ML Metadata
    ORPHANED = "orphaned"
    UNVERIFIED = "unverified"
    OUT_OF_USE = "out_of_use"
    DELETED = "deleted"  # by `sae gc`
    UNENDED = "unended"
    LOST = "lost"  # a decision that ML Metadata does not contain, since a copy of it was restored

    @property
    def is_damage(self) -> bool:
        """Return whether it means that the root is damaged."""
        return self.value in ("missing", "altered", "unreadable", "served", "superseded", "manifests", "row_missing")


@dataclasses.dataclass(frozen=True)
class Finding:
    """Damage, or a notice.

    Attributes:
      sentence: for people.
      path: the file or folder; empty for an execution.
      artifact, execution: ids in ML Metadata, or None.
      node, output: the node that made it, and the output key; empty if not known.
    """

    kind: FindingKind
    sentence: str
    path: str = ""
    artifact: int | None = None
    execution: int | None = None
    node: str = ""
    output: str = ""

    @property
    def label(self) -> str:
        """Return a name of the artifact; empty without one."""
        if self.artifact is None:
            return ""
        return f"{self.node}'s {self.output}, artifact {self.artifact}" if self.node else f"artifact {self.artifact}"


class Checked:
    """Counts of checked artifacts, executions, manifests and files, and of bytes read."""

    def __init__(self) -> None:
        self.artifacts = self.executions = self.manifests = self.files = self.bytes = 0


class Findings:
    """Counts of all findings, and the first ones of each kind."""

    def __init__(self, store: Store) -> None:
        self.counts = dict.fromkeys((kind.value for kind in FindingKind), 0)
        self._store = store
        self._listed: dict[FindingKind, list[Finding]] = collections.defaultdict(list)

    def add(self, finding: Finding) -> None:
        """Count a finding; list it, with the node that made its artifact, unless there are many of its kind."""
        self.counts[finding.kind.value] += 1
        # Only listed findings get a node: an artifact that was reused often has many events.
        if len(self._listed[finding.kind]) < _LISTED:
            if finding.artifact is not None:
                maker = self._store.makers_of(self._store.artifacts_by_id([finding.artifact])).get(finding.artifact)
                if maker is not None and maker.owner.node:
                    finding = dataclasses.replace(finding, node=maker.owner.node, output=maker.key)
            self._listed[finding.kind].append(finding)

    def listed(self) -> tuple[Finding, ...]:
        """Return the listed findings, in the order of the kinds."""
        return tuple(finding for kind in FindingKind for finding in self._listed[kind])


@dataclasses.dataclass(frozen=True)
class Result:
    """Result of a check.

    Attributes:
      root: its folder.
      checked: the counts of `Checked`.
      counts: number of findings by kind.
      findings: in the order of the kinds; at most `_LISTED` of each.
    """

    root: str
    checked: Mapping[str, int]
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def damaged(self) -> int:
        """Return the number of findings that are damage."""
        return sum(self.counts[kind.value] for kind in FindingKind if kind.is_damage)

    @property
    def exit_code(self) -> ExitCode:
        """Return DONE, or GATE_FAILED on damage."""
        return ExitCode.GATE_FAILED if self.damaged else ExitCode.DONE

    @property
    def is_cut(self) -> bool:
        """Return whether some findings are not listed."""
        return sum(self.counts.values()) > len(self.findings)
