"""Scales from values to pixels, with ticks at round numbers; and numbers as text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

LARGEST = 1e100  # absolute; differences between larger values could overflow

_DURATION_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)  # seconds


@dataclasses.dataclass(frozen=True)
class Scale:
    """A linear scale from values to pixels.

    Attributes:
      low, high: values at its ends; low < high.
      start, end: pixels at its ends; a y axis has start > end.
      ticks: values at round numbers within its ends.
      step: between ticks.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    step: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def label(self, tick: float) -> str:
        """Write a tick with as many decimals as its step has."""
        if abs(tick) >= 1e9 or self.step < 1e-6:
            return number(tick)
        decimals = max(0, -math.floor(math.log10(self.step) + 1e-9))
        return f"{tick:,.{decimals}f}"


def drawable(value: float | None) -> float | None:
    """Return a value if it can be drawn, else None."""
    return value if value is not None and math.isfinite(value) and abs(value) <= LARGEST else None


def round_step(span: float, count: int) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that divides a span into at most `count` steps."""
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))


def linear(values: Iterable[float], start: float, end: float, *, count: int = 5, largest: float = math.inf) -> Scale:
    """Return a scale over values whose ends are ticks.

    Args:
      values: all of them drawable; none: a scale from 0 to 1.
      start, end: pixels at its ends.
      count: maximum number of steps between ticks; rounding the ends may add one or two.
      largest: the largest possible value, such as 1 for a share: no tick is above it, unless a value is.
    """
    seen = list(values)
    low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # one value
        margin = abs(low) / 10 or 1.0
        low, high = low - margin, max(high, min(high + margin, largest))
    step = round_step(high - low, count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if high <= largest < last * step:
        last = math.floor(largest / step + 1e-9)
    ticks = tuple(index * step for index in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], start, end, ticks, step)


def tight(low: float, high: float, start: float, end: float) -> Scale:
    """Return a scale whose ends are the values themselves, with whole ticks inside: for epochs and runs."""
    if high <= low:
        low, high = low - 0.5, high + 0.5
    step = max(round_step(high - low, 8), 1.0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Scale(low, high, start, end, tuple(index * step for index in range(first, last + 1)), step)


def durations(longest: float, start: float, end: float, *, count: int = 8) -> Scale:
    """Return a scale from 0 to at least `longest` seconds, with ticks at round times."""
    longest = max(longest, 1e-3)
    if longest <= count / 2:
        step = round_step(longest, count)
    else:
        days = max(1, math.ceil(longest / count / 86400)) * 86400
        step = next((float(step) for step in _DURATION_STEPS if longest / step <= count), float(days))
    ticks = tuple(index * step for index in range(math.floor(longest / step + 1e-9) + 1))
    return Scale(0.0, longest, start, end, ticks, step)


def spread(
    wishes: Sequence[float], offsets: Sequence[float], low: float = -math.inf, high: float = math.inf
) -> list[float]:
    """Return the positions nearest to the desired ones that keep minimum distances, within bounds if there is room.

    Args:
      wishes: desired positions, in order.
      offsets: distance of each from the first if all are as close as allowed.
      low, high: bounds of the positions.
    """
    blocks: list[tuple[float, int]] = []  # of items that touch: mean desired start, number of items
    for wish, offset in zip(wishes, offsets, strict=True):
        start, members = wish - offset, 1
        while blocks and blocks[-1][0] > start:
            other, its_members = blocks.pop()
            start = (start * members + other * its_members) / (members + its_members)
            members += its_members
        blocks.append((start, members))
    starts = [start for start, members in blocks for _ in range(members)]
    last = max(low, high - offsets[-1]) if offsets else high
    return [max(low, min(start, last)) + offset for start, offset in zip(starts, offsets, strict=True)]


def number(value: float) -> str:
    """Write a number: four significant digits, or all of an integer's."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    if abs(value) < 1e-4 or abs(value) >= 1e9:
        return f"{value:.3e}"
    decimals = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percentage(value: float) -> str:
    """Write a fraction in percent, to a tenth."""
    return f"{100 * value:.1f} %"


def tick_duration(seconds: float, step: float) -> str:
    """Write a time at a tick, without units smaller than the step."""
    if not seconds:
        return "0 s"
    if step < 1:
        return f"{seconds:.{max(0, -math.floor(math.log10(step) + 1e-9))}f} s"
    if step < 60:
        size, most, unit, larger = 1, 60, "s", "min"
    elif step < 3600:
        size, most, unit, larger = 60, 60, "min", "h"
    else:
        size, most, unit, larger = 3600, 24, "h", "d"
    whole, rest = divmod(round(seconds / size), most)
    if whole < (2 if unit == "h" else 1):
        return f"{whole * most + rest} {unit}"
    return f"{whole} {larger}" + (f" {rest} {unit}" if rest else "")
