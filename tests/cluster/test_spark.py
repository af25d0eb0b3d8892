"""A small job and the sample on a Spark cluster of two hosts with networks of their own."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.core.errors import ExitCode
from tests.cluster import sample_runs, small_job
from tests.cluster.conftest import HostCluster
from tests.cluster.sample_runs import BEAM_NODES, MANY_FILES, SECONDS, Digests, digests, ended

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # programs run on when their starter is forgotten
]


def test_both_hosts_work(spark_hosts: HostCluster, tmp_path: pathlib.Path) -> None:
    with small_job.start(spark_hosts.cluster.settings, tmp_path, "spark", 0.02) as job:
        assert job.wait(SECONDS) == ExitCode.DONE
    assert small_job.sums(tmp_path) == small_job.SUMS
    assert len({path.read_text() for path in tmp_path.glob("began-*")}) == 2
    log = pathlib.Path(spark_hosts.cluster.folder, "logs", "jobserver.log").read_text()
    assert log.count("Added JAR") == 1  # the one that names the others


def test_the_digests_are_those_of_one_machine(
    spark_hosts: HostCluster, of_one_machine: Digests, tmp_path: pathlib.Path
) -> None:
    run_id = ended(sample_runs.start(tmp_path / "root", {**MANY_FILES, **spark_hosts.cluster.settings}))
    assert digests(tmp_path / "root", run_id) == of_one_machine
    for node in BEAM_NODES:
        # A log is named after the host and the process of its `sae worker`.
        assert len({path.name.rsplit("-", 2)[0] for path in sample_runs.work_logs(tmp_path / "root", node)}) == 2
