"""What is kept of a root, and why; all else may go."""

from __future__ import annotations

import dataclasses
import enum
import itertools
from collections.abc import Sequence

from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.metadata.run_properties import headline_of
from pipeline.metadata.store import Store
from pipeline.metadata.types import RunContext
from pipeline.registry import decision_log, versions
from pipeline.registry.versions import Push
from pipeline_config import RetentionConfig


class Reason(str, enum.Enum):
    """Why a run is kept."""

    SERVED = "its model is served"
    PINNED = "pinned"
    PUSHED = "its model was pushed before"
    UNFINISHED = "it did not come to its end"
    NEWEST = "one of the newest"


_ENDED = ("succeeded", "failed")
_ALWAYS = (Reason.SERVED, Reason.PINNED)


@dataclasses.dataclass(frozen=True)
class KeptRun:
    """A run whose artifacts are kept: all that it made, read or reused.

    Attributes:
      version: of its model in the serving folder; 0 where it is not kept for that.
    """

    id: str
    reasons: tuple[Reason, ...]
    version: int = 0


@dataclasses.dataclass(frozen=True)
class Kept:
    """What is kept.

    Attributes:
      runs: the newest first.
      versions: numbers of the versions in the serving folder.
    """

    runs: tuple[KeptRun, ...]
    versions: frozenset[int]


def kept(root: Root, store: Store, policy: RetentionConfig, pushes: Sequence[Push]) -> Kept:
    """What a policy keeps, apart from its limit on the size. `pushes`: the highest version first."""
    run_ids = store.run_ids()
    reasons: dict[str, list[Reason]] = {}
    wanted = _wanted(root, store, policy, pushes)
    numbers: dict[str, int] = {}
    for push, reason in wanted:
        if run_id := _run_of(store, push):
            reasons.setdefault(run_id, []).append(reason)
            numbers.setdefault(run_id, push.version)
    for run_id in decision_log.pinned(store):
        reasons.setdefault(run_id, []).append(Reason.PINNED)
    for run_id in _unfinished(store):
        reasons.setdefault(run_id, []).append(Reason.UNFINISHED)
    for run_id in run_ids[: policy.runs]:
        reasons.setdefault(run_id, []).append(Reason.NEWEST)
    runs = [
        KeptRun(run_id, tuple(dict.fromkeys(reasons[run_id])), numbers.get(run_id, 0))
        for run_id in run_ids
        if run_id in reasons
    ]
    return Kept(tuple(runs), frozenset(push.version for push, _ in wanted))


def _run_of(store: Store, push: Push) -> str:
    """The run that made a push; empty where ML Metadata does not say."""
    return next((run for one in store.makers(push.artifact) if (run := store.owner(one).run)), "")


def _unfinished(store: Store) -> list[str]:
    """Runs that did not come to their end: killed, interrupted, or in progress; the newest first."""
    return [context.name for context in store.run_contexts() if _is_unfinished(store, context)]


def _is_unfinished(store: Store, context: RunContext) -> bool:
    recorded = headline_of(context.properties)
    if recorded.state is not None or recorded.trigger is not None:  # a run of this pipeline records its end as well
        return recorded.state not in _ENDED
    states = {one.state for one in store.executions_of_run(context) if one.is_of_node}
    return not states or None in states or NodeState.CANCELLED in states


def _wanted(root: Root, store: Store, policy: RetentionConfig, pushes: Sequence[Push]) -> list[tuple[Push, Reason]]:
    """The push that is served, and those that are kept for a rollback."""
    served = versions.served_push(root, pushes)
    rolled_back = decision_log.rolled_back(store)
    earlier = versions.rollback_targets(pushes, served, rolled_back)
    found = [(push, Reason.PUSHED) for push in itertools.islice(earlier, policy.pushed)]
    # Of one version there may be several pushes: it was served already when the later ones were made.
    return [(push, Reason.SERVED) for push in pushes if served and push.version == served.version] + found


def without_oldest(found: Kept) -> Kept | None:
    """The same without the run that is given up first when the root is too large; None where none may be.

    The oldest goes first, those for a rollback last; never what is served or pinned, and never the newest run.
    """
    given_up = [run for run in found.runs[1:] if not set(run.reasons) & set(_ALWAYS)]
    if not given_up:
        return None
    first = next((run for run in reversed(given_up) if Reason.PUSHED not in run.reasons), given_up[-1])
    runs = tuple(run for run in found.runs if run is not first)
    return Kept(runs, found.versions - {first.version} if Reason.PUSHED in first.reasons else found.versions)
