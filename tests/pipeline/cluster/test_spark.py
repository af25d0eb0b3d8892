"""The programs of a Spark cluster, as they are started."""

from __future__ import annotations

import dataclasses
import http.server
import json
import pathlib
import threading
from collections.abc import Iterator

import pytest

from pipeline.cluster.engines import SPARK
from pipeline.cluster.plan import ClusterPlan, Ports, Slots, hosts_of_this_machine
from pipeline.cluster.spark import SparkPrograms

WORKERS = [
    {"state": "ALIVE", "cores": 2, "coresfree": 1},
    {"state": "ALIVE", "cores": 2, "coresfree": 2},
    {"state": "DEAD", "cores": 2, "coresfree": 2},
]


@pytest.fixture
def programs(tmp_path: pathlib.Path) -> SparkPrograms:
    jars = [tmp_path / folder / "a.jar" for folder in ("one", "two")]
    for jar in jars:
        jar.parent.mkdir()
        jar.write_text(jar.parent.name)
    (tmp_path / "cluster" / "work").mkdir(parents=True)
    plan = ClusterPlan(SPARK, tmp_path, tmp_path / "cluster", hosts_of_this_machine(2), 3, ports=Ports(rpc=7077))
    return SparkPrograms(plan, "java", jars)


def test_executors_have_all_jars_also_those_of_one_name(programs: SparkPrograms) -> None:
    home = pathlib.Path(programs.manager().environment["SPARK_HOME"])
    assert sorted(path.read_text() for path in (home / "jars").iterdir()) == ["one", "two"]


def test_each_host_has_its_own_address_and_worker(programs: SparkPrograms) -> None:
    for host, address in zip(programs.plan.hosts, ("127.0.0.11", "127.0.0.12"), strict=True):
        program = programs.host(host)
        assert program.command[-1] == programs.master == "spark://127.0.0.1:7077"
        assert program.command[program.command.index("--cores") + 1] == "3"
        assert program.environment["SPARK_LOCAL_IP"] == address
        names = pathlib.Path(program.environment["JAVA_TOOL_OPTIONS"].partition("=")[2]).read_text()
        assert f"{address} {address} sae-worker" in names.splitlines()


def test_one_host_needs_no_names(programs: SparkPrograms) -> None:
    alone = SparkPrograms(dataclasses.replace(programs.plan, hosts=hosts_of_this_machine(1)), "java", programs.jars)
    assert "JAVA_TOOL_OPTIONS" not in alone.host(alone.plan.hosts[0]).environment


@pytest.fixture
def page() -> Iterator[str]:
    """The address of a server that answers as Spark's master does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/json/"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"workers": WORKERS}).encode() if found else b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_slots_are_the_cores_of_workers_that_live(page: str) -> None:
    assert SparkPrograms.slots(page) == Slots(4, 3)
    assert SparkPrograms.slots(f"{page}/elsewhere") is None


def test_no_master_has_no_slots() -> None:
    assert SparkPrograms.slots("http://127.0.0.1:1") is None
