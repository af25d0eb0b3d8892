"""Pushed versions and decisions, for `sae models` and its page."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Collection, Iterable, Mapping, Sequence

from components.evaluation.metrics import Metric
from components.push import decision
from pipeline.core.pipeline_root import Root
from pipeline.core.serialization import INLINE
from pipeline.metadata.run_properties import headline_of
from pipeline.metadata.store import Store
from pipeline.metadata.types import Maker, Owner
from pipeline.registry import decision_log, versions
from pipeline.registry.decision_log import DecisionRecord
from pipeline.registry.versions import Push


class VersionState(str, enum.Enum):
    """State of a version."""

    SERVED = "served"
    KEPT = "kept"  # its folder exists: a rollback needs nothing else
    DELETED = "deleted"


@dataclasses.dataclass(frozen=True)
class ModelRow:
    """A version.

    Attributes:
      artifact: id of the pushed model in ML Metadata.
      run: the run that made the model.
      pushed: when the version was made; UTC.
      metrics: the headline metric and those in its place, by their names in a run (`test_bce`); nothing if the
        pipeline declares none; None if the run did not record it.
      model: content digest of the model; empty if plain TFX pushed it.
      how: `pushed`, by a run; `promoted` or `rolled back to`, by a user.
      reason: of the decision, or of the push gate; empty if there is none.
      who: the user who decided; empty for a run.
      withdrawn: whether the model was rolled back and not promoted since.
      pinned: whether its run is pinned.
    """

    version: int
    artifact: int
    state: VersionState
    run: str
    pushed: datetime.datetime | None
    metrics: Mapping[str, float | None] = dataclasses.field(metadata={INLINE: True})
    model: str
    how: str
    reason: str
    who: str
    withdrawn: bool
    pinned: bool


@dataclasses.dataclass(frozen=True)
class DecisionRow:
    """A decision.

    Attributes:
      what: `pinned`, `unpinned`, `promoted`, `rolled back to`.
      carried_out: False if it was interrupted or cancelled.
      open: whether a kill interrupted it, and the next promotion or rollback carries it out or cancels it.
      cancelled: why it was cancelled; empty if it was not.
    """

    what: str
    run: str
    when: datetime.datetime | None
    who: str
    reason: str
    carried_out: bool
    open: bool
    cancelled: str


@dataclasses.dataclass(frozen=True)
class Models:
    """Versions, highest first, and decisions, newest first.

    Attributes:
      models: the requested versions.
      total: number of all versions.
      served: the served version; None if there is none, or ML Metadata does not contain its push.
      back_to: the version whose model `sae rollback` would serve; 0 if there is none.
      unknown: the served version if ML Metadata does not contain its push; else 0.
    """

    models: tuple[ModelRow, ...]
    decisions: tuple[DecisionRow, ...]
    total: int = 0
    served: ModelRow | None = None
    back_to: int = 0
    unknown: int = 0


def list_models(
    store: Store, root: Root, headlines: Sequence[Metric], start: int = 0, limit: int | None = None
) -> Models:
    """List versions and decisions.

    Args:
      store: of the root.
      root: with the serving folder.
      headlines: the metrics to list.
      start: number of versions to skip; each listed version costs several queries.
      limit: maximum number of versions; None: all.
    """
    decisions = decision_log.decisions(store, decision_log.ON_MODELS)
    # A version may have several pushes: the later ones found it served already.
    pushes = list({push.version: push for push in versions.pushes(store, root)}.values())
    served = versions.served_push(root, pushes)
    listed = pushes[start : None if limit is None else start + limit]
    rows = _rows(store, root, headlines, {*listed, *([served] if served else [])}, served, decisions)
    targets = versions.rollback_targets(pushes, served, decision_log.rolled_back(store))
    earlier = next(targets, None) if served else None
    unknown = versions.unknown_version(root, pushes)
    return Models(
        models=tuple(rows[push] for push in listed),
        decisions=tuple(
            DecisionRow(
                one.kind.past, one.run_id, one.when, one.who, one.reason, one.carried_out, one.open, one.cancelled
            )
            for one in reversed(decisions)
        ),
        total=len(pushes),
        served=rows[served] if served else None,
        back_to=earlier.version if earlier else 0,
        unknown=int(unknown.name) if unknown else 0,
    )


def _rows(
    store: Store,
    root: Root,
    headlines: Sequence[Metric],
    pushes: Collection[Push],
    served: Push | None,
    decisions: Iterable[DecisionRecord],
) -> dict[Push, ModelRow]:
    makers = store.makers_of(store.artifacts_by_id([push.artifact for push in pushes]))
    gate_reasons = _gate_reasons(store, {maker.execution for maker in makers.values()})
    by_execution = {record.execution: record for record in decisions}
    rolled_back, pinned = decision_log.rolled_back(store), decision_log.pinned(store)
    rows = {}
    for push in pushes:
        maker = makers.get(push.artifact, Maker(0, "", Owner()))
        run = maker.owner.run
        metrics = headline_of(store.run_properties(run)).metrics if run else {}
        record = by_execution.get(maker.execution)
        exists = (root.serving / str(push.version)).is_dir()
        rows[push] = ModelRow(
            version=push.version,
            artifact=push.artifact,
            state=VersionState.SERVED if push == served else VersionState.KEPT if exists else VersionState.DELETED,
            run=run,
            pushed=push.when,
            metrics={one.run_key: metrics.get(one.run_key) for one in headlines},
            model=push.model,
            how=record.kind.past if record else "pushed",
            reason=record.reason if record else gate_reasons.get(maker.execution, ""),
            who=record.who if record else "",
            withdrawn=push.model in rolled_back,
            pinned=run in pinned,
        )
    return rows


def _gate_reasons(store: Store, executions: Collection[int]) -> dict[int, str]:
    """Return the push gate's reason, by the execution that pushed the model: a property of one of its inputs."""
    read = [event for event in store.events_of_executions(executions) if not event.wrote]
    artifacts = store.artifacts_by_id(sorted({event.artifact for event in read}))
    reasons = {one.id: str(one.properties[decision.REASON]) for one in artifacts if decision.REASON in one.properties}
    return {event.execution: reasons[event.artifact] for event in read if event.artifact in reasons}
