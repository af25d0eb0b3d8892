"""ReportGen: collect the results of a run, and write the page and `summary.json`."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from collections.abc import Iterator, Mapping, Sequence
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

from components.artifact_types import Artifacts, ProbeScores
from components.data import features, transformed_input
from components.evaluation import evaluator, metrics, probe_scores, thresholds
from components.model import baselines, loaded, run_fn, saved_model
from components.report import png, split_activity, unit_details, unit_file
from components.report.split_activity import Floats, Measured, Numbers

SUMMARY_FILE = "summary.json"
IMAGES_FOLDER = "images"
UNLABELLED_IMAGES = 10  # to show of a data set without labels, for each one of a label


class Report(artifact.Artifact):
    """The report of a run: `report.html`, its figures as PNG files, and `summary.json`.

    `images/` has test images and their reconstructions, a small PNG file each, which the summary names. `units.json`
    has more on each unit, and names the pictures in `units/` (`unit_file.py`).
    """

    TYPE_NAME = "Report"


class ReportExecutor(base_executor.BaseExecutor):
    """Run the model on the test split, for the pictures and the activity of its units."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Write `report`; its custom properties are the overall metrics."""
        from components.report import page  # imports matplotlib, for which runs without a report need not wait

        uris = {key: artifact_utils.get_single_uri(artifacts) for key, artifacts in input_dict.items()}
        texts: dict[str, Any] = json.loads(exec_properties["texts"])
        report = artifact_utils.get_single_instance(output_dict["report"])
        folder = pathlib.Path(report.uri)
        blessed = model_utils.is_model_blessed(artifact_utils.get_single_instance(input_dict["blessing"]))
        evaluated = evaluator.read_evaluation(uris["evaluation"])
        judged = thresholds.judge(evaluated, thresholds.Gates(**texts["gates"]), texts["label_names"])
        drawn = _draw(input_dict, uris, texts, exec_properties["images_per_label"], folder)
        data = page.ReportData(
            title=texts["title"],
            notice=texts["notice"],
            blessed=blessed,
            reasons=thresholds.reasons(judged),
            gates=judged,
            metrics=evaluated.overall,
            per_label={texts["label_names"][label]: values for label, values in evaluated.per_label.items()},
            pca_mse=drawn.measured.pca_mse,
            history=_history(pathlib.Path(uris["model_run"])),
            images=drawn.images,
            reconstructions=drawn.reconstructions,
            image_labels=drawn.labels,
            loss=metrics.loss_of(evaluated.overall),
            details=drawn.details,
            unit_frequency=drawn.measured.activity.frequency,
            unit_mean=drawn.measured.activity.mean,
            settings=texts["settings"],
            facts=texts["facts"],
            parameters={name: texts["settings"][name] for name in texts["header"]},
            probe=probe_scores.read(pathlib.Path(uris["scores"])).metrics,
        )
        page.write_report(data, folder)
        summary = {
            "dataset": data.title,
            "blessed": blessed,
            "reasons": data.reasons,
            "metrics": {**data.metrics, "pca_mse": data.pca_mse},
            "probe": data.probe,
            "per_label": data.per_label,
            "images": write_images(data.images, data.reconstructions, data.image_labels, folder),
            "units": [
                {"frequency": float(often), "mean": float(strength)}
                for often, strength in zip(data.unit_frequency, data.unit_mean, strict=True)
            ],
        }
        (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=1), encoding="utf-8")
        for name, value in data.metrics.items():
            report.set_float_custom_property(f"test_{name}", value)
        report.set_float_custom_property("pca_mse", data.pca_mse)
        report.set_int_custom_property("blessed", int(blessed))


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """What the model makes of the test split.

    Attributes:
      measured: of all its images.
      images, reconstructions: of the images to show, in display range, as for `png.to_display`.
      labels: of these images; without labels their numbers.
      details: of the units, whose pictures are written.
    """

    measured: Measured
    images: Floats
    reconstructions: Floats
    labels: tuple[str, ...]
    details: unit_file.UnitDetails


def _draw(
    input_dict: Artifacts, uris: Mapping[str, str], texts: Mapping[str, Any], per_label: int, folder: pathlib.Path
) -> _Drawn:
    """Run the model on the test split, and write the pictures of its units into the folder of the report."""
    names: list[str] = texts["label_names"]
    model = _Model(path_utils.serving_model_path(uris["model"]), tuple(texts["shape"]))
    examples = _Examples(
        io_utils.all_files_pattern(artifact_utils.get_split_uri(input_dict["examples"], features.TEST)),
        tft.TFTransformOutput(uris["transform_graph"]),
        model.batch_size,
    )
    measured = split_activity.measure(
        ((images, model.encode(images), labels) for images, labels in examples.batches()),
        baselines.Pca.load(pathlib.Path(uris["model_run"])),
        len(names),
    )
    activity, labels = measured.activity, measured.labels
    chosen = choose(labels, measured.images, per_label)
    top = activity.top[:, unit_details.in_detail(activity)].ravel()
    images, thumbnails = _read(examples, chosen.tolist(), top[top >= 0].tolist(), model, measured)

    def label_of(number: int) -> str:
        return "" if labels is None else names[labels[number]]

    traversed = unit_details.traversed(chosen)
    details = unit_details.write(
        folder,
        "vector" if len(texts["shape"]) == 1 else "image",
        activity,
        thumbnails,
        codes=model.encode(images[[chosen.tolist().index(number) for number in traversed]]),
        traversed_images=[unit_file.UnitExample(number, label_of(number)) for number in traversed],
        label_of=label_of,
        labels=names,
        draw=(lambda codes: model.thumbnails(model.decode(codes), measured)) if model.decodes else None,
    )
    shown, redrawn = png.to_display(model.shaped(images), model.shaped(model.reconstruct(images)))
    shown_labels = tuple(label_of(number) or str(number) for number in chosen.tolist())
    return _Drawn(measured, shown, redrawn, shown_labels, details)


def _history(run_dir: pathlib.Path) -> tuple[thresholds.EpochLosses, ...]:
    epochs = json.loads((run_dir / run_fn.HISTORY_FILE).read_text(encoding="utf-8"))
    return tuple(thresholds.EpochLosses(**losses) for losses in epochs)


class _Model:
    """The signatures of a SavedModel on arrays, and its images in their shape."""

    def __init__(self, folder: str, shape: Sequence[int]) -> None:
        self._loaded = loaded.load(folder)  # owns the variables
        self._signatures = self._loaded.signatures
        self._shape = png.picture_shape(shape)
        self.batch_size = features.batch_of(math.prod(shape))
        self.decodes = "decode" in self._signatures  # models of earlier versions do not

    def encode(self, images: Floats) -> Floats:
        """Return float32 codes, shape (n, units), of float32 images, shape (n, pixels)."""
        return self._apply("encode", "images", saved_model.CODE, images)

    def reconstruct(self, images: Floats) -> Floats:
        """Return reconstructions, shape (n, pixels)."""
        return self._apply("reconstruct", "images", saved_model.RECONSTRUCTION, images)

    def decode(self, codes: Floats) -> Floats:
        """Return what is decoded from codes, shape (n, pixels)."""
        return self._apply("decode", "codes", saved_model.RECONSTRUCTION, codes)

    def _apply(self, signature: str, name: str, output: str, values: Floats) -> Floats:
        call = self._signatures[signature]
        parts = [values[first : first + self.batch_size] for first in range(0, len(values), self.batch_size)]
        return np.concatenate([call(**{name: tf.constant(part)})[output].numpy() for part in parts])

    def shaped(self, images: Floats) -> Floats:
        """Return flat images in their shape."""
        return images.reshape(-1, *self._shape)

    def thumbnails(self, images: Floats, measured: Measured) -> list[png.Levels]:
        """Return small pictures of flat images, in the range of the test split."""
        return [png.thumbnail(png.by_range(one, measured.low, measured.high)) for one in self.shaped(images)]


@dataclasses.dataclass(frozen=True)
class _Examples:
    """The examples of a split: files, transform graph, and how many to transform at once."""

    files: str
    transform: tft.TFTransformOutput
    batch_size: int

    def batches(self, numbers: Sequence[int] | None = None) -> Iterator[tuple[Floats, Numbers | None]]:
        """Yield images, float32 (n, pixels), and labels, int64 (n,), or None; only examples with `numbers` if given."""
        for batch in transformed_input.batches([self.files], self.transform, self.batch_size, numbers=numbers):
            yield batch[features.IMAGE_XF], batch.get(features.LABEL_XF)


def _read(
    examples: _Examples, whole: Sequence[int], small: Sequence[int], model: _Model, measured: Measured
) -> tuple[Floats, dict[int, png.Levels]]:
    """Return the images numbered `whole`, shape (n, pixels), and by number thumbnails of those numbered `small`."""
    numbers = iter(sorted({*whole, *small}))
    images: dict[int, Floats] = {}
    thumbnails: dict[int, png.Levels] = {}
    wanted, in_small = set(whole), set(small)
    for batch, _ in examples.batches(sorted({*whole, *small})):
        for image, picture in zip(batch, model.thumbnails(batch, measured), strict=True):
            number = next(numbers)
            if number in wanted:
                images[number] = image
            if number in in_small:
                thumbnails[number] = picture
    return np.stack([images[number] for number in whole]), thumbnails


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
        "scores": component_spec.ChannelParameter(type=ProbeScores),
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
        scores: types.BaseChannel,
        texts: dict[str, Any],
        images_per_label: int,
    ) -> None:
        """Create the node.

        Args:
          examples: for the test split.
          transform_graph, model, model_run, evaluation, blessing, scores: of the model to report on.
          texts: `title`, `notice`, `label_names`, `shape` (of an image or vector), `gates` (fields of
            `thresholds.Gates`), `settings` and `facts` (text by text), and `header` (names
            of settings).
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
                scores=scores,
                texts=json.dumps(texts),
                images_per_label=images_per_label,
                report=types.Channel(type=Report),
            )
        )
