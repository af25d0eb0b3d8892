"""`sae schedule`: what is planned, changed, listed and exported; in a root without a run."""

from __future__ import annotations

import fcntl
import functools
import json
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from pipeline import cli
from pipeline.core.pipeline_root import Root
from pipeline.scheduler import wording
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import DATA_CHECK_INTERVAL, CatchUp, Overlap, TimingKind, Work
from pipeline.sparse_autoencoder import dataset_cache
from pipeline.sweeps import files
from pipeline.sweeps.definition import Definition
from pipeline.sweeps.space import Choices
from pipeline_config import RetentionConfig, SchedulePolicies
from tests import PROJECT
from tests.builders.roots import Recorded

DEFAULTS = SchedulePolicies()
NIGHTLY = ("add", "nightly", "--cron", "0 3 * * *", "--profile", "sample")


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    """The root; the current folder is the one above it."""
    monkeypatch.setenv("SAE_ROOT", "root")
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "root"


@pytest.fixture
def sae(sae):
    """Run `sae schedule` in this process; return its exit code, standard output and standard error."""
    return functools.partial(sae, "schedule")


def added(root, name="nightly"):
    with ScheduleDatabase.open(root) as database:
        return database.schedule(name)


class TestAdd:
    def test_a_schedule_may_run_a_sweep(self, sae, root):
        weekly = ("add", "weekly", "--cron", "0 3 * * 0", "--sweep", "l1")
        code, _, errors = sae(*weekly)
        assert (code, "no sweep 'l1'" in errors) == (3, True)
        files.write(Root(root), Definition("l1", "sample", {}, (Choices("model.l1", (0.0, 1e-3)),)))
        code, _, errors = sae(*weekly, "--profile", "sample")
        assert (code, "--sweep excludes --profile" in errors) == (2, True)
        code, _, errors = sae("add", "weekly", "--on-data-change", "--sweep", "l1")
        assert (code, "--sweep works with --cron" in errors) == (2, True)
        assert sae(*weekly)[0] == 0
        assert added(root, "weekly").work.sweep == "l1"
        assert wording.NO_RETENTION in sae("show", "weekly")[1]
        assert f"sae sweep run l1 --again --root {root}" in sae("show", "weekly")[1]
        assert "sweep l1" in sae("list")[1]
        crontab = sae("export", "weekly", "--cron")[1]
        assert "sweep run l1 --again" in crontab
        assert "--trigger" not in crontab

    def test_what_no_run_in_the_root_could_use_is_refused(self, sae, root):
        Root(root).create()
        Root(root).claim_dataset("mnist_sample")
        code, _, errors = sae("add", "nightly", "--every", "1d", "--set", "data.dataset=emnist/letters")
        assert code == 2
        assert "mnist_sample" in errors
        assert "--profile sample" in errors
        assert sae("list", "--json")[1].count("nightly") == 0
        assert sae(*NIGHTLY)[0] == 0

    def test_ticks_that_may_read_another_data_set_than_the_runs_are_warned_of(self, sae, root, tmp_path):
        recorded = Recorded(tmp_path)
        recorded.run("r1")
        recorded.end("r1", profile="sample")
        recorded.remember_sample()
        code, _, errors = sae("add", "nightly", "--every", "1d")
        assert code == 0
        assert "warning: the data set of profile mnist is not known in this root" in errors
        assert "its runs are on mnist_sample: add --profile sample\n" in errors
        assert "warning" not in sae(*NIGHTLY, "--replace")[2]
        files.write(recorded.root, Definition("l1", "sample", {}, (Choices("model.l1", (0.0, 1e-3)),)))
        assert "warning" not in sae("add", "weekly", "--every", "7d", "--sweep", "l1")[2]

    def test_ticks_that_use_the_sample_only_while_mnist_is_missing_are_warned_of(self, sae, tmp_path):
        recorded = Recorded(tmp_path)
        recorded.run("r1")
        dataset_cache.remember(
            recorded.root, recorded.settings(), recorded.source(name="mnist_sample", version="1.0.0")
        )
        assert "use profile sample in place of mnist, " in sae("add", "nightly", "--every", "1d")[2]

    def test_a_new_version_of_the_data_is_not_warned_of(self, sae, tmp_path):
        recorded = Recorded(tmp_path)
        recorded.run("r1")
        recorded.end("r1", profile="mnist")
        recorded.remember()
        assert "warning" not in sae("add", "nightly", "--every", "1d")[2]
        (recorded.data.parent / "3.0.2").mkdir()
        assert "warning" not in sae("add", "nightly", "--every", "1d", "--replace")[2]

    def test_add_prints_the_next_times_and_that_no_daemon_runs(self, sae, root):
        code, output, errors = sae(*NIGHTLY)
        assert code == 0
        first, *following, kept = output.splitlines()
        assert first == "added nightly: At 03:00 every day, UTC"
        assert kept.startswith("retention: ")
        assert len(following) == 3
        assert all(re.fullmatch(r"next: \w+day, \d+ \w+ 20\d\d, 03:00 UTC \(in .+\)", line) for line in following)
        assert errors.startswith("the daemon is stopped: ")
        assert "schedule run`" in errors
        made = added(root)
        assert (made.timing.kind, made.timing.cron, made.timing.zone) == (TimingKind.CRON, "0 3 * * *", "UTC")
        assert made.work == Work("sample")
        assert (made.policies.overlap, made.policies.catch_up) == (Overlap.SKIP, CatchUp.ONE)
        assert (made.policies.retries, made.policies.max_late) == (DEFAULTS.retries, DEFAULTS.max_late)

    def test_add_and_show_name_the_retention_of_now(self, sae, tmp_path):
        file = tmp_path / "mine.toml"
        file.write_text("[retention]\nruns = 33\n")
        values = ("--set", "retention.pushed=4", "--set", "retention.max_mib=0")
        output = sae("add", "nightly", "--cron", "0 3 * * *", "--config", str(file), *values)[1]
        [said] = [line.removeprefix("retention: ") for line in output.splitlines() if line.startswith("retention: ")]
        assert said == wording.retention(RetentionConfig(33, 4, 0))
        assert f"  retention  {said}\n" in sae("show", "nightly")[1]
        file.write_text("[retention]\nruns = 34\n")
        assert f"  retention  {wording.retention(RetentionConfig(34, 4, 0))}\n" in sae("show", "nightly")[1]
        file.unlink()
        code, output, _ = sae("show", "nightly")
        assert (code, "  retention  unknown: " in output) == (0, True)

    def test_times_in_a_zone_have_utc_beside_them(self, sae):
        output = sae(*NIGHTLY, "--zone", "Asia/Tokyo")[1]
        assert re.search(r"^next: .+, 03:00 JST \(20\d\d-\d\d-\d\d 18:00 UTC, in ", output, re.MULTILINE)

    def test_all_options_are_kept(self, sae, root):
        pathlib.Path("mnist.toml").write_text("[training]\nepochs = 3\n")
        code, _, errors = sae(
            *("add", "often", "--every", "1h30m", "--config", "mnist.toml", "--set", "model.l1=0.1", "--seed", "7"),
            *(
                "--overlap",
                "queue",
                "--catch-up",
                "all",
                "--catch-up-limit",
                "3",
                "--max-late",
                "5m",
                "--jitter",
                "30s",
            ),
            *("--retries", "4", "--retry-wait", "2m", "--timeout", "1d", "--on-failure", "a b", "--on-success", "c"),
        )
        assert code == 0, errors
        made = added(root, "often")
        assert (made.timing.kind, made.timing.every) == (TimingKind.EVERY, 5_400.0)
        assert made.work == Work("mnist", str(pathlib.Path.cwd() / "mnist.toml"), ("model.l1=0.1",), 7)
        assert list(vars(made.policies).values()) == [
            *(Overlap.QUEUE, CatchUp.ALL, 3, 300.0, 30.0, 4, 120.0, 86_400.0, "a b", "c")
        ]

    def test_the_interval_of_data_checks(self, sae, root):
        sae("add", "a", "--on-data-change")
        sae("add", "b", "--on-data-change", "--every", "45s")
        assert (added(root, "a").timing.kind, added(root, "a").timing.every) == (
            TimingKind.DATA_CHANGE,
            DATA_CHECK_INTERVAL,
        )
        assert added(root, "b").timing.every == 45.0

    def test_a_relative_data_dir_becomes_absolute(self, sae, root):
        sae(*NIGHTLY, "--set", "data.data_dir=sets")
        assert added(root).work.assignments[-1] == f"data.data_dir={pathlib.Path.cwd() / 'sets'}"

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--cron", "0 3 * *"), "has 4 fields"),
            (("--cron", "0 3 * * *", "--zone", "Berlin"), "no time zone 'Berlin'"),
            (("--every", "6"), "--every '6' is no duration"),
            (("--every", "6h", "--zone", "UTC"), "--zone UTC works with --cron only"),
            ((), "give one of --cron"),
            (("--cron", "0 3 * * *", "--every", "6h"), "give one of --cron"),
            (("--cron", "0 3 * * *", "--on-data-change"), "give one of --cron"),
            (("--every", "6h", "--profile", "sampel"), "no profile 'sampel'; did you mean sample?"),
            (("--every", "6h", "--set", "training.epoch=3"), "did you mean training.epochs?"),
            (("--every", "6h", "--set", "training.epochs=0"), "training.epochs = 0 is not allowed"),
            (("--every", "6h", "--config", "nowhere.toml"), "cannot read --config nowhere.toml"),
            (("--every", "6h", "--overlap", "wait"), "'wait' is not one of"),
            (("--every", "6h", "--retries", "-1"), "schedule.retries = -1 is not allowed"),
            (("--every", "6h", "--catch-up-limit", "0"), "schedule.catch_up_limit = 0 is not allowed"),
            (("--every", "6h", "--jitter", "2d"), "schedule.jitter = 172800.0 is not allowed"),
            (("--every", "6h", "--timeout", "soon"), "--timeout 'soon' is no duration"),
        ],
    )
    def test_invalid_options_are_refused_when_added(self, refused, root, arguments, said):
        assert said in refused(2, "add", "new", *arguments)
        assert not root.exists()

    def test_invalid_and_duplicate_names_are_refused(self, sae):
        sae(*NIGHTLY)
        code, _, errors = sae(*NIGHTLY)
        assert (code, "there is a schedule 'nightly' already" in errors) == (2, True)
        assert "--replace" in errors
        code, _, errors = sae("add", "a/b", "--every", "6h")
        assert (code, "cannot be called 'a/b'" in errors) == (2, True)

    def test_a_schedule_is_replaced_or_added(self, sae, root):
        assert sae(*NIGHTLY, "--replace", "--retries", "5")[1].startswith("added nightly: At 03:00 ")
        assert sae("add", "nightly", "--every", "6h", "--replace")[1].startswith("replaced nightly: Every 6 h\n")
        assert (added(root).timing.kind, added(root).policies.retries) == (TimingKind.EVERY, DEFAULTS.retries)
        assert len(json.loads(sae("list", "--json")[1])["schedules"]) == 1


class TestChange:
    def test_the_command_for_the_history_of_a_removed_schedule_is_named_if_it_has_one(self, sae, root):
        sae("add", "nightly", "--every", "6h")
        assert "schedule history" not in sae("remove", "nightly")[1]
        sae("add", "nightly", "--every", "6h")
        sae("trigger", "nightly")
        assert "sae schedule history nightly" in sae("remove", "nightly")[1]

    def test_pause_resume_trigger_and_remove(self, sae, root):
        sae(*NIGHTLY)
        assert sae("pause", "nightly")[:2] == (0, "paused nightly: At 03:00 every day, UTC\n")
        assert added(root).paused
        assert "next: " in sae("resume", "nightly")[1]
        assert not added(root).paused
        code, output, errors = sae("trigger", "nightly")
        assert code == 0
        assert re.match(r"requested a run of nightly, tick 20\d\d-", output)
        assert "the daemon is stopped" in errors
        [tick] = json.loads(sae("history", "--json")[1])["ticks"]
        assert (tick["manual"], tick["state"]) == (True, "waiting")
        assert "removed nightly" in sae("remove", "nightly")[1]
        assert json.loads(sae("list", "--json")[1])["schedules"] == []
        [tick] = json.loads(sae("history", "nightly", "--json")[1])["ticks"]
        assert tick["reason"] == "no daemon was running, then the schedule was removed"

    @pytest.mark.parametrize(
        "command", [("pause",), ("resume",), ("remove",), ("trigger",), ("show",), ("next",), ("history",),
                    ("export", "--cron")]
    )  # fmt: skip
    def test_an_unknown_schedule(self, sae, refused, root, command):
        errors = refused(3, *command, "nightly")
        assert errors.startswith(f"error: no schedule 'nightly' in {root}: `sae schedule add nightly --cron ")
        assert not root.exists()
        sae(*NIGHTLY)
        errors = refused(3, *command, "nigtly")
        assert errors == "error: no schedule 'nigtly'; did you mean nightly? (there are: nightly)\n"


class TestRead:
    @pytest.fixture
    def plan(self, sae):
        sae(*NIGHTLY)
        sae("add", "often", "--every", "6h", "--profile", "sample")
        sae("pause", "often")

    @pytest.mark.parametrize("command", ["list", "next", "history", "status"])
    def test_an_empty_root_shows_and_creates_nothing(self, sae, root, command):
        code, output, errors = sae(command)
        assert code == 0
        assert output == "" or command == "status"
        assert errors == "" or errors.startswith(("no schedule in", "no runs yet"))
        assert json.loads(sae(command, "--json")[1])["schema_version"] == 2
        assert not root.exists()

    @pytest.mark.usefixtures("plan")
    def test_the_list(self, sae):
        code, output, errors = sae("list")
        titles, nightly, often = output.splitlines()
        assert code == 0
        assert titles.split() == ["schedule", "state", "when", "next", "(UTC)", "options"]
        assert re.match(
            r"nightly +active +At 03:00 every day, UTC +20\d\d-\d\d-\d\d 03:00 +in .+--profile sample$", nightly
        )
        assert re.match(r"often +paused +Every 6 h +--profile sample$", often)
        assert "start it with `sae schedule run`" in errors
        values = json.loads(sae("list", "--json")[1])
        assert [one["schedule"]["name"] for one in values["schedules"]] == ["nightly", "often"]
        assert values["daemon"]["state"] == "stopped"

    @pytest.mark.usefixtures("plan")
    def test_one(self, sae, root):
        output = sae("show", "nightly")[1]
        assert output.startswith("schedule nightly\n  when       At 03:00 every day, UTC\n")
        assert f"sae run --profile sample --root {root}\n" in output
        assert output.count(" 03:00 UTC  in ") == 5
        assert "overlapping ticks        skipped" in output
        assert output.endswith("history\n  no runs yet\n")
        values = json.loads(sae("show", "nightly", "--json")[1])
        assert (values["schedule"]["name"], len(values["next"]), values["ticks"]) == ("nightly", 5, [])
        paused = sae("show", "often")[1]
        assert "  paused     since 20" in paused
        assert "\nnext\n" not in paused

    @pytest.mark.usefixtures("plan")
    def test_the_next_times(self, sae):
        sae("resume", "often")
        times = json.loads(sae("next", "-n", "7", "--json")[1])["times"]
        assert len(times) == 7
        assert [one["time"] for one in times] == sorted(one["time"] for one in times)
        assert {one["schedule"] for one in times} == {"nightly", "often"}
        assert len(sae("next", "nightly")[1].splitlines()) == 1 + 5
        sae("pause", "nightly")
        assert sae("next", "nightly") == (
            0, "", "no next run: nightly is paused; resume with `sae schedule resume NAME`\n")  # fmt: skip

    @pytest.mark.usefixtures("plan")
    def test_the_history_notes_older_ticks(self, sae):
        for _ in range(3):
            sae("trigger", "nightly")
        assert json.loads(sae("history", "--json", "--limit", "2")[1])["more"] is True
        _, output, errors = sae("history", "nightly", "--limit", "2")
        assert len(output.splitlines()) == 3
        assert errors == "the newest 2 of nightly; --limit shows more\n"
        assert json.loads(sae("history", "--json", "--limit", "3")[1])["more"] is False
        assert sae("history", "often") == (0, "", "no runs of often yet\n")

    @pytest.mark.usefixtures("plan")
    def test_the_status(self, sae):
        output = sae("status")[1]
        assert output.startswith(
            "daemon     stopped: never started here\nschedules  2, 1 of them paused\nnext       nightly"
        )
        values = json.loads(sae("status", "--json")[1])
        assert (values["schedules"], values["paused"], values["failing"]) == (2, ["often"], {})
        assert values["unattended"] is True
        sae("pause", "nightly")
        assert json.loads(sae("status", "--json")[1])["unattended"] is False

    def test_reading_commands_write_no_files(self, sae, root):
        sae(*NIGHTLY)
        before = sorted(root.rglob("*"))
        for command in (
            ["list"],
            ["show", "nightly"],
            ["next"],
            ["history"],
            ["status"],
            ["export", "--all", "--cron"],
        ):
            assert sae(*command)[0] == 0
        assert sorted(root.rglob("*")) == before


class TestExport:
    def test_units_are_printed_or_written(self, sae, tmp_path):
        sae(*NIGHTLY, "--retries", "0")
        output = sae("export", "nightly", "--systemd")[1]
        assert output.startswith("# sae-nightly.service\n# Written by")
        assert "\n# sae-nightly.timer\n" in output
        assert f"\nWorkingDirectory={tmp_path}\n" in output
        folder = tmp_path / "units"
        code, _, errors = sae("export", "--all", "--systemd", "--to", str(folder))
        assert (code, errors.startswith(f"error: cannot write {folder}/sae-nightly.service: No such file")) == (6, True)
        folder.mkdir()
        assert sae("export", "--all", "--systemd", "--to", str(folder))[1].splitlines() == [
            f"{folder}/sae-nightly.service",
            f"{folder}/sae-nightly.timer",
        ]
        assert sorted(path.name for path in folder.iterdir()) == ["sae-nightly.service", "sae-nightly.timer"]
        assert (folder / "sae-nightly.timer").read_text() in output + "\n"

    def test_all_excludes_paused_schedules(self, sae):
        sae(*NIGHTLY)
        sae("add", "often", "--every", "6h", "--profile", "sample")
        sae("pause", "nightly")
        output = sae("export", "--all", "--cron")[1]
        assert "\n0 */6 * * * cd " in output
        assert "nightly" not in output

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ((), "give either the name of a schedule or --all"),
            (("nightly", "--all", "--cron"), "give either the name of a schedule or --all"),
            (("nightly",), "give either --systemd or --cron"),
            (("nightly", "--systemd", "--cron"), "give either --systemd or --cron"),
            (("nightly", "--cron", "--to", "."), "--to works with --systemd"),
            (("fresh", "--systemd"), "schedule fresh cannot be exported: it runs when the data changed"),
            (("odd", "--cron"), "schedule odd cannot be a line of cron: 7 h divides neither"),
        ],
    )
    def test_invalid_exports_are_refused(self, sae, refused, arguments, said):
        sae(*NIGHTLY)
        sae("add", "fresh", "--on-data-change")
        sae("add", "odd", "--every", "7h")
        errors = refused(2, "export", *arguments)
        assert errors.startswith(f"error: {said}")


def test_completion_of_schedule_names(sae):
    complete = ShellComplete(cli.sae, {}, "sae", "_SAE_COMPLETE")
    assert complete.get_completions(["schedule", "show"], "") == []
    sae(*NIGHTLY)
    sae("add", "often", "--every", "6h")
    assert [item.value for item in complete.get_completions(["schedule", "show"], "")] == ["nightly", "often"]
    [item] = complete.get_completions(["schedule", "pause"], "n")
    assert (item.value, item.help) == ("nightly", "At 03:00 every day, UTC")


@pytest.mark.parametrize(
    "command",
    ["add", "list", "show", "next", "pause", "resume", "remove", "trigger", "history", "status", "export", "run"],
)
def test_every_command_has_help(sae, command):
    code, output, _ = sae(command, "--help")
    assert code == 0
    assert output.startswith(f"Usage: sae schedule {command} [OPTIONS]")


class TestRun:
    def test_a_second_daemon_is_refused(self, sae, refused, root):
        sae(*NIGHTLY)
        with (root / "daemon.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write("process 4711 since 2026-11-24 03:00:00+00:00\n")
            file.flush()
            errors = refused(5, "run")
        assert "another daemon runs the schedules of" in errors
        assert "process 4711 since 2026-11-24" in errors

    @pytest.mark.component
    def test_the_daemon_is_running_until_sigterm(self, sae, root):
        sae(*NIGHTLY)
        command = [sys.executable, "-m", "pipeline", "schedule", "run", "--root", str(root)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=PROJECT) as daemon:
            said = daemon.stderr.readline()
            try:
                assert re.fullmatch(
                    rf"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO running the schedules of {root}, process {daemon.pid}\n",
                    said,
                )
                values = json.loads(sae("status", "--json")[1])
                assert (values["daemon"]["state"], values["daemon"]["process"]) == ("running", daemon.pid)
                assert values["unattended"] is False
                assert sae("list")[2] == ""
                assert sae("pause", "nightly")[2] == ""
            finally:
                daemon.send_signal(signal.SIGTERM)
                rest = daemon.stderr.read()
                assert daemon.wait(timeout=60) == 0
        assert "SIGTERM: no more ticks are started" in rest
        assert json.loads(sae("status", "--json")[1])["daemon"]["state"] == "stopped"
