"""What is in the roots that pages are tested on, and what is in a page."""

from __future__ import annotations

import html.parser
import pathlib
import zlib

from components.evaluation.thresholds import EpochLosses
from pipeline.artifacts import previews
from pipeline.artifacts.previews import Picture
from pipeline.core import event_log
from pipeline.core.events import Note
from pipeline.definition import graph
from pipeline.metadata import run_properties
from pipeline.provenance import manifest
from tests.pipeline.recorded import METRICS, set_properties

FEATURE = previews.Feature("image", "bytes", "(1,)")
ORIGINAL = Picture("original.png", 2, 2, "test image, 3")
REBUILT = Picture("rebuilt.png", 2, 2, "reconstruction, 3")
HISTORY = tuple(EpochLosses(number, 0.3 / number, 0.29 / number, 0.31 / number, 0.28 / number) for number in (1, 2, 3))
EVALUATION = previews.Evaluation(
    METRICS,
    {"label 0": {"bce": 0.1}, "label 1": {"bce": 0.05}},
    (
        previews.Threshold("bce", "overall", 0.0943, 0.2, True),
        previews.Threshold("bce", "label 0", 0.1, 0.09, False),
        previews.Threshold("mse", "overall", 0.0108, None, True),
    ),
)
# By node and output.
PREVIEWS = {
    ("ExampleGen", "examples"): previews.Examples(
        (previews.ExamplesSplit("train", 50_000, (FEATURE,), (Picture("digit.png", 2, 2, "label 7"),)),)
    ),
    ("StatisticsGen", "statistics"): previews.Statistics(
        (
            previews.StatisticsSplit(
                "train",
                50_000,
                (
                    previews.FeatureStatistics(
                        "label", "int", 50_000, 0, 0.0, 9.0, 4.5, 2.9, 4_932, 10, None,
                        (previews.Bucket(0.0, 5.0, 3e4), previews.Bucket(5.0, 10.0, 2e4)),
                    ),
                    previews.FeatureStatistics("image", "bytes", 50_000, 0, average_length=278.5),
                ),
            ),
        )
    ),
    ("SchemaGen", "schema"): previews.Schema(
        (previews.SchemaFeature("label", "int", "in every example", "(1,)", "0 to 9"),)
    ),
    ("ExampleValidator", "anomalies"): previews.Anomalies(
        (
            previews.AnomaliesSplit("train", (previews.Anomaly("label", "out of range", "value 11"),)),
            previews.AnomaliesSplit("test", ()),
        )
    ),
    ("Transform", "transform_graph"): previews.TransformGraph(
        (FEATURE,), (previews.Feature("image_xf", "float32", "(784,)"),)
    ),
    ("Trainer", "model"): previews.Model(
        419_120,
        (previews.Layer("code", 256, 32, "relu", 8_224), previews.Layer("logits", 32, 784, "sigmoid", 410_896)),
        (previews.Signature("encode", (FEATURE,), (previews.Feature("code", "float32", "(None, 32)"),)),),
        (previews.UnitAnswer(0, 0.75, Picture("unit.png", 2, 2, "answer of 0")), previews.UnitAnswer(1, 0.0, None)),
    ),
    ("Trainer", "model_run"): previews.ModelRun(HISTORY),
    ("Evaluator", "evaluation"): EVALUATION,
    ("Evaluator", "blessing"): previews.Blessing(False, ("BCE of label 0 is 0.1, at most 0.09 is allowed",)),
    (graph.PUSH_GATE, "decision"): previews.PushDecision(
        False, "test BCE 0.0943 is 1.179 times the 0.0800 of version 1, allowed is at most 1.05",
        0.0943, 0.001, 1.05, 1, "good", 0.08, "recorded",
    ),
    ("Report", "report"): previews.Report(
        (previews.Reconstruction("3", ORIGINAL, REBUILT),),
        (previews.UnitActivity(0, 0.5, 0.75), previews.UnitActivity(1, 0.0, 0.0)),
    ),
}  # fmt: skip
PICTURES = {
    "examples": ("digit.png",),
    "model": ("unit.png",),
    "report": ("original.png", "rebuilt.png"),
}


def png(shade: int = 128) -> bytes:
    """A grey picture of 2 by 2 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = (2).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress(bytes([0, shade, shade]) * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def fill(recorded):
    """Records `good`, `bad`, `again` and `better`, in this order, with all that a run leaves behind."""
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
    """Puts a headline on a run's context, as a run does when it ends."""
    fields = {"dataset": "mnist 3.0.1", "trigger": "manual", **fields}
    store = recorded.writer.store
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    set_properties(context.custom_properties, run_properties.to_properties(run_properties.Headline(**fields)))
    store.put_contexts([context])


def show(recorded, run_id):
    """Writes the previews of a run's artifacts."""
    for (node, output), preview in PREVIEWS.items():
        folder = previews.folder_of(recorded.root.path, str(recorded.folder_of(run_id, node, output)))
        previews.write(folder, preview, {name: png() for name in PICTURES.get(output, ())})


def make_manifest(recorded, run_id, l1):
    """Stores what a run was made from."""
    made = manifest.collect(
        run_id=run_id,
        command=["sae", "run", "--set", f"model.l1={l1}"],
        profile="mnist",
        configuration=recorded.config(f"model.l1={l1}").recorded(),
        data=recorded.source(),
        code={"Trainer": {"components/model/run_fn.py": "ab" * 32}},
    )
    manifest.write(recorded.root.path, made)


class Seen(html.parser.HTMLParser):
    """What a browser would make of a page.

    Attributes:
      tags: names of all elements.
      links: addresses in `href`, `src` and `action`.
      ids: of elements.
      inline: attributes and elements that the policy forbids.
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
    """Id of an artifact."""
    return recorded.outputs(run_id, node)[output].id


def path_of(recorded, run_id, node, output) -> pathlib.Path:
    """Folder of an artifact."""
    return recorded.folder_of(run_id, node, output)
