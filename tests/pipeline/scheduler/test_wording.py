"""Times, policies and results in words."""

from __future__ import annotations

import datetime

import pytest

from pipeline.scheduler import times, wording
from pipeline.scheduler.types import CatchUp, Outcome, Overlap, Work
from pipeline_config import RetentionConfig
from tests.builders import schedules as examples


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("UTC", "Wednesday, 25 November 2026, 03:00 UTC"),
        ("Europe/Berlin", "Wednesday, 25 November 2026, 04:00 CET"),
        ("America/New_York", "Tuesday, 24 November 2026, 22:00 EST"),
        ("Nowhere/At_All", "Wednesday, 25 November 2026, 03:00 UTC"),
        ("../etc/passwd", "Wednesday, 25 November 2026, 03:00 UTC"),
    ],
)
def test_moments_are_written_in_the_time_zone(zone, said):
    assert wording.moment("2026-11-25T03:00:00Z", zone) == said


def test_seconds_are_written_unless_0():
    assert wording.moment("2026-11-25T03:00:07Z", "UTC").endswith("03:00:07 UTC")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "now"),
        (30, "in 30 s"),
        (-90, "1 min 30 s ago"),
        (3_599, "in 1 h"),
        (-5_400, "1 h 30 min ago"),
        (23_400, "in 6 h 30 min"),
        (90_000, "in 1 d 1 h"),
        (30 * 86_400 + 7_200, "in 30 d"),
    ],
)
def test_distances(seconds, said):
    when = examples.NOW + datetime.timedelta(seconds=seconds)
    assert wording.distance(times.as_text(when), examples.NOW) == said


def test_every_policy_is_written():
    assert wording.policies(examples.policies()) == {
        "Overlapping ticks": "skipped",
        "Missed ticks": "the newest is caught up",
        "On time": "up to 1 d after the planned time",
        "Jitter": "none",
        "Transient failures": "retried up to 2 times, after 1 min, doubled each time",
        "Timeout": "none",
        "Command after a failure": "none",
        "Command after a success": "none",
    }
    other = examples.policies(
        overlap=Overlap.QUEUE, catch_up=CatchUp.ALL, catch_up_limit=1_000, max_late=90.0, jitter=30.0, retries=1,
        timeout=7_200.0, on_failure="mail -s failed me", on_success="touch it",
    )  # fmt: skip
    assert list(wording.policies(other).values()) == [
        "started when the current run ends",
        "caught up, at most the newest 1,000",
        "up to 1 min 30 s after the planned time",
        "up to 30 s",
        "retried once, after 1 min",
        "2 h, then interrupted",
        "mail -s failed me",
        "touch it",
    ]
    never = wording.policies(examples.policies(catch_up=CatchUp.NONE, retries=0))
    assert never["Missed ticks"] == "not caught up"
    assert never["Transient failures"] == "not retried"


def test_options_of_a_tick():
    assert Work("mnist").options() == ("--profile", "mnist")
    full = Work("sample", "/etc/sae.toml", ("training.epochs=5", "model.l1=0.01"), 7)
    assert full.options() == (
        *("--profile", "sample", "--config", "/etc/sae.toml"),
        *("--set", "training.epochs=5", "--set", "model.l1=0.01", "--seed", "7"),
    )
    assert Work("sample", seed=0).options()[-2:] == ("--seed", "0")


def test_a_result_names_caught_up_manual_and_attempts():
    assert wording.result(examples.tick()) == "succeeded"
    twice = examples.tick(attempts=(examples.attempt(code=1), examples.attempt()), decision=Outcome.CAUGHT_UP)
    assert wording.result(twice) == "succeeded, caught up, 2 attempts"
    assert wording.result(examples.tick("running", manual=True)) == "running, manual"


def test_a_reason_is_that_of_the_tick_and_of_its_last_run():
    assert wording.reason(examples.FAILED) == "Trainer failed: no space left"
    late = examples.tick("failed", attempts=(examples.attempt(code=1, reason="no data"),), reason="2 h late")
    assert wording.reason(late) == "2 h late; no data"
    same = examples.tick("failed", attempts=(examples.attempt(code=1, reason="no data"),), reason="no data")
    assert wording.reason(same) == "no data"
    assert wording.reason(examples.SKIPPED) == "a run held the root: process 12"


def test_retention_has_the_values_of_its_settings():
    text = wording.retention(RetentionConfig(runs=30, pushed=2, max_mib=5_000))
    assert "newest 30," in text
    assert " 2 pushed before it" in text
    assert " above 5,000 MiB" in text
    assert f"off: {wording.KEEP_ALL}" in text
    assert "MiB" not in wording.retention(RetentionConfig(max_mib=0))


def test_tables_have_the_first_reason_of_a_gate():
    missed = examples.tick("failed", attempts=(examples.attempt(code=4, reason="a is 2; b is 3"),), reason="2 h late")
    assert wording.short_reason(missed) == "2 h late; a is 2, and more"
    assert wording.reason(missed) == "2 h late; a is 2; b is 3"
    one = examples.tick("failed", attempts=(examples.attempt(code=4, reason="a is 2"),))
    assert wording.short_reason(one) == "a is 2"
    other = examples.tick("failed", attempts=(examples.attempt(code=6, reason="no data; bring it"),))
    assert wording.short_reason(other) == "no data; bring it"
    assert wording.short_reason(examples.SKIPPED) == "a run held the root: process 12"


def test_the_run_of_a_tick_is_its_last():
    none = examples.attempt(run_id="", code=5)
    assert wording.run_of(examples.tick(attempts=(examples.attempt("r1"), none))) == "r1"
    assert wording.run_of(examples.tick(attempts=(examples.attempt("r1"), examples.attempt("r2")))) == "r2"
    assert wording.run_of(examples.SKIPPED) == ""


@pytest.mark.parametrize(
    ("daemon", "said"),
    [
        (examples.RUNNING, "running: process 4711, started 2026-11-20 12:00 UTC, last heartbeat 5 s ago"),
        (examples.SILENT, "silent: process 4711, started 2026-11-20 12:00 UTC, last heartbeat 2 h ago"),
        (examples.STOPPED, "stopped: last heartbeat 1 d ago"),
        (examples.NEVER, "stopped: never started here"),
    ],
)
def test_the_daemon_in_a_sentence(daemon, said):
    assert wording.daemon(daemon, examples.NOW) == said
