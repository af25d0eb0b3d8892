"""Schedules, their times, their ticks and their daemon, as text."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.scheduler import history
from pipeline.scheduler.types import Outcome, Timing, TimingKind
from pipeline.terminal import schedules
from pipeline.terminal.table import Screen
from tests.builders import schedules as examples
from tests.builders.schedules import NOW, planned

PAUSED = planned(examples.schedule("often", paused="2026-11-24T12:00:00Z"), words="every 6 h")


def test_the_list_has_a_line_for_each():
    titles, nightly, often = schedules.list_text(Screen(), [planned(last=examples.FAILED), PAUSED], NOW).splitlines()
    assert titles.split() == ["schedule", "state", "when", "next", "(UTC)", "last", "run", "options"]
    assert nightly == (
        "nightly   active  At 03:00 every day, UTC  2026-11-25 03:00  in 6 h 30 min  failed  20261124-030001-abcdef  "
        "--profile sample"
    )
    assert often.split() == ["often", "paused", "every", "6", "h", "--profile", "sample"]
    assert schedules.list_text(Screen(), [], NOW) == ""


def test_on_80_columns_less_important_columns_are_dropped():
    lines = schedules.list_text(Screen(width=80), [planned(last=examples.FAILED)], NOW).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["schedule", "state", "when", "next", "(UTC)", "last", "options"]


@pytest.mark.parametrize(
    ("found", "daemon", "said"),
    [
        ([], examples.NEVER, "no schedule in /root: `sae schedule add nightly"),
        ([planned()], examples.STOPPED, "the daemon is stopped, so no run starts: start it with `sae schedule run`"),
        ([planned()], examples.SILENT, "the daemon is silent, so no run starts"),
        ([planned()], examples.RUNNING, ""),
        ([PAUSED], examples.STOPPED, ""),
    ],
)
def test_notes_beside_the_list(found, daemon, said):
    note = schedules.note(found, daemon, "/root")
    assert note.startswith(said)
    assert bool(note) is bool(said)


def test_next_times_of_all_are_sorted_and_limited():
    tokyo = planned(examples.schedule("tokyo", Timing(TimingKind.CRON, cron="0 12 * * *", zone="Asia/Tokyo")))
    times = schedules.times([tokyo, planned()], 3)
    assert schedules.next_text(Screen(), times, NOW).splitlines()[1:] == [
        "nightly   2026-11-25 03:00  in 6 h 30 min  Wednesday, 25 November 2026, 03:00 UTC",
        "tokyo     2026-11-25 03:00  in 6 h 30 min  Wednesday, 25 November 2026, 12:00 JST",
        "nightly   2026-11-26 03:00  in 1 d 6 h     Thursday, 26 November 2026, 03:00 UTC",
    ]


def test_the_status_names_what_failed_and_why():
    found = [planned(last=examples.FAILED), PAUSED]
    assert schedules.status_text(Screen(), examples.RUNNING, found, NOW).splitlines() == [
        "daemon     running: process 4711, started 2026-11-20 12:00 UTC, last heartbeat 5 s ago",
        "schedules  2, 1 of them paused",
        "next       nightly, 2026-11-25 03:00 UTC, in 6 h 30 min",
        "failed     nightly: Trainer failed: no space left (run 20261124-030001-abcdef)",
    ]


def test_a_schedule_shows_policies_and_history():
    groups = history.group([examples.FAILED, examples.SKIPPED])
    lines = list(schedules.schedule_lines(Screen(), planned(), groups, "/my root", NOW, "keeps 3"))
    assert lines[:7] == [
        "schedule nightly",
        "  when       At 03:00 every day, UTC",
        "  cron       0 3 * * *",
        "  zone       UTC",
        "  runs       sae run --profile sample --root '/my root'",
        "  retention  keeps 3",
        "  added      2026-11-20 12:00 UTC",
    ]
    assert "  2026-11-25 03:00 UTC  in 6 h 30 min  Wednesday, 25 November 2026, 03:00 UTC" in lines
    assert "  on time                  up to 1 d after the planned time" in lines
    assert lines[-3:] == [
        "  planned (UTC)     result   run                     reason",
        "  2026-11-24 03:00  failed   20261124-030001-abcdef  Trainer failed: no space left",
        "  2026-11-23 03:00  skipped                          a run held the root: process 12",
    ]


def test_the_first_reason_of_a_gate_is_in_history_and_status():
    missed = examples.tick("failed", attempts=(examples.attempt(code=4, reason="a is 2; b is 3"),))
    assert schedules.history_text(Screen(), history.group([missed])).endswith("abcdef  a is 2, and more")
    text = schedules.status_text(Screen(), examples.RUNNING, [planned(last=missed)], NOW)
    assert "failed     nightly: a is 2, and more (run " in text


def test_a_history_has_results_and_reasons():
    late = examples.tick(decision=Outcome.CAUGHT_UP, reason="nobody was there at its time")
    text = schedules.history_text(Screen(), history.group([late, examples.tick("running", manual=True)]))
    assert "nightly   2026-11-24 03:00  succeeded, caught up  20261124-030001-abcdef  nobody was there" in text
    assert "  running, manual  " in text
    assert schedules.history_text(Screen(), []) == ""
    older = dataclasses.replace(examples.SKIPPED, planned="2026-11-21T03:00:00Z")
    text = schedules.history_text(Screen(), history.group([examples.SKIPPED, older]))
    assert "2026-11-23 03:00  skipped, 2 times since 2026-11-21 03:00  a run held the root" in text
    many = dataclasses.replace(older, count=1_000, since="2026-01-01T00:00:00Z")
    text = schedules.history_text(Screen(), history.group([examples.SKIPPED, many]))
    assert "2026-11-23 03:00  skipped, 1,001 times since 2026-01-01 00:00  a run held the root" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0, False, ""), "no runs yet"),
        ((0, False, "nightly"), "no runs of nightly yet"),
        ((20, True, "nightly"), "the newest 20 of nightly; --limit shows more"),
        ((20, False, ""), ""),
    ],
)
def test_notes_of_a_history(arguments, said):
    assert schedules.history_note(*arguments) == said


def test_control_characters_in_names_are_escaped():
    evil = examples.tick("failed", attempts=(examples.attempt(code=1, reason="\x1b[2Jgone"),))
    assert "\\x1b[2Jgone" in schedules.history_text(Screen(), history.group([evil]))
