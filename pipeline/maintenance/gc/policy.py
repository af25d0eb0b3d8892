"""The runs that a retention policy keeps, and why."""

from __future__ import annotations

import dataclasses
import enum
import itertools
from collections.abc import Iterator, Sequence

from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.maintenance.fsck import missing_rows
from pipeline.metadata.run_properties import PRUNED, headline_of
from pipeline.metadata.store import Store
from pipeline.metadata.types import RunContext
from pipeline.registry import decision_log, journal, versions
from pipeline.registry.decision_log import DecisionType
from pipeline.registry.versions import Push
from pipeline_config import RetentionConfig


class Reason(str, enum.Enum):
    """Why a run is kept."""

    SERVED = "its model is served"
    PINNED = "pinned"
    OPEN = "an interrupted decision names it"
    PUSHED = "its model was pushed before"
    UNFINISHED = "it did not finish"
    NEWEST = "one of the newest"


_SHOWN = 5  # missing rows that are named
_ENDED = ("succeeded", "failed")
_ALWAYS = {Reason.SERVED, Reason.PINNED, Reason.OPEN}


@dataclasses.dataclass(frozen=True)
class KeptRun:
    """A run whose inputs and outputs are all kept. `version`: of its kept model in the serving folder, or 0."""

    id: str
    reasons: tuple[Reason, ...]
    version: int = 0


@dataclasses.dataclass(frozen=True)
class Kept:
    """The runs to keep, newest first, and the versions in the serving folder."""

    runs: tuple[KeptRun, ...]
    versions: frozenset[int]


def kept(root: Root, store: Store, policy: RetentionConfig, pushes: Sequence[Push]) -> Kept:
    """Return what a policy keeps, without its limit on the size. `pushes`: all, highest version first."""
    run_ids = store.run_ids()
    reasons: dict[str, dict[Reason, None]] = {run_id: {} for run_id in run_ids}  # in order, each once
    numbers: dict[str, int] = {}
    kept_pushes = list(_kept_pushes(root, store, policy, pushes))
    for push, reason in kept_pushes:
        if run_id := next((run for one in store.makers(push.artifact) if (run := store.owner(one).run)), ""):
            reasons.setdefault(run_id, {})[reason] = None
            numbers.setdefault(run_id, push.version)
    for run_id in _served_by_bytes(root, store, pushes):
        reasons.setdefault(run_id, {})[Reason.SERVED] = None
    for reason, runs in (
        (Reason.OPEN, [record.run_id for record in decision_log.open_decisions(store)]),
        (Reason.PINNED, journal.pinned_runs(root, store)),
        (Reason.UNFINISHED, [one.name for one in store.run_contexts() if _is_unfinished(store, one)]),
        (Reason.NEWEST, run_ids[: policy.runs]),
    ):
        for run_id in runs:
            reasons.setdefault(run_id, {})[reason] = None
    found = (KeptRun(one, tuple(reasons[one]), numbers.get(one, 0)) for one in run_ids if reasons[one])
    return Kept(tuple(found), frozenset(push.version for push, _ in kept_pushes))


def _is_unfinished(store: Store, context: RunContext) -> bool:
    """Return whether a run was killed or interrupted, or is in progress."""
    if PRUNED in context.properties:  # stopped early by a sweep, which does not resume it
        return False
    recorded = headline_of(context.properties)
    if recorded.state is not None or recorded.trigger is not None:  # a run of `sae` also records its end
        return recorded.state not in _ENDED
    states = {one.state for one in store.executions_of_run(context) if one.is_of_node}
    return not states or None in states or NodeState.CANCELLED in states


def _kept_pushes(
    root: Root, store: Store, policy: RetentionConfig, pushes: Sequence[Push]
) -> Iterator[tuple[Push, Reason]]:
    """Yield the pushes of the served version, of models that open decisions name, and those kept for a rollback."""
    served = versions.served_push(root, pushes)
    # A version may have several pushes: the later ones found it served already.
    yield from ((push, Reason.SERVED) for push in pushes if served and push.version == served.version)
    for record in decision_log.open_decisions(store):
        for model in {record.model, record.replaced} - {""}:
            of_model = (push for push in pushes if push.model == model)
            yield from ((push, Reason.OPEN) for push in of_model if (root.serving / str(push.version)).is_dir())
    earlier = versions.rollback_targets(pushes, served, decision_log.rolled_back(store))
    yield from ((push, Reason.PUSHED) for push in itertools.islice(earlier, policy.pushed))


def _served_by_bytes(root: Root, store: Store, pushes: Sequence[Push]) -> Iterator[str]:
    """Yield the runs that made or reused the served model, if ML Metadata does not contain its push."""
    if (newest := versions.unknown_version(root, pushes)) is None:
        return
    for model in store.artifacts_of_type(versions.MODEL):
        if versions.has_bytes_of(newest, model):
            yield from filter(None, (store.owner(one).run for one in store.makers(model.id)))


def contradictions(root: Root, store: Store, pushes: Sequence[Push]) -> tuple[str, ...]:
    """Return why outputs that no artifact names may be needed.

    Rows may have been deleted from ML Metadata, that of an artifact among them. After an older copy of the store was
    restored, a lost run may have made the served model, or be pinned.
    """
    if found := [one.sentence for one in missing_rows.findings(root)]:
        return tuple(found[:_SHOWN])  # an artifact may be missing that names a folder
    known = set(store.run_ids())
    if known.issuperset(path.stem for path in root.manifests.glob("*.json")):
        return ()
    found = [f"{one}, but ML Metadata does not contain that run" for one in journal.lost(root, store)
             if one.kind == DecisionType.PIN]  # fmt: skip
    if newest := versions.unknown_version(root, pushes):
        found.append(f"version {newest.name} is served, but ML Metadata does not contain its push")
    return tuple(found)


def without_oldest(found: Kept) -> Kept | None:
    """Return the same without the run to delete next if the root is too large; None if no run may be deleted.

    The oldest run is deleted first, those for a rollback last; served and pinned runs and the newest run never.
    """
    deletable = [run for run in found.runs[1:] if not _ALWAYS & set(run.reasons)]
    if not deletable:
        return None
    first = next((run for run in reversed(deletable) if Reason.PUSHED not in run.reasons), deletable[-1])
    runs = tuple(run for run in found.runs if run is not first)
    return Kept(runs, found.versions - {first.version} if Reason.PUSHED in first.reasons else found.versions)
