"""What the executor operators record of a node besides its outputs."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from pipeline.definition.spec import Node
from pipeline.provenance import source_code
from pipeline_config import EngineConfig
from tests import lazy

pytestmark = pytest.mark.component

data_types = lazy.module("tfx.orchestration.portable.data_types")
execution_result_pb2 = lazy.module("tfx.proto.orchestration.execution_result_pb2")
executors = lazy.module("pipeline.orchestration.tfx.executors")


@pytest.mark.parametrize("beam", [False, True])
@pytest.mark.parametrize("edited", ["", "node.py", "other.py"])
def test_a_change_of_the_nodes_code_while_it_runs_is_recorded_on_its_execution(
    edited: str, beam: bool, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "components"
    package.mkdir()
    for name in ("__init__.py", "node.py", "other.py"):
        (package / name).touch()
    monkeypatch.setattr(source_code, "_places", lambda top: (str(tmp_path / top),))

    def run_executor(*arguments: Any, **options: Any) -> Any:
        if edited:
            (package / edited).write_text("x = 1")
        return execution_result_pb2.ExecutorOutput()

    node = Node("A", lambda inputs: None, code="components.node")
    operators = list(
        executors.executor_operators(node, EngineConfig(), executors.Failures(), executors.Executions()).values()
    )
    operator = operators[0 if beam else 1]
    monkeypatch.setattr(operator.__mro__[1], "run_executor", run_executor)
    info = data_types.ExecutionInfo(input_dict={}, output_dict={})
    output = operator.run_executor(object.__new__(operator), info)
    recorded = {name: value.string_value for name, value in output.execution_properties.items()}
    assert recorded == ({"code_changed": "components/node.py"} if edited == "node.py" else {})
