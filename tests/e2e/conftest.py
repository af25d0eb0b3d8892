"""Fixtures of the end-to-end tests: real runs on small real data, in this process where start-up is not the matter."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline import cli
from pipeline.core import settings
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Pipeline
from pipeline.metadata.writer import rewrite_moved_uris
from pipeline.orchestration import plan
from pipeline.orchestration import run as run_module
from pipeline.orchestration.request import RunRequest
from pipeline.orchestration.summary import Summary
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal.progress import display
from tests import PROJECT, environment, metadata_stores

SHARED_DATA = PROJECT.parent / "shared" / "data" / "tensorflow_datasets"

# A run on the sample that takes a moment: the gates are those of a model that has hardly learned. 38 divides the number
# of images; a smaller last batch would be traced and compiled as well.
QUICK = ("training.epochs=2", "training.batch_size=38", "evaluation.max_bce=0.6", "evaluation.max_bce_worst_label=0.7",
         "evaluation.max_bce_to_mean_image=0.99")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and let the second file to run be one that does without the run of the sample.

    The first file makes that run, for which processes that begin with another such file would wait.
    """
    folder = pathlib.Path(__file__).parent
    here = {path: folder in path.parents for path in {item.path for item in items}}
    ours = [item for item in items if here[item.path]]
    asks: dict[pathlib.Path, bool] = {}  # by file, whether its first test does
    for item in ours:
        item.add_marker(pytest.mark.e2e)
        asks.setdefault(item.path, "sample_run" in getattr(item, "fixturenames", ()))
    first = next((path for path, needed in asks.items() if needed), None)
    ours.sort(key=lambda item: 0 if item.path == first else 1 + asks[item.path])
    items[:] = [*(item for item in items if not here[item.path]), *ours]


Run = Callable[..., Summary]


def run_here(
    root: pathlib.Path,
    *assignments: str,
    profile: str = "sample",
    seed: int | None = None,
    pipeline: Pipeline = PIPELINE,
    display: run_module.Display = display,
    **options: Any,
) -> Summary:
    """Run a pipeline in this process, in the pipeline root `root`; `options` are fields of `RunRequest`."""
    metadata_stores.give_first_run(root)
    request = settings.Request(
        profile=profile, assignments=assignments, seed=seed, root=str(root), config_type=pipeline.configuration
    )
    return run_module.run(RunRequest(pipeline, request, **options), display)


def sae(
    *arguments: str | pathlib.Path,
    before: tuple[str, ...] = (),
    project: pathlib.Path = PROJECT,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, to its end.

    Args:
      arguments: of the command.
      before: a program that starts the command, such as `taskset`, and its arguments.
      project: folder of the code.
      environment: variables that are added to those of this process.
    """
    if arguments[0] == "run" and "--root" in arguments:
        metadata_stores.give_first_run(arguments[arguments.index("--root") + 1])
    return subprocess.run(
        [*before, sys.executable, "-m", "pipeline", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), **(environment or {})},
        check=False,
        timeout=1800,
    )


def sae_here(*arguments: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run the command in this process: one that reads, or refuses, for which a start of Python is most of the work."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code = 0
    with environment.restored(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            cli.main(list(map(str, arguments)))
        except SystemExit as ended:
            code = int(ended.code or 0)
    printed = [stream.buffer.getvalue().decode() for stream in (output, errors)]
    return subprocess.CompletedProcess(arguments, code, *printed)


def copy_of_the_project(folder: pathlib.Path) -> pathlib.Path:
    """Copy the code and what `sae` reads beside it into a folder, to be edited there; return the folder."""
    for name in ("components", "pipeline", "sae"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pipeline_config.py", "pyproject.toml", "requirements.txt"):
        shutil.copy2(PROJECT / name, folder)
    return folder


QUICK_OPTIONS = ("--profile", "sample", *(word for setting in QUICK for word in ("--set", setting)))

# Variables that a run ignores: with the flags of XLA, for instance, TensorFlow would end the process.
IGNORED_VARIABLES = {
    "http_proxy": "http://127.0.0.1:9",
    "all_proxy": "http://127.0.0.1:9",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true --no_such_flag=1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "OMP_NUM_THREADS": "2",
}


@dataclasses.dataclass(frozen=True)
class SampleRun:
    """A run of the sample with `QUICK`, in which every node was executed. Its root is not to be changed.

    Attributes:
      root: pipeline root with this run alone; it was moved here.
      made: where the run was made, for the test of keys that contain places; no other test may read it.
      output, messages: what the command printed on standard output and on standard error.
      store: what `metadata_stores.kept` of the root's store.
      summary: the object on standard output.
    """

    root: pathlib.Path
    made: pathlib.Path
    output: str
    messages: str
    store: str

    @property
    def summary(self) -> Any:
        return json.loads(self.output)

    @property
    def run_id(self) -> str:
        return str(self.summary["run_id"])

    def copy(self, place: pathlib.Path) -> pathlib.Path:
        """Copy the root to a place that does not exist yet, to be changed there; return the place."""
        return _copy_root(self.root, place, self.store)


def _copy_root(root: pathlib.Path, place: pathlib.Path, store: str) -> pathlib.Path:
    shutil.copytree(root, place)
    copy = Root(place)
    metadata_stores.separate(copy, store)
    before = rewrite_moved_uris(copy)
    assert (before is None) == bool(copy.metadata_url())
    if before is not None:
        before.unlink()
    return place


@contextlib.contextmanager
def _shared_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[pathlib.Path]:
    """A folder that the processes of xdist share; one at a time has it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with open(shared / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared / name


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    """Made once, in a process of its own, by whichever of the processes that share the tests is the first to ask.

    Its folder and its variables may change nothing: what it makes is compared with runs in plain folders.
    """
    with _shared_folder(tmp_path_factory, "Größe und Maß") as folder:
        if not (folder / "output").exists():
            ended = sae("run", *QUICK_OPTIONS, "--json", "--root", folder / "made", environment=IGNORED_VARIABLES)
            assert ended.returncode == 0, ended.stderr
            made = metadata_stores.kept(Root(folder / "made"))
            copy = _copy_root(folder / "made", folder / "root", made)
            (folder / "store").write_text(metadata_stores.kept(Root(copy)), encoding="utf-8")
            (folder / "messages").write_text(ended.stderr, encoding="utf-8")
            (folder / "output").write_text(ended.stdout, encoding="utf-8")
    found = SampleRun(
        folder / "root",
        folder / "made",
        (folder / "output").read_text(encoding="utf-8"),
        (folder / "messages").read_text(encoding="utf-8"),
        (folder / "store").read_text(encoding="utf-8"),
    )
    assert {node["state"] for node in found.summary["nodes"]} == {"executed"}
    return found


@dataclasses.dataclass(frozen=True)
class ChangedRun:
    """Three runs: that of the sample; the same again; with `CHANGED`. Their root is not to be changed.

    Attributes:
      root: pipeline root with these runs.
      store: what `metadata_stores.kept` of the root's store.
      first: all executed.
      again: all cached.
      last: what depends on the training executed, the rest cached.
      plan: what was planned for the last.
    """

    root: pathlib.Path
    store: str
    first: SampleRun
    again: Summary
    last: Summary
    plan: plan.Plan

    def copy(self, place: pathlib.Path) -> pathlib.Path:
        """Copy the root to a place that does not exist yet, to be changed there; return the place."""
        return _copy_root(self.root, place, self.store)


# Another L1, and enough epochs to pass the gates of the profile.
CHANGED = ("training.epochs=5", "training.batch_size=38", "model.l1=1e-4")


@pytest.fixture(scope="session")
def changed(sample_run: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> ChangedRun:
    """Made once, like the run of the sample."""
    with _shared_folder(tmp_path_factory, "changed") as folder, environment.restored():
        if not (folder / "runs").exists():
            root = sample_run.copy(folder / "root")
            again = run_here(root, *QUICK)
            planned_last = planned(root, *CHANGED)
            last = run_here(root, *CHANGED)
            made = ChangedRun(root, metadata_stores.kept(Root(root)), sample_run, again, last, planned_last)
            (folder / "runs").write_bytes(pickle.dumps(made))
        found: ChangedRun = pickle.loads((folder / "runs").read_bytes())
    return found


def planned(root: pathlib.Path, *assignments: str, **options: Any) -> plan.Plan:
    """Plan a run; `options` are fields of `RunRequest`."""
    request = settings.Request(profile="sample", assignments=assignments, root=str(root))
    return plan.plan_run(RunRequest(PIPELINE, request, **options))


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
