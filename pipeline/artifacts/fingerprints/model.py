"""Fingerprint `model-1` of Model: all SavedModels in its folder, at any depth.

A SavedModel is a folder with a `saved_model.pb`. Its entries are, in this order:

* each tensor of the checkpoint, sorted by key, with the variable's name: dtype, shape, bytes;
* each asset: name and bytes;
* for each graph of the SavedModel (nearly always one), sorted by its tags:
  * each signature, sorted by name: its inputs and outputs with dtype and shape, and what it computes
    (`graph_computation.py`), in which inputs and assets are identified by name;
  * each object (`object_graph.py`);
  * collections, by name and bytes.

Left out: `fingerprint.pb`, which is derived from `saved_model.pb`; the checkpoint's own table of objects, which repeats
keys and names; TensorFlow's version and list of operations; the nodes that save and restore the checkpoint, which every
SavedModel has; the collection `saved_model_main_op`, which names the node of the signature `__saved_model_init_op`; the
Python names of functions; gradients of functions, which serving never runs; properties.
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
from pipeline.artifacts.fingerprints.graph_computation import Graph, computation_entry
from pipeline.artifacts.types import StoredArtifact

FORM = "model-1"
_FILE = "saved_model.pb"
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"  # key of the table of objects in a checkpoint
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_MAIN_OP = "saved_model_main_op"


def entries(artifact: StoredArtifact, files: Files) -> Iterator[ContentEntry]:
    """Yield the SavedModels."""
    for name in files.take_named(_FILE):
        folder = name.removesuffix(_FILE)
        files.leave_out([f"{folder}fingerprint.pb"])
        label = _label(name)
        yield from _tensors(files, folder, label)
        for asset in files.take_folder(f"{folder}assets"):
            yield files.raw(asset)
        yield from files.parsed(name, _graphs)


def _tensors(files: Files, folder: str, label: str) -> Iterator[ContentEntry]:
    """Yield one tensor at a time: a model may be larger than the free memory."""
    prefix = f"{folder}variables/variables"
    names = [name for name in files.take_folder(f"{folder}variables") if name.startswith(f"{prefix}.")]
    if not names:
        return
    try:
        checkpoint = tf.train.load_checkpoint(str(files.path(prefix)))
        keys = sorted(checkpoint.get_variable_to_shape_map())
        variables = variable_names(checkpoint)
        for key in keys:
            if key != OBJECTS:
                variable = f" ({variables[key]})" if key in variables else ""
                value = np.asarray(checkpoint.get_tensor(key))
                yield ContentEntry(f"tensor {key.removesuffix(SUFFIX)}{variable}{label}", value)
    except (tf.errors.OpError, RuntimeError, ValueError):  # damaged, or not such a checkpoint
        for name in names:
            yield files.raw(name)


def variable_names(checkpoint: Any) -> dict[str, str]:
    """Return the names that variables had when they were saved, by their keys in a checkpoint; empty if it has none."""
    if not checkpoint.has_tensor(OBJECTS):
        return {}
    graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(checkpoint.get_tensor(OBJECTS))
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
        yield from _graph(meta, label if len(saved.meta_graphs) == 1 else f" of graph {' '.join(tags)}{label}")


def _graph(meta: Any, label: str) -> Iterator[ContentEntry]:
    asset_names = [asset.filename for asset in meta.asset_file_def]
    assets = {_node(asset.tensor_info.name): f"asset {asset.filename}" for asset in meta.asset_file_def}
    graph = Graph(meta.graph_def, assets)
    for name, signature in sorted(meta.signature_def.items()):
        given: dict[str, str] = {}
        for kind, tensors in (("input", signature.inputs), ("output", signature.outputs)):
            for key, info in sorted(tensors.items()):
                yield protobufs.message_entry(f"{kind} {key} of signature {name}{label}", _without_node_names(info))
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
    """Return the names of a value's tensors: one, or the parts of a sparse or composite tensor."""
    encoding = info.WhichOneof("encoding")
    if encoding == "coo_sparse":
        sparse = info.coo_sparse
        return [sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name]
    if encoding == "composite_tensor":
        return [name for part in info.composite_tensor.components for name in _tensor_names(part)]
    return [info.name]


def _without_node_names(info: Any) -> Any:
    copy = protobufs.without(info, "name", "coo_sparse")
    for part in copy.composite_tensor.components if info.HasField("composite_tensor") else ():
        part.CopyFrom(_without_node_names(part))
    return copy
