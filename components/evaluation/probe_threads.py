"""The accuracies of representations, measured on as many threads as TensorFlow has."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from concurrent import futures

import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning

from components.evaluation import metrics, probe

# Of a representation: train, float32, shape (n, values), and its labels, int64, shape (n,); then those of test.
Rows = tuple[probe.Array, probe.Labels, probe.Array, probe.Labels]
_THREADS = "TF_NUM_INTRAOP_THREADS"


def accuracies(rows: Mapping[str, Rows]) -> dict[str, float]:
    """Return the accuracies of linear probe and k-nearest neighbours by the names of their metrics.

    Args:
      rows: by the key of the representation in `metrics.REPRESENTATIONS`.
    """
    # BLAS has one thread, so the results do not depend on the number of these.
    with warnings.catch_warnings(), futures.ThreadPoolExecutor(int(os.environ.get(_THREADS) or 1)) as pool:
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Each regression takes one thread, so they start first; the other threads search for neighbours meanwhile.
        probed = {kind: pool.submit(probe.linear_accuracy, *of_kind) for kind, of_kind in rows.items()}
        near = {
            f"{kind}{metrics.KNN.name}": probe.knn_accuracy(*of_kind, apply=pool.map, times=_times)
            for kind, of_kind in rows.items()
        }
        linear = {f"{kind}{metrics.LINEAR_PROBE.name}": one.result() for kind, one in probed.items()}
    return {**linear, **near}


def _times(columns: probe.Array) -> Callable[[probe.Array], probe.Array]:
    """Multiply for `probe.knn_accuracy` by TensorFlow: OpenBLAS is slow on processors that are newer than it."""
    tensor = tf.constant(columns)

    def times(rows: probe.Array) -> probe.Array:
        products: probe.Array = tf.matmul(rows, tensor, transpose_b=True).numpy()
        return products

    return times
