from __future__ import annotations

import pytest

from pipeline.core.errors import UsageError
from pipeline.scheduler.cron import parse


@pytest.mark.parametrize(
    ("weekday", "values"),
    [
        ("0", (0,)),
        ("7", (0,)),
        ("sun", (0,)),
        ("1", (1,)),
        ("5-7", (0, 5, 6)),
        ("fri-sun", (0, 5, 6)),
        ("sun-tue", (0, 1, 2)),
        ("0-7", (0, 1, 2, 3, 4, 5, 6)),
        ("*", (0, 1, 2, 3, 4, 5, 6)),
        ("*/2", (0, 2, 4, 6)),
        ("1-5/2", (1, 3, 5)),
        ("MON,Wed", (1, 3)),
    ],
)
def test_weekdays_are_numbered_as_in_cron(weekday: str, values: tuple[int, ...]) -> None:
    assert parse(f"0 3 * * {weekday}").weekday == values


def test_lists_ranges_and_steps() -> None:
    fields = parse("*/20 8-18/5 1,15 jan-mar *")
    assert fields.minute == (0, 20, 40)
    assert fields.hour == (8, 13, 18)
    assert fields.day == (1, 15)
    assert fields.month == (1, 2, 3)


@pytest.mark.parametrize(
    ("text", "either"),
    [("0 0 13 * 5", True), ("0 0 * * 5", False), ("0 0 13 * *", False), ("0 0 */2 * 5", False)],
)
def test_day_of_month_or_weekday_is_enough(text: str, either: bool) -> None:
    assert parse(text).either_day is either


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 3 * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("@daily", "has 1 fields"),
        ("60 3 * * *", "'60' is no minute: it must be 0 to 59"),
        ("0 24 * * *", "'24' is no hour: it must be 0 to 23"),
        ("0 3 0 * *", "'0' is no day of the month: it must be 1 to 31"),
        ("0 3 * 13 *", "'13' is no month: it must be 1 to 12 or jan to dec"),
        ("0 3 * * 8", "'8' is no weekday: it must be 0 to 7 or sun to sat (0 and 7 are Sunday)"),
        ("0 3 * * monday", "'monday' is no weekday"),
        ("5-1 3 * * *", "'5-1' is no minute"),
        ("5/15 3 * * *", "'5/15' is no minute"),
        ("*/0 3 * * *", "'*/0' is no minute"),
        ("1,,2 3 * * *", "'1,,2' is no minute"),
        ("0 3 L * *", "'l' is no day of the month"),
        ("0 3 * * mon#1", "'mon#1' is no weekday"),
        ("0 3 * * 5L", "'5l' is no weekday"),
        ("0 0 3 * * *", "has 6 fields"),
        ("-1 3 * * *", "'-1' is no minute"),
        ("²  3 * * *", "'²' is no minute"),
        ("0 3 31 2,4 *", "never comes: no such month has a day 31"),
        ("0 3 30 2 *", "never comes"),
    ],
)
def test_invalid_expressions_are_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_last_days_of_long_months_come() -> None:
    assert parse("0 3 31 2,3 *").day == (31,)
    assert parse("0 3 29 2 *").month == (2,)
    assert parse("0 3 30 2 mon").either_day  # it comes, on Mondays
