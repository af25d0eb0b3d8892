"""The configuration of the Evaluator, how it loads the model, and how to read the metrics that it writes."""

from __future__ import annotations

import functools
import json
import math
from typing import Any

import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf.wrappers_pb2 import BoolValue
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.api import types
from tensorflow_model_analysis.proto import config_pb2

from components.data import features
from components.evaluation import metrics, tfma_metric
from components.evaluation.thresholds import Evaluation, Gates
from components.model import loaded


def eval_config(gates: Gates, labelled: bool = True) -> config_pb2.EvalConfig:
    """Return a configuration with all metrics, overall and if `labelled` per label, and `gates` as value thresholds."""
    terms = metrics.LOSSES[gates.loss]
    not_default: dict[str, str | bool] = {"loss": gates.loss} if gates.loss != "bce" else {}
    not_default |= {"noise": True} if gates.noise else {}
    everything, labels = config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=[features.LABEL])
    specs = [everything, labels] if labelled else [everything]
    limits = {
        terms.metric.name: tuple(zip(specs, (gates.max_loss, gates.max_loss_worst_label), strict=False)),
        terms.to_mean_image.name: tuple((spec, gates.max_loss_to_mean_image) for spec in specs),
        **{name: ((everything, limit),) for name, limit in gates.of_units.items()},
    }
    return config_pb2.EvalConfig(
        # Otherwise TFMA passes the dict of predictions to Keras' compiled metrics, and fails.
        options=config_pb2.Options(include_default_metrics=BoolValue(value=False)),
        model_specs=[config_pb2.ModelSpec(signature_name="evaluate", label_key=features.LABEL if labelled else "")],
        slicing_specs=specs,
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                    config_pb2.MetricConfig(
                        class_name=tfma_metric.SparseAutoencoderMetrics.__name__,
                        module=tfma_metric.__name__,
                        config=json.dumps(not_default) if not_default else "",
                    ),
                ],
                # Always per slice: a plain threshold applies to every slice, not to all images together.
                per_slice_thresholds={
                    name: config_pb2.PerSliceMetricThresholds(
                        thresholds=[
                            config_pb2.PerSliceMetricThreshold(slicing_specs=[spec], threshold=_at_most(limit))
                            for spec, limit in of_metric
                            if math.isfinite(limit)
                        ]
                    )
                    for name, of_metric in limits.items()
                },
            )
        ],
    )


def _at_most(limit: float) -> config_pb2.MetricThreshold:
    return config_pb2.MetricThreshold(value_threshold=config_pb2.GenericValueThreshold(upper_bound={"value": limit}))


def custom_eval_shared_model(
    eval_saved_model_path: str, eval_config: config_pb2.EvalConfig, **options: Any
) -> types.EvalSharedModel:
    """Return the model for TFMA; TFX calls this by its name.

    By default TFMA also loads the model with Keras, to find out that it is none of Keras.
    """
    with_type = config_pb2.EvalConfig()
    with_type.CopyFrom(eval_config)
    for spec in with_type.model_specs:
        spec.model_type = constants.TF_GENERIC
    load = functools.partial(loaded.load, eval_saved_model_path)
    loader = types.ModelLoader(load, tags=[tf.saved_model.SERVING])
    return tfma.default_eval_shared_model(
        eval_saved_model_path, eval_config=with_type, custom_model_loader=loader, **options
    )


def read_evaluation(uri: str) -> Evaluation:
    """Read the metrics in a ModelEvaluation artifact.

    Raises:
      FileNotFoundError: there is no evaluation at `uri`.
    """
    result = tfma.load_eval_result(uri)
    overall: dict[str, float] = {}
    per_label: dict[int, dict[str, float]] = {}
    for slice_key, values in result.slicing_metrics:
        numbers = {name: float(value["doubleValue"]) for name, value in values[""][""].items()}
        if not slice_key:
            overall = numbers
        else:
            per_label[int(slice_key[0][1])] = numbers
    if not overall:
        raise FileNotFoundError(f"no evaluation in {uri}")
    return Evaluation(overall, dict(sorted(per_label.items())))
