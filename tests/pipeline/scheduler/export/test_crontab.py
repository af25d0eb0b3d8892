"""Lines of a crontab."""

from __future__ import annotations

import subprocess

import pytest

from pipeline.core.errors import UsageError
from pipeline.scheduler.export import common, crontab
from pipeline.scheduler.types import CatchUp, Overlap, Timing, TimingKind
from tests.builders import schedules as examples

CALL = common.Call(("/opt/sae", "run", "--profile", "sample", "--root", "/data/root"), "/data", {})


def fields(timing):
    return crontab.lines(examples.schedule(timing=timing), CALL).splitlines()[-1].partition(" cd ")[0]


def test_a_nightly_run():
    plain = examples.schedule(retries=0, catch_up=CatchUp.NONE)
    assert crontab.lines(plain, CALL) == (
        "# Written by `sae schedule export nightly --cron`.\n"
        "# `sae schedule pause nightly` keeps a daemon from running it as well.\n"
        "# CRON_TZ works in cronie; other crons read the line in the machine's own time zone.\n"
        "CRON_TZ=UTC\n"
        "0 3 * * * cd /data && /opt/sae run --profile sample --root /data/root\n"
    )


@pytest.mark.parametrize(
    ("cron", "written"),
    [
        ("*/15 8-18 * * 1-5", "*/15 8-18 * * 1-5"),
        ("0 6 * * mon-fri", "0 6 * * 1,2,3,4,5"),
        ("0 6 * JAN,mar *", "0 6 * 1,3 *"),
        ("0 6 * * fri-sun", "0 6 * * 0,5,6"),
    ],
)
def test_fields_are_unchanged_except_names(cron, written):
    assert fields(Timing(TimingKind.CRON, cron=cron)) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (60, "*/1 * * * *"),
        (900, "*/15 * * * *"),
        (3_600, "0 * * * *"),
        (21_600, "0 */6 * * *"),
        (86_400, "0 0 * * *"),
    ],
)
def test_an_interval_that_divides_an_hour_or_a_day(seconds, written):
    assert fields(Timing(TimingKind.EVERY, every=float(seconds))) == written


@pytest.mark.parametrize("seconds", [30, 90, 420, 5_400, 18_000, 172_800])
def test_another_interval_is_refused(seconds):
    with pytest.raises(UsageError, match=r"nightly.*--systemd"):
        fields(Timing(TimingKind.EVERY, every=float(seconds)))


def test_special_characters_of_shell_and_cron_are_quoted():
    arguments = ("run", "--set", "a=50% of 'b'", "--set", "c=$HOME")
    program = ("sh", "-c", 'printf "%s|" "$TFDS_DATA_DIR" "$@"', "sh")
    call = common.Call((*program, *arguments), "/", {"TFDS_DATA_DIR": "/with space/100%"})
    command = crontab.lines(examples.schedule(), call).splitlines()[-1].removeprefix("0 3 * * * ")
    assert "%" not in command.replace("\\%", "")
    shell = command.replace("\\%", "%")  # what cron hands over
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(f"{text}|" for text in ("/with space/100%", *arguments))


def test_comments_name_what_cron_leaves_out():
    schedule = examples.schedule(
        overlap=Overlap.QUEUE, jitter=30.0, timeout=60.0, retries=2, on_failure="a", on_success="b",
        timing=Timing(TimingKind.EVERY, every=900.0),
    )  # fmt: skip
    comments = crontab.lines(schedule, CALL).splitlines()
    assert [line.removeprefix("# Left out: ") for line in comments if "Left out" in line] == [
        "a tick does not wait for a run that holds the root; it is skipped, with exit code 5.",
        "missed ticks are not caught up.",
        "jitter of up to 30 s.",
        "the timeout of 1 min.",
        "up to 2 retries after a transient failure.",
        "the command after a failure.",
        "the command after a success.",
    ]
    assert any(line.startswith("# cron counts the interval from midnight") for line in comments)
