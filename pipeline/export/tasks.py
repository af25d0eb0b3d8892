"""The tasks of a pipeline in another orchestrator: one for each node, and a last one for the run as a whole.

The task of a node is `sae run --to-node NODE`. The nodes before it succeeded in tasks of their own, so their results
are cached, by keys of content: the task executes NODE alone, on outputs of the same settings, code and data, whatever
else ran in between. `--from-node NODE --to-node NODE` would need one earlier run with all nodes before it, and take
what that run made, also with other settings.
"""

from __future__ import annotations

import dataclasses

from pipeline.definition.spec import Pipeline
from pipeline.orchestration import partial_run

_WHOLE_RUN = "whole_run"


@dataclasses.dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
      name: that of its node; of the last task, another one.
      upstream: the tasks that it waits for, in their order.
      judged: whether its command also ends with the exit code of a gate if the model was rejected. It succeeded then,
        and the tasks after it run, as in a run; the last task fails.
    """

    name: str
    upstream: tuple[str, ...]
    judged: bool = False


@dataclasses.dataclass(frozen=True)
class Tasks:
    """The tasks of a pipeline.

    Attributes:
      nodes: those of the nodes, each after those that it waits for.
      whole: the last one, `sae run` for all nodes. All are cached, so it takes a second, records one run of the whole
        pipeline and has its exit code.
    """

    nodes: tuple[Task, ...]
    whole: Task


def tasks_of(pipeline: Pipeline) -> Tasks:
    """Return the tasks of a pipeline."""
    names = pipeline.names
    gates = ",".join(output[0] for output in (pipeline.blessing, pipeline.decision) if output)
    judged = partial_run.nodes_of(pipeline, gates, "")[0] if gates else []
    nodes = tuple(
        Task(node.name, tuple(name for name in names if name in node.upstream), node.name in judged)
        for node in pipeline.nodes
    )
    waited_for = {name for task in nodes for name in task.upstream}
    whole = _WHOLE_RUN
    while whole in names:
        whole += "_"
    return Tasks(nodes, Task(whole, tuple(name for name in names if name not in waited_for)))
