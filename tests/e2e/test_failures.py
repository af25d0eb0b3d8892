"""What breaks a run: locks, signals, full disks, damaged stores. The command in a process of its own."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from pipeline import cli
from pipeline.artifacts import previews
from pipeline.artifacts.sections import Preview
from pipeline.core import event_log
from pipeline.core.errors import ExitCode
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import open_store
from tests import environment, metadata_stores
from tests.e2e.conftest import PROJECT, QUICK, QUICK_OPTIONS, SampleRun, planned, run_here, states
from tests.e2e.test_previews import headline_in


def start(root: pathlib.Path, *arguments: str) -> subprocess.Popen[str]:
    metadata_stores.give_first_run(root)
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", "--profile", "sample", "--root", str(root), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """Reads standard error up to the line that holds `words`."""
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if words in line:
            return read
    raise AssertionError(f"{words!r} never came:\n{read}")


def workers_of(process: int) -> list[psutil.Process]:
    """Beam's processes of a run that are there by now: the one that forks workers, and these."""
    commands = {one: one.as_dict(["cmdline"])["cmdline"] or () for one in psutil.Process(process).children(True)}
    return [one for one, words in commands.items() if any("beam_worker" in word for word in words)]


def test_a_closed_terminal_cancels_the_run_and_ends_beam_s_worker_processes(tmp_path: pathlib.Path) -> None:
    root = tmp_path / "root"
    metadata_stores.give_first_run(root)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(PROJECT)
        options = ("--profile", "sample", "--root", str(root), "--set", "engine.beam_workers=2")
        os.execv(sys.executable, [sys.executable, "-m", "pipeline", "run", *options])
    while not (workers := workers_of(process)):
        os.read(terminal, 65_536)  # raises OSError if the run has ended
    os.close(terminal)  # sends SIGHUP, and no more can be written
    deadline = time.monotonic() + 60
    while (ended := os.waitpid(process, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.1)
    assert os.waitstatus_to_exitcode(ended[1]) == 130
    store = open_store(Root(root))
    assert headline_in(root, store.run_ids()[0]).state == "cancelled"
    assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]


def test_json_is_one_object_on_standard_output_and_events_are_lines_on_standard_error(sample_run: SampleRun) -> None:
    summary = json.loads(sample_run.output)
    assert summary["schema_version"] == 2
    assert summary["state"] == "succeeded"
    assert {"run_id", "dataset", "nodes", "metrics", "blessed", "report"} <= set(summary)
    assert {"test_bce", "test_mse", "active_units", "dead_units"} <= set(summary["metrics"])
    assert {"id", "state", "seconds"} <= set(summary["nodes"][0])
    lines = sample_run.messages.splitlines()
    assert sum(line.startswith("Trainer epoch ") for line in lines) == 2
    assert "Trainer started (it never ran in this root)" in lines
    # TensorFlow's, Beam's and absl's own words are in the log, and only there.
    assert not [line for line in lines if "tensorflow" in line.lower() and "loading" not in line]
    assert "absl" in (sample_run.root / "logs" / f"{sample_run.run_id}.log").read_text()


def test_a_signal_ends_the_run_and_leaves_nothing_half_written(tmp_path: pathlib.Path, sample_run: SampleRun) -> None:
    root = sample_run.copy(tmp_path / "root")
    # Runs ExampleGen again; what follows until the Trainer is cached.
    settings = ("data.shard_examples=1000", *QUICK, "training.epochs=100000")
    process = start(root, *(word for one in settings for word in ("--set", one)))
    wait_for(process, "epoch 2/")
    store = open_store(Root(root))
    run_id = store.run_ids()[0]
    preview = root / "previews" / "Trainer" / "model" / str(store.executions(run_id)["Trainer"].id)
    previews.write(preview, "Model", Preview("model", ()), {})  # as if the Trainer had written it by now
    process.send_signal(signal.SIGINT)
    output, messages = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Trainer cancelled" in messages
    assert output == ""

    executions = store.executions(run_id)
    assert executions["Trainer"].state == NodeState.CANCELLED
    assert executions["Transform"].state == NodeState.CACHED
    assert store.outputs(executions["Trainer"].id) == {}
    [_] = (root / "artifacts" / "Trainer" / "model").iterdir()  # the earlier run's

    assert not preview.exists()
    headline = headline_in(root, run_id)
    assert (headline.state, headline.error) == ("cancelled", None)
    assert (headline.executed, headline.cached) == (1, 5)
    assert headline.seconds
    warnings = [one.event.text for one in event_log.read(root, run_id) if getattr(one.event, "warning", False)]
    assert any("Trainer cancelled" in text for text in warnings)

    verdicts = {line.node: line.verdict for line in planned(root, *settings).nodes}
    assert {node: verdicts[node] for node in ("ExampleGen", "Transform", "Trainer")} == {
        "ExampleGen": "cached", "Transform": "cached", "Trainer": "run",
    }  # fmt: skip


def test_a_killed_worker_process_fails_its_node_and_one_process_can_do_the_work(
    tmp_path: pathlib.Path, sample_run: SampleRun
) -> None:
    root = sample_run.copy(tmp_path / "root")
    files = (*QUICK, "data.shard_examples=1000")  # what is read from them is the same

    def kill() -> None:
        while not (workers := workers_of(os.getpid())):
            time.sleep(0.05)
        workers[0].kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    failed = run_here(root, *files, "engine.beam_workers=2")
    killer.join()
    assert failed.exit_code == ExitCode.NODE_FAILED
    assert states(failed)["ExampleGen"] == "failed"
    assert failed.error.startswith("ExampleGen: ")
    assert "SIGKILL" in failed.error
    again = run_here(root, *files, to_node="Transform")
    assert again.exit_code == 0
    assert {node for node, state in states(again).items() if state == "executed"} == {"ExampleGen"}


def test_variables_that_are_ignored_are_named_once(sample_run: SampleRun) -> None:
    """That they change nothing is asserted where runs are compared with that of the sample, which had them."""
    [warning] = [line for line in sample_run.messages.splitlines() if "XLA_FLAGS" in line]
    for name in ("TF_ENABLE_ONEDNN_OPTS=0", "OMP_NUM_THREADS=2"):
        assert name in warning


def test_a_full_disk_is_one_line_and_leaves_earlier_artifacts(
    tmp_path: pathlib.Path, sample_run: SampleRun, capfd: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        root = sample_run.copy(disk / "root")
        before = set((root / "artifacts").rglob("*.tfrecord"))
        with open(disk / "ballast", "wb", buffering=0) as file:
            while True:
                try:
                    file.write(b"\0" * 65536)
                except OSError:
                    break
        os.truncate(disk / "ballast", (disk / "ballast").stat().st_size - 400_000)
        with environment.restored(), pytest.raises(SystemExit) as ended:
            cli.main(["run", "--root", str(root), *QUICK_OPTIONS, "--set", "model.l1=0.002"])
        assert ended.value.code in (1, 6)
        output, messages = capfd.readouterr()
        assert "No space left on device" in output + messages
        assert "Traceback" not in messages
        (disk / "ballast").unlink()
        assert set((root / "artifacts").rglob("*.tfrecord")) == before
        verdicts = {line.node: line.verdict for line in planned(root, *QUICK, "model.l1=0.002").nodes}
        assert (verdicts["ExampleGen"], verdicts["Trainer"]) == ("cached", "run")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
