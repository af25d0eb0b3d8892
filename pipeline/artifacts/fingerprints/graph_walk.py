"""Walks a TensorFlow graph and makes of it the computations that `computation.py` describes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.artifacts.fingerprints import entries
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.graph_computation import (
    Body,
    Operation,
    about_function,
    functions_of,
    operation_of,
)


class Graph:
    """The nodes of a GraphDef, and the functions of its library.

    Args:
      graph_def: of a SavedModel.
      given: by name of a node, what to call it instead of looking into it: inputs, files.
    """

    def __init__(self, graph_def: Any, given: Mapping[str, str]) -> None:
        self._nodes = {node.name: node for node in graph_def.node}
        self._library = {function.signature.name: function for function in graph_def.library.function}
        self._given = dict(given)
        self._functions: dict[str, Body] = {}

    def body(self, results: Sequence[str], given: Mapping[str, str] | None = None) -> Body:
        """What the outputs `results` of nodes compute; `given` adds to that of the graph."""
        nodes = self._nodes
        for name in _called(nodes.values()):
            self.function(name)
        return _Walk(nodes, {**self._given, **(given or {})}, self._functions, ()).body(results, (), dead=False)

    def function(self, name: str) -> Body:
        """The body of a function; those that it calls are worked out before it, however deep they are."""
        waiting = [name] if name in self._library else []
        while waiting:
            definition = self._library[waiting[-1]]
            missing = (called for called in _called(definition.node_def) if called in self._library)
            called = next((one for one in missing if one not in self._functions and one not in waiting), None)
            if called is not None:
                waiting.append(called)
            else:
                self._functions[waiting[-1]] = self._work_out(definition, waiting)
                waiting.pop()
        return self._functions.get(name, Body((), (f"unknown function {name}",)))

    def _work_out(self, definition: Any, waiting: Sequence[str]) -> Body:
        signature = definition.signature
        given = {argument.name: f"argument {number}" for number, argument in enumerate(signature.input_arg)}
        results = [definition.ret[argument.name] for argument in signature.output_arg]
        effects = [definition.control_ret[name] for name in signature.control_output]
        nodes = {node.name: node for node in definition.node_def}
        body = _Walk(nodes, given, self._functions, waiting).body(results, effects, dead=True)
        return dataclasses.replace(body, about=about_function(definition))


class _Walk:
    """Numbers the operations of one body."""

    def __init__(
        self, nodes: Mapping[str, Any], given: Mapping[str, str], functions: Mapping[str, Body], waiting: Sequence[str]
    ) -> None:
        self._nodes = nodes
        self._given = given
        self._functions = functions
        self._waiting = waiting
        self._bare: dict[str, Operation] = {}
        self._keys: dict[str, bytes] = {}
        self._numbers: dict[str, int] = {}

    def body(self, results: Sequence[str], effects: Sequence[str], dead: bool) -> Body:
        """The body with these results and effects; `dead`: with all other nodes too."""
        self._number([_node(result) for result in results])
        self._number(self._sorted(effects))
        if dead:
            # First those that nothing else reads: the order of their inputs then numbers the others. Nodes that
            # compute the same stay in the order of the file, never in that of a set, which differs by process.
            rest = [name for name in self._nodes if name not in self._numbers]
            read = {_node(reference) for name in rest for reference in self._nodes[name].input}
            self._number(self._sorted([name for name in rest if name not in read]))
            self._number(self._sorted([name for name in rest if name not in self._numbers]))
        return Body(
            tuple(self._operation(name) for name in self._numbers),
            tuple(self._reference(result) for result in results),
            tuple(sorted(self._numbers[name] for name in effects if name in self._numbers)),
        )

    def _number(self, roots: Sequence[str]) -> None:
        stack = list(reversed(roots))
        while stack:
            name = stack.pop()
            if name in self._numbers or name in self._given or name not in self._nodes:
                continue
            self._numbers[name] = len(self._numbers)
            data, control = _inputs(self._nodes[name])
            stack += reversed([*map(_node, data), *self._sorted(control)])

    def _operation(self, name: str) -> Operation:
        data, control = _inputs(self._nodes[name])
        return dataclasses.replace(
            self._without_inputs(name),
            inputs=tuple(self._reference(one) for one in data),
            after=tuple(sorted(self._numbers[one] for one in control if one in self._numbers)),
        )

    def _reference(self, text: str) -> str:
        name, _, output = text.partition(":")
        stands_for = self._given.get(name, self._numbers.get(name, f"unknown node {name}"))
        return f"{stands_for}:{output or 0}"

    def _without_inputs(self, name: str) -> Operation:
        if name not in self._bare:
            self._bare[name] = operation_of(self._nodes[name], self._functions, self._waiting)
        return self._bare[name]

    def _sorted(self, names: Iterable[str]) -> list[str]:
        return sorted(names, key=self._key)

    def _key(self, root: str) -> bytes:
        """Digest of what a node computes, by that of its inputs. Where inputs go in a circle, only to its end."""
        stack = [root]
        begun: set[str] = set()
        while stack:
            name = stack[-1]
            if name in self._keys or name not in self._nodes:
                stack.pop()
                continue
            data, control = _inputs(self._nodes[name])
            sources = [one for one in (*map(_node, data), *control) if one not in self._given]
            if name not in begun:
                begun.add(name)
                stack += [one for one in sources if one not in begun]
                continue
            named = [ContentEntry(one.partition(":")[2], self._input_key(_node(one))) for one in data]
            after = [ContentEntry("after", key) for key in sorted(self._input_key(one) for one in control)]
            self._keys[name] = entries.digest([*self._without_inputs(name).entries(), *named, *after])
            stack.pop()
        return self._input_key(root)

    def _input_key(self, name: str) -> bytes:
        return self._keys.get(name) or self._given.get(name, "").encode()


def _node(reference: str) -> str:
    return reference.partition(":")[0].removeprefix("^")


def _inputs(node: Any) -> tuple[list[str], list[str]]:
    """References to data inputs, in order, and names of the nodes of the control inputs."""
    data = [one for one in node.input if not one.startswith("^")]
    return data, [_node(one) for one in node.input if one.startswith("^")]


def _called(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        for value in node.attr.values():
            yield from (function.name for function in functions_of(value))
