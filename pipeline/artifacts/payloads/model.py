"""Model: signatures, layers and vocabularies of its SavedModel."""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from pipeline.artifacts.payloads import saved_model, vocabularies
from pipeline.artifacts.payloads.saved_model import Layer
from pipeline.artifacts.sections import Box, Diagram, Pairs, Preview, Section, Table, Value, columns
from pipeline.artifacts.types import PNGs, StoredArtifact

_MOST_LAYERS = 500
MOST_BOXES = 12  # layers of a diagram that fit a page
_MOST_FOLDERS = 1_000  # that are searched for a SavedModel
_MOST_TENSORS = 1_000
_EVALUATED = ("Format-TFMA", "eval_model_dir")  # folders of a model that is only evaluated
_LAYERS = columns("layer", "inputs:number", "outputs:number", "activation", "parameters:number")
_SIGNATURES = columns("signature", "direction", "tensor", "type", "shape")


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs] | None:
    """Return the preview; None without a SavedModel."""
    folder = _find(artifact.folder)
    if folder is None:
        return None
    graph = saved_model.read(folder / saved_model.FILE)
    layers = saved_model.layers(graph)
    facts: dict[str, Value] = {"parameters": sum(layer.parameters for layer in layers)}
    if version := graph.meta_info_def.tensorflow_version:
        facts["TensorFlow version"] = str(version)
    sections: list[Section] = [Pairs("SavedModel", facts)]
    if 1 < len(layers) <= MOST_BOXES and _is_chain(layers):
        sections.append(Diagram("layers of the model", tuple((layer_box(layer),) for layer in layers)))
    if layers:
        sections.append(layer_table(layers))
    sections += [signatures(graph), *vocabularies.sections(folder)]
    return Preview("model", tuple(sections)), {}


def layer_table(layers: Sequence[Any]) -> Table:
    """Return a table of the first layers: each a `saved_model.Layer`, or a `SavedLayer` of `components`."""
    rows = ((one.name, *one.sizes, one.activation or None, one.parameters) for one in layers[:_MOST_LAYERS])
    return Table("layers", _LAYERS, tuple(rows))


def layer_box(layer: Any) -> Box:
    """Return the box of such a layer in a diagram, with its sizes and activation."""
    sizes = " → ".join(f"{size:,}" for size in layer.sizes if size is not None)
    return Box(layer.name, ", ".join(part for part in (sizes, layer.activation) if part))


def signatures(graph: Any) -> Table:
    """Return a table with a row for each tensor of the signatures."""
    found = saved_model.signatures(graph)[:_MOST_TENSORS]
    rows = ((one.signature, one.direction, one.tensor, one.type, one.shape or None) for one in found)
    return Table("signatures", _SIGNATURES, tuple(rows))


def _find(folder: pathlib.Path) -> pathlib.Path | None:
    """Return the first folder with a SavedModel; one that serves is preferred to one that TFMA evaluates."""
    found = []
    for number, (place, folders, names) in enumerate(os.walk(folder)):  # does not follow links
        folders.sort()
        if saved_model.FILE in names:
            found.append(pathlib.Path(place))
        if number >= _MOST_FOLDERS:
            break
    return min(found, key=lambda one: (any(name in one.parts for name in _EVALUATED), str(one)), default=None)


def _is_chain(layers: list[Layer]) -> bool:
    return all(one.sizes[1] == other.sizes[0] for one, other in itertools.pairwise(layers))
