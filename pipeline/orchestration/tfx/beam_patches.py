"""Beam, without what it works out again and again.

To build and start a job of some hundred steps, Beam parses its options anew for each look at one of them, and inspects
the methods of each step some eight times: on small data the larger part of StatisticsGen's time. The answers are the
same each time, so they are kept. What Beam builds and computes is not touched.

Importing this module imports Beam.
"""

from __future__ import annotations

import inspect
import types
import weakref
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core
from apache_beam.typehints import decorators


class Options(PipelineOptions):
    """Pipeline options that parse once for each kind of view. All views share the values, as Beam's do."""

    def view_as(self, cls: type[PipelineOptions]) -> PipelineOptions:
        # Not an attribute as others: Beam's options take every one for an option.
        views = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return views[cls]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_views"}


_signatures: weakref.WeakKeyDictionary[types.FunctionType, inspect.Signature] = weakref.WeakKeyDictionary()


def _signature(function: Any) -> inspect.Signature:
    """Beam's `get_signature`, which remembers those of methods: without `self`, they are the function's own."""
    if not isinstance(function, types.MethodType) or not isinstance(function.__func__, types.FunctionType):
        signature: inspect.Signature = decorators.get_signature(function)
        return signature
    if (found := _signatures.get(function.__func__)) is None:
        found = _signatures[function.__func__] = decorators.get_signature(function)
    return found


def remember_signatures() -> None:
    """Has Beam, in this process, inspect each method of its steps once."""
    core.get_signature = _signature
