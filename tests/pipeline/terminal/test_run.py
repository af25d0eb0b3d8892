"""A run as it is shown."""

from __future__ import annotations

import dataclasses
import datetime

from components.evaluation.metrics import METRICS
from pipeline.inspection.views import (
    ArtifactRow,
    ArtifactUse,
    NodeRun,
    NodeRunState,
    Run,
    RunRow,
    RunState,
    VerificationRow,
)
from pipeline.metadata.run_properties import RunAttempt
from pipeline.terminal import run
from pipeline.terminal.table import Screen
from tests.pipeline.artifacts.samples import PREVIEWS
from tests.pipeline.provenance.test_manifest import RECORDED

STARTED = datetime.datetime(2026, 11, 23, 14, 30, 5, tzinfo=datetime.timezone.utc)


def use(key, number, kind, state="live", content="", index=0):
    return ArtifactUse(key, index, ArtifactRow(number, kind, "", f"/r/{number}", state, STARTED, content))


def node(name, state, seconds=None, **fields):
    return NodeRun(1, name, f"tfx.{name}", state, STARTED, STARTED, seconds, **fields)


EXAMPLES = use("examples", 1, "Examples", content=f"examples-1:{'0a' * 32}")
ROW = RunRow("r2", "ours", RunState.FAILED, STARTED, 30.5, "mnist 3.0.1", "manual", error="Trainer: it broke")
RUN = Run(
    ROW,
    (
        node("ExampleGen", NodeRunState.CACHED, 0.2, cached_from="r1", outputs=(EXAMPLES,)),
        node("SchemaGen", NodeRunState.EXECUTED, 2.5, reasons=("it never ran", "other code"),
             outputs=(use("schema", 2, "Schema", "out of use"), use("schema", 12, "Schema", index=1))),
        node("Trainer", NodeRunState.FAILED, 1.0, error="it broke", inputs=(EXAMPLES,)),
        node("Report", NodeRunState.NOT_RUN),
    ),
    metrics={"bce": 0.0943, "dead_units": 12.0},
    verifications=(
        VerificationRow(9, STARTED, True, "", 13, "/r/9"), VerificationRow(8, STARTED, False, "Trainer", 1, "/r/8"),
    ),
)  # fmt: skip


def shown(found=RUN, evaluation=None, manifest=RECORDED, screen=None):
    return run.as_text(screen or Screen(), found, "/root", evaluation, manifest, "there is no manifest").splitlines()


def test_an_unknown_commit_comes_with_the_reason():
    recorded = dataclasses.replace(RECORDED, git=None, git_unknown="detected dubious ownership")
    assert "commit    unknown: detected dubious ownership" in shown(manifest=recorded)
    assert "commit    unknown" in shown(manifest=dataclasses.replace(recorded, git_unknown=""))  # an earlier version


def test_the_error_stands_on_top():
    assert shown()[:4] == ["run r2  failed", "error: Trainer: it broke", "", "started   2026-11-23 14:30:05 UTC"]


def test_the_error_of_a_node_stands_on_top_where_the_run_notes_none():
    found = dataclasses.replace(RUN, row=dataclasses.replace(ROW, error=""))
    assert shown(found)[:2] == ["run r2  failed", "error: Trainer: it broke"]


def test_what_is_known_of_the_run_comes_next():
    assert shown()[3:13] == [
        "started   2026-11-23 14:30:05 UTC",
        "duration  30.5 s",
        "data set  mnist 3.0.1",
        "pipeline  ours",
        "trigger   manual",
        "command   sae run --set training.epochs=2",
        "commit    0123456789ab",
        "store     /root",
        "verified  yes, all nodes, 2026-11-23 14:30:05 UTC",
        "verified  no, content differs, only Trainer, 2026-11-23 14:30:05 UTC",
    ]


def test_what_a_run_did_not_note_is_taken_from_its_manifest():
    found = dataclasses.replace(RUN, row=dataclasses.replace(ROW, dataset="", trigger=""))
    assert {"data set  mnist 3.0.1", "trigger   manual"} <= set(shown(found))
    assert not any(line.startswith(("data set", "trigger")) for line in shown(found, manifest=None))


def test_a_schedule_is_named_with_the_time_of_its_tick():
    found = dataclasses.replace(RUN, row=dataclasses.replace(ROW, trigger="schedule nightly 2026-11-24T03:00:00Z"))
    assert "trigger   schedule nightly, for 2026-11-24 03:00 UTC" in shown(found)


def test_each_node_has_its_state_time_reason_and_what_it_read_and_wrote():
    lines = shown()
    start = lines.index("node        state      time  reason")
    assert lines[start : start + 9] == [
        "node        state      time  reason",
        "ExampleGen  cached           outputs of run r1",
        "    output  examples   1  Examples  examples-1:0a0a0a0a0a0a",
        "SchemaGen   executed  2.5 s  it never ran; other code",
        "    output  schema     2  Schema    without a digest  (out of use)",
        "    output  schema 1  12  Schema    without a digest",
        "Trainer     failed    1.0 s  it broke",
        "    input   examples   1  Examples  examples-1:0a0a0a0a0a0a",
        "Report      not run",
    ]


def test_metrics_on_the_validation_split_stand_beside_those_on_the_test_split():
    found = dataclasses.replace(RUN, metrics={**RUN.metrics, "validation_bce": 0.1, "validation_mse": 0.25})
    lines = run.as_text(Screen(), found, "/root", None, RECORDED, "", METRICS).splitlines()
    assert lines[lines.index("metrics") :][:5] == [
        "metrics",
        "  split          test  validation",
        "  BCE         0.09430     0.10000",
        "  dead units       12",
        "  MSE                     0.25000",
    ]


def test_metrics_thresholds_and_configuration_follow():
    lines = shown(evaluation=PREVIEWS["ModelEvaluation"])
    assert lines[lines.index("metrics on the test split") :][:10] == [
        "metrics on the test split",
        "  bce         0.09430",
        "  dead_units  12",
        "",
        "thresholds",
        "  metric  slice      value    limit  passed",
        "  bce     overall  0.10000  0.12000  passed",
        "  bce     label 3  0.20000           no limit",
        "  mse     overall  0.30000  0.20000  failed",
        "",
    ]
    assert lines[lines.index("configuration") :] == [
        "configuration",
        "  data.dataset          mnist",
        "  training.epochs       2",
        "  training.jit_compile  true",
        "  evaluation.max_bce    inf",
        "  engine.beam_workers   1",
        "  paths.root            pipeline_root",
    ]


def test_without_a_manifest_that_is_said():
    assert shown(manifest=None)[-2:] == ["configuration", "  there is no manifest"]


def test_a_terminal_shows_states_in_color():
    lines = shown(screen=Screen(width=80, color=True))
    assert lines[0] == "\x1b[1mrun r2\x1b[0m  \x1b[31mfailed\x1b[0m"
    assert lines[1] == "error: \x1b[31mTrainer: it broke\x1b[0m"


def test_names_from_a_store_stay_text():
    row = dataclasses.replace(ROW, id="r\x1b[2J", error="\x07", dataset="\n")
    text = "\n".join(shown(dataclasses.replace(RUN, row=row)))
    assert "run r\\x1b[2J  failed" in text
    assert "error: \\x07" in text
    assert not {"\x1b", "\x07"} & set(text)


def test_the_attempts_of_a_resumed_run_are_listed_with_why_they_ended():
    later = STARTED + datetime.timedelta(minutes=5)
    made = (
        RunAttempt(STARTED, "failed", 60.0, "broke off in Trainer: killed"),
        RunAttempt(later, "cancelled", 5.0),
        RunAttempt(later, "succeeded", 30.5),
    )
    lines = shown(dataclasses.replace(RUN, attempts=made))
    place = next(number for number, line in enumerate(lines) if line.startswith("resumed"))
    assert [line.split(maxsplit=1) for line in lines[place : place + 4]] == [
        ["resumed", "2 times"],
        ["attempt", "1  2026-11-23 14:30:05 UTC, 60.0 s, failed: broke off in Trainer: killed"],
        ["attempt", "2  2026-11-23 14:35:05 UTC, 5.0 s, cancelled: it was interrupted"],
        ["attempt", "3  2026-11-23 14:35:05 UTC, 30.5 s, succeeded"],
    ]
    assert not any(line.startswith(("resumed", "attempt")) for line in shown())
