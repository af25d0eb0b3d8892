"""A SavedModel as entries: tensors, files, signatures, what they compute, and the tree of objects.

Under the SavedModel's folder, relative to the artifact's, there come, in this order:

* each tensor of the checkpoint, sorted by its key there, with the variable's name beside it: dtype, shape, bytes;
* each asset: its name and its bytes;
* for each graph of the SavedModel (there is nearly always one), sorted by its tags:
  * each signature, sorted by name: its inputs and outputs with dtype and shape, and what it computes
    (`computation.py`), in which an input is known by its name, and so is an asset;
  * each object (`objects.py`);
  * collections, by name and bytes.

Left out: `fingerprint.pb`, which is derived from `saved_model.pb`; the table of objects inside the checkpoint, whose
keys and names stand beside the tensors; the versions of TensorFlow and the list of operations used, which are what it
was written with; the nodes that save and restore the checkpoint, which every SavedModel has; the collection
`saved_model_main_op`, which names the node of the signature `__saved_model_init_op`; the names that functions had in
Python, and gradients of functions, as nothing that is served runs them. All other files count by their bytes.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2, trackable_object_graph_pb2

from pipeline.artifacts.fingerprints import object_graph, protobufs
from pipeline.artifacts.fingerprints.entries import ContentEntry
from pipeline.artifacts.fingerprints.files import Files
from pipeline.artifacts.fingerprints.graph_computation import computation_entry
from pipeline.artifacts.fingerprints.graph_walk import Graph

_FILE = "saved_model.pb"
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_MAIN_OP = "saved_model_main_op"


def saved_model_entries(files: Files) -> Iterator[ContentEntry]:
    """All SavedModels among the files; takes these."""
    for name in [*files.take(_FILE), *files.take(f"*/{_FILE}")]:
        folder = name.removesuffix(_FILE)
        files.leave_out([f"{folder}fingerprint.pb"])
        label = _label(name)
        yield from _tensors(files, folder, label)
        for asset in files.take_folder(f"{folder}assets"):
            yield files.raw(asset)
        yield from files.parsed(name, _graphs)


def _tensors(files: Files, folder: str, label: str) -> Iterator[ContentEntry]:
    """One at a time: a model may be larger than what is left of the memory."""
    names = [
        name for name in files.take_folder(f"{folder}variables") if name.startswith(f"{folder}variables/variables.")
    ]
    if not names:
        return
    try:
        checkpoint = tf.train.load_checkpoint(str(files.path(f"{folder}variables/variables")))
        keys = sorted(checkpoint.get_variable_to_shape_map())
        variables = _variable_names(checkpoint) if _OBJECTS in keys else {}
        for key in keys:
            if key != _OBJECTS:
                variable = f" ({variables[key]})" if key in variables else ""
                value = np.asarray(checkpoint.get_tensor(key))
                yield ContentEntry(f"tensor {key.removesuffix(_SUFFIX)}{variable}{label}", value)
    except (tf.errors.OpError, RuntimeError, ValueError):  # damaged, or no checkpoint of this kind
        for name in names:
            yield files.raw(name)


def _variable_names(checkpoint: Any) -> dict[str, str]:
    graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(checkpoint.get_tensor(_OBJECTS))
    return {
        attribute.checkpoint_key: attribute.full_name
        for node in graph.nodes
        for attribute in node.attributes
        if attribute.full_name
    }


def _label(name: str) -> str:
    folder = name.rpartition("/")[0]
    return f" of {folder}" if folder else ""


def _graphs(path: pathlib.Path, name: str) -> Iterator[ContentEntry]:
    label = _label(name)
    saved = protobufs.from_file(saved_model_pb2.SavedModel, path)
    yield ContentEntry(f"version of the format{label}", int(saved.saved_model_schema_version))
    for meta in sorted(saved.meta_graphs, key=lambda meta: sorted(meta.meta_info_def.tags)):
        tags = sorted(meta.meta_info_def.tags)
        yield ContentEntry(f"tags{label}", " ".join(tags))
        place = label if len(saved.meta_graphs) == 1 else f" of graph {' '.join(tags)}{label}"
        yield from _graph(meta, place)


def _graph(meta: Any, label: str) -> Iterator[ContentEntry]:
    asset_names = [asset.filename for asset in meta.asset_file_def]
    assets = {_node(asset.tensor_info.name): f"asset {asset.filename}" for asset in meta.asset_file_def}
    graph = Graph(meta.graph_def, assets)
    for name, signature in sorted(meta.signature_def.items()):
        given: dict[str, str] = {}
        for kind, tensors in (("input", signature.inputs), ("output", signature.outputs)):
            for key, info in sorted(tensors.items()):
                yield protobufs.message_entry(f"{kind} {key} of signature {name}{label}", _without_names(info))
                if kind == "input":
                    names = _tensor_names(info)
                    given |= {_node(tensor): f"input {key} {number}" for number, tensor in enumerate(names)}
        rest = protobufs.without(signature, "inputs", "outputs")
        yield protobufs.message_entry(f"method of signature {name}{label}", rest)
        results = [tensor for _, info in sorted(signature.outputs.items()) for tensor in _tensor_names(info)]
        yield computation_entry(f"computation of signature {name}{label}", graph.body(results, given))
    for entry in object_graph.object_entries(meta.object_graph_def, graph, asset_names):
        yield entry._replace(name=f"{entry.name}{label}")
    for name, collection in sorted(meta.collection_def.items()):
        if name != _MAIN_OP:
            yield protobufs.message_entry(f"collection {name}{label}", collection)


def _node(tensor: str) -> str:
    return tensor.partition(":")[0]


def _tensor_names(info: Any) -> list[str]:
    """Names of the tensors that a value is made of: one, or the parts of a sparse or composite tensor."""
    encoding = info.WhichOneof("encoding")
    if encoding == "coo_sparse":
        sparse = info.coo_sparse
        return [sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name]
    if encoding == "composite_tensor":
        return [name for part in info.composite_tensor.components for name in _tensor_names(part)]
    return [info.name]


def _without_names(info: Any) -> Any:
    """A description of a tensor in which no node is named."""
    copy = protobufs.without(info, "name", "coo_sparse")
    for part in copy.composite_tensor.components if info.HasField("composite_tensor") else ():
        part.CopyFrom(_without_names(part))
    return copy
