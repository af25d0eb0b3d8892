"""Data sets of every kind, from the prepared data to the report: each loss is computed again in NumPy."""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pipeline.orchestration.summary import Summary
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests import lazy, tfds_builders
from tests.e2e.conftest import run_here, states

saved_layers = lazy.module("components.model.saved_layers")
model_preview = lazy.module("pipeline.artifacts.preview_writers.model")
tf = lazy.module("tensorflow")
tfds = lazy.module("tensorflow_datasets")

SIZES = {"train": 140, "validation": 30, "test": 30}
QUICK = ("training.epochs=3", "training.batch_size=20", "model.hidden_layers=32", "model.code_units=8",
         "evaluation.max_bce_to_mean_image=0.99", "evaluation.max_mse_to_mean_image=0.99",
         "training.learning_rate=0.01")  # fmt: skip

Array = npt.NDArray[Any]


def blots(number: int, height: int, width: int, channels: int = 1) -> Array:
    """Return an image in [0, 1]: a box of one brightness, at a place and of a colour that depend on the number."""
    rng = np.random.default_rng(number)
    image = rng.random((height, width, channels)) * 0.1
    top, left = (int(rng.integers(0, side // 2)) for side in (height, width))
    image[top : top + height // 2, left : left + width // 2] += rng.uniform(0.3, 0.9, channels)
    return image


def wave(number: int) -> Array:
    """Return a vector of 96 numbers, of which the first is constant: a wave of some phase and strength."""
    rng = np.random.default_rng(number)
    strength, phase = rng.uniform(1, 9), rng.uniform(0, 2)
    numbers = strength * np.sin(np.arange(96) / 8 + phase) + rng.normal(0, 0.1, 96) - 4
    numbers[0] = 7
    return numbers.astype(np.float32)


def integers(image: Array, dtype: Any) -> Array:
    return (image * np.iinfo(dtype).max).astype(dtype)


def jpeg(number: int) -> io.BytesIO:
    """Return a JPEG file of a size of its own."""
    image = integers(blots(number, 20 + number % 7, 24 + number % 5, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG")
    return io.BytesIO(file.getvalue())


@dataclasses.dataclass(frozen=True)
class Kind:
    """A data set, the settings to run on it, and its test split as the model must see it.

    Attributes:
      features: of the data set, as TFDS declares them.
      record: makes the record of a number.
      settings: of the run.
      scale: makes float32 arrays, shape (n, values), of the records of train and test; None: not computed again.
      loss: `bce` or `mse`.
    """

    features: Callable[[], Mapping[str, Any]]
    record: Callable[[int], Mapping[str, Any]]
    settings: tuple[str, ...]
    scale: Callable[[Array, Array], Array] | None
    loss: str = "bce"
    key: str = "image"


def standardised(train: Array, test: Array) -> Array:
    mean, deviation = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    return np.divide(test - mean, deviation, out=np.zeros(test.shape), where=deviation > 1e-9)


def by_range(train: Array, test: Array) -> Array:
    return np.clip((test - train.min()) / (train.max() - train.min()), 0, 1)


KINDS = {
    "float_images": Kind(
        lambda: {"image": tfds.features.Tensor(shape=(12, 10), dtype=np.float32)},
        lambda number: {"image": (blots(number, 12, 10)[:, :, 0] * 50 - 20).astype(np.float32)},
        (),
        by_range,
    ),
    "jpeg_files_of_many_sizes": Kind(
        lambda: {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(num_classes=3)},
        lambda number: {"image": jpeg(number), "label": number % 3},
        ("data.size=12x10", "training.epochs=12"),
        None,
    ),
    "integers_in_vectors": Kind(
        lambda: {"row": tfds.features.Tensor(shape=(96,), dtype=np.int64)},
        lambda number: {"row": np.rint(wave(number) * 100).astype(np.int64)},
        ("data.scaling=standard",),
        standardised,
        loss="mse",
        key="row",
    ),
}


@pytest.mark.chaos  # these take a minute and are not part of `make test`; test_own_data.py has other kinds
@pytest.mark.parametrize("name", KINDS)
def test_data_set_runs_from_its_files_to_a_blessed_model(name: str, tmp_path: pathlib.Path) -> None:
    kind = KINDS[name]
    starts = np.cumsum([0, *SIZES.values()])
    numbers = {split: range(start, start + size) for (split, size), start in zip(SIZES.items(), starts, strict=False)}
    records = {split: [kind.record(number) for number in of_split] for split, of_split in numbers.items()}
    tfds_builders.prepare(tmp_path / "data", records, features=kind.features(), name=name, in_order=True)

    summary = run_here(
        tmp_path / "root",
        f"data.dataset={name}",
        f"data.data_dir={tmp_path / 'data'}",
        *QUICK,
        *kind.settings,
        profile="mnist",
    )

    labelled = "label" in records["train"][0]
    skipped = set() if labelled else {"PixelProbe", "Probe"}
    assert states(summary) == {name: "skipped" if name in skipped else "executed" for name in PIPELINE.names}
    assert summary.blessed is True
    assert summary.metrics[f"{kind.loss}_to_mean_image"] < 0.99
    assert ("test_bce" in summary.metrics) is (kind.loss == "bce")
    if kind.scale is not None:
        train, test = (
            np.stack([record[kind.key] for record in records[split]]).reshape(SIZES[split], -1)
            for split in ("train", "test")
        )
        images = kind.scale(train.astype(np.float64), test.astype(np.float64)).astype(np.float32)
        loss, baseline = losses(summary, images, kind)
        assert summary.metrics[f"test_{kind.loss}"] == pytest.approx(loss, rel=1e-3)
        scaled = kind.scale(train.astype(np.float64), train.astype(np.float64))
        mean_mse = np.square(images - scaled.mean(axis=0)).mean()
        assert summary.metrics["mean_image_mse"] == pytest.approx(mean_mse, rel=1e-3)
        assert baseline == pytest.approx(summary.metrics[f"{kind.loss}_to_mean_image"], rel=1e-3)
    report = report_of(summary)
    page = (report / "report.html").read_text(encoding="utf-8")
    assert ("Loss per label" in page) is labelled
    assert ("nats per pixel" in page) is (kind.loss == "bce")
    pictures = json.loads((report / "summary.json").read_text(encoding="utf-8"))["images"]
    assert len(pictures) == (summary_labels(records) if labelled else 10)
    mode = Image.open(report / pictures[0]["reconstruction"]).mode
    assert mode == ("RGB" if name.startswith("jpeg") else "L")


def summary_labels(records: Mapping[str, list[Mapping[str, Any]]]) -> int:
    return len({record["label"] for record in records["test"]})


def report_of(summary: Summary) -> pathlib.Path:
    [report] = pathlib.Path(summary.root).glob("artifacts/Report/report/*")
    return report


def losses(summary: Summary, images: Array, kind: Kind) -> tuple[float, float]:
    """Return the mean loss of the pushed model, and its ratio to the recorded loss of the mean image."""
    [served] = pathlib.Path(summary.root).glob("serving/*")
    [model] = served.rglob("saved_model.pb")
    layers = saved_layers.layers_of(model_preview.variables_of(model.parent))
    values = images
    for layer in layers:
        values = values @ layer.variables["kernel"] + layer.variables["bias"]
        if layer is not layers[-1]:
            values = np.maximum(values, 0)
    if kind.loss == "mse":
        loss = float(np.square(values - images).mean())
        return loss, loss / summary.metrics["mean_image_mse"]
    softplus = np.logaddexp(0, values)
    loss = float((softplus - images * values).mean())
    return loss, loss / summary.metrics["mean_image_bce"]
