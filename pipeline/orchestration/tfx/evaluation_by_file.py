"""Evaluate models in batches where the examples are read, and write TFMA's results in one step.

TFMA makes an element of each example, and one of each of its slices, in a graph of some two hundred steps. On small
data, these elements and steps are most of the Evaluator's time. For metrics that can add a batch, and for most
options, the few steps here have the same results; for others, TFMA's graph stays.
"""

from __future__ import annotations

import inspect
from typing import Any

import apache_beam as beam

_TRANSFORM = "ExtractEvaluateAndWriteResults"
# The tensor adapter configuration only says how features become tensors, of which the steps here need none.
_OPTIONS = frozenset({"eval_shared_model", "eval_config", "output_path", "tensor_adapter_config"})


def replacement(transform: Any) -> beam.PTransform | None:
    """Return fewer steps in place of TFMA's evaluation; None for other transforms, and with options that need more."""
    # By name: most Beam jobs do not import TFMA.
    function: Any = getattr(transform, "_fn", None)
    if getattr(function, "__name__", "") != _TRANSFORM:
        return None
    given = inspect.signature(function).bind(None, *transform._args, **transform._kwargs).arguments
    options = {name: value for name, value in given.items() if value is not None}
    if not options.keys() <= _OPTIONS:
        return None
    from pipeline.orchestration.tfx import batch_evaluation

    return batch_evaluation.in_batches(options["eval_shared_model"], options["eval_config"], options["output_path"])
