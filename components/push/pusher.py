"""Pusher: publish a blessed model that passed the push gate in the serving folder, completely or not at all.

TFX's own Pusher names versions by the second, copies file by file into the folder that a server watches, and does
nothing when its result is cached. Here a version appears by one rename, numbered one above the highest; a model that is
served already is not copied again.
"""

from __future__ import annotations

import pathlib
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.utils import path_utils

from components.artifact_types import Artifacts, PushDecision
from components.push import decision as push_decision
from components.push import serving_dir as serving


class PusherExecutor(base_executor.BaseExecutor):
    """Push the model if it is blessed, passed the push gate and is not superseded; record which."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Set the properties of `pushed_model`; its folder stays empty, the files are in the serving folder.

        A model that `sae rollback` or `sae promote` replaced is pushed again only by `sae promote`.
        """
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        blessed = model_utils.is_model_blessed(artifact_utils.get_single_instance(input_dict["model_blessing"]))
        decision = push_decision.read(pathlib.Path(artifact_utils.get_single_uri(input_dict["decision"])))
        pushed.set_int_custom_property(serving.PUSHED, 0)
        if not (blessed and decision.push):
            pushed.set_string_custom_property(serving.NOT_PUSHED, decision.reason)
            return
        model = artifact_utils.get_single_instance(input_dict["model"])
        serving_dir = pathlib.Path(exec_properties["serving_dir"])
        if model.get_string_custom_property(serving.CONTENT_DIGEST) in serving.superseded(serving_dir):
            pushed.set_int_custom_property(serving.SUPERSEDED, 1)
            return
        destination = serving.push(pathlib.Path(path_utils.serving_model_path(model.uri)), serving_dir)
        pushed.set_int_custom_property(serving.PUSHED, 1)
        pushed.set_string_custom_property(serving.PUSHED_DESTINATION, str(destination))
        pushed.set_string_custom_property(serving.PUSHED_VERSION, destination.name)


class _PusherSpec(component_spec.ComponentSpec):
    PARAMETERS = {"serving_dir": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "decision": component_spec.ChannelParameter(type=PushDecision),
    }
    OUTPUTS = {"pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)}


class Pusher(base_component.BaseComponent):
    """Push `model` to `serving_dir` if `model_blessing` blesses it and `decision` is to push."""

    SPEC_CLASS = _PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PusherExecutor)

    def __init__(
        self, model: types.BaseChannel, model_blessing: types.BaseChannel, decision: types.BaseChannel, serving_dir: str
    ) -> None:
        """Create the node; `serving_dir` is the folder that a model server watches."""
        super().__init__(
            spec=_PusherSpec(
                model=model,
                model_blessing=model_blessing,
                decision=decision,
                serving_dir=serving_dir,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
