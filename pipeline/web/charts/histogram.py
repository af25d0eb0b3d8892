"""Histograms of features."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.text import counted
from pipeline.web.charts import scales, svg
from pipeline.web.charts.chart import Chart, Drawing, colored, horizontal

MOST_BUCKETS = 100  # about one for every two pixels

_MOST_LABELS = 12  # values with a label each
_WIDTH, _HEIGHT = 280, 110  # pixels
_SIDE, _TOP, _BOTTOM = 8, 18, 90  # pixels: left of the bars, above them, and where they stand


def histogram(buckets: Sequence[tuple[float, float, float]], *, title: str) -> Drawing:
    """Draw buckets; one that is not empty is at least a pixel high.

    Args:
      buckets: (low, high, count), in order; at most 100 are drawn, and none without finite ends and count.
      title: of the chart: the feature's name.
    """
    chart = Chart("histogram", title, _WIDTH, _HEIGHT)
    drawn = [
        (low, high, count)
        for low, high, count in buckets
        if None not in map(scales.drawable, (low, high, count)) and high >= low and count >= 0
    ][:MOST_BUCKETS]
    if cut := len(buckets) - len(drawn):
        chart.notes.append(f"{counted(cut, 'bucket')} not drawn.")
    fullest = max(drawn, key=lambda bucket: bucket[2], default=(0.0, 0.0, 0.0))
    if not fullest[2]:
        return chart.empty("No values")

    first, last = min(low for low, _, _ in drawn), max(high for _, high, _ in drawn)
    # A bucket of one value, such as a label, is as wide as the step to the next integer.
    half = 0.5 if last > first and any(low == high for low, high, _ in drawn) else 0.0
    x = scales.Scale(first - half, last + half, _SIDE, _WIDTH - _SIDE, (), last - first + 2 * half)
    third = (_WIDTH - 2 * _SIDE) / 3
    chart.add(svg.text(_SIDE, 12, f"max {scales.number(fullest[2])}", "tick"))
    for low, high, count in drawn:
        side = half if low == high else 0.0
        # A feature with one value: one bar in the middle.
        start, end = (x(low - side), x(high + side)) if last > first else (_SIDE + third, _SIDE + 2 * third)
        chart.add(_bar(start, end, count / fullest[2], f"{_ends(low, high)}: {scales.number(count)}"))
    chart.add(horizontal("axis", _SIDE, _WIDTH - _SIDE, _BOTTOM))
    below = _HEIGHT - 5
    if last == first:
        chart.add(svg.text(_WIDTH / 2, below, scales.number(first), "tick", "middle"))
    elif half and len(drawn) <= _MOST_LABELS:
        chart.add(*(svg.text(x(low), below, scales.number(low), "tick", "middle") for low, _, _ in drawn))
    else:
        chart.add(svg.text(_SIDE, below, scales.number(first), "tick"))
        chart.add(svg.text(_WIDTH - _SIDE, below, scales.number(last), "tick", "end"))
    total = sum(bucket[2] for bucket in drawn)
    return chart.drawing(
        f"{scales.number(total)} {'value' if total == 1 else 'values'} from {scales.number(first)} to"
        f" {scales.number(last)} in {counted(len(drawn), 'bucket')}; the fullest,"
        f" {_ends(*fullest[:2])}, holds {scales.number(fullest[2])}."
    )


def _bar(start: float, end: float, share: float, name: str) -> str:
    """Draw a bar; `share`: of the height of the highest."""
    tall = max(1.0, share * (_BOTTOM - _TOP)) if share else 0.0
    gap = 1 if end - start > 3 else 0
    # The area that responds to the pointer reaches to the top, also over a low bar.
    hit = svg.element("rect", class_="hit", x=start, y=_TOP, width=max(end - start, 1), height=_BOTTOM - _TOP)
    long = max(end - start - gap, 0.5)
    bar = svg.element("rect", class_="bar", x=start, y=_BOTTOM - tall, width=long, height=tall)
    return colored(1, svg.tooltip(name) + hit + bar)


def _ends(low: float, high: float) -> str:
    return scales.number(low) if low == high else f"{scales.number(low)} to {scales.number(high)}"
