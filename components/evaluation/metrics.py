"""The metrics of this pipeline, each declared once. Free of TensorFlow.

What is computed, recorded, listed, drawn and reported follows from `METRICS`. To add a metric, declare it here and
compute it: where it is a mean over images in `image_metrics.measure_images`, else in `slice_metrics.measure_slice`.
The Trainer computes the same metrics on the validation split, which is what to choose a model by: `VALIDATION`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Literal

# Activations above it count as active: a ReLU is exactly 0 for negative inputs.
ACTIVE_ABOVE = 0.0


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number that the Evaluator computes, over all test images and for each label, or that another node computes.

    Attributes:
      name: its key in the evaluation: `bce`.
      label: its name on pages and in tables: `BCE`.
      meaning: one line.
      unit: empty for a number without unit.
      better: whether `lower` or `higher` is better; empty: neither.
      decimals: digits after the point.
      source: `image`: the mean of a value for each image; `slice`: computed from all images of a slice at once;
        `count`: TFMA's number of examples; `report`, `probe` and `validation`: computed by the Report, by the Probe
        and, on the validation split, by the Trainer, not by the Evaluator.
      run_key: its key in the JSON of a run, and on the run in ML Metadata; empty: not a metric of runs.
      recorded: whether it is recorded on the run, for lists of runs.
      column: its heading in the list of runs; empty: no column.
      instead_of: the `run_key` of a column that runs may lack: this one is a column only where a run has it alone.
      optional: whether it is a column only where a run has a value other than 0.
      baseline_of: the name of the metric that it is a baseline of; empty: not a baseline.
      baseline: its heading in the table of baselines: `mean image`.
      loss: the loss that a model must be trained with to have this metric, a key of `LOSSES`; empty: any.
      with_noise: whether only models that were trained with noise have it.
      largest: its largest possible value, where the axis of a chart ends.
      validation_of: the name of the metric that it is on the validation split; empty: not on the validation split.
    """

    name: str
    label: str
    meaning: str
    unit: str = ""
    better: Literal["lower", "higher", ""] = ""
    decimals: int = 4
    source: Literal["image", "slice", "count", "report", "probe", "validation"] = "image"
    run_key: str = ""
    recorded: bool = False
    column: str = ""
    instead_of: str = ""
    optional: bool = False
    baseline_of: str = ""
    baseline: str = ""
    loss: str = ""
    with_noise: bool = False
    largest: float = math.inf
    validation_of: str = ""

    def text(self, value: float | None) -> str:
        """Return a value with its decimals; empty for None or a number that is not finite."""
        return "" if value is None or not math.isfinite(value) else f"{value:,.{self.decimals}f}"

    @property
    def is_loss(self) -> bool:
        """Whether it is a reconstruction loss, of the model or of a baseline."""
        if self.validation_of:
            return any(one.name == self.validation_of and one.is_loss for one in METRICS)
        return bool(self.baseline_of) or any(self in (one.metric, one.mean_image) for one in LOSSES.values())

    def reworded(self, words: Mapping[str, str]) -> Metric:
        """Return the metric with its texts in the words of other data than images, one of `WORDS`."""
        texts = (reworded(text, words) for text in (self.label, self.meaning, self.unit, self.baseline))
        label, meaning, unit, baseline = texts
        return dataclasses.replace(self, label=label, meaning=meaning, unit=unit, baseline=baseline)

    @property
    def title(self) -> str:
        """The label with the unit: `BCE, nats per pixel`."""
        return f"{self.label}, {self.unit}" if self.unit else self.label


# fmt: off
BCE = Metric(
    "bce", "BCE", "reconstruction loss on the test split: binary cross-entropy without the penalty", "nats per pixel",
    "lower", run_key="test_bce", recorded=True, column="test BCE", loss="bce",
)
BCE_TO_MEAN_IMAGE = Metric(
    "bce_to_mean_image", "BCE to mean image", "`test_bce / mean_image_bce`; near 1 the model has learned nothing",
    better="lower", source="slice", run_key="bce_to_mean_image", loss="bce",
)
MSE = Metric(
    "mse", "MSE", "squared error, mean over pixels and images",
    better="lower", decimals=5, run_key="test_mse", recorded=True, column="test MSE", instead_of=BCE.run_key,
)
MSE_TO_MEAN_IMAGE = Metric(
    "mse_to_mean_image", "MSE to mean image", "`test_mse / mean_image_mse`, of models trained with `model.loss` mse",
    better="lower", source="slice", run_key="mse_to_mean_image", loss="mse",
)
MEAN_IMAGE_BCE = Metric(
    "mean_image_bce", "mean image's BCE", "reconstruction loss of always predicting the mean training image",
    "nats per pixel", run_key="mean_image_bce", baseline_of="bce", baseline="mean image", loss="bce",
)
MEAN_IMAGE_MSE = Metric(
    "mean_image_mse", "mean image's MSE", "squared error of always predicting the mean training image",
    decimals=5, run_key="mean_image_mse", baseline_of="mse", baseline="mean image",
)
ENTROPY_FLOOR = Metric(
    "entropy_floor", "entropy floor", "cross-entropy of the images with themselves: no model can be below it",
    "nats per pixel", run_key="entropy_floor", baseline_of="bce", baseline="floor", loss="bce",
)
NOISY = "noisy_"  # before the name of a loss
_OF_NOISY = "of the reconstructions of images with noise, compared with the clean images"
NOISY_BCE = Metric(
    f"{NOISY}bce", "BCE of noisy images", f"binary cross-entropy {_OF_NOISY}", "nats per pixel",
    "lower", run_key="noisy_bce", loss="bce", with_noise=True,
)
NOISY_MSE = Metric(
    f"{NOISY}mse", "MSE of noisy images", f"squared error {_OF_NOISY}",
    better="lower", decimals=5, run_key="noisy_mse", loss="mse", with_noise=True,
)
LINEAR_PROBE = Metric(
    "linear_probe_accuracy", "linear probe accuracy",
    "share of test images whose label logistic regression on the code predicts", better="higher", source="probe",
    run_key="linear_probe_accuracy", recorded=True, column="linear probe", optional=True, largest=1.0,
)
KNN = Metric(
    "knn_accuracy", "k-NN accuracy", "share of test images whose label the 5 nearest codes of the train split have",
    better="higher", source="probe", run_key="knn_accuracy", recorded=True, largest=1.0,
)
PROBES = (LINEAR_PROBE, KNN)
# The representations that the Probe compares, by the prefix of their metrics.
CODE, PCA, PIXELS = "", "pca_", "pixels_"
REPRESENTATIONS = {CODE: "code", PCA: "PCA", PIXELS: "raw pixels"}
_MEANINGS = {PCA: "of PCA with as many components as the code has units", PIXELS: "of the pixels"}
UNMEASURED = "reason"  # custom property of ProbeScores: why nothing was measured; empty if it was
_MEASURED = (
    BCE,
    MSE,
    NOISY_BCE,
    NOISY_MSE,
    Metric(
        "active_units", "active units", "units of the code above 0, mean over images", "per image",
        decimals=1, run_key="active_units", recorded=True, column="active",
    ),
    Metric(
        "dead_units", "dead units", "units of the code that are above 0 on none of the images",
        better="lower", decimals=0, source="slice", run_key="dead_units", recorded=True, column="dead", optional=True,
    ),
    Metric(
        "near_dead_units", "near-dead units", "units above 0 on less than 0.1 % of the images, dead units among them",
        better="lower", decimals=0, source="slice", run_key="near_dead_units", recorded=True,
    ),
    Metric(
        "always_active_units", "always active units", "units above 0 on more than 90 % of the images",
        decimals=0, source="slice", run_key="always_active_units", recorded=True,
    ),
    Metric(
        "active_units_min", "active units, min", "least number of active units of an image",
        decimals=0, source="slice",
    ),
    Metric(
        "active_units_median", "active units, median",
        "median of the number of active units of an image; of an even number of images, the mean of the middle two",
        decimals=1, source="slice",
    ),
    Metric(
        "active_units_max", "active units, max", "largest number of active units of an image",
        decimals=0, source="slice",
    ),
    Metric(
        "effective_units", "effective number of units",
        "number of units that, active equally often, have the entropy of the units' shares in all activity (Hill 1973)",
        decimals=1, source="slice", run_key="effective_units",
    ),
    Metric(
        "hoyer", "Hoyer sparsity", "Hoyer's sparsity of the code: 0 all equal, 1 one unit alone (Hoyer 2004)",
        decimals=3, run_key="hoyer",
    ),
    Metric(
        "gini", "Gini index", "Gini index of the code: 0 all equal, near 1 one unit alone (Hurley and Rickard 2009)",
        decimals=3, run_key="gini",
    ),
    LINEAR_PROBE,
    KNN,
    MEAN_IMAGE_BCE,
    MEAN_IMAGE_MSE,
    Metric(
        "pca_mse", "PCA's MSE",
        "squared error of PCA with as many components as the code has units, fitted on the train split",
        decimals=5, source="report", run_key="pca_mse", baseline_of="mse", baseline="PCA",
    ),
    *(
        Metric(
            f"{kind}{of.name}", f"{of.label} of {REPRESENTATIONS[kind]}", f"{of.label} {meaning}", source="probe",
            run_key=f"{kind}{of.name}", baseline_of=of.name, baseline=REPRESENTATIONS[kind],
        )
        for kind, meaning in _MEANINGS.items()
        for of in PROBES
    ),
    ENTROPY_FLOOR,
    BCE_TO_MEAN_IMAGE,
    MSE_TO_MEAN_IMAGE,
    Metric("example_count", "test images", "number of images", decimals=0, source="count"),
)
# fmt: on


def _on_validation(of: Metric) -> Metric:
    return Metric(
        f"validation_{of.name}",
        f"validation {of.label}",
        f"`{of.run_key or of.name}`, but on the validation split",
        of.unit,
        of.better,
        of.decimals,
        source="validation",
        run_key=f"validation_{of.name}" if of.run_key else "",
        recorded=of.recorded,
        loss=of.loss,
        validation_of=of.name,
    )


# Those of the Evaluator on the validation split, by which to choose among models without looking at the test split.
VALIDATION = tuple(_on_validation(one) for one in _MEASURED if one.source in ("image", "slice"))
# In the order in which a run lists them.
METRICS = (*_MEASURED, *VALIDATION)


@dataclasses.dataclass(frozen=True)
class Loss:
    """A reconstruction loss that a model can be trained with, and the metrics in its terms.

    Attributes:
      metric: the loss on the test split.
      to_mean_image: its ratio to `mean_image`.
      mean_image: the loss of always predicting the mean training image.
      floor: the least loss of any model; None: 0.
      title: `cross-entropy`.
      unit: of axes: `nats per pixel`.
    """

    metric: Metric
    to_mean_image: Metric
    mean_image: Metric
    floor: Metric | None
    title: str
    unit: str


# By the name that the model and `model.loss` have.
LOSSES = {
    "bce": Loss(BCE, BCE_TO_MEAN_IMAGE, MEAN_IMAGE_BCE, ENTROPY_FLOOR, "cross-entropy", "nats per pixel"),
    "mse": Loss(MSE, MSE_TO_MEAN_IMAGE, MEAN_IMAGE_MSE, None, "squared error", "mean over values"),
}
_LABELS = {one.name: one.label for one in METRICS}


# Words of labels and texts, by the kind of data that an example is, where they differ from those of images.
WORDS: dict[str, dict[str, str]] = {
    "image": {},
    "vector": {"image": "vector", "pixel": "value"},
}


def reworded(text: str, words: Mapping[str, str]) -> str:
    """Return a text of images in the words of other data, one of `WORDS`: `nats per value` for `nats per pixel`."""
    for word, other in words.items():
        text = text.replace(word, other)
    return text


def label(name: str) -> str:
    """Return the label of a metric; the name of one that is not declared here."""
    return _LABELS.get(name, name)


def run_metrics(values: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of a run by their names there, from those of its evaluation."""
    return {one.run_key: values[one.name] for one in METRICS if one.run_key and one.name in values}


def recorded(values: Mapping[str, float]) -> dict[str, float]:
    """Return those metrics of a run that are recorded on it."""
    return {one.run_key: values[one.run_key] for one in METRICS if one.recorded and one.run_key in values}


def by_split(values: Mapping[str, float], declared: Iterable[Metric]) -> tuple[dict[str, float], dict[str, float]]:
    """Return metrics of a run by name on the test split, and those on the validation split by the same names."""
    of = {one.name: one.validation_of for one in declared if one.validation_of}
    test = {name: value for name, value in values.items() if name not in of}
    return test, {of[name]: value for name, value in values.items() if name in of}


def evaluated(loss: str = "bce", noise: bool = False) -> tuple[Metric, ...]:
    """Return the metrics that the Evaluator computes for a model of a loss of `LOSSES`, trained with noise or not."""
    return tuple(
        one
        for one in METRICS
        if one.source in ("image", "slice", "count") and one.loss in ("", loss) and (noise or not one.with_noise)
    )


def loss_of(values: Container[str]) -> str:
    """Return the name of the loss that a model was trained with, from the names of its metrics."""
    return "bce" if BCE.name in values else "mse"


def columns() -> tuple[Metric, ...]:
    """Return the metrics that are columns of a list of runs."""
    return tuple(one for one in METRICS if one.column)


def shown(columns: Sequence[Metric], rows: Iterable[Mapping[str, float | None]]) -> tuple[Metric, ...]:
    """Return the columns of a list that these rows need: of metrics that stand for each other, those with values.

    Args:
      columns: metrics with a column.
      rows: values by `run_key`; None for a metric that was not evaluated.
    """
    listed = list(rows)
    found = [{name for name, value in row.items() if value is not None} for row in listed]
    instead = [one for one in columns if any(one.run_key in row and one.instead_of not in row for row in found)]
    replaced = {one.instead_of for one in instead if not any(one.instead_of in row for row in found)}
    missing = {one.run_key for one in columns if one.optional and not any(row.get(one.run_key) for row in listed)}
    return tuple(
        one
        for one in columns
        if (one in instead if one.instead_of else one.run_key not in replaced) and one.run_key not in missing
    )


def find(name: str) -> Metric | None:
    """Return the metric with this name in an evaluation or in a run."""
    return next((one for one in METRICS if name and name in (one.name, one.run_key)), None)
