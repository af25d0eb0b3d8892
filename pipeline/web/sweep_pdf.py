"""A sweep as a PDF document, drawn by matplotlib: the frontier, settings and metrics, the table, the test images."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib.image
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from components.evaluation.metrics import reworded
from pipeline.inspection.run_filter import short_setting
from pipeline.web.formatting import DeclaredMetrics, in_sentence
from pipeline.web.pages import sweep
from pipeline.web.pages.sweep import SweepView
from pipeline.web.urls import Links

_COLORS = ("#1f66c1", "#b3530b", "#187a4d", "#a8327f", "#6b4fc4", "#0b7c8c", "#8a6a00", "#5b6675")
_SHAPES = ("o", "s", "^", "D")
_PAGE = (11.7, 8.3)  # inches, A4 across
_ROWS = 30  # of the table on a page
Pictures = tuple[Sequence[str], Sequence[tuple[str, Sequence[bytes | None]]]]
_NO_DATE = {"CreationDate": None, "ModDate": None}  # the same sweep gives the same bytes


def document(view: SweepView, heading: str, metrics: DeclaredMetrics, pictures: Pictures) -> bytes:
    """Return the document.

    Args:
      view: the sweep.
      heading: of each page.
      metrics: that the pipeline declares.
      pictures: the test images: heads of columns, and the label and the PNG files of each row.
    """
    file = io.BytesIO()
    with PdfPages(file, metadata={"Title": heading, **_NO_DATE}) as pages:
        for figure in (*_frontier(view, metrics), *_parallel(view, metrics), *_table(view, metrics)):
            figure.suptitle(heading, fontsize=11)
            pages.savefig(figure)
        for figure in _images(*pictures):
            about = reworded("test images, and reconstructions by the best points", view.words)
            figure.suptitle(f"{heading}: {about}", fontsize=11)
            pages.savefig(figure)
    return file.getvalue()


def _frontier(view: SweepView, metrics: DeclaredMetrics) -> Iterator[Any]:
    if view.frontier is None:
        return
    figure = Figure(figsize=_PAGE)
    axes = figure.add_subplot()
    for place, method in enumerate(view.frontier.methods):
        color, shape = _COLORS[place % len(_COLORS)], _SHAPES[place % len(_SHAPES)]
        joined = sorted((one.x.mean, one.y.mean) for one in method.points if one.joined)
        axes.plot([x for x, _ in joined], [y for _, y in joined], color=color, linewidth=1.5)
        for number, one in enumerate(method.points):
            axes.errorbar(
                one.x.mean,
                one.y.mean,
                xerr=one.x.half_width,
                yerr=one.y.half_width,
                fmt=shape,
                color=color,
                elinewidth=0.8,
                markerfacecolor="white" if one.marked else color,
                label=sweep.method_title(view, method) if not number else None,
            )
        if view.sweep.definition.seeds > 1:
            axes.scatter([one.x for one in method.seeds], [one.y for one in method.seeds], s=5, color=color, alpha=0.6)
    _limit(axes, view)
    for line in view.baselines:
        axes.axhline(line.value, color="black", linestyle="--", linewidth=1)
        text = f"{line.label} {line.value:.4g}"
        axes.annotate(text, (1, line.value), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)
    x_title, y_title = sweep.axis_titles(view, metrics)
    axes.set_xlabel(x_title)
    axes.set_ylabel(y_title)
    axes.grid(alpha=0.3)
    notes = "bars: 95 % interval, cut off at the frame; line: the best trade-offs"
    if view.frontier.marked:
        notes += f"; hollow: with {in_sentence(metrics.label(view.frontier.marked))}"
    axes.set_title(notes, fontsize=9)
    if len(view.frontier.methods) > 1:
        axes.legend()
    yield figure


def _limit(axes: Any, view: SweepView) -> None:
    """Let the axes contain points and baselines, not the ends of intervals: of two seeds, these are often far away."""
    assert view.frontier is not None
    points = [one for method in view.frontier.methods for one in method.points]
    seeds = [one for method in view.frontier.methods for one in method.seeds]
    across = [*(one.x.mean for one in points), *(one.x for one in seeds)]
    down = [*(one.y.mean for one in points), *(one.y for one in seeds), *(one.value for one in view.baselines)]
    for values, limit in ((across, axes.set_xlim), (down, axes.set_ylim)):
        margin = (max(values) - min(values)) * 0.06 or abs(values[0]) * 0.1 or 1.0
        limit(min(values) - margin, max(values) + margin)


def _parallel(view: SweepView, metrics: DeclaredMetrics) -> Iterator[Any]:
    """Draw each point as a line across axes that go from 0 to 1, with the values at their ends."""
    lines, parallel = sweep.parallel_of(view, Links(lambda path: ""), metrics)
    if not lines or len(parallel) < 2:
        return
    figure = Figure(figsize=_PAGE)
    axes = figure.add_subplot()
    shares = []
    for place, axis in enumerate(parallel):
        known = [value for value in axis.values if value is not None]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        span = high - low or 1.0
        shares.append([None if value is None else (value - low) / span for value in axis.values])
        axes.axvline(place, color="0.6", linewidth=0.8)
        ticks = enumerate(axis.choices) if axis.choices else ((value, f"{value:.4g}") for value in {low, high})
        for value, text in ticks:
            axes.annotate(text, (place, (value - low) / span), fontsize=8, xytext=(4, 0), textcoords="offset points")
    named = set()
    for number, line in enumerate(lines):
        values = [(place, column[number]) for place, column in enumerate(shares) if column[number] is not None]
        label = line.group if line.group not in named else None
        named.add(line.group)
        color = _COLORS[(line.color - 1) % len(_COLORS)]
        axes.plot(*zip(*values, strict=True), color=color, linewidth=1, marker="o", markersize=3, label=label)
    axes.set_xticks(range(len(parallel)), [axis.title for axis in parallel], rotation=15, fontsize=8)
    axes.set_yticks([])
    axes.margins(x=0.08)
    if len(named) > 1:
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3)
    figure.subplots_adjust(bottom=0.25)
    yield figure


def _table(view: SweepView, metrics: DeclaredMetrics) -> Iterator[Any]:
    found = view.sweep
    heads = ["", *found.definition.varied, "seeds", *(metrics.run_title(one.name) for one in view.columns)]
    rows = []
    for one in found.combinations:
        row = [f"{one.number}{' best' if one.best else ''}"]
        row += [short_setting(one.settings.get(name)) for name in found.definition.varied]
        row.append(f"{one.succeeded} of {found.definition.seeds}")
        for column in view.columns:
            value = one.metrics.get(column.name)
            text = metrics.mean_text(column.declared, value.mean) if value else "–"
            if value and value.half_width is not None:
                text += f"\n± {metrics.mean_text(column.declared, value.half_width)}"
            row.append(text)
        rows.append(row)
    for start in range(0, len(rows), _ROWS):
        figure = Figure(figsize=_PAGE)
        axes = figure.add_axes((0.03, 0.03, 0.94, 0.9))
        axes.set_axis_off()
        part = rows[start : start + _ROWS]
        table = axes.table(part, colLabels=[head.replace(" ", "\n") for head in heads], loc="upper center")
        table.auto_set_font_size(False)
        table.set_fontsize(7)
        table.scale(1, 1.8)
        yield figure


def _images(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[bytes | None]]]) -> Iterator[Any]:
    if not rows:
        return
    figure = Figure(figsize=_PAGE)
    grid = figure.subplots(len(rows), len(heads), squeeze=False)
    for line, (_, row) in zip(grid, rows, strict=True):
        for axes, png in zip(line, row, strict=True):
            axes.set_axis_off()
            if png is not None:
                axes.imshow(matplotlib.image.imread(io.BytesIO(png)), cmap="gray", interpolation="nearest")
    for axes, head in zip(grid[0], heads, strict=True):
        axes.set_title(head.replace(", ", "\n"), fontsize=7)
    yield figure
