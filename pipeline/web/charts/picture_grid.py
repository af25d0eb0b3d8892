"""Pictures in rows and columns, inside the drawing itself: for files."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from pipeline.web.charts import svg
from pipeline.web.charts.chart import Chart, Drawing

_SIZE, _COLUMN, _ROW = 56, 120, 62  # pixels
_LABELS, _HEAD = 90, 44  # pixels for the labels of rows, and the lines of the heads of columns
_LINES = 3  # of a head, at most


def picture_grid(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[bytes | None]]], *, title: str) -> Drawing:
    """Draw pictures.

    Args:
      heads: of the columns; a comma begins a new line.
      rows: the label of each, and a PNG file for each column; None: no picture.
      title: of the drawing.
    """
    chart = Chart("pictures", title, _LABELS + _COLUMN * len(heads), _HEAD + _ROW * len(rows))
    for column, head in enumerate(heads):
        for line, text in enumerate(head.split(", ")[:_LINES]):
            shown = svg.fit(text, _COLUMN - 8, svg.SMALL)
            chart.add(svg.text(_LABELS + _COLUMN * column, 12 + 14 * line, shown, "axis-label"))
    for row, (label, pictures) in enumerate(rows):
        y = _HEAD + _ROW * row
        chart.add(svg.text(0, y + _SIZE / 2 + 4, svg.fit(label, _LABELS - 8, svg.SMALL), "chart-label"))
        for column, png in enumerate(pictures):
            if png is not None:
                data = f"data:image/png;base64,{base64.b64encode(png).decode()}"
                x = _LABELS + _COLUMN * column
                chart.add(svg.element("image", href=data, class_="picture", x=x, y=y, width=_SIZE, height=_SIZE))
    return chart.drawing(f"{len(rows)} rows of {len(heads)} pictures.")
