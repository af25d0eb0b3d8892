"""Probe: measure how well labels can be told from the codes, from PCA and from the pixels."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import tensorflow as tf
import tensorflow_transform as tft
from sklearn.exceptions import ConvergenceWarning
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils

from components.artifact_types import Artifacts, Codes, ProbeScores
from components.codes import table
from components.data import features, transformed_input
from components.evaluation import metrics, probe, probe_scores
from components.evaluation.probe_scores import Scores
from components.model import baselines

logger = logging.getLogger(__name__)

_SEEDS = {features.TRAIN: 0, features.TEST: 1}
_PIXEL_SEED = 2
_THREADS = "TF_NUM_INTRAOP_THREADS"


class ProbeExecutor(base_executor.BaseExecutor):
    """Fit on the train split and score on the test split, in memory for a sample of each."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Write `scores`; its custom property `reason` is why nothing was measured, or empty."""
        uris = {key: artifact_utils.get_single_uri(artifacts) for key, artifacts in input_dict.items()}
        files = {
            split: io_utils.all_files_pattern(artifact_utils.get_split_uri(input_dict["examples"], split))
            for split in _SEEDS
        }
        found = measure(
            pathlib.Path(uris["codes"]) / table.FILE,
            baselines.Pca.load(pathlib.Path(uris["model_run"])),
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
    files: Mapping[str, str],
    transform: tft.TFTransformOutput,
    label_names: Sequence[str] = (),
) -> Scores:
    """Measure the accuracies of all representations.

    Args:
      codes: the table of codes.
      pca: fitted on the train split.
      files: patterns of the examples' files by split, `train` and `test`.
      transform: the transform graph.
      label_names: by the labels' numbers; empty: they have none.
    """
    labels = probe.labels_by_split(codes)
    if reason := probe.why_not(labels, features.TRAIN, features.TEST, label_names):
        return Scores({}, reason)
    components, pixels = pca.components.shape
    units = table.units_of(pq.read_schema(codes).names)
    sampled = probe.sample_pixels(pixels, _PIXEL_SEED)
    chosen = {split: probe.sample(labels[split], max(units, len(sampled)), seed) for split, seed in _SEEDS.items()}
    values: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    for split, places in chosen.items():
        values[split] = {metrics.CODE: probe.codes_of(codes, split, places)}
        if not np.isfinite(values[split][metrics.CODE]).all():
            return Scores({}, f"codes of the {split} split are not finite")
        projected, cut = [], []
        for batch in transformed_input.batches([files[split]], transform, numbers=places.tolist()):
            images = batch[features.IMAGE_XF]
            projected.append(pca.encode(images))
            cut.append(images[:, sampled])
        values[split] |= {metrics.PCA: np.concatenate(projected), metrics.PIXELS: np.concatenate(cut)}
    train, test = (labels[split][places] for split, places in chosen.items())
    rows = {
        kind: (values[features.TRAIN][kind], train, values[features.TEST][kind], test)
        for kind in metrics.REPRESENTATIONS
    }

    # As many threads as TensorFlow has. BLAS has one, so the results do not depend on their number.
    with warnings.catch_warnings(), futures.ThreadPoolExecutor(int(os.environ.get(_THREADS) or 1)) as pool:
        warnings.simplefilter("ignore", ConvergenceWarning)
        # That of the pixels takes longest, so it starts first; the other threads do the rest meanwhile.
        probed = {kind: pool.submit(probe.linear_accuracy, *rows[kind]) for kind in reversed(rows)}
        near = {
            f"{kind}{metrics.KNN.name}": probe.knn_accuracy(*of_kind, apply=pool.map, times=_times)
            for kind, of_kind in rows.items()
        }
        linear = {f"{kind}{metrics.LINEAR_PROBE.name}": probed[kind].result() for kind in rows}
    measured = {**linear, **near}
    return Scores(
        measured,
        train_examples=len(train),
        test_examples=len(test),
        labels=len(np.unique(labels[features.TRAIN])),
        units=units,
        components=components,
        pixels=len(sampled),
    )


def _times(columns: probe.Array) -> Callable[[probe.Array], probe.Array]:
    """Multiply for `probe.knn_accuracy` by TensorFlow: OpenBLAS is slow on processors that are newer than it."""
    tensor = tf.constant(columns)

    def times(rows: probe.Array) -> probe.Array:
        products: probe.Array = tf.matmul(rows, tensor, transpose_b=True).numpy()
        return products

    return times


class _ProbeSpec(component_spec.ComponentSpec):
    PARAMETERS = {"label_names": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        "codes": component_spec.ChannelParameter(type=Codes),
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
        label_names: Sequence[str],
    ) -> None:
        """Create the node.

        Args:
          examples, transform_graph: the images and their labels.
          model_run: with the PCA of the train split.
          codes: of the same examples.
          label_names: by the labels' numbers; empty without labels.
        """
        super().__init__(
            spec=_ProbeSpec(
                examples=examples,
                transform_graph=transform_graph,
                model_run=model_run,
                codes=codes,
                label_names=json.dumps(list(label_names)),
                scores=types.Channel(type=ProbeScores),
            )
        )
