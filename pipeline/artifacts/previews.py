"""What is shown of an artifact without its libraries: written when its node ends, read by commands and pages.

A preview lies in a folder of its own, `previews/<node>/<output>/<execution>` beside `artifacts/` in the root, never in
the artifact: TFX takes every file of a split for data. It is `preview.json`, one of the dataclasses here, and the small
PNG files that this names. It shows, and proves nothing: digests do not cover it, and a run does not fail for want of
it. `pipeline/previewing` makes them, with TensorFlow.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shutil
from collections.abc import Mapping
from typing import Any

from components.evaluation.thresholds import EpochLosses
from pipeline.core import serialization

SCHEMA_VERSION = 1
FILE = "preview.json"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A PNG file in the preview's folder; sizes in pixels. `label` says what is on it, for people."""

    file: str
    width: int
    height: int
    label: str = ""


@dataclasses.dataclass(frozen=True)
class Feature:
    """A named value. `shape`: `(784,)`, with `None` for any number; empty where not known."""

    name: str
    type: str
    shape: str = ""


@dataclasses.dataclass(frozen=True)
class ExamplesSplit:
    """A split. `pictures`: its first images, a few of each label."""

    name: str
    count: int
    features: tuple[Feature, ...]
    pictures: tuple[Picture, ...]


@dataclasses.dataclass(frozen=True)
class Examples:
    """Of Examples."""

    splits: tuple[ExamplesSplit, ...]


@dataclasses.dataclass(frozen=True)
class Bucket:
    """A bucket of a histogram: how many values are in [low, high)."""

    low: float
    high: float
    count: float


@dataclasses.dataclass(frozen=True)
class FeatureStatistics:
    """What TFDV counted of a feature; numbers are None for features that are no numbers.

    Attributes:
      count, missing: examples with and without a value.
      unique: different values; None where not counted.
      zeros: values that are 0.
      average_length: of bytes and texts, in bytes.
      histogram: of the values, buckets of equal width.
    """

    name: str
    type: str
    count: int
    missing: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std_dev: float | None = None
    zeros: int | None = None
    unique: int | None = None
    average_length: float | None = None
    histogram: tuple[Bucket, ...] = ()


@dataclasses.dataclass(frozen=True)
class StatisticsSplit:
    """Of one split."""

    name: str
    examples: int
    features: tuple[FeatureStatistics, ...]


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Of ExampleStatistics."""

    splits: tuple[StatisticsSplit, ...]


@dataclasses.dataclass(frozen=True)
class Anomaly:
    """What is not as the schema says. `feature` is empty for one of the whole data set."""

    feature: str
    summary: str
    description: str


@dataclasses.dataclass(frozen=True)
class AnomaliesSplit:
    """Of one split."""

    name: str
    anomalies: tuple[Anomaly, ...]


@dataclasses.dataclass(frozen=True)
class Anomalies:
    """Of ExampleAnomalies."""

    splits: tuple[AnomaliesSplit, ...]


@dataclasses.dataclass(frozen=True)
class SchemaFeature:
    """What a feature must be, in words; empty where nothing is asked."""

    name: str
    type: str
    presence: str
    shape: str
    domain: str


@dataclasses.dataclass(frozen=True)
class Schema:
    """Of Schema."""

    features: tuple[SchemaFeature, ...]


@dataclasses.dataclass(frozen=True)
class TransformGraph:
    """Of TransformGraph: what goes in, and what comes out."""

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]


@dataclasses.dataclass(frozen=True)
class Layer:
    """A dense layer: numbers of inputs and outputs, what is applied to these, and how many parameters it has."""

    name: str
    inputs: int
    outputs: int
    activation: str
    parameters: int


@dataclasses.dataclass(frozen=True)
class Signature:
    """A signature of a SavedModel."""

    name: str
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]


@dataclasses.dataclass(frozen=True)
class UnitAnswer:
    """What the decoder makes of one unit of the code alone.

    Attributes:
      activation: what the unit was set to, all others being 0: its mean over the images on which it is active.
      picture: None for a unit that is active on no image.
    """

    unit: int
    activation: float
    picture: Picture | None


@dataclasses.dataclass(frozen=True)
class Model:
    """Of Model. Where the model is not ours, `layers` and `units` are empty."""

    parameters: int
    layers: tuple[Layer, ...]
    signatures: tuple[Signature, ...]
    units: tuple[UnitAnswer, ...]


@dataclasses.dataclass(frozen=True)
class ModelRun:
    """Of ModelRun: the curves."""

    history: tuple[EpochLosses, ...]


@dataclasses.dataclass(frozen=True)
class Threshold:
    """What was asked of a model. `slice`: `overall` or `label 3`; passed when `value <= limit`; None: nothing asked."""

    metric: str
    slice: str
    value: float
    limit: float | None
    passed: bool


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Of ModelEvaluation.

    Attributes:
      metrics: over the whole split, by name.
      slices: the same by slice: `label 3`.
      thresholds: how the model stood to each.
    """

    metrics: Mapping[str, float]
    slices: Mapping[str, Mapping[str, float]]
    thresholds: tuple[Threshold, ...]


@dataclasses.dataclass(frozen=True)
class Blessing:
    """Of ModelBlessing. `reasons`: why not blessed."""

    blessed: bool
    reasons: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class PushDecision:
    """Of PushDecision.

    Attributes:
      push: whether the model is to be served.
      reason: why, or why not.
      bce: its loss on the test split, nats per pixel.
      l1: weight of its penalty; None where not noted.
      limit: the largest ratio to the baseline's loss; None: any.
      version, run, baseline_bce: of the baseline, the model that it was held against; None where it was against none.
      baseline_evaluation: where that loss came from; empty where there is none.
    """

    push: bool
    reason: str
    bce: float
    l1: float | None
    limit: float | None
    version: int | None
    run: str | None
    baseline_bce: float | None
    baseline_evaluation: str


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """A test image, and what the model makes of it."""

    label: str
    original: Picture
    reconstruction: Picture


@dataclasses.dataclass(frozen=True)
class UnitActivity:
    """How often a unit of the code is active, in [0, 1], and its mean activation then; 0 for a dead unit."""

    unit: int
    frequency: float
    mean: float


@dataclasses.dataclass(frozen=True)
class Report:
    """Of Report: the same test images for every run on a data set."""

    images: tuple[Reconstruction, ...]
    units: tuple[UnitActivity, ...]


Preview = (
    Examples
    | Statistics
    | Anomalies
    | Schema
    | TransformGraph
    | Model
    | ModelRun
    | Evaluation
    | Blessing
    | PushDecision
    | Report
)  # fmt: skip

# By TFX's name of the artifact's type.
KINDS: Mapping[str, type[Preview]] = {
    "Examples": Examples,
    "ExampleStatistics": Statistics,
    "ExampleAnomalies": Anomalies,
    "Schema": Schema,
    "TransformGraph": TransformGraph,
    "Model": Model,
    "ModelRun": ModelRun,
    "ModelEvaluation": Evaluation,
    "ModelBlessing": Blessing,
    "PushDecision": PushDecision,
    "Report": Report,
}

_LARGEST = 4 * 1024 * 1024  # bytes of preview.json; ours have a few thousand
_FILE_NAME = re.compile(r"[\w][\w.-]*\.png")


def folder_of(root: pathlib.Path, uri: str) -> pathlib.Path | None:
    """Where the preview of an artifact in this root is; None for one that lies elsewhere."""
    artifacts = root / "artifacts"
    place = pathlib.Path(os.path.normpath(uri))
    return root / "previews" / place.relative_to(artifacts) if place.is_relative_to(artifacts) else None


def write(folder: pathlib.Path, preview: Preview, pictures: Mapping[str, bytes]) -> None:
    """Stores a preview, all of it or nothing, in place of an older one.

    Args:
      folder: of this preview alone.
      preview: what `preview.json` is to say.
      pictures: PNG files by the name that it gives them.

    Raises:
      ValueError: it holds a number that is not finite: JSON has none.
      OSError: it cannot be written.
    """
    (type_name,) = (name for name, kind in KINDS.items() if kind is type(preview))
    values = {"schema_version": SCHEMA_VERSION, "type": type_name, **dataclasses.asdict(preview)}
    text = json.dumps(values, allow_nan=False)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        for name, png in pictures.items():
            (unfinished / name).write_bytes(png)
        (unfinished / FILE).write_text(text, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def read(folder: pathlib.Path, type_name: str) -> Preview | None:
    """The preview in a folder; None where there is none, or none that this version understands."""
    kind = KINDS.get(type_name)
    path = folder / FILE
    try:
        if kind is None or path.stat().st_size > _LARGEST:
            return None
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if values["schema_version"] != SCHEMA_VERSION or values["type"] != type_name:
            return None
        return serialization.build(kind, values)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def picture_path(folder: pathlib.Path, name: str) -> pathlib.Path | None:
    """The file of a picture that a preview names; None for any other name."""
    return folder / name if _FILE_NAME.fullmatch(name) else None
