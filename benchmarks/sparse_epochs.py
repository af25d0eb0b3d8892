"""Compare the time of an epoch of each method of sparsity with one of L1.

    .venv/bin/python -m benchmarks.sparse_epochs --profile mnist_sparse

The images are random, of MNIST's size: the time of a step does not depend on their values. The methods alternate,
because the speed of a machine drifts; the result is the median of the ratios of consecutive trainings.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks.measuring import Options, say
from components.data import features
from components.model import configured
from components.model.train_loop import Images, TrainingSettings, train
from pipeline.sparse_autoencoder.definition import TRAINER
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import PipelineConfig, Value

PIXELS = 784
METHODS: dict[str, dict[str, Value]] = {
    "l1": {"model.sparsity": "l1", "model.l1": 1e-3, "model.output_bias": "zeros"},
    "topk": {"model.sparsity": "topk"},
    "batchtopk": {"model.sparsity": "batchtopk"},
    "jumprelu": {"model.sparsity": "jumprelu"},
}


def epoch_seconds(config: PipelineConfig, images: npt.NDArray[np.float32], epochs: int) -> float:
    """Return the mean time of an epoch after the first, which compiles."""
    sizes = {features.TRAIN: len(images), features.VALIDATION: len(images) // 5}
    dataset = ImageDataset(
        name="random",
        version="1",
        files={},
        split_sizes=sizes,
        builder_dir="",
        height=1,
        width=PIXELS,
        label_names=(),
        schema_file="",
    )
    found = TRAINER.parameters(config, dataset)
    settings = TrainingSettings(**{field.name: found[field.name] for field in dataclasses.fields(TrainingSettings)})
    settings = dataclasses.replace(settings, epochs=epochs + 1)
    ended: list[float] = []
    train(
        configured.build(PIXELS, found, settings.seed, lambda: images.mean(axis=0)),
        Images.in_memory(tf.constant(images)),
        Images.in_memory(tf.constant(images[: sizes[features.VALIDATION]])),
        settings,
        lambda losses: ended.append(time.monotonic()),
    )
    return (ended[-1] - ended[0]) / epochs


def compare(profile_name: str, methods: Sequence[str], rounds: int, epochs: int, count: int) -> dict[str, list[float]]:
    """Return the ratios of each method to L1."""
    defaults = PipelineConfig()
    tf.config.threading.set_intra_op_parallelism_threads(defaults.engine.intra_op_threads)
    tf.config.threading.set_inter_op_parallelism_threads(defaults.engine.inter_op_threads)
    images = np.random.default_rng(0).random((count, PIXELS), dtype=np.float32)
    profile = dict(PipelineConfig.profiles[profile_name])
    profile["model.active_units"] = float(round(float(profile["model.active_units"])))  # topk takes whole numbers
    ratios: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        seconds = {
            name: epoch_seconds(PipelineConfig.build({**profile, **METHODS[name]}), images, epochs)
            for name in ("l1", *methods)
        }
        say("  ".join(f"{name} {value:.3f} s" for name, value in seconds.items()))
        for name in methods:
            ratios[name].append(seconds[name] / seconds["l1"])
    return ratios


def sparse(options: Options) -> dict[str, list[float]]:
    """Compare all methods on as many images as MNIST has for training."""
    count = options.sizes.pictures * 5 // 7
    return compare("mnist_sparse", tuple(METHODS)[1:], options.rounds, min(options.sizes.epochs, 3), count)


def main() -> None:
    """Measure, and print the median ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profile", default="mnist_sparse", help="with the sizes of the layers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3, help="of each training that count")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS)[1:], default=tuple(METHODS)[1:])
    args = parser.parse_args()
    for name, found in compare(args.profile, args.methods, args.rounds, args.epochs, args.images).items():
        print(f"{name}: {statistics.median(found):.2f} of l1 ({min(found):.2f} to {max(found):.2f})")


if __name__ == "__main__":
    main()
