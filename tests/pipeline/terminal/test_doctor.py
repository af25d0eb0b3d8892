"""Checks of a machine, as text."""

from __future__ import annotations

from pipeline.maintenance.doctor import Check
from pipeline.terminal import maintenance


def test_as_text_it_has_a_line_per_check_and_the_advice_below():
    checks = [Check("python", True, "3.10.13"), Check("disk", False, "0.1 GiB free", "free at least 1 GiB")]
    assert maintenance.doctor(checks).splitlines() == [
        "ok   python       3.10.13",
        "BAD  disk         0.1 GiB free",
        "                  free at least 1 GiB",
    ]
