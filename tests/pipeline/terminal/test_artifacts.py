"""A line for each artifact."""

from __future__ import annotations

import datetime

import pytest

from pipeline.inspection.views import ArtifactRow, Continuation
from pipeline.terminal import artifact
from pipeline.terminal.table import Screen

CREATED = datetime.datetime(2026, 11, 23, 14, 30, 5, tzinfo=datetime.timezone.utc)
MODEL = ArtifactRow(7, "Model", "", "/r/artifacts/Trainer/model/7", "live", CREATED, f"model-1:{'0a' * 32}", "r1",
                    "Trainer", "model")  # fmt: skip
FOREIGN = ArtifactRow(12, "Dataset", "mine\x1b[2J", "gs://bucket/x", "deleted", None)


def test_an_artifact_has_all_its_columns_in_a_pipe():
    assert artifact.list_text(Screen(), [MODEL]).splitlines() == [
        "id  type   node     output  run  created           content               path",
        " 7  Model  Trainer  model   r1   2026-11-23 14:30  model-1:0a0a0a0a0a0a  /r/artifacts/Trainer/model/7",
    ]


def test_names_and_states_are_shown_where_there_are_any():
    text = artifact.list_text(Screen(), [MODEL, FOREIGN])
    assert "deleted" in text
    assert "mine\\x1b[2J" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((20, Continuation(None, "20"), ""), "the newest 20 artifacts; --limit 200 shows more"),
        ((20, Continuation(34, "20"), "--type Model"), "20 of 34 artifacts; --limit 34 shows all"),
        ((3, Continuation(None), ""), ""),
        ((0, Continuation(0), "--type Model --run r1"), "no artifact with --type Model --run r1"),
        ((0, Continuation(None), ""), "no artifact in /root: `sae run` makes the first ones"),
    ],
)
def test_what_is_left_out_or_missing_is_said(arguments, said):
    assert artifact.list_note(*arguments, "/root") == said
