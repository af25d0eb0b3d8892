"""Two nodes of which the first ends only while the second is executed."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts

SECONDS = 60.0
arrived = threading.Event()
may_end = threading.Event()  # the first node
may_leave = threading.Event()  # the second node
may_leave.set()
threads: list[str] = []  # that executed the second node


class HostExecutor(base_executor.BaseExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Mapping[str, Any]) -> None:
        if not arrived.wait(SECONDS):
            raise TimeoutError("the guest did not arrive")
        if not may_end.wait(SECONDS):
            raise TimeoutError("nothing was done meanwhile")
        if exec_properties["fails"]:
            raise ValueError("no host")


class GuestExecutor(base_executor.BaseExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Mapping[str, Any]) -> None:
        threads.append(threading.current_thread().name)
        arrived.set()
        may_leave.wait(SECONDS)
        if exec_properties["fails"] or (exec_properties["fails_beside"] and len(threads) == 1):
            raise ValueError("no guest")
        output = artifact_utils.get_single_instance(output_dict["met"])
        pathlib.Path(output.uri, "splits").write_text(
            artifact_utils.get_single_instance(input_dict["examples"]).split_names
        )
        output.set_string_custom_property("said", "hello")


class _Spec(component_spec.ComponentSpec):
    PARAMETERS = {
        "fails": component_spec.ExecutionParameter(type=int),
        "fails_beside": component_spec.ExecutionParameter(type=int),
    }
    INPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {"met": component_spec.ChannelParameter(type=standard_artifacts.ExternalArtifact)}


class _Component(base_component.BaseComponent):
    SPEC_CLASS = _Spec

    def __init__(self, examples: types.BaseChannel, fails: bool = False, fails_beside: bool = False) -> None:
        met = types.Channel(type=standard_artifacts.ExternalArtifact)
        super().__init__(_Spec(examples=examples, fails=int(fails), fails_beside=int(fails_beside), met=met))


class Host(_Component):
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(HostExecutor)


class Guest(_Component):
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(GuestExecutor)
