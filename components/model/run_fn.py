"""Trainer's `run_fn`: load the data, build the model, train it and save it."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import pathlib
from collections.abc import Iterable, Sequence
from concurrent import futures

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from components.data import features, resident, transformed_input
from components.evaluation import validation, validation_scores
from components.evaluation.thresholds import EpochLosses
from components.model import adapter, baselines, saved_model
from components.model.adapter import TrainableModel
from components.model.checkpoints import Checkpoints
from components.model.train_loop import Images, Stream, TrainingSettings, train

logger = logging.getLogger(__name__)

HISTORY_FILE = "history.json"
_FLOAT_BYTES = 4
_MIB = 1024 * 1024


def run_fn(fn_args: FnArgs) -> None:
    """Train the model on the transformed train split.

    Reads from `fn_args.custom_config` the settings of `train_loop.TrainingSettings` and of `adapter.build`,
    `train_examples`, `validation_examples` and `resident_mib`. Writes the SavedModel into `serving_model_dir`, and into
    `model_run_dir` TensorBoard's logs, `history.json` (the losses of each epoch), `validation.json` (the metrics on the
    validation split) and `pca.npz` (the baseline, fitted on the train split).
    """
    config = fn_args.custom_config
    settings = TrainingSettings(**{field.name: config[field.name] for field in dataclasses.fields(TrainingSettings)})
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    pixels = transform.transformed_feature_spec()[features.IMAGE_XF].shape[0]
    validation_batch = min(settings.validation_batch_size, features.batch_of(pixels))
    settings = dataclasses.replace(settings, validation_batch_size=validation_batch)
    counts = (config["train_examples"], config["validation_examples"])
    needed_mib = sum(counts) * pixels * _FLOAT_BYTES / _MIB
    in_memory = needed_mib <= config["resident_mib"]
    logger.info(
        "%s examples of %d values take %.0f MiB: %s", f"{sum(counts):,}", pixels, needed_mib,
        "kept in memory" if in_memory else "streamed, as training.resident_mib is less",
    )  # fmt: skip
    if in_memory:
        resident.allow(config["resident_mib"] * _MIB)
    files = (fn_args.train_files, fn_args.eval_files)
    splits = [_open(split, count, pixels, transform, in_memory) for split, count in zip(files, counts, strict=True)]
    resident.training_data_is_kept()

    model = adapter.build(pixels, config, settings.seed, lambda: baselines.mean_image(_batches(splits[0], settings)))
    logger.info("%s parameters", f"{sum(int(tf.size(variable)) for variable in model.variables):,}")
    run_dir = pathlib.Path(fn_args.model_run_dir)
    fit_pca = functools.partial(
        baselines.fit, lambda: _batches(splits[0], settings), pixels, config["code_units"], settings.seed
    )
    with futures.ThreadPoolExecutor(1, "pca") as pool:
        # The training leaves a core half idle. Images that are streamed are not read twice at the same time.
        beside = pool.submit(fit_pca) if in_memory else None
        history = _train_with_logs(model, splits, settings, run_dir)
    (run_dir / HISTORY_FILE).write_text(
        json.dumps([dataclasses.asdict(losses) for losses in history], indent=1), encoding="utf-8"
    )
    pca = beside.result() if beside else fit_pca()
    pca.save(run_dir)
    served = model.served()
    batches = _validation_batches(splits[1], settings.validation_batch_size)
    measured = validation.measure(served.encode, served.decode, batches, pca.mean, served.loss)
    validation_scores.write(run_dir, measured)
    saved_model.save(served, transform, pca.mean, fn_args.serving_model_dir)


def _open(files: Sequence[str], count: int, pixels: int, transform: tft.TFTransformOutput, in_memory: bool) -> Images:
    if in_memory:
        return Images.in_memory(transformed_input.load_images(files, transform))
    decode = transformed_input.image_decoder(transform)
    return Images.streamed(count, Stream(lambda: transformed_input.records(files), decode, pixels))


def _batches(images: Images, settings: TrainingSettings) -> Iterable[npt.NDArray[np.float32]]:
    if images.resident is not None:
        return [np.asarray(images.resident)]  # without a copy
    assert images.stream is not None
    return images.stream.batches(settings.validation_batch_size).as_numpy_iterator()  # type: ignore[no-any-return]


def _validation_batches(images: Images, size: int) -> Iterable[tf.Tensor]:
    if images.resident is not None:
        return (images.resident[start : start + size] for start in range(0, images.count, size))
    assert images.stream is not None
    return images.stream.batches(size)  # type: ignore[no-any-return]


def _train_with_logs(
    model: TrainableModel, splits: list[Images], settings: TrainingSettings, run_dir: pathlib.Path
) -> list[EpochLosses]:
    """Train; write each epoch to the log and to TensorBoard."""
    writer = tf.summary.create_file_writer(str(run_dir))

    def on_epoch(losses: EpochLosses) -> None:
        logger.info(
            "epoch %d of %d: loss %.4f, validation %.4f", losses.epoch, settings.epochs, losses.loss, losses.val_loss,
            extra={"epoch": losses.epoch, "epochs": settings.epochs, "losses": losses},
        )  # fmt: skip
        with writer.as_default(step=losses.epoch):
            for name in ("loss", "reconstruction", "val_loss", "val_reconstruction"):
                tf.summary.scalar(name, getattr(losses, name))

    try:
        return train(model, splits[0], splits[1], settings, on_epoch, Checkpoints.from_environment())
    finally:
        writer.close()
