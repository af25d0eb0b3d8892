"""What happens in a run, as the display sees it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable

from pipeline.core.errors import ExitCode


class NodeState(str, enum.Enum):
    """How a node ended, read back from ML Metadata."""

    EXECUTED = "executed"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclasses.dataclass(frozen=True)
class Note:
    """A line for the reader. `warning` ones are shown as such."""

    text: str
    warning: bool = False


@dataclasses.dataclass(frozen=True)
class RunStarted:
    """The run's id, and every node in the order in which they run."""

    run_id: str
    nodes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class NodeStarted:
    """A node begins.

    Attributes:
      reasons: why it runs; empty when it does not need to.
    """

    node: str
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class NodeEnded:
    """A node ended, or is not going to run.

    Attributes:
      seconds: how long it took; 0 where it did not run.
      reason: why it failed or was skipped; may be empty.
    """

    node: str
    state: NodeState
    seconds: float
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class EpochEnded:
    """The Trainer ended an epoch. Losses in nats per pixel, with the penalty."""

    epoch: int
    epochs: int
    loss: float
    val_loss: float


Event = Note | RunStarted | NodeStarted | NodeEnded | EpochEnded
Listener = Callable[[Event], None]


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
      nodes: every node of the pipeline, in order.
      exit_code: DONE, NODE_FAILED or GATE_FAILED (the data's gate; the model's is judged by its metrics).
      error: the reason for the person who reads it; empty when all went well.
    """

    run_id: str
    nodes: tuple[NodeEnded, ...]
    exit_code: ExitCode
    error: str


KEPT = "it ended in an earlier attempt"  # the reason of a node that a resumed run does not run again
