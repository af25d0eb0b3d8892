"""The SavedModel: signatures around the trained model and the transform graph."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.data import features
from components.evaluation import image_metrics
from components.model import autoencoder
from components.model.adapter import TrainableModel

CODE = "code"  # output of signatures; the metrics read it


class ServedModel(tf.Module):
    """The trained model with the transform graph, so that it reads tf.Examples.

    Signatures, n being any number of examples:

    * `serving_default(examples)`: serialized tf.Examples, string, shape (n,), of which only `image` or `values`
      is read -> `reconstruction`: float32, shape (n, pixels);
    * `encode(images)`: float32, shape (n, pixels), scaled as by the transform graph -> `code`: float32, shape
      (n, code_units), >= 0;
    * `reconstruct(images)`: like `encode` -> `reconstruction`;
    * `evaluate(examples)`: -> one float32 of shape (n,) per name in `image_metrics.measure_images`, and `code`.
    """

    def __init__(self, model: TrainableModel, transform: tft.TFTransformOutput, mean_image: tf.Tensor) -> None:
        super().__init__(name="sparse_autoencoder")
        # Saves the variables, not the Keras models, whose layers Keras would trace again, which takes two seconds.
        self.model_variables = model.variables
        self.pixels = int(mean_image.shape[0])
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

    def reconstruct(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        model, _ = self._functions()
        return {"reconstruction": autoencoder.reconstruction(model.decode(model.encode(images)), self._loss)}

    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        model, _ = self._functions()
        images = self._images(examples)
        codes = model.encode(images)
        measured = image_metrics.measure_images(images, codes, model.decode(codes), self._mean_image, self._loss)
        return {**measured, CODE: codes}


def save(
    model: TrainableModel, transform: tft.TFTransformOutput, mean_image: tf.Tensor, folder: str | pathlib.Path
) -> None:
    """Write the SavedModel into `folder`.

    Args:
      model: trained.
      transform: the transform graph of its training images.
      mean_image: float32, shape (pixels,): mean of the training images, the baseline of `evaluate`.
      folder: created if it does not exist.
    """
    served = ServedModel(model, transform, mean_image)
    examples = tf.TensorSpec([None], tf.string, name="examples")
    images = tf.TensorSpec([None, served.pixels], tf.float32, name="images")
    signatures = {
        name: tf.function(function, input_signature=[spec], autograph=False)
        for name, function, spec in (
            ("serving_default", served.serve, examples),
            ("encode", served.encode, images),
            ("reconstruct", served.reconstruct, images),
            ("evaluate", served.evaluate, examples),
        )
    }
    tf.saved_model.save(served, str(folder), signatures=signatures)
