"""`sae verify`: a run made again elsewhere, and what is said when it comes out otherwise."""

from __future__ import annotations

import fcntl
import json
import pathlib
import re
import shutil
import subprocess
import sys

import psutil
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from pipeline.metadata import root_store
from pipeline.metadata.store import open_store
from tests import PROJECT
from tests.e2e.conftest import QUICK, SampleRun, copy_of_the_project, planned, sae, sae_here


@pytest.fixture(scope="module")
def root(sample_run: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return sample_run.copy(tmp_path_factory.mktemp("verify") / "root")


@pytest.fixture(scope="module")
def run_id(sample_run: SampleRun) -> str:
    return sample_run.run_id


def tree(folder: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    """Times and bytes of every file in it."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def verified(root: pathlib.Path, run_id: str) -> subprocess.CompletedProcess[str]:
    """`sae verify` of the whole run, on one processor, with another locale and umask than the run had.

    No proxy may come between the rerun and its two Beam workers.
    """
    (root / "scratch" / "left by one that was killed").mkdir(parents=True)
    before = tree(root / "artifacts")
    narrow = ("taskset", "--cpu-list", "0", "sh", "-c", 'umask 077; exec "$@"', "sh")
    locale = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}
    proxies = dict.fromkeys(("http_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = sae("verify", "latest", "--root", root, before=narrow, environment={**locale, **proxies})
    assert tree(root / "artifacts") == before
    return done


def test_a_run_made_again_in_other_surroundings_is_the_same(
    verified: subprocess.CompletedProcess[str], run_id: str
) -> None:
    assert verified.returncode == 0, verified.stdout + verified.stderr
    *artifacts, verdict = verified.stdout.splitlines()
    assert verdict.startswith(f"run {run_id} verified: 13 artifacts")
    assert len([line for line in artifacts if line[:1] != " "]) >= 12
    assert "different" not in verified.stdout
    # What holds paths, times or numbered functions cannot be the same bytes; what is data alone is.
    assert "ExampleGen examples           identical bytes" in verified.stdout
    assert "Trainer model                 same content, other bytes" in verified.stdout


def test_every_output_has_a_content_digest_of_its_own_kind(sample_run: SampleRun) -> None:
    store = open_store(Root(sample_run.root))
    executions = store.executions(sample_run.run_id)
    contents = [output.content for one in executions.values() for output in store.outputs(one.id).values()]
    kinds = {content.partition(":")[0].rpartition("-")[0] for content in contents}
    assert len(contents) == 15
    assert len(kinds) == 14  # the scores of both probes are of one
    assert "raw" not in kinds


def test_it_says_first_what_differs_and_what_it_changes_on_purpose(
    verified: subprocess.CompletedProcess[str], run_id: str
) -> None:
    first, second, *_ = verified.stderr.splitlines()
    assert first == f"run {run_id}: code, data, configuration, packages and processor are as recorded"
    assert "with 2 Beam workers instead of 1, with another hash seed and time zone" in second


def test_nothing_is_left_of_the_scratch_root(verified: subprocess.CompletedProcess[str], root: pathlib.Path) -> None:
    assert not (root / "scratch").exists()


def test_the_verdict_is_an_artifact_linked_to_the_run_and_to_what_was_compared(
    verified: subprocess.CompletedProcess[str], root: pathlib.Path, run_id: str
) -> None:
    store = root_store.of(Root(root)).connect()
    [verdict] = store.get_artifacts_by_type("Verification")
    content = json.loads((pathlib.Path(verdict.uri) / "verdict.json").read_text())
    assert (content["run_id"], content["verified"], len(content["artifacts"])) == (run_id, True, 13)
    assert verdict.custom_properties["verified"].int_value == 1
    [made] = store.get_events_by_artifact_ids([verdict.id])
    assert [context.name for context in store.get_contexts_by_execution(made.execution_id)] == [run_id]
    events = store.get_events_by_execution_ids([made.execution_id])
    compared = {event.artifact_id for event in events if event.type == pb.Event.INPUT}
    assert compared == {artifact["artifact_id"] for artifact in content["artifacts"]}
    # It is no node of the run.
    assert len(open_store(Root(root)).executions(run_id)) == 14


def test_a_missing_seed_is_found_and_the_changed_code_and_the_tensor_that_differs_are_named(
    root: pathlib.Path, run_id: str, tmp_path: pathlib.Path
) -> None:
    project = copy_of_the_project(tmp_path / "project")
    module = project / "components" / "model" / "autoencoder.py"
    text = module.read_text()
    assert text.count("GlorotUniform(seed=seeds.pop(0))") == 1
    module.write_text(text.replace("GlorotUniform(seed=seeds.pop(0))", "GlorotUniform()"))
    done = sae("verify", run_id, "--node", "Trainer", "--root", root, project=project)
    assert done.returncode == ExitCode.GATE_FAILED, done.stderr
    assert "components/model/autoencoder.py" in done.stderr
    assert "moved" not in done.stderr  # the scratch root is a copy
    assert [line.split()[0] for line in done.stderr.splitlines() if " started" in line] == ["Trainer"]
    assert "Evaluator, PushGate, Report, Trainer" in done.stderr
    model, model_run, _, verdict, next_step = done.stdout.splitlines()
    assert model.split()[:4] == ["Trainer", "model", "different:", "tensor"]
    assert model_run.split()[:3] == ["Trainer", "model_run", "different:"]
    assert run_id in verdict
    assert "NOT verified" in verdict
    assert next_step.startswith("next: the code is not that of the run: ")
    assert next_step.endswith(", then verify again")


def test_a_manifest_that_is_not_the_run_s_is_refused(root: pathlib.Path, run_id: str) -> None:
    path = root / "manifests" / f"{run_id}.json"
    content = path.read_text()
    try:
        path.write_text(content.replace('"training.epochs": 2', '"training.epochs": 3'))
        done = sae_here("verify", run_id, "--root", root)
    finally:
        path.write_text(content)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert run_id in done.stderr


def test_a_misspelt_run_and_a_misspelt_node_are_not_found(root: pathlib.Path, run_id: str) -> None:
    done = sae_here("verify", run_id[:-1] + "x", "--root", root)
    assert (done.returncode, done.stdout) == (ExitCode.NOT_FOUND, "")
    assert run_id in done.stderr
    done = sae_here("verify", run_id, "--node", "Trainr", "--root", root)
    assert done.returncode == ExitCode.NOT_FOUND
    assert re.search(r"--node Trainr\b.*\bTrainer\b", done.stderr)


def test_the_rerun_ends_when_its_command_is_killed(root: pathlib.Path, run_id: str) -> None:
    command = [sys.executable, "-m", "pipeline", "verify", run_id, "--node", "Report", "--root", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=PROJECT)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("loading TensorFlow"):
            break
    children = psutil.Process(process.pid).children(recursive=True)
    assert any("run" in child.cmdline() for child in children)
    process.kill()
    process.wait()
    process.stderr.close()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert children
    assert not alive


def test_a_root_that_a_run_holds_is_not_verified(root: pathlib.Path, run_id: str) -> None:
    with open(root / "lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sae_here("verify", run_id, "--root", root).returncode == ExitCode.LOCKED


def test_what_is_gone_is_made_again_with_what_it_takes_and_is_a_hit(root: pathlib.Path, run_id: str) -> None:
    store = open_store(Root(root))
    executions = store.executions(run_id)
    gone = [
        store.outputs(executions[node].id)[key]
        for node, key in (("SchemaGen", "schema"), ("ExampleValidator", "anomalies"))
    ]
    for output in gone:
        shutil.rmtree(output.uri)
    done = sae_here("restore", str(gone[1].id), "--root", root, "--json")
    assert done.returncode == 0, done.stderr
    restored = {one["output"]: one["content"] for one in json.loads(done.stdout)["restored"]}
    assert restored == {"schema": gone[0].content, "anomalies": gone[1].content}
    assert {node.verdict for node in planned(root, *QUICK, all_bytes=True).nodes} == {"cached"}
