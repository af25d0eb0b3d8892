"""Describe the difference between two values in one short line. None of this counts in a digest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.text import beginning, counted

SHOWN = 60  # characters of a text


def values(one: Any, other: Any) -> str:
    """Return `3 against 5`; of longer values, the position of the first difference."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return arrays(one, other)
    if isinstance(one, bytes) and isinstance(other, bytes):
        return contents(one, other)
    if isinstance(one, str) and isinstance(other, str):
        return texts(one, other)
    return f"{_shown(one)} against {_shown(other)}"


def texts(one: str, other: str) -> str:
    """Return both texts, cut to the neighbourhood of the first difference."""
    if max(len(one), len(other)) <= SHOWN:
        return f"{one!r} against {other!r}"
    place = common_length(one, other)
    start = max(0, place - SHOWN // 3)
    shown = [text[start : start + SHOWN] for text in (one, other)]
    return f"from character {place} on: ...{shown[0]!r}... against ...{shown[1]!r}..."


def contents(one: bytes, other: bytes) -> str:
    """Return the sizes and the position of the first difference."""
    return sizes(len(one), len(other), common_length(one, other))


def sizes(one: int, other: int, place: int) -> str:
    """Return `5 against 7 bytes, from byte 3 on`, of sizes and the position of the first difference."""
    both = counted(one, "byte") if one == other else f"{one:,} against {counted(other, 'byte')}"
    return f"{both}, from byte {place:,} on"


def arrays(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> str:
    """Return how many values differ, and by how much: `12 of 8192 values, largest difference 3.1e-05 at [4, 7]`."""
    if one.dtype != other.dtype:
        return f"dtype {one.dtype} against {other.dtype}"
    if one.shape != other.shape:
        return f"shape {one.shape} against {other.shape}"
    if one.dtype.kind not in "biuf":
        unequal = one != other if one.dtype.kind in "OSUc" else _bytes_of(one) != _bytes_of(other)
        place = np.unravel_index(int(np.argmax(unequal)), one.shape) if one.shape else ()
        shown = f"{_shown(one[place])} against {_shown(other[place])}"
        return f"{np.count_nonzero(unequal)} of {counted(one.size, 'value')}, first at {_index(place)}: {shown}"
    unequal = _bytes_of(one) != _bytes_of(other)
    if one.size == 1:
        return f"{_shown(one.item())} against {_shown(other.item())}"
    with np.errstate(all="ignore"):
        gaps = np.abs(one.astype(np.float64) - other.astype(np.float64))
    # A gap of NaN or 0 is still a difference of bits: NaN against NaN, -0.0 against 0.0.
    gaps = np.where(unequal, np.nan_to_num(gaps, nan=np.inf), -1)
    place = np.unravel_index(int(np.argmax(gaps)), one.shape)
    largest = f"{gaps[place]:.2g}" if np.isfinite(gaps[place]) else "not finite"
    return f"{np.count_nonzero(unequal)} of {one.size} values, largest difference {largest} at {_index(place)}"


def _bytes_of(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the bytes of each value as one comparable item."""
    return np.ascontiguousarray(array).view(f"V{array.dtype.itemsize}").reshape(array.shape)


def _index(place: Any) -> str:
    return str([int(number) for number in place])


def _shown(value: Any) -> str:
    return "nothing" if value is None else beginning(repr(value), SHOWN)


def common_length(one: Any, other: Any) -> int:
    """Return the position of the first difference of two texts or byte strings; the shorter length if there is none."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # bisection: comparing slices is fast, comparing single items is not
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
