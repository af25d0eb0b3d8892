"""`sae encode`: the codes of new data by a served model, without training."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from components import atomic_file, int64, json_text
from components.codes import new_data, table
from components.data import sample_path
from components.data.own_data import forms
from components.data.own_data.records import OptionError, Options, listed
from components.errors import DataError, cause_text
from components.evaluation import metrics
from components.push import serving_dir
from pipeline.core import errors, shell
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.core.text import counted
from pipeline.definition.spec import EncodeRequest, Pipeline
from pipeline.metadata import run_properties
from pipeline.metadata.properties import METRICS
from pipeline.metadata.store import Store, open_store
from pipeline.provenance import manifest, numeric_variables
from pipeline.registry import versions
from pipeline.sparse_autoencoder import dataset_folder, hints
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import DataConfig, EngineConfig

_LATEST = "latest"
_SCHEMA, _EVALUATION = "Schema", "ModelEvaluation"
SUFFIXES = (".parquet", ".npz", ".csv")


def encode(pipeline: Pipeline, root: Root, request: EncodeRequest, note: Callable[[str], None]) -> dict[str, Any]:
    """Write the codes of `request.data` to `request.target`, completely or not at all.

    Args:
      pipeline: reads the manifests of runs.
      root: with the served models.
      request: what to encode, with which model, and where to write.
      note: called with one line for ignored files, for records that were left out, and for each way in which the data
        is unlike the training data.

    Returns:
      `rows`, `units`, `model` (folder of the SavedModel), `to`, `warnings`, and `skipped`: a line for each record that
      was left out.

    Raises:
      UsageError: the file to write exists or has another ending, or an option does not fit the data.
      NotFoundError: there is no such model, or no such data.
      UnavailableError: the data cannot be read or has another shape, or the file cannot be written.
    """
    target = pathlib.Path(os.path.abspath(request.target))
    if target.suffix not in SUFFIXES:
        raise UsageError(f"--to {request.target}: expected a file that ends in {', '.join(SUFFIXES)}")
    if target.exists():
        raise UsageError(f"--to {request.target} exists: delete it, or name another file")
    if not target.parent.is_dir():
        raise NotFoundError(f"--to {request.target}: there is no folder {target.parent}: make it first")
    model, training = _find_model(pipeline, root, request.model, note)
    skipped: list[str] = []
    try:
        read = _reader(root, request, training, note, skipped)
    except OptionError as error:
        raise UsageError(str(error)) from error
    except DataError as error:
        raise UnavailableError(str(error)) from error
    # The same arithmetic as in a run.
    os.environ.update(numeric_variables.fixed(EngineConfig()))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS warns of its own code
    from components.codes.encoder import Encoder

    try:
        encoder = Encoder(model, training)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
        try:
            count, units = _WRITERS[target.suffix](unfinished, (encoder.encode(one) for one in read(encoder)))
            atomic_file.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OptionError as error:
        raise UsageError(str(error)) from error
    except DataError as error:
        named = str(error) if request.data in str(error) or str(model) in str(error) else f"{request.data}: {error}"
        raise UnavailableError(named) from error
    except OSError as error:
        raise UnavailableError(
            f"{target} cannot be written ({cause_text(error)}): {errors.advice(error, 'name another file')}"
        ) from error
    if skipped:
        note(f"left out {counted(len(skipped), 'record')} that cannot be used: {listed(skipped)}")
    for line in encoder.warnings:
        note(f"unlike the training data: {line}")
    return {
        "rows": count, "units": units, "model": str(model), "to": str(target), "warnings": encoder.warnings,
        "skipped": skipped,
    }  # fmt: skip


def _find_model(
    pipeline: Pipeline, root: Root, wanted: str, note: Callable[[str], None]
) -> tuple[pathlib.Path, new_data.TrainingData]:
    """Return the folder of a model, and what is known of its training data.

    It is the served model, a version, or the SavedModel in a folder; nothing is known of one that is not of this root.
    """
    number = int64.parsed(wanted)
    known = serving_dir.versions(root.serving)
    if wanted != _LATEST and number is None:
        folder = pathlib.Path(wanted)
        if not (folder / "saved_model.pb").is_file():
            raise NotFoundError(
                f"--model {wanted}: it is neither {_LATEST}, nor a version, nor a folder with a SavedModel; "
                "`sae models` lists the versions"
            )
        place = folder.resolve()
        number = next((one for one, path in known.items() if path.resolve() == place), None)
        if number is None:
            return folder, _training_data_at(pipeline, root, place, note)
    if not known:
        raise NotFoundError(f"no model is served in {root.path}: {_way_to_a_model(root)}")
    if number is not None and number not in known:
        raise NotFoundError(f"there is no version {number}: choose from {', '.join(map(str, known))}, or {_LATEST}")
    version = max(known) if number is None else number
    store = open_store(root, read_only=True)
    for push in versions.pushes(store, root):
        if push.version == version and (found := versions.run_and_model(store, push)):
            return known[version], _training_data(pipeline, root, store, found[0], note)
    return known[version], new_data.TrainingData()


def _training_data_at(
    pipeline: Pipeline, root: Root, folder: pathlib.Path, note: Callable[[str], None]
) -> new_data.TrainingData:
    """Return what is known of the training data of the model in a folder: of one that a run in this root made."""
    if folder.name == serving_dir.MODEL and folder.is_relative_to(root.path):
        with contextlib.suppress(NotFoundError):  # no run is recorded
            store = open_store(root, read_only=True)
            for model in store.artifacts_at(str(folder.parent)):
                for execution in store.makers(model.id)[:1]:
                    return _training_data(pipeline, root, store, store.owner(execution).run, note)
    return new_data.TrainingData()


def _way_to_a_model(root: Root) -> str:
    """Return how to get a model where none is served: that of the newest run, or else a run."""
    with contextlib.suppress(NotFoundError):  # nothing ran yet
        store = open_store(root, read_only=True)
        for run_id in store.newest_run_ids()[:1]:
            model = versions.output_of_type(store, run_id, versions.MODEL)
            if model and run_properties.headline_of(store.run_properties(run_id)).blessed == 0:
                folder = shell.quoted(str(pathlib.Path(model.uri, serving_dir.MODEL)))
                return f"the newest was not blessed (`sae show latest` says why); --model {folder} takes it anyway"
    held = root.dataset()
    options = (*dataset_folder.run_options(held), *hints.run_options(held)) if held else ()
    return f"`{shell.joined(('sae', 'run', *options))}` pushes a model that passes its gates"


def _training_data(
    pipeline: Pipeline, root: Root, store: Store, run_id: str, note: Callable[[str], None]
) -> new_data.TrainingData:
    """Return what a run recorded of its training data; nothing, with a note, if its manifest cannot be read."""
    try:
        recorded = manifest.read(root.path, run_id, pipeline)
    except (NotFoundError, UnavailableError):
        note(
            f"warning: {manifest.path_of(root.path, run_id)} is missing or cannot be read, so nothing is known of the "
            "training data: images are not resized or converted, and labels may have other numbers"
        )
        return new_data.TrainingData()
    # Runs of older versions lack these settings.
    known = DataConfig(
        scaling=str(recorded.configuration.get("data.scaling", DataConfig.scaling)),
        size=str(recorded.configuration.get("data.size", DataConfig.size)),
    )
    data = recorded.data
    assert isinstance(data, ImageDataset)
    return new_data.TrainingData(
        schema=_schema_of(store, run_id),
        test_loss=_test_loss(store, run_id),
        scaling=known.scaling,
        size=known.height_and_width,
        conversion=data.conversion,
        shape=(data.height, data.width, data.channels) if data.kind == "image" else None,
        dtype=data.dtype,
        label_names=data.label_names,
    )


def _schema_of(store: Store, run_id: str) -> pathlib.Path | None:
    """Return the schema of a run; None if its file is gone."""
    schema = versions.output_of_type(store, run_id, _SCHEMA)
    files = [pathlib.Path(schema.uri, name) for name in schema.files or {}] if schema else []
    return next((path for path in files if path.suffix == ".pbtxt" and path.is_file()), None)


def _test_loss(store: Store, run_id: str) -> float | None:
    """Return the loss of a run's model on the test split; None if it was not recorded."""
    evaluation = versions.output_of_type(store, run_id, _EVALUATION)
    text = evaluation.properties.get(METRICS) if evaluation else None
    if text is None:
        return None
    overall = json_text.parse(str(text))["overall"]
    return float(overall[metrics.loss_of(overall)])


def _reader(
    root: Root,
    request: EncodeRequest,
    training: new_data.TrainingData,
    note: Callable[[str], None],
    skipped: list[str],
) -> Callable[[Any], Iterator[new_data.Batch]]:
    """Return what reads files or a prepared data set for an encoder.

    Records that it leaves out are added to `skipped`.

    Raises:
      NotFoundError: there is neither.
      OptionError, DataError: the files cannot be used.
    """
    path = pathlib.Path(request.data)
    given = Options(
        label=request.label,
        labels=request.labels,
        no_labels=request.no_labels,
        group=request.group,
        array=request.array,
        leave_out=request.leave_out,
        skip_unreadable=request.skip_unreadable,
    )
    if os.path.exists(path):  # also of names that are too long
        if request.labels and not pathlib.Path(request.labels).is_file():
            raise NotFoundError(f"--labels {request.labels} is not a file: give a CSV, .npy or IDX file")
        source = forms.open_source(path, given, training.conversion)
        if source.ignored:
            note(f"ignored {counted(len(source.ignored), 'other file')}: {listed(source.ignored)}")
        new_data.check_first(source, training, request.skip_unreadable)
        left_out = skipped if request.skip_unreadable else None
        return lambda encoder: new_data.read(source, training, encoder.shape is not None, left_out)
    try:
        data = DataConfig(dataset=request.data)
    except ValueError as error:
        raise NotFoundError(
            f"{request.data} does not exist: give {forms.FORMS}, or the name of a prepared data set"
        ) from error
    folder = dataset_folder.prepared_version(data)
    if folder is None and request.data == sample_path.NAME:
        folder = dataset_folder.newest_version(root.data / request.data)
    if folder is None:
        raise NotFoundError(
            f"{request.data} is not prepared in {dataset_folder.data_folder(data)}, and is no file or folder"
        )
    if given != Options():
        raise OptionError(
            "--label, --labels, --no-labels, --array, --leave-out, --group and --skip-unreadable are for files; "
            f"{request.data} is prepared"
        )
    return lambda encoder: encoder.read_dataset(str(folder))


def _write_parquet(path: pathlib.Path, tables: Iterator[Any]) -> tuple[int, int]:
    count, units = 0, 0
    with table.Writer(path) as writer:
        for rows in tables:
            writer.add(rows)
            count, units = count + rows.num_rows, table.units_of(rows.column_names)
    return count, units


def _write_csv(path: pathlib.Path, tables: Iterator[Any]) -> tuple[int, int]:
    from pyarrow import csv

    count, units, writer = 0, 0, None
    try:
        for rows in tables:
            writer = writer or csv.CSVWriter(str(path), rows.schema)
            writer.write_table(rows)
            count, units = count + rows.num_rows, table.units_of(rows.column_names)
    finally:
        if writer:
            writer.close()
    return count, units


def _write_npz(path: pathlib.Path, tables: Iterator[Any]) -> tuple[int, int]:
    """Write the arrays `codes`, `id`, and `split`, `label` and `label_name` if there are any."""
    found = list(tables)
    arrays: dict[str, Any] = {"codes": np.concatenate([table.codes_of(rows) for rows in found])}
    for name in (table.ID, table.SPLIT, table.LABEL, table.LABEL_NAME):
        if name in found[0].column_names:
            arrays[name] = np.array([value for rows in found for value in rows[name].to_pylist()])
    with open(path, "wb") as file:
        np.savez(file, **arrays)
    return len(arrays["codes"]), arrays["codes"].shape[1]


_WRITERS = {".parquet": _write_parquet, ".csv": _write_csv, ".npz": _write_npz}
