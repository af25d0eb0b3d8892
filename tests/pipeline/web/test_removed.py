"""Pages of artifacts that events name and whose rows were deleted from ML Metadata."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from pipeline.inspection.locations import open_location
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import static_site
from tests.builders import pages as content
from tests.builders.pages import Seen, artifact_of
from tests.builders.roots import Recorded


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """The filled root without the rows of the examples and of the model of `good`."""
    recorded = Recorded(tmp_path_factory.mktemp("damaged"))
    content.fill(recorded)
    numbers = [artifact_of(recorded, "good", *output) for output in (("ExampleGen", "examples"), ("Trainer", "model"))]
    with contextlib.closing(sqlite3.connect(recorded.root.metadata)) as database:
        database.executemany("DELETE FROM Artifact WHERE id = ?", [(number,) for number in numbers])
        database.commit()
    return recorded.root, *numbers, artifact_of(recorded, "good", "Evaluator", "evaluation")


def test_every_page_draws_it_as_removed_and_has_no_link_to_it(damaged, ask):
    root, examples, model, evaluation = damaged
    client = ask(root)
    links = set()
    for path, named in (
        ("/runs/good", f"examples artifact {examples}, removed"),
        ("/runs/again", f"model artifact {model}, removed"),
        ("/runs/good/nodes/Transform", f"artifact {examples}, removed"),
        (f"/artifacts/{evaluation}/lineage", f"artifact {model}, removed"),
        ("/compare?run=good&run=better", f"Trainer model (artifact {model}, removed)"),
        ("/compare?run=good&run=bad", f"artifact {model}, removed"),
    ):
        answer = client.get(path)
        page = Seen(answer.text)
        assert answer.status_code == 200
        assert named in page.text, path
        links |= {link.partition("#")[0] or path for link in page.links}
    for link in links - {"/compare"}:  # a form, which adds the runs
        assert client.get(link).status_code in (200, 307), link


def test_the_drawing_of_its_lineage_has_a_box_for_it(damaged, ask):
    root, examples, _, evaluation = damaged
    graph = ask(root).get(f"/artifacts/{evaluation}/lineage").text.partition("</svg>")[0]
    assert f"artifact {examples}, removed" in graph
    assert ">ExampleGen<" in graph


def test_an_export_contains_it_without_a_page(damaged, tmp_path):
    root, examples, *_ = damaged
    with open_location(PIPELINE, None, root) as place:
        static_site.export(place, tmp_path / "site")
    assert not list((tmp_path / "site").glob(f"**/artifacts/{examples}.html"))
    assert f"artifact {examples}, removed" in (tmp_path / "site" / "runs" / "good.html").read_text()


def test_its_own_page_says_that_it_was_deleted(damaged, ask):
    root, examples, *_ = damaged
    for path in (f"/artifacts/{examples}", f"/artifacts/{examples}/lineage"):
        answer = ask(root).get(path)
        assert answer.status_code == 404
        assert "was deleted from ML Metadata" in Seen(answer.text).text
