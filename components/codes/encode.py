"""Encode: write the codes of the chosen splits as one Parquet file.

TFX's BulkInferrer does not fit: it writes PredictionLogs, which repeat each input beside its code and have neither
label nor id, in files whose order depends on the Beam job. Here the transform graph and the signature `encode` are
applied to batches, in the order of the examples.
"""

from __future__ import annotations

import json
import logging
import pathlib
from collections.abc import Mapping, Sequence
from concurrent import futures
from typing import Any

import tensorflow_transform as tft
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.artifact_types import Artifacts, Codes
from components.codes import table
from components.data import features, transformed_input
from components.model import loaded, saved_model
from components.model.signature_call import on_rows

logger = logging.getLogger(__name__)


class EncodeExecutor(base_executor.BaseExecutor):
    """Encode the examples of the splits, in memory for two batches and one row group unless the split is there."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Write `codes`; its custom properties are the number of examples of each split, and of units."""
        transform = tft.TFTransformOutput(artifact_utils.get_single_uri(input_dict["transform_graph"]))
        model = loaded.load(path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"])))
        codes = artifact_utils.get_single_instance(output_dict["codes"])
        file = pathlib.Path(codes.uri) / table.FILE
        # A batch is written while the next one is encoded.
        with table.Writer(file) as writer, futures.ThreadPoolExecutor(1) as pool:
            written: futures.Future[None] | None = None
            for split in json.loads(exec_properties["splits"]):
                files = io_utils.all_files_pattern(artifact_utils.get_split_uri(input_dict["examples"], split))
                count = 0
                for batch in transformed_input.batches([files], transform, ids=True):
                    outputs = on_rows(model.signatures["encode"], "images", batch[features.IMAGE_XF])
                    found = outputs[saved_model.CODE].numpy()
                    if written:
                        written.result()
                    written = pool.submit(_write, writer, split, count, batch, found)
                    count += len(found)
                    codes.set_int_custom_property("units", found.shape[1])
                codes.set_int_custom_property(f"{split}_examples", count)
                logger.info("%s codes of %s", f"{count:,}", split)
            if written:
                written.result()


def _write(writer: table.Writer, split: str, first: int, batch: Mapping[str, Any], codes: table.Codes) -> None:
    own = [name.decode() for name in batch[features.ID]]
    ids = [name or f"{split}/{number}" for number, name in enumerate(own, start=first)]
    writer.add(table.to_table(ids, split, codes, batch.get(features.LABEL_XF)))


class _EncodeSpec(component_spec.ComponentSpec):
    PARAMETERS = {"splits": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
    }
    OUTPUTS = {"codes": component_spec.ChannelParameter(type=Codes)}


class Encode(base_component.BaseComponent):
    """Write the `codes` of examples."""

    SPEC_CLASS = _EncodeSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(EncodeExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        model: types.BaseChannel,
        splits: Sequence[str],
    ) -> None:
        """Create the node.

        Args:
          examples, transform_graph, model: the examples, and how to encode them.
          splits: names of the splits to encode, in the order of the table.
        """
        super().__init__(
            spec=_EncodeSpec(
                examples=examples,
                transform_graph=transform_graph,
                model=model,
                splits=json.dumps(list(splits)),
                codes=types.Channel(type=Codes),
            )
        )
