"""`sae encode`: the codes of new data by a served model, without training."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from components import atomic_file, int64, json_text
from components.codes import inputs, table
from components.data import sample_path
from components.errors import DataError, cause_text
from components.evaluation import metrics
from components.push import serving_dir
from pipeline.core import errors
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import EncodeRequest
from pipeline.metadata.properties import METRICS
from pipeline.metadata.store import Store, open_store
from pipeline.provenance import numeric_variables
from pipeline.registry import versions
from pipeline.sparse_autoencoder import dataset_folder
from pipeline_config import DataConfig, EngineConfig

_LATEST = "latest"
_SCHEMA, _EVALUATION = "Schema", "ModelEvaluation"
SUFFIXES = (".parquet", ".npz", ".csv")


@dataclasses.dataclass(frozen=True)
class _Model:
    """A SavedModel; the schema of its training data and its test loss if they are known."""

    folder: pathlib.Path
    schema: pathlib.Path | None = None
    test_loss: float | None = None


def encode(root: Root, request: EncodeRequest, note: Callable[[str], None]) -> dict[str, Any]:
    """Write the codes of `request.data` to `request.target`, completely or not at all.

    Args:
      root: with the served models.
      request: what to encode, with which model, and where to write.
      note: called with one line for each way in which the data is unlike the training data.

    Returns:
      `rows`, `units`, `model` (folder of the SavedModel), `to` and `warnings`.

    Raises:
      UsageError: the file to write exists or has another ending, or the data has another shape or cannot be read.
      NotFoundError: there is no such model, or no such data.
      UnavailableError: the prepared data set cannot be used, or the file cannot be written.
    """
    target = pathlib.Path(os.path.abspath(request.target))
    if target.suffix not in SUFFIXES:
        raise UsageError(f"--to {request.target}: expected a file that ends in {', '.join(SUFFIXES)}")
    if target.exists():
        raise UsageError(f"--to {request.target} exists: delete it, or name another file")
    if not target.parent.is_dir():
        raise NotFoundError(f"--to {request.target}: there is no folder {target.parent}: make it first")
    model = _find_model(root, request.model)
    read = _reader(root, request.data)
    # The same arithmetic as in a run.
    os.environ.update(numeric_variables.fixed(EngineConfig()))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("absl").setLevel(logging.ERROR)  # TFDS warns of its own code
    from components.codes.encoder import Encoder

    try:
        encoder = Encoder(model.folder, model.schema, model.test_loss)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
        try:
            count, units = _WRITERS[target.suffix](
                unfinished, (encoder.encode(one) for one in read(encoder.pixels, encoder.reads_floats))
            )
            atomic_file.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)
    except DataError as error:
        raise UnavailableError(str(error)) from error
    except OSError as error:
        raise UnavailableError(
            f"{target} cannot be written ({cause_text(error)}): {errors.advice(error, 'name another file')}"
        ) from error
    for line in encoder.warnings:
        note(f"unlike the training data: {line}")
    return {
        "rows": count, "units": units, "model": str(model.folder), "to": str(target), "warnings": encoder.warnings,
    }  # fmt: skip


def _find_model(root: Root, wanted: str) -> _Model:
    """Return the served model, a version, or the SavedModel in a folder."""
    number = int64.parsed(wanted)
    if wanted != _LATEST and number is None:
        folder = pathlib.Path(wanted)
        if not (folder / "saved_model.pb").is_file():
            raise NotFoundError(
                f"--model {wanted}: it is neither {_LATEST}, nor a version, nor a folder with a SavedModel; "
                "`sae models` lists the versions"
            )
        return _Model(folder)
    known = serving_dir.versions(root.serving)
    if not known:
        raise NotFoundError(f"no model is served in {root.path}: `sae run` pushes a model that passes its gates")
    if number is not None and number not in known:
        raise NotFoundError(f"there is no version {number}: choose from {', '.join(map(str, known))}, or {_LATEST}")
    version = max(known) if number is None else number
    store = open_store(root, read_only=True)
    for push in versions.pushes(store, root):
        if push.version == version and (found := versions.run_and_model(store, push)):
            return _Model(known[version], _schema_of(store, found[0]), _test_loss(store, found[0]))
    return _Model(known[version])


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


def _reader(root: Root, given: str) -> Callable[[int, bool], Iterator[inputs.Batch]]:
    """Return what reads an array, a folder or a prepared data set.

    It takes the number of values in an image, and whether the model reads floats.
    """
    path = pathlib.Path(given)
    if path.suffix in inputs.ARRAY_SUFFIXES:
        if not path.is_file():
            raise NotFoundError(f"there is no file {given}")
        return lambda pixels, floats: inputs.read_array(path, pixels, floats)
    if path.is_dir():
        return lambda pixels, floats: inputs.read_folder(path)
    try:
        data = DataConfig(dataset=given)
    except ValueError as error:
        raise NotFoundError(
            f"{given!r} is neither an array ({', '.join(inputs.ARRAY_SUFFIXES)}), nor a folder of pictures, nor the "
            "name of a prepared data set"
        ) from error
    folder = dataset_folder.prepared_version(data)
    if folder is None and given == sample_path.NAME:
        folder = dataset_folder.newest_version(root.data / given)
    if folder is None:
        raise NotFoundError(f"{given} is not prepared in {dataset_folder.data_folder(data)}, and is no file or folder")
    return functools.partial(_read_dataset, str(folder))


def _read_dataset(folder: str, pixels: int, floats: bool) -> Iterator[inputs.Batch]:
    from components.codes.encoder import read_dataset

    return read_dataset(folder)


def _write_parquet(path: pathlib.Path, tables: Iterator[Any]) -> tuple[int, int]:
    count, units = 0, 0
    with table.Writer(path) as writer:
        for rows in tables:
            writer.add(rows)
            count, units = count + rows.num_rows, _units(rows)
    return count, units


def _write_csv(path: pathlib.Path, tables: Iterator[Any]) -> tuple[int, int]:
    from pyarrow import csv

    count, units, writer = 0, 0, None
    try:
        for rows in tables:
            writer = writer or csv.CSVWriter(str(path), rows.schema)
            writer.write_table(rows)
            count, units = count + rows.num_rows, _units(rows)
    finally:
        if writer:
            writer.close()
    return count, units


def _write_npz(path: pathlib.Path, tables: Iterator[Any]) -> tuple[int, int]:
    """Write the arrays `codes`, `id`, and `split` and `label` if there are any."""
    found = list(tables)
    arrays: dict[str, Any] = {"codes": np.concatenate([table.codes_of(rows) for rows in found])}
    for name in (table.ID, table.SPLIT, table.LABEL):
        if name in found[0].column_names:
            arrays[name] = np.array([value for rows in found for value in rows[name].to_pylist()])
    with open(path, "wb") as file:
        np.savez(file, **arrays)
    return len(arrays["codes"]), arrays["codes"].shape[1]


def _units(rows: Any) -> int:
    return sum(name.startswith("code_") for name in rows.column_names)


_WRITERS = {".parquet": _write_parquet, ".csv": _write_csv, ".npz": _write_npz}
