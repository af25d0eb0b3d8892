"""`sae promote` and `sae rollback`: a chosen model becomes the highest version.

A decision is recorded in ML Metadata before anything else happens, and completed last. If the process is killed in
between, the next decision first carries it out, or cancels it if that is impossible: another model was pushed since, or
the files of its model are missing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence

from components.push import serving_dir
from pipeline.core import file_digests
from pipeline.core.errors import ExitCode, NotFoundError, SaeError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.metadata import properties
from pipeline.metadata.run_properties import Scalar
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import Artifact, restore_hint
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import decision_log, journal, superseded, versions
from pipeline.registry.decision_log import DecisionRecord, DecisionType
from pipeline.registry.versions import Push


class NotBlessedError(SaeError):
    """The model is not blessed."""

    exit_code = ExitCode.GATE_FAILED


@dataclasses.dataclass(frozen=True)
class ServingChange:
    """The newly served version.

    Attributes:
      run_id: the run that made its model.
      replaced_version: the version served until now; 0 if none was.
    """

    run_id: str
    version: int
    replaced_version: int


def promote(root: Root, wanted: str, reason: str, note: Callable[[str], None]) -> ServingChange:
    """Serve the model of a run, also one that was rolled back.

    Args:
      root: of the run.
      wanted: a run id, its unique beginning, or `latest`.
      reason: recorded with the decision.
      note: called with the outcome of each decision that a kill had interrupted.

    Raises:
      NotFoundError: there is no such run, it has no model, or the model's files are missing.
      NotBlessedError: the model is not blessed.
      UsageError: it is served already, or the reason is empty.
      LockedError: a run is in progress.
      UnavailableError: the model has no content digest: plain TFX made it.
    """
    with _locked(root, reason, note) as store:
        run_id = store.find_run(wanted)
        model = _blessed_model(store, run_id)
        served = versions.served_push(root, versions.pushes(store, root))
        if model.content and served and served.model == model.content:
            raise UsageError(f"the model of run {run_id} is served already, as version {served.version}")
        return _decide(root, store, DecisionType.PROMOTE, run_id, model, served, reason)


def rollback(root: Root, reason: str, note: Callable[[str], None]) -> ServingChange:
    """Stop serving the current model, and serve the previous one.

    Raises:
      NotFoundError: no model is served, there is no previous one, or its files are missing.
      UsageError: the reason is empty.
      LockedError: a run is in progress.
      UnavailableError: one of the models has no content digest: plain TFX pushed it.
    """
    with _locked(root, reason, note) as store:
        pushes = versions.pushes(store, root)
        served = versions.served_push(root, pushes)
        if served is None:
            raise NotFoundError(f"nothing to roll back: no version in {root.serving} was pushed by a run of this root")
        rolled_back = decision_log.rolled_back(store)
        earlier = next(versions.rollback_targets(pushes, served, rolled_back), None)
        if earlier is None:
            raise NotFoundError(
                f"no model to roll back to: version {served.version} is served, and every earlier version has the same "
                "model or one that was rolled back; serve the model of a run with `sae promote RUN --reason TEXT`"
            )
        found = versions.run_and_model(store, earlier)
        if found is None:
            raise UnavailableError(
                f"ML Metadata does not contain the model of version {earlier.version}: serve the model of a run with "
                "`sae promote RUN --reason TEXT`"
            )
        return _decide(root, store, DecisionType.ROLLBACK, *found, served, reason)


@contextlib.contextmanager
def _locked(root: Root, reason: str, note: Callable[[str], None]) -> Iterator[Store]:
    """Check the reason, lock a root, carry out or cancel interrupted decisions, and yield its store."""
    decision_log.common_properties("", reason)
    open_store(root, read_only=True)
    with journal.locked(root) as store:
        superseded.rebuild(root, store)
        for record in decision_log.open_decisions(store):
            note(_finish(root, store, record))
        yield store


def _blessed_model(store: Store, run_id: str) -> Artifact:
    model = versions.output_of_type(store, run_id, versions.MODEL)
    blessing = versions.output_of_type(store, run_id, versions.MODEL_BLESSING)
    if model is None:
        raise NotFoundError(f"run {run_id} has no model: none of its nodes made one")
    if blessing is None or blessing.properties.get("blessed") != 1:
        why = "was not evaluated" if blessing is None else "is not blessed"
        raise NotBlessedError(
            f"the model of run {run_id} {why}: only blessed models can be served; `sae show {run_id}` shows why"
        )
    return model


def _decide(
    root: Root, store: Store, kind: DecisionType, run_id: str, model: Artifact, served: Push | None, reason: str
) -> ServingChange:
    if not model.content or (served and not served.model):
        raise UnavailableError(
            f"the model of run {run_id}, or the served one, was published without a digest by plain TFX: make one with "
            "`sae run`"
        )
    source = _model_folder(root, model, versions.pushes(store, root))
    newest = serving_dir.newest_version(root.serving)
    recorded: dict[str, Scalar] = {
        **decision_log.common_properties(run_id, reason),
        properties.CHOSEN_MODEL: model.content,
        properties.REPLACED_MODEL: served.model if served else "",
        properties.REPLACED_VERSION: int(newest.name) if newest else 0,
    }
    inputs = {"model": model.id, **({"replaced": served.artifact} if served else {})}
    execution = MetadataWriter(root).record_decision(kind.value, run_id, recorded, inputs, ended=False)
    version = _carry_out(root, store, execution, model, source)
    return ServingChange(run_id, version, served.version if served else 0)


def _carry_out(root: Root, store: Store, execution: int, model: Artifact, source: pathlib.Path) -> int:
    """Serve a model, complete the decision, and return the version; idempotent."""
    root.serving.mkdir(exist_ok=True)
    superseded.rebuild(root, store)
    folder = serving_dir.push(source, root.serving)
    recorded: dict[str, Scalar] = {
        serving_dir.PUSHED: 1, serving_dir.PUSHED_DESTINATION: str(folder),
        serving_dir.PUSHED_VERSION: folder.name, properties.MODEL_DIGEST: model.content,
    }  # fmt: skip
    MetadataWriter(root).complete_decision(execution, folder, recorded)
    journal.record(root, store)
    return int(folder.name)


def _finish(root: Root, store: Store, record: DecisionRecord) -> str:
    """Carry out or cancel an interrupted decision; return what was done."""
    try:
        version = _carry_out(root, store, record.execution, *_model_to_serve(root, store, record))
    except NotFoundError as error:
        MetadataWriter(root).cancel_decision(record.execution, str(error))
        journal.record(root, store)
        superseded.rebuild(root, store)
        return f"cancelled an interrupted decision, because {error}: {record}"
    return f"carried out an interrupted decision: {record} (version {version})"


def _model_to_serve(root: Root, store: Store, record: DecisionRecord) -> tuple[Artifact, pathlib.Path]:
    """Return the model of an open decision, and a folder with its SavedModel.

    Raises:
      NotFoundError: the decision cannot be carried out.
    """
    model = store.inputs(record.execution).get("model")
    if model is None:
        raise NotFoundError("ML Metadata does not contain its model")
    newest = serving_dir.newest_version(root.serving)
    if newest is not None and versions.has_bytes_of(newest, model):
        return model, newest
    if newest is not None and int(newest.name) > record.replaced_version:
        raise NotFoundError("another model was pushed since")
    return model, _model_folder(root, model, versions.pushes(store, root))


def _model_folder(root: Root, model: Artifact, pushes: Sequence[Push]) -> pathlib.Path:
    """Return a folder with the SavedModel of a model. Raises `NotFoundError`."""
    if (folder := versions.saved_model(root, model, pushes)) is not None:
        return folder
    damage = file_digests.damage(pathlib.Path(model.uri), model.files or {}, all_bytes=True)
    why = model.deleted or damage or "it is out of use"
    raise NotFoundError(f"the files of model {model.id} are missing ({why}): {restore_hint(model.id)}")
