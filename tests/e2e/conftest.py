"""Fixtures of the end-to-end tests: real runs on small real data, in this process where start-up is not the matter."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline import run as run_module
from pipeline import settings
from pipeline.run_request import RunRequest
from pipeline.summary import Summary

PROJECT = pathlib.Path(__file__).parents[2]
SHARED_DATA = PROJECT.parent / "shared" / "data" / "tensorflow_datasets"

# A run on the sample that takes a moment: the gates are those of a model that has hardly learned.
QUICK = ("training.epochs=2", "training.batch_size=32", "evaluation.max_bce=0.6", "evaluation.max_bce_worst_label=0.7",
         "evaluation.max_bce_to_mean_image=0.99")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if pathlib.Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(autouse=True, scope="module")
def _environment() -> Iterator[None]:
    """A run sets the process's environment, such as a temporary folder in its root; what it changed is put back."""
    before, temporary = dict(os.environ), tempfile.tempdir
    yield
    os.environ.clear()
    os.environ.update(before)
    tempfile.tempdir = temporary


Run = Callable[..., Summary]


def run_here(
    root: pathlib.Path, *assignments: str, profile: str = "sample", seed: int | None = None, **options: Any
) -> Summary:
    """A run in this process, under `root`."""
    request = settings.Request(profile=profile, assignments=assignments, seed=seed, root=str(root))
    return run_module.run(RunRequest(request, **options))


def sae(
    *arguments: str | pathlib.Path, environment: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        check=False,
        timeout=1800,
        **options,
    )


def states(summary: Summary) -> dict[str, str]:
    """State by node."""
    return {node["id"]: node["state"] for node in summary.nodes}


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., pathlib.Path]:
    """Prepares a small TFDS data set of random images; returns the folder to name as data.data_dir."""

    def make(
        name: str,
        sizes: dict[str, int],
        *,
        side: int = 28,
        labels: int = 10,
        seed: int = 0,
        folder: pathlib.Path | None = None,
    ) -> pathlib.Path:
        import numpy as np
        import tensorflow as tf
        import tensorflow_datasets as tfds

        rng = np.random.default_rng(seed)
        folder = folder or tmp_path_factory.mktemp(name)
        splits = {}
        for split, size in sizes.items():
            # Blots of one brightness: something that a model can learn, and PNG can compress.
            images = np.zeros((size, side, side, 1), np.uint8)
            for image, corner in zip(images, rng.integers(0, side // 2, (size, 2)), strict=True):
                image[corner[0] : corner[0] + side // 2, corner[1] : corner[1] + side // 2] = rng.integers(50, 255)
            content = {"image": images, "label": np.arange(size, dtype=np.int64) % labels}
            splits[split] = tf.data.Dataset.from_tensor_slices(content)
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.0.0",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(side, side, 1)),
                    "label": tfds.features.ClassLabel(num_classes=labels),
                }
            ),
            split_datasets=splits,
            data_dir=str(folder),
        )
        return folder

    return make
