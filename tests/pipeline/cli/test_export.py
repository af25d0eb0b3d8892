"""`sae export airflow` and `sae export kfp`, beside `sae export DIR`."""

from __future__ import annotations

import ast

import pytest
from click.shell_completion import ShellComplete

from pipeline import cli


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The current folder, above the root."""
    monkeypatch.setenv("SAE_ROOT", "root")
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_dag_is_printed_or_written(sae, folder):
    arguments = ("export", "airflow", "--cron", "0 3 * * *", "--zone", "Europe/Berlin", "--profile", "sample")
    code, output, errors = sae(*arguments)
    assert (code, errors) == (0, "")
    ast.parse(output)
    assert f"--root {folder / 'root'}" in output
    assert "Europe/Berlin" in output
    code, nothing, errors = sae(*arguments, "--to", "dag.py")
    assert (code, nothing) == (0, "")
    assert "dag.py" in errors
    assert (folder / "dag.py").read_text() == output
    assert [one.name for one in folder.iterdir()] == ["dag.py"]


def test_relative_paths_of_settings_become_absolute(sae, folder):
    (folder / "own.toml").write_text("[training]\nepochs = 1\n")
    output = sae("export", "airflow", "--config", "own.toml", "--seed", "3", "--name", "own")[1]
    assert f"--config {folder / 'own.toml'} --seed 3" in output
    assert 'dag_id="own"' in output


def test_a_schedule_is_taken_as_it_is(sae):
    sae("schedule", "add", "nightly", "--cron", "0 3 * * *", "--profile", "sample", "--timeout", "2h", "--retries", "1")
    output = sae("export", "airflow", "--schedule", "nightly")[1]
    for words in ('dag_id="nightly"', 'schedule="0 3 * * *"', "--profile sample", '"retries": 1', "seconds=7200"):
        assert words in output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--schedule", "other"), 3, "other"),
        (("--schedule", "nightly", "--seed", "1"), 2, "--schedule nightly excludes"),
        (("--schedule", "nightly", "--cron", "0 3 * * *"), 2, "--schedule nightly excludes"),
        (("--zone", "UTC"), 2, "--zone UTC works with --cron"),
        (("--cron", "0 3 * *"), 2, "0 3 * *"),
        (("--cron", "0 3 * * *", "--zone", "Nowhere"), 2, "no time zone 'Nowhere'"),
        (("--name", "a b"), 2, "a DAG cannot be called 'a b'"),
        (("--set", "training.epochs=0"), 2, "training.epochs"),
        (("--to", "there.py"), 2, "exists already"),
        (("--to", "no/dag.py"), 6, "cannot write no/dag.py"),
        (("--profile", "none"), 2, "none"),
    ],
)
def test_what_is_refused(sae, refused, folder, arguments, code, said):
    (folder / "there.py").write_text("kept")
    sae("schedule", "add", "nightly", "--cron", "0 3 * * *", "--profile", "sample")
    assert said in refused(code, "export", "airflow", *arguments)
    assert (folder / "there.py").read_text() == "kept"
    assert {one.name for one in folder.iterdir()} == {"root", "there.py"}


KFP = ("export", "kfp", "--image", "registry/sae:1", "--claim", "sae", "--profile", "sample")


def test_settings_are_written_into_the_specification(sae, folder):
    (folder / "own.toml").write_text("[training]\nepochs = 1\n")
    code, nothing, _ = sae(*KFP, "--config", "own.toml", "--seed", "3", "--to", "pipeline.yaml")
    assert (code, nothing) == (0, "")
    text = (folder / "pipeline.yaml").read_text()
    assert "own.toml" not in text
    for words in ("--set training.epochs=1", "--set training.seed=3", "--root /mnt/sae/pipeline_root"):
        assert words in text  # the variable SAE_ROOT is one of this machine


def test_memory_and_processors_are_requested(sae):
    text = sae(*KFP, "--memory", "4Gi", "--cpu", "2")[1]
    for words in ('resourceMemoryRequest: "4Gi"', 'resourceMemoryLimit: "4Gi"', 'resourceCpuRequest: "2"'):
        assert text.count(words) == text.count("  image: ")
    assert "CpuLimit" not in text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("export", "kfp"), 2, "--image"),
        (("export", "kfp", "--image", "registry/sae:1"), 2, "--claim"),
        ((*KFP, "--name", "A b"), 2, "--name"),
        ((*KFP, "--root", "/root"), 2, "--root /root"),
        ((*KFP, "--memory", "4GB"), 2, "--memory"),
        ((*KFP, "--cpu", "two"), 2, "--cpu"),
        ((*KFP, "--to", "there.yaml"), 2, "exists already"),
        ((*KFP, "--to", "no/pipeline.yaml"), 6, "cannot write no/pipeline.yaml"),
    ],
)
def test_what_is_refused_for_kubeflow(refused, folder, arguments, code, said):
    (folder / "there.yaml").write_text("kept")
    assert said in refused(code, *arguments)
    assert [(one.name, one.read_text()) for one in folder.iterdir()] == [("there.yaml", "kept")]


def test_a_folder_may_have_the_name_of_a_format(sae, folder):
    code, _, errors = sae("export", "./airflow")
    assert (code, "no run" in errors or "no store" in errors or "does not exist" in errors) == (3, True), errors


def test_completion_offers_the_formats_beside_folders():
    complete = ShellComplete(cli.sae, {}, "sae", "_SAE_COMPLETE")
    assert [item.value for item in complete.get_completions(["export"], "air")] == ["airflow", "air"]
    assert "--cron" in [item.value for item in complete.get_completions(["export", "airflow"], "--c")]
    assert [item.value for item in complete.get_completions(["export"], "k")] == ["kfp", "k"]
    assert [item.value for item in complete.get_completions([], "exp")] == ["export"]
