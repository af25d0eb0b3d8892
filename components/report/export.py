"""The report's figures as SVG and PDF files, and its numbers as CSV files, from the files of a report.

The report itself holds PNG files. These are made on demand, for papers: vector graphics on white, and every digit.
"""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from components.evaluation import metrics
from components.evaluation.thresholds import EpochLosses
from components.report import figures, page

FORMATS = ("svg", "pdf", "png")
PCA_MSE = "pca_mse"


def read_report(
    summary: Mapping[str, Any], history: Sequence[Mapping[str, Any]], folder: pathlib.Path
) -> page.ReportData:
    """Return what the figures of a report show.

    Args:
      summary: its `summary.json`.
      history: the losses of each epoch, of the model's `history.json`.
      folder: with its pictures.

    Raises:
      KeyError, ValueError, OSError: a number is missing, or a picture is missing or damaged.
    """
    values = dict(summary["metrics"])
    pca_mse = values.pop(PCA_MSE)
    pairs = [
        [np.asarray(Image.open(folder / one[kind]), np.float32) / 255 for kind in ("original", "reconstruction")]
        for one in summary["images"]
    ]
    return page.ReportData(
        title=summary["dataset"],
        notice="",
        blessed=summary["blessed"],
        reasons=tuple(summary["reasons"]),
        gates=(),
        metrics=values,
        per_label=summary["per_label"],
        pca_mse=pca_mse,
        history=tuple(EpochLosses(**losses) for losses in history),
        images=np.stack([original for original, _ in pairs]),
        reconstructions=np.stack([reconstruction for _, reconstruction in pairs]),
        image_labels=tuple(one["label"] for one in summary["images"]),
        unit_frequency=np.array([one["frequency"] for one in summary["units"]]),
        unit_mean=np.array([one["mean"] for one in summary["units"]]),
        settings={},
        facts={},
        loss=metrics.loss_of(values),
    )


def write_figures(data: page.ReportData, folder: pathlib.Path, formats: Sequence[str]) -> list[pathlib.Path]:
    """Write each figure in each of `FORMATS` that is given, into an existing folder; return the files."""
    written = []
    for name, draw in page.drawings(data).items():
        for form in formats:
            path = folder / f"{name}.{form}"
            path.write_bytes(figures.render(draw, figures.LIGHT, form))
            written.append(path)
    return written


def write_tables(data: page.ReportData, folder: pathlib.Path) -> list[pathlib.Path]:
    """Write metrics, metrics by label, losses by epoch and units as CSV files with all digits; return the files."""
    names = list(next(iter(data.per_label.values()), {}))
    losses = ("epoch", "loss", "val_loss", "reconstruction", "val_reconstruction")
    units = zip(data.unit_frequency.tolist(), data.unit_mean.tolist(), strict=True)
    tables: dict[str, tuple[Sequence[str], Iterable[Sequence[Any]]]] = {
        "metrics": (("metric", "value"), [*data.metrics.items(), (PCA_MSE, data.pca_mse)]),
        "labels": (
            ("label", *names),
            [(label, *(values[name] for name in names)) for label, values in data.per_label.items()],
        ),
        "epochs": (losses, [[getattr(one, name) for name in losses] for one in data.history]),
        "units": (("unit", "frequency", "mean"), [(number, *one) for number, one in enumerate(units)]),
    }
    written = []
    for name, (head, rows) in tables.items():
        path = folder / f"{name}.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])
        written.append(path)
    return written
