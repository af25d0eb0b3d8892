"""The interface of the trained model to training, the SavedModel and the preview of the model.

To use another model, write a class with the methods of `TrainableModel`, build it and name its layers here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import tensorflow as tf

from components.model import autoencoder

# The layer whose activation is part of the loss: none if the loss is the mean squared error.
LOGITS_LAYER = "logits"
# The preview cannot read these from the saved model: the layer whose outputs are the code (empty: no code), and
# activations that are not part of a layer.
CODE_LAYER = autoencoder.CODE_LAYER
ACTIVATIONS: Mapping[str, str] = autoencoder.ACTIVATIONS


class TrainableModel(Protocol):
    """An autoencoder of any kind. Images are float32, shape (n, pixels), values in [0, 1] if the loss is `bce`."""

    @property
    def loss(self) -> str:
        """The reconstruction loss, a key of `metrics.LOSSES`."""

    @property
    def variables(self) -> list[tf.Variable]:
        """The trainable variables in a fixed order: checkpoints and the SavedModel rely on it."""

    def encode(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return codes of images: float32, shape (n, code_units)."""

    def decode(self, codes: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return logits of the reconstructions: float32, shape (n, pixels)."""

    def losses(self, images: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the mean reconstruction loss of images, and the penalty that is added to it: two scalars."""


def build(pixels: int, settings: Mapping[str, Any], seed: int) -> TrainableModel:
    """Build the untrained model.

    Args:
      pixels: size of a flattened image.
      settings: `hidden_units`, `code_units`, `l1`, `code_bias` and `loss` of `pipeline_config.ModelConfig`.
      seed: >= 0; the same seed gives the same weights.
    """
    return autoencoder.build_autoencoder(
        pixels,
        settings["hidden_units"],
        settings["code_units"],
        settings["l1"],
        seed,
        settings["code_bias"],
        settings["loss"],
    )
