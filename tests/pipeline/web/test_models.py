"""The page of models: what is served, what was, who decided it, and how another one is served."""

from __future__ import annotations

import json
import shutil

import pytest

from pipeline import cli
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location
from pipeline.maintenance import gc
from pipeline.registry import pins, promotion
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web.pages import models
from pipeline.web.static_site import export
from pipeline_config import RetentionConfig
from tests.builders.histories import four, made_once
from tests.builders.pages import Seen
from tests.builders.roots import tree

__all__ = ["four", "made_once"]


@pytest.fixture
def decided(four):
    """Version 6 is served, 5 is kept, of the others the folders are gone; run-1 is pinned."""
    pins.pin(four.root, "run-1", "for the <b>paper</b>")
    promotion.rollback(four.root, "worse in the field", print)
    promotion.promote(four.root, "run-2", "better in the field", print)
    gc.apply(PIPELINE, four.root, RetentionConfig(runs=1, pushed=1, max_mib=0))
    return four


def text_of(ask, root, path="/models"):
    answer = ask(root).get(path)
    assert answer.status_code == 200
    return Seen(answer.text).text


class TestPage:
    def test_every_version_has_its_state_run_digest_and_how_it_came(self, decided, ask):
        seen = Seen(ask(decided.root).get("/models").text)
        digests = [decided.outputs(f"run-{n}", "Trainer")["model"].content.rpartition(":")[2][:12] for n in range(1, 5)]
        [who] = {one["who"] for one in ask(decided.root).get("/models.json").json()["decisions"]}
        rows = seen.text.partition("Origin 6 ")[2]
        passed = "pushed: test BCE 0.0943 is 1.000 times the 0.0943 of version {}, allowed is at most 1.05"
        for version, state, run, how in (
            ("", "served", 2, f"promoted by {who}: better in the field"),
            ("5 ", "kept", 3, f"rolled back to by {who}: worse in the field"),
            ("4 ", "deleted rolled back", 4, passed.format(3)),
            ("3 ", "deleted", 3, passed.format(2)),
            ("2 ", "deleted", 2, passed.format(1)),
            ("1 ", "deleted", 1, "pushed: nothing was served"),
        ):
            row, _, rows = rows.partition(f"{digests[run - 1]} {how}")
            assert row.startswith(f"{version}{state} run-{run} "), (version, row)
            rows = rows.lstrip()
        assert [f"version-{number}" for number in range(6, 0, -1)] == [one for one in seen.ids if one[-1].isdigit()]
        assert {f"/runs/run-{number}" for number in range(1, 5)} <= set(seen.links)
        assert seen.inline == []

    def test_decisions_have_author_and_reason_as_text(self, decided, ask):
        page = ask(decided.root).get("/models").text
        assert "for the <b>paper</b>" in Seen(page).text
        assert "<b>paper" not in page
        assert Seen(page).text.index("promoted run-2") < Seen(page).text.index("rolled back to run-3")
        assert "run-1 pinned" in Seen(page).text

    def test_it_says_how_another_one_is_served(self, decided, ask):
        text = text_of(ask, decided.root)
        assert "Roll back to the model of version 5" in text
        assert f'sae rollback --reason "..." --root {decided.root.path}' in text
        assert f'sae promote RUN --reason "..." --root {decided.root.path}' in text
        assert promotion.rollback(decided.root, "as the page says", print).run_id == "run-3"  # that of version 5

    def test_where_nothing_was_before_no_rollback_is_offered(self, four, ask):
        for _ in range(3):
            promotion.rollback(four.root, "worse", print)
        assert "sae rollback" not in text_of(ask, four.root)
        assert "sae promote RUN" in text_of(ask, four.root)

    def test_pages_lead_on_and_back(self, four, ask, monkeypatch):
        monkeypatch.setattr(models, "ROWS", 3)
        client = ask(four.root)
        assert [one["version"] for one in client.get("/models.json").json()["models"]] == [4, 3, 2]
        assert "/models?start=3" in Seen(client.get("/models").text).links
        second = client.get("/models.json?start=3").json()
        assert ([one["version"] for one in second["models"]], second["total"], second["next"]) == ([1], 4, "")
        assert second["served"]["version"] == 4
        assert "/models?start=0" in Seen(client.get("/models?start=3").text).links
        assert client.get("/models?start=9").status_code == 200
        assert client.get("/models?start=x").status_code == 400

    def test_decisions_that_are_not_shown_are_counted(self, decided, ask, monkeypatch):
        monkeypatch.setattr(models, "DECISIONS", 1)
        assert "2 older decisions are not shown: sae models lists all." in text_of(ask, decided.root)

    def test_reading_changes_nothing(self, decided, ask):
        before = tree(decided.root.path)
        assert ask(decided.root).get("/models").status_code == 200
        assert tree(decided.root.path) == before


class TestServed:
    def test_a_version_that_nobody_pushed_is_named(self, four, ask):
        shutil.copytree(four.root.serving / "4", four.root.serving / "9")
        text = text_of(ask, four.root)
        assert "The origin of version 9 is unknown." in text
        values = ask(four.root).get("/models.json").json()
        assert (values["served"], values["unknown"]) == (None, 9)

    def test_without_any_version_nothing_is_served(self, four, ask):
        shutil.rmtree(four.root.serving)
        assert "No model is served." in text_of(ask, four.root)

    @pytest.mark.parametrize(("run", "version"), [("run-2", 6), ("run-1", 0), ("run-4", 0)])
    def test_a_run_and_its_model_say_which_version_they_are_served_as(self, decided, ask, run, version):
        client = ask(decided.root)
        artifacts = [decided.outputs(run, node)[key].id for node, key in
                     (("Trainer", "model"), ("Pusher", "pushed_model"))]  # fmt: skip
        for path in (f"/runs/{run}", *(f"/artifacts/{number}" for number in artifacts)):
            seen = Seen(client.get(path).text)
            assert (f"/models#version-{version}" in seen.links) == bool(version), path
            assert client.get(f"{path}.json").json()["served_version"] == version
        examples = decided.outputs("run-1", "ExampleGen")["examples"].id
        assert client.get(f"/artifacts/{examples}.json").json()["served_version"] == 0


class TestEmpty:
    def test_the_command_that_pushes_the_first_one(self, recorded, ask):
        recorded.run("r1", names=["SchemaGen"])
        text = text_of(ask, recorded.root)
        assert "No models yet" in text
        assert f"sae run --root {recorded.root.path}" in text

    @pytest.mark.parametrize(
        ("dataset", "options"), [("signals", "--set data.dataset=signals"), ("mnist_sample", "--profile sample")]
    )
    def test_the_command_runs_on_the_data_set_of_the_root(self, recorded, ask, dataset, options):
        recorded.run("r1", names=["SchemaGen"])
        recorded.root.claim_dataset(dataset)
        assert f"sae run {options} --root {recorded.root.path}" in text_of(ask, recorded.root)

    def test_a_root_without_a_run_has_the_page_and_gets_no_file(self, tmp_path, ask):
        assert "No models yet" in text_of(ask, Root(tmp_path / "new"))
        assert not (tmp_path / "new").exists()

    def test_a_store_alone_has_the_models_of_its_runs_and_no_served_version(self, filled, tmp_path, ask):
        shutil.copy(filled.root.metadata, tmp_path / "mlmd.db")
        client = ask(Root(tmp_path / "no root"), metadata=str(tmp_path / "mlmd.db"))
        assert "good" in Seen(client.get("/models").text).text
        assert client.get("/runs/good.json").json()["served_version"] == 0


class TestElsewhere:
    def test_without_a_server_it_is_printed_and_exported(self, decided, capfdbinary, tmp_path):
        with pytest.raises(SystemExit) as end:
            cli.main(["serve", "--get", "/models.json", "--root", str(decided.root.path)])
        output, _ = capfdbinary.readouterr()
        assert (end.value.code, json.loads(output)["served"]["version"]) == (0, 6)
        with open_location(PIPELINE, None, decided.root) as place:
            export(place, tmp_path / "site", 1)
        page = (tmp_path / "site" / "models.html").read_text(encoding="utf-8")
        assert "version-1" in page
        assert "runs/run-4.html" in page
        assert "runs/run-2.html" not in page  # only the newest run was exported
