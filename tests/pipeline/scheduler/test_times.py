from __future__ import annotations

import datetime

import pytest

from pipeline.core.errors import UsageError
from pipeline.scheduler import times


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("15m", 900), ("6h", 21_600), ("1d", 86_400), ("1h30m", 5_400), ("1d1s", 86_401)]
)
def test_durations(text: str, seconds: float) -> None:
    assert times.duration(text, "--every") == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "1.5h", "-1m", "1m1h", "1 h", "1h 30m", "²s", "s5"])
def test_invalid_durations_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--every "):
        times.duration(text, "--every")


def test_too_short_durations_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^--every '0s'.*\b1 s\b"):
        times.duration("0s", "--every", 1)


def test_too_long_durations_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\b3650 d\b"):
        times.duration("9" * 12 + "s", "--every")


def test_durations_in_words() -> None:
    assert [times.in_words(seconds) for seconds in (0, 45, 5_400, 86_461.9)] == [
        "0 s",
        "45 s",
        "1 h 30 min",
        "1 d 1 min 1 s",
    ]


def test_times_are_written_in_utc_and_read_back() -> None:
    berlin = datetime.timezone(datetime.timedelta(hours=1))
    when = datetime.datetime(2026, 11, 24, 4, 0, 5, 999_999, tzinfo=berlin)
    assert times.as_text(when) == "2026-11-24T03:00:05Z"
    assert times.from_text("2026-11-24T03:00:05Z") == when.replace(microsecond=0)
