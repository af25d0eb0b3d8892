"""A sparse autoencoder in Keras; free of files and TFX."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf
import tf_keras as keras

# Its layers in their order, with the activation of each; the sigmoid after the logits is part of the loss.
ACTIVATIONS = {"encoder_hidden": "relu", "code": "relu", "decoder_hidden": "relu", "logits": "sigmoid"}
CODE_LAYER = "code"


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """Encoder and decoder; they share no layer.

    Attributes:
      encoder: float32 images, shape (n, pixels), values in [0, 1] -> float32 codes, shape (n, code_units), >= 0.
        Its `losses` contain the L1 penalty: `l1 * sum |code|`, mean over the n images.
      decoder: codes -> float32 logits, shape (n, pixels); `reconstruction` makes the reconstructions of them.
      loss: `bce` or `mse`, as for `reconstruction_loss`.
    """

    encoder: keras.Model
    decoder: keras.Model
    loss: str = "bce"

    @property
    def variables(self) -> list[tf.Variable]:
        return [*self.encoder.trainable_variables, *self.decoder.trainable_variables]

    def encode(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.encoder(images, training=training)

    def decode(self, codes: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.decoder(codes, training=training)

    def losses(self, images: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        logits = self.decode(self.encode(images, training), training)
        reconstruction = tf.reduce_mean(reconstruction_loss(images, logits, self.loss))
        return reconstruction, tf.add_n(self.encoder.losses) if self.encoder.losses else tf.constant(0.0)


def build_autoencoder(
    pixels: int,
    hidden_units: int,
    code_units: int,
    l1: float,
    seed: int,
    code_bias: float = 0.0,
    loss: str = "bce",
) -> Autoencoder:
    """Build the untrained model: pixels - hidden (ReLU) - code (ReLU, L1) - hidden (ReLU) - pixels (sigmoid).

    The last layer returns logits: the sigmoid is part of the loss in training (exact where the sigmoid saturates), and
    is applied for reconstructions. Each layer has its own seed drawn from `seed`, so the weights do not depend on what
    the process created before.

    Args:
      pixels: size of a flattened image.
      hidden_units: units of the layers before and after the code.
      code_units: units of the code.
      l1: weight of the penalty, >= 0.
      seed: >= 0; the same seed gives the same weights.
      code_bias: initial biases of the code. Above 0, fewer units start out active on no image; a ReLU's gradient is 0
        there, so such units stay dead.
      loss: `bce` or `mse`; with `mse` there is no sigmoid after the last layer.
    """
    seeds = [int(state) for state in np.random.SeedSequence(seed).generate_state(4)]

    def dense(
        units: int, layer: int, name: str, activation: str | None = "relu", penalty: float = 0.0, bias: float = 0.0
    ) -> keras.Layer:
        return keras.layers.Dense(
            units,
            activation=activation,
            activity_regularizer=keras.regularizers.L1(penalty) if penalty else None,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seeds[layer]),
            bias_initializer=keras.initializers.Constant(bias),
            name=name,
        )

    image = keras.Input((pixels,), name="image")
    code = dense(code_units, 1, "code", penalty=l1, bias=code_bias)(dense(hidden_units, 0, "encoder_hidden")(image))
    code_input = keras.Input((code_units,), name="code_input")
    logits = dense(pixels, 3, "logits", activation=None)(dense(hidden_units, 2, "decoder_hidden")(code_input))
    return Autoencoder(
        encoder=keras.Model(image, code, name="encoder"),
        decoder=keras.Model(code_input, logits, name="decoder"),
        loss=loss,
    )


def reconstruction(logits: tf.Tensor, loss: str = "bce") -> tf.Tensor:
    """Return the reconstructions of logits: their sigmoid if the loss is `bce`, themselves if it is `mse`."""
    return logits if loss == "mse" else tf.sigmoid(logits)


def reconstruction_loss(images: tf.Tensor, logits: tf.Tensor, loss: str = "bce") -> tf.Tensor:
    """Return the loss per image: float32, shape (n,), for inputs of shape (n, pixels).

    `bce` is the binary cross-entropy, nats per pixel, of images in [0, 1]; `mse` the mean squared error of the logits.
    """
    if loss == "mse":
        return tf.reduce_mean(tf.square(images - logits), axis=-1)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=images, logits=logits), axis=-1)
