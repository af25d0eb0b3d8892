"""Pusher: copies a blessed model that passed the push gate to the serving folder, whole or not at all.

TFX's own names versions by the second, copies file by file into the folder that a server watches, and does nothing
when its result is cached. Here a version appears by one rename and is one higher than the highest there is; a model
that is served already is not copied again.
"""

from __future__ import annotations

import pathlib
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import path_utils

from components.artifact_types import PushDecision
from components.push import decision as push_decision
from components.push.serving_dir import (
    CONTENT_DIGEST,
    HELD_BACK,
    NOT_PUSHED,
    PUSHED,
    PUSHED_DESTINATION,
    PUSHED_VERSION,
    held_back,
    push,
)


class PusherExecutor(base_executor.BaseExecutor):
    """Pushes when blessed and let pass, and records whether it did."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fills `pushed_model`; its folder stays empty, the bytes are in the serving folder.

        A model that somebody replaced (`sae rollback`, `sae promote`) is not pushed again until somebody promotes it.
        """
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        blessed = model_utils.is_model_blessed(artifact_utils.get_single_instance(input_dict["model_blessing"]))
        decision = push_decision.read(pathlib.Path(artifact_utils.get_single_uri(input_dict["decision"])))
        if not (blessed and decision.push):
            pushed.set_int_custom_property(PUSHED, 0)
            pushed.set_string_custom_property(NOT_PUSHED, decision.reason)
            return
        artifact = artifact_utils.get_single_instance(input_dict["model"])
        serving_dir = pathlib.Path(exec_properties["serving_dir"])
        if artifact.get_string_custom_property(CONTENT_DIGEST) in held_back(serving_dir):
            pushed.set_int_custom_property(PUSHED, 0)
            pushed.set_int_custom_property(HELD_BACK, 1)
            return
        destination = push(pathlib.Path(path_utils.serving_model_path(artifact.uri)), serving_dir)
        pushed.set_int_custom_property(PUSHED, 1)
        pushed.set_string_custom_property(PUSHED_DESTINATION, str(destination))
        pushed.set_string_custom_property(PUSHED_VERSION, destination.name)


class _PusherSpec(component_spec.ComponentSpec):
    PARAMETERS = {"serving_dir": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "decision": component_spec.ChannelParameter(type=PushDecision),
    }
    OUTPUTS = {"pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)}


class Pusher(base_component.BaseComponent):
    """Pushes `model` to `serving_dir` when `model_blessing` is a blessing and `decision` is to push."""

    SPEC_CLASS = _PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PusherExecutor)

    def __init__(
        self, model: types.BaseChannel, model_blessing: types.BaseChannel, decision: types.BaseChannel, serving_dir: str
    ) -> None:
        """Describes the node; `serving_dir` is the folder that a model server watches."""
        super().__init__(
            spec=_PusherSpec(
                model=model,
                model_blessing=model_blessing,
                decision=decision,
                serving_dir=serving_dir,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
