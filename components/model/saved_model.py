"""The SavedModel: signatures around the trained model and the transform graph."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.data import features
from components.evaluation import image_metrics, metrics
from components.model import autoencoder
from components.model.adapter import TrainableModel

# Outputs of signatures; the metrics read the code.
CODE = "code"
RECONSTRUCTION = "reconstruction"


class ServedModel(tf.Module):
    """The trained model with the transform graph, so that it reads tf.Examples.

    Signatures, n being any number of examples:

    * `serving_default(examples)`: serialized tf.Examples, string, shape (n,), of which only `image` or `values`
      is read -> `reconstruction`: float32, shape (n, pixels), scaled as by the transform graph;
    * `encode(images)`: float32, shape (n, pixels), scaled as by the transform graph -> `code`: float32, shape
      (n, code_units), >= 0;
    * `decode(codes)`: float32, shape (n, code_units), any finite numbers -> `reconstruction`;
    * `reconstruct(images)`: like `encode` -> `reconstruction`; the same bits as those of `decode` of `encode`;
    * `evaluate(examples)`: -> one float32 of shape (n,) per name in `image_metrics.measure_images`, and of a model
      trained with noise the loss of noisy images, and `code`.
    """

    def __init__(self, model: TrainableModel, transform: tft.TFTransformOutput, mean_image: tf.Tensor) -> None:
        super().__init__(name="sparse_autoencoder")
        # Saves the variables, not the Keras models, whose layers Keras would trace again, which takes two seconds.
        self.model_variables = model.weights
        self.pixels = int(mean_image.shape[0])
        self.code_units = int(model.encode(tf.zeros([1, self.pixels])).shape[1])
        self._functions: Callable[[], tuple[TrainableModel, Any]] = lambda: (
            model,
            transform.transform_features_layer(),
        )
        # A client need not send a label.
        spec = transform.raw_feature_spec()
        self._spec = {name: spec[name] for name in (features.IMAGE, features.VALUES) if name in spec}
        self._loss = model.loss
        self._mean_image = tf.constant(mean_image, tf.float32)

    def _images(self, examples: tf.Tensor) -> tf.Tensor:
        _, transform = self._functions()
        return transform(tf.io.parse_example(examples, self._spec))[features.IMAGE_XF]

    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.reconstruct(self._images(examples))

    def encode(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        model, _ = self._functions()
        return {CODE: model.encode(images)}

    def decode(self, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        model, _ = self._functions()
        return {RECONSTRUCTION: autoencoder.reconstruction(model.decode(codes), self._loss)}

    def reconstruct(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        model, _ = self._functions()
        return self.decode(model.encode(images))

    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        model, _ = self._functions()
        images = self._images(examples)
        codes = model.encode(images)
        measured = image_metrics.measure_images(images, codes, model.decode(codes), self._mean_image, self._loss)
        if model.noise is not None:
            noisy = model.decode(model.encode(model.noise.fixed(images)))
            measured[f"{metrics.NOISY}{self._loss}"] = autoencoder.reconstruction_loss(images, noisy, self._loss)
        return {**measured, CODE: codes}


def save(
    model: TrainableModel, transform: tft.TFTransformOutput, mean_image: tf.Tensor, folder: str | pathlib.Path
) -> None:
    """Write the SavedModel into `folder`.

    Args:
      model: trained, as `TrainableModel.served` returns it.
      transform: the transform graph of its training images.
      mean_image: float32, shape (pixels,): mean of the training images, the baseline of `evaluate`.
      folder: created if it does not exist.
    """
    served = ServedModel(model, transform, mean_image)
    examples = tf.TensorSpec([None], tf.string, name="examples")
    images = tf.TensorSpec([None, served.pixels], tf.float32, name="images")
    codes = tf.TensorSpec([None, served.code_units], tf.float32, name="codes")
    signatures = {
        name: tf.function(function, input_signature=[spec], autograph=False)
        for name, function, spec in (
            ("serving_default", served.serve, examples),
            ("encode", served.encode, images),
            ("decode", served.decode, codes),
            ("reconstruct", served.reconstruct, images),
            ("evaluate", served.evaluate, examples),
        )
    }
    tf.saved_model.save(served, str(folder), signatures=signatures)
