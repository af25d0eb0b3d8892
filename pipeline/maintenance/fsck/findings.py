"""What `sae fsck` finds: the kinds of findings, and the ones that are kept."""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Mapping

from pipeline.core.errors import ExitCode
from pipeline.metadata.store import Store

_LISTED = 1_000  # findings of a kind that are kept: all are counted, but a list of a million is of no use


class FindingKind(str, enum.Enum):
    """What was found; those that are damage come first."""

    MISSING = "missing"
    ALTERED = "altered"
    UNREADABLE = "unreadable"
    SERVED = "served"  # the served model is not the one that was pushed
    MANIFESTS = "manifests"
    ORPHANED = "orphaned"
    UNVERIFIED = "unverified"
    OUT_OF_USE = "out_of_use"
    DELETED = "deleted"  # by `sae gc`
    UNENDED = "unended"

    @property
    def is_damage(self) -> bool:
        """Whether the root is not sound because of it."""
        return self in (
            FindingKind.MISSING,
            FindingKind.ALTERED,
            FindingKind.UNREADABLE,
            FindingKind.SERVED,
            FindingKind.MANIFESTS,
        )


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, or worth knowing.

    Attributes:
      kind: what.
      sentence: what and where, for people.
      path: the file or folder; empty for an execution.
      artifact, execution: ids in ML Metadata; None where there is none.
      node, output: who made it, and under which key; empty where that is not known.
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
        """Which artifact, for people; empty when it is about none."""
        if self.artifact is None:
            return ""
        return f"{self.node}'s {self.output}, artifact {self.artifact}" if self.node else f"artifact {self.artifact}"


class Checked:
    """How much was looked at so far: how many artifacts, executions, manifests and files, and bytes that were read."""

    def __init__(self) -> None:
        self.artifacts = self.executions = self.manifests = self.files = self.bytes = 0


class Findings:
    """Counts all findings, and keeps the first ones of each kind."""

    def __init__(self, store: Store) -> None:
        """Takes the store, which tells what made an artifact."""
        self.counts = dict.fromkeys((kind.value for kind in FindingKind), 0)
        self._store = store
        self._kept: dict[FindingKind, list[Finding]] = collections.defaultdict(list)

    def keep(self, finding: Finding) -> None:
        """Counts a finding; keeps it, with the origin of its artifact, unless there are many of its kind."""
        self.counts[finding.kind.value] += 1
        # No origin is asked for what is only counted: an artifact that was used again often has many events.
        if len(self._kept[finding.kind]) < _LISTED:
            if finding.artifact is not None:
                maker = self._store.makers_of(self._store.artifacts_by_id([finding.artifact])).get(finding.artifact)
                if maker is not None and maker.owner.node:
                    finding = dataclasses.replace(finding, node=maker.owner.node, output=maker.key)
            self._kept[finding.kind].append(finding)

    def listed(self) -> tuple[Finding, ...]:
        """What was kept, in the order of the kinds."""
        return tuple(finding for kind in FindingKind for finding in self._kept[kind])


@dataclasses.dataclass(frozen=True)
class Result:
    """What was looked at and found.

    Attributes:
      root: its folder.
      checked: how many artifacts, executions, manifests and files were looked at, and how many bytes were read.
      counts: findings by kind.
      findings: in the order of the kinds; of each kind no more than `_LISTED`.
    """

    root: str
    checked: Mapping[str, int]
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def damaged(self) -> int:
        """How many findings are damage."""
        return sum(self.counts[kind.value] for kind in FindingKind if kind.is_damage)

    @property
    def exit_code(self) -> ExitCode:
        """DONE, or GATE_FAILED on damage."""
        return ExitCode.GATE_FAILED if self.damaged else ExitCode.DONE

    @property
    def is_cut(self) -> bool:
        """Whether there are more findings than are listed."""
        return sum(self.counts.values()) > len(self.findings)
