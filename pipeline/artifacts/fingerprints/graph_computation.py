"""The computation of a TensorFlow graph, independent of the names of its nodes and functions.

A *body* is the computation of a function, or of a signature's outputs: a list of operations, numbered depth first from
the results backwards, data inputs in order. An operation is

* its kind (`MatMul`) and its attributes, sorted by name;
* its inputs in order: which output of which operation, or which argument;
* the operations that it waits for (control inputs), as a set;
* for `Const`: dtype, shape and bytes of the value, which TensorFlow can encode in several ways;
* for attributes that name functions: the digest of the function's body, and the attributes of the call.

A function's results come first, then the operations that run for their effects (its control outputs), then all that
nothing else reads, so every node of a function counts. Operations without an order (control inputs and those last ones)
are sorted by the digest of what they compute, then by position in the file. The types of a function's arguments and
results count as well, and its attributes by the same rule.

Left out, as they do not change the computation: names of nodes, functions and devices; `shared_name`, except that of a
`VarHandleOp`, which names the variable; `debug_name` and `container`; how a call is run (`config`, `config_proto`,
`executor_type`, which contain the machine's devices); and TensorFlow's internal attributes (`_...`), except
`_XlaMustCompile`, as XLA rounds differently.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline.artifacts.fingerprints import entries, protobufs
from pipeline.artifacts.fingerprints.entries import ContentEntry

_LEFT_OUT = {"shared_name", "debug_name", "container", "config", "config_proto", "executor_type"}
_COMPILED = "_XlaMustCompile"
_VARIABLE = "VarHandleOp"


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation of a body.

    Attributes:
      kind: `MatMul`.
      attributes: values (protocol buffers) by name, sorted.
      constant: the value of a `Const`.
      calls: functions by attribute; a text for one that is recursive or unknown.
      inputs: `3:0` (output 0 of operation 3) or `argument 2:0`.
      after: numbers of the operations that it waits for, sorted.
    """

    kind: str
    attributes: tuple[tuple[str, Any], ...]
    constant: npt.NDArray[Any] | None
    calls: tuple[tuple[str, Body | str], ...]
    inputs: tuple[str, ...] = ()
    after: tuple[int, ...] = ()

    def entries(self) -> Iterator[ContentEntry]:
        yield ContentEntry("kind", self.kind)
        for name, attribute in self.attributes:
            yield protobufs.message_entry(f"attribute {name}", attribute)
        if self.constant is not None:
            yield ContentEntry("constant", self.constant)
        for name, called in self.calls:
            if isinstance(called, Body):
                yield computation_entry(f"function {name}", called)
            else:
                yield ContentEntry(name, called)
        for number, value in enumerate(self.inputs):
            yield ContentEntry(f"input {number}", value)
        yield ContentEntry("what it waits for", repr(self.after))


@dataclasses.dataclass(frozen=True)
class Body:
    """The computation of a function or a signature.

    Attributes:
      operations: by number.
      results: which of their outputs are the results.
      effects: numbers of those that a function runs for their effects.
      declaration: types and attributes of a function.
    """

    operations: tuple[Operation, ...]
    results: tuple[str, ...]
    effects: tuple[int, ...] = ()
    declaration: tuple[ContentEntry, ...] = ()

    @functools.cached_property
    def digest(self) -> bytes:
        return entries.digest(self.entries())

    def entries(self) -> Iterator[ContentEntry]:
        yield from self.declaration
        for number, operation in enumerate(self.operations):
            digest = entries.digest(operation.entries())
            yield ContentEntry(f"operation {number}", digest, _explain_operations, operation)
        for number, result in enumerate(self.results):
            yield ContentEntry(f"result {number}", result)
        yield ContentEntry("effects", repr(self.effects))


def computation_entry(name: str, body: Body) -> ContentEntry:
    """Return the entry of a body; a difference is traced to the operation."""
    return ContentEntry(name, body.digest, _explain_bodies, body)


def _explain_bodies(one: ContentEntry, other: ContentEntry) -> str:
    try:
        return entries.first_difference(one.detail.entries, other.detail.entries)
    except RecursionError:  # digests are computed without recursion
        return "too deep in functions to follow"


def _explain_operations(one: ContentEntry, other: ContentEntry) -> str:
    difference = entries.first_difference(one.detail.entries, other.detail.entries)
    return difference if one.detail.kind != other.detail.kind else f"{one.detail.kind}: {difference}"


def _declaration(definition: Any) -> tuple[ContentEntry, ...]:
    """Return the types and attributes of a FunctionDef."""
    signature = definition.signature
    found = []
    for kind, arguments in (("argument", signature.input_arg), ("result", signature.output_arg)):
        for number, argument in enumerate(arguments):
            types = protobufs.without(argument, "name", "description")
            found.append(protobufs.message_entry(f"type of {kind} {number}", types))
    counted = [(name, definition.attr[name]) for name in sorted(definition.attr) if _counts(name)]
    return (*found, *(protobufs.message_entry(f"attribute {name}", value) for name, value in counted))


def _counts(name: str) -> bool:
    return name not in _LEFT_OUT and (name == _COMPILED or not name.startswith("_"))


def _functions_of(attribute: Any) -> list[Any]:
    """Return the functions that an attribute names, each with the attributes of the call."""
    return [attribute.func] if attribute.WhichOneof("value") == "func" else list(attribute.list.func)


def _operation_of(node: Any, functions: Mapping[str, Body], waiting: Sequence[str]) -> Operation:
    """Return a NodeDef as an operation without inputs.

    Args:
      node: NodeDef.
      functions: bodies by function name.
      waiting: names of the functions whose bodies are being computed, callers first.
    """
    attributes: list[tuple[str, Any]] = []
    calls: list[tuple[str, Body | str]] = []
    constant = None
    for name, value in sorted(node.attr.items(), key=lambda item: item[0]):
        if not _counts(name) and not (name == "shared_name" and node.op == _VARIABLE):
            continue
        if value.WhichOneof("value") == "tensor":
            constant = _constant(value.tensor)
            if constant is not None:
                continue
        if not (called := _functions_of(value)):
            attributes.append((name, value))
        for number, function in enumerate(called):
            calls.append((f"{name} {number}", _body_of(function.name, functions, waiting)))
            for key, inner in sorted(function.attr.items(), key=lambda item: item[0]):
                attributes.append((f"{name} {number} {key}", inner))
    return Operation(node.op, tuple(attributes), constant, tuple(calls))


def _body_of(name: str, functions: Mapping[str, Body], waiting: Sequence[str]) -> Body | str:
    if name in functions:
        return functions[name]
    # A recursive call counts by its distance up the stack: names do not count.
    return f"itself, {len(waiting) - waiting.index(name)} up" if name in waiting else f"unknown function {name}"


def _constant(tensor: Any) -> npt.NDArray[Any] | None:
    try:
        return np.asarray(tf.make_ndarray(tensor))
    except TypeError:  # a variant or a resource has no NumPy value
        return None


class Graph:
    """The nodes of a GraphDef, and the functions of its library.

    Args:
      graph_def: of a SavedModel.
      given: names to use for nodes, such as inputs and assets, whose own computation does not count.
    """

    def __init__(self, graph_def: Any, given: Mapping[str, str]) -> None:
        self._nodes = {node.name: node for node in graph_def.node}
        self._library = {function.signature.name: function for function in graph_def.library.function}
        self._given = dict(given)
        self._functions: dict[str, Body] = {}

    def body(self, results: Sequence[str], given: Mapping[str, str] | None = None) -> Body:
        """Return what the outputs `results` of nodes compute; `given` adds to that of the graph."""
        nodes = self._nodes
        for name in _called(nodes.values()):
            self.function(name)
        return _Walk(nodes, {**self._given, **(given or {})}, self._functions, ()).body(results, (), dead=False)

    def function(self, name: str) -> Body:
        """Return the body of a function. Called functions are computed first, without recursion, at any depth."""
        waiting = [name] if name in self._library else []
        while waiting:
            definition = self._library[waiting[-1]]
            missing = (called for called in _called(definition.node_def) if called in self._library)
            called = next((one for one in missing if one not in self._functions and one not in waiting), None)
            if called is not None:
                waiting.append(called)
            else:
                self._functions[waiting[-1]] = self._function_body(definition, waiting)
                waiting.pop()
        return self._functions.get(name, Body((), (f"unknown function {name}",)))

    def _function_body(self, definition: Any, waiting: Sequence[str]) -> Body:
        signature = definition.signature
        given = {argument.name: f"argument {number}" for number, argument in enumerate(signature.input_arg)}
        results = [definition.ret[argument.name] for argument in signature.output_arg]
        effects = [definition.control_ret[name] for name in signature.control_output]
        nodes = {node.name: node for node in definition.node_def}
        body = _Walk(nodes, given, self._functions, waiting).body(results, effects, dead=True)
        return dataclasses.replace(body, declaration=_declaration(definition))


class _Walk:
    """Number the operations of one body."""

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
        """Return the body with these results and effects; `dead`: also with all other nodes."""
        self._number([_node(result) for result in results])
        self._number(self._sorted(effects))
        if dead:
            # First those that nothing else reads: the order of their inputs numbers the others. Nodes that compute the
            # same stay in the order of the file, never in that of a set, which differs by process.
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
            self._bare[name] = _operation_of(self._nodes[name], self._functions, self._waiting)
        return self._bare[name]

    def _sorted(self, names: Iterable[str]) -> list[str]:
        return sorted(names, key=self._key)

    def _key(self, root: str) -> bytes:
        """Return the digest of what a node computes, from those of its inputs; a cycle is followed once."""
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
    """Return the references to data inputs, in order, and the node names of the control inputs."""
    data = [one for one in node.input if not one.startswith("^")]
    return data, [_node(one) for one in node.input if one.startswith("^")]


def _called(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        for value in node.attr.values():
            yield from (function.name for function in _functions_of(value))
