"""What was noted of an artifact's content, by its type."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from pipeline.artifacts import previews
from pipeline.core.text import number_text
from pipeline.terminal import evaluation
from pipeline.terminal.table import Cell, Column, Screen

_FEATURES = (Column("feature"), Column("type"), Column("shape"))
_STATISTICS = (
    Column("feature"),
    Column("type", drop=3),
    Column("values", right=True),
    Column("missing", right=True, drop=2),
    Column("least", right=True),
    Column("mean", right=True),
    Column("most", right=True),
    Column("std", right=True, drop=4),
    Column("zeros", right=True, drop=5),
    Column("unique", right=True, drop=6),
    Column("histogram", drop=1),
)
_SCHEMA = (Column("feature"), Column("type"), Column("presence"), Column("shape"), Column("domain", least=12))
_LAYERS = (
    Column("layer"),
    Column("in", right=True),
    Column("out", right=True),
    Column("activation"),
    Column("parameters", right=True),
)
_UNITS = (Column("unit", right=True), Column("active on", right=True), Column("mean then", right=True))
_CURVE = 60  # bars of a curve


def lines(screen: Screen, preview: previews.Preview, uri: str) -> list[str]:
    """The preview of an artifact that lies at `uri`."""
    return _lines(preview, screen, uri)


@functools.singledispatch
def _lines(preview: Any, screen: Screen, uri: str) -> list[str]:
    raise TypeError(f"no text for {type(preview).__name__}")


def _section(screen: Screen, title: str, found: Sequence[str]) -> list[str]:
    return [screen.heading(title), *found, ""] if found else []


def _joined(parts: Sequence[list[str]]) -> list[str]:
    found = [line for part in parts for line in part]
    return found[:-1] if found and not found[-1] else found


def _features(screen: Screen, found: Sequence[previews.Feature]) -> list[str]:
    return screen.table(_FEATURES, [[one.name, one.type, one.shape] for one in found], "  ")


@_lines.register
def _examples(preview: previews.Examples, screen: Screen, uri: str) -> list[str]:
    parts = []
    titles = Column("split"), Column("examples", right=True)
    counts = screen.table(titles, [[one.name, f"{one.count:,}"] for one in preview.splits], "  ")
    parts.append(_section(screen, "splits", counts))
    known: list[tuple[tuple[previews.Feature, ...], list[str]]] = []  # most data sets have the same in each split
    for split in preview.splits:
        same = next((names for features, names in known if features == split.features), None)
        if same is None:
            known.append((split.features, [split.name]))
        else:
            same.append(split.name)
    for features, names in known:
        of = "" if len(known) == 1 else f" of {', '.join(names)}"
        parts.append(_section(screen, f"features{of}", _features(screen, features)))
    return _joined(parts)


@_lines.register
def _statistics(preview: previews.Statistics, screen: Screen, uri: str) -> list[str]:
    parts = []
    for split in preview.splits:
        rows = [_feature_cells(screen, one) for one in split.features]
        title = f"split {split.name}, {split.examples:,} examples"
        parts.append(_section(screen, title, screen.table(_STATISTICS, rows, "  ")))
    return _joined(parts)


def _feature_cells(screen: Screen, one: previews.FeatureStatistics) -> list[Cell | str]:
    def text(value: float | None) -> str:
        return "" if value is None else number_text(value)

    histogram = screen.sparkline([bucket.count for bucket in one.histogram])
    return [
        one.name,
        one.type,
        f"{one.count:,}",
        Cell(f"{one.missing:,}", "red" if one.missing else ""),
        text(one.minimum),
        text(one.mean),
        text(one.maximum),
        text(one.std_dev),
        text(one.zeros),
        text(one.unique),
        histogram or (f"{one.average_length:,.0f} bytes on average" if one.average_length is not None else ""),
    ]


@_lines.register
def _anomalies(preview: previews.Anomalies, screen: Screen, uri: str) -> list[str]:
    if not any(split.anomalies for split in preview.splits):
        names = ", ".join(split.name for split in preview.splits) or "no split"
        return screen.paragraph(f"no anomalies in {names}", style="green")
    parts = []
    for split in preview.splits:
        found = []
        for one in split.anomalies:
            what = f"{one.feature or 'the data set'}: {one.summary}: {one.description}"
            found += screen.paragraph(what, "  ", style="red")
        parts.append(_section(screen, f"split {split.name}", found or ["  no anomalies"]))
    return _joined(parts)


@_lines.register
def _schema(preview: previews.Schema, screen: Screen, uri: str) -> list[str]:
    rows = [[one.name, one.type, one.presence, one.shape, one.domain] for one in preview.features]
    return _joined([_section(screen, "features", screen.table(_SCHEMA, rows, "  "))])


@_lines.register
def _graph(preview: previews.TransformGraph, screen: Screen, uri: str) -> list[str]:
    return _joined(
        [
            _section(screen, "goes in", _features(screen, preview.inputs)),
            _section(screen, "comes out", _features(screen, preview.outputs)),
        ]
    )


@_lines.register
def _model(preview: previews.Model, screen: Screen, uri: str) -> list[str]:
    layers: list[list[Cell | str]] = [
        [one.name, f"{one.inputs:,}", f"{one.outputs:,}", one.activation, f"{one.parameters:,}"]
        for one in preview.layers
    ]
    parts = [_section(screen, f"{preview.parameters:,} parameters", screen.table(_LAYERS, layers, "  ") or [""])]
    for one in preview.signatures:
        rows: list[list[Cell | str]] = [
            [Cell(verb, "dim"), feature.name, feature.type, feature.shape]
            for verb, features in (("takes", one.inputs), ("gives", one.outputs))
            for feature in features
        ]
        parts.append(_section(screen, f"signature {one.name}", screen.table((Column(""),) * 4, rows, "  ")))
    return _joined(parts)


@_lines.register
def _model_run(preview: previews.ModelRun, screen: Screen, uri: str) -> list[str]:
    history = preview.history
    if not history:
        return ["no epoch was noted"]
    best, last = min(history, key=lambda one: one.val_reconstruction), history[-1]
    columns = (
        Column(""),
        Column("epoch", right=True),
        Column("training", right=True),
        Column("validation", right=True),
    )
    rows: list[list[Cell | str]] = [
        [name, str(one.epoch), number_text(one.reconstruction), number_text(one.val_reconstruction)]
        for name, one in (("first", history[0]), ("best", best), ("last", last))
    ]
    curve = screen.sparkline(_thinned([one.val_reconstruction for one in history]))
    return [
        screen.heading("reconstruction loss by epoch"),
        *screen.table(columns, rows, "  "),
        f"  validation, epochs {history[0].epoch} to {last.epoch}: {curve}",
    ]


def _thinned(values: Sequence[float]) -> list[float]:
    """At most as many as a curve has bars, evenly chosen; the first and the last among them."""
    if len(values) <= _CURVE:
        return list(values)
    return [values[round(place * (len(values) - 1) / (_CURVE - 1))] for place in range(_CURVE)]


@_lines.register
def _evaluation(preview: previews.Evaluation, screen: Screen, uri: str) -> list[str]:
    overall = screen.pairs([(name, number_text(value)) for name, value in preview.metrics.items()], "  ")
    return _joined(
        [
            _section(screen, "metrics on the test split", overall),
            _section(screen, "by slice", evaluation.slices(screen, preview, "  ")),
            _section(screen, "thresholds", evaluation.thresholds(screen, preview.thresholds, "  ")),
        ]
    )


@_lines.register
def _blessing(preview: previews.Blessing, screen: Screen, uri: str) -> list[str]:
    if preview.blessed:
        return [screen.styled("blessed", "green")]
    reasons = "; ".join(preview.reasons) or "the reason was not noted"
    return screen.paragraph(f"not blessed: {reasons}", style="yellow")


@_lines.register
def _push_decision(preview: previews.PushDecision, screen: Screen, uri: str) -> list[str]:
    verdict = "to be served" if preview.push else "kept back"
    found = screen.paragraph(f"{verdict}: {preview.reason}", style="green" if preview.push else "yellow")
    rows: list[list[Cell | str]] = [["this one", number_text(preview.bce), "its Evaluator"]]
    if preview.version is not None:
        bce = "" if preview.baseline_bce is None else number_text(preview.baseline_bce)
        rows.append([f"version {preview.version}, run {preview.run}", bce, preview.baseline_evaluation])
    return [
        *found,
        "",
        *screen.table((Column("model"), Column("test BCE", right=True), Column("measured")), rows, "  "),
    ]


@_lines.register
def _report(preview: previews.Report, screen: Screen, uri: str) -> list[str]:
    dead = [str(one.unit) for one in preview.units if one.frequency == 0]
    often = sorted(preview.units, key=lambda one: one.frequency, reverse=True)
    rows: list[list[Cell | str]] = [
        [str(one.unit), f"{one.frequency:.1%}", number_text(one.mean)] for one in often if one.frequency
    ]
    of_images = f"{len(preview.images)} test images beside what the model makes of them"
    return _joined(
        [
            [*screen.pairs([("page", str(pathlib.PurePath(uri) / "report.html"))]), of_images, ""],
            _section(screen, "units of the code, on test images", screen.table(_UNITS, rows, "  ")),
            [f"never active: {', '.join(dead)}", ""] if dead else [],
        ]
    )
