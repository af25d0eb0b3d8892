"""Events of a run: the display shows them, `event_log` records them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable


class NodeState(str, enum.Enum):
    """How a node ended."""

    EXECUTED = "executed"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclasses.dataclass(frozen=True)
class Note:
    """A message for the user."""

    text: str
    warning: bool = False


@dataclasses.dataclass(frozen=True)
class RunStarted:
    """A run started; `nodes` in the order in which they run."""

    run_id: str
    nodes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class NodeStarted:
    """A node started.

    Attributes:
      reasons: why it is executed; empty if it is not.
    """

    node: str
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class NodeEnded:
    """A node ended, or will not run.

    Attributes:
      seconds: its duration; 0 if it did not run.
      reason: why it failed or was skipped; may be empty.
    """

    node: str
    state: NodeState
    seconds: float
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class EpochEnded:
    """An epoch of training ended.

    Attributes:
      loss, val_loss: on the train and validation split, with the penalty.
      val_reconstruction: on the validation split, without it; None if it was not recorded.
    """

    epoch: int
    epochs: int
    loss: float
    val_loss: float
    val_reconstruction: float | None = None


@dataclasses.dataclass(frozen=True)
class JobProgress:
    """The job of a node on a cluster.

    Attributes:
      engine: of the cluster: `Flink`.
      state: as the cluster names it: `running`, `restarting`.
      done, tasks: tasks that have finished, of all.
      link: address of the cluster's page about the job.
    """

    engine: str
    state: str
    done: int
    tasks: int
    link: str

    @property
    def text(self) -> str:
        """Return `Flink job running, 34 of 171 tasks done`."""
        return f"{self.engine} job {self.state}, {self.done} of {self.tasks} tasks done"


Event = Note | RunStarted | NodeStarted | NodeEnded | EpochEnded | JobProgress
Listener = Callable[[Event], None]

NOT_IN_PART = "not in the part that was asked for"  # reason of a node that a partial run does not execute
ENDED_EARLIER = "it ended in an earlier attempt"  # reason of a node that a resumed run does not execute
