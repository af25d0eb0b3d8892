"""`sae models` and its page: every version that was pushed, with run, metric and digest of its model; the decisions."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping

from components.evaluation.metrics import BCE
from components.push import decision, serving_dir
from pipeline.core.pipeline_root import Root
from pipeline.metadata.run_properties import headline_of
from pipeline.metadata.store import Store, open_store
from pipeline.registry import decision_log, versions
from pipeline.registry.decision_log import Entry
from pipeline.registry.versions import Push

PUSH_DECISION = "PushDecision"  # the type's name, as components/artifact_types.py gives it


class State(str, enum.Enum):
    """How a version stands."""

    SERVED = "served"
    THERE = "kept"  # its folder is there: a rollback needs nothing else
    GONE = "deleted"


@dataclasses.dataclass(frozen=True)
class ModelRow:
    """A version.

    Attributes:
      artifact: id of the pushed model in ML Metadata.
      run: whose model it is.
      pushed: when it appeared; UTC.
      test_bce: reconstruction loss on the test split, nats per pixel; None where the run noted none.
      model: digest of the model's content; empty where plain TFX pushed it.
      how: `pushed`, by the run itself; `promoted`, `rolled back to`.
      reason: of the decision, or of the push gate; empty where neither noted one.
      who: decided; empty where the run itself pushed.
      withdrawn: whether the model was rolled back, and nobody promoted it since.
      pinned: whether the run is.
    """

    version: int
    artifact: int
    state: State
    run: str
    pushed: datetime.datetime | None
    test_bce: float | None
    model: str
    how: str
    reason: str
    who: str
    withdrawn: bool
    pinned: bool


@dataclasses.dataclass(frozen=True)
class Decided:
    """A decision, whatever became of it.

    Attributes:
      what: `pinned`, `unpinned`, `promoted`, `rolled back to`.
      carried_out: False where it was cut off, or called off.
    """

    what: str
    run: str
    when: datetime.datetime | None
    who: str
    reason: str
    carried_out: bool


@dataclasses.dataclass(frozen=True)
class Models:
    """Versions, the highest first; decisions, the newest first.

    Attributes:
      models: those that were asked for.
      total: how many there are.
      served: the one that a server takes; None where there is none, or nothing says whose it is.
      back_to: the version whose model `sae rollback` would serve; 0 where there is none.
      unknown: the version that a server takes, where nothing says who pushed it; 0 where that is known, or is none.
    """

    models: tuple[ModelRow, ...]
    decisions: tuple[Decided, ...]
    total: int = 0
    served: ModelRow | None = None
    back_to: int = 0
    unknown: int = 0


def read(root: Root) -> Models:
    """Reads a root. Raises `NotFoundError` where there is none, `UnavailableError` where its store does not open."""
    return of_store(open_store(root, read_only=True), root)


def of_store(store: Store, root: Root, start: int = 0, limit: int | None = None) -> Models:
    """The same of a store that is open; of its versions only some, as each takes a look-up of its own.

    Args:
      store: of the root.
      root: with the versions' folder.
      start: how many to pass over.
      limit: how many at most; None: all.
    """
    return _read(store, root, slice(start, None if limit is None else start + limit))


def serving(store: Store, root: Root) -> Push | None:
    """The push of the version that a server takes; None where that is not known, or is none."""
    return versions.serving(store, root)


def _read(store: Store, root: Root, wanted: slice) -> Models:
    decisions = decision_log.entries(store)
    by_execution = {entry.execution: entry for entry in decisions}
    # Of several pushes of a version the first: the later ones found it served already.
    pushes = list({push.version: push for push in versions.pushes(store, root)}.values())
    served = versions.served(root, pushes)
    withdrawn = decision_log.withdrawn(decision_log.chosen(store))
    pinned = decision_log.pinned(store)
    shown = pushes[wanted]
    made = _makers(store, [*shown, *([served] if served else [])])
    of_gate = _reasons(store, made)

    def row(push: Push) -> ModelRow:
        execution = made.get(push.artifact, 0)
        run, test_bce = _run(store, execution)
        entry = by_execution.get(execution)
        there = (root.serving / str(push.version)).is_dir()
        return ModelRow(
            version=push.version,
            artifact=push.artifact,
            state=State.SERVED if push == served else State.THERE if there else State.GONE,
            run=run,
            pushed=push.when,
            test_bce=test_bce,
            model=push.model,
            how=entry.kind.past if entry else "pushed",
            reason=entry.reason if entry else of_gate.get(execution, ""),
            who=entry.who if entry else "",
            withdrawn=push.model in withdrawn,
            pinned=run in pinned,
        )

    earlier = next(versions.before(pushes, served, withdrawn), None) if served else None
    newest = serving_dir.newest_version(root.serving)
    return Models(
        models=tuple(map(row, shown)),
        decisions=tuple(_decided(entry) for entry in reversed(decisions)),
        total=len(pushes),
        served=row(served) if served else None,
        back_to=earlier.version if earlier else 0,
        unknown=int(newest.name) if newest and not served else 0,
    )


def _makers(store: Store, pushes: list[Push]) -> dict[int, int]:
    """By the pushed model's id, the first execution that wrote it: cached ones came later."""
    wrote = [event for event in store.events_of_artifacts([push.artifact for push in pushes]) if event.wrote]
    return {event.artifact: event.execution for event in sorted(wrote, key=lambda event: -event.execution)}


def _reasons(store: Store, made: Mapping[int, int]) -> dict[int, str]:
    """Why the push gate let models pass, by the execution that pushed them."""
    read = [event for event in store.events_of_executions(sorted(set(made.values()))) if not event.wrote]
    artifacts = store.artifacts_by_id(sorted({event.artifact for event in read}))
    said = {one.id: str(one.properties.get(decision.REASON, "")) for one in artifacts if one.type == PUSH_DECISION}
    return {event.execution: said[event.artifact] for event in read if event.artifact in said}


def _run(store: Store, execution: int) -> tuple[str, float | None]:
    """The run of an execution, and the test loss that it noted."""
    run_id = store.owner(execution).run if execution else ""
    return run_id, headline_of(store.run_properties(run_id)).metrics.get(BCE.run_key) if run_id else None


def _decided(entry: Entry) -> Decided:
    return Decided(entry.kind.past, entry.run_id, entry.when, entry.who, entry.reason, entry.carried_out)
