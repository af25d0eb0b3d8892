"""Previews as the writers of each type make them, small; and one section of each kind."""

from __future__ import annotations

from pipeline.artifacts.sections import (
    BarChart,
    BarValue,
    Box,
    Card,
    Cards,
    Curve,
    Diagram,
    Histogram,
    Histograms,
    LineChart,
    Pairs,
    Picture,
    Pictures,
    Preview,
    Table,
    Text,
    Tile,
    columns,
)

PICTURE = Picture("a.png", 28, 20, "label 3")
OTHER = Picture("b.png", 28, 20, "reconstruction, 3")


FEATURES = Table("features", columns("feature", "type", "shape"), (("image", "bytes", "(1,)"),))
NUMBERS = ("count", "missing", "min", "mean", "max", "std dev", "zeros", "unique", "average length")
THRESHOLDS = Table(
    "thresholds",
    columns("metric:name", "slice", "value:number", "limit:number", "passed:verdict"),
    (("bce", "overall", 0.1, 0.12, True), ("bce", "label 3", 0.2, None, True), ("mse", "overall", 0.3, 0.2, False)),
)
CHART = LineChart(
    "reconstruction loss by epoch",
    (
        Curve("validation", ((1.0, 0.5), (2.0, 0.25), (3.0, 0.375))),
        Curve("training", ((1.0, 0.5), (2.0, 0.25), (3.0, 0.125))),
        Curve("validation with penalty", ((1.0, 0.75), (2.0, 0.5), (3.0, 0.5)), dashed=True),
    ),
    "epoch",
    "BCE, nats per pixel",
)
BARS = BarChart("BCE by label", (BarValue("label 0", 0.1), BarValue("label 3", 0.2)), 0.15)
ACTIVITY = BarChart(
    "activity of the units of the code", (BarValue("unit 0", 0.0), BarValue("unit 1", 0.25, "mean 1.5")), share=True
)
CARDS = Cards(
    "each unit",
    (
        Card(
            "unit 1",
            "active on 25 %",
            (Tile("strongest", (OTHER,), "3, 8"), Tile("answer", (PICTURE,))),
            BarChart("mean by label", (BarValue("3", 0.5), BarValue("8", 1.5))),
        ),
        Card("unit 7", "active on 1 %", (Tile("strongest", (OTHER,)),)),
    ),
    "Of two units.",
)
PREVIEWS = {
    "Examples": Preview(
        "examples",
        (
            Table("splits", columns("split", "examples:number"), (("train", 60),)),
            FEATURES,
            Pictures("images of train", (Tile("label 3", (PICTURE,)),)),
        ),
    ),
    "ExampleStatistics": Preview(
        "statistics",
        (
            Table(
                "split train, 60 examples",
                columns("feature", "type", *(f"{name}:number" for name in NUMBERS)),
                (
                    ("label", "int", 59, 1, 0.0, 4.5, 9.0, 2.5, 7, None, None),
                    ("image", "string", 60, 0, None, None, None, None, None, 58, 278.5),
                ),
            ),
            Histograms("histograms of train", (Histogram("label", ((0.0, 4.5, 20.0), (4.5, 9.0, 39.0))),)),
        ),
    ),
    "ExampleAnomalies": Preview(
        "anomalies",
        (
            Text("train fits the schema", "no anomalies", True),
            Table(
                "anomalies in test",
                columns("feature", "anomaly", "description"),
                (("label", "out of range", "10 is above 9"),),
            ),
        ),
    ),
    "Schema": Preview(
        "schema",
        (
            Table(
                "features",
                columns("feature", "type", "presence", "shape", "domain"),
                (("label", "int", "in every example", "(1,)", "0 to 9"), ("image", "bytes", None, None, None)),
            ),
        ),
    ),
    "TransformGraph": Preview(
        "transform graph",
        (
            Diagram("transform", ((Box("image", "bytes (1,)", data=True),), (Box("Transform"),), (Box("image_xf"),))),
            FEATURES,
        ),
    ),
    "Model": Preview(
        "model",
        (
            Pairs("size", {"parameters": 12}),
            Table(
                "layers",
                columns("layer", "inputs:number", "activation"),
                (("code", 3, "relu"), ("steps", None, None)),
            ),
            Pictures(
                "the decoder's answer to each unit",
                (Tile("unit 0", (PICTURE,), "1.5"), Tile("unit 1", (), "dead")),
                "One unit alone.",
            ),
        ),
    ),
    "ModelRun": Preview(
        "training", (CHART, Table("losses by epoch", columns("epoch", "training"), ((1, 0.5), (2, 0.25)), folded=True))
    ),
    "ModelEvaluation": Preview("evaluation", (Pairs("metrics on the test split", {"bce": 0.1}), THRESHOLDS, BARS)),
    "ModelBlessing": Preview("blessing", (Text("", "not blessed", False, ("bce is 0.2",), title="blessing"),)),
    "PushDecision": Preview(
        "decision of the push gate",
        (
            Text("worse", "rejected", False, title="decision of the push gate"),
            Table(
                "models compared",
                columns("model", "run:run", "test BCE:number"),
                (("this one", None, 0.1), ("version 3", "good", 0.08)),
            ),
        ),
    ),
    "Codes": Preview(
        "codes",
        (
            Table("codes by split", columns("split", "examples:number"), (("train", 3),)),
            Table("first codes", columns("id", "label", "strongest"), (("train/0", 7, "unit 2: 4"),)),
        ),
    ),
    "PixelScores": Preview(
        "probe of the pixels", (Text("the data set has no labels", title="accuracy by representation"),)
    ),
    "ProbeScores": Preview(
        "probe",
        (
            Table(
                "accuracy by representation",
                columns("representation", "k-NN accuracy:share"),
                (("code, 32 values", 0.95), ("PCA, 32 values", 0.97)),
            ),
        ),
    ),
    "Report": Preview(
        "report",
        (
            Text("open the report", file="report.html", title="report"),
            Pictures("test images and their reconstructions", (Tile("3", (PICTURE, OTHER)),)),
            ACTIVITY,
            Table(
                "units of the code",
                columns("unit:card", "active:share", "state"),
                (("unit 0", 0.0, "dead"), ("unit 1", 0.25, "active")),
                folded=True,
            ),
            CARDS,
        ),
    ),
}
FILES = {"Examples": ("a.png",), "Model": ("a.png",), "Report": ("a.png", "b.png")}  # pictures that the previews name
