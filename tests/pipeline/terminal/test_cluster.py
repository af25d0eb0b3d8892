"""Text of `sae cluster`."""

import pathlib

from pipeline.cluster.local import LocalCluster, ProgramStatus, Status
from pipeline.core.suggestions import Selection
from pipeline.terminal import cluster as cluster_text


def test_the_command_for_a_cluster_can_be_pasted(tmp_path: pathlib.Path) -> None:
    cluster = LocalCluster(
        "flink", "1.19.0", str(tmp_path), "2026-11-28T03:18:44+00:00", 1, 2,
        "127.0.0.1:8081", "http://127.0.0.1:8081", "127.0.0.1:8099", "localhost:50000",
    )  # fmt: skip
    program = ProgramStatus("jobserver", "127.0.0.1:8099", 7, "runs", "a.log")
    found = Status(cluster, (program,), 2, 1, cluster.settings, "")
    selected = Selection(program="/a/sae", pipeline="m:P")
    last = cluster_text.status(found, selected).splitlines()[-1].strip()
    assert last.startswith("/a/sae --pipeline m:P run --set engine.runner=flink ")
    assert last.endswith("--set engine.parallelism=2")
