"""Of Model: signatures, and of our autoencoder the layers and what its decoder makes of each unit of the code.

Read from the SavedModel's files alone: loading it would take as long as all previews of a run together. The forward
pass of our four dense layers is written out here in NumPy; a test holds it against the SavedModel.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.core.protobuf import saved_model_pb2, trackable_object_graph_pb2

from components.data import features
from components.evaluation import image_metrics
from components.report import png
from pipeline.artifacts.preview_writers import Artifact, Pictures, splits
from pipeline.artifacts.previews import Feature, Layer, Model, Picture, Signature, UnitAnswer

IMAGES = 500  # of the validation split, on which the units' mean activations are taken
_MOST_UNITS = 1_024
_SAVED_MODEL = "saved_model.pb"
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_HIDDEN_SIGNATURE = "__saved_model_init_op"
_ANY_SIZE = -1
# What components/model/autoencoder.py builds, and what is applied to the outputs of each layer.
_ACTIVATIONS = {"encoder_hidden": "relu", "code": "relu", "decoder_hidden": "relu", "logits": "sigmoid"}

Array = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Dense:
    """A layer without its activation: kernel, float32, shape (inputs, outputs), bias, float32, shape (outputs,)."""

    kernel: Array
    bias: Array

    def __call__(self, values: Array) -> Array:
        applied: Array = values @ self.kernel + self.bias
        return applied


def make(artifact: Artifact) -> tuple[Model, Pictures] | None:
    """None where there is no SavedModel in it."""
    saved = min(artifact.folder.rglob(_SAVED_MODEL), default=None)
    if saved is None:
        return None
    variables = variables_of(saved.parent)
    layers = layers_of(variables)
    units, shown = _units(layers, artifact) if layers else ((), {})
    model = Model(
        parameters=sum(int(value.size) for value in variables.values()),
        layers=tuple(
            Layer(name, len(layer.kernel), len(layer.bias), _ACTIVATIONS[name], layer.kernel.size + layer.bias.size)
            for name, layer in layers.items()
        ),
        signatures=_signatures(saved),
        units=units,
    )
    return model, shown


def variables_of(folder: pathlib.Path) -> dict[str, npt.NDArray[Any]]:
    """The SavedModel's variables by the names that they had when it was made."""
    if not (folder / "variables" / "variables.index").is_file():
        return {}
    checkpoint = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    keys = checkpoint.get_variable_to_shape_map()
    names = {}
    if _OBJECTS in keys:
        graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(checkpoint.get_tensor(_OBJECTS))
        names = {one.checkpoint_key: one.full_name for node in graph.nodes for one in node.attributes}
    return {names.get(key) or key: np.asarray(checkpoint.get_tensor(key)) for key in keys if key != _OBJECTS}


def layers_of(variables: Mapping[str, npt.NDArray[Any]]) -> dict[str, Dense]:
    """The layers of our autoencoder in their order; empty where the model is another one."""
    if variables.keys() != {f"{name}/{part}" for name in _ACTIVATIONS for part in ("kernel", "bias")}:
        return {}
    layers = {name: Dense(variables[f"{name}/kernel"], variables[f"{name}/bias"]) for name in _ACTIVATIONS}
    chain = list(layers.values())
    fits = all(layer.kernel.ndim == 2 and layer.bias.shape == layer.kernel.shape[1:] for layer in chain) and all(
        one.bias.shape[0] == other.kernel.shape[0] for one, other in itertools.pairwise(chain)
    )
    return layers if fits else {}


def _units(layers: Mapping[str, Dense], artifact: Artifact) -> tuple[tuple[UnitAnswer, ...], Pictures]:
    """What the decoder makes of each unit alone; nothing where the images are not at hand."""
    examples, graph = artifact.inputs.get("examples"), artifact.inputs.get("transform_graph")
    folder = splits.splits(examples).get(features.VALIDATION) if examples else None
    size = _size(folder) if folder else None
    if folder is None or graph is None or size is None or size[0] * size[1] != layers["logits"].bias.size:
        return (), {}
    means = mean_activations(layers, _images(folder, graph))[:_MOST_UNITS]
    answers = decode(layers, np.diag(means), len(means)).reshape(-1, *size)
    shown: dict[str, bytes] = {}
    units = []
    for unit, (mean, answer) in enumerate(zip(means, answers, strict=True)):
        picture = None
        if mean > 0:
            picture = Picture(f"unit{unit}.png", size[1], size[0], f"the decoder's answer to unit {unit}")
            shown[picture.file] = png.grey_png(answer)
        units.append(UnitAnswer(unit, float(mean), picture))
    return tuple(units), shown


def mean_activations(layers: Mapping[str, Dense], images: Array) -> Array:
    """Mean of each unit over the images on which it is active, 0 where that is none.

    Args:
      layers: of the autoencoder.
      images: float32, shape (n, pixels), values in [0, 1].

    Returns:
      float32, shape (code_units,), >= 0.
    """
    codes = _relu(layers["code"](_relu(layers["encoder_hidden"](images))))
    counts = (codes > image_metrics.ACTIVE_ABOVE).sum(axis=0)
    means: Array = (codes.sum(axis=0, dtype=np.float64) / np.maximum(counts, 1)).astype(np.float32)
    return means


def decode(layers: Mapping[str, Dense], activations: Array, units: int) -> Array:
    """Reconstructions of codes of which only the first `units` are set.

    Args:
      layers: of the autoencoder.
      activations: float32, shape (n, units).
      units: at most as many as the code has.

    Returns:
      float32, shape (n, pixels), values in [0, 1].
    """
    first = Dense(layers["decoder_hidden"].kernel[:units], layers["decoder_hidden"].bias)
    logits = layers["logits"](_relu(first(activations)))
    pixels: Array = 0.5 * (1 + np.tanh(0.5 * logits))  # the sigmoid; this way it does not overflow
    return pixels


def _relu(values: Array) -> Array:
    positive: Array = np.maximum(values, np.float32(0))
    return positive


def _images(folder: pathlib.Path, graph: pathlib.Path) -> Array:
    """The first images of a split as the model reads them: float32, shape (n, pixels), n <= IMAGES."""
    transform = tft.TFTransformOutput(str(graph))
    # Called once and at once: as a tf.data pipeline it would take twice as long.
    examples = tf.io.parse_example(splits.serialized(folder, IMAGES), transform.raw_feature_spec())
    images: Array = transform.transform_features_layer()(examples)[features.IMAGE_XF].numpy()
    return images


def _size(folder: pathlib.Path) -> tuple[int, int] | None:
    """Height and width of a split's images."""
    for example in splits.first(folder, 1):
        feature = example.features.feature
        if features.HEIGHT in feature and features.WIDTH in feature:
            [height], [width] = (feature[name].int64_list.value for name in (features.HEIGHT, features.WIDTH))
            return int(height), int(width)
    return None


def _signatures(saved: pathlib.Path) -> tuple[Signature, ...]:
    graphs = saved_model_pb2.SavedModel.FromString(saved.read_bytes()).meta_graphs
    return tuple(
        Signature(name, _tensors(signature.inputs), _tensors(signature.outputs))
        for graph in graphs
        for name, signature in sorted(graph.signature_def.items())
        if name != _HIDDEN_SIGNATURE
    )


def _tensors(tensors: Mapping[str, Any]) -> tuple[Feature, ...]:
    return tuple(
        Feature(name, tf.dtypes.as_dtype(info.dtype).name, _shape(info.tensor_shape))
        for name, info in sorted(tensors.items())
    )


def _shape(shape: Any) -> str:
    """`(None, 784)`; empty where even the number of dimensions is open."""
    if shape.unknown_rank:
        return ""
    return str(tuple(None if dim.size == _ANY_SIZE else dim.size for dim in shape.dim))
