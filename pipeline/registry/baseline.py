"""What the push gate holds a candidate against: the newest pushed model of the same L1 that was not withdrawn."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Collection, Iterable

from components.evaluation import thresholds
from components.push import serving_dir
from components.push.decision import Baseline, Standing
from pipeline.core.pipeline_root import Root
from pipeline.metadata.properties import METRICS
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact
from pipeline.registry import decision_log, versions
from pipeline.registry.versions import Push


def standing(root: Root, store: Store, model: Artifact, examples: Artifact) -> Standing:
    """How a model stands to what is served, and was pushed before.

    Args:
      root: of the serving folder.
      store: that knows what was pushed.
      model: the candidate.
      examples: what it was measured on; a loss that was measured on the same content is taken as it is.
    """
    l1 = _l1(store, model)
    newest = serving_dir.newest_version(root.serving)
    # Without reading all pushes: a rerun that changes nothing asks no more than this.
    served = versions.serving(store, root)
    same = served is not None and served.model == model.content != ""
    if newest is not None and (same or versions.holds(newest, model)):
        return Standing(model.content, l1, served=int(newest.name))
    pushes = versions.pushes(store, root)
    withdrawn = decision_log.withdrawn(decision_log.chosen(store))
    found = _newest_of(l1, store, pushes, withdrawn | {model.content})
    about = _about_served(store, newest, served, withdrawn)
    if found is None and newest is None:
        return Standing(model.content, l1, note=about)
    if found is None:
        which = "no model of this L1" if l1 is None else f"no other model of L1 {l1:g}"
        return Standing(model.content, l1, note=f"not comparable: {which} was pushed before; {about}")
    push, pushed = found
    run_id = next((store.owner(one).run for one in store.makers(pushed.id)), "")
    bce = _bce(store, pushed, examples)
    place = None if bce is not None else versions.saved_model(root, pushed, pushes)
    baseline = Baseline(push.version, run_id, push.model, bce, "" if place is None else str(place))
    return Standing(
        model.content, l1, baseline=baseline, note="" if push == served else f"the newest of its L1; {about}"
    )


def _newest_of(
    l1: float | None, store: Store, pushes: Iterable[Push], but: Collection[str]
) -> tuple[Push, Artifact] | None:
    """The newest push of a model of this L1 whose digest is not in `but`, and the model."""
    seen = {"", *but}
    for push in pushes:
        if push.model in seen:
            continue
        seen.add(push.model)
        found = versions.of_push(store, push)
        if found and l1 is not None and _l1(store, found[1]) == l1:
            return push, found[1]
    return None


def _about_served(store: Store, newest: pathlib.Path | None, served: Push | None, withdrawn: Collection[str]) -> str:
    """Why what is served is no baseline."""
    if newest is None:
        return "nothing was served"
    name = f"version {newest.name}, which was served,"
    if served is None or not served.model:
        return f"{name} had not been pushed by this pipeline"
    if served.model in withdrawn:
        return f"{name} had been withdrawn"
    found = versions.of_push(store, served)
    l1 = _l1(store, found[1]) if found else None
    return f"{name} has {'none that was noted' if l1 is None else f'L1 {l1:g}'}"


def _l1(store: Store, model: Artifact) -> float | None:
    """The weight of the penalty that a model was trained with; None where that was not noted."""
    for execution in store.makers(model.id):
        key = store.execution(execution).key
        if key is not None and "l1" in key.parts["parameters"]:
            return float(json.loads(key.parts["parameters"]["l1"]))
    return None


def _bce(store: Store, model: Artifact, examples: Artifact) -> float | None:
    """A model's recorded loss on the test split of `examples`; None where there is none."""
    for execution in store.readers(model.id):
        evaluated = store.outputs(execution).get("evaluation")
        if evaluated is None or METRICS not in evaluated.properties:
            continue
        if store.inputs(execution)["examples"].content == examples.content != "":
            return float(json.loads(str(evaluated.properties[METRICS]))["overall"][thresholds.BCE])
    return None
