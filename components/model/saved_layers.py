"""The layers of a saved model, from its variables: sizes, and a forward pass in NumPy through dense layers.

Loading a SavedModel takes seconds; its variables, whose names and shapes describe the layers, load in milliseconds.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluation import metrics

Array = npt.NDArray[np.float32]


def _relu(values: Array) -> Array:
    positive: Array = np.maximum(values, np.float32(0))
    return positive


def _sigmoid(values: Array) -> Array:
    result: Array = 0.5 * (1 + np.tanh(0.5 * values))  # does not overflow
    return result


_FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "": lambda values: values,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
}


@dataclasses.dataclass(frozen=True)
class SavedLayer:
    """A layer: its variables by the last part of their names (`kernel`, `bias`), and its activation."""

    name: str
    variables: Mapping[str, npt.NDArray[Any]]
    activation: str = ""

    @property
    def parameters(self) -> int:
        """The number of values in all variables."""
        return sum(int(value.size) for value in self.variables.values())

    @property
    def sizes(self) -> tuple[int | None, int | None]:
        """Inputs and outputs: the last two dimensions of the variable with the most dimensions; None: no dimension."""
        shape = max((value.shape for value in self.variables.values()), key=len)
        return (shape[-2] if len(shape) > 1 else None), (shape[-1] if shape else None)

    @property
    def dense(self) -> bool:
        """Whether `__call__` can compute it."""
        kernel, bias = self.variables.get("kernel"), self.variables.get("bias")
        return (
            kernel is not None and bias is not None and len(self.variables) == 2 and self.activation in _FUNCTIONS
            and kernel.ndim == 2 and bias.shape == kernel.shape[1:]
        )  # fmt: skip

    def __call__(self, values: Array) -> Array:
        """Return outputs, shape (n, outputs), of inputs of shape (n, m): the first m inputs, all others being 0."""
        kernel = self.variables["kernel"][: values.shape[1]]
        return _FUNCTIONS[self.activation](values @ kernel + self.variables["bias"])


def layers_of(
    variables: Mapping[str, npt.NDArray[Any]], activations: Mapping[str, str] | None = None
) -> tuple[SavedLayer, ...]:
    """Return the layers of a model in the order of its variables.

    Args:
      variables: by name, such as `code/kernel`: the part before the last `/` is the layer.
      activations: by the layer's name.
    """
    layers: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, value in variables.items():
        layer, _, part = name.partition(":")[0].rpartition("/")
        layers.setdefault(layer or part, {})[part] = value
    return tuple(SavedLayer(name, parts, (activations or {}).get(name, "")) for name, parts in layers.items())


def halves(layers: Sequence[SavedLayer], code: str) -> tuple[tuple[SavedLayer, ...], tuple[SavedLayer, ...]] | None:
    """Return encoder, up to the layer named `code`, and decoder; None if the layers are not a chain of dense layers."""
    names = [layer.name for layer in layers]
    if code not in names[:-1] or not all(layer.dense for layer in layers):
        return None
    if any(before.sizes[1] != after.sizes[0] for before, after in itertools.pairwise(layers)):
        return None
    place = names.index(code) + 1
    return tuple(layers[:place]), tuple(layers[place:])


def apply(layers: Sequence[SavedLayer], values: Array) -> Array:
    """Apply layers one after another: float32, shape (n, outputs of the last)."""
    for layer in layers:
        values = layer(values)
    return values


def mean_activations(encoder: Sequence[SavedLayer], images: Array) -> Array:
    """Return the mean of each unit of the code over the images on which it is active; 0 for a dead unit.

    Args:
      encoder: its last layer is the code.
      images: float32, shape (n, pixels), values in [0, 1].

    Returns:
      float32, shape (code_units,), >= 0.
    """
    codes = apply(encoder, images)
    counts = (codes > metrics.ACTIVE_ABOVE).sum(axis=0)
    means: Array = (codes.sum(axis=0, dtype=np.float64) / np.maximum(counts, 1)).astype(np.float32)
    return means
