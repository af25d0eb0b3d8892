"""A run as it is shown."""

from __future__ import annotations

import pytest

from pipeline import records, show
from pipeline.errors import NotFoundError
from pipeline.root import Root
from tests.pipeline.recorded import STATE, Recorded


@pytest.fixture
def recorded(tmp_path):
    return Recorded(tmp_path)


def digest(recorded, run_id, node, key):
    """Form and the first twelve digits, as written."""
    form, _, digits = recorded.outputs(run_id, node)[key].content.partition(":")
    assert len(digits) == 64
    return f"{form} {digits[:12]}"


def test_a_run_is_shown_with_its_nodes_and_the_digests_of_what_they_made(recorded):
    recorded.run("r1", names=["ExampleGen", "SchemaGen", "StatisticsGen", "ExampleValidator", "DataGate"])
    assert show.as_text(recorded.root, "r1").splitlines() == [
        f"run r1, {recorded.root.path}",
        "",
        "ExampleGen        executed",
        f"  examples        {digest(recorded, 'r1', 'ExampleGen', 'examples')}",
        "SchemaGen         executed",
        f"  schema          {digest(recorded, 'r1', 'SchemaGen', 'schema')}",
        "StatisticsGen     executed",
        f"  statistics      {digest(recorded, 'r1', 'StatisticsGen', 'statistics')}",
        "ExampleValidator  executed",
        f"  anomalies       {digest(recorded, 'r1', 'ExampleValidator', 'anomalies')}",
        "DataGate          executed",
    ]


def test_cached_failed_and_unfinished_nodes_are_shown_as_such(recorded):
    recorded.run("r1")
    recorded.replay("r2", names=["ExampleGen", "SchemaGen"])
    recorded.run("r2", names=["ExampleGen", "SchemaGen", "StatisticsGen"], failed="StatisticsGen")
    recorded.writer.execution("r2", "Trainer", STATE.RUNNING)
    lines = show.as_text(recorded.root, "r2").splitlines()
    assert "StatisticsGen     failed" in lines
    assert "Trainer           not ended" in lines
    recorded.replay("r3", names=["SchemaGen"])
    assert "SchemaGen         cached" in show.as_text(recorded.root, "r3").splitlines()


def test_what_is_out_of_use_or_without_a_digest_is_said_to_be(recorded):
    recorded.run("r1", names=["ExampleGen"], noted=False)
    recorded.run("r2", names=["ExampleGen"])
    assert show.as_text(recorded.root, "r1").splitlines()[-1] == "  examples        without a digest"
    records.Recorder(recorded.root).take_out_of_use(recorded.outputs("r2", "ExampleGen")["examples"].id, "why")
    assert show.as_text(recorded.root, "r2").splitlines()[-1] == (
        f"  examples        {digest(recorded, 'r2', 'ExampleGen', 'examples')}  (out of use)"
    )


def test_a_run_is_found_by_its_beginning_or_as_the_latest(recorded, tmp_path):
    for run in ("20261123-1", "20261124-2"):
        recorded.run(run, names=["SchemaGen"])
    assert show.find(recorded.root, "20261123") == "20261123-1"
    assert show.find(recorded.root, "latest") == "20261124-2"
    assert show.as_text(recorded.root, "latest").startswith("run 20261124-2, ")
    with pytest.raises(NotFoundError, match="no run r9"):
        show.find(recorded.root, "r9")
    with pytest.raises(NotFoundError, match="no run in"):
        show.as_text(Root(tmp_path / "none"), "latest")
