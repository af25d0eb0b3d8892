"""A sparse autoencoder in Keras; free of files and TFX."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras as keras

from components.model.noise import Noise
from components.model.sparsity.layer import SparsityLayer, starting_at

Array = npt.NDArray[np.float32]

# The layers whose outputs are the code: of a model with a method of sparsity the second, else the first.
CODE_LAYER, CODE_ACTIVATION = "code", "code_activation"
LOGITS_LAYER = "logits"
# Of batch normalisation.
MOMENTUM, EPSILON = 0.99, 1e-5


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """Encoder and decoder; they share no layer.

    Attributes:
      encoder: float32 images, shape (n, pixels) -> float32 codes, shape (n, code_units), >= 0. Its `losses` contain the
        penalty: that of L1 is `l1 * sum |code|`, mean over the n images.
      decoder: codes -> float32 logits, shape (n, pixels); `reconstruction` makes the reconstructions of them.
      loss: `bce`, of images in [0, 1], or `mse`, as for `reconstruction_loss`.
      noise: on the images in training; None: none.
    """

    encoder: keras.Model
    decoder: keras.Model
    loss: str = "bce"
    noise: Noise | None = None

    @property
    def variables(self) -> list[tf.Variable]:
        return [*self.encoder.trainable_variables, *self.decoder.trainable_variables]

    @property
    def weights(self) -> list[tf.Variable]:
        return [*self.encoder.weights, *self.decoder.weights]

    def encode(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.encoder(images, training=training)

    def decode(self, codes: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.decoder(codes, training=training)

    def losses(self, images: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        logits = self.decode(self.encode(images, training), training)
        reconstruction = tf.reduce_mean(reconstruction_loss(images, logits, self.loss))
        return reconstruction, tf.add_n(self.encoder.losses) if self.encoder.losses else tf.constant(0.0)

    def served(self) -> Autoencoder:
        """Return the model for use after training: without noise, and with batch normalisation as part of `code`.

        Codes may differ from those of this model in the last bits. A model with neither is returned itself.
        """
        layers = self.encoder.layers
        if not any(isinstance(layer, (Noise, SparsityLayer)) for layer in layers):
            return self
        image = keras.Input(self.encoder.input_shape[1:], name="image")
        values = image
        for layer, following in zip(layers[1:], [*layers[2:], None], strict=True):
            if isinstance(layer, (Noise, keras.layers.BatchNormalization)):
                continue
            if isinstance(following, keras.layers.BatchNormalization):
                values = _folded(layer, following)(values)
            else:
                values = (layer.served() if isinstance(layer, SparsityLayer) else layer)(values)
        return dataclasses.replace(self, encoder=keras.Model(image, values, name="encoder"))


def build_autoencoder(
    pixels: int,
    hidden_layers: Sequence[int],
    code_units: int,
    l1: float,
    seed: int,
    code_bias: float = 0.0,
    loss: str = "bce",
    method: SparsityLayer | None = None,
    normalised: bool = True,
    noise: Noise | None = None,
) -> Autoencoder:
    """Build the untrained model: pixels - hidden (ReLU) - code (ReLU, L1) - hidden (ReLU) - pixels (sigmoid).

    The last layer returns logits: the sigmoid is part of the loss in training (exact where the sigmoid saturates), and
    is applied for reconstructions. Each layer has its own seed drawn from `seed`, so the weights do not depend on what
    the process created before.

    Args:
      pixels: size of a flattened image.
      hidden_layers: units of each layer before the code; those after it have the same, in reverse. May be empty.
      code_units: units of the code.
      l1: weight of the penalty, >= 0; with a method of sparsity 0.
      seed: >= 0; the same seed gives the same weights.
      code_bias: initial biases of the code. Above 0, fewer units start out active on no image; a ReLU's gradient is 0
        there, so such units stay dead.
      loss: `bce` or `mse`; with `mse` there is no sigmoid after the last layer.
      method: of sparsity, in place of ReLU and L1; not built yet.
      normalised: whether its inputs are batch-normalised, and then shifted by the biases of the code. Without that,
        units die.
      noise: on the images in training; not built yet.
    """
    seeds = [int(state) for state in np.random.SeedSequence(seed).generate_state(2 * len(hidden_layers) + 2)]

    def dense(units: int, name: str, activation: str | None = "relu", **options: object) -> keras.Layer:
        initializer = keras.initializers.GlorotUniform(seed=seeds.pop(0))
        return keras.layers.Dense(units, activation, kernel_initializer=initializer, name=name, **options)

    image = keras.Input((pixels,), name="image")
    values = image if noise is None else noise(image)
    for units, name in zip(hidden_layers, _names("encoder_hidden", len(hidden_layers)), strict=True):
        values = dense(units, name)(values)
    bias = keras.initializers.Constant(code_bias)
    if method is None:
        penalty = keras.regularizers.L1(l1) if l1 else None
        code = dense(code_units, CODE_LAYER, bias_initializer=bias, activity_regularizer=penalty)(values)
    elif normalised:
        values = dense(code_units, CODE_LAYER, None, use_bias=False)(values)
        norm = keras.layers.BatchNormalization(
            momentum=MOMENTUM, epsilon=EPSILON, scale=False, beta_initializer=bias, name="code_norm"
        )
        code = method(norm(values))
    else:
        code = method(dense(code_units, CODE_LAYER, None, bias_initializer=bias)(values))
    values = code_input = keras.Input((code_units,), name="code_input")
    for units, name in zip(reversed(hidden_layers), _names("decoder_hidden", len(hidden_layers)), strict=True):
        values = dense(units, name)(values)
    logits = dense(pixels, LOGITS_LAYER, activation=None)(values)
    return Autoencoder(
        encoder=keras.Model(image, code, name="encoder"),
        decoder=keras.Model(code_input, logits, name="decoder"),
        loss=loss,
        noise=noise,
    )


def _names(name: str, count: int) -> list[str]:
    """Return names of layers: `encoder_hidden`, or `encoder_hidden_1` and so on of several."""
    return [name] if count == 1 else [f"{name}_{number}" for number in range(1, count + 1)]


def _folded(dense: keras.layers.Dense, norm: keras.layers.BatchNormalization) -> keras.layers.Layer:
    """Return one dense layer that computes what two do outside training.

    kernel' = kernel s, bias' = beta - mean s (+ bias s), s = 1 / sqrt(variance + EPSILON)
    """
    scale = tf.math.rsqrt(norm.moving_variance + norm.epsilon)
    bias = norm.beta + ((dense.bias if dense.use_bias else 0.0) - norm.moving_mean) * scale
    kernel = dense.kernel * scale
    return keras.layers.Dense(
        dense.units, kernel_initializer=starting_at(kernel), bias_initializer=starting_at(bias), name=dense.name
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


def bias_of_mean_image(mean: Array, loss: str) -> Array:
    """Return the biases of the last layer with which the reconstruction of a code of zeros is the mean image.

    Args:
      mean: float32, shape (pixels,).
      loss: `bce`: logits, of the mean within [0.001, 0.999]; `mse`: the mean itself.
    """
    if loss == "mse":
        return mean
    inside = np.clip(mean, 0.001, 0.999)
    logits: Array = np.log(inside / (1 - inside))
    return logits
