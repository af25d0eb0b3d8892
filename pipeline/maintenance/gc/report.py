"""What `sae gc` deleted or would delete, for people and as JSON."""

from __future__ import annotations

import dataclasses
import json

from pipeline.core.pipeline_root import Root
from pipeline.core.text import bytes_text, counted
from pipeline.maintenance.gc.collect import LeftOver, Plan, Victim
from pipeline.maintenance.gc.policy import KeptRun

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Directory:
    """A directory of the root, or the files beside them. `freed`: of its bytes, those that go."""

    name: str
    bytes: int
    freed: int


@dataclasses.dataclass(frozen=True)
class Collected:
    """What went, or would go.

    Attributes:
      root: its folder.
      deleted: whether it was deleted; False: nothing was.
      bytes: of the root, before.
      freed: bytes that went.
      limit: bytes that the policy allows; 0: any number.
      kept: the runs whose artifacts stay, the newest first.
      artifacts: whose bytes went, the oldest first.
      versions: numbers of the versions in the serving folder that went.
      left_over: half-written folders that went.
    """

    root: str
    deleted: bool
    bytes: int
    freed: int
    limit: int
    directories: tuple[Directory, ...]
    kept: tuple[KeptRun, ...]
    artifacts: tuple[Victim, ...]
    versions: tuple[int, ...]
    left_over: tuple[LeftOver, ...]

    @classmethod
    def of(cls, root: Root, plan: Plan, *, deleted: bool) -> Collected:
        """The report on a plan that was carried out, or was not."""
        directories = tuple(Directory(name, size, size - plan.after[name]) for name, size in plan.before.items())
        return cls(
            root=str(root.path),
            deleted=deleted,
            bytes=sum(plan.before.values()),
            freed=sum(one.freed for one in directories),
            limit=plan.limit,
            directories=directories,
            kept=plan.kept.runs,
            artifacts=plan.artifacts,
            versions=plan.versions,
            left_over=plan.left_over,
        )

    @property
    def too_large(self) -> bool:
        """Whether what must be kept is more than the policy allows."""
        return 0 < self.limit < self.bytes - self.freed

    def as_json(self) -> str:
        """The object that `--json` prints."""
        values = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self), "too_large": self.too_large}
        return json.dumps(values, indent=2)

    def as_text(self) -> str:
        """For people: what is kept and why, bytes by directory, and what went."""
        lines = [f"kept: {counted(len(self.kept), 'run')}"]
        for run in self.kept:
            served = f" (version {run.version})" if run.version else ""
            lines.append(f"  {run.id}  {', '.join(reason.value for reason in run.reasons)}{served}")
        gone = "freed" if self.deleted else "would free"
        lines += ["", f"{'directory':<20}{'size':>12}{gone:>12}"]
        lines += [
            f"{one.name:<20}{bytes_text(one.bytes):>12}{bytes_text(one.freed) if one.freed else '-':>12}"
            for one in self.directories
        ]
        lines.append(f"{'all':<20}{bytes_text(self.bytes):>12}{bytes_text(self.freed) if self.freed else '-':>12}")
        lines += ["", self._verdict()]
        if self.too_large:
            lines.append(
                f"what must be kept has {bytes_text(self.bytes - self.freed)}, retention.max_mib allows "
                f"{bytes_text(self.limit)}: unpin runs, or allow more"
            )
        return "\n".join(lines)

    def _verdict(self) -> str:
        went = [
            counted(len(self.artifacts), "artifact") if self.artifacts else "",
            counted(len(self.versions), "served version") if self.versions else "",
            counted(len(self.left_over), "half-written folder") if self.left_over else "",
        ]
        what = ", ".join(filter(None, went))
        if not what:
            return "nothing to delete"
        of_runs = len({one.run for one in self.artifacts})
        what += f", of {counted(of_runs, 'run')}" if of_runs else ""
        size = bytes_text(self.freed)
        if self.deleted:
            return f"deleted {what}: {size}; their lineage, metrics and digests are kept"
        return f"would delete {what}: {size}; nothing was deleted, --yes does"
