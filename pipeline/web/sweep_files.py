"""A sweep as a file: its table as CSV, its charts and test images as SVG, all of it as PDF."""

from __future__ import annotations

from components.evaluation.metrics import reworded
from pipeline.artifacts import previews
from pipeline.artifacts.sections import Picture
from pipeline.core import regular_file
from pipeline.core.errors import UnavailableError
from pipeline.inspection.reader import Reader
from pipeline.sweeps import csv_table
from pipeline.web.charts import standalone
from pipeline.web.charts.chart import Drawing
from pipeline.web.charts.picture_grid import picture_grid
from pipeline.web.formatting import DeclaredMetrics, capitalized, in_sentence
from pipeline.web.pages import sweep
from pipeline.web.pages.sweep import SweepView
from pipeline.web.urls import Links

TYPES = {"csv": "text/csv; charset=utf-8", "svg": "image/svg+xml", "pdf": "application/pdf"}


def write(view: SweepView, kind: str, metrics: DeclaredMetrics, reader: Reader | None) -> bytes:
    """Return the content of a file.

    Args:
      view: the sweep.
      kind: one of `TYPES`.
      metrics: that the pipeline declares.
      reader: of the store that has the test images; None: they are left out.

    Raises:
      UnavailableError: PDF, and matplotlib is not installed.
    """
    metrics = metrics.reworded(view.words)
    if kind == "csv":
        return csv_table.text(view.sweep).encode()
    return _svg(view, metrics, reader).encode() if kind == "svg" else _pdf(view, metrics, reader)


def heading(view: SweepView, metrics: DeclaredMetrics) -> str:
    """Return what the file shows, in words: the sweep, the split shown and the metric that chose."""
    names = dict.fromkeys(one.chosen_by for one in view.sweep.row.objectives)
    by = ", ".join(in_sentence(metrics.run_title(name)) for name in names)
    return f"Sweep {view.sweep.row.name}: {view.split} split" + (f"; chosen by {by}" if by else "")


def pictures(view: SweepView, reader: Reader) -> tuple[list[str], list[tuple[str, list[bytes | None]]]]:
    """Return the heads of the columns of the test images, and the label and the PNG files of each row."""
    heads = ["original", *(view.titles[one.combination] for one in view.pictured)]
    return heads, [
        (image.label, [_png(reader, one) for one in ((image.artifact, image.original), *image.pictures)])
        for image in view.images
    ]


def _png(reader: Reader, one: tuple[int, Picture] | None) -> bytes | None:
    folder = reader.preview_folder(reader.artifact(one[0]).row) if one else None
    path = previews.picture_path(folder, one[1].file) if folder and one else None
    try:
        if path is None:
            return None
        with regular_file.opened(path, follow=False) as file:
            return file.read()
    except OSError:  # deleted since
        return None


def _svg(view: SweepView, metrics: DeclaredMetrics, reader: Reader | None) -> str:
    drawn = sweep.draw(view, Links(lambda path: ""), metrics)
    found: list[Drawing] = [one for one in drawn.values() if one is not None]
    if not found:
        raise UnavailableError(f"no point of sweep {view.sweep.row.name} has succeeded, so there is nothing to draw")
    if reader and view.images:
        heads, rows = pictures(view, reader)
        found.append(picture_grid(heads, rows, title=reworded("the same test images", view.words)))
    about = heading(view, metrics)
    return standalone.document(about, [(f"{capitalized(one.title)} ({about})", one) for one in found])


def _pdf(view: SweepView, metrics: DeclaredMetrics, reader: Reader | None) -> bytes:
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "PDF needs matplotlib, which an installation that only reads does not have: install "
            "`sae-pipeline[pipeline]`, or take SVG or CSV"
        ) from error
    from pipeline.web import sweep_pdf

    return sweep_pdf.document(view, heading(view, metrics), metrics, pictures(view, reader) if reader else ([], []))
