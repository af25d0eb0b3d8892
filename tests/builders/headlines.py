"""Headlines of runs, with their metrics given by name."""

from __future__ import annotations

from typing import Any

from components.evaluation.metrics import METRICS
from pipeline.metadata.run_properties import Headline


def headline(**fields: Any) -> Headline:
    """Return a headline; fields that are names of metrics go to `metrics`."""
    names = {one.run_key for one in METRICS if one.recorded} & set(fields)
    return Headline(
        metrics={name: fields.pop(name) for name in names if fields[name] is not None},
        **{name: value for name, value in fields.items() if name not in names},
    )
