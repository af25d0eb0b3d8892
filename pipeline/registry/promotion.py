"""`sae promote` and `sae rollback`: a model that somebody chose becomes the highest version.

The decision is in ML Metadata before anything else happens, and ends there as the last thing. What a kill cut off is
carried out by the next decision, or called off where another model was pushed in between.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

from components.push import serving_dir
from pipeline.core import file_digests
from pipeline.core.errors import ExitCode, NotFoundError, SaeError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import references
from pipeline.metadata.properties import MODEL_DIGEST
from pipeline.metadata.run_properties import Scalar
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import Artifact, restore_hint
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import decision_log, versions
from pipeline.registry.decision_log import Entry, Kind
from pipeline.registry.pins import check_reason
from pipeline.registry.versions import Push


class NotBlessedError(SaeError):
    """The model did not pass its gate."""

    exit_code = ExitCode.GATE_FAILED


@dataclasses.dataclass(frozen=True)
class Chosen:
    """What is served now.

    Attributes:
      run_id: the run whose model it is.
      version: its number.
      replaced_version: the one that was served until now; 0 where none was.
    """

    run_id: str
    version: int
    replaced_version: int


def promote(root: Root, wanted: str, reason: str, tell: Callable[[str], None]) -> Chosen:
    """Serves the model of a run, also one that was withdrawn.

    Args:
      root: of the run.
      wanted: a run id, the beginning of one, or `latest`.
      reason: recorded with the decision.
      tell: is told what became of a decision that a kill had cut off.

    Raises:
      NotFoundError: no such run, it has no model, or its bytes are gone.
      NotBlessedError: the model was not blessed.
      UsageError: it is served already, or no reason is given.
      LockedError: a run holds the root.
      UnavailableError: the model has no digest: plain TFX made it.
    """
    check_reason(reason)
    open_store(root, read_only=True)
    with root.lock():
        store = _open(root, tell)
        run_id = references.find_run(wanted, store.run_ids())
        model = _blessed_model(store, run_id)
        present = versions.served(root, _pushes(store, root))
        if model.content and present and present.model == model.content:
            raise UsageError(f"the model of run {run_id} is served already, as version {present.version}")
        return _decide(root, store, Kind.PROMOTE, run_id, model, present, reason)


def rollback(root: Root, reason: str, tell: Callable[[str], None]) -> Chosen:
    """Withdraws the model that is served, and serves the one before it.

    Raises:
      NotFoundError: nothing is served, nothing was before it, or its bytes are gone.
      UsageError: no reason is given.
      LockedError: a run holds the root.
      UnavailableError: one of the models has no digest: plain TFX pushed it.
    """
    check_reason(reason)
    open_store(root, read_only=True)
    with root.lock():
        store = _open(root, tell)
        pushes = _pushes(store, root)
        present = versions.served(root, pushes)
        if present is None:
            raise NotFoundError(f"no version in {root.serving} was pushed from here: there is nothing to roll back")
        withdrawn = decision_log.withdrawn(decision_log.chosen(store))
        earlier = next(versions.before(pushes, present, withdrawn), None)
        if earlier is None:
            raise NotFoundError(
                f"version {present.version} is served, and no model before it was not withdrawn: `sae promote RUN` "
                "serves the one of a run"
            )
        run_id, model = _of_push(store, earlier)
        return _decide(root, store, Kind.ROLLBACK, run_id, model, present, reason)


def _open(root: Root, tell: Callable[[str], None]) -> Store:
    """The store, in which no decision is half carried out any more."""
    store = open_store(root)
    for entry in decision_log.chosen(store):
        if entry.open:
            tell(_finish(root, store, entry))
    return store


def _pushes(store: Store, root: Root) -> list[Push]:
    return versions.pushes(store, root)


def _blessed_model(store: Store, run_id: str) -> Artifact:
    model = versions.output_of_type(store, run_id, versions.MODEL)
    blessing = versions.output_of_type(store, run_id, versions.MODEL_BLESSING)
    if model is None:
        raise NotFoundError(f"run {run_id} has no model: no node of it made one")
    if blessing is None or blessing.properties.get("blessed") != 1:
        why = "was not judged" if blessing is None else "was not blessed"
        raise NotBlessedError(f"the model of run {run_id} {why}: only one that passed its gate is served")
    return model


def _of_push(store: Store, push: Push) -> tuple[str, Artifact]:
    """The run and the model of a push."""
    found = versions.of_push(store, push)
    if found is None:
        raise UnavailableError(
            f"ML Metadata does not say which model version {push.version} is: `sae promote RUN` does"
        )
    return found


def _decide(
    root: Root, store: Store, kind: Kind, run_id: str, model: Artifact, present: Push | None, reason: str
) -> Chosen:
    if not model.content or (present and not present.model):
        raise UnavailableError(
            f"the model of run {run_id}, or the one that is served, was published without a digest by plain TFX: "
            "`sae run` makes one that can be chosen"
        )
    source = _bytes(root, model, _pushes(store, root))
    newest = serving_dir.newest_version(root.serving)
    notes: dict[str, Scalar] = {
        decision_log.RUN: run_id,
        decision_log.REASON: reason.strip(),
        decision_log.WHO: decision_log.who(),
        decision_log.MODEL: model.content,
        decision_log.REPLACED: present.model if present else "",
        decision_log.REPLACED_VERSION: int(newest.name) if newest else 0,
    }
    inputs = {"model": model.id, **({"replaced": present.artifact} if present else {})}
    execution = MetadataWriter(root).record_decision(kind.value, run_id, notes, inputs, ended=False)
    version = _carry_out(root, store, execution, model, source)
    return Chosen(run_id, version, present.version if present else 0)


def _carry_out(root: Root, store: Store, execution: int, model: Artifact, source: pathlib.Path) -> int:
    """Serves a model and ends the decision to do so; doing it twice is doing it once. Returns the version."""
    root.serving.mkdir(exist_ok=True)
    serving_dir.hold_back(root.serving, decision_log.held_back(decision_log.chosen(store)))
    folder = serving_dir.push(source, root.serving)
    notes: dict[str, Scalar] = {
        serving_dir.PUSHED: 1, serving_dir.PUSHED_DESTINATION: str(folder),
        serving_dir.PUSHED_VERSION: folder.name, MODEL_DIGEST: model.content,
    }  # fmt: skip
    MetadataWriter(root).complete_decision(execution, folder, notes)
    return int(folder.name)


def _finish(root: Root, store: Store, entry: Entry) -> str:
    """Carries out, or calls off, what a kill cut off; says which."""
    model = store.inputs(entry.execution)["model"]
    what = f"run {entry.run_id}, {entry.kind.past} for {entry.reason!r}"
    newest = serving_dir.newest_version(root.serving)
    is_its_own = newest is not None and versions.holds(newest, model)
    if newest is not None and int(newest.name) > entry.replaced_version and not is_its_own:
        MetadataWriter(root).cancel_decision(entry.execution, "another model was pushed since")
        serving_dir.hold_back(root.serving, decision_log.held_back(decision_log.chosen(store)))
        return f"a decision that was cut off was called off, as another model was pushed since: {what}"
    source = newest if newest is not None and is_its_own else _bytes(root, model, _pushes(store, root))
    version = _carry_out(root, store, entry.execution, model, source)
    return f"a decision that was cut off was carried out: {what} (version {version})"


def _bytes(root: Root, model: Artifact, pushes: Sequence[Push]) -> pathlib.Path:
    """Where the bytes of a model lie. Raises `NotFoundError`: nowhere."""
    if (place := versions.saved_model(root, model, pushes)) is not None:
        return place
    damage = file_digests.damage(pathlib.Path(model.uri), model.files or {}, all_bytes=True)
    why = model.deleted or damage or "it is out of use"
    raise NotFoundError(f"the bytes of model {model.id} are gone ({why}): {restore_hint(model.id)}")
