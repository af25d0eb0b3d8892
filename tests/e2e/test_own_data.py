"""From own files to codes: `sae data add`, `sae run` and `sae encode`, each loss and code computed again in NumPy."""

from __future__ import annotations

import csv
import dataclasses
import json
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline import cli
from tests import lazy

datasets = lazy.module("sklearn.datasets")
tf = lazy.module("tensorflow")
tfds = lazy.module("tensorflow_datasets")

# The numbers of signals and rows are such that 32 divides that of those to train on, as in QUICK.
SETTINGS = ("training.epochs=6", "training.batch_size=32", "training.learning_rate=0.01", "model.hidden_layers=32",
            "model.code_units=8", "evaluation.max_bce_to_mean_image=0.99",
            "evaluation.max_mse_to_mean_image=0.99")  # fmt: skip

Array = npt.NDArray[Any]
Sae = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Files:
    """Files of a person, and what is in them.

    Attributes:
      path: to add.
      values: by id of the record, as they are in the files.
      labels: by id; empty without labels.
      groups: by id; empty without groups.
      options: of `sae data add`.
      settings: of the run.
      encode: options of `sae encode`.
    """

    path: pathlib.Path
    values: Mapping[str, Array]
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict)
    options: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    encode: tuple[str, ...] = ()


def _box(number: int, height: int, width: int, channels: int) -> Array:
    """Return an image in [0, 1]: a box whose place and colour depend on the number, in noise."""
    rng = np.random.default_rng(number)
    image = rng.random((height, width, channels)) * 0.1
    top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
    image[top : top + height // 2, left : left + width // 2] += rng.uniform(0.3, 0.9, channels)
    return image


def _waves(count: int, size: int) -> Array:
    """Return float32 signals with a constant column, of which each has some phase and strength."""
    rng = np.random.default_rng(0)
    strength, phase = rng.uniform(1, 9, (count, 1)), rng.uniform(0, 2, (count, 1))
    signals = strength * np.sin(np.arange(size) / 8 + phase) + rng.normal(0, 0.1, (count, size)) - 4
    signals[:, 0] = 7
    return signals.astype(np.float32)


def cells(folder: pathlib.Path) -> Files:
    """Make 600 TIFF pictures of 16 bits without labels."""
    values = {
        f"cell{number:03}.tif": (_box(number, 64, 64, 1)[:, :, 0] * 65_535).astype(np.uint16) for number in range(600)
    }
    for name, pixels in values.items():
        Image.fromarray(pixels).save(folder / name)
    return Files(folder, values)


def colours(folder: pathlib.Path) -> Files:
    """Make colour pictures of 30 patients, in a folder for each label."""
    values, labels, groups = {}, {}, {}
    for number in range(240):
        name = f"{('left', 'right')[number % 2]}/patient{number % 30}_{number}.png"
        values[name] = (_box(number, 12, 10, 3) * 255).astype(np.uint8)
        labels[name], groups[name] = number % 2, f"patient{number % 30}"
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(values[name]).save(folder / name)
    return Files(folder, values, labels, groups, ("--group", r"(patient\d+)_"), ("model.loss=mse",))


def signals(folder: pathlib.Path) -> Files:
    """Make an .npz file of signals."""
    values = _waves(290, 96)
    np.savez(folder / "signals.npz", signals=values)
    numbered = {str(number): row for number, row in enumerate(values)}
    return Files(folder / "signals.npz", numbered, settings=("data.scaling=standard",))


def table(folder: pathlib.Path) -> Files:
    """Make a CSV file with a column of labels beside those of numbers."""
    rows = {str(number): np.round(row, 3) for number, row in enumerate(_waves(242, 12))}
    kinds = {number: int(number) % 3 for number in rows}
    with open(folder / "table.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", *(f"x{column}" for column in range(12))])
        writer.writerows(["abc"[kinds[number]], *map(str, row)] for number, row in rows.items())
    label = ("--label", "kind")
    return Files(folder / "table.csv", rows, kinds, options=label, encode=label)


def digits(folder: pathlib.Path) -> Files:
    """Save the digits of scikit-learn: 8x8 pixels from 0 to 16."""
    found = datasets.load_digits()
    images = found.images.astype(np.float32)
    np.savez(folder / "digits.npz", images=images, labels=found.target)
    numbers = [str(number) for number in range(len(images))]
    return Files(
        folder / "digits.npz", dict(zip(numbers, images, strict=True)), dict(zip(numbers, found.target, strict=True))
    )


def by_range_of_all(train: Array, values: Array) -> Array:
    return np.clip((values - train.min()) / (train.max() - train.min()), 0, 1)


def by_range_of_columns(train: Array, values: Array) -> Array:
    low, span = train.min(axis=0), np.ptp(train, axis=0)
    return np.clip(np.divide(values - low, span, out=np.zeros(values.shape), where=span > 0), 0, 1)


def standardised(train: Array, values: Array) -> Array:
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    return np.divide(values - mean, deviation, out=np.zeros(values.shape), where=deviation > 1e-9)


@pytest.fixture
def sae(capfd: pytest.CaptureFixture[str]) -> Sae:
    def run(*arguments: Any) -> Any:
        with pytest.raises(SystemExit) as ended:
            cli.main(list(map(str, arguments)))
        captured = capfd.readouterr()
        assert not ended.value.code, captured.err
        return json.loads(captured.out) if "--json" in arguments else captured.out

    return run


@pytest.mark.parametrize(
    ("make", "scale", "loss"),
    [
        pytest.param(cells, lambda train, values: values / 65_535, "bce", id="cells", marks=pytest.mark.chaos),
        pytest.param(colours, lambda train, values: values / 255, "mse", id="colours", marks=pytest.mark.chaos),
        pytest.param(signals, standardised, "mse", id="signals"),
        pytest.param(table, by_range_of_columns, "bce", id="table"),
        pytest.param(digits, by_range_of_all, "bce", id="digits", marks=pytest.mark.chaos),
    ],
)
def test_files_are_added_run_on_and_encoded(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, sae: Sae, make: Any, scale: Any, loss: str
) -> None:
    (tmp_path / "files").mkdir()
    files: Files = make(tmp_path / "files")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))

    added = sae("data", "add", "mine", files.path, *files.options)
    assert added.endswith(f"mine 1.0.0 is in {tmp_path / 'data' / 'mine' / '1.0.0'}\n")
    shown = sae("data", "show", "mine", "--json")
    prepared = tfds.builder_from_directory(shown["folder"])
    records = {
        split: [record["id"].decode() for record in tfds.as_numpy(prepared.as_dataset(split))]
        for split in ("train", "validation", "test")
    }
    assert shown["splits"] == {split: len(ids) for split, ids in records.items()}
    ids = [name for of_split in records.values() for name in of_split]
    assert sorted(ids) == sorted(files.values)
    if files.groups:
        of_splits = [{files.groups[name] for name in of_split} for of_split in records.values()]
        assert sum(map(len, of_splits)) == len(set().union(*of_splits)) == len(set(files.groups.values()))
        assert shown["recorded"]["groups"] == sum(map(len, of_splits))

    chosen = [word for setting in (*SETTINGS, *files.settings) for word in ("--set", setting)]
    summary = sae("run", "--json", "--root", tmp_path / "root", "--set", "data.dataset=mine", *chosen)
    skipped = [node["id"] for node in summary["nodes"] if node["state"] != "executed"]
    assert skipped == ([] if files.labels else ["PixelProbe", "Probe"])

    raw = {split: np.stack([files.values[name] for name in of_split]) for split, of_split in records.items()}
    train = raw["train"].reshape(len(raw["train"]), -1).astype(np.float64)
    values = {
        split: scale(train, of_split.reshape(len(of_split), -1).astype(np.float64)) for split, of_split in raw.items()
    }
    [model] = (tmp_path / "root" / "serving").rglob("saved_model.pb")
    codes, outputs = forward(model.parent, np.concatenate(list(values.values())).astype(np.float32))
    test, logits = values["test"], outputs[-len(values["test"]) :]
    bce = np.logaddexp(0, logits) - test * logits
    mse = np.square((1 / (1 + np.exp(-logits)) if loss == "bce" else logits) - test)
    assert summary["metrics"][f"test_{loss}"] == pytest.approx({"bce": bce, "mse": mse}[loss].mean(), rel=1e-4)
    assert summary["metrics"]["test_mse"] == pytest.approx(mse.mean(), rel=1e-4)
    mean_mse = np.square(test - values["train"].mean(axis=0)).mean()
    assert summary["metrics"]["mean_image_mse"] == pytest.approx(mean_mse, rel=1e-4)

    [report] = (tmp_path / "root" / "artifacts" / "Report").rglob("report.html")
    page = report.read_text(encoding="utf-8")
    assert ("Loss per label" in page) is bool(files.labels)
    assert ("nats per" in page) is (loss == "bce")
    pictures = json.loads((report.parent / "summary.json").read_text(encoding="utf-8"))["images"]
    assert len(pictures) == (len(set(files.labels.values())) if files.labels else 10)
    mode = Image.open(report.parent / pictures[0]["reconstruction"]).mode
    assert mode == ("RGB" if make is colours else "L")

    [of_run] = (tmp_path / "root" / "artifacts" / "Encode").rglob("codes.parquet")
    sae("encode", "mine", "--to", tmp_path / "mine.parquet", "--root", tmp_path / "root")
    for path in (of_run, tmp_path / "mine.parquet"):
        found = pq.read_table(path).to_pydict()
        assert found["id"] == ids
        assert found["split"] == [split for split, of_split in records.items() for _ in of_split]
        assert found.get("label") == ([files.labels[name] for name in ids] if files.labels else None)
        columns = [found[f"code_{unit}"] for unit in range(8)]
        np.testing.assert_allclose(np.transpose(columns), codes, rtol=1e-3, atol=1e-4)
    sae("encode", files.path, *files.encode, "--to", tmp_path / "files.npz", "--root", tmp_path / "root")
    with np.load(tmp_path / "files.npz") as arrays:
        by_id = dict(zip(arrays["id"].tolist(), arrays["codes"], strict=True))
    np.testing.assert_allclose(np.stack([by_id[name] for name in ids]), codes, rtol=1e-3, atol=1e-4)


def forward(model: pathlib.Path, values: Array) -> tuple[Array, Array]:
    """Return codes and outputs, without the last activation, of dense layers with the saved weights and ReLU."""
    weights = tf.train.load_checkpoint(str(model / "variables" / "variables"))
    names = sorted(
        weights.get_variable_to_shape_map(), key=lambda name: [int(part) for part in re.findall(r"\d+", name)]
    )
    arrays = [weights.get_tensor(name) for name in names if name.endswith("VARIABLE_VALUE")]
    layers = list(zip(arrays[::2], arrays[1::2], strict=True))
    codes = values
    for number, (kernel, bias) in enumerate(layers):
        values = values @ kernel + bias
        if number < len(layers) - 1:
            values = np.maximum(values, 0)
        if len(bias) == 8:
            codes = values
    return codes, values
