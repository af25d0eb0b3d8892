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
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import PTransformOverride
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms import core
from apache_beam.typehints import decorators

from pipeline.orchestration.tfx import beam_workers, examples_by_file, file_order, ordered_sums, unique_values


def make_beam_pipeline(workers: int, batch_size: int) -> beam.Pipeline:
    """Return a Beam pipeline on the FnApiRunner: in this process, or in `workers` processes.

    The runner is named, because Beam's DirectRunner first looks for a Go binary to download.

    Args:
      workers: number of processes.
      batch_size: number of elements in each batch.
    """
    set_up()
    beam_workers.register()
    options = {"direct_num_workers": workers}
    if workers > 1:
        options["direct_running_mode"] = "multi_processing"  # type: ignore[assignment]
    # flags=[]: otherwise Beam parses this process's own command line.
    return beam.Pipeline(runner=_Runner(batch_size), options=CachedOptions(flags=[], **options))


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


class _FixedBatchesOverride(PTransformOverride):
    """Replaces batches whose size Beam would tune by the clock."""

    def __init__(self, size: int) -> None:
        self._size = size

    def matches(self, applied_ptransform: Any) -> bool:
        transform = applied_ptransform.transform
        return isinstance(transform, beam.BatchElements) and not isinstance(transform, _FixedBatches)

    def get_replacement_transform_for_applied_ptransform(self, applied_ptransform: Any) -> beam.PTransform:
        return _FixedBatches(self._size)


def overrides(batch_size: int) -> list[PTransformOverride]:
    """Return what every engine replaces in a pipeline."""
    return [
        examples_by_file.ReadByFile(batch_size),
        _FixedBatchesOverride(batch_size),
        unique_values.CountDigests(),
        ordered_sums.MergeInOrder(),
    ]


class _Runner(FnApiRunner):
    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size = batch_size

    def run_pipeline(self, pipeline: beam.Pipeline, options: PipelineOptions) -> Any:
        pipeline.replace_all(overrides(self._batch_size))
        with beam_workers.supervised():
            return super().run_pipeline(pipeline, options)
