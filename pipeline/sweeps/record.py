"""Record the result of a complete sweep as an artifact of type `Sweep`, whose inputs are the results of its points.

It contains no ids of runs, times or paths: a sweep that is run again, here or elsewhere, has the same content digest.
"""

from __future__ import annotations

import csv
import io
import json
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

from components import atomic_file
from pipeline.artifacts.types import StoredArtifact
from pipeline.core import file_digests
from pipeline.core.pipeline_root import Root
from pipeline.core.serialization import jsonable, without_infinity
from pipeline.definition.spec import Pipeline
from pipeline.metadata import properties
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import MetadataWriter
from pipeline.sweeps import definition_json, files
from pipeline.sweeps.definition import Definition
from pipeline.sweeps.views import PointState, Sweep
from pipeline_config import Setting

_UNFINISHED = "new"


def record(root: Root, pipeline: Pipeline, found: Sweep) -> None:
    """Record the result of a sweep.

    If the newest artifact has the same content, only its files are written again, if they are damaged.

    Args:
      root: of the sweep, whose lock this process holds.
      pipeline: of its runs.
      found: the sweep.
    """
    from pipeline.artifacts import fingerprints  # needs NumPy, which an installation that only reads lacks

    store = open_store(root)
    outputs = {one.number: store.outputs_of_run(one.run) for one in found.points if one.run}
    models = {number: of[name].content for number, of in outputs.items() if (name := pipeline.model) and name in of}
    written = _write(root, pipeline, found, models)
    digest = fingerprints.content_digest(StoredArtifact(properties.SWEEP, written, {}))
    known = newest(store, found.row.name)
    if known is not None and known.content == digest and _is_whole(known, written):
        shutil.rmtree(written, ignore_errors=True)
        return
    folder = written.with_name(str(_next_number(store, found.row.name, written.parent)))
    written.rename(folder)
    inputs = [
        outputs[point.number][name].id
        for point in found.points
        if point.state == PointState.SUCCEEDED
        for name in (pipeline.model, pipeline.evaluation)
        if name and name in outputs[point.number]
    ]
    MetadataWriter(root).record_sweep(
        found.row.name, folder, inputs, {properties.CONTENT_DIGEST: digest, "points": len(found.points)}
    )


def newest(store: Store, name: str) -> Artifact | None:
    """Return the newest artifact with the result of a sweep; None if there is none."""
    return max(_recorded(store, name), key=lambda one: one.id, default=None)


def _recorded(store: Store, name: str) -> list[Artifact]:
    return [one for one in store.artifacts_of_type(properties.SWEEP) if one.properties.get("sweep") == name]


def _is_whole(artifact: Artifact, written: pathlib.Path) -> bool:
    """Return whether an artifact is undamaged, after the same files, in another folder, replaced damaged ones."""
    if not artifact.live or artifact.files is None:
        return False
    place = pathlib.Path(artifact.uri)
    if not file_digests.damage(place, artifact.files, all_bytes=True):
        return True
    if place.parent != written.parent or file_digests.damage(written, artifact.files, all_bytes=True):
        return False
    shutil.rmtree(place, ignore_errors=True)
    written.rename(place)
    return True


def _next_number(store: Store, name: str, results: pathlib.Path) -> int:
    """Return the number of the next folder of a result: above those that are there, and those that were."""
    recorded = [pathlib.Path(one.uri).name for one in _recorded(store, name)]
    there = [path.name for path in results.iterdir()]
    return max((int(one) for one in (*recorded, *there) if one.isdecimal()), default=0) + 1


def _write(root: Root, pipeline: Pipeline, found: Sweep, models: Mapping[int, str]) -> pathlib.Path:
    """Write the files into a folder that is no result yet, and return it."""
    from pipeline.artifacts.fingerprints.sweep import POINTS_FILE, RESULT_FILE

    folder = files.folder(root, found.row.name) / "results" / _UNFINISHED
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    document = json.dumps(content(pipeline, found, models), indent=1, allow_nan=False)
    atomic_file.write(folder / RESULT_FILE, document + "\n")
    atomic_file.write(folder / POINTS_FILE, as_csv(found))
    return folder


def content(pipeline: Pipeline, found: Sweep, models: Mapping[int, str]) -> dict[str, Any]:
    """Return the result of a sweep as JSON; `models`: content digests of models, by point."""
    declared = pipeline.configuration.settings()
    points = [
        {
            "number": one.number,
            "combination": one.combination,
            "settings": without_infinity(one.settings),
            "seed": one.seed,
            "state": one.state.value,
            "pruned_at": one.pruned_at,
            "metrics": one.metrics,
            "blessed": one.blessed,
            "model": models.get(one.number, ""),
        }
        for one in found.points
    ]
    combinations = [{**jsonable(one), "settings": without_infinity(one.settings)} for one in found.combinations]
    made: dict[str, Any] = jsonable(
        {"definition": _definition(found.definition, declared), "combinations": combinations, "points": points}
    )
    return made


def _definition(found: Definition, declared: Mapping[str, Setting]) -> dict[str, Any]:
    """Return a definition without paths and other settings that do not change results."""
    base = {name: value for name, value in found.base.items() if declared[name].affects_results}
    return {**definition_json.to_json(found), "base": without_infinity(base), "since": ""}


def as_csv(found: Sweep) -> str:
    """Return the points as CSV with a header: settings and metrics by their names, numbers with all digits."""
    names = found.definition.varied
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["point", "combination", *names, "seed", "state", "pruned_at", "blessed", *found.metrics])
    for one in found.points:
        row = [one.number, one.combination, *map(one.settings.get, names), one.seed, one.state.value, one.pruned_at]
        writer.writerow([*row, one.blessed, *map(one.metrics.get, found.metrics)])
    return file.getvalue()
