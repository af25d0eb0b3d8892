"""How well labels can be told from a representation: a linear probe and k-nearest neighbours. Free of TensorFlow.

Both are fitted on a sample of the train split and scored on one of the test split. The same samples are used for the
codes, for PCA with as many components, and for the pixels, so their accuracies can be compared. The node PixelProbe
chooses their sizes.

Source of the linear probe: G. Alain, Y. Bengio, Understanding intermediate layers using linear classifier probes, 2016.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from components.codes import table
from components.data import features
from components.evaluation.probe_limits import MAX_PIXELS

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

NEIGHBOURS = 5
MAX_LABELS = 256
MAX_EXAMPLES = 10_000  # of each split
_MAX_VALUES = MAX_EXAMPLES * MAX_PIXELS  # of a representation of one split: 160 MB in float64
_MAX_PRODUCTS = 2_000_000_000  # examples x values x labels: one step of the logistic regression in about a second
_SEEDS = {features.TRAIN: 0, features.TEST: 1}  # of the samples
_PIXEL_SEED = 2
_MAX_STEPS = 100
_TOLERANCE = 1e-3
_INVERSE_PENALTY = 10.0
_SAFE_EXPONENT = 32  # of two: squares of such values, and sums of them, are far from the limits of float32
_ROWS = 500  # test examples whose distances are computed at once
_VOTES = 25  # of these, searched for neighbours at once: their distances fit into the cache of a core


def labels_by_split(path: pathlib.Path) -> dict[str, Labels]:
    """Return the labels in a table of codes by split; empty without labels or without a table."""
    if not path.is_file() or table.LABEL not in pq.read_schema(path).names:
        return {}
    rows = pq.read_table(path, columns=[table.SPLIT, table.LABEL])
    labels = rows[table.LABEL].to_numpy()
    return {split: labels[table.in_split(rows, split)] for split in sorted(rows[table.SPLIT].unique().to_pylist())}


def why_not(labels: dict[str, Labels], train: str, test: str, names: Sequence[str] = ()) -> str:
    """Return why there is nothing to measure; empty if there is.

    Args:
      labels: of each encoded split.
      train, test: names of the splits.
      names: of the labels, by their numbers; empty: the numbers themselves.
    """
    if not labels:
        return "the data set has no labels"
    if missing := [split for split in (train, test) if split not in labels]:
        return f"encoding.splits leaves out {' and '.join(missing)}"
    known, asked = np.unique(labels[train]), np.unique(labels[test])
    if len(known) < 2:
        return f"the {train} split has one label only"
    if len(known) > MAX_LABELS:
        return f"the data set has {len(known):,} labels; at most {MAX_LABELS} are probed"
    if unknown := np.setdiff1d(asked, known).tolist():
        more = f" and {len(unknown) - 3:,} more" if len(unknown) > 3 else ""
        shown = (names[label] if names else str(label) for label in unknown[:3])
        return f"the {train} split lacks labels of the {test} split: {', '.join(shown)}{more}"
    return ""


def sample_size(labels: Labels, values: int) -> int:
    """Return how many examples of a split are sampled: at least one of each label.

    Args:
      labels: of the split, at most `MAX_LABELS` different ones.
      values: size of the largest representation of an example.
    """
    found = len(np.unique(labels))
    size = min(MAX_EXAMPLES, _MAX_VALUES // values, _MAX_PRODUCTS // (values * found))
    return min(len(labels), max(size, found))


def samples(labels: Mapping[str, Labels], sizes: Mapping[str, int]) -> dict[str, npt.NDArray[np.int64]]:
    """Choose examples of the train and the test split at random, with an example of each label.

    Args:
      labels: of each split.
      sizes: number of examples to choose from each split, at least that of its labels.

    Returns:
      Positions by split, rising. The same arguments give the same positions.
    """
    return {split: _sample(labels[split], sizes[split], seed) for split, seed in _SEEDS.items()}


def _sample(labels: Labels, size: int, seed: int) -> npt.NDArray[np.int64]:
    order = np.random.default_rng(seed).permutation(len(labels))
    first = np.unique(labels[order], return_index=True)[1]
    return np.sort(np.concatenate([order[first], np.delete(order, first)])[:size])


def sample_pixels(pixels: int) -> npt.NDArray[np.int64]:
    """Choose at most `MAX_PIXELS` pixels at random; return their positions, rising."""
    return np.sort(np.random.default_rng(_PIXEL_SEED).permutation(pixels)[:MAX_PIXELS])


def codes_of(path: pathlib.Path, split: str, chosen: npt.NDArray[np.int64]) -> Array:
    """Return the codes of chosen examples of a split: float32, shape (n, units).

    Args:
      path: of a table of codes; one of its row groups is in memory at a time.
      split: name of the split.
      chosen: positions in the split, rising.
    """
    found, start = [], 0
    for group in table.row_groups(path):
        rows = np.flatnonzero(table.in_split(group, split))
        here = chosen[(chosen >= start) & (chosen < start + len(rows))] - start
        start += len(rows)
        if len(here):
            found.append(table.codes_of(group.take(rows[here])))
    return np.concatenate(found)


def linear_accuracy(train: Array, train_labels: Labels, test: Array, test_labels: Labels) -> float:
    """Return the accuracy of logistic regression on standardised values.

    L-BFGS minimises mean cross-entropy + values / (20 * examples) * sum of squared weights, in at most 100 steps. The
    penalty grows with the number of values, so that the prior variance of a logit does not. Warns with scikit-learn's
    `ConvergenceWarning` if more steps would be needed; callers silence it, because threads share warning filters.

    Args:
      train, test: float32, shape (n, values).
      train_labels, test_labels: int64, shape (n,).
    """
    regression = LogisticRegression(C=_INVERSE_PENALTY / train.shape[1], max_iter=_MAX_STEPS, tol=_TOLERANCE)
    probe = make_pipeline(StandardScaler(copy=False), regression)
    # With float32 each step would convert the values anew.
    probe.fit(train.astype(np.float64), train_labels)
    return float(probe.score(test.astype(np.float64), test_labels))


def _times(columns: Array) -> Callable[[Array], Array]:
    """Return what multiplies rows, shape (n, values), with columns, shape (m, values): float32, shape (n, m)."""
    return lambda rows: rows @ columns.T


def knn_accuracy(
    train: Array,
    train_labels: Labels,
    test: Array,
    test_labels: Labels,
    apply: Callable[..., Iterable[int]] = map,
    times: Callable[[Array], Callable[[Array], Array]] = _times,
) -> float:
    """Return the accuracy of the majority among the `NEIGHBOURS` nearest train examples.

    Distances are Euclidean. Of equal distances the first example counts, of equal majorities the smallest label.

    Args:
      train, test: float32, shape (n, values).
      train_labels, test_labels: int64, shape (n,).
      apply: as `map`, for parts of the test examples; may use threads.
      times: as `_times`; the results of what it returns are overwritten.
    """
    train, test = _scaled(train, test)
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)  # smaller values have smaller rounding errors
    centred = train - mean
    squares = np.square(centred).sum(axis=1)
    products = times(-2 * centred)  # exact
    known, numbers = np.unique(train_labels, return_inverse=True)

    def right(start: int) -> int:
        """Count the test examples from `start` on whose majority is right."""
        found: Any = products(test[start : start + _ROWS] - mean)
        votes = np.zeros((len(found), len(known)), np.int64)
        for first in range(0, len(found), _VOTES):
            # Squared distances, without the square of the test example.
            distances = found[first : first + _VOTES]
            distances += squares
            rows = np.arange(len(distances))
            for _ in range(min(NEIGHBOURS, len(train))):
                nearest = distances.argmin(axis=1)
                votes[first + rows, numbers[nearest]] += 1
                distances[rows, nearest] = np.inf
        return int((known[votes.argmax(axis=1)] == test_labels[start : start + _ROWS]).sum())

    return sum(apply(right, range(0, len(test), _ROWS))) / len(test)


def _scaled(train: Array, test: Array) -> tuple[Array, Array]:
    """Divide very large or small values by a power of two, which is exact: their squares do not fit in float32."""
    largest = max(np.abs(train).max(initial=0), np.abs(test).max(initial=0))
    exponent = int(np.frexp(largest)[1])
    if abs(exponent) < _SAFE_EXPONENT:
        return train, test
    return np.ldexp(train, -exponent), np.ldexp(test, -exponent)
