"""The models of a store of any TFX pipeline: which were blessed and pushed, by which runs.

A verdict and a push are properties of artifacts that an execution wrote which had read the model.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping

from components import int64
from components.push import serving_dir
from pipeline.metadata.properties import PUSHED_MODEL
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact
from pipeline.registry.versions import MODEL, MODEL_BLESSING

_BLESSED, _ABOUT = "blessed", "current_model_id"  # properties that TFX's Evaluator sets
_BASELINE = "baseline"  # input keys of models that others are compared with start with it


@dataclasses.dataclass(frozen=True)
class PushedTo:
    """A push of a model.

    Attributes:
      artifact: id of the pushed model in ML Metadata.
      run: the run that pushed it.
      version: empty if it is not recorded.
      destination: path or URL; empty if it is not recorded.
    """

    artifact: int
    run: str
    when: datetime.datetime | None
    version: str
    destination: str


@dataclasses.dataclass(frozen=True)
class ModelState:
    """A model.

    Attributes:
      artifact: id of the model in ML Metadata.
      run, node: the run and node that made it; empty if no execution did.
      created: when it was published; UTC.
      blessed: the newest verdict; None if there is none.
      blessed_in: the run with that verdict; empty if there is none.
      pushed: its pushes, newest first.
      not_pushed: whether a Pusher read it and pushed nothing, and none pushed it.
      uri: as recorded.
    """

    artifact: int
    run: str
    node: str
    created: datetime.datetime | None
    blessed: bool | None
    blessed_in: str
    pushed: tuple[PushedTo, ...]
    not_pushed: bool
    uri: str


@dataclasses.dataclass(frozen=True)
class ModelStates:
    """Models, newest first. `total`: the number of all of them."""

    models: tuple[ModelState, ...]
    total: int


def list_states(store: Store, start: int = 0, limit: int | None = None) -> ModelStates:
    """List the models that came to be.

    Args:
      store: of any TFX pipeline.
      start: number of models to skip.
      limit: maximum number of models; None: all.
    """
    found = [one for one in store.artifacts_of_type(MODEL) if one.published]
    makers = store.making_executions(found)
    complete = [one for one in found if one.id not in makers or makers[one.id].is_complete]
    complete.sort(key=lambda one: one.id, reverse=True)
    listed = complete[start : None if limit is None else start + limit]
    about = _about(store, listed)
    owners = store.makers_of(listed)
    states = []
    for model in listed:
        owner = owners[model.id].owner if model.id in owners else None
        verdicts = [one for one in about.get(model.id, ()) if one.type == MODEL_BLESSING and _BLESSED in one.properties]
        pushes = [one for one in about.get(model.id, ()) if one.type == PUSHED_MODEL]
        runs = {maker: made.owner.run for maker, made in store.makers_of([*verdicts[:1], *pushes]).items()}
        pushed = tuple(_push(one, runs.get(one.id, "")) for one in pushes if one.properties.get(serving_dir.PUSHED))
        states.append(
            ModelState(
                artifact=model.id,
                run=owner.run if owner else "",
                node=owner.node if owner else "",
                created=model.created,
                blessed=_is_set(verdicts[0], _BLESSED) if verdicts else None,
                blessed_in=runs.get(verdicts[0].id, "") if verdicts else "",
                pushed=pushed,
                not_pushed=bool(pushes) and not pushed,
                uri=model.uri,
            )
        )
    return ModelStates(tuple(states), len(complete))


def _about(store: Store, models: Iterable[Artifact]) -> Mapping[int, list[Artifact]]:
    """Return what executions wrote that had read each model, newest first, by the model."""
    events = store.events_of_artifacts([model.id for model in models])
    read = [one for one in events if not one.wrote and not one.key.startswith(_BASELINE)]
    written: dict[int, set[int]] = {}
    for event in store.events_of_executions({one.execution for one in read}):
        if event.wrote:
            written.setdefault(event.execution, set()).add(event.artifact)
    outputs = {one.id: one for one in store.artifacts_by_id({number for made in written.values() for number in made})}
    found: dict[int, set[int]] = {}
    for event in read:
        for number in written.get(event.execution, ()):
            if number in outputs and outputs[number].published and _is_about(outputs[number], event.artifact):
                found.setdefault(event.artifact, set()).add(number)
    return {model: [outputs[number] for number in sorted(made, reverse=True)] for model, made in found.items()}


def _is_about(output: Artifact, model: int) -> bool:
    """Return whether an output is about a model; a blessing names it if its execution read several."""
    named = int64.parsed(str(output.properties.get(_ABOUT, "")))
    return named in (None, 0, model)


def _is_set(artifact: Artifact, name: str) -> bool:
    return str(artifact.properties[name]).lower() not in ("0", "0.0", "false", "")


def _push(pushed: Artifact, run: str) -> PushedTo:
    version = str(pushed.properties.get(serving_dir.PUSHED_VERSION, ""))
    return PushedTo(
        pushed.id, run, pushed.created, version, str(pushed.properties.get(serving_dir.PUSHED_DESTINATION, ""))
    )
