"""Read the tables of a store by SQL alone: what its runs, nodes and artifacts are, without any code of the product.

The rules are those of docs/inspect.md, written a second time, so that tests can compare what is shown with them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sqlite3
from typing import Any

DAY = 24 * 60 * 60 * 1000  # milliseconds
STATES = {1: "open", 2: "open", 3: "executed", 4: "failed", 5: "cached", 6: "cancelled"}
OLD_STATES = {"new": 1, "running": 2, "complete": 3, "failed": 4, "cached": 5, "canceled": 6, "cancelled": 6}
ARTIFACT_STATES = {
    0: "", 1: "pending", 2: "live", 3: "out of use", 4: "deleted", 5: "abandoned", 6: "reference",
}  # fmt: skip
OLD_ARTIFACT_STATES = {"pending": 1, "published": 2, "marked_for_deletion": 3, "deleted": 4, "abandoned": 5}
OUTPUTS, DECLARED_OUTPUTS = (1, 4, 6, 7), (1, 4)  # types of events

Use = tuple[str, int, int]  # key, index and artifact


@dataclasses.dataclass
class Node:
    """A node of a run; `execution` is 0 if none was found."""

    name: str
    state: str
    execution: int = 0
    inputs: list[Use] = dataclasses.field(default_factory=list)
    outputs: list[Use] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Run:
    """A run with its nodes, those that did not run last."""

    name: str
    pipeline: str
    state: str
    nodes: list[Node]

    def count(self, state: str) -> int:
        """Return the number of nodes in a state."""
        return sum(node.state == state for node in self.nodes)


class Tables:
    """What the tables of a store say; the attributes are filled when it is made."""

    def __init__(self, path: pathlib.Path, now: int) -> None:
        """Read a store; `now`: in milliseconds, to tell a run in progress from one that died."""
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            self._tables = {
                name: [dict(row) for row in database.execute(f"SELECT * FROM {name}")]
                for [name] in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            }
        self._now = now
        self._types = {row["id"]: row["name"] for row in self._tables["Type"]}
        self._contexts = {row["id"]: row for row in self._tables["Context"]}
        self._executions = {row["id"]: row for row in self._tables["Execution"]}
        self._contexts_of: dict[int, dict[str, int]] = {}  # by execution, then type
        for row in sorted(self._tables["Association"], key=lambda row: row["id"]):
            kind = self._kind(row["context_id"])
            self._contexts_of.setdefault(row["execution_id"], {}).setdefault(kind, row["context_id"])
        paths: dict[int, dict[str, Any]] = {}
        for row in self._tables["EventPath"]:
            step = ("index", row["step_index"]) if row["is_index_step"] else ("key", row["step_key"])
            paths.setdefault(row["event_id"], {})[step[0]] = step[1]
        self._events = [
            (row["execution_id"], row["artifact_id"], row["type"], paths.get(row["id"], {}), row)
            for row in self._tables["Event"]
        ]
        self.runs = [self._run(one) for one in sorted(self._run_contexts(), reverse=True)]  # newest first
        self.artifacts = {row["id"]: self._artifact(row) for row in self._tables["Artifact"]}

    def _kind(self, context: int) -> str:
        row = self._contexts.get(context)
        return self._types.get(row["type_id"], "") if row else ""

    def _run_contexts(self) -> list[int]:
        return [one for one in self._contexts if self._kind(one) in ("run", "pipeline_run")]

    def _property(self, table: str, owner: int, name: str) -> str:
        column = f"{table.lower()}_id"
        rows = [row for row in self._tables[f"{table}Property"] if row[column] == owner and row["name"] == name]
        rows.sort(key=lambda row: row["is_custom_property"], reverse=True)
        return next((str(row["string_value"]) for row in rows), "")

    def _number_of_state(self, execution: int) -> int:
        recorded = self._executions[execution].get("last_known_state") or 0
        return recorded or OLD_STATES.get(self._property("Execution", execution, "state").lower(), 0)

    def execution_state(self, execution: int) -> str:
        """Return the state of an execution; without any, it is executed if it wrote an output, and open if not."""
        number = self._number_of_state(execution)
        wrote = any(one[0] == execution and one[2] in DECLARED_OUTPUTS for one in self._events)
        return STATES.get(number) or ("executed" if wrote else "open")

    def node_of(self, execution: int) -> str:
        """Return the name of an execution's node."""
        contexts = self._contexts_of.get(execution, {})
        for kind in ("node", "component_run"):
            if kind in contexts:
                names = [
                    self._contexts[contexts[owner]]["name"]
                    for owner in ("pipeline", "pipeline_run", "run")
                    if owner in contexts
                ]
                return self._node_in(contexts[kind], names)
        return self._property("Execution", execution, "component_id") if execution in self._executions else ""

    def _node_in(self, context: int, owners: list[str]) -> str:
        name = str(self._contexts[context]["name"])
        without = next((name[len(one) + 1 :] for one in owners if one and name.startswith(f"{one}.")), name)
        return self._property("Context", context, "component_id") or without

    def run_of(self, execution: int) -> str:
        """Return the id of an execution's run."""
        contexts = self._contexts_of.get(execution, {})
        found = next((contexts[kind] for kind in ("pipeline_run", "run") if kind in contexts), 0)
        return str(self._contexts[found]["name"]) if found else ""

    def _executions_in(self, context: int) -> list[int]:
        rows = self._tables["Association"]
        return sorted(row["execution_id"] for row in rows if row["context_id"] == context)

    def _pipeline(self, run: int) -> str:
        for row in self._tables.get("ParentContext", []):
            if row["context_id"] == run and self._kind(row["parent_context_id"]) == "pipeline":
                return str(self._contexts[row["parent_context_id"]]["name"])
        if recorded := self._property("Context", run, "pipeline_name"):
            return recorded
        for execution in reversed(self._executions_in(run)):
            if "pipeline" in self._contexts_of[execution]:
                return str(self._contexts[self._contexts_of[execution]["pipeline"]]["name"])
            break
        pipelines = [str(row["name"]) for one, row in self._contexts.items() if self._kind(one) == "pipeline"]
        return pipelines[0] if len(pipelines) == 1 else ""

    def _run(self, context: int) -> Run:
        pipeline, executions = self._pipeline(context), self._executions_in(context)
        newest = {self.node_of(one): one for one in executions}  # of several executions of a node, the last one counts
        nodes = [self._node(name, one) for name, one in sorted(newest.items(), key=lambda pair: pair[1])]
        not_run = self._not_run(context, pipeline, set(executions))
        states = {node.state for node in nodes}
        if "failed" in states:
            state = "failed"
        elif "cancelled" in states:
            state = "cancelled"
        elif "open" in states:
            state = "running" if self._may_run(context, pipeline, executions) else "unfinished"
        else:
            state = "succeeded" if states and not not_run else "unfinished"
        for node in nodes:
            if node.state == "open":
                node.state = "running" if state == "running" else "unfinished"
        after = "waiting" if state == "running" else "not run"
        return Run(
            str(self._contexts[context]["name"]), pipeline, state, [*nodes, *(Node(one, after) for one in not_run)]
        )

    def _may_run(self, context: int, pipeline: str, executions: list[int]) -> bool:
        signs = [self._executions[one].get("last_update_time_since_epoch") or 0 for one in executions]
        if not any(signs):
            signs = [event[4]["milliseconds_since_epoch"] or 0 for event in self._events if event[0] in executions]
        newer = [one for one in self._run_contexts() if one > context and self._pipeline(one) == pipeline]
        return not newer and self._now - max(signs, default=0) <= DAY

    def _not_run(self, context: int, pipeline: str, executions: set[int]) -> list[str]:
        """Return the nodes that were registered for a run and have no execution in it, in the order of registration."""
        found = []
        run = str(self._contexts[context]["name"])
        newer = [one for one in self._run_contexts() if one > context and self._pipeline(one) == pipeline]
        pipelines = [str(row["name"]) for one, row in self._contexts.items() if self._kind(one) == "pipeline"]
        for one, row in sorted(self._contexts.items()):
            inside = self._executions_in(one)
            if self._kind(one) == "component_run" and str(row["name"]).startswith(f"{run}.") and not inside:
                found.append(self._node_in(one, [run]))
            owners = [other for other in pipelines if str(row["name"]).startswith(f"{other}.")]
            if self._kind(one) != "node" or max(owners, key=len, default="") != pipeline:
                continue
            during = context < one < min(newer, default=one + 1)
            before_newer = not any(other < one for other in newer)
            if (during and not set(inside) & executions) if inside else before_newer:
                found.append(self._node_in(one, [pipeline]))
        return found

    def _node(self, name: str, execution: int) -> Node:
        uses: dict[bool, list[Use]] = {True: [], False: []}
        for number, artifact, kind, path, _ in self._events:
            if number == execution:
                uses[kind in OUTPUTS].append((path.get("key", ""), path.get("index") or 0, artifact))
        node = Node(name, self.execution_state(execution), execution, sorted(uses[False]), sorted(uses[True]))
        pushed = [self._artifact_property(one[2], "pushed") for one in node.outputs if one[0] == "pushed_model"]
        if name == "Pusher" and node.state in ("executed", "cached") and pushed and pushed[0] == 0:
            node.state = "skipped"
        return node

    def _artifact_property(self, artifact: int, name: str) -> int | None:
        rows = self._tables["ArtifactProperty"]
        found = [row["int_value"] for row in rows if row["artifact_id"] == artifact and row["name"] == name]
        exists = any(row["id"] == artifact for row in self._tables["Artifact"])
        return found[0] if found and exists else None

    def maker(self, artifact: int) -> int:
        """Return the first execution that wrote an artifact; 0 if there is none."""
        return min((one[0] for one in self._events if one[1] == artifact and one[2] in OUTPUTS), default=0)

    def key(self, artifact: int) -> str:
        """Return the output key of an artifact."""
        maker = self.maker(artifact)
        found = [one[3].get("key", "") for one in self._events if one[:2] == (maker, artifact) and one[2] in OUTPUTS]
        return found[0] if found else ""

    def _artifact(self, row: dict[str, Any]) -> tuple[str, str, str, str, str]:
        """Return type, state, run, node and output key."""
        number = row.get("state") or OLD_ARTIFACT_STATES.get(self._property("Artifact", row["id"], "state").lower(), 0)
        maker = self.maker(row["id"])
        state = ARTIFACT_STATES[number]
        if maker in self._executions and number in (0, 2) and self._number_of_state(maker) not in (0, 3, 5):
            state = "incomplete"
        return self._types[row["type_id"]], state, self.run_of(maker), self.node_of(maker), self.key(row["id"])

    def lineage(self, artifact: int, up: bool) -> set[int]:
        """Return the executions upstream, or downstream, of an artifact, without cached ones."""
        found: set[int] = set()
        seen, layer = {artifact}, {artifact}
        while layer:
            if up:
                steps = {self.maker(one) for one in layer} - {0}
            else:
                steps = {one[0] for one in self._events if one[1] in layer and one[2] not in OUTPUTS}
            steps = {one for one in steps if one in self._executions and self._number_of_state(one) != 5} - found
            found |= steps
            beyond = {one[1] for one in self._events if one[0] in steps and (one[2] in OUTPUTS) is not up}
            layer, seen = beyond - seen, seen | beyond
        return found
