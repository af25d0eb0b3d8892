"""Convert previews of schema version 1, which had a JSON object of its own for each artifact type, to sections.

Roots of earlier versions contain them; nothing writes them any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components.evaluation import metrics
from components.evaluation.thresholds import OVERALL, EpochLosses
from pipeline.artifacts.payloads.features import Feature, table, tables
from pipeline.artifacts.preview_writers import model_run, report
from pipeline.artifacts.sections import (
    BarChart,
    BarValue,
    Box,
    Diagram,
    Histogram,
    Histograms,
    Pairs,
    Picture,
    Pictures,
    Preview,
    Section,
    Table,
    Text,
    Tile,
    Value,
    columns,
)
from pipeline.core.text import counted, number_text

SCHEMA_VERSION = 1
Values = Mapping[str, Any]
_MOST_BOXES = 12


def convert(values: Values) -> Preview:
    """Return a preview of schema version 1 as sections; `sections.build` checks the types of values.

    Raises:
      KeyError, TypeError, ValueError, AttributeError: a value is missing or of another type, or the type is unknown.
    """
    title, sections = _TYPES[values["type"]]
    return Preview(title, tuple(sections(values)))


def _rows(found: Any, *keys: str) -> tuple[tuple[Value, ...], ...]:
    """Return a row of these values for each object; empty texts are missing values."""
    return tuple(tuple(None if one[key] == "" else one[key] for key in keys) for one in found)


def _features(found: Any) -> tuple[Feature, ...]:
    return tuple(Feature(one["name"], one["type"], one["shape"]) for one in found)


def _picture(values: Values, before_label: str = "") -> Picture:
    return Picture(values["file"], values["width"], values["height"], before_label + values["label"])


def _examples(values: Values) -> Iterator[Section]:
    splits = values["splits"]
    yield Table("splits", columns("split", "examples:number"), _rows(splits, "name", "count"))
    by_features: dict[tuple[Feature, ...], list[str]] = {}
    for split in splits:
        if split["features"]:
            by_features.setdefault(_features(split["features"]), []).append(split["name"])
    yield from tables(by_features)
    for split in splits:
        if split["pictures"]:
            tiles = tuple(Tile(one["label"], (_picture(one, "image of "),)) for one in split["pictures"])
            yield Pictures(f"images of {split['name']}", tiles)


def _statistics(values: Values) -> Iterator[Section]:
    numbers = ("count", "missing", "min", "mean", "max", "std dev", "zeros", "unique", "average length")
    titles = columns("feature", "type", *(f"{name}:number" for name in numbers))
    keys = (
        "name", "type", "count", "missing", "minimum", "mean", "maximum", "std_dev", "zeros", "unique", "average_length"
    )  # fmt: skip
    for split in values["splits"]:
        title = f"split {split['name']}, {counted(split['examples'], 'example')}"
        yield Table(title, titles, _rows(split["features"], *keys))
        histograms = tuple(
            Histogram(
                one["name"],
                tuple((float(bin_["low"]), float(bin_["high"]), float(bin_["count"])) for bin_ in one["histogram"]),
            )
            for one in split["features"]
            if one["histogram"]
        )
        if histograms:
            yield Histograms(f"histograms of {split['name']}, counts are approximate", histograms)


def _anomalies(values: Values) -> Iterator[Section]:
    for split in values["splits"]:
        name, found = split["name"], split["anomalies"]
        if found:
            rows = tuple((one["feature"] or "the data set", one["summary"], one["description"]) for one in found)
            yield Table(f"anomalies in {name}", columns("feature", "anomaly", "description"), rows)
        else:
            yield Text(f"{name} fits the schema", "no anomalies", True)


def _schema(values: Values) -> Iterator[Section]:
    keys = "type", "presence", "shape", "domain"
    yield Table("features", columns("feature", *keys), _rows(values["features"], "name", *keys))


def _transform_graph(values: Values) -> Iterator[Section]:
    inputs, outputs = _features(values["inputs"]), _features(values["outputs"])
    before, after = (
        tuple(Box(one.name, f"{one.type} {one.shape}".rstrip(), data=True) for one in features)
        for features in (inputs, outputs)
    )
    yield Diagram("transform", (before, (Box("Transform", "preprocessing"),), after))
    yield table("inputs", inputs)
    yield table("outputs", outputs)


def _model(values: Values) -> Iterator[Section]:
    layers = values["layers"]
    yield Pairs("size", {"parameters": values["parameters"]})
    if 1 < len(layers) <= _MOST_BOXES:
        boxes = [Box("input", counted(layers[0]["inputs"], "value"), data=True)]
        for one in layers:
            sizes = f"{one['inputs']:,} → {one['outputs']:,}"
            boxes.append(Box(one["name"], f"{sizes}, {one['activation']}" if one["activation"] else sizes))
        yield Diagram("layers of the model", tuple((box,) for box in boxes))
    if layers:
        titles = columns("layer", "inputs:number", "outputs:number", "activation", "parameters:number")
        yield Table("layers", titles, _rows(layers, "name", "inputs", "outputs", "activation", "parameters"))
    tensors = tuple(
        (signature["name"], direction, *row)
        for signature in values["signatures"]
        for direction in ("input", "output")
        for row in _rows(signature[f"{direction}s"], "name", "type", "shape")
    )
    yield Table("signatures", columns("signature", "direction", "tensor", "type", "shape"), tensors)
    if values["units"]:
        text = (
            "One unit is set to its mean activation over the images on which it is active, all others to 0. The number "
            "below is that mean."
        )
        yield Pictures("the decoder's answer to each unit", tuple(_unit(one) for one in values["units"]), text)


def _unit(values: Values) -> Tile:
    if values["picture"] is None:
        return Tile(f"unit {values['unit']}", (), "dead")
    return Tile(f"unit {values['unit']}", (_picture(values["picture"]),), number_text(values["activation"]))


def _training(values: Values) -> tuple[Section, ...]:
    return model_run.preview(tuple(EpochLosses(**losses) for losses in values["history"])).sections


def _evaluation(values: Values) -> Iterator[Section]:
    thresholds, slices, loss = values["thresholds"], values["slices"], metrics.BCE.name
    yield Pairs("metrics on the test split", {metrics.label(name): one for name, one in values["metrics"].items()})
    if thresholds:
        keys = "metric", "slice", "value", "limit", "passed"
        titles = columns("metric:name", "slice", "value:number", "limit:number", "passed:verdict")
        yield Table("thresholds", titles, _rows(thresholds, *keys))
    if losses := {name: measured[loss] for name, measured in slices.items() if loss in measured}:
        limits = [one["limit"] for one in thresholds if one["metric"] == loss and one["slice"] != OVERALL]
        bars = tuple(BarValue(*one) for one in losses.items())
        yield BarChart(f"{metrics.BCE.label} by label", bars, next(iter(limits), None))
    if slices:
        names = list(dict.fromkeys(name for measured in slices.values() for name in measured))
        rows = tuple((name, *(measured.get(one) for one in names)) for name, measured in slices.items())
        yield Table("metrics by slice", columns("slice", *(f"{metrics.label(one)}:number" for one in names)), rows)


def _blessing(values: Values) -> Iterator[Section]:
    if values["blessed"]:
        yield Text("the model passed every threshold", "blessed", True, title="blessing")
    else:
        reasons = tuple(values["reasons"])
        yield Text("" if reasons else "no reason is recorded", "not blessed", False, reasons, title="blessing")


def _push_decision(values: Values) -> Iterator[Section]:
    verdict = "to be served" if values["push"] else "rejected"
    yield Text(values["reason"], verdict, values["push"], title="decision of the push gate")
    rows: list[tuple[Value, ...]] = [("this one", None, values["bce"], "by its Evaluator")]
    if values["version"] is not None:
        measured = values["baseline_evaluation"] or None
        rows.append((f"version {values['version']}", values["run"], values["baseline_bce"], measured))
    yield Table("models compared", columns("model", "run:run", "test BCE:number", "measured"), tuple(rows))


def _report(values: Values) -> tuple[Section, ...]:
    tiles = tuple(
        Tile(one["label"], (_picture(one["original"]), _picture(one["reconstruction"]))) for one in values["images"]
    )
    return report.preview(tiles, values["units"]).sections


# Title and sections by TFX's name of the type.
_TYPES: Mapping[str, tuple[str, Callable[[Values], Iterator[Section] | tuple[Section, ...]]]] = {
    "Examples": ("examples", _examples),
    "ExampleStatistics": ("statistics", _statistics),
    "ExampleAnomalies": ("anomalies", _anomalies),
    "Schema": ("schema", _schema),
    "TransformGraph": ("transform graph", _transform_graph),
    "Model": ("model", _model),
    "ModelRun": ("training", _training),
    "ModelEvaluation": ("evaluation", _evaluation),
    "ModelBlessing": ("blessing", _blessing),
    "PushDecision": ("decision of the push gate", _push_decision),
    "Report": ("report", _report),
}
