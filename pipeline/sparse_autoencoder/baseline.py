"""The push gate's baseline: the newest pushed model of the same L1 that was not rolled back."""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Iterable

from components import json_text
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
    """Return whether a model is served, and the baseline to compare it with.

    Args:
      root: with the serving folder.
      store: of the root.
      model: the candidate.
      examples: that the candidate was evaluated on. The baseline's recorded loss is used if it was evaluated on the
        same content.
    """
    l1 = _l1(store, model)
    newest = serving_dir.newest_version(root.serving)
    # Does not read all pushes: this is all that a rerun without changes needs.
    served = versions.find_served_push(store, root)
    same = served is not None and served.model == model.content != ""
    if newest is not None and (same or versions.has_bytes_of(newest, model)):
        return Standing(model.content, l1, served=int(newest.name))
    pushes = versions.pushes(store, root)
    rolled_back = decision_log.rolled_back(store)
    found = _newest_of(l1, store, pushes, rolled_back | {model.content})
    about = _about_served(store, newest, served, rolled_back)
    if found is None and newest is None:
        return Standing(model.content, l1, note=about)
    if found is None:
        if l1 is None:
            why = "the L1 of this model was not recorded"
        elif _newest_of(l1, store, pushes, {model.content}) is None:
            why = f"no other model of L1 {l1:g} was pushed before"
        else:
            why = f"all other pushed models of L1 {l1:g} were rolled back"
        return Standing(model.content, l1, note=f"not comparable: {why}; {about}")
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
    """Return the newest push of a model of this L1 whose digest is not in `but`, and the model."""
    seen = {"", *but}
    for push in pushes:
        if push.model in seen:
            continue
        seen.add(push.model)
        found = versions.run_and_model(store, push)
        if found and l1 is not None and _l1(store, found[1]) == l1:
            return push, found[1]
    return None


def _about_served(store: Store, newest: pathlib.Path | None, served: Push | None, rolled_back: Collection[str]) -> str:
    """Return why the served version is not the baseline."""
    if newest is None:
        return "nothing was served"
    name = f"version {newest.name}, which was served,"
    if served is None or not served.model:
        return f"{name} had not been pushed by this pipeline"
    if served.model in rolled_back:
        return f"{name} had been rolled back"
    found = versions.run_and_model(store, served)
    l1 = _l1(store, found[1]) if found else None
    return f"{name} has {'no recorded L1' if l1 is None else f'L1 {l1:g}'}"


def _l1(store: Store, model: Artifact) -> float | None:
    """Return the L1 weight that a model was trained with; None if it was not recorded."""
    for execution in store.makers(model.id):
        key = store.execution(execution).key
        if key is not None and "l1" in key.parts["parameters"]:
            return float(json_text.parse(key.parts["parameters"]["l1"]))
    return None


def _bce(store: Store, model: Artifact, examples: Artifact) -> float | None:
    """Return a model's recorded loss on the test split of `examples`; None if there is none."""
    for execution in store.readers(model.id):
        evaluated = store.outputs(execution).get("evaluation")
        if evaluated is None or METRICS not in evaluated.properties:
            continue
        if store.inputs(execution)["examples"].content == examples.content != "":
            return float(json_text.parse(str(evaluated.properties[METRICS]))["overall"][thresholds.BCE])
    return None
