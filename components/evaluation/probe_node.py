"""Probe: measure how well labels can be told from the codes and from PCA, beside what PixelProbe measured."""

from __future__ import annotations

import json
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import tensorflow_transform as tft
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils

from components.artifact_types import Artifacts, Codes, ProbeScores
from components.codes import table
from components.data import features, transformed_input
from components.evaluation import metrics, probe_scores
from components.evaluation.pixel_scores import PixelScores
from components.evaluation.probe_scores import Scores
from components.model import baselines

logger = logging.getLogger(__name__)


class ProbeExecutor(base_executor.BaseExecutor):
    """Fit on the train split and score on the test split, in memory for a sample of each."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Write `scores`; its custom property `reason` is why nothing was measured, or empty."""
        uris = {key: artifact_utils.get_single_uri(artifacts) for key, artifacts in input_dict.items()}
        files = {
            split: io_utils.all_files_pattern(artifact_utils.get_split_uri(input_dict["examples"], split))
            for split in (features.TRAIN, features.TEST)
        }
        found = measure(
            pathlib.Path(uris["codes"]) / table.FILE,
            baselines.Pca.load(pathlib.Path(uris["model_run"])),
            probe_scores.read(pathlib.Path(uris["pixel_scores"])),
            files,
            tft.TFTransformOutput(uris["transform_graph"]),
            json.loads(exec_properties["label_names"]),
        )
        scores = artifact_utils.get_single_instance(output_dict["scores"])
        probe_scores.write(found, pathlib.Path(scores.uri))
        scores.set_string_custom_property(metrics.UNMEASURED, found.reason)
        logger.info("%s", found.reason or {name: round(value, 4) for name, value in found.metrics.items()})


def measure(
    codes: pathlib.Path,
    pca: baselines.Pca,
    pixel_scores: Scores,
    files: Mapping[str, str],
    transform: tft.TFTransformOutput,
    label_names: Sequence[str] = (),
) -> Scores:
    """Measure the accuracies of codes and PCA on the samples of the PixelProbe.

    Args:
      codes: the table of codes.
      pca: fitted on the train split.
      pixel_scores: result of the PixelProbe.
      files: patterns of the examples' files by split, `train` and `test`.
      transform: the transform graph.
      label_names: by the labels' numbers; empty: they have none.
    """
    from components.evaluation import probe, probe_threads  # imports scikit-learn, for which training need not wait

    labels = probe.labels_by_split(codes)
    if reason := probe.why_not(labels, features.TRAIN, features.TEST, label_names) or pixel_scores.reason:
        return Scores({}, reason)
    sizes = {features.TRAIN: pixel_scores.train_examples, features.TEST: pixel_scores.test_examples}
    chosen = probe.samples(labels, sizes)
    coded, projected = {}, {}
    for split, places in chosen.items():
        coded[split] = probe.codes_of(codes, split, places)
        if not np.isfinite(coded[split]).all():
            return Scores({}, f"codes of the {split} split are not finite")
        batches = transformed_input.batches([files[split]], transform, numbers=places.tolist())
        projected[split] = np.concatenate([pca.encode(batch[features.IMAGE_XF]) for batch in batches])
    train, test = (labels[split][places] for split, places in chosen.items())
    rows = {
        kind: (values[features.TRAIN], train, values[features.TEST], test)
        for kind, values in ((metrics.CODE, coded), (metrics.PCA, projected))
    }
    measured = {**probe_threads.accuracies(rows), **pixel_scores.metrics}
    names = [f"{kind}{one.name}" for one in metrics.PROBES for kind in metrics.REPRESENTATIONS]
    return Scores(
        {name: measured[name] for name in names},
        train_examples=len(train),
        test_examples=len(test),
        labels=len(np.unique(labels[features.TRAIN])),
        units=table.units_of(pq.read_schema(codes).names),
        components=pca.components.shape[0],
        pixels=pixel_scores.pixels,
    )


class _ProbeSpec(component_spec.ComponentSpec):
    PARAMETERS = {"label_names": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        "codes": component_spec.ChannelParameter(type=Codes),
        "pixel_scores": component_spec.ChannelParameter(type=PixelScores),
    }
    OUTPUTS = {"scores": component_spec.ChannelParameter(type=ProbeScores)}


class Probe(base_component.BaseComponent):
    """Write the `scores` of a linear probe and k-nearest neighbours."""

    SPEC_CLASS = _ProbeSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ProbeExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        model_run: types.BaseChannel,
        codes: types.BaseChannel,
        pixel_scores: types.BaseChannel,
        label_names: Sequence[str],
    ) -> None:
        """Create the node.

        Args:
          examples, transform_graph: the images and their labels.
          model_run: with the PCA of the train split.
          codes: of the same examples.
          pixel_scores: result of the PixelProbe on them.
          label_names: by the labels' numbers; empty without labels.
        """
        super().__init__(
            spec=_ProbeSpec(
                examples=examples,
                transform_graph=transform_graph,
                model_run=model_run,
                codes=codes,
                pixel_scores=pixel_scores,
                label_names=json.dumps(list(label_names)),
                scores=types.Channel(type=ProbeScores),
            )
        )
