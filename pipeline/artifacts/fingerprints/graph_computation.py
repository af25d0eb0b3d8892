"""What a TensorFlow graph computes, whatever its nodes and functions are called.

A *body* is a function's computation, or what a signature reaches from its outputs: a list of operations, numbered as
they are met when walking back from the results, depth first, data inputs in their order. An operation is

* its kind (`MatMul`) and its attributes, sorted by name;
* its inputs in order: which output of which operation, or which argument;
* the operations that it waits for (control inputs), as a set;
* for `Const`: dtype, shape and bytes of the value, as TensorFlow can write the same value in several ways;
* for attributes that name functions: the digest of that function's body, and the attributes it is called with.

A function's results come first, then the operations that it must run for their effects (its control outputs), then
all that nothing waits for, so no node of a function is overlooked. Operations without an order of their own (control
inputs and those last ones) are sorted by the digest of what they compute, and by their place in the file where that
is the same.

Left out, as none of it says what is computed: names of nodes, functions and devices; `shared_name`, except that of a
`VarHandleOp`, which names the variable; `debug_name` and `container`; how a call is run (`config`, `config_proto`,
`executor_type`, which hold the machine's devices); and attributes that begin with `_`, which are TensorFlow's notes to
itself, except `_XlaMustCompile`, as XLA rounds in other ways.

Of a function there count besides: the types of its arguments and results, and its attributes by the same rule.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
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
      constant: its value, of a `Const`.
      calls: functions by attribute; a text where one calls itself or is not there.
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
        """What counts of it."""
        yield ContentEntry("kind", self.kind)
        for name, attribute in self.attributes:
            yield protobufs.message_entry(f"attribute {name}", attribute)
        if self.constant is not None:
            yield ContentEntry("constant", self.constant)
        for name, called in self.calls:
            yield (
                computation_entry(f"function {name}", called)
                if isinstance(called, Body)
                else ContentEntry(name, called)
            )
        for number, value in enumerate(self.inputs):
            yield ContentEntry(f"input {number}", value)
        yield ContentEntry("what it waits for", repr(self.after))


@dataclasses.dataclass(frozen=True)
class Body:
    """What is computed.

    Attributes:
      operations: by number.
      results: which of their outputs are the results.
      effects: numbers of those that a function must run for their effects.
      about: types and attributes of a function.
    """

    operations: tuple[Operation, ...]
    results: tuple[str, ...]
    effects: tuple[int, ...] = ()
    about: tuple[ContentEntry, ...] = ()

    @functools.cached_property
    def digest(self) -> bytes:
        return entries.digest(self.entries())

    def entries(self) -> Iterator[ContentEntry]:
        """Operation by operation, then the results."""
        yield from self.about
        for number, operation in enumerate(self.operations):
            yield ContentEntry(
                f"operation {number}", entries.digest(operation.entries()), _explain_operations, operation
            )
        for number, result in enumerate(self.results):
            yield ContentEntry(f"result {number}", result)
        yield ContentEntry("effects", repr(self.effects))


def computation_entry(name: str, body: Body) -> ContentEntry:
    """A body as an entry; a difference is followed down to the operation."""
    return ContentEntry(name, body.digest, _explain_bodies, body)


def _explain_bodies(one: ContentEntry, other: ContentEntry) -> str:
    try:
        return entries.first_difference(one.detail.entries, other.detail.entries)
    except RecursionError:  # digests are worked out without recursion, but nobody reads words as deep as this
        return "too deep in functions to follow"


def _explain_operations(one: ContentEntry, other: ContentEntry) -> str:
    difference = entries.first_difference(one.detail.entries, other.detail.entries)
    return difference if one.detail.kind != other.detail.kind else f"{one.detail.kind}: {difference}"


def about_function(definition: Any) -> tuple[ContentEntry, ...]:
    """Types and attributes of a FunctionDef."""
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


def functions_of(attribute: Any) -> list[Any]:
    """The functions that an attribute names, each with the attributes it is called with."""
    return [attribute.func] if attribute.WhichOneof("value") == "func" else list(attribute.list.func)


def operation_of(node: Any, functions: Mapping[str, Body], waiting: Sequence[str]) -> Operation:
    """A node without its inputs.

    Args:
      node: NodeDef.
      functions: bodies by the function's name.
      waiting: names of the functions whose bodies are being worked out, the caller before the called.
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
        if not (called := functions_of(value)):
            attributes.append((name, value))
        for number, function in enumerate(called):
            calls.append((f"{name} {number}", _body_of(function.name, functions, waiting)))
            for key, inner in sorted(function.attr.items(), key=lambda item: item[0]):
                attributes.append((f"{name} {number} {key}", inner))
    return Operation(node.op, tuple(attributes), constant, tuple(calls))


def _body_of(name: str, functions: Mapping[str, Body], waiting: Sequence[str]) -> Body | str:
    if name in functions:
        return functions[name]
    # By how far up it stands: names do not count.
    return f"itself, {len(waiting) - waiting.index(name)} up" if name in waiting else f"unknown function {name}"


def _constant(tensor: Any) -> npt.NDArray[Any] | None:
    try:
        return np.asarray(tf.make_ndarray(tensor))
    except TypeError:  # a variant or a resource: it has no NumPy value
        return None
