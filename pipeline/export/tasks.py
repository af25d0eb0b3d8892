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


def tasks_of(pipeline: Pipeline) -> tuple[tuple[Task, ...], Task]:
    """Return the tasks of the nodes of a pipeline, each after those that it waits for, and the last task.

    That one is `sae run` for all nodes. All are cached, so it takes a second, records one run of the whole pipeline and
    has its exit code.
    """
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
    return nodes, Task(whole, tuple(name for name in names if name not in waited_for))
