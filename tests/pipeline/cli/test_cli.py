"""The command `sae`: output, errors of one line, exit codes, and what it imports."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import click
import pytest

from pipeline import cli
from pipeline.cli import selected
from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from pipeline.maintenance import doctor
from pipeline.metadata import backup
from pipeline_config import PipelineConfig
from tests import PROJECT
from tests.builders.roots import Recorded, change_bytes

HEAVY = {"tensorflow", "tfx", "apache_beam", "tensorflow_datasets"}
BAD_FILES = {
    "not-toml.toml": b"[training\nepochs = 3\n",
    "not-text.toml": b"\xff\xfe",
    "section.toml": b"[trainin]\nepochs = 3\n",
    "key.toml": b"[training]\nepoch = 3\n",
    "type.toml": b'[training]\nepochs = "many"\n',
    "range.toml": b"[training]\nepochs = 0\n",
    "table.toml": b"[training.epochs]\nfirst = 1\n",
    "date.toml": b"[training]\nseed = 1979-05-27\n",
    "digits.toml": b"[training]\nseed = " + b"9" * 5_000,
    "hexadecimal.toml": b"[training]\nseed = 0x" + b"f" * 5_000,
    "nested.toml": b"[training]\nseed = " + b"[" * 10_000,
    "nul.toml": b'[paths]\nroot = "a\\u0000b"\n',
}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The current folder: empty but for configuration files that are wrong."""
    for name in ("SAE_ROOT", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, content in BAD_FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_help_names_every_command_and_every_exit_code(sae):
    code, output, errors = sae("--help")
    assert (code, errors) == (0, "")
    text = " ".join(output.split())
    for command in cli.sae.commands:
        assert f" {command} " in text
    for number in ExitCode:
        assert re.search(rf"[ :]{number.value} \w", text)


def test_help_lists_every_command_once_in_its_section(sae):
    _, output, _ = sae("--help")
    assert re.findall(r"^(\w.*):$", output, re.MULTILINE) == ["Options", *cli.sae.sections]


@pytest.mark.parametrize(
    "command",
    [(name,) for name in cli.sae.commands] + [("config", "show"), ("config", "check")],
    ids=" ".join,
)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help(sae, command, option):
    code, output, errors = sae(*command, option)
    assert (code, errors) == (0, "")
    assert output.startswith(f"Usage: sae {' '.join(command)} [OPTIONS]")


def test_help_names_every_profile(sae):
    _, output, _ = sae("run", "--help")
    text = " ".join(output.split())
    assert ", ".join(PipelineConfig.profiles) in text


def test_version_is_that_of_the_project(sae):
    [version] = re.findall(r'^version = "(.+)"$', (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)
    assert sae("--version") == (0, f"sae, version {version}\n", "")


@pytest.mark.parametrize("command", [(), ("config",)])
def test_without_a_command_it_shows_the_help_as_a_usage_error(sae, command):
    code, output, errors = sae(*command)
    assert (code, output) == (2, "")
    assert errors.startswith("Usage: sae ")
    assert re.search("^  doctor |^  check ", errors, re.MULTILINE)


def test_config_show_has_a_line_per_setting_with_value_origin_and_meaning(sae):
    code, output, errors = sae("config", "show", "--set", "training.epochs=7")
    assert (code, errors) == (0, "")
    lines = [line for line in output.splitlines() if " = " in line]
    names = [line.removeprefix("# ").split(" = ")[0] for line in lines]
    assert names == [name.partition(".")[2] for name in PipelineConfig.settings()]
    assert "epochs = 7             # (--set) passes over the train split (epochs)" in lines
    meaning = "examples to evaluate the trained model on; empty: test"
    assert f'test_split = "test"                 # (profile mnist) {meaning}' in lines
    assert "code_units = 32 # (default) size of the code (units)" in [re.sub(" +#", " #", line) for line in lines]


@pytest.mark.parametrize(
    ("sparsity", "no_effect"),
    [
        (["model.l1=1e-5"], {"active_units", "bandwidth", "penalty_weight", "noise_level"}),
        (["model.sparsity=topk", "model.noise=masking"], {"l1", "code_bias", "bandwidth", "penalty_weight"}),
    ],
)
def test_config_show_prints_a_file_for_config(sae, folder, sparsity, no_effect):
    arguments = ["--profile", "sample", "--seed", "5", "--root", "\u202egpj\u2066ü"]
    for assignment in ["evaluation.max_bce=inf", *sparsity]:
        arguments += ["--set", assignment]
    (folder / "shown.toml").write_text(sae("config", "show", *arguments)[1])
    assert set(re.findall(r"^# (\w+) = ", (folder / "shown.toml").read_text(), re.M)) == no_effect
    again = json.loads(sae("config", "show", "--config", "shown.toml", "--json")[1])["settings"]
    shown = json.loads(sae("config", "show", *arguments, "--json")[1])["settings"]
    assert {name: setting["value"] for name, setting in again.items()} == {
        name: setting["value"] for name, setting in shown.items()
    }


def test_config_show_as_json_has_every_setting(sae):
    code, output, errors = sae("config", "show", "--json", "--profile", "sample", "--set", "evaluation.max_bce=inf")
    assert (code, errors) == (0, "")
    found = json.loads(output)
    assert (found["schema_version"], found["profile"]) == (2, "sample")
    assert list(found["settings"]) == list(PipelineConfig.settings())
    assert found["settings"]["data.test_examples"] == {"value": 714, "origin": "profile sample"}
    assert found["settings"]["training.jit_compile"] == {"value": True, "origin": "default"}
    assert found["settings"]["evaluation.max_bce"] == {"value": None, "origin": "--set"}  # JSON knows no infinity


def test_config_check_accepts_a_valid_file(sae, folder):
    (folder / "good.toml").write_text("[training]\nepochs = 3\n")
    code, output, errors = sae("config", "check", "--config", "good.toml", "--seed", "7")
    assert (code, errors) == (0, "")
    assert re.findall(r"\d+", output) == ["10", "2"]
    assert "profile mnist" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "mnst"], "no profile 'mnst'; did you mean mnist? (there are: mnist, sample, fashion_mnist, "),
        (["--set", "training.epoch=3"], "no setting 'training.epoch' (--set); did you mean training.epochs?"),
        (["--set", "training.epochs"], "write --set NAME=VALUE, as in --set training.epochs=5"),
        (["--set", "=3"], "no setting ''"),
        (["--set", "training.epochs=many"], "training.epochs = 'many' is not allowed: it must be a whole number"),
        (["--set", "training.epochs=1.5"], "training.epochs = '1.5' is not allowed: it must be a whole number"),
        (["--set", "training.epochs=0"], "training.epochs = 0 is not allowed: it must be a whole number, at least 1"),
        (["--set", "model.l1=nan"], "model.l1 = nan is not allowed: it must be a number, at least 0, at most 1"),
        (["--set", "training.jit_compile=maybe"], "training.jit_compile = 'maybe' is not allowed: it must be true or"),
        (["--set", "data.source=web"], "data.source = 'web' is not allowed: it must be one of auto, tfds, sample"),
        (["--seed", "-1"], "training.seed = -1 is not allowed: it must be a whole number, at least 0"),
        (["--root", ""], "paths.root = '' is not allowed"),
        (["--config", "none.toml"], "cannot read --config none.toml: No such file or directory"),
        (["--config", "."], "cannot read --config .: Is a directory"),
        (["--config", "not-text.toml"], "cannot read --config not-text.toml: not UTF-8 text"),
        (["--config", "not-toml.toml"], "--config not-toml.toml is not valid TOML: "),
        (["--config", "section.toml"], "no section 'trainin' (file section.toml); did you mean training?"),
        (["--config", "key.toml"], "no setting 'training.epoch' (file key.toml); did you mean training.epochs?"),
        (["--config", "type.toml"], "training.epochs = 'many' is not allowed: it must be a whole number"),
        (["--config", "range.toml"], "training.epochs = 0 is not allowed: it must be a whole number, at least 1"),
        (["--config", "table.toml"], "training.epochs = {'first': 1} is not allowed: it must be a whole number"),
        (["--config", "date.toml"], "training.seed = datetime.date(1979, 5, 27) is not allowed"),
        (["--config", "digits.toml"], "--config digits.toml is not valid TOML: "),
        (["--config", "hexadecimal.toml"], "training.seed = a number of thousands of digits is not allowed"),
        (["--config", "nested.toml"], "--config nested.toml is not valid TOML: "),
        (["--config", "nul.toml"], r"paths.root = 'a\x00b' is not allowed: it contains a NUL character"),
        (["--set", f"training.seed={'9' * 5_000}"], "999' (5,002 characters) is not allowed: it must be a"),
        (["--set", f"training.seed={'9' * 400}"], "(400 characters) is not allowed: it must be a whole number"),
        (["--set", f"model.l1={'9' * 5_000}"], "999' (5,002 characters) is not allowed: it must be a number"),
        (["--set", f"training.{'x' * 5_000}=1"], "(5,011 characters) (--set)"),
        (["--seed", "9" * 5_000], "(5,002 characters) is not a valid integer"),
        (["--profile", "9" * 5_000], "(5,002 characters) (there are: mnist, sample, fashion_mnist, "),
        (["--set", "data.dataset=MNIST"], "data.dataset = 'MNIST' is not allowed: it must be NAME or NAME/CONFIG"),
        (["--set", "data.dataset=mnist:3.0.1"], "data.dataset = 'mnist:3.0.1' is not allowed: it must be NAME or"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_setting_is_a_usage_error_of_one_line(refused, arguments, said):
    assert said in refused(2, "config", "check", *arguments)


@pytest.mark.parametrize("number", ["0", "1000000001", "9" * 20, "9" * 5000], ids=len)
@pytest.mark.parametrize(
    "command",
    ["runs --limit", "artifacts --limit", "schedule history --limit", "export site --limit", "logs latest --tail"],
)
def test_a_number_that_no_list_has_is_a_usage_error_of_one_line(refused, command, number):
    errors = refused(2, *command.split(), number)
    assert errors.startswith(f"error: Invalid value for '{command.split()[-1]}'")


@pytest.mark.parametrize("command", [("config", "show"), ("doctor",), ("run",)], ids=" ".join)
def test_every_command_refuses_a_wrong_setting_and_writes_nothing(refused, folder, command):
    before = sorted(folder.iterdir())
    errors = refused(2, *command, "--set", "training.epoch=3")
    assert errors.startswith("error: no setting 'training.epoch' (--set); did you mean training.epochs?")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "'frobnicate'"),
        (["confg"], "config"),
        (["config", "shw"], "show"),
        (["--bogus"], "--bogus"),
        (["run", "--bogus"], "--bogus"),
        (["run", "--seed"], "--seed"),
        (["run", "--seed", "x"], "--seed"),
        (["config", "check", "extra"], "extra"),
    ],
    ids=str,
)
def test_a_wrong_command_line_is_a_usage_error_of_one_line(refused, arguments, said):
    assert said in refused(2, *arguments)


def test_a_base_without_a_part_is_a_usage_error(refused, folder):
    errors = refused(2, "run", "--base", "20261123-143005")
    assert errors.startswith("error: --base needs --from-node or --to-node")
    assert not (folder / "pipeline_root").exists()


@pytest.mark.parametrize("option", ["--from-node", "--to-node"])
def test_a_misspelt_node_is_not_found(refused, folder, option):
    errors = refused(3, "run", option, "Trainr")
    assert errors.startswith(f"error: {option} Trainr: no such node; did you mean Trainer? (there are: ExampleGen, ")
    assert not (folder / "pipeline_root").exists()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--from-node", "report", "--to-node", "Examplegen"], 2, "no node is between --from-node Report and"),
        (["--from-node", "trainer", "--base", "latest"], 3, "--base latest: no run latest"),
        (["--from-node", "Trainer"], 3, "in which"),
    ],
    ids=str,
)
def test_a_part_that_cannot_run_is_refused_before_tensorflow_is_loaded(refused, folder, options, code, said):
    assert said in refused(code, "run", "--profile", "sample", *options)  # with no note that TensorFlow is loaded


@pytest.mark.parametrize("arguments", [["-v", "config", "check"], ["config", "check", "--verbose"]])
def test_verbose_shows_the_traceback_before_the_error(sae, arguments):
    code, _, errors = sae(*arguments, "--set", "x")
    lines = errors.splitlines()
    assert code == 2
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("error: --set 'x' has no value")


def test_a_root_that_cannot_be_made_is_unavailable(refused):
    errors = refused(6, "run", "--root", "/proc/root")
    assert errors.startswith("error: cannot write to the pipeline root ")


@pytest.mark.parametrize("options", [["--set", "data.size=32x32"], ["--set", "data.schema=none"], ["--root", "a[b"]])
def test_the_doctor_ends_as_a_plan_does(sae, monkeypatch, options):
    monkeypatch.setattr(doctor, "packages", lambda: doctor.Check("packages", True, "as locked"))
    monkeypatch.setattr(doctor, "disk", lambda root: doctor.Check("disk", True, "free"))
    assert (sae("plan", *options)[0], sae("doctor", *options)[0]) == (2, 2)
    monkeypatch.setattr(doctor, "packages", lambda: doctor.Check("packages", False, "none", "install them"))
    assert sae("doctor", *options)[0] == 6


def test_a_held_root_is_locked_and_nothing_is_recorded(refused, folder):
    root = Root(folder / "root")
    root.create()
    with root.lock():
        errors = refused(5, "run", "--root", "root")
    assert errors.startswith(f"error: another run holds {root.path}: process {os.getpid()} since ")
    assert list(root.logs.iterdir()) == []
    assert not root.metadata.exists()


def test_a_damaged_store_is_found_before_tensorflow_is_imported(refused, folder):
    root = Root(folder / "root")
    root.create()
    root.metadata.write_bytes(b"not a database")
    errors = refused(6, "run", "--root", "root")
    assert errors.startswith(f"error: {root.metadata} cannot be opened as an ML Metadata store")
    assert root.metadata.read_bytes() == b"not a database"


def test_the_root_of_the_environment_is_used(monkeypatch, sae):
    monkeypatch.setenv("SAE_ROOT", "elsewhere")
    _, output, _ = sae("config", "show")
    assert re.search(r'^root = "elsewhere" +# \(SAE_ROOT\) ', output, re.MULTILINE)


def test_doctor_exits_with_6_if_a_check_fails(sae):
    arguments = ("doctor", "--set", "data.dataset=kmnist", "--set", "data.source=tfds")
    code, output, errors = sae(*arguments)
    assert (code, errors) == (6, "")
    assert re.search(r"^BAD +data +kmnist is not in ", output, re.MULTILINE)
    code, output, _ = sae(*arguments, "--json")
    assert (code, json.loads(output)["good"]) == (6, False)


def data_check(output):
    return next(one for one in json.loads(output)["checks"] if one["name"] == "data")


def test_doctor_checks_the_data_of_the_root_unless_settings_are_given(sae, folder):
    root = Root(folder / "root")
    root.create()
    root.claim_dataset("mnist_sample")
    found = data_check(sae("doctor", "--root", "root", "--json")[1])
    assert found["good"]
    assert "--profile sample" in found["found"]
    assert not data_check(sae("doctor", "--root", "root", "--json", "--set", "data.source=tfds")[1])["good"]
    root.about.write_text("{")
    assert sae("doctor", "--root", "root")[0] == 6


def test_an_interrupt_exits_with_130_and_is_reported(folder):
    """The command waits for a configuration that comes through a pipe; then comes Ctrl-C."""
    pipe = folder / "pipe.toml"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "pipeline", "config", "check", "--config", pipe]
    writer = None
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while writer is None and process.poll() is None:
            with contextlib.suppress(OSError):  # until the command has opened it too
                writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    if writer is not None:
        os.close(writer)
    assert (process.returncode, output, errors.strip()) == (130, "", "interrupted")


LIGHT = (
    ["--help"],
    ["run", "--help"],
    ["config", "show"],
    ["config", "show", "--json"],
    ["config", "check"],
    ["doctor"],
    ["run", "--from-node", "Trainr"],
    ["run", "--base", "1"],
    ["plan"],
    ["why", "latest", "Trainer"],
    ["verify", "r9"],
    ["show", "latest"],
)


def test_reading_and_refused_commands_import_nothing_heavy():
    """All in one process, which looks for the heavy modules after each."""
    code = f"""
import sys
from pipeline import cli
from pipeline.cli import selected
for arguments in {LIGHT!r}:
    try:
        cli.main(arguments)
    except SystemExit:
        pass
    found = {HEAVY!r} & {{name.partition(".")[0] for name in sys.modules}}
    assert not found, (arguments, found)
print("none")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["none"]), done.stderr


# --- commands about runs ------------------------------------------------------------------------


@pytest.fixture
def recorded(folder):
    recorded = Recorded(folder)
    recorded.run("20261123-143005")
    recorded.remember()
    return recorded


def test_plan_has_the_options_of_run(sae, recorded):
    code, output, errors = sae("plan", "--root", "root", "--set", "training.epochs=60")
    assert (code, errors) == (0, "")
    assert output.splitlines()[0] == f"mnist 3.0.1, profile mnist, {recorded.root.path}"
    assert "Trainer           run       parameters: epochs: 50 -> 60" in output.splitlines()
    code, output, errors = sae("plan", "--root", "root", "--seed", "3", "--from-node", "Trainer", "--json")
    assert (code, errors) == (0, "")
    found = {line["node"]: line for line in json.loads(output)["nodes"]}
    assert (found["Transform"]["verdict"], found["Transform"]["of_run"]) == ("reused", "20261123-143005")
    assert found["Trainer"]["reasons"] == ["parameters: seed: 0 -> 3"]
    _, output, _ = sae("plan", "--root", "root", "--no-cache")
    assert output.endswith("\n14 would run, 0 cached\n")
    path = recorded.folder_of("20261123-143005", "SchemaGen", "schema") / "part-0"
    change_bytes(path, keep_time=True)
    assert sae("plan", "--root", "root")[1].endswith("\n0 would run, 14 cached\n")
    assert f"{path} holds other bytes" in sae("plan", "--root", "root", "--verify-cache")[1]


def test_plan_makes_no_root(sae, folder):
    before = sorted(folder.iterdir())
    code, output, _ = sae("plan")
    assert code == 0
    assert output.endswith("14 would run, 0 cached\n")
    assert sorted(folder.iterdir()) == before


def test_why_explains_a_node_of_a_run(sae, recorded):
    code, output, errors = sae("why", "latest", "Trainer", "--root", "root")
    assert (code, errors) == (0, "")
    assert output.startswith("Trainer of run 20261123-143005: executed\n")
    assert json.loads(sae("why", "2026", "Trainer", "--root", "root", "--json")[1])["run_id"] == "20261123-143005"
    assert sae("why", "latest:Trainer", "--root", "root") == (code, output, errors)
    code, output, errors = sae("why", "latest", "--root", "root")
    assert (code, output) == (ExitCode.USAGE, "")
    assert "`sae why latest NODE" in errors


def test_show_lists_the_nodes_of_a_run(sae, recorded, monkeypatch):
    monkeypatch.setenv("SAE_ROOT", "root")
    code, output, errors = sae("show", "2026")
    assert (code, errors) == (0, "")
    assert output.startswith("run 20261123-143005  succeeded\n\nstarted ")
    assert re.search(r"^ExampleGen +executed +\d+\.\d s  as asked\n    output  examples ", output, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["why", "r9", "Trainer"], 3, "error: no run r9 (latest is the newest; `sae runs` lists all)"),
        (
            ["why", "latest", "Trainr"],
            3,
            "error: no node Trainr; did you mean Trainer?",
        ),
        (["show", "r9"], 3, "error: no run r9"),
        (["show", "latest", "--manifest"], 3, "error: "),
        (["plan", "--from-node", "Trainr"], 3, "error: --from-node Trainr: no such node; did you mean Trainer?"),
        (["plan", "--base", "x"], 2, "error: --base needs --from-node or --to-node"),
        (["plan", "--set", "training.epoch=3"], 2, "error: no setting 'training.epoch'"),
    ],
    ids=str,
)
def test_a_name_that_is_not_found_is_an_error_of_one_line(refused, recorded, monkeypatch, arguments, code, said):
    monkeypatch.setenv("SAE_ROOT", "root")
    errors = refused(code, *arguments)
    assert errors.startswith(said)


@pytest.mark.parametrize(
    "arguments",
    [
        ["why", "latest", "Trainer"],
        ["show", "latest"],
        ["show", "x", "--manifest"],
        ["runs"],
        ["runs", "--json"],
        ["artifacts"],
        ["artifact", "1"],
        ["lineage", "1"],
        ["diff", "latest", "latest~1"],
        ["logs", "latest"],
        ["open", "latest"],
    ],
    ids=" ".join,
)
def test_without_a_root_no_run_is_found(refused, folder, arguments):
    errors = refused(3, *arguments)
    assert errors.startswith(f"error: no run in {folder / 'pipeline_root'}: `sae run` makes the first one")
    assert not (folder / "pipeline_root").exists()


def test_restore_restores_a_copy_of_the_store_and_lists_lost_runs(sae, recorded):
    recorded.run("r2", content="other")
    backup.make(recorded.root, "r2", keep=3)
    recorded.run("r3", content="third")
    code, output, _ = sae("restore", "--metadata", "--root", "root")
    assert code == 0
    assert "made after run r2" in output
    assert "lost 1 run made since: r3" in output
    assert "r3" not in recorded.store().run_ids()
    assert sae("restore", "--metadata", "r2", "--root", "root")[0] == 0
    code, _, errors = sae("restore", "--metadata", "r9", "--root", "root")
    assert code == 3
    assert errors == "error: no copy 'r9' (there are: r2)\n"
    with recorded.root.lock():
        assert sae("restore", "--metadata", "--root", "root")[0] == 5


def test_restore_needs_an_id_or_metadata(sae, recorded):
    for arguments in ((), ("1", "--metadata=r2")):
        code, _, errors = sae("restore", "--root", "root", *arguments)
        assert code == 2
        assert errors.startswith("error: ")
        assert "ID" in errors
        assert "--metadata" in errors
    code, _, errors = sae("restore", "--metadata=r2", "--json", "--root", "root")
    assert code == 2
    assert errors.startswith("error: --json ")


def test_resume_without_a_resumable_run_is_not_found(sae, recorded, folder):
    code, _, errors = sae("resume", "--root", "nowhere")
    assert code == 3
    assert errors.startswith("error: no run in ")
    assert not (folder / "nowhere").exists()
    code, _, errors = sae("resume", "--root", "root")
    assert code == 3
    assert "failed or was interrupted" in errors


def test_commands_to_try_next_repeat_the_given_pipeline():
    assert selected.selection().command.endswith("sae")
    with click.Context(click.Command("sae"), obj={**selected.selected(), "pipeline": "other.module:PIPELINE"}):
        assert selected.selection().command.endswith("sae --pipeline other.module:PIPELINE")


def test_a_module_is_called_as_a_module(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/pipeline/__main__.py"])
    assert selected.selection().program.endswith(" -m pipeline")
