"""PushGate: a blessed model replaces the served one only if it is not worse.

The Evaluator judges a model alone, so its verdict is reproducible in any root; this node compares it with models of
this root. Its decision is an artifact with both losses and their sources.
"""

from __future__ import annotations

import json
import logging
import math
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils

from components.artifact_types import Artifacts, PushDecision
from components.data import features
from components.evaluation import evaluator, metrics
from components.push import decision

logger = logging.getLogger(__name__)


class PushGateExecutor(base_executor.BaseExecutor):
    """Compare the candidate's loss with the baseline's."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Write `decision`; its custom properties are whether to push, and the reason."""
        standing = decision.standing_of(exec_properties[decision.STANDING])
        blessed = model_utils.is_model_blessed(artifact_utils.get_single_instance(input_dict["model_blessing"]))
        evaluated = evaluator.read_evaluation(artifact_utils.get_single_uri(input_dict["evaluation"]))
        metric = metrics.loss_of(evaluated.overall)
        baseline_loss, problem = None, ""
        if blessed and standing.baseline is not None:
            baseline_loss = standing.baseline.loss
            if baseline_loss is None:
                baseline_loss, problem = _measure(standing.baseline, input_dict["examples"], metric)
        decided = decision.decide(
            blessed,
            evaluated.overall[metric],
            json.loads(exec_properties["max_bce_to_served"]),
            standing,
            baseline_loss,
            problem,
            metric,
        )
        output = artifact_utils.get_single_instance(output_dict["decision"])
        decision.write(pathlib.Path(output.uri), decided)
        output.set_int_custom_property(decision.PUSH, int(decided.push))
        output.set_string_custom_property(decision.REASON, decided.reason)


def _measure(baseline: decision.Baseline, examples: list[types.Artifact], metric: str) -> tuple[float | None, str]:
    """Return the baseline's loss on this test split; or None, and why it cannot be evaluated."""
    if not baseline.folder:
        return None, "its model is gone, and it was never measured on the present test split"
    try:
        pattern = io_utils.all_files_pattern(artifact_utils.get_split_uri(examples, features.TEST))
        shape = artifact_utils.get_single_instance(examples).get_string_custom_property("image_shape")
        values = math.prod(map(int, shape.split("x"))) if shape else 1
        return mean_loss(baseline.folder, pattern, metric, features.batch_of(values)), ""
    # An old SavedModel can raise any of these; a model that cannot be used must not block the push.
    except (tf.errors.OpError, OSError, KeyError, TypeError, ValueError) as error:
        logger.warning("version %d cannot be evaluated", baseline.version, exc_info=True)
        message = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return None, f"it cannot be measured on the present test split ({message})"


def mean_loss(
    saved_model: str, pattern: str, metric: str = metrics.BCE.name, batch_size: int = features.BATCH
) -> float:
    """Return the mean reconstruction loss of a SavedModel over the records of files.

    Args:
      saved_model: its folder; its signature `evaluate` returns `metric` for serialized tf.Examples.
      pattern: of the files' paths.
      metric: name of the loss.
      batch_size: records measured at once.

    Raises:
      tf.errors.OpError, OSError, KeyError, TypeError, ValueError: the model has no such signature, or cannot read these
        examples.
    """
    evaluate = tf.saved_model.load(saved_model).signatures["evaluate"]
    records = tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(pattern))).batch(batch_size)
    losses = [evaluate(examples=batch)[metric].numpy().astype(np.float64) for batch in records]
    return float(np.concatenate(losses).mean())


class _PushGateSpec(component_spec.ComponentSpec):
    PARAMETERS = {
        # As JSON: ML Metadata on SQLite cannot store an infinite number.
        "max_bce_to_served": component_spec.ExecutionParameter(type=str),
        decision.STANDING: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS = {"decision": component_spec.ChannelParameter(type=PushDecision)}


class PushGate(base_component.BaseComponent):
    """Decide whether `model` replaces the served model."""

    SPEC_CLASS = _PushGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PushGateExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        evaluation: types.BaseChannel,
        model_blessing: types.BaseChannel,
        max_bce_to_served: float,
        standing: str,
    ) -> None:
        """Create the node.

        Args:
          examples: a baseline without a recorded loss is evaluated on their test split.
          model: the candidate.
          evaluation, model_blessing: of the candidate, on the same split.
          max_bce_to_served: the largest ratio of its loss to the baseline's; inf: no limit.
          standing: `decision.Standing.as_text` of the candidate, which the runner sets just before the node runs.
        """
        super().__init__(
            spec=_PushGateSpec(
                examples=examples,
                model=model,
                evaluation=evaluation,
                model_blessing=model_blessing,
                max_bce_to_served=json.dumps(max_bce_to_served),
                standing=standing,
                decision=types.Channel(type=PushDecision),
            )
        )
