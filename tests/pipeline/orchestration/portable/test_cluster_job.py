"""The options of a job on a cluster, and what it tells the workers."""

from __future__ import annotations

import json
import pathlib

import pytest

from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import DEFAULT_PIPELINE, load
from pipeline.orchestration.portable import cluster_job
from pipeline.orchestration.portable.worker_identity import Identity, JobParameters
from pipeline_config import EngineConfig

PIPELINE = load(DEFAULT_PIPELINE)
IDENTITY = Identity("c0de", "10c4", "3.10.13", "9ac4")


def job(root: pathlib.Path, **engine: object) -> cluster_job.ClusterJob:
    return cluster_job.of_node(PIPELINE.nodes[0], EngineConfig(**engine), Root(root), "r1", IDENTITY)  # type: ignore[arg-type]


def options(found: cluster_job.ClusterJob) -> dict[str, str]:
    return {name: value for name, _, value in (flag.partition("=") for flag in found.flags)}


def test_the_settings_become_options_of_beam(tmp_path: pathlib.Path) -> None:
    found = options(job(tmp_path, runner="flink", parallelism=3, job_endpoint="h:1", worker_address="w:2"))
    assert (found["--parallelism"], found["--job_endpoint"], found["--environment_type"]) == ("3", "h:1", "EXTERNAL")
    environment = json.loads(found["--environment_config"])
    assert environment["url"] == "w:2"
    told = JobParameters.from_text(environment["params"]["sae"])
    assert (told.identity, told.node, told.logs) == (IDENTITY, "ExampleGen", str(tmp_path / "logs" / "r1.workers"))


def test_the_variables_are_those_of_the_run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")  # selects instructions: recorded
    monkeypatch.setenv("TF_XLA_FLAGS", "--x")  # ignored
    found = job(tmp_path, runner="flink", intra_op_threads=7).parameters.variables
    assert (found["TF_NUM_INTRAOP_THREADS"], found["ONEDNN_MAX_CPU_ISA"], found["OMP_NUM_THREADS"]) == (
        "7",
        "AVX2",
        "1",
    )
    assert "TF_XLA_FLAGS" not in found


def test_every_job_has_a_name_of_its_own(tmp_path: pathlib.Path) -> None:
    assert job(tmp_path, runner="flink").name != job(tmp_path, runner="flink").name


@pytest.mark.parametrize(
    ("runner", "given", "milliseconds"),
    [
        ("spark", "", "30000"),
        ("spark", "--environment_cache_millis=5", "5"),
        ("flink", "", "30000"),
    ],
)
def test_workers_stay_between_the_stages_of_a_job(
    tmp_path: pathlib.Path, runner: str, given: str, milliseconds: str
) -> None:
    found = options(job(tmp_path, runner=runner, beam_options=given))
    assert found.get("--environment_cache_millis") == milliseconds


def test_dataflow_gets_no_worker_of_ours(tmp_path: pathlib.Path) -> None:
    found = options(job(tmp_path, runner="dataflow", beam_options="--project=p"))
    assert sorted(found) == ["--job_name", "--project"]


@pytest.mark.parametrize("text", ["", "[]", '{"identity": 1}', '{"identity": {}, "variables": {}}', "{"])
def test_parameters_of_another_version_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        JobParameters.from_text(text)
