"""Add up statistics, metrics and analyses in the order of the files: the same bits however Beam spreads the work.

Sums of floats and sketches of quantiles depend on the order in which batches are added and merged, and that order
depends on Beam's bundles and on random keys. Here each file is added up where it was read (`examples_by_file.py`), and
the sums of the files are merged in the order of the files, in one place. This replaces the sums of TFDV, TFMA and TFT.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows

from pipeline.orchestration.tfx import examples_by_file

# By name, because most Beam jobs import none of these libraries.
_COMBINE_FNS = frozenset(
    {
        "_CombinerStatsGeneratorsCombineFn",  # TFDV
        "_ComputationsCombineFn",  # TFMA
        "_CombinerWrapper",  # TFT
        "_PackedCombinerWrapper",  # TFT
    }
)
# The position of elements that come from another source, or from a shuffle: they are added as they come.
_ELSEWHERE = examples_by_file.Position(-1, 0)
_NO_FILE = -2
_KEYED = beam.typehints.Tuple[Any, Any]  # both inputs of the Flatten need the same coder


def replacement(transform: Any) -> beam.PTransform | None:
    """Return sums in the order of the files in place of sums of TFDV, TFMA and TFT; None for other transforms."""
    combine = _combine_fn(transform)
    return _MergeInOrder(combine) if type(combine).__name__ in _COMBINE_FNS else None


def _combine_fn(transform: Any) -> Any:
    if isinstance(transform, beam.CombinePerKey):
        return transform.fn
    # Elements get a random key first, so that several workers merge: in an order that depends on it.
    is_fanout = type(transform).__name__ == "_CombinePerKeyWithHotKeyFanout"
    return transform._combine_fn if is_fanout else None


class _MergeInOrder(beam.PTransform):
    def __init__(self, combine: beam.CombineFn) -> None:
        super().__init__()
        self._combine = combine

    def expand(self, input_or_inputs: Any) -> Any:
        return (
            input_or_inputs
            | "AddUpFiles" >> beam.ParDo(AddUpFiles(self._combine))
            | "ToOnePlace" >> beam.GroupByKey()
            | "MergeFiles" >> beam.ParDo(MergeFiles(self._combine))
        )


class _WithCombine(beam.DoFn):
    def __init__(self, combine: beam.CombineFn) -> None:
        self._combine = combine

    def setup(self) -> None:
        if type(self._combine).__module__.startswith("tensorflow_data_validation."):
            from pipeline.orchestration.tfx import mean_and_variance

            mean_and_variance.replace_accumulator()
        self._combine.setup()

    def teardown(self) -> None:
        self._combine.teardown()


class AddUpFiles(_WithCombine):
    """Add up the elements of each file. Gives (key, (number of the file, accumulator))."""

    def start_bundle(self) -> None:
        self._position = _ELSEWHERE
        self._sums: dict[Any, Any] = {}

    def process(self, element: tuple[Any, Any]) -> Iterator[tuple[Any, tuple[int, Any]]]:
        key, value = element
        found = examples_by_file.position() or _ELSEWHERE
        if found.file != self._position.file:
            yield from self._finished()
        elif found < self._position:
            raise RuntimeError(f"batch {found} was added after {self._position}: sums of floats would depend on that")
        self._position = found
        if key not in self._sums:
            self._sums[key] = self._combine.create_accumulator()
        self._sums[key] = self._combine.add_input(self._sums[key], value)

    def finish_bundle(self) -> Iterator[Any]:
        yield from map(GlobalWindows.windowed_value, self._finished())

    def _finished(self) -> Iterator[tuple[Any, tuple[int, Any]]]:
        sums, self._sums = self._sums, {}
        for key, accumulator in sums.items():
            yield key, (self._position.file, self._combine.compact(accumulator))


class MergeFiles(_WithCombine):
    """Merge the sums of files in the order of the files."""

    def process(self, element: tuple[Any, Iterable[tuple[int, Any]]]) -> Iterator[tuple[Any, Any]]:
        key, files = element
        in_order = [accumulator for _, accumulator in sorted(files, key=lambda one: one[0])]
        yield key, self._combine.extract_output(self._combine.merge_accumulators(in_order))


class CombineFiles(beam.PTransform):
    """Combine all elements to one output; without any element, to that of an empty accumulator."""

    def __init__(self, combine: beam.CombineFn) -> None:
        super().__init__()
        self._combine = combine

    def expand(self, input_or_inputs: Any) -> Any:
        add_up = beam.ParDo(AddUpFiles(self._combine)).with_output_types(_KEYED)
        sums = input_or_inputs | "Key" >> beam.Map(_with_key) | "AddUpFiles" >> add_up
        empty = beam.Create([_with_key((_NO_FILE, None))], reshuffle=False).with_output_types(_KEYED)
        nothing = input_or_inputs.pipeline | "Nothing" >> empty
        return (
            (sums, nothing)
            | beam.Flatten()
            | "ToOnePlace" >> beam.GroupByKey()
            | "MergeFiles" >> beam.ParDo(_MergeAll(self._combine))
        )


def _with_key(value: Any) -> tuple[None, Any]:
    return None, value


class _MergeAll(MergeFiles):
    """Gives the output without a key."""

    def process(self, element: tuple[Any, Iterable[tuple[int, Any]]]) -> Iterator[Any]:
        key, sums = element
        files = [one for one in sums if one[0] != _NO_FILE] or [(_NO_FILE, self._combine.create_accumulator())]
        for _, output in super().process((key, files)):
            yield output
