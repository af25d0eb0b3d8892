"""The tree of objects in a SavedModel, as Python sees it after loading, including functions that are not signatures.

Objects are numbered breadth first from the root, children sorted by name; the first path to an object is its name. Each
counts by its SavedObject message (kind; dtype, shape and name of a variable; arguments and types of a function), in
which references to objects are these numbers, and a function's name is replaced by the digest of its body
(`graph_computation.py`), its types and its captured tensors. The concrete functions of an object are sorted by that
digest. Devices are left out.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

from pipeline.artifacts.fingerprints import entries, protobufs
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.graph_computation import Graph

ROOT = 0  # TensorFlow's number of the root


def object_entries(object_graph: Any, graph: Graph, asset_names: list[str]) -> Iterator[ContentEntry]:
    """Yield every reachable object; `asset_names` are in TensorFlow's order."""
    if not object_graph.nodes:
        return
    paths = _paths(object_graph)
    numbers = {node: number for number, node in enumerate(paths)}
    digests = {
        name: _function_digest(name, function, graph, numbers)
        for name, function in object_graph.concrete_functions.items()
    }
    for node, path in paths.items():
        described = _described(object_graph.nodes[node], numbers, digests, graph, asset_names)
        yield protobufs.message_entry(f"object {path}", described)


def _paths(object_graph: Any) -> dict[int, str]:
    """Return the path of each object by TensorFlow's number, in our order."""
    paths = {ROOT: "root"}
    waiting = collections.deque([ROOT])
    while waiting:
        node = waiting.popleft()
        for name, child in sorted(_references(object_graph.nodes[node])):
            if child not in paths:
                paths[child] = name if node == ROOT else f"{paths[node]}/{name}"
                waiting.append(child)
    return paths


def _references(node: Any) -> Iterator[tuple[str, int]]:
    for reference in (*node.children, *node.dependencies):
        yield reference.local_name, reference.node_id
    for slot in node.slot_variables:
        yield f"slot {slot.slot_name}", slot.slot_variable_node_id
        yield f"variable of slot {slot.slot_name}", slot.original_variable_node_id
    for name, saveable in node.saveable_objects.items():
        yield f"save {name}", saveable.save_function
        yield f"restore {name}", saveable.restore_function


def _function_digest(name: str, function: Any, graph: Graph, numbers: dict[int, int]) -> str:
    found = [
        ContentEntry("body", graph.function(name).digest),
        ContentEntry("types", protobufs.serialized(protobufs.without(function, "bound_inputs"))),
        ContentEntry("captured", repr([numbers.get(node, f"unknown object {node}") for node in function.bound_inputs])),
    ]
    return entries.digest(found).hex()


def _described(
    node: Any, numbers: dict[int, int], digests: dict[str, str], graph: Graph, asset_names: list[str]
) -> Any:
    described = protobufs.without(node)
    for references in (described.children, described.dependencies):
        for reference in references:
            reference.node_id = numbers[reference.node_id]
        references.sort(key=lambda reference: (reference.local_name, reference.node_id))
    for slot in described.slot_variables:
        slot.slot_variable_node_id = numbers[slot.slot_variable_node_id]
        slot.original_variable_node_id = numbers[slot.original_variable_node_id]
    described.slot_variables.sort(key=protobufs.serialized)
    for saveable in described.saveable_objects.values():
        saveable.save_function = numbers[saveable.save_function]
        saveable.restore_function = numbers[saveable.restore_function]
    kind = described.WhichOneof("kind")
    if kind == "function":
        names = sorted(digests.get(name, name) for name in node.function.concrete_functions)
        described.function.concrete_functions[:] = names
    elif kind == "bare_concrete_function":
        name = node.bare_concrete_function.concrete_function_name
        described.bare_concrete_function.concrete_function_name = digests.get(name, name)
    elif kind == "captured_tensor":
        name = node.captured_tensor.concrete_function
        described.captured_tensor.concrete_function = digests.get(name, name)
    elif kind == "constant":
        described.constant.operation = graph.body([node.constant.operation]).digest.hex()
    elif kind == "asset":
        described.asset.asset_file_def_index = sorted(asset_names).index(asset_names[node.asset.asset_file_def_index])
    elif kind in ("variable", "resource"):
        getattr(described, kind).device = ""
    return described
