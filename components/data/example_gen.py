"""ExampleGen: read a data set prepared by TensorFlow Datasets and write it as tf.Examples.

TFX's ExampleGens shuffle with an unseeded Reshuffle, so their order differs between runs. Here one output file is a
fixed slice of the data set in its order on disk, and one Beam element is a few files that follow each other. Names,
order and bytes are the same for any number of workers.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_datasets as tfds
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components import atomic_file
from components.artifact_types import Artifacts
from components.data import features, tf_example, tfds_reader

_STREAMS = 16  # at most, of a split; to start one, TensorFlow reads all records of the file before it


class TfdsExampleGenExecutor(base_beam_executor.BaseBeamExecutor):
    """Write every split, one file per slice."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Run the Beam job.

        Raises:
          errors.DataError: the data set is unsupported or damaged, or has no such split.
        """
        builder_dir = exec_properties["builder_dir"]
        builder = tfds.builder_from_directory(builder_dir)
        description = tfds_reader.describe(builder, json.loads(exec_properties["size"]))
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        splits: dict[str, str] = json.loads(exec_properties["splits"])

        jobs: list[_Job] = []
        sizes: dict[str, int] = {}
        examples.split_names = artifact_utils.encode_split_names(list(splits))
        for name, split in splits.items():
            parts = tfds_reader.slices(builder, split, exec_properties["shard_examples"])
            sizes[name] = sum(part.stop - part.start for part in parts)
            folder = pathlib.Path(artifact_utils.get_split_uri([examples], name))
            folder.mkdir(exist_ok=True)
            # An empty split gets an empty file, so that it can be read.
            files: list[tfds_reader.Slice | None] = [*parts] or [None]
            named = [
                (str(folder / f"{name}-{number:05d}-of-{len(files):05d}.tfrecord"), part)
                for number, part in enumerate(files)
            ]
            length = -(-len(named) // _STREAMS)
            jobs += [named[start : start + length] for start in range(0, len(named), length)]

        with self._make_beam_pipeline() as pipeline:
            write = _WriteShards(builder_dir, description, bool(exec_properties["ids"]))
            # A cluster would run this step in the one task of the step before. The shuffle changes where files are
            # written, not what they contain.
            spread = pipeline | "Slices" >> beam.Create(jobs) | "Spread" >> beam.Reshuffle()
            _ = spread | "Write" >> beam.ParDo(write)

        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples.set_string_custom_property("dataset", description.name)
        examples.set_string_custom_property("dataset_version", description.version)
        examples.set_string_custom_property("dataset_fingerprint", exec_properties["fingerprint"])
        examples.set_string_custom_property("image_shape", "x".join(map(str, description.shape)))
        examples.set_int_custom_property("labels", len(description.label_names))
        for name, size in sizes.items():
            examples.set_int_custom_property(f"{name}_examples", size)


_Job = list[tuple[str, tfds_reader.Slice | None]]  # files with their slices, in order


class _WriteShards(beam.DoFn):
    """Write each slice as one TFRecord file."""

    def __init__(self, builder_dir: str, description: tfds_reader.Description, ids: bool) -> None:
        self._builder_dir = builder_dir
        self._description = description
        self._ids = ids

    def process(self, job: _Job) -> Iterator[str]:
        """Yield the files' paths."""
        parts = tfds_reader.joined([part for _, part in job if part is not None])
        records = itertools.chain.from_iterable(
            tfds_reader.records(self._builder_dir, self._description, part) for part in parts
        )
        sizes = _sizes(self._description)
        for path, part in job:
            unfinished = f"{path}.{os.urandom(4).hex()}.unfinished"  # an earlier attempt may still be writing
            with tf.io.TFRecordWriter(unfinished) as writer:
                for data, label, record_id in itertools.islice(records, part.stop - part.start if part else 0):
                    numbers = sizes if label is None else {**sizes, features.LABEL: label}
                    writer.write(tf_example.serialized(data, numbers, record_id if self._ids else ""))
            atomic_file.replace(pathlib.Path(unfinished), pathlib.Path(path))
            yield path


def _sizes(description: tfds_reader.Description) -> dict[str, int]:
    """Return the features that are the same for all images."""
    sizes = {}
    if description.kind == "image":
        sizes = {features.HEIGHT: description.height, features.WIDTH: description.width}
    if description.channels > 1:
        sizes[features.CHANNELS] = description.channels
    return sizes


class _TfdsExampleGenSpec(component_spec.ComponentSpec):
    PARAMETERS = {
        "builder_dir": component_spec.ExecutionParameter(type=str),
        "fingerprint": component_spec.ExecutionParameter(type=str),
        "splits": component_spec.ExecutionParameter(type=str),
        "shard_examples": component_spec.ExecutionParameter(type=int),
        "size": component_spec.ExecutionParameter(type=str),
        "ids": component_spec.ExecutionParameter(type=int),
    }
    INPUTS: dict[str, Any] = {}
    OUTPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}


class TfdsExampleGen(base_beam_component.BaseBeamComponent):
    """Read a prepared TFDS data set into `examples`, with the splits train, validation and test."""

    SPEC_CLASS = _TfdsExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TfdsExampleGenExecutor)

    def __init__(
        self,
        builder_dir: str,
        fingerprint: str,
        splits: dict[str, str],
        shard_examples: int,
        size: tuple[int, int] | None = None,
        ids: bool = False,
    ) -> None:
        """Create the node.

        Args:
          builder_dir: folder of the prepared data set: `.../mnist/3.0.1`.
          fingerprint: digest of the data set's files; if it changes, the node runs again.
          splits: TFDS split by name: `{"train": "train[:50000]", ...}`.
          shard_examples: examples in one output file.
          size: height and width to resample images to, pixels; None: their own.
          ids: whether to write the ids that the records of the data set have.
        """
        super().__init__(
            spec=_TfdsExampleGenSpec(
                builder_dir=builder_dir,
                fingerprint=fingerprint,
                splits=json.dumps(splits),
                shard_examples=shard_examples,
                size=json.dumps(size),
                ids=int(ids),
                examples=types.Channel(type=standard_artifacts.Examples),
            )
        )
