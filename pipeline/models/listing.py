"""`sae models`: every version that was pushed, with run, metric and digest of its model, and the decisions."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping

import ml_metadata as mlmd

from components import push_decision
from pipeline import headline, metadata
from pipeline.models import history, versions
from pipeline.models.history import Entry
from pipeline.models.versions import Push
from pipeline.root import Root

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
    state: State
    run: str
    pushed: datetime.datetime
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
    when: datetime.datetime
    who: str
    reason: str
    carried_out: bool


@dataclasses.dataclass(frozen=True)
class Models:
    """Versions, the highest first; decisions, the newest first."""

    models: tuple[ModelRow, ...]
    decisions: tuple[Decided, ...]


def read(root: Root) -> Models:
    """Reads a root. Raises `NotFoundError` where there is none, `UnavailableError` where its store does not open."""
    store = metadata.open_store(root, read_only=True)
    return store.ask(lambda client: _read(client, root))


def _read(client: mlmd.MetadataStore, root: Root) -> Models:
    decisions = history.entries(client)
    by_execution = {entry.execution: entry for entry in decisions}
    # Of several pushes of a version the first: the later ones found it served already.
    pushes = list({push.version: push for push in versions.pushes(client, root)}.values())
    served = versions.served(root, pushes)
    withdrawn = history.withdrawn(history.chosen(client))
    pinned = history.pinned(client)
    made = _makers(client, pushes)
    runs = {push.artifact: _run(client, made[push.artifact]) for push in pushes if push.artifact in made}
    losses = _losses(client)
    of_gate = _reasons(client, made)

    def row(push: Push) -> ModelRow:
        run = runs.get(push.artifact, "")
        entry = by_execution.get(made.get(push.artifact, 0))
        there = (root.serving / str(push.version)).is_dir()
        return ModelRow(
            version=push.version,
            state=State.SERVED if push == served else State.THERE if there else State.GONE,
            run=run,
            pushed=metadata.moment(push.when),
            test_bce=losses.get(run),
            model=push.model,
            how=entry.kind.past if entry else "pushed",
            reason=entry.reason if entry else of_gate.get(made.get(push.artifact, 0), ""),
            who=entry.who if entry else "",
            withdrawn=push.model in withdrawn,
            pinned=run in pinned,
        )

    return Models(tuple(map(row, pushes)), tuple(_decided(entry) for entry in reversed(decisions)))


def _makers(client: mlmd.MetadataStore, pushes: list[Push]) -> dict[int, int]:
    """By the pushed model's id, the first execution that wrote it: cached ones came later."""
    events = client.get_events_by_artifact_ids([push.artifact for push in pushes]) if pushes else []
    wrote = [event for event in events if event.type in metadata.OUTPUT_EVENTS]
    return {one.artifact_id: one.execution_id for one in sorted(wrote, key=lambda one: -int(one.execution_id))}


def _reasons(client: mlmd.MetadataStore, made: Mapping[int, int]) -> dict[int, str]:
    """Why the push gate let models pass, by the execution that pushed them."""
    events = client.get_events_by_execution_ids(list(made.values())) if made else []
    read = {one.artifact_id: one.execution_id for one in events if one.type in metadata.INPUT_EVENTS}
    return {
        read[artifact.id]: artifact.custom_properties[push_decision.REASON].string_value
        for artifact in (client.get_artifacts_by_id(list(read)) if read else [])
        if artifact.type == PUSH_DECISION
    }


def _run(client: mlmd.MetadataStore, execution: int) -> str:
    contexts = client.get_contexts_by_execution(execution)
    return next((str(one.name) for one in contexts if one.type == metadata.PIPELINE_RUN), "")


def _losses(client: mlmd.MetadataStore) -> dict[str, float | None]:
    """The test loss of each run, as it noted it."""
    return {
        str(context.name): headline.from_properties(
            {name: metadata.value_of(value) for name, value in context.custom_properties.items()}
        ).test_bce
        for context in client.get_contexts_by_type(metadata.PIPELINE_RUN)
    }


def _decided(entry: Entry) -> Decided:
    when = metadata.moment(entry.when)
    return Decided(entry.kind.past, entry.run_id, when, entry.who, entry.reason, entry.carried_out)
