"""The gate before the Pusher: a blessed model replaces the one that is served when it is not worse.

The Evaluator judges a model alone, so that its verdict can be made again; this node compares it with what was pushed
before, which no other root can. Its decision is an artifact, with both losses and where they came from.
"""

from __future__ import annotations

import json
import logging
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import io_utils

from components.artifact_types import PushDecision
from components.data import features, transformed_input
from components.evaluation import evaluator, thresholds
from components.push import decision

logger = logging.getLogger(__name__)


class PushGateExecutor(base_executor.BaseExecutor):
    """Compares the candidate's loss with the baseline's."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills `decision`; its custom properties hold whether to push, and the reason."""
        standing = decision.standing_of(exec_properties[decision.STANDING])
        blessed = model_utils.is_model_blessed(artifact_utils.get_single_instance(input_dict["model_blessing"]))
        evaluated = evaluator.read_evaluation(artifact_utils.get_single_uri(input_dict["evaluation"]))
        baseline_bce, problem = None, ""
        if blessed and standing.baseline is not None:
            baseline_bce = standing.baseline.bce
            if baseline_bce is None:
                test_split = artifact_utils.get_split_uri(input_dict["examples"], features.TEST)
                baseline_bce, problem = _measure(standing.baseline, test_split)
        decided = decision.decide(
            blessed,
            evaluated.overall[thresholds.BCE],
            json.loads(exec_properties["max_bce_to_served"]),
            standing,
            baseline_bce,
            problem,
        )
        made = artifact_utils.get_single_instance(output_dict["decision"])
        decision.write(pathlib.Path(made.uri), decided)
        made.set_int_custom_property(decision.PUSH, int(decided.push))
        made.set_string_custom_property(decision.REASON, decided.reason)


def _measure(baseline: decision.Baseline, test_split: str) -> tuple[float | None, str]:
    """The baseline's loss on this test split; or None, and why it cannot be measured."""
    if not baseline.folder:
        return None, "its model is gone, and it was never measured on the present test split"
    try:
        return mean_bce(baseline.folder, io_utils.all_files_pattern(test_split)), ""
    # Whatever a SavedModel of another time raises; a push is not to hang on a model that nobody can use.
    except (tf.errors.OpError, OSError, KeyError, TypeError, ValueError) as error:
        logger.warning("version %d cannot be measured", baseline.version, exc_info=True)
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return None, f"it cannot be measured on the present test split ({said})"


def mean_bce(saved_model: str, pattern: str) -> float:
    """The mean reconstruction loss of a SavedModel of ours over the records of some files, nats per pixel.

    Args:
      saved_model: its folder; its signature `evaluate` gives `bce` for serialized tf.Examples.
      pattern: of the files.

    Raises:
      tf.errors.OpError, OSError, KeyError, TypeError, ValueError: it is no such model, or reads no such examples.
    """
    evaluate = tf.saved_model.load(saved_model).signatures["evaluate"]
    records = tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(pattern))).batch(transformed_input.BATCH)
    losses = [evaluate(examples=batch)[thresholds.BCE].numpy().astype(np.float64) for batch in records]
    return float(np.concatenate(losses).mean())


class _PushGateSpec(component_spec.ComponentSpec):
    PARAMETERS = {
        # As JSON: ML Metadata on SQLite stores no infinite number.
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
    """Decides whether `model` replaces what is served."""

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
        """Describes the node.

        Args:
          examples: of its test split a baseline is measured that was never measured on it.
          model: the candidate.
          evaluation: of the candidate, on the same split.
          model_blessing: of the candidate.
          max_bce_to_served: the largest ratio of its loss to the baseline's; inf: any.
          standing: how the candidate stands to what was pushed before, as `push_decision.Standing.as_text` says it;
            whoever runs the node says so just before.
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
