"""Model: layers, signatures, and of an autoencoder the decoder's output for each unit of the code.

Reads the SavedModel's files: loading it would take as long as all previews of a run together.
"""

from __future__ import annotations

import math
import pathlib
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.data import features, transformed_input
from components.model import adapter, saved_layers
from components.model.saved_layers import SavedLayer
from components.report import png
from pipeline.artifacts.fingerprints.model import OBJECTS, SUFFIX, variable_names
from pipeline.artifacts.payloads import files, model, saved_model
from pipeline.artifacts.preview_writers import splits
from pipeline.artifacts.sections import Box, Diagram, Pairs, Pictures, Preview, Section, Tile, picture_of
from pipeline.artifacts.types import PNGs, StoredArtifact
from pipeline.core.text import counted, number_text

IMAGES = 500  # of the validation split, for the units' mean activations
_MOST_UNITS = 1_024

Array = npt.NDArray[np.float32]


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the preview; None without a SavedModel."""
    path = min(artifact.folder.rglob(saved_model.FILE), default=None)
    if path is None:
        return None
    graph = saved_model.read(path)
    activations = {**saved_model.activations_in(graph), **adapter.ACTIVATIONS}
    if all(node.op != "Sigmoid" for node in saved_model.nodes(graph)):
        activations[adapter.LOGITS_LAYER] = ""  # of a model trained with the mean squared error
    layers = saved_layers.layers_of(variables_of(path.parent), activations)
    tiles, shown = _units(layers, artifact)
    sections: list[Section] = [Pairs("size", {"parameters": sum(layer.parameters for layer in layers)})]
    if 1 < len(layers) <= model.MOST_BOXES:
        start = [Box("input", counted(layers[0].sizes[0], "value"), data=True)] if layers[0].sizes[0] else []
        boxes = [*start, *map(model.layer_box, layers)]
        sections.append(Diagram("layers of the model", tuple((box,) for box in boxes)))
    if layers:
        sections.append(model.layer_table(layers))
    sections.append(model.signatures(graph))
    if tiles:
        text = (
            f"One unit is set to its mean activation over those of the first {IMAGES} images of the validation split "
            "on which it is active, all others to 0. The number below is that mean; a dead unit is active on none."
        )
        sections.append(Pictures("the decoder's answer to each unit", tiles, text))
    return Preview("model", tuple(sections)), shown


def variables_of(folder: pathlib.Path) -> dict[str, npt.NDArray[Any]]:
    """Return the SavedModel's variables in its order, by their names when it was written."""
    if not (folder / "variables" / "variables.index").is_file():
        return {}
    checkpoint = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    keys = checkpoint.get_variable_to_shape_map().keys() - {OBJECTS}
    names = variable_names(checkpoint)
    return {
        names.get(key, key.removesuffix(SUFFIX)): np.asarray(checkpoint.get_tensor(key))
        for key in sorted(keys, key=_by_numbers)
    }


def _by_numbers(key: str) -> list[tuple[int, str]]:
    """Sort key: `variables/10` after `variables/9`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", key)]


def _units(layers: tuple[SavedLayer, ...], artifact: StoredArtifact) -> tuple[tuple[Tile, ...], PNGs]:
    """Return the decoder's output for each unit alone; empty for other models, or without the images."""
    halves = saved_layers.halves(layers, adapter.CODE_LAYERS)
    examples, graph = artifact.inputs.get("examples"), artifact.inputs.get("transform_graph")
    folder = files.splits(examples).get(features.VALIDATION) if examples else None
    shape = _shape_of_example(folder) if folder else None
    if halves is None or folder is None or graph is None or shape is None or math.prod(shape) != layers[-1].sizes[1]:
        return (), {}
    encoder, decoder = halves
    images = _images(folder, graph)
    means = saved_layers.mean_activations(encoder, images)[:_MOST_UNITS]
    _, answers = png.to_display(images, saved_layers.apply(decoder, np.diag(means)))
    answers = answers.reshape(-1, *shape)
    shown: dict[str, bytes] = {}
    tiles = []
    for unit, (mean, answer) in enumerate(zip(means, answers, strict=True)):
        if mean > 0:
            content = png.png_of(answer)
            picture = picture_of(content, f"unit{unit}.png", f"the decoder's answer to unit {unit}")
            shown[picture.file] = content
            tiles.append(Tile(f"unit {unit}", (picture,), number_text(float(mean))))
        else:
            tiles.append(Tile(f"unit {unit}", (), "dead"))
    return tuple(tiles), shown


def _images(folder: pathlib.Path, graph: pathlib.Path) -> Array:
    """Return the first images of a split, transformed: float32, shape (n, pixels), n <= IMAGES."""
    transform = tft.TFTransformOutput(str(graph))
    images: Array = next(transformed_input.batches([f"{folder}/*"], transform, IMAGES))[features.IMAGE_XF]
    return images


def _shape_of_example(folder: pathlib.Path) -> tuple[int, ...] | None:
    """Return (height, width) of a split's images, with 3 for colour, or (n,) of its vectors."""
    for example in splits.first(folder, 1):
        feature = example.features.feature
        if features.HEIGHT in feature and features.WIDTH in feature:
            names = (features.HEIGHT, features.WIDTH, features.CHANNELS)
            return tuple(int(feature[name].int64_list.value[0]) for name in names if name in feature)
        if features.VALUES in feature:
            return (len(feature[features.VALUES].float_list.value),)
    return None
