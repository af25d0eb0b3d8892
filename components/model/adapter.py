"""The model that the pipeline trains, as training, the SavedModel and the preview of the model use it.

Another model is a class with the methods of `TrainableModel`; this module then builds it and names its layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import tensorflow as tf

from components.model import autoencoder

# What the preview of a saved model cannot read from its files: the layer whose outputs are the code (empty: there is no
# code), and activations that are not part of a layer.
CODE_LAYER = autoencoder.CODE_LAYER
ACTIVATIONS: Mapping[str, str] = autoencoder.ACTIVATIONS


class TrainableModel(Protocol):
    """An autoencoder of any kind. Images are float32, shape (n, pixels), values in [0, 1]."""

    @property
    def variables(self) -> list[tf.Variable]:
        """The trainable variables in a fixed order: checkpoints and the SavedModel rely on it."""

    def encode(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Codes of images: float32, shape (n, code_units)."""

    def decode(self, codes: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits of the reconstructions: float32, shape (n, pixels)."""

    def losses(self, images: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean reconstruction loss of images, and the penalty that is added to it: two scalars."""


def build(pixels: int, settings: Mapping[str, Any], seed: int) -> TrainableModel:
    """Build the untrained model.

    Args:
      pixels: size of a flattened image.
      settings: `hidden_units`, `code_units`, `l1` and `code_bias` of `pipeline_config.ModelConfig`.
      seed: >= 0; the same seed gives the same weights.
    """
    return autoencoder.build_autoencoder(
        pixels, settings["hidden_units"], settings["code_units"], settings["l1"], seed, settings["code_bias"]
    )
