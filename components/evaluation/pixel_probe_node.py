"""PixelProbe: measure how well labels can be told from the pixels, with which the Probe compares the codes.

The result depends on no model, so runs that train another one reuse it: it takes longer than that of codes and PCA.
"""

from __future__ import annotations

import json
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_transform as tft
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils

from components.artifact_types import Artifacts
from components.data import features, label_input, transformed_input
from components.evaluation import metrics, probe_scores
from components.evaluation.pixel_scores import PixelScores
from components.evaluation.probe_scores import Scores

logger = logging.getLogger(__name__)


class PixelProbeExecutor(base_executor.BaseExecutor):
    """Fit on the train split and score on the test split, in memory for a sample of each."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Write `pixel_scores`; its custom property `reason` is why nothing was measured, or empty."""
        files = {
            split: io_utils.all_files_pattern(artifact_utils.get_split_uri(input_dict["examples"], split))
            for split in (features.TRAIN, features.TEST)
        }
        found = measure(
            files,
            tft.TFTransformOutput(artifact_utils.get_single_uri(input_dict["transform_graph"])),
            exec_properties["values"],
            json.loads(exec_properties["label_names"]),
        )
        scores = artifact_utils.get_single_instance(output_dict["pixel_scores"])
        probe_scores.write(found, pathlib.Path(scores.uri))
        scores.set_string_custom_property(metrics.UNMEASURED, found.reason)
        logger.info("%s", found.reason or {name: round(value, 4) for name, value in found.metrics.items()})


def measure(
    files: Mapping[str, str], transform: tft.TFTransformOutput, values: int, label_names: Sequence[str] = ()
) -> Scores:
    """Choose the samples, and measure the accuracies of the pixels.

    Args:
      files: patterns of the examples' files by split, `train` and `test`.
      transform: the transform graph.
      values: size of the largest representation of an example, on which the sizes of the samples depend.
      label_names: by the labels' numbers; empty: they have none.
    """
    from components.evaluation import probe, probe_threads  # imports scikit-learn, for which training need not wait

    read = {split: label_input.labels([pattern], transform) for split, pattern in files.items()}
    labels = {split: found for split, found in read.items() if found is not None}
    if reason := probe.why_not(labels, features.TRAIN, features.TEST, label_names):
        return Scores({}, reason)
    chosen = probe.samples(labels, {split: probe.sample_size(found, values) for split, found in labels.items()})
    pixels = probe.sample_pixels(transform.transformed_feature_spec()[features.IMAGE_XF].shape[0])
    train, test = (
        np.concatenate(
            [
                batch[features.IMAGE_XF][:, pixels]
                for batch in transformed_input.batches([files[split]], transform, numbers=chosen[split].tolist())
            ]
        )
        for split in (features.TRAIN, features.TEST)
    )
    train_labels, test_labels = (labels[split][chosen[split]] for split in (features.TRAIN, features.TEST))
    return Scores(
        probe_threads.accuracies({metrics.PIXELS: (train, train_labels, test, test_labels)}),
        train_examples=len(train),
        test_examples=len(test),
        labels=len(np.unique(labels[features.TRAIN])),
        pixels=len(pixels),
    )


class _PixelProbeSpec(component_spec.ComponentSpec):
    PARAMETERS = {
        "values": component_spec.ExecutionParameter(type=int),
        "label_names": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
    }
    OUTPUTS = {"pixel_scores": component_spec.ChannelParameter(type=PixelScores)}


class PixelProbe(base_component.BaseComponent):
    """Write the `pixel_scores` of a linear probe and k-nearest neighbours on pixels."""

    SPEC_CLASS = _PixelProbeSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PixelProbeExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        values: int,
        label_names: Sequence[str],
    ) -> None:
        """Create the node.

        Args:
          examples, transform_graph: the images and their labels.
          values: size of the largest representation of an example.
          label_names: by the labels' numbers; empty without labels.
        """
        super().__init__(
            spec=_PixelProbeSpec(
                examples=examples,
                transform_graph=transform_graph,
                values=values,
                label_names=json.dumps(list(label_names)),
                pixel_scores=types.Channel(type=PixelScores),
            )
        )
