"""Measure how time and memory of each node grow with the number of examples, and with their size.

    make bench-growth ARGS="--times 10 --resident-mib 128"
    make bench-growth ARGS="--wide 100000 --resident-mib 1024"

The first runs on MNIST and on as many times its 70,000 pictures, made by seeded shifts. The second runs on pictures of
256x256 pixels that the training streams. Needs a prepared MNIST (TFDS_DATA_DIR). The time of a node is that of the
processor (user and system), which other users of the machine hardly change; its memory is the peak of the process while
the node ran. Both are read when the run reports that a node starts or ends, on Linux only.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import pathlib
import re
import tempfile
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import psutil
from PIL import Image

from benchmarks.measuring import NODE, SAE, SHARED, Options, measure

SPLITS = {"train": 50_000, "validation": 10_000, "test": 10_000}  # as in MNIST's profile
SHIFT = 2  # pixels, in each direction
WIDE = 256  # pixels of a side
STREAMED = ["training.epochs=1", "training.resident_mib=128"]
LEAST_SECONDS = 0.5  # of a node that is compared: the clock of a process is too coarse for less
Picture = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Cost:
    """Seconds of the processor, seconds by the clock, and the peak of the resident memory in MiB."""

    cpu: float
    wall: float
    peak: float


def shifted(pictures: Picture, times: int) -> Iterator[tuple[Picture, int]]:
    """Yield each picture `times` times with its place: as it is, then shifted by some pixels."""
    rng = np.random.default_rng(0)
    for time_ in range(times):
        for place, picture in enumerate(pictures):
            moved = rng.integers(-SHIFT, SHIFT + 1, 2) if time_ else (0, 0)
            yield np.roll(picture, moved, (0, 1)), place


def enlarged(pictures: Picture, count: int) -> Iterator[tuple[Picture, int]]:
    """Yield pictures of 256x256: 28x28 pixels of digits, enlarged eight times, at a place of their own."""
    rng = np.random.default_rng(0)
    for number in range(count):
        canvas = np.zeros((WIDE, WIDE), np.uint8)
        top, left = rng.integers(0, WIDE - 8 * 28 + 1, 2)
        canvas[top : top + 224, left : left + 224] = pictures[number % len(pictures)].repeat(8, 0).repeat(8, 1)
        yield canvas, number % len(pictures)


def prepare(folder: pathlib.Path, source: pathlib.Path, pictures_used: int, times: int, wide: int) -> None:
    """Write a data set in the form of TensorFlow Datasets, with the splits of MNIST's profile, into `folder`/growth."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    mnist = tfds.builder("mnist", data_dir=str(source))
    sizes = {split: size * (wide or pictures_used) // sum(SPLITS.values()) for split, size in SPLITS.items()}
    slices = {
        "train": f"train[:{min(sizes['train'], 50_000)}]",
        "validation": f"train[50000:{min(50_000 + sizes['validation'], 60_000)}]",
        "test": f"test[:{min(sizes['test'], 10_000)}]",
    }
    target = folder / "growth" / "1.0.0"
    target.mkdir(parents=True)
    infos = []
    for split, part in slices.items():
        records = list(tfds.as_numpy(mnist.as_dataset(part)))
        pictures = np.stack([record["image"][..., 0] for record in records])
        labels = [int(record["label"]) for record in records]
        made = enlarged(pictures, sizes[split]) if wide else shifted(pictures, times)
        count = size = 0
        path = target / f"growth-{split}.tfrecord-00000-of-00001"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for picture, place in made:
                file = io.BytesIO()
                Image.fromarray(picture).save(file, "PNG", compress_level=1)
                features = {
                    "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[file.getvalue()])),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[labels[place]])),
                }
                record = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
                writer.write(record)
                count, size = count + 1, size + len(record)
        infos.append(tfds.core.SplitInfo(name=split, shard_lengths=[count], num_bytes=size))
        print(f"{split}: {count:,} pictures, {size / 2**20:,.0f} MiB", flush=True)
    side = WIDE if wide else 28
    tfds.folder_dataset.write_metadata(
        data_dir=str(target),
        features=tfds.features.FeaturesDict(
            {"image": tfds.features.Image(shape=(side, side, 1)), "label": tfds.features.ClassLabel(num_classes=10)}
        ),
        split_infos=infos,
        filename_template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    )


def run(data_dir: pathlib.Path, settings: list[str], to_node: str | None) -> dict[str, Cost]:
    """Run the pipeline, up to a node, in a process of its own and return the cost of each node."""
    costs: dict[str, Cost] = {}
    begun = (0.0, 0.0)

    def watch(process: int, line: str) -> None:
        nonlocal begun
        if not (found := NODE.match(line)):
            return
        now = (sum(psutil.Process(process).cpu_times()[:4]), time.monotonic())  # with those of ended child processes
        if found[2] == "started":
            begun = now
            pathlib.Path(f"/proc/{process}/clear_refs").write_text("5")  # forget the peak
        else:
            peak = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{process}/status").read_text())
            assert peak is not None
            costs[found[1]] = Cost(now[0] - begun[0], now[1] - begun[1], int(peak[1]) / 1024)

    with tempfile.TemporaryDirectory(prefix="sae-growth-root-", dir=data_dir) as root:
        command = [*SAE, "run", "--json", "--root", root]
        for setting in ("data.dataset=growth", f"data.data_dir={data_dir}", *settings):
            command += ["--set", setting]
        command += ["--to-node", to_node] if to_node else []
        measure(command, on_line=watch, exit_codes=(0, 4))  # 4: one epoch may be too few for the gates
    return costs


def measured(
    work: pathlib.Path,
    source: pathlib.Path,
    pictures: int,
    times: int,
    wide: int,
    settings: list[str],
    to_node: str | None = None,
) -> dict[str, Cost]:
    """Prepare a data set, run on it, print the cost of each node and return it."""
    with tempfile.TemporaryDirectory(prefix="sae-growth-", dir=work) as folder:
        prepare(pathlib.Path(folder), source, pictures, times, wide)
        costs = run(pathlib.Path(folder), settings, to_node)
    for node, cost in costs.items():
        print(f"{node:<18} {cost.cpu:8.1f} s of the processor {cost.wall:8.1f} s {cost.peak:8,.0f} MiB", flush=True)
    return costs


def growth(options: Options) -> dict[str, list[float]]:
    """Compare ten times the pictures with the pictures once, both streamed: each node, and the largest ratio."""
    options.environment()  # fails without MNIST
    one, many = (
        measured(options.folder, options.data_dir, options.sizes.pictures, times, 0, STREAMED) for times in (1, 10)
    )
    nodes = [node for node in one if many[node].cpu >= LEAST_SECONDS]
    seconds = {node: many[node].cpu / max(one[node].cpu, 0.01) for node in nodes}
    memory = {node: many[node].peak / one[node].peak for node in nodes}
    return {
        "growth_time": [max(seconds.values())],
        "growth_memory": [max(memory.values())],
        **{f"growth_time/{node}": [ratio] for node, ratio in seconds.items()},
        **{f"growth_memory/{node}": [ratio] for node, ratio in memory.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=70_000, help="how many of MNIST (default all, 70,000)")
    parser.add_argument("--times", type=int, default=10, help="how many times as many (default 10)")
    parser.add_argument("--wide", type=int, default=0, help="number of pictures of 256x256, instead")
    parser.add_argument("--resident-mib", type=int, help="training.resident_mib (default that of the profile)")
    parser.add_argument("--hidden-units", type=int, default=256, help="model.hidden_layers with --wide (default 256)")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--to-node", help="the last node to run (default all)")
    parser.add_argument("--folder", type=pathlib.Path, default=tempfile.gettempdir(), help="for data and roots")
    arguments = parser.parse_args()
    source = pathlib.Path(os.environ.get("TFDS_DATA_DIR", SHARED / "data" / "tensorflow_datasets")).resolve()
    if not (source / "mnist").exists():
        print(f"skipped: it needs {source / 'mnist'} (set TFDS_DATA_DIR)")
        return
    settings = [f"training.epochs={arguments.epochs}"]
    if arguments.resident_mib:
        settings.append(f"training.resident_mib={arguments.resident_mib}")
    if arguments.wide:
        measured(
            arguments.folder, source, 0, 1, arguments.wide, [*settings, f"model.hidden_layers={arguments.hidden_units}"]
        )
        return
    one, many = (
        measured(arguments.folder, source, arguments.pictures, times, 0, settings, arguments.to_node)
        for times in (1, arguments.times)
    )
    print(f"{'':<18} {'processor, s':>24} {'ratio':>6} {'peak memory, MiB':>18} {'ratio':>6}")
    for node in one:
        a, b = one[node], many[node]
        times_, memory = f"{a.cpu:.1f}, {b.cpu:.1f}", f"{a.peak:,.0f}, {b.peak:,.0f}"
        print(
            f"{node:<18} {times_:>24} {b.cpu / max(a.cpu, 0.01):6.1f} {memory:>18} {b.peak / a.peak:6.2f}", flush=True
        )


if __name__ == "__main__":
    main()
