"""Every page and its JSON, on a root with all that a run leaves behind."""

import dataclasses
import datetime
import json
import os

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.metadata.properties import VERIFICATION, VERIFY
from pipeline.metadata.run_properties import with_next_attempt
from pipeline.metadata.writer import MetadataWriter
from pipeline.registry import run_annotations
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web.pages import runs
from tests.builders.pages import TYPES, Seen, artifact_of, make_manifest, note
from tests.builders.roots import STATE, set_properties

PAGES = {
    "/": "runs",
    "/runs/good": "run",
    "/runs/bad": "run",
    "/runs/again": "run",
    "/runs/good/nodes/Trainer": "node",
    "/compare?run=good&run=better&run=again": "compare",
    "/artifacts": "artifacts",
    "/artifacts/1": "artifact",
    "/artifacts/1/lineage": "lineage",
    "/models": "models",
    "/schedules": "schedules",
}


def json_of(path):
    place, mark, query = path.partition("?")
    return ("/runs" if place == "/" else place) + ".json" + mark + query


def seen(site, path):
    answer = site.get(path)
    assert answer.status_code == 200, answer.text
    return Seen(answer.text)


class TestEveryPage:
    @pytest.mark.parametrize("path", PAGES)
    def test_it_is_html_that_needs_nothing_inline_and_nothing_from_elsewhere(self, site, path):
        answer = site.get(path)
        page = Seen(answer.text)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.inline == []
        assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in page.links)
        assert page.tags.count("h1") == 1
        assert "main" in page.ids
        assert len(page.ids) == len(set(page.ids))

    @pytest.mark.parametrize("path", PAGES)
    def test_its_json_says_which_page_it_is(self, site, path):
        answer = site.get(json_of(path))
        values = answer.json()
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert (values["schema_version"], values["page"]) == (2, PAGES[path])

    def test_every_link_leads_somewhere(self, site):
        found = {path: [link for link in seen(site, path).links if not link.startswith("#")] for path in PAGES}
        for path, links in found.items():
            assert json_of(path) in links
        for link in {link for links in found.values() for link in links} - {
            "/compare"
        }:  # a form's, which adds the runs
            assert site.get(link).status_code == 200, link


class TestAnotherPipeline:
    @pytest.mark.parametrize("path", PAGES)
    def test_a_pipeline_without_metrics_has_every_page_and_no_column_for_them(self, filled, ask, path):
        answer = ask(filled.root, pipeline=dataclasses.replace(PIPELINE, declared_metrics=())).get(path)
        assert answer.status_code == 200
        assert "test bce" not in Seen(answer.text).text.lower()


class TestRuns:
    def test_a_row_has_all_of_a_run(self, site):
        text = seen(site, "/").text
        assert "✓ blessed manual 28.4 0.0001 10 / –" in text
        assert "4 runs on mnist 3.0.1" in text
        assert "90.0 s" in text
        assert "4 runs" in text

    def test_the_chart_has_the_oldest_first(self, site):
        assert [one["id"] for one in site.get("/runs.json").json()["charted"]] == ["good", "again", "better"]

    def test_of_many_only_the_newest_are_in_the_chart(self, site, monkeypatch):
        assert "Only the newest runs are shown." not in seen(site, "/").text
        monkeypatch.setattr(runs, "CHARTED", 3)
        assert [one["id"] for one in site.get("/runs.json").json()["charted"]] == ["again", "better"]
        assert "Only the newest runs are shown." in seen(site, "/").text

    def test_the_headline_metric_comes_early_for_phones(self, site):
        text = seen(site, "/").text
        assert text.index("State Test BCE Started") < text.index("better succeeded 0.0806")

    def test_tags_and_a_note_are_with_their_run(self, recorded, ask):
        recorded.run("r1", names=["SchemaGen"])
        note(recorded, "r1", state="succeeded")
        run_annotations.tag(recorded.root, "r1", ["paper"])
        run_annotations.note(recorded.root, "r1", "the <b>one")
        text = seen(ask(recorded.root), "/").text
        assert "r1 paper the <b>one succeeded" in text

    def test_runs_can_be_chosen_to_compare(self, site):
        page = seen(site, "/")
        assert page.tags.count("input") == 4 + 1  # with the filter
        assert "/compare" in page.links


class TestRun:
    def test_the_error_comes_before_everything_else(self, site):
        text = seen(site, "/runs/bad").text
        assert text.index("Run failed") < text.index("the schema <b>broke</b>") < text.index("Nodes")

    def test_metrics_slices_and_thresholds(self, site):
        text = seen(site, "/runs/good").text
        assert "BCE overall 0.1 0.12 ✓ passed" in text
        assert "BCE label 3 0.2 – no limit" in text
        assert "MSE overall 0.3 0.2 ✗ failed" in text
        assert "Metric All label 0 label 1" in text
        assert "BCE 0.0943 0.1000 0.0500" in text
        assert "✗ Not blessed bce is 0.2" in text
        assert "✗ Rejected : worse" in text

    def test_curves_pictures_and_units(self, site, filled):
        page = seen(site, "/runs/good")
        report = artifact_of(filled, "good", "Report", "report")
        assert f"/artifacts/{report}/pictures/a.png" in page.links
        assert f"/artifacts/{report}/pictures/b.png" in page.links
        assert f"/artifacts/{report}/files/report.html" in page.links
        assert "unit 1" in page.text
        assert "Losses by epoch Epoch Training" in page.text

    def test_what_changed_against_the_run_before_of_the_same_kind(self, recorded, ask):
        for number, l1 in ((1, 0.001), (2, 0.0001)):
            recorded.run(f"r{number}", f"model.l1={l1}", content=str(number))
            note(recorded, f"r{number}", state="succeeded", executed=10)
            make_manifest(recorded, f"r{number}", l1)
        text = seen(ask(recorded.root), "/runs/r2").text
        assert "model.l1 0.001 0.0001 configuration" in text
        assert "This is the first run" in seen(ask(recorded.root), "/runs/r1").text

    def test_commands_that_can_be_copied(self, site, filled):
        root = filled.root.path
        text = seen(site, "/runs/good").text
        assert "sae run --set model.l1=0.001" in text
        assert f"sae run --like {root}/manifests/good.json --root {root}" in text
        assert f"sae verify good --root {root}" in text

    def test_notes_and_log(self, site):
        page = seen(site, "/runs/good")
        assert "Warning: the memory is <i>short</i>" in page.text
        assert site.get("/runs/good/log").text == "first line\nlast line\n"
        assert site.get("/runs/good/manifest").json()["run_id"] == "good"

    def test_a_node_has_its_lines_of_the_log(self, recorded, ask):
        recorded.run("r1", names=["ExampleGen", "SchemaGen"])
        recorded.root.progress.mkdir()
        stamp = datetime.datetime(2026, 11, 24, 16, 0, tzinfo=datetime.timezone.utc)
        events = [
            {"event": "NodeStarted", "node": "SchemaGen", "reasons": []},
            {"event": "NodeEnded", "node": "SchemaGen", "state": "executed", "seconds": 60.0, "reason": ""},
        ]
        lines = [json.dumps({"when": (stamp + datetime.timedelta(minutes=n)).isoformat(), **event})
                 for n, event in enumerate(events)]  # fmt: skip
        (recorded.root.progress / "r1.jsonl").write_text("\n".join(lines) + "\n")

        def line(minutes, text):
            local = (stamp + datetime.timedelta(minutes=minutes)).astimezone().replace(tzinfo=None)
            return f"{local.strftime('%Y-%m-%d %H:%M:%S')},000 {text}\n"

        inside = [line(0.5, f"line {number}") for number in range(41)]
        (recorded.root.logs / "r1.log").write_text(line(-1, "before") + "".join(inside) + line(2, "after"))
        client = ask(recorded.root)
        values = client.get("/runs/r1/nodes/SchemaGen.json").json()
        assert [text.partition(" line ")[2] for text in values["log"]] == [str(number) for number in range(1, 41)]
        assert values["log_cut"] == 1
        assert "The last 40 lines; 1 earlier line is in the log." in seen(client, "/runs/r1/nodes/SchemaGen").text
        assert "The log has no lines of this node." in seen(client, "/runs/r1/nodes/ExampleGen").text

    def test_the_log_of_a_failed_node_opens_at_its_error(self, recorded, ask):
        recorded.run("r1", names=["ExampleGen", "SchemaGen"], failed="SchemaGen")
        note(recorded, "r1", state="failed", error="SchemaGen: broken")
        recorded.root.progress.mkdir()
        stamp = datetime.datetime(2026, 11, 24, 16, 0, tzinfo=datetime.timezone.utc)
        event = {"event": "NodeStarted", "node": "SchemaGen", "reasons": []}
        (recorded.root.progress / "r1.jsonl").write_text(json.dumps({"when": stamp.isoformat(), **event}) + "\n")
        local = (stamp + datetime.timedelta(minutes=1)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        texts = ["before"] * 60 + ["Traceback (most recent call last):"] + ["  frame"] * 60
        (recorded.root.logs / "r1.log").write_text(f"{local},000 INFO absl: start\n" + "\n".join(texts) + "\n")
        client = ask(recorded.root)
        values = client.get("/runs/r1/nodes/SchemaGen.json").json()
        assert values["log"][values["error_line"]] == "Traceback (most recent call last):"
        assert (values["log_cut"], values["log_after"]) == (61 - 5, 122 - 56 - 40)
        assert '<mark id="error">Traceback' in client.get("/runs/r1/nodes/SchemaGen").text
        page = client.get("/runs/r1").text
        assert "/runs/r1/nodes/SchemaGen#error" in page[: page.index('id="nodes"')]
        assert "/runs/r1/nodes/SchemaGen#error" in page[page.index('id="log"') :]

    def test_a_failed_node_without_a_known_error_opens_at_its_log(self, recorded, ask):
        recorded.run("r1", names=["ExampleGen", "SchemaGen"], failed="SchemaGen")
        (recorded.root.logs / "r1.log").write_text("nothing of it\n")
        client = ask(recorded.root)
        assert "/runs/r1/nodes/SchemaGen#error" in seen(client, "/runs/r1").links
        assert client.get("/runs/r1/nodes/SchemaGen").text.count('id="error"') == 1

    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    def test_a_run_that_did_not_succeed_has_the_command_that_continues_it(self, recorded, ask, state):
        recorded.run("r1", names=["SchemaGen"])
        note(recorded, "r1", state=state)
        client = ask(recorded.root)
        assert client.get("/runs/r1.json").json()["resume"] == ""  # without a manifest it cannot be resumed
        make_manifest(recorded, "r1", 0.001)
        assert client.get("/runs/r1.json").json()["resume"].startswith("sae resume r1")
        assert "sae resume r1" in seen(client, "/runs/r1").text

    def test_the_parameters_of_a_run_are_at_its_top(self, site):
        assert site.get("/runs/better.json").json()["parameters"]["model.l1"] == 0.0001
        assert "L1 0.0001 Seed 0" in seen(site, "/runs/better").text
        assert site.get("/runs/good.json").json()["resume"] == ""

    def test_a_verdict_is_shown(self, recorded, ask):
        recorded.run("r1", names=["SchemaGen"])
        note(recorded, "r1", state="succeeded")
        client = ask(recorded.root)
        assert "Not verified yet" in seen(client, "/runs/r1").text
        writer = recorded.writer
        schema = writer.store.get_artifacts()[0]
        kind = writer.store.put_execution_type(pb.ExecutionType(name=VERIFY))
        [execution] = writer.store.put_executions([pb.Execution(type_id=kind, last_known_state=STATE.COMPLETE)])
        run = writer.store.get_context_by_type_and_name("pipeline_run", "r1")
        writer.store.put_attributions_and_associations([], [pb.Association(execution_id=execution, context_id=run.id)])
        writer.store.put_events([pb.Event(artifact_id=schema.id, execution_id=execution, type=pb.Event.INPUT)])
        writer.store.put_artifact_type(pb.ArtifactType(name=VERIFICATION))
        kind = writer.store.get_artifact_type(VERIFICATION).id
        verdict = pb.Artifact(type_id=kind, uri="/nowhere/verdict.json")
        set_properties(verdict.custom_properties, {"verified": 0, "node": "SchemaGen"})
        [number] = writer.store.put_artifacts([verdict])
        writer.store.put_events([pb.Event(artifact_id=number, execution_id=execution, type=pb.Event.OUTPUT)])
        text = seen(client, "/runs/r1").text
        assert f"✗ different outputs SchemaGen 1 #{number}" in text

    def test_a_name_for_what_changes_leads_to_the_permalink(self, site):
        answer = site.get("/runs/latest.json")
        assert (answer.status_code, answer.headers["location"]) == (307, "/runs/better.json")
        answer = site.get("/runs/latest~1/nodes/Trainer?x=1")
        assert (answer.status_code, answer.headers["location"]) == (307, "/runs/again/nodes/Trainer?x=1")
        assert site.get("/artifacts/good:Trainer/lineage").headers["location"].endswith("/lineage")

    def test_the_attempts_of_a_resumed_run_are_listed(self, recorded, ask):
        recorded.run("r1", names=["SchemaGen"])
        began = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
        note(recorded, "r1", state="failed", seconds=3.0, error="broke off in <Trainer>")
        noted = with_next_attempt(recorded.store().run_properties("r1"), began, began + datetime.timedelta(minutes=1))
        MetadataWriter(recorded.root).begin_attempt("r1", noted)
        note(recorded, "r1", state="succeeded", seconds=5.0)
        site = ask(recorded.root)
        assert "Resumed 1 time." in seen(site, "/runs/r1").text
        assert "broke off in <Trainer>" in seen(site, "/runs/r1").text
        told = site.get("/runs/r1.json").json()["run"]["attempts"]
        assert [(one["state"], one["seconds"], one["error"]) for one in told] == [
            ("failed", 3.0, "broke off in <Trainer>"),
            ("succeeded", 2.0, ""),
        ]

    def test_a_run_in_progress_is_followed(self, recorded, ask):
        now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
        since = now.isoformat(sep=" ", timespec="seconds")
        (recorded.root.path / "lock").write_text(f"process {os.getpid()} since {since}\n")
        recorded.writer.execution("now", "ExampleGen", STATE.COMPLETE)
        recorded.writer.execution("now", "Trainer", STATE.RUNNING)
        (recorded.root.progress).mkdir()
        (recorded.root.progress / "now.jsonl").write_text(
            json.dumps({"when": now.isoformat(), "event": "EpochEnded", "epoch": 3, "epochs": 50, "loss": 0.25,
                        "val_loss": 0.24}) + "\n"
            + json.dumps({"when": now.isoformat(), "event": "JobProgress", "engine": "Flink", "state": "running",
                          "done": 3, "tasks": 12, "link": "http://h:8081/#/job/running/86f0"}) + "\n"
        )  # fmt: skip
        answer = ask(recorded.root).get("/runs/now")
        assert "Epoch 3 of 50: loss 0.2500, validation 0.2400" in Seen(answer.text).text
        assert "Flink job running, 3 of 12 tasks done" in Seen(answer.text).text
        assert "http://h:8081/#/job/running/86f0" in Seen(answer.text).links
        assert "data-follow" in answer.text
        assert '<noscript><meta http-equiv="refresh"' in answer.text
        assert "data-follow" in ask(recorded.root).get("/").text
        assert "data-follow" not in ask(recorded.root).get("/artifacts").text


class TestCompare:
    def test_only_what_differs_with_deltas_against_the_first(self, site):
        text = seen(site, "/compare?run=good&run=better").text
        assert "model.l1 0.001 0.0001" in text
        assert "model.code_units" not in text
        assert "First difference baseline" in text

    def test_the_same_images_side_by_side(self, site, filled):
        links = seen(site, "/compare?run=good&run=better").links
        for run_id in ("good", "better"):
            report = artifact_of(filled, run_id, "Report", "report")
            assert f"/artifacts/{report}/pictures/b.png" in links

    def test_what_of_a_run_is_missing_is_said(self, site):
        assert "No ModelRun for bad" in seen(site, "/compare?run=good&run=bad").text

    def test_runs_are_named_by_what_differs_beside_their_ids(self, site):
        assert "good l1 = 0.001" in seen(site, "/compare?run=good&run=better").text
        assert site.get("/compare.json?run=good&run=better").json()["labels"] == ["l1 = 0.001", "l1 = 0.0001"]

    def test_a_scatter_of_a_setting_and_a_metric(self, site):
        query = "run=good&run=better&x=model.l1&y=test_bce"
        view = site.get(f"/compare.json?{query}").json()
        values = {one["name"]: one["values"] for one in view["axes"]}
        assert (view["x"], values["model.l1"]) == ("model.l1", [0.001, 0.0001])
        assert (view["y"], values["test_bce"]) == ("test_bce", [0.0943, 0.0943])
        page = site.get(f"/compare?{query}").text
        assert 'value="model.l1" selected' in page
        assert "Test BCE against l1" in Seen(page).text

    def test_an_axis_that_does_not_exist_is_refused(self, site):
        answer = site.get("/compare.json?run=good&run=better&x=nothing")
        assert answer.status_code == 400
        assert "unknown x=nothing: use one of test_bce" in answer.json()["error"]

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("", "no run is selected"),
            ("?run=good", "only one run is selected"),
            ("?run=good&run=good", "only one run is selected"),
            ("?run=good&run=latest~3", "only one run is selected"),
            ("?" + "&".join(f"run=r{number}" for number in range(9)), "9 runs are selected"),
        ],
    )
    def test_too_few_and_too_many_are_refused_in_words(self, site, query, said):
        answer = site.get(f"/compare{query}")
        assert answer.status_code == 400
        assert said in answer.text.lower()
        assert said in site.get(f"/compare.json{query}").json()["error"]


class TestArtifact:
    @pytest.mark.parametrize(
        ("node", "output", "said"),
        [
            ("ExampleGen", "examples", "train 60"),
            ("ExampleGen", "examples", "image bytes (1,)"),
            ("StatisticsGen", "statistics", "label int 59 1 0 4.5 9 2.5 7 – –"),
            ("SchemaGen", "schema", "label int in every example (1,) 0 to 9"),
            ("SchemaGen", "schema", "image bytes – – –"),
            ("ExampleValidator", "anomalies", "label out of range 10 is above 9"),
            ("ExampleValidator", "anomalies", "✓ No anomalies : train fits the schema"),
            ("Transform", "transform_graph", "image_xf"),
            ("Trainer", "model", "code 3 relu"),
            ("Trainer", "model", "Parameters 12"),
            ("Trainer", "model", "unit 1 dead"),
            ("Trainer", "model_run", "Losses by epoch"),
            ("Evaluator", "evaluation", "MSE overall 0.3 0.2 ✗ failed"),
            ("Evaluator", "blessing", "✗ Not blessed bce is 0.2"),
            ("PushGate", "decision", "version 3 good 0.08"),
            ("Report", "report", "Open the report"),
            ("Report", "report", "Unit 1 active on 25 % strongest: 3, 8 answer"),
        ],
    )
    def test_it_is_shown_by_its_type(self, site, filled, node, output, said):
        assert said in seen(site, f"/artifacts/{artifact_of(filled, 'good', node, output)}").text

    def test_a_row_of_a_table_links_to_its_card_if_there_is_one(self, site, filled):
        report = artifact_of(filled, "good", "Report", "report")
        page = seen(site, f"/artifacts/{report}")
        assert [link for link in page.links if link.startswith("#card")] == ["#card-unit-1"]
        assert [one for one in page.ids if one.startswith("card")] == ["card-unit-1", "card-unit-7"]
        assert f"/artifacts/{report}/pictures/a.png" in page.links

    def test_the_json_has_the_preview(self, site, filled):
        for node, output in TYPES:
            values = site.get(f"/artifacts/{artifact_of(filled, 'good', node, output)}.json").json()
            assert [section["kind"] for section in values["preview"]["sections"]]

    def test_which_executions_made_reused_and_read_it(self, site, filled):
        text = seen(site, f"/artifacts/{artifact_of(filled, 'good', 'Trainer', 'model')}").text
        assert "output Trainer good model" in text
        assert "reused Trainer again model" in text
        assert "input Evaluator good model" in text
        assert "input (cached) Evaluator again model" in text

    def test_files_and_digests(self, site, filled):
        number = artifact_of(filled, "good", "Trainer", "model")
        page = seen(site, f"/artifacts/{number}")
        assert f"/artifacts/{number}/files/Format-Serving/saved_model.pb" in page.links
        assert page.text.count("content_digest") == 1  # among the digests, and not among the properties too

    def test_files_that_are_gone(self, recorded, ask):
        recorded.run("r1", names=["SchemaGen"])
        number = artifact_of(recorded, "r1", "SchemaGen", "schema")
        recorded.change(number, uri=str(recorded.root.artifacts / "SchemaGen" / "schema" / "nowhere"))
        page = seen(ask(recorded.root), f"/artifacts/{number}")
        assert "Its files are missing" in page.text
        assert not [link for link in page.links if "/files/" in link]


class TestLineage:
    def test_both_ways_as_a_drawing_and_as_tables(self, site, filled):
        number = artifact_of(filled, "good", "Trainer", "model")
        page = seen(site, f"/artifacts/{number}/lineage")
        up, down = page.text.partition("Upstream")[2].split("Downstream", 1)
        assert "svg" in page.tags
        assert "ExampleGen" in up
        assert "Report" in down
        values = site.get(f"/artifacts/{number}/lineage.json").json()["lineage"]
        assert {step["node"] for step in values["up"]} == {"Trainer", "Transform", "ExampleGen", "SchemaGen"}
        assert {step["node"] for step in values["down"]} == {
            "Encode",
            "Evaluator",
            "Probe",
            "PushGate",
            "Pusher",
            "Report",
        }


class TestTheRest:
    def test_the_list_of_runs_has_one_address(self, site):
        assert (site.get("/runs").status_code, site.get("/runs").headers["location"]) == (307, "/")

    def test_health(self, site, filled):
        assert site.get("/health.json").json() == {
            "schema_version": 2,
            "page": "health",
            "status": "ok",
            "store": str(filled.root.path),
            "runs": 4,
            "scheduler": {"state": "stopped", "heard": "", "schedules": 0, "failing": [], "unreadable": []},
        }

    @pytest.mark.parametrize(
        "path", ["/nowhere", "/runs/x", "/runs/good/nodes/x", "/artifacts/999", "/artifacts/999/lineage", "/runs/",
                 "/static/x.css", "/static/..%2Fapp.py", "/runs/bad/log", "/artifacts/99999999999999999999"]
    )  # fmt: skip
    def test_what_is_not_there_is_a_page_like_the_others(self, site, path):
        answer = site.get(path)
        assert answer.status_code == 404
        assert "Back to the list of runs" in answer.text

    def test_json_that_is_not_there_is_json(self, site):
        for path in ("/nowhere.json", "/runs/goof.json", "/artifacts/999.json"):
            answer = site.get(path)
            assert answer.status_code == 404
            assert answer.json()["schema_version"] == 2
        assert "good" in site.get("/runs/goof.json").json()["error"]

    def test_a_missing_name_suggests_the_nearest(self, site):
        assert "Trainer?" in Seen(site.get("/runs/good/nodes/Trainr").text).text
