"""The interface of the trained model to training, the SavedModel and the preview of the model.

To use another model, write a class with the methods of `TrainableModel`, build it and name its layers here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.model import autoencoder, configured
from components.model.noise import Noise

# The layer whose activation is part of the loss: none if the loss is the mean squared error.
LOGITS_LAYER = autoencoder.LOGITS_LAYER
# The layers of which the last one that a model has returns the code. The preview cannot read this from the saved model.
CODE_LAYERS = (autoencoder.CODE_LAYER, autoencoder.CODE_ACTIVATION)
# Activations that are not part of a layer.
ACTIVATIONS: Mapping[str, str] = {LOGITS_LAYER: "sigmoid"}


class TrainableModel(Protocol):
    """An autoencoder of any kind. Images are float32, shape (n, pixels), values in [0, 1] if the loss is `bce`."""

    @property
    def loss(self) -> str:
        """The reconstruction loss, a key of `metrics.LOSSES`."""

    @property
    def noise(self) -> Noise | None:
        """The noise on the images in training; None: none."""

    @property
    def variables(self) -> list[tf.Variable]:
        """The trainable variables in a fixed order."""

    @property
    def weights(self) -> list[tf.Variable]:
        """All variables that training changes, in the order of the layers: what checkpoints and the SavedModel hold."""

    def encode(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return codes of images: float32, shape (n, code_units)."""

    def decode(self, codes: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return logits of the reconstructions: float32, shape (n, pixels)."""

    def losses(self, images: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the mean reconstruction loss of images, and the penalty that is added to it: two scalars."""

    def served(self) -> TrainableModel:
        """Return the model as it is saved: it encodes and decodes like this one outside training."""


def build(
    pixels: int, settings: Mapping[str, Any], seed: int, mean_image: Callable[[], npt.NDArray[np.float32]]
) -> TrainableModel:
    """Build the untrained model.

    Args:
      pixels: size of a flattened image.
      settings: those of `pipeline_config.ModelConfig` that have an effect; `loss` is `bce` or `mse`, and
        `hidden_layers` the widths.
      seed: >= 0; the same seed gives the same weights, and the same noise.
      mean_image: returns the mean of the training images, shape (pixels,); called if the settings need it.
    """
    return configured.build(pixels, settings, seed, mean_image)
