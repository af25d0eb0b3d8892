"""Read TFRecord files of tf.Examples one file after the other, in batches that end with their file.

Beam spreads files over workers as it likes, and a batch of TFX's source may contain the end of one file and the start
of another one. The last bits of what a model or a library computes for a row may depend on the other rows of its
batch. So this source replaces it: its batches depend only on the files and on the batch size.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
from apache_beam.io import tfrecordio
from apache_beam.io.filesystems import FileSystems

_SOURCE = "RecordBasedTFXIO.BeamSource.<locals>._PTransformFn"  # tfx_bsl makes its sources from functions
_READER = "TFExampleRecord"


class Position(NamedTuple):
    """The position of a batch.

    Attributes:
      file: number of its file, in the order of the paths.
      batch: its number in the file.
    """

    file: int
    batch: int


_current = threading.local()


def position() -> Position | None:
    """Return the position of the batch that a step is processing; None if no shuffle-free path leads to its source.

    Beam runs all steps up to the next shuffle on a batch, in the same thread, before the source continues.
    """
    found: Position | None = getattr(_current, "position", None)
    return found


def replacement(transform: Any, batch_size: int) -> beam.PTransform | None:
    """Return a source in place of one of tf.Examples that TFX makes for a folder of files; None for other transforms.

    Args:
      transform: any.
      batch_size: of all batches but the last of a file.
    """
    # By name: most Beam jobs do not import tfx_bsl.
    function = getattr(transform, "_fn", None)
    if getattr(function, "__qualname__", "") != _SOURCE:
        return None
    tfxio = _tfxio(function)
    if type(tfxio).__name__ != _READER:
        return None
    read = ReadFile(tfxio._GetSchemaForDecoding(), tfxio.raw_record_column_name, batch_size)
    return _Source(tfxio._file_pattern, read)


def _tfxio(function: Any) -> Any:
    return inspect.getclosurevars(function).nonlocals["self"]


class _Source(beam.PTransform):
    def __init__(self, patterns: Sequence[str], read: ReadFile) -> None:
        super().__init__()
        self._patterns = patterns
        self._read = read

    def expand(self, input_or_inputs: Any) -> Any:
        found = FileSystems.match(list(self._patterns))
        paths = sorted({file.path for match in found for file in match.metadata_list})
        return (
            input_or_inputs.pipeline
            | "Files" >> beam.Create(list(enumerate(paths)), reshuffle=False)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.ParDo(self._read).with_output_types(pa.RecordBatch)
        )


class ReadFile(beam.DoFn):
    """Read a file, given with its number.

    Args:
      schema: of the examples; None: as they are.
      raw_column: name of a column with the records; None: no such column.
      batch_size: of all batches but the last.
    """

    def __init__(self, schema: Any, raw_column: str | None, batch_size: int) -> None:
        from tfx_bsl.tfxio import tf_example_record  # type: ignore[import-untyped]

        self._decode = tf_example_record._DecodeBatchExamplesDoFn(schema, raw_column)
        self._batch_size = batch_size

    def setup(self) -> None:
        self._decode.setup()

    def process(self, element: tuple[int, str]) -> Iterator[pa.RecordBatch]:
        number, path = element
        try:
            for batch, records in enumerate(_batches(path, self._batch_size)):
                _current.position = Position(number, batch)
                yield from self._decode.process(records)
        finally:
            _current.position = None


def _batches(path: str, size: int) -> Iterator[list[bytes]]:
    with FileSystems.open(path) as file:
        batch: list[bytes] = []
        while (record := tfrecordio._TFRecordUtil.read_record(file)) is not None:
            batch.append(record)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch
