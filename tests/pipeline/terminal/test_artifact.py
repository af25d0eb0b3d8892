"""An artifact as it is shown: what is known of it whatever its type."""

from __future__ import annotations

import dataclasses
import datetime

from pipeline.artifacts.sections import Pairs, Preview, Text
from pipeline.inspection.views import ArtifactDetails, ArtifactRow, ExecutionUse, File
from pipeline.terminal import artifact
from pipeline.terminal.table import Screen

CREATED = datetime.datetime(2026, 11, 23, 14, 30, 5, tzinfo=datetime.timezone.utc)
CONTENT = f"blessing-1:{'0a' * 32}"
ROW = ArtifactRow(7, "ModelBlessing", "", "/r/7", "live", CREATED, CONTENT, "r1", "Evaluator", "blessing")


def used(node, run, key="blessing"):
    return ExecutionUse(1, run, node, key, False, CREATED)


ONE = ArtifactDetails(
    ROW,
    {"content_digest": CONTENT, "blessed": 1, "splits": {"a": 1}, "long": "x" * 310},
    used("Evaluator", "r1"),
    (used("Evaluator", "r2"),),
    tuple(used("Pusher", f"r{number}", "model_blessing") for number in range(6)),
    3,
    (File("BLESSED", 0, "ab" * 32), File("more", 1234)),
    2,
    False,
)


def shown(one=ONE, preview=None):
    return artifact.as_text(Screen(), one, preview).splitlines()


def test_all_that_is_known_is_shown():
    assert shown(preview=Preview("blessing", (Text("", "blessed", True),))) == [
        "artifact 7  ModelBlessing",
        "",
        "made by  Evaluator as blessing, run r1",
        "created  2026-11-23 14:30:05 UTC",
        f"content  {CONTENT}",
        "path     /r/7",
        "",
        "blessed",
        "",
        "properties",
        "  blessed  1",
        "  long     " + "x" * 300 + " ... and 10 more characters",
        '  splits   {"a": 1}',
        "",
        "files",
        "  file       size  SHA-256",
        "  BLESSED     0 B  abababababab",
        "  more     1.2 kB",
        "  and 2 more",
        "",
        "reused by",
        "  node       as        in runs, the newest first",
        "  Evaluator  blessing  r2",
        "",
        "used by",
        "  node    as              in runs, the newest first",
        "  Pusher  model_blessing  r0, r1, r2, r3 and 2 more",
        "  and 3 more uses that are not listed",
    ]


def test_the_other_outputs_of_its_node_are_named_with_the_commands_that_show_them():
    others = [dataclasses.replace(ROW, id=number, key=f"key_{number}") for number in range(20, 26)]
    said = artifact.as_text(Screen(), ONE, None, beside=others[:1]).splitlines()[3]
    assert said == "beside   key_20: `sae artifact 20`"
    said = artifact.as_text(Screen(), ONE, None, beside=others).splitlines()[3]
    assert said.endswith("key_23: `sae artifact 23`; and 2 more")


def test_where_nothing_was_written_to_show_that_is_said():
    assert shown()[7].startswith("no preview")
    other = dataclasses.replace(ONE, row=dataclasses.replace(ROW, type="Dataset"))
    assert shown(other)[7].startswith("artifacts of type Dataset have no preview")


def test_what_is_missing_is_said():
    row = dataclasses.replace(ROW, state="deleted", content="", name="mine", created=None)
    lines = shown(dataclasses.replace(ONE, row=row, made_by=None, gone=True))
    assert lines[:6] == [
        "artifact 7  ModelBlessing  deleted",
        "",
        "made by  no execution: it was imported, or its execution is not in this store",
        "name     mine",
        "content  without a digest",
        "path     /r/7  (missing)",
    ]


def test_metrics_are_shown_once():
    one = dataclasses.replace(ONE, properties={"metrics": "{...}"})
    assert "  metrics  {...}" in shown(one)
    assert "properties" not in shown(one, Preview("evaluation", (Pairs("metrics", {"bce": 0.5}),)))


def test_names_from_a_store_stay_text():
    row = dataclasses.replace(ROW, type="\x1b[2J", uri="\x07", state="\x1b")
    one = dataclasses.replace(ONE, row=row, properties={"\x1b": "\x9b"}, files=(File("\x1b", 1),),
                              used_by=(used("\x1b", "\x1b"),))  # fmt: skip
    assert not {"\x1b", "\x07", "\x9b"} & set("".join(shown(one)))
