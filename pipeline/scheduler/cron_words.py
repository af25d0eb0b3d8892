"""Cron's fields in words, for the usual ones: `every day at 03:00 UTC`. The others stay as they were written."""

from __future__ import annotations

from pipeline.scheduler import cron

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def in_words(text: str, zone: str) -> str:
    """What `0 3 * * *` says."""
    minute, *others = text.split()
    rarely = [word for word in others if word != "*"]
    if rarely:
        return _on_days(text, zone) or f"cron {text}, {zone}"
    return _within_the_hour(minute) or f"cron {text}, {zone}"


def _within_the_hour(minute: str) -> str:
    if minute == "*":
        return "every minute"
    if minute.isdecimal():
        return f"every hour at minute {int(minute)}"
    step = minute.removeprefix("*/")
    return f"every {step} min" if step.isdecimal() and 60 % int(step) == 0 else ""


def _on_days(text: str, zone: str) -> str:
    """For one time of the day; empty where it says more than that."""
    minute, hour, day, month, weekday = text.split()
    if month != "*" or not (minute.isdecimal() and hour.isdecimal()):
        return ""
    at = f"at {int(hour):02}:{int(minute):02} {zone}"
    if (day, weekday) == ("*", "*"):
        return f"every day {at}"
    if day == "*" and not weekday.startswith("*"):
        return f"every {_listed(cron.parse(text).weekday.values)} {at}"
    if weekday == "*" and day.isdecimal():
        return f"on day {int(day)} of every month {at}"
    return ""


def _listed(weekdays: tuple[int, ...]) -> str:
    """`Monday to Friday`, `Tuesday and Thursday`, `Saturday`; a week begins on Monday."""
    days = sorted((day or 7) for day in weekdays)
    names = [_WEEKDAYS[day % 7] for day in days]
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{names[0]} to {names[-1]}"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
