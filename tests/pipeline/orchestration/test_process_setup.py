"""What a run does to its own process: environment, temporary files, output."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

import pipeline_config
from pipeline.core.pipeline_root import Root
from pipeline.orchestration import process_setup
from tests import PROJECT


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A copy of the environment that `set_environment` may change."""
    copy = dict(os.environ)
    monkeypatch.setattr(os, "environ", copy)
    monkeypatch.setattr(process_setup.tempfile, "tempdir", process_setup.tempfile.tempdir)
    return copy


def test_threads_are_those_of_the_configuration(root: Root, environment: dict[str, str]) -> None:
    process_setup.set_environment(root, pipeline_config.EngineConfig(intra_op_threads=3, inter_op_threads=5))
    assert environment["TF_NUM_INTRAOP_THREADS"] == "3"
    assert environment["TF_NUM_INTEROP_THREADS"] == "5"


def test_numpy_computes_with_one_thread_as_it_would_take_fewer_than_told_where_cores_are_few(
    root: Root, environment: dict[str, str]
) -> None:
    process_setup.set_environment(root, pipeline_config.EngineConfig(intra_op_threads=3))
    assert environment["OPENBLAS_NUM_THREADS"] == environment["OMP_NUM_THREADS"] == "1"


def test_caches_and_temporary_files_go_below_the_root(root: Root, environment: dict[str, str]) -> None:
    process_setup.set_environment(root, pipeline_config.EngineConfig())
    for name in ("TMPDIR", "MPLCONFIGDIR", "KERAS_HOME"):
        assert pathlib.Path(environment[name]).is_relative_to(root.path), name


def test_an_empty_data_folder_is_none(root: Root, environment: dict[str, str]) -> None:
    environment["TFDS_DATA_DIR"] = ""
    process_setup.set_environment(root, pipeline_config.EngineConfig())
    assert "TFDS_DATA_DIR" not in environment


def test_a_variable_that_changes_results_is_removed_and_returned(root: Root, environment: dict[str, str]) -> None:
    environment |= {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true", "OMP_NUM_THREADS": "8", "TF_CPP_VMODULE": "x=1"}
    ignored = process_setup.set_environment(root, pipeline_config.EngineConfig())
    assert ignored["XLA_FLAGS"] == "--xla_cpu_enable_fast_math=true"
    assert ignored["OMP_NUM_THREADS"] == "8"
    assert (environment.get("XLA_FLAGS"), environment["OMP_NUM_THREADS"]) == (None, "1")
    assert environment["TF_CPP_VMODULE"] == "x=1"
    assert process_setup.set_environment(root, pipeline_config.EngineConfig()) == {}


@pytest.mark.parametrize(
    ("given", "hosts"),
    [({}, []), ({"no_proxy": "a.org, b.org"}, ["a.org", "b.org"]), ({"NO_PROXY": "localhost,a.org"}, ["a.org"]),
     ({"no_proxy": "a.org", "no_grpc_proxy": "c.org"}, ["a.org"])],
)  # fmt: skip
def test_this_machine_is_never_reached_through_a_proxy(
    root: Root, environment: dict[str, str], given: dict[str, str], hosts: list[str]
) -> None:
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        environment.pop(name, None)
    environment |= given
    for _ in range(2):
        process_setup.set_environment(root, pipeline_config.EngineConfig())
        for name in ("no_proxy", "NO_PROXY"):
            entries = environment[name].split(",")
            assert len(entries) == len(set(entries))
            assert set(entries) == {*hosts, "localhost", "127.0.0.1", "::1"}
    if "no_grpc_proxy" in given:
        assert environment["no_grpc_proxy"].split(",") == ["c.org", "localhost", "127.0.0.1", "::1"]


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({"runner": "flink", "job_endpoint": "10.0.0.7:8099"}, "10.0.0.7"),
        ({"runner": "portable", "job_endpoint": "[2001:db8::7]:8099"}, "2001:db8::7"),
        ({"runner": "local", "job_endpoint": "10.0.0.7:8099"}, None),
        ({"runner": "dataflow", "job_endpoint": "10.0.0.7:8099"}, None),
    ],
)
def test_the_job_server_of_a_cluster_is_never_reached_through_a_proxy(
    root: Root, environment: dict[str, str], settings: dict[str, str], host: str | None
) -> None:
    environment |= {"no_proxy": "a.org", "no_grpc_proxy": "c.org"}
    process_setup.set_environment(root, pipeline_config.EngineConfig(**settings))  # type: ignore[arg-type]
    expected = ["localhost", "127.0.0.1", "::1", *([host] if host else [])]
    assert environment["no_proxy"].split(",") == ["a.org", *expected]
    assert environment["no_grpc_proxy"].split(",") == ["c.org", *expected]


def test_numpy_and_tensorflow_are_imported_after_the_environment_is_set() -> None:
    script = """
import sys
from pipeline.cli import run
print(sorted({"numpy", "tensorflow", "apache_beam"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"


def test_temporary_files_are_removed_and_the_folder_stays(root: Root) -> None:
    (root.temporary / "folder").mkdir()
    (root.temporary / "folder" / "file").touch()
    process_setup.clear_temporary(root)
    assert list(root.temporary.iterdir()) == []


def test_what_python_and_c_write_goes_to_the_log_and_comes_back(tmp_path: pathlib.Path) -> None:
    script = f"""
import os, pathlib, sys
from pipeline.orchestration import process_setup as process
print("before")
with process.output_to(pathlib.Path({str(tmp_path / "log")!r})) as (out, err):
    print("from Python")
    os.system("echo from another process; echo and its errors >&2")
    print("to the reader", file=out)
    print("to the reader's errors", file=err)
print("after")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=True,
    )
    assert done.stdout.splitlines() == ["before", "to the reader", "after"]
    assert done.stderr.splitlines() == ["to the reader's errors"]
    assert sorted((tmp_path / "log").read_text().splitlines()) == [
        "and its errors",
        "from Python",
        "from another process",
    ]
