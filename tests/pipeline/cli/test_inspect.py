"""The commands that read, on the store of the golden files: text, options, errors, pipes and terminals."""

from __future__ import annotations

import functools
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import threading

import pytest

from pipeline.artifacts import previews
from pipeline.artifacts.sections import Preview, Table, columns
from pipeline.core.pipeline_root import Root
from pipeline.inspection.views import RunState
from pipeline.metadata.run_properties import RunOptions
from pipeline.metadata.writer import MetadataWriter
from tests import PROJECT
from tests.builders.roots import Recorded
from tests.golden import store
from tests.golden.store import FAILED, FIRST, SECOND


@pytest.fixture(autouse=True)
def root(recorded, monkeypatch):
    monkeypatch.setenv("SAE_ROOT", str(recorded.root.path))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return recorded.root


def first_words(text):
    return [line.split()[0] for line in text.splitlines()[1:]]


class TestRuns:
    def test_the_newest_come_first(self, sae):
        code, output, errors = sae("runs")
        assert (code, errors) == (0, "")
        assert first_words(output) == [FAILED, SECOND, FIRST]
        assert output.splitlines()[1].endswith(store.GATE_SAYS)

    def test_they_can_be_filtered_and_sorted(self, sae):
        assert first_words(sae("runs", "--state", "succeeded")[1]) == [SECOND, FIRST]
        assert first_words(sae("runs", "--sort", "test_bce")[1]) == [SECOND, FIRST, FAILED]
        assert first_words(sae("runs", "--sort", "test_bce", "--ascending")[1]) == [FIRST, SECOND, FAILED]
        for named, is_column in (((), False), (("--sort", "test_mse"), True), (("--where", "test_mse>0"), True)):
            assert ("test MSE" in sae("runs", *named)[1]) == is_column

    def test_a_note_counts_the_rows_left_out(self, sae):
        code, output, errors = sae("runs", "--limit", "1")
        assert (code, first_words(output), errors) == (0, [FAILED], "1 of 3 runs; --limit 3 shows all\n")
        assert sae("runs", "--state", "running") == (0, "", "no run is running: `sae runs` lists all runs\n")

    def test_the_help_names_the_columns_and_states(self, sae):
        text = " ".join(sae("runs", "--help")[1].split())
        for word in ("started", "seconds", "id", *(state.value for state in RunState)):
            assert re.search(rf"\b{word}\b", text), word

    def test_another_store_can_be_read(self, sae, recorded, tmp_path, monkeypatch):
        alone = tmp_path / "alone.sqlite"
        shutil.copy(recorded.root.metadata, alone)
        monkeypatch.setenv("SAE_ROOT", str(tmp_path / "nowhere"))
        assert first_words(sae("runs", "--metadata", str(alone))[1]) == [FAILED, SECOND, FIRST]
        code, output, _ = sae("show", "latest", "--metadata", str(alone))
        assert code == 0
        assert "no manifests" in output.splitlines()[-1]


def test_a_run_that_no_model_could_pass_says_so_below_its_thresholds(sae, recorded):
    evaluation = recorded.outputs(SECOND, "Evaluator")["evaluation"]
    one = {"entropy_floor": 0.46, "mean_image_bce": 0.5, "bce": 0.475, "bce_to_mean_image": 0.95}
    recorded.change(evaluation.id, metrics=json.dumps({"overall": store.METRICS, "per_label": {"0": one}}))
    titles = columns("metric:name", "slice", "value:number", "limit:number", "passed:verdict")
    missed = Table("thresholds", titles, (("bce_to_mean_image", "label 0", 0.95, 0.9, False),))
    folder = previews.folder_of(recorded.root.path, evaluation.uri)
    previews.write(folder, "ModelEvaluation", Preview("evaluation", (missed,)), {})
    lines = sae("show", SECOND)[1].splitlines()
    assert lines[lines.index("thresholds") + 3] == (
        "  no model can pass: the entropy floor of label 0 is 0.9200 of the loss of always predicting the mean, so "
        "raise evaluation.max_bce_to_mean_image or use model.loss=mse"
    )


def test_the_help_says_which_end_of_a_sorted_list_is_best(sae):
    code, output, _ = sae("runs", "--help")
    words = " ".join(output.split())
    assert code == 0
    assert "newest or largest first" in words
    assert "the best run first where less is better, as with --sort test_bce" in words


class TestArtifacts:
    def test_they_can_be_filtered(self, sae):
        code, output, errors = sae("artifacts", "--type", "Model")
        assert (code, errors) == (0, "")
        assert [line.split()[1:5] for line in output.splitlines()[1:]] == [
            ["Model", "Trainer", "model", SECOND],
            ["Model", "Trainer", "model", FIRST],
        ]
        output = sae("artifacts", "--node", "Trainer", "--run", FIRST)[1]
        assert [line.split()[3] for line in output.splitlines()[1:]] == ["model_run", "model"]

    def test_a_note_tells_none_from_too_many(self, sae):
        assert sae("artifacts", "--type", "Model", "--run", FAILED) == (
            0, "", f"no artifact with --type Model --run {FAILED}\n")  # fmt: skip
        assert sae("artifacts", "--limit", "2")[2].startswith("the newest 2 artifacts; --limit 20")

    def test_one_is_shown_by_its_type(self, sae):
        output = sae("artifact", f"{FIRST}:Trainer")[1]
        [other] = re.findall(r"^beside +model_run: `sae artifact (\d+)`$", output, re.MULTILINE)
        assert "made by  Trainer as model_run, run" in sae("artifact", other)[1]
        assert "beside" not in sae("artifact", f"{FIRST}:SchemaGen")[1]
        assert "  parameters  12" in output.splitlines()
        assert "no preview" in sae("artifact", "latest~1:Trainer:model_run")[1]

    def test_lineage_goes_both_ways(self, sae):
        output = sae("lineage", f"{FIRST}:Trainer")[1]
        assert "├─ Examples 1, examples of ExampleGen, run 20261123-143005" in output.splitlines()
        assert "│  └─ Report 15, report of Report, run 20261123-143005" in output.splitlines()


def test_two_runs_are_compared(sae):
    output = sae("diff", "latest~2", "latest~1")[1]
    assert "first difference: Trainer: epochs: 50 -> 60" in output.splitlines()
    assert sae("diff", FIRST, FIRST)[1].splitlines()[2].startswith("no difference: ")


def test_a_log_is_printed_without_control_characters(sae, root):
    path = root.logs / f"{SECOND}.log"
    path.write_text("a\tb\n\n\x1b[2Jc\rd\n")
    assert sae("logs", SECOND) == (0, "a\tb\n\n\\x1b[2Jc\\rd\n", "")
    assert sae("logs", SECOND, "--tail", "2")[1] == "\n\\x1b[2Jc\\rd\n"
    path.unlink()


def test_the_lines_of_a_node_are_those_between_start_and_end(sae, root):
    path = root.logs / f"{FAILED}.log"
    path.write_text("2000-01-01 00:00:00,000 INFO absl: long before\n")
    code, output, note = sae("logs", FAILED, "DataGate")
    assert (code, output) == (0, "")
    assert note.startswith(f"{path} has no lines of DataGate")
    code, _, errors = sae("logs", FAILED, "Trainer")
    assert (code, errors.startswith("error: Trainer did not run in run 20261123-160000 (skipped)")) == (3, True)
    path.unlink()


class TestOpen:
    def test_without_a_display_the_path_of_the_report_is_printed(self, sae, recorded, monkeypatch):
        monkeypatch.setattr("webbrowser.open", lambda _: pytest.fail("opened"))
        monkeypatch.setattr(sys, "platform", "linux")
        page = recorded.folder_of(FIRST, "Report", "report") / "report.html"
        assert sae("open", FIRST) == (0, f"{page}\n", "")

    def test_with_a_display_the_report_is_opened(self, sae, recorded, monkeypatch):
        opened = []
        monkeypatch.setattr("webbrowser.open", opened.append)
        monkeypatch.setenv("DISPLAY", ":0")
        page = recorded.folder_of(FIRST, "Report", "report") / "report.html"
        assert sae("open", FIRST) == (0, f"{page}\n", "")
        assert opened == [page.as_uri()]
        sae("open", FIRST, "--print")
        sae("open", FIRST, "--json")
        assert len(opened) == 1

    def test_a_run_without_a_report_is_not_found(self, sae):
        code, output, errors = sae("open", FAILED)
        assert (code, output, errors) == (3, "", f"error: run {FAILED} has no report: it is failed\n")

    def test_a_part_of_the_pipeline_has_no_report_and_the_command_that_makes_it_is_named(self, sae, refused, tmp_path):
        part = Recorded(tmp_path)
        part.run("r1", names=["SchemaGen"])
        part.end("r1", state="succeeded", trigger="sweep l1 point 1")
        assert "has no report: it is succeeded" in sae("open", "r1", "--root", str(part.root.path))[2]
        MetadataWriter(part.root).end_run("r1", RunOptions(part="--to-node Encode").properties())
        errors = refused(3, "open", "r1", "--root", str(part.root.path))
        assert "it ran a part of the pipeline" in errors
        assert f"`sae run --like {part.root.manifests / 'r1.json'} --root {part.root.path}`" in errors

    def test_a_report_outside_the_root_is_not_opened(self, refused, recorded, monkeypatch, tmp_path):
        monkeypatch.setattr("webbrowser.open", lambda _: pytest.fail("opened"))
        monkeypatch.setenv("DISPLAY", ":0")
        page = recorded.folder_of(SECOND, "Report", "report") / "report.html"
        (tmp_path / "other.html").write_text("other")
        page.rename(page.with_name("moved"))
        page.symlink_to(tmp_path / "other.html")
        errors = refused(6, "open", SECOND)
        page.unlink()
        page.with_name("moved").rename(page)
        assert errors.startswith(f"error: the report of run {SECOND} is outside the root ")

    def test_a_missing_report_is_not_found(self, refused, recorded):
        page = recorded.folder_of(SECOND, "Report", "report") / "report.html"
        page.rename(page.with_name("moved"))
        errors = refused(3, "open", SECOND)
        page.with_name("moved").rename(page)
        assert errors.startswith(f"error: the report of run {SECOND} is missing: {page}; `sae restore ")


def test_the_manifest_is_printed_as_it_was_stored(sae, root):
    assert sae("show", FIRST, "--manifest")[1] == (root.manifests / f"{FIRST}.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "20261123-14300"], 0, ""),
        (["show", "20261123-143006"], 3, "no run 20261123-143006; did you mean 20261123-143005?"),
        (["show", "20261123"], 3, "run 20261123: 3 ids start with it: "),
        (["show", "latest~9"], 3, "no run latest~9: there are 3, the oldest is latest~2"),
        (["diff", FIRST, "r9"], 3, "no run r9"),
        (["artifact", "999"], 3, "no artifact 999"),
        (["artifact", "latest~1:Trainr"], 3, "no node Trainr; did you mean Trainer?"),
        (["lineage", "latest~1:Trainer:modell"], 3, "no output modell of Trainer"),
        (["artifacts", "--type", "Modell"], 3, "no type Modell; did you mean Model?"),
        (["artifacts", "--node", "Trainr"], 3, "no node Trainr; did you mean Trainer?"),
        (["artifacts", "--run", "r9"], 3, "no run r9"),
        (["logs", FIRST, "Trainr"], 3, "no node Trainr; did you mean Trainer?"),
        (["runs", "--sort", "bce"], 2, "no setting or metric 'bce'; did you mean test_bce?"),
        (["runs", "--limit", "0"], 2, "Invalid value for '--limit'"),
        (["runs", "--state", "good"], 2, "Invalid value for '--state'"),
        (["runs", "--metadata", "none.sqlite"], 3, "no file none.sqlite"),
        (["runs", "--metadata", "ftp://host/x"], 2, ""),
        (["runs", "--metadata", __file__], 6, ""),
    ],
    ids=str,
)
def test_an_error_is_one_line(sae, arguments, code, said):
    found, output, errors = sae(*arguments)
    assert found == code
    if code:
        assert (output, errors.count("\n")) == ("", 1)
        assert errors.startswith(f"error: {said}")


def test_names_of_a_store_are_escaped_in_errors(sae, tmp_path):
    writer = store.Recorded(tmp_path).writer
    writer.execution("r\x1b[2J1", "Trainer", 3)
    code, _, errors = sae("show", "r\x1b[2J2", "--root", str(tmp_path / "root"))
    assert code == 3
    assert "\\x1b[2J1" in errors
    assert "\x1b" not in errors


def test_a_root_without_runs_names_the_command_that_makes_one(refused, tmp_path):
    empty = Root(tmp_path / "root")
    empty.create()
    errors = refused(3, "runs", "--root", str(empty.path))
    assert errors.startswith(f"error: no run in {empty.path}: `sae run --root {empty.path}` makes the first one")


def test_a_run_that_is_starting_is_named_until_it_is_listed(sae, tmp_path):
    recorded = store.Recorded(tmp_path)
    at_root = ("runs", "--root", str(recorded.root.path))
    with recorded.root.lock() as record_run:
        record_run("r1")
        code, output, errors = sae(*at_root)
        assert (code, output) == (0, "")
        assert errors.startswith(f"a run is starting and not listed yet: process {os.getpid()} since ")
        assert errors.endswith(" UTC, run r1\n")
        assert json.loads(sae(*at_root, "--json")[1])["starting"] == "r1"
        assert "no run is failed: " in sae(*at_root, "--state", "failed")[2]
        assert "no run fulfils the conditions: " in sae(*at_root, "--where", "test_bce<0")[2]
        recorded.run("r0")
        code, output, errors = sae(*at_root)
        assert (output.count("\n"), errors.count("r1")) == (2, 1)
        recorded.run("r1")
        assert "starting" not in sae(*at_root)[2]
        assert json.loads(sae(*at_root, "--json")[1])["starting"] is None
    code, output, errors = sae(*at_root)
    assert (output.count("\n"), errors) == (3, "")


# --- pipes and terminals -----------------------------------------------------------------------

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def environment(**more):
    return {**os.environ, "PYTHONPATH": str(PROJECT), "TERM": "xterm", **more}


@pytest.fixture
def on_a_terminal(monkeypatch, sae):
    """Runs a command on a terminal of 80 columns, and returns what it writes."""

    def run(*arguments, columns=80, **more):
        ours, theirs = pty.openpty()
        found = []
        reader = threading.Thread(target=lambda: found.extend(iter(functools.partial(read, ours), b"")))
        reader.start()
        with open(theirs, "w", encoding="utf-8") as terminal, monkeypatch.context() as patched:
            for name, value in {"TERM": "xterm", "COLUMNS": str(columns), **more}.items():
                patched.setenv(name, value)
            patched.setattr(sys, "stdout", terminal)
            code, _, _ = sae(*arguments)
        reader.join()
        os.close(ours)
        assert code == 0
        return b"".join(found).decode().replace("\r\n", "\n")

    return run


def read(terminal):
    try:
        return os.read(terminal, 10_000)
    except OSError:  # what Linux says at the end
        return b""


def plain(text):
    return re.sub(r"\x1b\[\d+m", "", text)


@pytest.mark.parametrize("arguments", [["runs"], ["show", FIRST], ["artifacts"], ["diff", FIRST, SECOND]], ids=" ".join)
def test_on_a_terminal_it_fits_and_states_have_colors(arguments, on_a_terminal):
    text = on_a_terminal(*arguments)
    assert "\x1b[" in text
    assert set(re.findall(r"\x1b[^m]*m", text)) <= {f"\x1b[{code}m" for code in (0, 1, 2, 31, 32, 33, 36)}
    paths = [word for word in plain(text).split() if word.startswith("/")]  # never broken, to be copied
    assert all(len(line) <= 80 or any(path in line for path in paths) for line in plain(text).splitlines())


def test_no_color_and_dumb_terminals_get_none(on_a_terminal):
    assert "\x1b" not in on_a_terminal("runs", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal("runs", TERM="dumb")


def test_a_pipe_gets_full_text_without_colors(sae, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, output, _ = sae("runs")
    assert "\x1b" not in output
    assert store.GATE_SAYS in output


def test_an_ascii_stream_gets_ascii():
    done = subprocess.run(
        [*COMMAND, "lineage", f"{FIRST}:Trainer"], capture_output=True, check=True,
        env=environment(PYTHONIOENCODING="ascii"),
    )  # fmt: skip
    assert b"|- Examples 1" in done.stdout
    assert done.stdout.isascii()


@pytest.mark.parametrize(
    "arguments",
    [["runs"], ["runs", "--json"], ["logs", SECOND], ["serve", "--get", "/"], ["config", "show"]],
    ids=" ".join,
)
def test_a_closed_pipe_ends_the_command_quietly(root, arguments):
    path = root.logs / f"{SECOND}.log"
    path.write_text("a line of the log\n" * 100_000)
    ours, theirs = os.pipe()
    with subprocess.Popen([*COMMAND, *arguments], stdout=theirs, stderr=subprocess.PIPE, env=environment()) as process:
        os.close(theirs)
        os.close(ours)
        _, errors = process.communicate(timeout=30)
    path.unlink()
    assert (process.returncode, errors) == (0, b"")


def test_another_broken_pipe_is_an_error():
    """Processes of a run have pipes between them."""
    code = """
from pipeline import cli
from pipeline.cli import options
def broken(*_):
    raise BrokenPipeError(32, "Broken pipe")
options.ReadOptions.reader = broken
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code, "runs"], capture_output=True, check=False, env=environment())
    assert done.returncode == 6
    assert done.stderr.startswith(b"error: ")
    assert done.stderr.count(b"\n") == 1


def test_json_is_the_same_on_a_terminal(on_a_terminal):
    text = on_a_terminal("runs", "--json", columns=20)
    assert [one["id"] for one in json.loads(text)["runs"]] == [FAILED, SECOND, FIRST]


def test_reading_commands_import_nothing_heavy():
    """All in one process: what one imports, the next could not be blamed for, so the heavy ones are looked for."""
    commands = [*store.COMMANDS.values(), ["why", FIRST, "Trainer"], ["serve", "--get", "/runs.json"]]
    code = f"""
import sys
from pipeline import cli
for arguments in {commands!r}:
    try:
        cli.main(arguments)
    except SystemExit as end:
        assert not end.code, arguments
print("imported", *{{name.partition(".")[0] for name in sys.modules}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    imported = set(done.stdout.splitlines()[-1].split())
    assert {"imported", "ml_metadata"} <= imported
    assert not {"tensorflow", "tfx", "apache_beam", "tensorflow_datasets", "packaging"} & imported


def test_the_list_of_runs_imports_no_manifests_or_packages():
    """Each of these takes longer to import than the runs take to read."""
    code = "import sys; from pipeline.cli import group; group.sae(['runs'], standalone_mode=False); " \
           "print('imported', *sys.modules)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    imported = set(done.stdout.splitlines()[-1].split())
    assert (
        not {
            "pipeline.provenance.manifest",
            "pipeline.provenance.environment",
            "rich",
            "starlette",
            "jinja2",
            "numpy",
            "asyncio",
            "ssl",
        }
        & imported
    )
