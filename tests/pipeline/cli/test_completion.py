"""Shell completion."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete

from pipeline import cli
from pipeline.cli import completion, entry
from pipeline.core.errors import ExitCode
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests import PROJECT
from tests.golden import store
from tests.golden.store import FAILED, FIRST, SECOND


@pytest.fixture(autouse=True)
def root(recorded, monkeypatch):
    monkeypatch.setenv("SAE_ROOT", str(recorded.root.path))


def offered(*words):
    """What is offered for the last word."""
    *before, incomplete = words
    complete = ShellComplete(cli.sae, {}, "sae", "_SAE_COMPLETE")
    return [item.value for item in complete.get_completions(list(before), incomplete)]


@pytest.mark.parametrize("command", ["show", "why", "verify", "logs", "open", "diff"])
def test_runs_are_completed_newest_first(command):
    assert offered(command, "") == ["latest", FAILED, SECOND, FIRST]
    assert offered(command, "20261123-1[") == []
    assert offered(command, FIRST[:-1]) == [FIRST]


def test_the_second_run_of_diff_is_completed_too():
    assert offered("diff", FIRST, "l") == ["latest"]
    assert offered("artifacts", "--run", "l") == ["latest"]
    assert offered("run", "--base", "l") == ["latest"]


def test_nodes_are_completed_ignoring_case():
    assert offered("logs", FIRST, "t") == ["Transform", "Trainer"]
    assert offered("why", FIRST, "") == list(PIPELINE.names)
    assert offered("artifacts", "--node", "Ex") == ["ExampleGen", "ExampleValidator"]
    assert offered("plan", "--from-node", "Push") == ["PushGate", "Pusher"]


def test_artifacts_are_completed_by_id_and_by_node(recorded):
    newest = max(one.id for one in recorded.writer.store.get_artifacts())
    assert offered("artifact", "")[:2] == [str(newest), str(newest - 1)]
    assert offered("lineage", "latest:Tr") == ["latest:Trainer", "latest:Transform"]


def test_types_columns_states_and_profiles_are_completed():
    assert offered("artifacts", "--type", "model") == ["Model", "ModelBlessing", "ModelEvaluation", "ModelRun"]
    assert offered("runs", "--sort", "te") == ["test_bce", "test_mse"]
    assert offered("runs", "--sort", "training.e") == ["training.epochs"]
    assert offered("runs", "--state", "f") == ["failed"]
    assert offered("run", "--profile", "s") == ["sample", "sample_sparse", "sample_overcomplete"]


def test_completion_reads_the_given_root_or_store(recorded, tmp_path):
    other = store.Recorded(tmp_path)
    other.writer.execution("theirs", "TheirNode", 3)
    assert offered("show", "--root", str(other.root.path), "") == ["latest", "theirs"]
    assert offered("show", "--metadata", str(other.root.metadata), "t") == ["theirs"]
    assert offered("logs", "--metadata", str(other.root.metadata), "theirs", "") == ["TheirNode"]


def test_completion_without_a_store_offers_and_prints_nothing(tmp_path, capfd):
    damaged = tmp_path / "metadata.sqlite"
    damaged.write_bytes(b"not a database" * 100)
    assert offered("show", "--root", str(tmp_path / "none"), "") == []
    assert offered("show", "--metadata", str(damaged), "") == []
    assert offered("show", "--metadata", "postgresql://nobody@127.0.0.1:1/none", "") == []
    assert offered("artifacts", "--root", str(tmp_path), "--type", "") == []
    assert capfd.readouterr() == ("", "")


def test_output_of_libraries_is_dropped(capfd):
    @completion._safe
    def loud(ctx):
        os.write(2, b"from a library")
        raise RuntimeError("in between")
        yield

    assert loud(click.Context(cli.sae), cli.sae.params[0], "") == []
    os.write(2, b"after it")
    assert capfd.readouterr().err == "after it"


def test_ids_with_control_characters_are_not_offered(tmp_path):
    other = store.Recorded(tmp_path)
    other.writer.execution("r\x1b[2J", "Trainer", 3)
    assert offered("show", "--root", str(other.root.path), "r") == []


def test_the_shell_completes_folders():
    items = ShellComplete(cli.sae, {}, "sae", "_SAE_COMPLETE").get_completions(["show", "--root"], "/tm")
    assert [(item.value, item.type) for item in items] == [("/tm", "dir")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_format(shell):
    code = "from pipeline.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "_SAE_COMPLETE": f"{shell}_complete",
                   "COMP_WORDS": "sae show 20261123-1430", "COMP_CWORD": "2"}  # fmt: skip
    if shell == "fish":
        environment["COMP_CWORD"] = "20261123-1430"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert FIRST in done.stdout
    assert FAILED not in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "variables",
    [
        {"_SAE_COMPLETE": "bash_complete"},
        {"_SAE_COMPLETE": "bash_complete", "COMP_WORDS": "sae runs", "COMP_CWORD": "x"},
        {"_SAE_COMPLETE": "fish_complete", "COMP_WORDS": "sae runs"},
        {"_SAE_COMPLETE": "nonsense"},
    ],
)
def test_a_request_for_completion_that_no_shell_makes_is_a_usage_error(variables, monkeypatch, capsys):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        entry.main(["runs"])
    assert caught.value.code == ExitCode.USAGE
    [line] = capsys.readouterr().err.splitlines()
    assert f"_SAE_COMPLETE={variables['_SAE_COMPLETE']}" in line
