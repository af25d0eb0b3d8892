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


def _above(values: Array, threshold: Array) -> Array:
    """Values above a threshold, else 0: as `components.model.sparsity.layer.Threshold`."""
    return np.where(values > threshold, values, np.float32(0))


def _largest(values: Array, count: npt.NDArray[np.int32]) -> Array:
    """The largest `count` values of each row, if they are positive, else 0: as `components.model.sparsity.topk`."""
    ranks = np.argsort(np.argsort(-values, axis=1, kind="stable"), axis=1, kind="stable")
    return np.where(ranks < count, _relu(values), np.float32(0))


# Layers without a dense part, by their one variable: the name of what they do, and the function.
_WITHOUT_KERNEL: Mapping[str, tuple[str, Callable[[Array, Any], Array]]] = {
    "threshold": ("threshold", _above),
    "active_units": ("top k", _largest),
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
    def without_kernel(self) -> str:
        """The name of the one variable of a layer that changes values without mixing them; empty for others."""
        [name, *more] = self.variables
        return name if not more and name in _WITHOUT_KERNEL else ""

    @property
    def computable(self) -> bool:
        """Whether `__call__` can compute it."""
        if self.without_kernel:
            return True
        kernel, bias = self.variables.get("kernel"), self.variables.get("bias")
        return (
            kernel is not None and bias is not None and len(self.variables) == 2 and self.activation in _FUNCTIONS
            and kernel.ndim == 2 and bias.shape == kernel.shape[1:]
        )  # fmt: skip

    def __call__(self, values: Array) -> Array:
        """Return outputs, shape (n, outputs), of inputs of shape (n, m): the first m inputs, all others being 0."""
        if name := self.without_kernel:
            return _WITHOUT_KERNEL[name][1](values, self.variables[name])
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
    made = [SavedLayer(name, parts, (activations or {}).get(name, "")) for name, parts in layers.items()]
    for place, one in enumerate(made):
        if one.without_kernel:
            made[place] = dataclasses.replace(one, activation=_WITHOUT_KERNEL[one.without_kernel][0])
    return tuple(made)


def halves(
    layers: Sequence[SavedLayer], code: Sequence[str]
) -> tuple[tuple[SavedLayer, ...], tuple[SavedLayer, ...]] | None:
    """Return encoder and decoder; None if the layers are not a chain that can be computed.

    Args:
      layers: of the model.
      code: names of layers; the last one that the model has ends the encoder.
    """
    names = [layer.name for layer in layers]
    place = max((names.index(name) + 1 for name in code if name in names), default=0)
    if not 0 < place < len(layers) or not all(layer.computable for layer in layers):
        return None
    kernels = [layer.sizes for layer in layers if not layer.without_kernel]
    if any(before[1] != after[0] for before, after in itertools.pairwise(kernels)):
        return None
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
