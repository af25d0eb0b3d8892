"""The Pusher's list of superseded models: when it is lost, nothing that was rolled back is served again."""

from __future__ import annotations

import json

import pytest

from components.push import serving_dir
from pipeline.core import settings
from pipeline.maintenance import fsck
from pipeline.maintenance.fsck import FindingKind
from pipeline.orchestration import run
from pipeline.orchestration.cache import CacheVerdict
from pipeline.orchestration.request import RunRequest
from pipeline.registry import promotion, superseded
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.pipeline.orchestration.test_run import display

LOST = {
    "missing": lambda path: path.unlink(),
    "damaged": lambda path: path.write_text("{"),
    "emptied": lambda path: path.write_text('{"models": []}'),
}


@pytest.fixture(params=LOST.values(), ids=LOST)
def rolled_back(four, request):
    """A root whose served model was rolled back, and whose list of superseded models is lost."""
    promotion.rollback(four.root, "worse", print)
    request.param(serving_dir.superseded_file(four.root.serving))
    return four


def digest(four):
    return four.outputs("run-4", "Trainer")["model"].content


def test_fsck_reports_it_as_damage(rolled_back):
    found = fsck.check(rolled_back.root)
    assert [one.kind for one in found.findings] == [FindingKind.SUPERSEDED]
    assert found.damaged == 1
    assert "`sae run`" in found.findings[0].sentence


def test_a_rolled_back_model_is_not_pushed_again(rolled_back):
    # The plan reads the decisions themselves.
    assert rolled_back.decisions("training.seed=4")["Pusher"].verdict == CacheVerdict.CACHED


@pytest.mark.parametrize("decide", [
    lambda root: promotion.rollback(root, "worse", print), lambda root: promotion.promote(root, "run-1", "good", print),
], ids=["rollback", "promote"])  # fmt: skip
def test_a_decision_rebuilds_it(rolled_back, decide):
    decide(rolled_back.root)
    assert digest(rolled_back) in serving_dir.superseded(rolled_back.root.serving)
    assert fsck.check(rolled_back.root).findings == ()


def test_a_run_rebuilds_it_before_its_first_node_and_says_so(rolled_back, monkeypatch, capfd):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    rolled_back.remember("training.seed=4")
    request = RunRequest(PIPELINE, settings.Request(assignments=("training.seed=4",), root=str(rolled_back.root.path)))
    summary = run.run(request, display)
    assert {node["state"] for node in summary.nodes} == {"cached"}
    assert serving_dir.superseded(rolled_back.root.serving) == {digest(rolled_back)}
    assert serving_dir.newest_version(rolled_back.root.serving).name == "5"
    assert (
        "rebuilt from the decisions in ML Metadata"
        in (rolled_back.root.path / "progress" / f"{summary.run_id}.jsonl").read_text()
    )


def test_a_root_from_before_the_list_was_written_at_the_first_push_is_sound(four):
    path = serving_dir.superseded_file(four.root.serving)
    path.unlink()
    assert fsck.check(four.root).findings == ()
    assert superseded.rebuild(four.root, four.store()) == ""
    assert json.loads(path.read_text()) == {"models": []}
