"""Compare the time of an epoch of MNIST's model with that of its matrix products alone, which bounds it from below.

    .venv/bin/python -m benchmarks.matrix_products [--threads 1]

Both are compiled by XLA and alternate; the images are random. The products are those of the four dense layers, of their
gradients, and of the validation, without activations, losses, Adam, or drawing the images of a batch. On one thread no
product waits for another thread: half of that time is what two threads would take if they never waited.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from benchmarks.measuring import say
from benchmarks.sparse_epochs import METHODS, PIXELS, epoch_seconds
from pipeline_config import PipelineConfig

ROUNDS = 5
EPOCHS = 5  # of each round
IMAGES = 50_000  # of training; a fifth as many are validated on


def forward(images: tf.Tensor, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Return the images and what each layer makes of them, float32, shapes (batch, units)."""
    values = [images]
    for matrix in weights:
        values.append(values[-1] @ matrix)
    return values


def step(images: tf.Tensor, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Return the weights after a step along the products that a gradient takes."""
    *values, gradient = forward(images, weights)
    changed: list[tf.Tensor] = []
    for place in reversed(range(len(weights))):
        changed.insert(0, weights[place] - 1e-9 * tf.matmul(values[place], gradient, transpose_a=True))
        if place:  # no gradient of the images is needed
            gradient = tf.matmul(gradient, weights[place], transpose_b=True)
    return changed


@tf.function(jit_compile=True, autograph=False)
def epoch(images: tf.Tensor, weights: Sequence[tf.Tensor], size: int) -> list[tf.Tensor]:
    """Return the weights after the steps of an epoch, each on `size` of the images, and its validation."""

    def train(number: tf.Tensor, *weights: tf.Tensor) -> list[tf.Tensor]:
        return [number + 1, *step(tf.slice(images, [number * size, 0], [size, PIXELS]), weights)]

    def validate(number: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return number + 1, total + tf.reduce_sum(
            forward(tf.slice(images, [number * size, 0], [size, PIXELS]), weights)[-1]
        )

    batches = int(images.shape[0]) // size
    _, *weights = tf.while_loop(lambda number, *_: number < batches, train, [0, *weights])
    _, total = tf.while_loop(lambda number, _: number < batches // 5, validate, (0, tf.constant(0.0)))
    return [*weights, total]


def main() -> None:
    """Measure, and print the median of the ratios."""
    config = PipelineConfig.build(METHODS["l1"])
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=config.engine.intra_op_threads, help="within one operation")
    tf.config.threading.set_intra_op_parallelism_threads(parser.parse_args().threads)
    tf.config.threading.set_inter_op_parallelism_threads(config.engine.inter_op_threads)
    rng = np.random.default_rng(0)
    images = rng.random((IMAGES, PIXELS), dtype=np.float32)
    units = [PIXELS, 256, 32, 256, PIXELS]
    weights = [tf.constant(rng.normal(0, 0.05, shape), tf.float32) for shape in itertools.pairwise(units)]
    kept = tf.constant(images)
    size = config.training.batch_size
    epoch(kept, weights, size)
    ratios = []
    for _ in range(ROUNDS):
        begun = time.monotonic()
        for _ in range(EPOCHS):
            epoch(kept, weights, size)[-1].numpy()
        products = (time.monotonic() - begun) / EPOCHS
        whole = epoch_seconds(config, images, EPOCHS)
        say(f"products {products:.3f} s, epoch {whole:.3f} s")
        ratios.append(products / whole)
    print(f"products: {statistics.median(ratios):.2f} of an epoch ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
