"""What pages say of artifacts whose bytes `sae gc` deleted: that they are, and what is left of them."""

from __future__ import annotations

import pytest

from pipeline.maintenance import gc
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline_config import RetentionConfig
from tests.builders import pages as content
from tests.builders.pages import Seen, artifact_of
from tests.builders.roots import Recorded


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """The filled root, of which `better` alone was kept: `good` lost what it does not share with it."""
    recorded = Recorded(tmp_path_factory.mktemp("collected"))
    content.fill(recorded)
    gc.apply(PIPELINE, recorded.root, RetentionConfig(runs=1, pushed=0, max_mib=0))
    return recorded


def seen(collected, ask, path):
    answer = ask(collected.root).get(path)
    assert answer.status_code == 200
    return Seen(answer.text)


def test_a_run_says_what_of_it_is_deleted_and_how_it_comes_back(collected, ask):
    page = seen(collected, ask, "/runs/good")
    model_run = artifact_of(collected, "good", "Trainer", "model_run")
    assert "ModelRun, ModelEvaluation, ModelBlessing, ProbeScores, Report were deleted" in page.text
    assert f"regenerate ModelRun with sae restore {model_run}" in page.text
    assert "There is no preview" not in page.text
    model = artifact_of(collected, "good", "Trainer", "model")
    assert f"model #{model} (deleted)" in page.text
    assert "(deleted)" not in seen(collected, ask, "/runs/better").text
    assert f"Model #{model} (deleted)" in seen(collected, ask, "/runs/good/nodes/Trainer").text


def test_no_link_leads_to_what_is_deleted(collected, ask):
    client = ask(collected.root)
    report = artifact_of(collected, "good", "Report", "report")
    links = set()
    for path in ("/runs/good", f"/artifacts/{report}", "/compare?run=good&run=better"):
        page = Seen(client.get(path).text)
        assert "Open the report" not in page.text
        links |= {link.partition("#")[0] or path for link in page.links}
    for link in links - {"/compare"}:  # a form, which adds the runs
        assert client.get(link).status_code == 200, link
    assert "Open the report" in Seen(client.get("/runs/better").text).text


def test_runs_that_are_compared_lack_deleted_pictures(collected, ask):
    text = seen(collected, ask, "/compare?run=good&run=better&run=bad").text
    for what in ("ModelRun", "Report"):
        assert f"No {what} for good: it was deleted" in text
        assert f"No {what} for bad: the run has none" in text


def test_the_artifact_says_when_and_how_it_comes_back(collected, ask):
    number = artifact_of(collected, "good", "Trainer", "model")
    text = seen(collected, ask, f"/artifacts/{number}").text
    assert "State deleted" in text
    assert "Its bytes were deleted by gc on " in text
    assert f"sae restore {number} --root " in text
    assert "Format-Serving/saved_model.pb" in text


def test_lineage_marks_it_in_the_drawing_and_the_list(collected, ask):
    number = artifact_of(collected, "good", "Trainer", "model")
    blessing = artifact_of(collected, "good", "Evaluator", "blessing")
    text = seen(collected, ask, f"/artifacts/{number}/lineage").text
    assert f"ModelBlessing #{blessing} (deleted)" in text
    assert f"#{blessing} blessing, deleted" in text
