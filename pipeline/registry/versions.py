"""Versions in the serving folder, by the pushes and decisions that made them, as ML Metadata holds them."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from components.push import serving_dir
from pipeline.core import file_digests
from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.core.text import is_number
from pipeline.metadata.properties import MODEL_DIGEST, PUSHED_MODEL
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact

_NEWEST = 100  # artifacts; a run makes twelve

MODEL, MODEL_BLESSING = "Model", "ModelBlessing"  # TFX's names of the types


@dataclasses.dataclass(frozen=True)
class Push:
    """That a model became a version of the root's serving folder.

    Attributes:
      version: its number.
      artifact: id of the pushed model in ML Metadata.
      model: digest of the model's content; empty where plain TFX pushed it.
      own: whether the version's folder is the artifact's own place: `sae promote` and `sae rollback` made it.
      when: in UTC.
    """

    version: int
    artifact: int
    model: str
    own: bool
    when: datetime.datetime | None

    def is_of(self, artifact: int, model: str) -> bool:
        """Whether it is the push of this artifact, or of a model with this content."""
        return artifact == self.artifact or (model != "" and model == self.model)


def pushes(store: Store, root: Root) -> list[Push]:
    """All of them, the highest version first; of several of a version, the newest first."""
    found = (_push(one, root, store) for one in store.artifacts_of_type(PUSHED_MODEL))
    return sorted(filter(None, found), key=lambda push: (push.version, push.artifact), reverse=True)


def _push(artifact: Artifact, root: Root, store: Store) -> Push | None:
    folder = f"{root.serving}/"
    destination = store.current_path(str(artifact.properties.get(serving_dir.PUSHED_DESTINATION, "")))
    version = destination[len(folder) :] if destination.startswith(folder) else ""
    if not artifact.properties.get(serving_dir.PUSHED) or not is_number(version) or artifact.state == "PENDING":
        return None
    model = str(artifact.properties.get(MODEL_DIGEST, ""))
    return Push(int(version), artifact.id, model, artifact.uri == destination, artifact.created)


def served(root: Root, known: Collection[Push]) -> Push | None:
    """The push of the version that a server takes, the highest there is; None where that is not known, or is none."""
    newest = serving_dir.newest_version(root.serving)
    number = -1 if newest is None else int(newest.name)
    return next((push for push in known if push.version == number), None)


def serving(store: Store, root: Root) -> Push | None:
    """The same, mostly without reading all pushes: the served one is among the newest artifacts."""
    newest = serving_dir.newest_version(root.serving)
    if newest is None:
        return None
    for artifact in store.newest_artifacts(_NEWEST):
        push = _push(artifact, root, store) if artifact.type == PUSHED_MODEL else None
        if push is not None and push.version == int(newest.name):
            return push
    return served(root, pushes(store, root))


def before(known: Collection[Push], present: Push | None, withdrawn: Collection[str]) -> Iterator[Push]:
    """The pushes that a rollback would go back to, the newest first: one for each model that was not withdrawn.

    Args:
      known: all pushes, the highest version first.
      present: the one that is served.
      withdrawn: digests of the models that were.
    """
    seen = {present.model} if present else set()
    for push in known:
        if (present is None or push.version < present.version) and push.model not in {*seen, *withdrawn}:
            seen.add(push.model)
            yield push


def of_push(store: Store, push: Push) -> tuple[str, Artifact] | None:
    """The run and the model of a push; None where ML Metadata does not say."""
    for execution in store.makers(push.artifact):
        model = store.inputs(execution).get("model")
        if model is not None:
            return store.owner(execution).run, model
    return None


def saved_model(root: Root, model: Artifact, known: Iterable[Push]) -> pathlib.Path | None:
    """A folder that holds a model's SavedModel as it was published: its artifact's, or a version's; None: nowhere."""
    folder = pathlib.Path(model.uri)
    if model.live and not file_digests.damage(folder, model.files or {}, all_bytes=True):
        return folder / serving_dir.MODEL
    for push in known:
        version = root.serving / str(push.version)
        if push.model == model.content and version.is_dir() and holds(version, model):
            return version
    return None


def held_back(root: Root) -> frozenset[str]:
    """Digests of the models that no run pushes by itself. Raises `UnavailableError` where the list is damaged."""
    try:
        return serving_dir.held_back(root.serving)
    except ValueError as error:
        raise UnavailableError(f"{error}; `sae promote` and `sae rollback` write it anew from ML Metadata") from error


def holds(folder: pathlib.Path, model: Artifact) -> bool:
    """Whether a folder holds the bytes that a model was published with; the artifact itself may be gone by now."""
    if model.files is None:
        return serving_dir.same_files(pathlib.Path(model.uri) / serving_dir.MODEL, folder)
    return any(file_digests.is_as(folder, files) for files in served_files(model))


def served_files(model: Artifact) -> list[file_digests.Files]:
    """Files of a model in a version that was made from it, as they are now and as they were before it was restored."""
    place = f"{serving_dir.MODEL}/"
    return [
        {name[len(place) :]: one for name, one in files.items() if name.startswith(place)}
        for files in model.files_over_time
    ]


def why_not_pushed(properties: Mapping[str, object]) -> str:
    """Why a Pusher pushed nothing, from the properties of its output."""
    if properties.get(serving_dir.HELD_BACK):
        return "the model is held back: somebody replaced it (`sae models`)"
    # Roots of an earlier version have no other reason.
    return str(properties.get(serving_dir.NOT_PUSHED, "the model is not blessed"))


def output_of_type(store: Store, run_id: str, type_name: str) -> Artifact | None:
    """The artifact of this type that a run made or reused; None where there is none."""
    outputs = (output for one in store.executions(run_id).values() for output in store.outputs(one.id).values())
    return next((output for output in outputs if output.type == type_name), None)
