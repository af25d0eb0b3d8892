"""Call a signature of a saved model. Imports TensorFlow only when it calls one."""

from __future__ import annotations

from typing import Any


def on_rows(signature: Any, argument: str, rows: Any) -> dict[str, Any]:
    """Return the outputs of a signature for n >= 0 rows: the same bits for a row, whatever n is.

    TensorFlow multiplies a single row by another routine, whose sums differ in their last bits, so it is doubled.
    """
    import tensorflow as tf

    if len(rows) != 1:
        return dict(signature(**{argument: tf.constant(rows)}))
    found = signature(**{argument: tf.repeat(tf.constant(rows), 2, axis=0)})
    return {name: values[:1] for name, values in found.items()}
