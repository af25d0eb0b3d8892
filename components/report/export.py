"""The report's figures as SVG and PDF files, and its numbers as CSV files, from the files of a report.

The report itself holds PNG files. These are made on demand, for papers: vector graphics on white, and every digit.
"""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from components.evaluation import metrics
from components.evaluation.thresholds import EpochLosses
from components.report import figures, page, unit_file
from components.report.unit_file import UnitDetails

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
        details=unit_file.read(folder),
        probe=summary.get("probe", {}),
    )


def write_figures(
    data: page.ReportData, folder: pathlib.Path, formats: Sequence[str], source: pathlib.Path
) -> list[pathlib.Path]:
    """Write each figure in each of `FORMATS` that is given, into an existing folder; return the files.

    `source` is the folder of the report, with the pictures of its units.
    """
    written = []
    for name, draw in {**page.drawings(data), **unit_drawings(data.details, source)}.items():
        for form in formats:
            path = folder / f"{name}.{form}"
            path.write_bytes(figures.render(draw, figures.LIGHT, form))
            written.append(path)
    return written


def unit_drawings(details: UnitDetails | None, source: pathlib.Path) -> dict[str, Callable[[figures.Theme], Figure]]:
    """Return what draws the pictures of the units, by name; empty without units in detail."""
    if details is None or not details.units:
        return {}

    def sheets(names: Sequence[str]) -> list[Any]:
        return [np.asarray(Image.open(source / name).convert("RGBA")) for name in names if name]

    units = [one.unit for one in details.units]
    pictures = [sheets((one.answer, one.top_images)) for one in details.units]
    profiles = np.array([one.profile for one in details.units], np.float64)
    drawn: dict[str, Callable[[figures.Theme], Figure]] = {
        "unit_images": lambda theme: figures.draw_unit_images(theme, units, pictures, profiles, details.labels)
    }
    traversals = sheets([one.traversal for one in details.units])
    if traversals:
        drawn["traversals"] = lambda theme: figures.draw_traversals(theme, units, traversals)
    return drawn


def write_tables(data: page.ReportData, folder: pathlib.Path) -> list[pathlib.Path]:
    """Write metrics, metrics by label, losses by epoch and units as CSV files with all digits; return the files.

    Of the units in detail also the strongest images (`top_images.csv`), and the profiles (`profiles.csv`).
    """
    names = list(next(iter(data.per_label.values()), {}))
    losses = ("epoch", "loss", "val_loss", "reconstruction", "val_reconstruction")
    units = zip(data.unit_frequency.tolist(), data.unit_mean.tolist(), strict=True)
    tables: dict[str, tuple[Sequence[str], Iterable[Sequence[Any]]]] = {
        "metrics": (("metric", "value"), [*data.metrics.items(), (PCA_MSE, data.pca_mse), *data.probe.items()]),
        "labels": (
            ("label", *names),
            [(label, *(values[name] for name in names)) for label, values in data.per_label.items()],
        ),
        "epochs": (losses, [[getattr(one, name) for name in losses] for one in data.history]),
        "units": (("unit", "frequency", "mean"), [(number, *one) for number, one in enumerate(units)]),
    }
    if details := data.details:
        tables["top_images"] = (
            ("unit", "rank", "number", "label", "activation"),
            [
                (one.unit, rank, top.number, top.label, top.activation)
                for one in details.units
                for rank, top in enumerate(one.top, 1)
            ],
        )
        tables["profiles"] = (
            ("unit", *details.labels),
            [(one.unit, *one.profile) for one in details.units if details.labels],
        )
    written = []
    for name, (head, rows) in tables.items():
        path = folder / f"{name}.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])
        written.append(path)
    return written
