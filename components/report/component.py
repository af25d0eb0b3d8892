"""ReportGen: collect the results of a run, and write the page and `summary.json`."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact, artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.data import features, transformed_input
from components.evaluation import evaluator, image_metrics, metrics, thresholds
from components.model import baselines, run_fn, saved_model
from components.report import page, png

SUMMARY_FILE = "summary.json"
IMAGES_FOLDER = "images"
UNLABELLED_IMAGES = 10  # to show of a data set without labels, for each one of a label


class Report(artifact.Artifact):
    """The report of a run: `report.html`, its figures as PNG files, and `summary.json`.

    `images/` has test images and their reconstructions, a small PNG file each, which the summary names.
    """

    TYPE_NAME = "Report"


class ReportExecutor(base_executor.BaseExecutor):
    """Run the model on the test split, for the pictures and the activity of its units."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write `report`; its custom properties are the overall metrics."""
        uris = {key: artifact_utils.get_single_uri(artifacts) for key, artifacts in input_dict.items()}
        texts: dict[str, Any] = json.loads(exec_properties["texts"])
        evaluated = evaluator.read_evaluation(uris["evaluation"])
        names: list[str] = texts["label_names"]
        judged = thresholds.judge(evaluated, thresholds.Gates(**texts["gates"]), names)
        blessed = model_utils.is_model_blessed(artifact_utils.get_single_instance(input_dict["blessing"]))
        run_dir = pathlib.Path(uris["model_run"])

        loss = metrics.loss_of(evaluated.overall)
        images, labels = _test_images(
            io_utils.all_files_pattern(artifact_utils.get_split_uri(input_dict["examples"], features.TEST)),
            tft.TFTransformOutput(uris["transform_graph"]),
        )
        model = tf.saved_model.load(path_utils.serving_model_path(uris["model"]))
        codes = _in_batches(model.signatures["encode"], saved_model.CODE, images)
        chosen = choose(labels, len(images), exec_properties["images_per_label"])
        reconstructions = _in_batches(model.signatures["reconstruct"], "reconstruction", images[chosen])
        frequency, mean = unit_activity(codes)
        shape = (-1, *texts["shape"])
        if texts["shape"][-1:] == [1]:
            shape = shape[:-1]  # grey
        shown, redrawn = png.to_display(images[chosen].reshape(shape), reconstructions.reshape(shape))
        data = page.ReportData(
            title=texts["title"],
            notice=texts["notice"],
            blessed=blessed,
            reasons=thresholds.reasons(judged),
            gates=judged,
            metrics=evaluated.overall,
            per_label={names[label]: values for label, values in evaluated.per_label.items()},
            pca_mse=pca_mse(run_dir / run_fn.PCA_FILE, images),
            history=tuple(
                thresholds.EpochLosses(**losses)
                for losses in json.loads((run_dir / run_fn.HISTORY_FILE).read_text(encoding="utf-8"))
            ),
            images=shown,
            reconstructions=redrawn,
            image_labels=tuple(str(place) if labels is None else names[labels[place]] for place in chosen),
            loss=loss,
            unit_frequency=frequency,
            unit_mean=mean,
            settings=texts["settings"],
            facts=texts["facts"],
        )
        report = artifact_utils.get_single_instance(output_dict["report"])
        folder = pathlib.Path(report.uri)
        page.write_report(data, folder)
        summary = {
            "dataset": data.title,
            "blessed": blessed,
            "reasons": data.reasons,
            "metrics": {**data.metrics, "pca_mse": data.pca_mse},
            "per_label": data.per_label,
            "images": write_images(data.images, data.reconstructions, data.image_labels, folder),
            "units": [
                {"frequency": float(often), "mean": float(strength)}
                for often, strength in zip(frequency, mean, strict=True)
            ],
        }
        (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=1), encoding="utf-8")
        for name, value in data.metrics.items():
            report.set_float_custom_property(f"test_{name}", value)
        report.set_float_custom_property("pca_mse", data.pca_mse)
        report.set_int_custom_property("blessed", int(blessed))


def _test_images(
    pattern: str, transform: tft.TFTransformOutput
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64] | None]:
    """Return images, float32 (n, pixels), and labels, int64 (n,), or None if there are none."""
    batches = list(transformed_input.transformed([pattern], transform))
    images = np.concatenate([batch[features.IMAGE_XF] for batch in batches])
    if features.LABEL_XF not in batches[0]:
        return images, None
    return images, np.concatenate([batch[features.LABEL_XF] for batch in batches])


def _in_batches(signature: Any, output: str, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    batches = tf.data.Dataset.from_tensor_slices(images).batch(transformed_input.BATCH)
    return np.concatenate([signature(images=batch)[output] for batch in batches])


def choose(labels: npt.NDArray[np.int64] | None, images: int, per_label: int) -> npt.NDArray[np.int64]:
    """Return the positions of the images to show: the first of every label, or without labels simply the first."""
    if labels is None:
        return np.arange(min(images, UNLABELLED_IMAGES * per_label))
    return first_of_each_label(labels, per_label)


def first_of_each_label(labels: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return the positions of the first `count` images of every label, sorted by label: the same in every run."""
    return np.concatenate([np.flatnonzero(labels == label)[:count] for label in np.unique(labels)])


def write_images(
    images: npt.NDArray[np.float32],
    reconstructions: npt.NDArray[np.float32],
    labels: Sequence[str],
    folder: pathlib.Path,
) -> list[dict[str, str]]:
    """Write each image and its reconstruction as PNG files into `images/`.

    Args:
      images, reconstructions: float32, shape (n, height, width), (n, height, width, 3) or (n, values), in [0, 1].
      labels: n labels.
      folder: of the artifact.

    Returns:
      For each image its `label`, and the paths of its files `original` and `reconstruction` relative to `folder`.
    """
    (folder / IMAGES_FOLDER).mkdir()
    named = []
    for number, (label, *pair) in enumerate(zip(labels, images, reconstructions, strict=True)):
        names = {kind: f"{IMAGES_FOLDER}/{number:03}-{kind}.png" for kind in ("original", "reconstruction")}
        for name, image in zip(names.values(), pair, strict=True):
            (folder / name).write_bytes(png.png_of(image))
        named.append({"label": label, **names})
    return named


def unit_activity(codes: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the share of images on which each unit is active, and its mean activation on these (0 for a dead unit).

    Takes float32 codes, shape (n, units), >= 0; returns two arrays, float64, shape (units,).
    """
    active = codes > image_metrics.ACTIVE_ABOVE
    counts = active.sum(axis=0)
    return counts / len(codes), codes.sum(axis=0, dtype=np.float64) / np.maximum(counts, 1)


def pca_mse(path: pathlib.Path, images: npt.NDArray[np.float32]) -> float:
    """Return the mean squared error per pixel of the PCA in `path` on `images`, float32 (n, pixels)."""
    with np.load(path) as arrays:
        pca = baselines.Pca(arrays["mean"], arrays["components"])
    return float(np.mean(np.square(images - pca.reconstruct(images)), dtype=np.float64))


class _ReportSpec(component_spec.ComponentSpec):
    PARAMETERS = {
        "texts": component_spec.ExecutionParameter(type=str),
        "images_per_label": component_spec.ExecutionParameter(type=int),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS = {"report": component_spec.ChannelParameter(type=Report)}


class ReportGen(base_component.BaseComponent):
    """Write the `report` on a trained and evaluated model."""

    SPEC_CLASS = _ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ReportExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        model: types.BaseChannel,
        model_run: types.BaseChannel,
        evaluation: types.BaseChannel,
        blessing: types.BaseChannel,
        texts: dict[str, Any],
        images_per_label: int,
    ) -> None:
        """Create the node.

        Args:
          examples: for the test split.
          transform_graph, model, model_run, evaluation, blessing: of the model to report on.
          texts: `title`, `notice`, `label_names`, `shape` (of an image or vector), `gates` (fields of
            `thresholds.Gates`), `settings` and `facts` (text by text).
          images_per_label: test images of each label to show.
        """
        super().__init__(
            spec=_ReportSpec(
                examples=examples,
                transform_graph=transform_graph,
                model=model,
                model_run=model_run,
                evaluation=evaluation,
                blessing=blessing,
                texts=json.dumps(texts),
                images_per_label=images_per_label,
                report=types.Channel(type=Report),
            )
        )
