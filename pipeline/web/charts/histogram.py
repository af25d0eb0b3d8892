"""The histogram of a feature."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.artifacts.previews import Bucket
from pipeline.core.text import counted
from pipeline.web.charts import axes, scales, svg

MOST_BUCKETS = 100  # about one for every two pixels

_SIDE, _TOP, _BOTTOM = 8, 18, 20  # pixels


def histogram(buckets: Sequence[Bucket], *, title: str, width: int = 280, height: int = 110) -> svg.Drawing:
    """Draws buckets at their places; one that holds anything is at least a pixel high.

    Args:
      buckets: in order; those without finite ends or count are left out, and so are all beyond 100.
      title: what is drawn: the feature's name.
      width, height: in pixels.
    """
    sound = [
        bucket
        for bucket in buckets
        if scales.usable(bucket.low) and scales.usable(bucket.high) and scales.usable(bucket.count)
        and bucket.high >= bucket.low and bucket.count >= 0
    ]  # fmt: skip
    drawn = sound[:MOST_BUCKETS]
    cut = len(buckets) - len(drawn)
    note = f"{counted(cut, 'bucket')} not drawn." if cut else ""
    most = max((bucket.count for bucket in drawn), default=0.0)
    if not most:
        parts = [axes.empty(width, height, "No values")]
        return svg.document(
            parts, width=width, height=height, title=title, summary="No values.", kind="histogram", note=note
        )

    low, high = min(bucket.low for bucket in drawn), max(bucket.high for bucket in drawn)
    bottom = height - _BOTTOM
    span = width - 2 * _SIDE
    parts = [svg.text(_SIDE, 12, f"most {scales.number(most)}", "tick")]
    for bucket in drawn:
        tall = max(1.0, bucket.count / most * (bottom - _TOP)) if bucket.count else 0.0
        start, end = _SIDE + span / 3, _SIDE + span * 2 / 3  # a feature with one value: one bar in the middle
        if high > low:
            start, end = (_SIDE + (edge - low) / (high - low) * span for edge in (bucket.low, bucket.high))
        gap = 1 if end - start > 3 else 0
        name = f"{scales.number(bucket.low)} to {scales.number(bucket.high)}: {scales.number(bucket.count)}"
        # The area that the pointer finds reaches to the top, also over a low bar.
        hit = svg.element("rect", class_="hit", x=start, y=_TOP, width=max(end - start, 1), height=bottom - _TOP)
        bar = svg.element(
            "rect", class_="bar", x=start, y=bottom - tall, width=max(end - start - gap, 0.5), height=tall
        )
        parts.append(svg.element("g", svg.tooltip(name) + hit + bar, class_="series-1"))
    parts.append(svg.element("line", class_="axis", x1=_SIDE, x2=width - _SIDE, y1=bottom, y2=bottom))
    if high == low:
        parts.append(svg.text(width / 2, height - 5, scales.number(low), "tick", "middle"))
    else:
        parts.append(svg.text(_SIDE, height - 5, scales.number(low), "tick"))
        parts.append(svg.text(width - _SIDE, height - 5, scales.number(high), "tick", "end"))
    total = sum(bucket.count for bucket in drawn)
    fullest = max(drawn, key=lambda bucket: bucket.count)
    summary = (
        f"{scales.number(total)} values from {scales.number(low)} to {scales.number(high)} in"
        f" {counted(len(drawn), 'bucket')}; the fullest, {scales.number(fullest.low)} to"
        f" {scales.number(fullest.high)}, holds {scales.number(fullest.count)}."
    )
    return svg.document(parts, width=width, height=height, title=title, summary=summary, kind="histogram", note=note)
