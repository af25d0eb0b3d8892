"""Versions in the serving folder, and the pushes recorded in ML Metadata that made them."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from components import int64
from components.push import serving_dir
from pipeline.core import file_digests
from pipeline.core.pipeline_root import Root
from pipeline.metadata.properties import MODEL_DIGEST, PUSHED_MODEL
from pipeline.metadata.store import Store
from pipeline.metadata.types import Artifact

_NEWEST = 100  # artifacts; several runs

MODEL, MODEL_BLESSING = "Model", "ModelBlessing"  # type names of TFX


@dataclasses.dataclass(frozen=True)
class Push:
    """A push of a model to the root's serving folder.

    Attributes:
      artifact: id of the pushed model in ML Metadata.
      model: content digest of the model; empty if plain TFX pushed it.
      own: whether the artifact's URI is the version's folder, as after `sae promote` and `sae rollback`.
      when: in UTC.
    """

    version: int
    artifact: int
    model: str
    own: bool
    when: datetime.datetime | None

    def is_of(self, artifact: int, model: str) -> bool:
        """Return whether this pushed the artifact, or a model with this content digest."""
        return artifact == self.artifact or (model != "" and model == self.model)


def pushes(store: Store, root: Root) -> list[Push]:
    """Return all pushes, highest version first; for several pushes of a version, newest first."""
    found = (push_of(one, root, store) for one in store.artifacts_of_type(PUSHED_MODEL))
    return sorted(filter(None, found), key=lambda push: (push.version, push.artifact), reverse=True)


def push_of(artifact: Artifact, root: Root, store: Store) -> Push | None:
    """Return the push that a pushed model records; None if it was not pushed to the serving folder of this root."""
    folder = f"{root.serving}/"
    destination = store.current_path(str(artifact.properties.get(serving_dir.PUSHED_DESTINATION, "")))
    version = destination[len(folder) :] if destination.startswith(folder) else ""
    number = int64.parsed(version)
    if not artifact.properties.get(serving_dir.PUSHED) or number is None or artifact.state == "PENDING":
        return None
    model = str(artifact.properties.get(MODEL_DIGEST, ""))
    return Push(number, artifact.id, model, artifact.uri == destination, artifact.created)


def served_push(root: Root, known: Collection[Push]) -> Push | None:
    """Return the push of the served version, the highest; None if there is none, or its push is not in `known`."""
    newest = serving_dir.newest_version(root.serving)
    number = -1 if newest is None else int(newest.name)
    return next((push for push in known if push.version == number), None)


def unknown_version(root: Root, known: Collection[Push]) -> pathlib.Path | None:
    """Return the folder of the served version if its push is not in `known`; else None."""
    return None if served_push(root, known) else serving_dir.newest_version(root.serving)


def find_served_push(store: Store, root: Root) -> Push | None:
    """Return the push of the served version as `served_push` does; look among the newest artifacts first."""
    newest = serving_dir.newest_version(root.serving)
    if newest is None:
        return None
    for artifact in store.newest_artifacts(_NEWEST):
        push = push_of(artifact, root, store) if artifact.type == PUSHED_MODEL else None
        if push is not None and push.version == int(newest.name):
            return push
    return served_push(root, pushes(store, root))


def rollback_targets(known: Collection[Push], served: Push | None, rolled_back: Collection[str]) -> Iterator[Push]:
    """Yield the newest push of each model that a rollback could serve, newest first.

    Args:
      known: all pushes, highest version first.
      served: the push of the served version.
      rolled_back: content digests of models that were rolled back.
    """
    seen = {served.model} if served else set()
    for push in known:
        if (served is None or push.version < served.version) and push.model not in {*seen, *rolled_back}:
            seen.add(push.model)
            yield push


def run_and_model(store: Store, push: Push) -> tuple[str, Artifact] | None:
    """Return the run and the model of a push; None if ML Metadata does not contain them."""
    for execution in store.makers(push.artifact):
        model = store.inputs(execution).get("model")
        if model is not None:
            return store.owner(execution).run, model
    return None


def saved_model(root: Root, model: Artifact, known: Iterable[Push]) -> pathlib.Path | None:
    """Return a folder with the undamaged SavedModel of a model: of its artifact, or else of a version."""
    folder = pathlib.Path(model.uri)
    if model.live and not file_digests.damage(folder, model.files or {}, all_bytes=True):
        return folder / serving_dir.MODEL
    for push in known:
        version = root.serving / str(push.version)
        if push.model == model.content and version.is_dir() and has_bytes_of(version, model):
            return version
    return None


def has_bytes_of(folder: pathlib.Path, model: Artifact) -> bool:
    """Return whether a folder has the bytes of a model as it was published; the artifact itself may be deleted."""
    if model.files is None:
        return serving_dir.same_files(pathlib.Path(model.uri) / serving_dir.MODEL, folder)
    found = file_digests.of_folder(folder)
    return any(found == {name: state.digest for name, state in files.items()} for files in served_files(model))


def served_files(model: Artifact) -> list[file_digests.Files]:
    """Return a model's files by their names in a version: as they are now, and as they were before it was restored."""
    place = f"{serving_dir.MODEL}/"
    return [
        {name[len(place) :]: one for name, one in files.items() if name.startswith(place)}
        for files in model.files_over_time
    ]


def why_not_pushed(properties: Mapping[str, object]) -> str:
    """Return why a Pusher pushed nothing, from the properties of its output."""
    if properties.get(serving_dir.SUPERSEDED):
        return "the model was superseded or rolled back (`sae models` lists who decided it and why)"
    # Earlier versions of `sae` recorded no other reason.
    return str(properties.get(serving_dir.NOT_PUSHED, "the model is not blessed"))


def output_of_type(store: Store, run_id: str, type_name: str) -> Artifact | None:
    """Return the artifact of this type that a run made or reused; None if there is none."""
    return next((output for output in store.outputs_of_run(run_id).values() if output.type == type_name), None)
