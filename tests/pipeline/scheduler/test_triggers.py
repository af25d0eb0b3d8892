from __future__ import annotations

import datetime
import itertools

import pytest

from pipeline.core.errors import UsageError
from pipeline.scheduler import times, triggers
from pipeline.scheduler.types import Timing, TimingKind
from tests.builders.schedules import at, texts

CREATED = at("2020-01-01 00:00")


def of(found: Timing, after: str, until: str) -> list[str]:
    return texts(triggers.between(found, CREATED, at(after), at(until)))


def test_next_times_exclude_the_moment_itself() -> None:
    daily = triggers.cron("0 3 * * *")
    assert texts(triggers.next_times(daily, CREATED, at("2026-11-24 03:00"), 2)) == [
        "2026-11-25T03:00:00Z",
        "2026-11-26T03:00:00Z",
    ]
    assert texts(triggers.next_times(daily, CREATED, at("2026-11-24 02:59:59"), 1)) == ["2026-11-24T03:00:00Z"]


def test_between_excludes_its_start_and_includes_its_end() -> None:
    assert of(triggers.cron("0 3 * * *"), "2026-11-24 03:00", "2026-11-25 03:00") == ["2026-11-25T03:00:00Z"]


def test_no_tick_before_the_schedule_was_added() -> None:
    found = triggers.between(
        triggers.every("1h"), at("2026-11-24 10:30"), at("2020-01-01 00:00"), at("2026-11-24 12:30")
    )
    assert texts(found) == ["2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z"]
    assert next(triggers.ticks(triggers.cron("0 * * * *"), at("2026-11-24 10:30"), CREATED)) == at("2026-11-24 11:00")


def test_weekdays_of_cron() -> None:
    """The 22nd of November 2026 is a Sunday, 0 or 7 for cron."""
    assert of(triggers.cron("0 3 * * 0"), "2026-11-20 00:00", "2026-11-27 00:00") == ["2026-11-22T03:00:00Z"]
    assert of(triggers.cron("0 3 * * 5-7"), "2026-11-19 00:00", "2026-11-26 00:00") == [
        "2026-11-20T03:00:00Z", "2026-11-21T03:00:00Z", "2026-11-22T03:00:00Z"]  # fmt: skip


def test_a_day_matches_by_month_or_by_week() -> None:
    """The 13th of November 2026 is a Friday itself; each comes once."""
    assert of(triggers.cron("0 0 13 * 5"), "2026-11-06 12:00", "2026-12-14 00:00") == [
        f"2026-{day}T00:00:00Z" for day in ("11-13", "11-20", "11-27", "12-04", "12-11", "12-13")
    ]


@pytest.mark.parametrize(
    ("nickname", "first", "second"),
    [
        ("@hourly", "2026-11-24T13:00:00Z", "2026-11-24T14:00:00Z"),
        ("@daily", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"),
        (" @Midnight ", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"),
        ("@weekly", "2026-11-29T00:00:00Z", "2026-12-06T00:00:00Z"),  # Sundays
        ("@monthly", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
        ("@annually", "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
    ],
)
def test_nicknames_of_cron(nickname: str, first: str, second: str) -> None:
    found = triggers.cron(nickname, "UTC")
    assert texts(triggers.next_times(found, CREATED, at("2026-11-24 12:30"), 2)) == [first, second]
    assert len(found.cron.split()) == 5  # what is stored and exported are the fields


@pytest.mark.parametrize("text", ["@reboot", "@", "@daily 3", "@every 5m"])
def test_other_nicknames_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as error:
        triggers.cron(text)
    assert "@daily" in str(error.value)


@pytest.mark.parametrize("seconds", ["1s", "7s", "90s", "25m", "1d"])
def test_intervals_count_from_the_start(seconds: str) -> None:
    every = triggers.every(seconds)
    created = at("2026-11-24 00:00:13") + datetime.timedelta(microseconds=123_456)
    found = triggers.next_times(every, created, created + datetime.timedelta(days=1), 50)
    first = created.replace(microsecond=0)
    assert all((when - first).total_seconds() % every.every == 0 for when in found)
    assert {(later - sooner).total_seconds() for sooner, later in itertools.pairwise(found)} == {every.every}


def test_ticks_in_pieces_equal_ticks_at_once() -> None:
    for found in (
        triggers.every("7m"),
        triggers.cron("*/7 1-3 * * *", "Europe/Berlin"),
        triggers.cron("*/7 * * * *", "Europe/Berlin"),
    ):
        whole = list(triggers.between(found, CREATED, at("2026-10-24 22:00"), at("2026-10-25 06:00")))
        pieces, after = [], at("2026-10-24 22:00")
        while after < at("2026-10-25 06:00"):
            until = after + datetime.timedelta(seconds=317)
            pieces += triggers.between(found, CREATED, after, min(until, at("2026-10-25 06:00")))
            after = until
        assert pieces == whole
        assert len(set(whole)) == len(whole)
        assert whole == sorted(whole)


# Berlin's clocks go forward on 29 March 2026 at 02:00 (01:00 UTC) and back on 25 October at 03:00 (01:00 UTC).


def test_a_time_that_is_skipped_comes_once_after_the_gap() -> None:
    nightly = triggers.cron("30 2 * * *", "Europe/Berlin")
    assert of(nightly, "2026-03-27 12:00", "2026-03-30 12:00") == [
        "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]  # fmt: skip
    quarters = triggers.cron("*/15 2 * * *", "Europe/Berlin")
    assert of(quarters, "2026-03-28 12:00", "2026-03-29 12:00") == ["2026-03-29T01:00:00Z"]
    also_three = triggers.cron("30 2,3 * * *", "Europe/Berlin")
    assert of(also_three, "2026-03-28 12:00", "2026-03-29 12:00") == ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]


def test_a_time_that_comes_twice_is_taken_once() -> None:
    nightly = triggers.cron("30 2 * * *", "Europe/Berlin")
    assert of(nightly, "2026-10-24 12:00", "2026-10-26 12:00") == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    assert of(nightly, "2026-10-25 00:30", "2026-10-25 12:00") == []  # asked for within the repeated hour


def test_hourly_ticks_continue_evenly() -> None:
    hourly = triggers.cron("30 * * * *", "Europe/Berlin")
    for day in ("2026-03-29", "2026-10-25"):
        assert of(hourly, f"{day} 00:00", f"{day} 04:00") == [f"{day}T{hour:02}:30:00Z" for hour in range(4)]
    quarters = of(triggers.cron("*/15 * * * *", "Europe/Berlin"), "2026-10-25 00:00", "2026-10-25 02:00")
    assert quarters == texts(at("2026-10-25 00:00") + datetime.timedelta(minutes=15 * n) for n in range(1, 9))


def test_hourly_ticks_continue_evenly_where_clocks_change_by_half_an_hour() -> None:
    """On Lord Howe 02:00 becomes 02:30 on 4 October 2026 (3 October, 15:30 UTC), and 01:30 on 5 April (4, 15:00 UTC).

    cronsim on its own leaves out 03:00 of the one and the second 01:45 of the other.
    """
    third = triggers.cron("0 */3 * * *", "Australia/Lord_Howe")
    assert of(third, "2026-10-03 13:30", "2026-10-03 19:00") == ["2026-10-03T16:00:00Z", "2026-10-03T19:00:00Z"]
    hourly = triggers.cron("45 * * * *", "Australia/Lord_Howe")
    assert of(hourly, "2026-04-04 14:00", "2026-04-04 16:30") == [
        "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-04T16:15:00Z"]  # fmt: skip


def test_a_year_of_days_in_a_zone_has_each_day_once() -> None:
    for zone, minute_hour in [("Europe/Berlin", "30 2"), ("America/New_York", "30 1"), ("Australia/Lord_Howe", "45 1")]:
        found = list(
            triggers.between(
                triggers.cron(f"{minute_hour} * * *", zone), CREATED, at("2026-01-01 12:00"), at("2027-01-01 12:00")
            )
        )
        assert len(found) == 365
        assert len(set(found)) == 365


def test_a_day_that_a_country_skipped() -> None:
    """Samoa had no 30 December 2011: it went from the end of the 29th, 10:00 UTC on the 30th, to the 31st."""
    noon = triggers.cron("0 12 * * *", "Pacific/Apia")
    found = texts(triggers.between(noon, at("2011-01-01 00:00"), at("2011-12-29 00:00"), at("2012-01-01 00:00")))
    assert found == ["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z", "2011-12-31T22:00:00Z"]


@pytest.mark.parametrize("zone", ["Berlin", "", "../etc/passwd", "Europe", "/usr/share/zoneinfo/UTC", "Mars/Base"])
def test_unknown_zones_are_refused(zone: str) -> None:
    with pytest.raises(UsageError):
        triggers.cron("0 3 * * *", zone)


def test_invalid_timings_are_refused() -> None:
    with pytest.raises(UsageError, match="'25'"):
        triggers.cron("0 25 * * *")
    with pytest.raises(UsageError, match="--every 'often'"):
        triggers.every("often")
    with pytest.raises(UsageError, match="--on-data-change '0m'"):
        triggers.on_data_change("0m")
    with pytest.raises(UsageError):
        triggers.every("99999999d")


def test_kinds() -> None:
    assert triggers.cron(" 0  3 * * * ", "Europe/Berlin") == Timing(
        TimingKind.CRON, cron="0 3 * * *", zone="Europe/Berlin"
    )
    assert triggers.every("1h30m") == Timing(TimingKind.EVERY, every=5_400.0)
    assert triggers.on_data_change("15m") == Timing(TimingKind.DATA_CHANGE, every=900.0)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (triggers.cron("0 3 * * *"), "At 03:00 every day, UTC"),
        (triggers.cron("5 14 * * 1-5", "Europe/Berlin"), "At 14:05 on Monday through Friday, Europe/Berlin"),
        (triggers.cron("0 3 * * 0"), "At 03:00 on Sunday, UTC"),
        (triggers.cron("0 3 * * 7,2"), "At 03:00 on Sunday and Tuesday, UTC"),
        (triggers.cron("0 3 * * fri-sun"), "At 03:00 on Friday through Sunday, UTC"),
        (triggers.cron("0 3 * * 1,3,5"), "At 03:00 on Monday, Wednesday, and Friday, UTC"),
        (triggers.cron("0 3 1 * *"), "At 03:00 on the first day of every month, UTC"),
        (triggers.cron("* * * * *"), "Every minute, UTC"),
        (triggers.cron("*/15 * * * *"), "Every 15th minute of every hour, UTC"),
        (triggers.cron("*/7 * * * *"), "Every seventh minute of every hour, UTC"),
        (triggers.cron("5 * * * *"), "At minute 5 of every hour, UTC"),
        (triggers.cron("0 3 13 * 5"), "At 03:00 on the 13th day of month and on Friday, UTC"),
        (triggers.cron("0 3 * 6 *"), "At 03:00 every day in June, UTC"),
        (triggers.cron("0 3,15 * * *"), "At 03:00 and 15:00 every day, UTC"),
        (triggers.every("90m"), "Every 1 h 30 min"),
        (triggers.on_data_change("15m"), "When the data changed, checked every 15 min"),
    ],
)
def test_explain(found: Timing, words: str) -> None:
    assert triggers.explain(found) == words


def test_a_time_in_the_far_future() -> None:
    assert times.as_text(at("9999-12-31 00:00")) == "9999-12-31T00:00:00Z"
