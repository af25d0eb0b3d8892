"""Units of systemd: what they say, and that systemd reads them."""

from __future__ import annotations

import datetime
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from pipeline.core.errors import UsageError
from pipeline.scheduler import triggers
from pipeline.scheduler.export import common, systemd
from pipeline.scheduler.types import CatchUp, Overlap, Timing, TimingKind, Work
from tests import PROJECT
from tests.builders import schedules as examples

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="no systemd-analyze on PATH: on Debian, apt-get install systemd"
)
CALENDARS = {
    "0 3 * * *": ("*-*-* 03:00:00 UTC",),
    "*/15 * * * *": ("*-*-* *:00,15,30,45:00 UTC",),
    "30 8-18/2 * * 1-5": ("Mon..Fri *-*-* 08,10,12,14,16,18:30:00 UTC",),
    "0 0 1,15 * *": ("*-*-01,15 00:00:00 UTC",),
    "5 4 * jan-mar,dec *": ("*-01..03,12-* 04:05:00 UTC",),
    "0 6 * * 5-7": ("Fri..Sun *-*-* 06:00:00 UTC",),
    "0 6 * * 0,6": ("Sat,Sun *-*-* 06:00:00 UTC",),
    "0 6 * * sun,tue": ("Tue,Sun *-*-* 06:00:00 UTC",),
    "0 6 13 * fri": ("*-*-13 06:00:00 UTC", "Fri *-*-* 06:00:00 UTC"),
    "0 6 */2 * mon": ("Mon *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 06:00:00 UTC",),
    "* * * * *": ("*-*-* *:*:00 UTC",),
}
CALL = common.Call(("/opt/sae/bin/sae", "run", "--profile", "sample", "--root", "/data/root"), "/data", {})


@pytest.mark.parametrize("cron", CALENDARS)
def test_cron_becomes_a_calendar(cron):
    assert systemd.calendar(cron, "UTC") == CALENDARS[cron]


def test_the_zone_is_named():
    assert systemd.calendar("0 3 * * *", "Europe/Berlin") == ("*-*-* 03:00:00 Europe/Berlin",)


@needs_systemd
@pytest.mark.parametrize("cron", CALENDARS)
def test_a_calendar_has_the_ticks_of_the_daemon(cron):
    count = 12
    base = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.timezone.utc)
    found = set()
    for text in systemd.calendar(cron, "UTC"):
        command = [ANALYZE, "calendar", f"--iterations={count}", "--base-time=2026-11-20 12:00:00 UTC", text]
        said = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "TZ": "UTC"}
        ).stdout
        times = re.findall(r"(?:Next elapse|Iter\. #\d+|Iteration #\d+): \w+ (\S+ \S+) UTC", said)
        assert times, said
        found |= {datetime.datetime.fromisoformat(f"{one}+00:00") for one in times}
    expected = triggers.next_times(triggers.cron(cron), base, base, count)
    assert tuple(sorted(found)[:count]) == expected


def test_a_nightly_run():
    units = systemd.units(examples.schedule(retries=0), CALL)
    service, timer = units["sae-nightly.service"], units["sae-nightly.timer"]
    assert service == (
        "# Written by `sae schedule export nightly --systemd`.\n"
        "# `sae schedule pause nightly` keeps a daemon from running it as well.\n"
        "# Left out: a tick that is more than 1 d late is not missed, but run.\n"
        "[Unit]\n"
        "Description=sae run, schedule nightly: At 03:00 every day, UTC\n"
        "\n"
        "[Service]\n"
        "Type=oneshot\n"
        "WorkingDirectory=/data\n"
        "ExecStart=/opt/sae/bin/sae run --profile sample --root /data/root\n"
        "# 5: another run holds the root, so this tick is skipped.\n"
        "SuccessExitStatus=5\n"
    )
    assert timer == (
        "# Written by `sae schedule export nightly --systemd`.\n"
        "# `sae schedule pause nightly` keeps a daemon from running it as well.\n"
        "[Unit]\n"
        "Description=sae run, schedule nightly: At 03:00 every day, UTC\n"
        "\n"
        "[Timer]\n"
        "OnCalendar=*-*-* 03:00:00 UTC\n"
        "Persistent=true\n"
        "AccuracySec=1s\n"
        "\n"
        "[Install]\n"
        "WantedBy=timers.target\n"
    )


def lines(schedule, call=CALL):
    return [text.splitlines() for text in systemd.units(schedule, call).values()]


def test_long_times_have_no_exponent():
    every = Timing(TimingKind.EVERY, every=1_209_607.0)
    service, timer = lines(examples.schedule(timing=every, timeout=1_209_607.0))
    assert "TimeoutStartSec=1209607s" in service
    assert "OnUnitActiveSec=1209607s" in timer


def test_supported_policies_are_in_the_units():
    service, timer = lines(examples.schedule(timeout=7_200.0, jitter=90.0, catch_up=CatchUp.NONE))
    assert "TimeoutStartSec=7200s" in service
    assert "RandomizedDelaySec=90s" in timer
    assert "Persistent=false" in timer


def test_comments_name_what_units_leave_out():
    service, _ = lines(
        examples.schedule(
            overlap=Overlap.QUEUE, catch_up=CatchUp.ALL, retries=3, on_failure="a", on_success="b", max_late=90.0
        )
    )
    assert [line.removeprefix("# Left out: ") for line in service if "Left out" in line] == [
        "a tick does not wait for a run that holds the root; it is skipped.",
        "missed ticks are not run one by one; one run replaces them.",
        "up to 3 retries after a transient failure.",
        "the command after a failure.",
        "the command after a success.",
        "a tick that is more than 1 min 30 s late is not missed, but run.",
    ]


def test_an_interval_starts_soon_after_its_timer():
    service, timer = lines(examples.schedule(timing=Timing(TimingKind.EVERY, every=21_600.0)))
    assert [line for line in timer if line.startswith("On")] == ["OnActiveSec=60s", "OnUnitActiveSec=21600s"]
    assert not [line for line in timer if line.startswith("Persistent")]
    assert "Left out: missed ticks are not caught up." in " ".join(service)
    _, timer = lines(examples.schedule(timing=Timing(TimingKind.EVERY, every=30.0)))
    assert [line for line in timer if line.startswith("On")] == ["OnActiveSec=30s", "OnUnitActiveSec=30s"]


def test_special_characters_of_systemd_are_quoted():
    call = common.Call(
        ("/opt/a b/sae", "run", "--set", "data.dataset=50%", "--set", 'x="$HOME"', "--set", "back\\slash", "--set", ""),
        "/with space/%",
        {"TFDS_DATA_DIR": "/a b%/$c"},
    )
    service, _ = lines(examples.schedule(), call)
    assert 'Environment="TFDS_DATA_DIR=/a b%%/$c"' in service
    assert "WorkingDirectory=/with space/%%" in service
    [started] = [line for line in service if line.startswith("ExecStart=")]
    assert started == (
        'ExecStart="/opt/a b/sae" run --set data.dataset=50%% --set "x=\\"$$HOME\\"" --set "back\\\\slash" --set ""'
    )


def test_two_days_are_two_lines():
    _, timer = lines(examples.schedule(timing=Timing(TimingKind.CRON, cron="0 6 13 * fri")))
    assert [line for line in timer if line.startswith("OnCalendar")] == [
        "OnCalendar=*-*-13 06:00:00 UTC",
        "OnCalendar=Fri *-*-* 06:00:00 UTC",
    ]


@needs_systemd
@pytest.mark.parametrize(
    "schedule",
    [
        examples.schedule(timeout=60.0, jitter=5.0),
        examples.schedule(
            "every", timing=Timing(TimingKind.EVERY, every=90.0), work=Work("sample", assignments=("a=b c%$d",))
        ),
        examples.schedule(
            "both-days", timing=Timing(TimingKind.CRON, cron="*/7 1-5/2 13 feb,may sat", zone="Asia/Tokyo")
        ),
    ],
    ids=lambda schedule: schedule.name,
)
def test_systemd_accepts_the_units(schedule, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/data sets")
    root = tmp_path / "with space" / "root"
    root.mkdir(parents=True)
    call = common.call(schedule, root, root.parent, "systemd")
    paths = []
    for name, text in systemd.units(schedule, call).items():
        paths.append(tmp_path / name)
        paths[-1].write_text(text)
    done = subprocess.run([ANALYZE, "verify", "--man=no", *paths], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("arguments", ["schedule run", "serve --allow-host lab.example.org --base-path /sae"])
def test_systemd_accepts_the_units_in_the_documents(tmp_path, arguments):
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    command = f"ExecStart=/opt/sae/.venv/bin/sae {arguments}\n"
    [unit] = [one for one in re.findall(r"```ini\n(.*?)```", text, re.DOTALL) if command in one]
    path = tmp_path / "sae-documented.service"
    path.write_text(unit.replace(command, f"ExecStart={sys.executable} {arguments}\n"))
    done = subprocess.run([ANALYZE, "verify", "--man=no", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_call_names_programs_and_files_by_their_absolute_paths(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/sets")
    schedule = examples.schedule(work=Work("sample", "/etc/sae.toml", ("training.epochs=5",), 3))
    call = common.call(schedule, pathlib.Path("/data/root"), pathlib.Path("/data"), "systemd")
    assert pathlib.Path(call.command[0]).is_absolute()
    assert call.command[call.command.index("run") :] == (
        *("run", "--profile", "sample", "--config", "/etc/sae.toml", "--set", "training.epochs=5", "--seed", "3"),
        *("--root", "/data/root", "--trigger", "systemd nightly"),
    )
    assert (call.folder, call.environment) == ("/data", {"TFDS_DATA_DIR": "/sets"})


def test_a_schedule_that_checks_the_data_is_refused():
    schedule = examples.schedule(timing=Timing(TimingKind.DATA_CHANGE, every=600.0))
    with pytest.raises(UsageError, match="nightly"):
        common.call(schedule, pathlib.Path("/data/root"), pathlib.Path("/data"), "systemd")


def test_a_line_break_is_refused():
    schedule = examples.schedule(work=Work("sample", assignments=("data.schema=a\nUser=root",)))
    with pytest.raises(UsageError, match=r"'data.schema=a\\nUser=root'"):
        common.call(schedule, pathlib.Path("/data/root"), pathlib.Path("/data"), "systemd")
