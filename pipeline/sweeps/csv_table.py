"""A sweep as a CSV table: a row for each point, and one for each combination with means and intervals."""

from __future__ import annotations

import csv
import io

from pipeline.inspection.run_filter import setting_text
from pipeline.sweeps.statistics import Estimate
from pipeline.sweeps.views import Sweep


def text(found: Sweep) -> str:
    """Return the table.

    A metric has three columns: `NAME`, the value of a point or the mean of a combination, and `NAME_low` and
    `NAME_high`, the 95 % interval of the mean, empty for points and for one seed. Settings come first, by their names.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    varied = found.definition.varied
    ends = [f"{name}{end}" for name in found.metrics for end in ("", "_low", "_high")]
    writer.writerow(["row", "combination", "point", *varied, "seeds", "seed", "state", "best", "run", "error", *ends])
    best = {number for one in found.combinations if one.best for number in one.points}
    for one in found.points:
        values = [part for name in found.metrics for part in (one.metrics.get(name), "", "")]
        named = [setting_text(one.settings.get(name)) for name in varied]
        place = ["point", one.combination, one.number, *named, "", one.seed, one.state.value]
        writer.writerow([*place, _yes(one.number in best), one.run, one.error, *values])
    for each in found.combinations:
        values = [part for name in found.metrics for part in _interval(each.metrics.get(name))]
        named = [setting_text(each.settings.get(name)) for name in varied]
        state = "complete" if each.complete else "incomplete"
        place = ["combination", each.number, "", *named, each.succeeded, "", state]
        writer.writerow([*place, _yes(each.best), "", "", *values])
    return file.getvalue()


def _interval(found: Estimate | None) -> tuple[float | None, ...]:
    return (None, None, None) if found is None else (found.mean, found.low, found.high)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
