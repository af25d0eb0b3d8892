"""ProbeScores and PixelScores: the accuracies of each representation, and the samples."""

from __future__ import annotations

from components.evaluation import metrics, probe_scores
from pipeline.artifacts.sections import Pairs, Preview, Section, Table, Text, Value, columns
from pipeline.artifacts.types import PNGs, StoredArtifact
from pipeline.core.text import counted

_TITLE = "accuracy by representation"


def make(artifact: StoredArtifact) -> tuple[Preview, PNGs]:
    """Return the accuracies, or why there are none. Raises `OSError` or `ValueError` without scores."""
    scores = probe_scores.read(artifact.folder)
    title = "probe of the pixels" if artifact.type_name == "PixelScores" else "probe"
    if scores.reason:
        return Preview(title, (Text(scores.reason, title=_TITLE),)), {}
    titles = columns("representation:name", *(f"{one.label}:share" for one in metrics.PROBES))
    sizes = {metrics.CODE: scores.units, metrics.PCA: scores.components, metrics.PIXELS: scores.pixels}
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (f"{name}, {counted(sizes[kind], 'value')}", *(scores.metrics[f"{kind}{one.name}"] for one in metrics.PROBES))
        for kind, name in metrics.REPRESENTATIONS.items()
        if sizes[kind]
    )
    samples = {"train examples": scores.train_examples, "test examples": scores.test_examples, "labels": scores.labels}
    sections: tuple[Section, ...] = (Table(_TITLE, titles, rows), Pairs("samples", samples))
    return Preview(title, sections), {}
