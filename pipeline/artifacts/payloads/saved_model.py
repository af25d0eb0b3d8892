"""Read signatures, variables and activations from the file of a SavedModel, of TensorFlow 1 and 2."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.artifacts.payloads import files, messages

FILE = "saved_model.pb"
_LARGEST = 128 * files.MIB  # constants of a graph are in the file
_SERVING_TAG = "serve"
_HIDDEN_SIGNATURE = "__saved_model_init_op"
_ANY_SIZE = -1
_MOST_PARAMETERS = 2**63 - 1  # a damaged file may contain any shape
_ACTIVATIONS = {"Relu", "Relu6", "Sigmoid", "Tanh", "Softmax", "Elu", "Selu", "Softplus", "Softsign", "LeakyRelu"}
_VARIABLES = {"VarHandleOp", "VariableV2", "Variable"}
_TRAINABLE = "trainable_variables"
_PARTITION = re.compile(r"/part_\d+$")  # of a large variable
_TYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64", 9: "int64",
    10: "bool", 11: "qint8", 12: "quint8", 13: "qint32", 14: "bfloat16", 15: "qint16", 16: "quint16", 17: "uint16",
    18: "complex128", 19: "float16", 20: "resource", 21: "variant", 22: "uint32", 23: "uint64", 24: "float8_e5m2",
    25: "float8_e4m3fn", 29: "int4", 30: "uint4",
}  # fmt: skip

# From saved_model.proto, meta_graph.proto, graph.proto, function.proto, node_def.proto, attr_value.proto,
# tensor_shape.proto, saved_object_graph.proto and variable.proto of TensorFlow; names of messages there may differ.
_MESSAGES = messages.classes(
    "sae.tensorflow",
    """
    message SavedModel {
      repeated MetaGraphDef meta_graphs = 2;
    }
    message MetaGraphDef {
      MetaInfoDef meta_info_def = 1;
      GraphDef graph_def = 2;
      map<string, CollectionDef> collection_def = 4;
      map<string, SignatureDef> signature_def = 5;
      SavedObjectGraph object_graph_def = 7;
    }
    message MetaInfoDef {
      repeated string tags = 4;
      string tensorflow_version = 5;
    }
    message GraphDef {
      repeated NodeDef node = 1;
      FunctionDefLibrary library = 2;
    }
    message FunctionDefLibrary {
      repeated FunctionDef function = 1;
    }
    message FunctionDef {
      repeated NodeDef node_def = 3;
    }
    message NodeDef {
      string name = 1;
      string op = 2;
      map<string, AttrValue> attr = 5;
    }
    message AttrValue {
      TensorShapeProto shape = 7;
    }
    message TensorShapeProto {
      repeated Dim dim = 2;
      bool unknown_rank = 3;
    }
    message Dim {
      int64 size = 1;
    }
    message CollectionDef {
      BytesList bytes_list = 2;
    }
    message BytesList {
      repeated bytes value = 1;
    }
    message VariableDef {
      string variable_name = 1;
    }
    message SignatureDef {
      map<string, TensorInfo> inputs = 1;
      map<string, TensorInfo> outputs = 2;
    }
    message TensorInfo {
      int32 dtype = 2;
      TensorShapeProto tensor_shape = 3;
    }
    message SavedObjectGraph {
      repeated SavedObject nodes = 1;
    }
    message SavedObject {
      SavedVariable variable = 7;
    }
    message SavedVariable {
      TensorShapeProto shape = 2;
      bool trainable = 3;
      string name = 6;
    }
    """,
)


@dataclasses.dataclass(frozen=True)
class SignatureTensor:
    """A tensor of a signature. `shape`: `(None, 784)`; empty if the number of dimensions is unknown."""

    signature: str
    direction: str
    tensor: str
    type: str
    shape: str


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer: the variables whose names differ only in the last part, by that part, with their shapes."""

    name: str
    shapes: Mapping[str, tuple[int, ...]]
    activation: str

    @property
    def parameters(self) -> int:
        """The number of values in all variables."""
        return min(sum(map(math.prod, self.shapes.values())), _MOST_PARAMETERS)

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Inputs and outputs: the last two dimensions of the variable with the most dimensions; None: no dimension."""
        shape = max(self.shapes.values(), key=len)
        return (shape[-2] if len(shape) > 1 else None), (shape[-1] if shape else None)


def read(path: pathlib.Path) -> Any:
    """Return the graph of a SavedModel that is to be served, or else the first. Raises `UnreadableFileError`."""
    graphs = files.message(_MESSAGES["SavedModel"], path, _LARGEST).meta_graphs
    if not graphs:
        raise files.UnreadableFileError(f"{path.parent.name}/{path.name} is damaged, or is not a SavedModel")
    return next((one for one in graphs if _SERVING_TAG in one.meta_info_def.tags), graphs[0])


def signatures(graph: Any) -> list[SignatureTensor]:
    """Return the tensors of all signatures, sorted by name."""
    return [
        SignatureTensor(name, direction, tensor, _TYPES.get(info.dtype, "unknown"), _shape(info.tensor_shape))
        for name, signature in sorted(graph.signature_def.items())
        for direction, tensors in (("input", signature.inputs), ("output", signature.outputs))
        for tensor, info in sorted(tensors.items() if name != _HIDDEN_SIGNATURE else ())
    ]


def _shape(shape: Any) -> str:
    return "" if shape.unknown_rank else str(tuple(None if dim.size == _ANY_SIZE else dim.size for dim in shape.dim))


def layers(graph: Any) -> list[Layer]:
    """Return the layers with a trainable variable, in the order of the variables."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    trained = set()
    for name, shape, trainable in _variables(graph):
        partition = _PARTITION.search(name)
        whole = name[: partition.start()] if partition else name
        layer, _, part = whole.rpartition("/")
        found.setdefault(layer or part, {})[part + name[len(whole) :]] = shape
        trained |= {layer or part} if trainable else set()
    activations = activations_in(graph)
    return [Layer(name, parts, activations.get(name, "")) for name, parts in found.items() if name in trained]


def _variables(graph: Any) -> Iterator[tuple[str, tuple[int, ...], bool]]:
    """Yield name, shape and whether training changes it."""
    saved = [one.variable for one in graph.object_graph_def.nodes if one.HasField("variable")]
    if saved:
        for one in saved:
            yield _plain(one.name), _sizes(one.shape), one.trainable
        return
    definitions = graph.collection_def[_TRAINABLE].bytes_list.value if _TRAINABLE in graph.collection_def else ()
    trainable = {_plain(_MESSAGES["VariableDef"].FromString(one).variable_name) for one in definitions}
    for node in graph.graph_def.node:
        if node.op in _VARIABLES and "shape" in node.attr:
            name = _plain(node.name)
            yield name, _sizes(node.attr["shape"].shape), name in trainable


def _plain(name: str) -> str:
    """Return the name of a variable without the number of its output."""
    return name.partition(":")[0]


def _sizes(shape: Any) -> tuple[int, ...]:
    return tuple(max(0, dim.size) for dim in shape.dim)


def activations_in(graph: Any) -> dict[str, str]:
    """Return activations by layer, from operations such as `encoder/code/Relu`: each scope may be the layer's name."""
    found = {}
    for node in nodes(graph):
        if node.op in _ACTIVATIONS:
            scopes = node.name.split("/")[:-1]
            names = [*scopes, *("/".join(scopes[:end]) for end in range(2, len(scopes) + 1))]
            found.update(dict.fromkeys(names, node.op.lower()))
    return found


def nodes(graph: Any) -> Iterator[Any]:
    """Yield the operations of a graph and of its functions."""
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def
