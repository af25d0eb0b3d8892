"""Beam's FnApiRunner with batches of a fixed size, files in the order of their names, and supervised workers.

To build and start a job of some hundred steps, Beam parses its options at each access, and inspects the methods of each
step some eight times: on small data that is most of StatisticsGen's time. The results never change, so they are cached.

Importing this module imports Beam.
"""

from __future__ import annotations

import inspect
import types
import weakref
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineRunner
from apache_beam.transforms import core
from apache_beam.typehints import decorators

from pipeline.orchestration.tfx import (
    beam_workers,
    evaluation_by_file,
    examples_by_file,
    file_order,
    ordered_sums,
    statistics_by_file,
)

_PROCESSES = "multi_processing"  # Beam's name of the mode


def make_beam_pipeline(workers: int, batch_size: int) -> beam.Pipeline:
    """Return a Beam pipeline on the FnApiRunner: in this process, or in `workers` processes.

    The runner is named, because Beam's DirectRunner first looks for a Go binary to download.

    Args:
      workers: number of processes.
      batch_size: number of elements in each batch.
    """
    set_up()
    beam_workers.register()
    mode = _PROCESSES if workers > 1 else "in_memory"
    # flags=[]: otherwise Beam parses this process's own command line.
    options = CachedOptions(flags=[], direct_num_workers=workers, direct_running_mode=mode)
    return ReplacingPipeline(batch_size, _Runner(), options)


def set_up() -> None:
    """Let Beam cache signatures and read files in order, in this process."""
    core.get_signature = _signature
    file_order.sort_files()


class CachedOptions(PipelineOptions):
    """Pipeline options that are parsed once for each type of view. All views share the values, as Beam's do."""

    def view_as(self, cls: type[PipelineOptions]) -> PipelineOptions:
        # In __dict__, because Beam takes every other attribute for an option.
        views = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return views[cls]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_views"}


_signatures: weakref.WeakKeyDictionary[types.FunctionType, inspect.Signature] = weakref.WeakKeyDictionary()


def _signature(function: Any) -> inspect.Signature:
    """Beam's `get_signature`, cached for methods: without `self`, their signature is that of the function."""
    if not isinstance(function, types.MethodType) or not isinstance(function.__func__, types.FunctionType):
        signature: inspect.Signature = decorators.get_signature(function)
        return signature
    if (found := _signatures.get(function.__func__)) is None:
        found = _signatures[function.__func__] = decorators.get_signature(function)
    return found


class _FixedBatches(beam.BatchElements):
    """Batches of a fixed size. A type of its own, so that it is not replaced again."""

    def __init__(self, size: int) -> None:
        super().__init__(min_batch_size=size, max_batch_size=size)


def replacement(transform: Any, batch_size: int) -> beam.PTransform | None:
    """Return the transform that every engine applies in place of another one; None for those that stay.

    Args:
      transform: any.
      batch_size: number of elements in each batch, which Beam would tune by the clock.
    """
    if isinstance(transform, beam.BatchElements) and not isinstance(transform, _FixedBatches):
        return _FixedBatches(batch_size)
    return (
        examples_by_file.replacement(transform, batch_size)
        or statistics_by_file.replacement(transform)
        or evaluation_by_file.replacement(transform)
        or ordered_sums.replacement(transform)
    )


class ReplacingPipeline(beam.Pipeline):
    """A pipeline that replaces transforms when they are applied, so that the steps that they consist of are never made.

    Args:
      batch_size: number of elements in each batch.
      runner: of the pipeline.
      options: of the pipeline.
    """

    def __init__(self, batch_size: int, runner: PipelineRunner, options: PipelineOptions) -> None:
        super().__init__(runner=runner, options=options)
        self._batch_size = batch_size

    def apply(self, transform: beam.PTransform, pvalueish: Any = None, label: str | None = None) -> Any:
        if (replaced_by := replacement(transform, self._batch_size)) is not None:
            transform, label = replaced_by, label or transform.label
        return super().apply(transform, pvalueish, label)


class _Runner(FnApiRunner):
    def run_pipeline(self, pipeline: beam.Pipeline, options: PipelineOptions) -> Any:
        direct = options.view_as(DirectOptions)
        if direct.direct_running_mode != _PROCESSES:
            return super().run_pipeline(pipeline, options)
        with beam_workers.supervised(direct.direct_num_workers):
            return super().run_pipeline(pipeline, options)
