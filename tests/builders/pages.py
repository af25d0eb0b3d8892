"""Roots to test pages on, and a parser for pages."""

from __future__ import annotations

import html.parser
import pathlib
import zlib

from pipeline.artifacts import previews
from pipeline.core import event_log
from pipeline.core.events import Note
from pipeline.provenance import manifest
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.pipeline.artifacts import samples

# By node and output.
TYPES = {
    ("ExampleGen", "examples"): "Examples",
    ("StatisticsGen", "statistics"): "ExampleStatistics",
    ("SchemaGen", "schema"): "Schema",
    ("ExampleValidator", "anomalies"): "ExampleAnomalies",
    ("Transform", "transform_graph"): "TransformGraph",
    ("Trainer", "model"): "Model",
    ("Trainer", "model_run"): "ModelRun",
    ("Evaluator", "evaluation"): "ModelEvaluation",
    ("Evaluator", "blessing"): "ModelBlessing",
    ("PushGate", "decision"): "PushDecision",
    ("Encode", "codes"): "Codes",
    ("PixelProbe", "pixel_scores"): "PixelScores",
    ("Probe", "scores"): "ProbeScores",
    ("Report", "report"): "Report",
}


def png(shade: int = 128) -> bytes:
    """Return a grey picture of 2 by 2 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = (2).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress(bytes([0, shade, shade]) * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def fill(recorded):
    """Record `good`, `bad`, `again` and `better`, in this order, with previews, manifests, events and logs."""
    recorded.run("good")
    note(recorded, "good", state="succeeded", seconds=61.0, test_bce=0.0943, active_units=17.2, blessed=0, executed=10)
    recorded.run("bad", names=["ExampleGen", "SchemaGen"], failed="SchemaGen")
    note(recorded, "bad", state="failed", seconds=3.5, executed=1, error="SchemaGen: the schema <b>broke</b>")
    recorded.replay("again")
    note(recorded, "again", state="succeeded", seconds=0.5, test_bce=0.0943, active_units=17.2, blessed=0, cached=10)
    recorded.run("better", "model.l1=1e-4")
    note(
        recorded, "better", state="succeeded", seconds=90.0, test_bce=0.0806, active_units=28.4, blessed=1, executed=10
    )
    for run_id in ("good", "better"):
        show(recorded, run_id)
        make_manifest(recorded, run_id, 0.001 if run_id == "good" else 0.0001)
    journal = event_log.Journal(recorded.root.path, "good")
    journal(Note("the memory is <i>short</i>", warning=True))
    journal.close()
    (recorded.root.logs / "good.log").write_text("first line\nlast line\n")


def note(recorded, run_id, **fields):
    recorded.end(run_id, **{"dataset": "mnist 3.0.1", "trigger": "manual", **fields})


def show(recorded, run_id):
    """Write the previews of a run's artifacts."""
    for (node, output), kind in TYPES.items():
        folder = previews.folder_of(recorded.root.path, str(recorded.folder_of(run_id, node, output)))
        previews.write(folder, kind, samples.PREVIEWS[kind], {name: png() for name in samples.FILES.get(kind, ())})


def make_manifest(recorded, run_id, l1):
    """Write the manifest of a run."""
    made = manifest.collect(
        run_id=run_id,
        command=["sae", "run", "--set", f"model.l1={l1}"],
        profile="mnist",
        configuration=recorded.config(f"model.l1={l1}").recorded(),
        data=recorded.source(),
        code={"Trainer": {"components/model/run_fn.py": "ab" * 32}},
        pipeline=PIPELINE,
    )
    manifest.write(recorded.root.path, made)


class Seen(html.parser.HTMLParser):
    """The elements and text of a page.

    Attributes:
      tags: names of all elements.
      links: addresses in `href`, `src` and `action`.
      ids: of elements.
      inline: attributes and elements that the Content-Security-Policy forbids.
      text: all of the text.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.links, self.ids, self.inline, self._texts = [], [], [], [], []
        self.feed(page)
        self.close()
        self.text = " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        self.links += [given[name] for name in ("href", "src", "action") if given.get(name)]
        self.ids += [given["id"]] if "id" in given else []
        self.inline += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.inline.append(tag)

    def handle_data(self, data):
        self._texts.append(data)


def artifact_of(recorded, run_id, node, output):
    """Return the id of an artifact."""
    return recorded.outputs(run_id, node)[output].id


def path_of(recorded, run_id, node, output) -> pathlib.Path:
    """Return the folder of an artifact."""
    return recorded.folder_of(run_id, node, output)
