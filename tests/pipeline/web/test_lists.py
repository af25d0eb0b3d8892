"""Filtering, sorting and paging; and what follows a `?` is bounded."""

import re

import pytest

from pipeline.web.pages import artifacts, runs
from tests.builders.pages import Seen


@pytest.fixture
def paged(recorded, ask, monkeypatch):
    """Five runs of one artifact each, two to a page."""
    monkeypatch.setattr(runs, "ROWS", 2)
    monkeypatch.setattr(artifacts, "ROWS", 2)
    for number in range(5):
        recorded.run(f"r{number}", names=["SchemaGen"])
    return ask(recorded.root)


def ids(client, path):
    return [run["id"] for run in client.get(path).json()["runs"]]


def pager(client, path):
    return [link for link in Seen(client.get(path).text).links if "start=" in link and ".json" not in link]


class TestRuns:
    def test_pages_lead_on_and_back(self, paged):
        assert ids(paged, "/runs.json") == ["r4", "r3"]
        assert pager(paged, "/") == ["/?sort=started&order=desc&start=2"]
        assert ids(paged, "/runs.json?start=2") == ["r2", "r1"]
        assert pager(paged, "/?start=2") == ["/?sort=started&order=desc&start=0", "/?sort=started&order=desc&start=4"]
        assert ids(paged, "/runs.json?start=4") == ["r0"]
        assert pager(paged, "/?start=4") == ["/?sort=started&order=desc&start=2"]
        assert "3–4 of 5 runs" in Seen(paged.get("/?start=2").text).text

    def test_sorted(self, site):
        assert ids(site, "/runs.json?sort=seconds&order=asc") == ["again", "bad", "good", "better"]
        assert ids(site, "/runs.json?sort=test_bce") == ["again", "good", "better", "bad"]
        assert ids(site, "/runs.json?order=asc") == ["good", "bad", "again", "better"]
        page = site.get("/?sort=seconds&order=asc").text
        assert page.count("aria-sort=") == 1
        assert 'aria-sort="ascending"><a class="sort" href="/?sort=seconds&amp;order=desc">Duration' in page

    def test_by_setting_and_metric(self, site):
        assert ids(site, "/runs.json?where=model.l1<1e-3") == ["better"]
        assert ids(site, "/runs.json?where=test_bce<0.09&where=state=succeeded") == ["better"]
        for asked in ("where=model.l1<1e-3", "where=id=better&sort=model.l1"):
            assert site.get(f"/runs.json?{asked}").json()["settings"] == ["model.l1"]
        assert ids(site, "/runs.json?sort=model.l1") == ["good", "better", "again", "bad"]
        page = site.get("/?where=seconds>1").text
        [shown] = re.findall(r'placeholder="(.*?)"', page)
        assert shown == "model.l1&gt;0.0001"
        assert 'href="/?where=seconds%3E1&amp;sort=model.l1&amp;order=desc">l1</a>' in page
        assert "No runs on this page" in Seen(site.get("/?where=seconds>1e9").text).text

    def test_of_one_state(self, site):
        assert ids(site, "/runs.json?state=failed") == ["bad"]
        assert "No running runs" in Seen(site.get("/?state=running").text).text

    def test_nothing_after_the_last(self, paged):
        assert ids(paged, "/runs.json?start=1000") == []
        assert paged.get("/?start=1000").status_code == 200


class TestArtifacts:
    def test_pages(self, paged):
        assert [one["id"] for one in paged.get("/artifacts.json").json()["artifacts"]] == [5, 4]
        assert pager(paged, "/artifacts") == ["/artifacts?start=2"]
        assert pager(paged, "/artifacts?start=4&type=Schema") == ["/artifacts?type=Schema&start=2"]

    def test_filtered(self, site):
        def types(query):
            return {
                (one["type"], one["node"], one["run"])
                for one in site.get(f"/artifacts.json?{query}").json()["artifacts"]
            }

        assert types("type=Model") == {("Model", "Trainer", "good"), ("Model", "Trainer", "better")}
        assert types("node=SchemaGen&run=good") == {("Schema", "SchemaGen", "good")}
        assert len(types("run=latest")) == 15
        answer = site.get("/artifacts?type=Modle")
        assert (answer.status_code, "Model?" in Seen(answer.text).text) == (404, True)


class TestBounds:
    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("sort=name", "no setting or metric"),
            ("order=up", "order=up: use one of asc, desc"),
            ("state=good", "state=good: use one of running, succeeded"),
            ("start=-1", "start=-1 is not a number from 0 to 1,000,000,000"),
            ("start=1e9", "start=1e9 is not a number"),
            ("start=1000000001", "is not a number"),
            ("start=٣", "is not a number"),
            ("start=" + "9" * 5000, "start=" + "9" * 39 + "… is not a number"),
        ],
    )
    def test_what_is_not_allowed_is_refused_in_words(self, site, query, said):
        answer = site.get(f"/?{query}")
        assert answer.status_code == 400
        assert said[1:] in Seen(answer.text).text  # a sentence starts with a capital
        assert said in site.get(f"/runs.json?{query}").json()["error"]

    def test_an_empty_value_is_none_and_of_two_the_last_counts(self, site):
        assert ids(site, "/runs.json?state=&sort=&start=") == ["better", "again", "bad", "good"]
        assert ids(site, "/runs.json?state=failed&state=succeeded") == ["better", "again", "good"]
        assert ids(site, "/runs.json?utm_source=x") == ["better", "again", "bad", "good"]
