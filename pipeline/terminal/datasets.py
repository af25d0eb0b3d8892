"""Text and JSON about prepared data sets: `sae data list` and `sae data show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.data.own_data.conversion import AS_GIVEN
from components.data.own_data.metadata import LEAVE_OUT
from pipeline.core.text import bytes_text, counted, escaped, number_text
from pipeline.sparse_autoencoder import example_sheet
from pipeline.sparse_autoencoder.prepared import Contents, Example, PreparedDataset
from pipeline.terminal.table import GAP, Cell, Column, Screen, thinned

_RAMP = " .:-=+*#%@"  # from dark to bright
_WIDTH, _HEIGHT = 18, 9  # characters of an image; one is twice as high as wide
_PIPE = 80  # columns of a sheet in a pipe
_SHOWN = 8  # examples in the terminal
_LABELS = 50  # rows of the table of labels


def list_text(screen: Screen, datasets: Sequence[PreparedDataset]) -> str:
    """Return a table of data sets."""
    columns = (
        Column("data set"),
        Column("version"),
        Column("features", min_width=12),
        Column("records", min_width=12, drop=1),
        Column("size", right=True, drop=2),
        Column("from", drop=3),
    )
    rows: list[list[Cell | str]] = [
        [
            one.name,
            one.version,
            Cell(one.fault, "red") if one.fault else _features(one),
            ", ".join(f"{name} {size:,}" for name, size in one.splits.items()),
            bytes_text(one.bytes),
            "sae data add" if one.own else "TFDS",
        ]
        for one in datasets
    ]
    return "\n".join(screen.table(columns, rows))


def show_text(screen: Screen, dataset: PreparedDataset, found: Contents) -> str:
    """Return what a data set is, the counts of its labels, and some examples."""
    limits = found.range
    shown_of = "" if dataset.facts.get("range") else f" (of {counted(len(found.examples), 'example')})"
    lines = [screen.heading(f"{dataset.name} {dataset.version}")]
    lines += screen.pairs(
        [
            ("folder", str(dataset.folder)),
            ("features", _features(dataset)),
            ("size", bytes_text(dataset.bytes)),
            ("range", f"{number_text(limits[0])} to {number_text(limits[1])}{shown_of}" if limits else ""),
            *_recorded(dataset.facts),
        ],
        GAP,
    )
    lines += ["", screen.heading("records"), *_counts(screen, dataset, found)]
    if found.examples and limits:
        lines += ["", screen.heading("examples"), *_sheet(screen, found.examples, limits)]
    return "\n".join(lines)


def _features(dataset: PreparedDataset) -> str:
    return ", ".join(f"{name}: {text}" for name, text in dataset.features.items())


def _recorded(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what `sae data add` recorded, as pairs."""
    options = facts.get("options")
    options = options if isinstance(options, dict) else {}
    size = options.get("size")
    converted = [f"resized to {size[0]}x{size[1]}, {options.get('resampling')}"] if size else []
    if options.get("channels", AS_GIVEN) != AS_GIVEN:
        converted.append(f"channels {options['channels']}")
    fractions = ", ".join(f"{name} {fraction:g}" for name, fraction in (options.get("split") or {}).items())
    chosen = f", {fractions}, seed {options.get('seed')}" if "hash" in str(facts.get("splits")) else ""
    unreadable, constant = facts.get("unreadable"), facts.get("constant_values")
    return [
        ("made from", str(facts.get("form", ""))),
        ("converted", "; ".join(converted)),
        ("columns left out", escaped(", ".join(options.get(LEAVE_OUT) or ()))),
        ("splits by", f"{facts.get('splits', '')}{chosen}"),
        ("groups", str(facts.get("groups") or "")),
        ("left out", f"{counted(unreadable, 'record')} that cannot be used" if unreadable else ""),
        (
            "duplicates",
            f"{facts['duplicates']:,}, {facts.get('duplicates_across_splits', 0):,} of them across splits"
            if facts.get("duplicates")
            else "",
        ),
        ("constant", f"{counted(constant, 'value')} in all records" if constant else ""),
    ]


def _counts(screen: Screen, dataset: PreparedDataset, found: Contents) -> list[str]:
    splits = list(dataset.splits)
    rows: list[list[Cell | str]] = [["all", *(f"{dataset.splits[split]:,}" for split in splits)]]
    names = list(next(iter(found.labels.values()), {}))
    rows += [[name, *(f"{found.labels[split][name]:,}" for split in splits)] for name in names[:_LABELS]]
    columns = (Column("label" if names else ""), *(Column(split, right=True) for split in splits))
    lines = screen.table(columns, rows, GAP)
    if len(names) > _LABELS:
        lines.append(f"{GAP}and {counted(len(names) - _LABELS, 'more label')}: --json lists all")
    partial = [split for split in splits if names and found.counted[split] < dataset.splits[split]]
    if partial:
        lines.append(f"{GAP}labels of the first {counted(found.counted[partial[0]], 'record')} of {', '.join(partial)}")
    return lines


def _sheet(screen: Screen, examples: Sequence[Example], limits: tuple[float, float]) -> list[str]:
    step = max(1, len(examples) // _SHOWN)
    chosen = list(examples)[::step][:_SHOWN]
    if chosen[0].values.ndim == 1:
        return screen.table(
            (Column("label"), Column("values")),
            [[one.label, screen.sparkline(thinned((one.values - limits[0]).tolist()))] for one in chosen],
            GAP,
        )
    fit = max(1, ((screen.width or _PIPE) - len(GAP)) // (_WIDTH + len(GAP)))
    lines: list[str] = []
    for start in range(0, len(chosen), fit):
        row = chosen[start : start + fit]
        titles = [screen.cut(escaped(one.label), _WIDTH).ljust(_WIDTH) for one in row]
        lines.append((GAP + GAP.join(titles)).rstrip())
        drawn = [example_sheet.brightness(one.values, limits, _WIDTH, _HEIGHT) for one in row]
        for line in range(_HEIGHT):
            tiles = ["".join(_RAMP[round(float(value) * (len(_RAMP) - 1))] for value in tile[line]) for tile in drawn]
            lines.append((GAP + GAP.join(tiles)).rstrip())
    return lines


def list_document(datasets: Sequence[PreparedDataset]) -> dict[str, Any]:
    """Return the fields of `sae data list --json`."""
    return {"datasets": [_fields(one) for one in datasets]}


def show_document(dataset: PreparedDataset, found: Contents) -> dict[str, Any]:
    """Return the fields of `sae data show --json`."""
    return {**_fields(dataset), "labels": found.labels, "labels_counted": found.counted, "range": found.range}


def _fields(dataset: PreparedDataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "version": dataset.version,
        "folder": str(dataset.folder),
        "features": dataset.features,
        "splits": dataset.splits,
        "bytes": dataset.bytes,
        "own": dataset.own,
        "recorded": dataset.facts,
        "fault": dataset.fault,
    }
