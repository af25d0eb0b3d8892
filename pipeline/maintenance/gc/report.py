"""What `sae gc` deleted or would delete."""

from __future__ import annotations

import dataclasses

from pipeline.core.pipeline_root import Root
from pipeline.maintenance.gc.collect import DeletionPlan, LeftOver, Victim
from pipeline.maintenance.gc.policy import KeptRun


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
    def of(cls, root: Root, plan: DeletionPlan, *, deleted: bool) -> Collected:
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
