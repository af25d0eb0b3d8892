"""The tasks that stand for a pipeline's nodes."""

from __future__ import annotations

import dataclasses

from pipeline.export.tasks import Task, tasks_of
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.second_pipeline.definition import PIPELINE as SECOND


def test_a_task_waits_for_the_nodes_of_its_inputs_and_those_that_must_run_before():
    found = {task.name: task for task in tasks_of(PIPELINE)[0]}
    assert tuple(found) == PIPELINE.names
    assert found["ExampleGen"].upstream == ()
    assert found["Transform"].upstream == ("ExampleGen", "SchemaGen", "DataGate")  # the gate has no output


def test_only_tasks_after_a_gate_of_the_model_may_end_with_its_exit_code():
    judged = [task.name for task in tasks_of(PIPELINE)[0] if task.judged]
    assert judged == ["Evaluator", "PushGate", "Pusher", "Report"]
    assert not any(task.judged for task in tasks_of(SECOND)[0])


def test_the_last_task_waits_for_all_others():
    assert tasks_of(PIPELINE)[1] == Task("whole_run", ("Pusher", "Report"))


def test_the_last_task_has_a_name_of_its_own():
    node = dataclasses.replace(SECOND.nodes[0], name="whole_run")
    assert tasks_of(dataclasses.replace(SECOND, nodes=(node,)))[1] == Task("whole_run_", ("whole_run",))
