"""The results of `make bench`: what is measured, beside which limit; the file of results, and the tables made from it.

`benchmarks/results.json` has the figures of each TFX version, a column of the tables. The tables of README.md and
docs/performance.md contain what is in it: a test compares them.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.measuring import PROJECT

FILE = PROJECT / "benchmarks" / "results.json"
README = PROJECT / "README.md"
PERFORMANCE = PROJECT / "docs" / "performance.md"


@dataclasses.dataclass(frozen=True)
class Item:
    """What is measured.

    Attributes:
      text: in the tables.
      unit: `s`, `MiB`, `nats/pixel`; empty: a ratio.
      limit: largest median that is wanted; None: none.
    """

    text: str
    unit: str = ""
    limit: float | None = None


ITEMS: dict[str, Item] = {
    "whole": Item("whole first run, every node and the report, relative to a plain Keras script", limit=0.65),
    "whole_without_added": Item("the same without codes and probe, which the script lacks too", limit=0.6),
    "epoch": Item("a training epoch with validation, the median, relative to Keras", limit=0.45),
    "epoch_mean": Item("the same, the mean: PixelProbe works beside some epochs"),
    "topk": Item("an epoch of `topk`, relative to one of `l1`", limit=1.5),
    "batchtopk": Item("an epoch of `batchtopk`, relative to one of `l1`", limit=1.5),
    "jumprelu": Item("an epoch of `jumprelu`, relative to one of `l1`", limit=1.5),
    "beside_training": Item("first run, beside training", "s", 10),
    "rerun_unchanged": Item("`sae run` that changes nothing", "s", 0.4),
    "rerun_changed": Item("`sae run` with another learning rate, beside training", "s", 6),
    "sweep": Item("sweep of ten points, relative to ten trainings", limit=1.1),
    "runs_1000": Item("`sae runs`, 1,000 runs", "s", 0.7),
    "show_1000": Item("`sae show latest`, 1,000 runs", "s", 0.7),
    "serve_1000": Item("`sae serve` from its start to its first page, 1,000 runs", "s", 0.7),
    "runs_10000": Item("`sae runs`, 10,000 runs", "s", 2),
    "show_10000": Item("`sae show latest`, 10,000 runs", "s", 2),
    "serve_10000": Item("`sae serve` from its start to its first page, 10,000 runs", "s", 2),
    "serve_memory": Item("memory of `sae serve` after 10,000 requests", "MiB", 150),
    "clone": Item("fresh clone to the result on the sample, warm cache of packages", "s", 45),
    "growth_time": Item("700,000 pictures, relative to 70,000: processor time of a node", limit=10),
    "growth_memory": Item("700,000 pictures, relative to 70,000: peak memory of a node", limit=1.5),
    "peak_memory": Item("peak memory of the whole run", "MiB", 3072),
    "evaluator": Item("Evaluator with all metrics, relative to the stock one with two stock metrics", limit=0.067),
    "help": Item("`sae --help`", "s", 0.5),
    "config_show": Item("`sae config show`", "s", 0.5),
    "run_seconds": Item("whole run", "s"),
    "script_seconds": Item("the script", "s"),
    "test_bce": Item("test BCE: this pipeline", "nats/pixel"),
    "script_test_bce": Item("test BCE: the script", "nats/pixel"),
}
# Names of figures of each node are `node_seconds/Trainer`.
OF_NODES: dict[str, Item] = {
    "node_seconds": Item("first run", "s"),
    "growth_time": Item("ten times the data: processor time"),
    "growth_memory": Item("ten times the data: peak memory"),
}
# The rows of README's table. A row with a limit shows the worst of its items, the others show all.
ROWS: dict[str, tuple[str, ...]] = {
    "whole first run, relative to a plain Keras script": ("whole",),
    "one training epoch with validation, relative to Keras": ("epoch",),
    "first run, beside training": ("beside_training",),
    "rerun that changes nothing": ("rerun_unchanged",),
    "rerun with another learning rate, beside training": ("rerun_changed",),
    "sweep of ten points, relative to ten trainings": ("sweep",),
    "slowest of `sae runs`, `sae show`, first page; 1,000 runs": ("runs_1000", "show_1000", "serve_1000"),
    "the same, 10,000 runs": ("runs_10000", "show_10000", "serve_10000"),
    "fresh clone to the result on the sample": ("clone",),
    "ten times the data: processor time of a node": ("growth_time",),
    "ten times the data: peak memory of a node": ("growth_memory",),
    "test BCE: this pipeline, the script": ("test_bce", "script_test_bce"),
}


def number(value: float, unit: str = "") -> str:
    """Return a value of a unit with the digits that matter."""
    if unit == "MiB" or value >= 1000:
        return f"{value:,.0f}"
    decimals = {"nats/pixel": 4, "s": 2 if value < 10 else 1}.get(unit, 2 if value >= 0.1 else 3)
    return f"{value:.{decimals}f}"


@dataclasses.dataclass(frozen=True)
class Figure:
    """Median and range of the values of some rounds, and where they were measured; a line of the file.

    Attributes:
      column: the TFX version and that of Python.
      name: of the item; of a node, `node_seconds/Trainer`.
      median, low, high: of the values.
      rounds: number of values.
      date, commit: when, and of which code.
      machine: processors, their kind, memory, TensorFlow.
    """

    column: str
    name: str
    median: float
    low: float
    high: float
    rounds: int
    date: str
    commit: str
    machine: str

    @property
    def item(self) -> Item:
        group, _, node = self.name.partition("/")
        return OF_NODES[group] if node else ITEMS[group]

    @property
    def text(self) -> str:
        """The median, with the range if that is another number."""
        unit = self.item.unit
        after = f" {unit}" if unit in ("s", "MiB") else ""
        middle, low, high = (number(value, unit) for value in (self.median, self.low, self.high))
        return f"{middle}{after}" if low == high else f"{middle}{after} ({low} to {high})"

    @property
    def line(self) -> str:
        """The figure beside its limit, for the terminal."""
        node, limit = self.name.partition("/")[2], self.item.limit
        beside = "" if limit is None else f", at most {limit:,g}{', MISSED' if self.median > limit else ''}"
        return f"{f'{node}: ' if node else ''}{self.item.text}: {self.text}{beside}"


def figures(found: Mapping[str, Sequence[float]]) -> list[Figure]:
    """Return the figures of values that were measured here and now."""
    python = ".".join(platform.python_version_tuple()[:2])
    tfx = ".".join(importlib.metadata.version("tfx").split(".")[:2])
    return [
        Figure(
            column=f"TFX {tfx}, Python {python}",
            name=name,
            median=short(statistics.median(values)),
            low=short(min(values)),
            high=short(max(values)),
            rounds=len(values),
            date=f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}",
            commit=commit(),
            machine=machine(),
        )
        for name, values in found.items()
    ]


def short(value: float) -> float:
    return float(f"{value:.4g}")


@functools.cache
def commit() -> str:
    """Return the commit of the checkout, before figures change files in it; empty in a copy of it."""
    if not (PROJECT / ".git").exists():
        return ""
    described = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(described, cwd=PROJECT, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> str:
    """Describe this machine."""
    kind = re.search(r"^model name\s*: (.+)$", pathlib.Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    tensorflow = importlib.metadata.version("tensorflow")
    return f"{os.cpu_count()} cores, {kind[1] if kind else platform.machine()}, {gib:.0f} GiB, TensorFlow {tensorflow}"


# --- the file --------------------------------------------------------------------------------------


def load(path: pathlib.Path = FILE) -> list[Figure]:
    return [Figure(**one) for one in json.loads(path.read_text("utf-8"))] if path.exists() else []


def merge(old: Iterable[Figure], new: Sequence[Figure]) -> list[Figure]:
    """Replace figures of the same items. Those of another machine go as well, as a column is of one machine."""
    machines = {one.column: one.machine for one in new}
    names = {(one.column, one.name) for one in new}
    kept = [
        one
        for one in old
        if machines.get(one.column, one.machine) == one.machine and (one.column, one.name) not in names
    ]
    return sorted([*kept, *new], key=lambda one: one.column)


def save(found: Iterable[Figure], path: pathlib.Path = FILE) -> None:
    """Write the file, a figure in each line."""
    lines = ",\n".join(json.dumps(dataclasses.asdict(one)) for one in found)
    path.write_text(f"[\n{lines}\n]\n", "utf-8")


# --- the tables ------------------------------------------------------------------------------------


def by_column(found: Iterable[Figure]) -> dict[str, dict[str, Figure]]:
    """Return the figures by column and name."""
    columns: dict[str, dict[str, Figure]] = {}
    for one in found:
        columns.setdefault(one.column, {})[one.name] = one
    return columns


def cell(column: Mapping[str, Figure], names: Sequence[str]) -> str:
    """Return the worst figure of items with a limit, and all of others."""
    if not all(name in column for name in names):
        return "not measured"
    found = [column[name] for name in names]
    if found[0].item.limit is not None:
        found = [max(found, key=lambda one: one.median)]
    return ", ".join(one.text for one in found)


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table(rows: Iterable[tuple[str, Sequence[str]]], found: Iterable[Figure]) -> str:
    """Return a row for each text and its items, with their limit, and a column for each TFX version."""
    columns = by_column(found)
    lines = [row(["median (range)", "at most", *columns]), "|---" * (len(columns) + 2) + "|"]
    for text, names in rows:
        item = ITEMS[names[0]]
        limit = "" if item.limit is None else f"{item.limit:,g} {item.unit}".strip()
        lines.append(row([text, limit, *(cell(one, names) for one in columns.values())]))
    return "\n".join([*lines, row(["machine, dates", "", *(where(list(one.values())) for one in columns.values())])])


def where(column: Sequence[Figure]) -> str:
    """Return the machine of a column, and the first and the last date of its figures."""
    dates = sorted(one.date for one in column)
    return f"{column[0].machine}; {' to '.join(dict.fromkeys((dates[0], dates[-1])))}"


def nodes_table(found: Iterable[Figure]) -> str:
    """Return a row for each node, with its figures of each column."""
    columns = by_column(one for one in found if "/" in one.name)
    titles = [f"{item.text}, {name}" for name in columns for item in OF_NODES.values()]
    lines = [row(["node", *titles]), "|---" * (len(titles) + 1) + "|"]
    names = [
        name for group in OF_NODES for column in columns.values() for name in column if name.startswith(f"{group}/")
    ]
    for node in dict.fromkeys(name.partition("/")[2] for name in names):
        figures_ = [column.get(f"{group}/{node}") for column in columns.values() for group in OF_NODES]
        lines.append(row([node, *(one.text if one else "" for one in figures_)]))
    return "\n".join(lines)


def performance_table(found: Iterable[Figure]) -> str:
    return table([(item.text, (name,)) for name, item in ITEMS.items()], found)


TABLES: dict[str, tuple[pathlib.Path, Callable[[], str]]] = {
    "measured": (README, lambda: table(ROWS.items(), load())),
    "measurements": (PERFORMANCE, lambda: performance_table(load())),
    "nodes": (PERFORMANCE, lambda: nodes_table(load())),
}


def block(text: str, name: str) -> re.Match[str]:
    """Find what is between the marks of a generated table."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", text, re.DOTALL)
    assert found, f"no block {name!r}"
    return found


def write_tables(tables: Mapping[str, tuple[pathlib.Path, Callable[[], str]]] = TABLES) -> None:
    """Write tables of documents anew."""
    for name, (path, content) in tables.items():
        text = path.read_text("utf-8")
        found = block(text, name)
        path.write_text(text[: found.start(1)] + content() + text[found.end(1) :], "utf-8")


if __name__ == "__main__":
    write_tables()
