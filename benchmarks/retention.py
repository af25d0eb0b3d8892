"""A simulated year: a blessed run each night on other data, `sae gc --yes` after each. Is the root ever too large?

    .venv/bin/python -m benchmarks.retention

The runs are written as a run writes them, with files of a size that is made up, which takes minutes. Exits with 1 when
the root was larger than the policy allows after any night.
"""

from __future__ import annotations

import argparse
import datetime
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

from pipeline.maintenance import fsck, gc
from pipeline.maintenance.gc import sizes
from pipeline_config import RetentionConfig
from tests.pipeline.recorded import Recorded

_MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=365, help="how many (default 365)")
    parser.add_argument("--kib", type=int, default=200, help="KiB of each artifact (default 200)")
    parser.add_argument("--max-mib", type=int, default=64, help="the policy's limit (default 64)")
    arguments = parser.parse_args()
    policy = RetentionConfig(max_mib=arguments.max_mib)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sae-bench-"))
    try:
        recorded = Recorded(folder)
        recorded.bytes = arguments.kib * 1024
        largest, written, seconds = 0, 0, []
        for night in range(arguments.nights):
            day = datetime.datetime(2026, 1, 1, 3) + datetime.timedelta(days=night)
            (recorded.data / "mnist-train.tfrecord").write_text(f"images of {day}")
            before = sum(sizes.by_directory(recorded.root.path).values())
            recorded.run(day.strftime("%Y%m%d-%H%M%S"))
            written += sum(sizes.by_directory(recorded.root.path).values()) - before
            begun = time.monotonic()
            found = gc.apply(recorded.root, policy)
            seconds.append(time.monotonic() - begun)
            size = sum(sizes.by_directory(recorded.root.path).values())
            largest = max(largest, size)
            if night % 30 == 29 or night == arguments.nights - 1:
                print(f"night {night + 1}: {size / _MIB:.1f} MiB, kept {len(found.kept)} runs", flush=True)
        damaged = fsck.check(recorded.root).damaged
        metadata = recorded.root.metadata.stat().st_size
        print(f"written in all {written / _MIB:.0f} MiB, largest root {largest / _MIB:.1f} of {arguments.max_mib} MiB")
        print(f"ML Metadata {metadata / _MIB:.1f} MiB, damaged artifacts {damaged}")
        print(f"a collection: {statistics.median(seconds[-30:]):.2f} s, the first nights {seconds[0]:.2f} s")
    finally:
        shutil.rmtree(folder)
    if largest > arguments.max_mib * _MIB or damaged:
        sys.exit(1)


if __name__ == "__main__":
    main()
