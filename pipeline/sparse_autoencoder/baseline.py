"""The push gate's baseline: the newest pushed model of the same sparsity, loss and scaling that was not rolled back."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Collection, Iterable

from components import json_text
from components.evaluation import metrics
from components.push import serving_dir
from components.push.decision import Baseline, Standing
from pipeline.core.pipeline_root import Root
from pipeline.metadata.properties import METRICS
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact
from pipeline.registry import decision_log, versions
from pipeline.registry.versions import Push


@dataclasses.dataclass(frozen=True)
class _Terms:
    """The parameters of a Trainer that models must share for their losses to be comparable."""

    sparsity: str  # in words: `L1 0.001`, `topk 8`
    l1: float | None  # weight of the L1 penalty; None with another method
    loss: str
    scaling: str

    def __str__(self) -> str:
        other = [self.loss] * (self.loss != metrics.BCE.name) + [f"scaling {self.scaling}"] * (self.scaling != "auto")
        return ", ".join([self.sparsity, *other])


def standing(root: Root, store: Store, model: Artifact, examples: Artifact) -> Standing:
    """Return whether a model is served, and the baseline to compare it with.

    Args:
      root: with the serving folder.
      store: of the root.
      model: the candidate.
      examples: that the candidate was evaluated on. The baseline's recorded loss is used if it was evaluated on the
        same content.
    """
    terms = _terms(store, model)
    l1 = None if terms is None else terms.l1
    newest = serving_dir.newest_version(root.serving)
    # Does not read all pushes: this is all that a rerun without changes needs.
    served = versions.find_served_push(store, root)
    same = served is not None and served.model == model.content != ""
    if newest is not None and (same or versions.has_bytes_of(newest, model)):
        return Standing(model.content, l1, served=int(newest.name))
    pushes = versions.pushes(store, root)
    rolled_back = decision_log.rolled_back(store)
    found = _newest_of(terms, store, pushes, rolled_back | {model.content})
    about = _about_served(store, newest, served, rolled_back)
    if found is None and newest is None:
        return Standing(model.content, l1, note=about)
    if found is None:
        if terms is None:
            why = "the sparsity of this model was not recorded"
        elif _newest_of(terms, store, pushes, {model.content}) is None:
            why = f"no other model of {terms} was pushed before"
        else:
            why = f"all other pushed models of {terms} were rolled back"
        return Standing(model.content, l1, note=f"not comparable: {why}; {about}")
    push, pushed = found
    run_id = next((store.owner(one).run for one in store.makers(pushed.id)), "")
    assert terms is not None
    loss = _loss(store, pushed, examples, terms.loss)
    place = None if loss is not None else versions.saved_model(root, pushed, pushes)
    baseline = Baseline(push.version, run_id, push.model, loss, "" if place is None else str(place))
    return Standing(
        model.content, l1, baseline=baseline, note="" if push == served else f"the newest of {terms}; {about}"
    )


def _newest_of(
    terms: _Terms | None, store: Store, pushes: Iterable[Push], but: Collection[str]
) -> tuple[Push, Artifact] | None:
    """Return the newest push of a model of these terms whose digest is not in `but`, and the model."""
    seen = {"", *but}
    for push in pushes:
        if push.model in seen:
            continue
        seen.add(push.model)
        found = versions.run_and_model(store, push)
        if found and terms is not None and _terms(store, found[1]) == terms:
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
    terms = _terms(store, found[1]) if found else None
    return f"{name} has {'no recorded sparsity' if terms is None else terms}"


def _terms(store: Store, model: Artifact) -> _Terms | None:
    """Return the terms that a model was trained in; None if they were not recorded."""
    for execution in store.makers(model.id):
        key = store.execution(execution).key
        parameters = {} if key is None else key.parts["parameters"]
        values = {name: json_text.parse(text) for name, text in parameters.items()}
        # Earlier versions had one loss and one scaling.
        loss, scaling = values.get("loss", metrics.BCE.name), values.get("scaling", "auto")
        if "l1" in values:
            l1 = float(values["l1"])
            return _Terms(f"L1 {l1:g}", l1, loss, scaling)
        if "active_units" in values:
            return _Terms(f"{values['sparsity']} {values['active_units']:g}", None, loss, scaling)
    return None


def _loss(store: Store, model: Artifact, examples: Artifact, metric: str) -> float | None:
    """Return a model's recorded loss on the test split of `examples`; None if there is none."""
    for execution in store.readers(model.id):
        evaluated = store.outputs(execution).get("evaluation")
        if evaluated is None or METRICS not in evaluated.properties:
            continue
        if store.inputs(execution)["examples"].content == examples.content != "":
            return float(json_text.parse(str(evaluated.properties[METRICS]))["overall"][metric])
    return None
