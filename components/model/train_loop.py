"""Training: one compiled step, an epoch in one call, the losses of each epoch.

Keras' `fit` returns to Python at every step. Here an epoch over images in memory is one program, which updates the
variables in place. Images that do not fit are streamed by tf.data into the same step.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from components import errors
from components.evaluation.thresholds import EpochLosses
from components.model.adapter import TrainableModel
from components.model.checkpoints import Checkpoints


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """Settings of training; `pipeline_config.TrainingConfig` gives their meaning and limits."""

    epochs: int
    batch_size: int
    validation_batch_size: int
    learning_rate: float
    seed: int
    jit_compile: bool
    schedule: str = "constant"
    warm_up: float = 0.0


_WINDOW = 8_192  # streamed images to shuffle among; of MNIST 26 MB
_WINDOW_BYTES = 256 * 1024 * 1024  # of large images fewer


def shuffle_window(pixels: int) -> int:
    """Return among how many streamed images, float32, to shuffle."""
    return max(1, min(_WINDOW, _WINDOW_BYTES // (4 * pixels)))


@dataclasses.dataclass(frozen=True)
class Stream:
    """Images that are read anew in each pass.

    Only the images of a few batches are decoded at a time: what is shuffled is the records, which are smaller.

    Attributes:
      records: opens a dataset of one record for each image.
      decode: returns the images, float32, shape (n, pixels), of n records.
      pixels: size of an image.
    """

    records: Callable[[], tf.data.Dataset]
    decode: Callable[[tf.Tensor], tf.Tensor]
    pixels: int

    def batches(self, size: int, seed: int | None = None) -> tf.data.Dataset:
        """Read all images in batches of `size`: in their order, or shuffled within a window by `seed`."""
        records = self.records()
        if seed is not None:
            records = records.shuffle(shuffle_window(self.pixels), seed=seed, reshuffle_each_iteration=False)
        # One batch is decoded while another is used.
        return records.batch(size).map(self.decode, num_parallel_calls=1, deterministic=True)


class Images:
    """A split of `count` images, in memory or streamed."""

    def __init__(self, count: int, resident: tf.Tensor | None, stream: Stream | None) -> None:
        self.count = count
        self.resident = resident
        self.stream = stream

    @classmethod
    def in_memory(cls, images: tf.Tensor) -> Images:
        """Return a split of float32 images, shape (n, pixels), values in [0, 1]."""
        return cls(int(images.shape[0]), images, None)

    @classmethod
    def streamed(cls, count: int, stream: Stream) -> Images:
        """Return a split of `count` images that are not kept in memory."""
        return cls(count, None, stream)


def train(
    model: TrainableModel,
    train_images: Images,
    validation_images: Images,
    settings: TrainingSettings,
    on_epoch: Callable[[EpochLosses], None],
    checkpoints: Checkpoints | None = None,
) -> list[EpochLosses]:
    """Train `model` in place.

    The order of images in an epoch is drawn from (seed, epoch) alone: in memory a permutation of the whole split;
    streamed, within a window.

    Args:
      model: its variables change.
      train_images, validation_images: the splits; not empty.
      settings: epochs, batch sizes, learning rate, seed.
      on_epoch: called with the losses of each epoch, first with those of epochs before a checkpoint.
      checkpoints: to resume from, and to write; the result has the same bits without them.

    Returns:
      The losses of every epoch.

    Raises:
      errors.TrainingError: a loss is NaN or infinite, or a split is empty.
    """
    for name, images in (("train", train_images), ("validation", validation_images)):
        if not images.count:
            raise errors.TrainingError(f"the {name} split is empty: training needs at least one example")
    steps = _Steps(model, settings, math.ceil(train_images.count / settings.batch_size) * settings.epochs)
    checkpoints = checkpoints or Checkpoints(None)
    history = checkpoints.restore(steps.variables)
    for losses in history:
        on_epoch(losses)
    for epoch in range(len(history) + 1, settings.epochs + 1):
        trained = steps.run_epoch(train_images, epoch)
        validated = steps.validate(validation_images)
        losses = EpochLosses(epoch, *_mean(trained, train_images.count), *_mean(validated, validation_images.count))
        if not all(math.isfinite(value) for value in dataclasses.astuple(losses)):
            raise errors.TrainingError(
                f"the loss became {losses.loss} in epoch {epoch} of {settings.epochs}: lower training.learning_rate "
                f"(now {settings.learning_rate:g}), or the weight of the penalty on the code if there is one"
            )
        history.append(losses)
        on_epoch(losses)
        checkpoints.save_when_due(steps.variables, history)
    return history


def _mean(sums: tf.Tensor, count: int) -> tuple[float, float]:
    """Return (loss, reconstruction) from the sums of reconstruction loss and penalty over `count` images."""
    reconstruction, penalty = (float(value) / count for value in sums.numpy())
    return reconstruction + penalty, reconstruction


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """The step size by the number of the step.

    With s from 0 to count - 1: `learning_rate * min(1, (s + 1) / (warm_up * count)) * c`, where c is 1 if the schedule
    is constant, and (1 + cos(pi s / count)) / 2 if it is cosine.

    Source of the cosine: I. Loshchilov, F. Hutter, SGDR, ICLR 2017, equation 5, without restarts.
    """

    def __init__(self, settings: TrainingSettings, count: int) -> None:
        """Create the schedule of a training of `count` steps."""
        self._highest = settings.learning_rate
        self._warm_up = settings.warm_up * count
        self._cosine = settings.schedule == "cosine"
        self._count = count

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Return the size of a step: float32, a scalar."""
        number = tf.cast(step, tf.float32)
        rate = tf.constant(self._highest, tf.float32)
        if self._warm_up > 0:
            rate *= tf.minimum(1.0, (number + 1) / self._warm_up)
        if self._cosine:
            rate *= 0.5 * (1 + tf.cos(math.pi * number / self._count))
        return rate


class _Steps:
    """The compiled functions of one model."""

    def __init__(self, model: TrainableModel, settings: TrainingSettings, count: int) -> None:
        self._model = model
        self._settings = settings
        changes = settings.schedule != "constant" or settings.warm_up > 0
        rate = LearningRate(settings, count) if changes else settings.learning_rate
        self._optimizer = keras.optimizers.Adam(rate)
        self._optimizer.build(model.variables)
        # With autograph TensorFlow converts Keras' own source, which takes four seconds.
        compiled: dict[str, Any] = {"autograph": False, "jit_compile": settings.jit_compile}
        self._train_step = tf.function(self._train_batch, **compiled)
        self._validation_step = tf.function(self._measure, **compiled)
        self._resident_epoch = tf.function(self._train_resident, **compiled)
        self._resident_validation = tf.function(self._measure_resident, **compiled)

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables that an epoch changes: those of model and optimizer."""
        return [*self._model.weights, *self._optimizer.variables]

    def run_epoch(self, images: Images, epoch: int) -> tf.Tensor:
        """Train on every image once; return the sums of (reconstruction loss, penalty) over the images."""
        size = self._settings.batch_size
        if images.resident is not None:
            order = np.random.default_rng([self._settings.seed, epoch]).permutation(images.count).astype(np.int32)
            return self._resident_epoch(images.resident, tf.constant(order), size)
        assert images.stream is not None
        seed = int(np.random.SeedSequence([self._settings.seed, epoch]).generate_state(1)[0])
        return _add_up(self._train_step(batch) for batch in images.stream.batches(size, seed))

    def validate(self, images: Images) -> tf.Tensor:
        """Return the same sums, in order and without training."""
        size = self._settings.validation_batch_size
        if images.resident is not None:
            return self._resident_validation(images.resident, size)
        assert images.stream is not None
        return _add_up(self._validation_step(batch) for batch in images.stream.batches(size))

    def _sums(self, images: tf.Tensor, losses: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        return tf.stack(losses) * tf.cast(tf.shape(images)[0], tf.float32)

    def _train_batch(self, images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = self._model.losses(images, training=True)
            loss = losses[0] + losses[1]
        self._optimizer.apply_gradients(
            zip(tape.gradient(loss, self._model.variables), self._model.variables, strict=True)
        )
        return self._sums(images, losses)

    def _measure(self, images: tf.Tensor) -> tf.Tensor:
        return self._sums(images, self._model.losses(images, training=False))

    def _train_resident(self, images: tf.Tensor, order: tf.Tensor, size: int) -> tf.Tensor:
        def batch(start: tf.Tensor, length: int) -> tf.Tensor:
            return self._train_batch(tf.gather(images, tf.slice(order, [start], [length])))

        return _loop(batch, int(images.shape[0]), size)

    def _measure_resident(self, images: tf.Tensor, size: int) -> tf.Tensor:
        def batch(start: tf.Tensor, length: int) -> tf.Tensor:
            return self._measure(tf.slice(images, [start, 0], [length, images.shape[1]]))

        return _loop(batch, int(images.shape[0]), size)


def _loop(batch: Callable[[tf.Tensor, int], tf.Tensor], count: int, size: int) -> tf.Tensor:
    """Add up `batch(start, length)` of all batches of `count` images in one graph; the last one may be smaller."""
    whole, rest = divmod(count, size)
    sums = tf.zeros(2)
    if whole:
        _, sums = tf.while_loop(
            lambda number, _: number < whole,
            lambda number, total: (number + 1, total + batch(number * size, size)),
            (tf.constant(0), sums),
            parallel_iterations=1,
        )
    if rest:
        with tf.control_dependencies([sums]):
            sums += batch(tf.constant(whole * size), rest)
    return sums


def _add_up(sums: Iterable[tf.Tensor]) -> tf.Tensor:
    total = np.zeros(2)
    for value in sums:
        total += value.numpy()
    return tf.constant(total)
