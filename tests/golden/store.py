"""A root that is always the same but for times and digests, and the commands that read it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import io
import json
import pathlib
import re

from pipeline import cli
from pipeline.artifacts import previews
from pipeline.core import event_log
from pipeline.core.events import NodeEnded, NodeStarted, NodeState, RunStarted
from pipeline.metadata.writer import MetadataWriter
from pipeline.provenance import manifest
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders.roots import METRICS, TYPES, Recorded
from tests.pipeline.artifacts.samples import FILES, PREVIEWS
from tests.pipeline.provenance.test_manifest import RECORDED

FOLDER = pathlib.Path(__file__).parent
FIRST, SECOND, FAILED = "20261123-143005", "20261123-150000", "20261123-160000"
BEGUN = datetime.datetime(2026, 11, 23, 14, 30, 5, tzinfo=datetime.timezone.utc)
DATA, MODEL = PIPELINE.names[:6], PIPELINE.names[6:]
GATE_SAYS = "the data does not fit its schema: train: expected 1 example, found 3,572"

# By the name of the golden file: what follows `sae` on the command line.
COMMANDS = {
    "show": ["show", FIRST],
    "show-failed": ["show", "latest"],
    "artifact-Trainer-model": ["artifact", f"{FIRST}:Trainer:model"],
    "diff": ["diff", FIRST, SECOND],
    "diff-failed": ["diff", FIRST, FAILED],
}
# Whose shape is held, not their values.
SHAPED = [
    *COMMANDS.values(),
    ["runs"],
    ["runs", "--limit", "1", "--sort", "test_bce", "--ascending"],
    ["runs", "--state", "failed"],
    ["artifacts"],
    ["artifacts", "--type", "Model", "--node", "Trainer", "--run", "latest~1"],
    *(["artifact", f"{FIRST}:{node}:{key}"] for node, key in (
        ("ExampleGen", "examples"), ("StatisticsGen", "statistics"), ("SchemaGen", "schema"),
        ("ExampleValidator", "anomalies"), ("Transform", "transform_graph"), ("Trainer", "model_run"),
        ("Evaluator", "evaluation"), ("Evaluator", "blessing"), ("Report", "report"), ("Pusher", "pushed_model"),
    )),
    ["lineage", f"{FIRST}:Trainer:model"],
    ["why", SECOND, "Trainer"],
    ["diff", FIRST, FIRST],
    ["models"],
    ["logs", FIRST],
    ["logs", FIRST, "--tail", "1"],
    ["open", FIRST],
]  # fmt: skip


def make(folder: pathlib.Path) -> Recorded:
    """Two runs that succeeded, with all that is kept of them, and one that failed after them."""
    recorded = Recorded(folder)
    recorded.run(FIRST)
    recorded.replay(SECOND, names=DATA)
    given = {node: recorded.outputs(FIRST, node) for node in DATA}
    recorded.run(SECOND, "training.epochs=60", names=MODEL, given=given, blessed=False, content="other")
    recorded.replay(FAILED, names=DATA[:4])
    recorded.run(FAILED, names=["DataGate"], failed="DataGate",
                 given={node: recorded.outputs(FIRST, node) for node in DATA[:4]})  # fmt: skip
    recorded.end(FIRST, state="succeeded", seconds=68.9, dataset="mnist 3.0.1", profile="mnist", trigger="manual",
          test_bce=0.0943, test_mse=0.0108, active_units=17.2, dead_units=12.0, blessed=1, executed=10, cached=0,
          pushed_version="1")  # fmt: skip
    recorded.end(SECOND, state="succeeded", seconds=30.5, dataset="mnist 3.0.1", profile="mnist", trigger="manual",
          test_bce=0.13, test_mse=0.02, active_units=14.1, dead_units=3.0, blessed=0, executed=3, cached=6)  # fmt: skip
    recorded.end(FAILED, state="failed", seconds=10.5, dataset="mnist 3.0.1", profile="mnist", trigger="manual",
          executed=0, cached=4, error=f"DataGate: {GATE_SAYS}")  # fmt: skip
    for run_id, *assignments in ((FIRST,), (SECOND, "training.epochs=60"), (FAILED, "data.train_examples=1")):
        _write_manifest(recorded, run_id, assignments)
    found = {"overall": {**METRICS, "bce": 0.13, "active_units": 14.0}, "per_label": {"0": {"bce": 0.25}}}
    recorded.change(recorded.outputs(SECOND, "Evaluator")["evaluation"].id, metrics=json.dumps(found))
    _write_previews(recorded)
    _write_log(recorded)
    journal = event_log.Journal(recorded.root.path, FAILED)
    journal(RunStarted(FAILED, PIPELINE.names))
    journal(NodeStarted("DataGate", ("as asked",)))
    journal(NodeEnded("DataGate", NodeState.FAILED, 0.1, GATE_SAYS))
    for node in MODEL:
        journal(NodeEnded(node, NodeState.SKIPPED, 0.0, "DataGate did not succeed"))
    journal.close()
    compared = [recorded.outputs(FIRST, "Trainer")["model"].id]
    verdict = recorded.root.path / "verifications" / "1"
    MetadataWriter(recorded.root).record_verification(FIRST, verdict, compared, {"verified": 1, "node": "Trainer"})
    return recorded


def _write_manifest(recorded, run_id, assignments):
    config = recorded.config("evaluation.max_bce=inf", *assignments)
    command = ("sae", "run", *(part for one in assignments for part in ("--set", one)))
    one = dataclasses.replace(RECORDED, run_id=run_id, configuration=config.recorded(), command=command)
    manifest.write(recorded.root.path, one)


def _write_previews(recorded):
    for node in PIPELINE.names:
        for output in recorded.outputs(FIRST, node).values():
            kind = TYPES[pathlib.Path(output.uri).parts[-2]]
            if kind in PREVIEWS:
                folder = previews.folder_of(recorded.root.path, output.uri)
                previews.write(folder, kind, PREVIEWS[kind], dict.fromkeys(FILES.get(kind, ()), b"png"))


def _write_log(recorded):
    lines = ["2026-11-23 14:30:06,120 INFO absl: begun", "  not a line of its own", "", "2026-11-23 14:30:07.5: W done"]
    (recorded.root.logs / f"{FIRST}.log").write_text("\n".join(lines) + "\n")


def answer(recorded: Recorded, *arguments: str) -> str:
    """What `sae ... --json` prints, with the same text for what differs from time to time and from place to place."""
    return normal(printed(recorded, *arguments), recorded)


def printed(recorded: Recorded, *arguments: str) -> str:
    """What `sae ... --json` prints."""
    output, code = io.StringIO(), None
    with contextlib.redirect_stdout(output):
        try:
            cli.main([*arguments, "--json", "--root", str(recorded.root.path)])
        except SystemExit as end:
            code = end.code
    assert code == 0, arguments
    return output.getvalue()


_TIME = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^"]*"')
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def normal(text: str, recorded: Recorded) -> str:
    """The same text for times, places and digests; digests are numbered as they appear, so equal ones stay equal."""
    values = json.loads(text.replace(str(recorded.root.path), "ROOT"))
    for node in values.get("nodes", []):
        if node["seconds"] is not None:
            node["seconds"] = "SECONDS"
    text = _TIME.sub('"TIME"', json.dumps(values, indent=2))
    numbers: dict[str, str] = {}
    return _DIGEST.sub(lambda match: numbers.setdefault(match.group(), f"digest {len(numbers) + 1}"), text) + "\n"
