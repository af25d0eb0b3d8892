"""Runs and artifacts as they are read of stores that runs, and others, have written."""

from __future__ import annotations

import contextlib
import datetime
import json
import shutil
import sqlite3

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.artifacts import previews
from pipeline.artifacts.sections import Preview
from pipeline.core import event_log
from pipeline.core.errors import NotFoundError, UsageError
from pipeline.core.events import NodeEnded, NodeState, Note
from pipeline.core.pipeline_root import Root
from pipeline.inspection import artifacts
from pipeline.inspection.locations import open_location, open_reader
from pipeline.inspection.views import NodeRunState, RunState
from pipeline.metadata.run_properties import began_properties, with_next_attempt
from pipeline.metadata.writer import MetadataWriter
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import artifact as artifact_text
from pipeline.terminal import lineage as lineage_text
from pipeline.terminal.table import Screen
from tests.builders.roots import METRICS, STATE, Recorded, Writer, event, set_properties, tree


@pytest.fixture(scope="module")
def one_run(tmp_path_factory):
    """A root with one run, and a reader of it; tests only read them."""
    recorded = Recorded(tmp_path_factory.mktemp("one_run"))
    recorded.run("r1")
    with open_reader(PIPELINE, None, recorded.root) as reader:
        yield recorded, reader


@pytest.fixture
def look(recorded):
    """Opens another reader: one keeps what it has read."""
    with open_location(PIPELINE, None, recorded.root) as place:
        yield place.reader


@pytest.fixture
def reader(look):
    return look()


def ids(rows):
    return [row.id for row in rows]


class TestRuns:
    def test_the_newest_come_first_and_what_is_left_is_said(self, recorded, reader):
        for number in range(5):
            recorded.run(f"r{number}", names=["SchemaGen"])
        rows, page = reader.runs(limit=2)
        assert (ids(rows), page.total, page.next) == (["r4", "r3"], 5, "2")
        rows, page = reader.runs(limit=2, start=4)
        assert (ids(rows), page.total, page.next) == (["r0"], 5, "")
        assert ids(reader.runs(limit=9, ascending=True)[0]) == ["r0", "r1", "r2", "r3", "r4"]

    def test_a_row_is_read_of_the_context_alone(self, recorded, reader, monkeypatch):
        recorded.run("r1", names=["SchemaGen"])
        recorded.end("r1", state="succeeded", seconds=30.5, dataset="mnist 3.0.1", trigger="manual", test_bce=0.0885,
             active_units=23.0, blessed=1, executed=4, cached=6)  # fmt: skip
        monkeypatch.setattr(reader.store._client, "get_executions_by_context", lambda *_: pytest.fail("read"))
        [row] = reader.runs(limit=9)[0]
        assert row.state is RunState.SUCCEEDED
        assert (row.id, row.pipeline, row.dataset, row.trigger) == ("r1", PIPELINE.name, "mnist 3.0.1", "manual")
        assert (row.seconds, row.metrics["test_bce"], row.metrics["active_units"], row.blessed) == (
            30.5,
            0.0885,
            23.0,
            True,
        )
        assert (row.executed, row.cached, row.error) == (4, 6, "")
        assert row.started.tzinfo is datetime.timezone.utc

    def test_without_a_note_the_executions_tell(self, recorded, reader):
        recorded.run("whole")
        recorded.replay("again")
        recorded.run("failed", failed="StatisticsGen")
        recorded.writer.execution("killed", "ExampleGen", STATE.RUNNING)
        recorded.writer.execution("stopped", "ExampleGen", STATE.CANCELED)
        recorded.run("part", names=["SchemaGen"])
        rows = {row.id: row for row in reader.runs(limit=9)[0]}
        assert {name: row.state.value for name, row in rows.items()} == {
            "whole": "succeeded",
            "again": "succeeded",
            "failed": "failed",
            "killed": "unfinished",
            "stopped": "cancelled",
            "part": "unfinished",
        }
        assert (rows["whole"].executed, rows["whole"].cached) == (14, 0)
        assert (rows["again"].executed, rows["again"].cached) == (0, 14)
        assert rows["failed"].error == "StatisticsGen ended"
        assert rows["whole"].metrics["test_bce"] is None

    def test_the_run_that_holds_the_lock_is_running(self, recorded, look):
        recorded.writer.execution("before", "ExampleGen", STATE.RUNNING)
        recorded.end("before", trigger="manual")
        with recorded.root.lock():
            lock = recorded.root.path / "lock"
            held = lock.read_text()
            lock.write_text(held.replace("since 2", "since 3"))  # the run is older than the lock
            assert [row.state for row in look().runs(limit=9)[0]] == [RunState.UNFINISHED]
            lock.write_text(held)
            recorded.writer.execution("now", "ExampleGen", STATE.COMPLETE)
            recorded.writer.execution("now", "Trainer", STATE.RUNNING)
            recorded.end("now", trigger="manual")
            rows = look().runs(limit=9)[0]
            assert [(row.id, row.state) for row in rows] == [("now", RunState.RUNNING), ("before", RunState.UNFINISHED)]
            run = look().run("now")
            states = {node.node: node.state for node in run.nodes}
            assert states["ExampleGen"] is NodeRunState.EXECUTED
            assert states["Trainer"] is NodeRunState.RUNNING
            assert states["Report"] is NodeRunState.WAITING
        states = {node.node: node.state for node in look().run("now").nodes}
        assert states["Trainer"] is NodeRunState.UNFINISHED
        assert states["Report"] is NodeRunState.NOT_RUN

    def test_a_run_of_another_runner_is_running_without_the_lock(self, recorded, look):
        recorded.run("before")
        recorded.writer.execution("now", "ExampleGen", STATE.COMPLETE)
        recorded.writer.execution("now", "Trainer", STATE.RUNNING)
        rows = look().runs(limit=9)[0]
        assert [(row.id, row.state) for row in rows] == [("now", RunState.RUNNING), ("before", RunState.SUCCEEDED)]
        states = {node.node: node.state for node in look().run("now").nodes}
        assert (states["Trainer"], states["Report"]) == (NodeRunState.RUNNING, NodeRunState.WAITING)
        with recorded.root.lock() as note_holder:  # also beside a run of this project
            note_holder("starting")
            assert look().runs(limit=1)[0][0].state is RunState.RUNNING
        recorded.run("after")
        assert look().run("now").row.state is RunState.UNFINISHED

    def test_an_older_run_that_is_resumed_is_the_one_that_runs(self, recorded, look):
        recorded.run("older", failed="StatisticsGen")
        recorded.run("newer")
        with recorded.root.lock() as note_holder:
            note_holder("older")
            states = {row.id: row.state for row in look().runs(limit=9)[0]}
        assert states == {"older": RunState.RUNNING, "newer": RunState.SUCCEEDED}

    def test_one_that_broke_off_is_said_to_and_nothing_is_written(self, recorded, look):
        recorded.writer.execution("killed", "ExampleGen", STATE.RUNNING)
        recorded.end("killed", trigger="manual")
        before = tree(recorded.root.path)
        [row] = look().runs(limit=9)[0]
        assert (row.state, row.trigger) == (RunState.UNFINISHED, "manual")
        assert row.error.endswith(": `sae resume killed` resumes it")
        assert look().run("killed").nodes[0].state is NodeRunState.UNFINISHED
        assert tree(recorded.root.path) == before

    def test_a_verification_is_named_by_its_command(self, recorded, look):
        recorded.run("r1")
        schema = recorded.outputs("r1", "SchemaGen")["schema"]
        folder = recorded.root.path / "verdict"
        folder.mkdir()
        MetadataWriter(recorded.root).record_verification("r1", folder, [schema.id], {"verified": 1})
        [use] = [one for one in look().artifact(schema.id).used_by if not one.node]
        assert (use.command, use.key) == ("sae verify", "compared")
        text = artifact_text.as_text(Screen(), look().artifact(schema.id), None)
        assert "sae verify" in text
        assert "without a name" not in text
        [verdict] = look().artifacts(limit=9, type_name="Verification")[0]
        assert (verdict.node, verdict.command) == ("", "sae verify")
        assert "verdict of sae verify, run r1" in lineage_text.as_text(Screen(), look().lineage(schema.id))

    def test_a_killed_run_lasted_until_its_last_event(self, recorded, look):
        """Its last node has no end in ML Metadata, so its start would count."""
        recorded.writer.execution("killed", "ExampleGen", STATE.RUNNING)
        recorded.end("killed", trigger="manual")
        began = recorded.store().run_began("killed")
        event_log.append(recorded.root.path, "killed", Note("x"))
        path = event_log.path_of(recorded.root.path, "killed")
        values = json.loads(path.read_text())
        values["when"] = (began + datetime.timedelta(seconds=90)).isoformat(timespec="milliseconds")
        path.write_text(json.dumps(values) + "\n")
        [row] = look().runs(limit=9)[0]
        assert row.seconds == pytest.approx(90, abs=0.01)
        assert look().run("killed").row.seconds == row.seconds

    def test_a_run_began_before_its_context_was_made(self, recorded, look):
        """Its imports come in between; so the duration of a run does not jump when it ends."""
        recorded.writer.execution("r1", "ExampleGen", STATE.RUNNING)
        recorded.end("r1", trigger="manual")
        made = recorded.store().run_began("r1")
        began = made - datetime.timedelta(hours=1)
        context = recorded.writer.store.get_context_by_type_and_name("pipeline_run", "r1")
        set_properties(context.custom_properties, began_properties(began))
        recorded.writer.store.put_contexts([context])
        with recorded.root.lock() as note_holder:
            note_holder("r1")
            [running] = look().runs(limit=9)[0]
        assert (running.state, running.started) == (RunState.RUNNING, began)
        assert 3600 <= running.seconds < 3660
        event_log.append(recorded.root.path, "r1", Note("x"))
        [killed] = look().runs(limit=9)[0]
        assert (killed.state, killed.started) == (RunState.UNFINISHED, began)
        assert 3600 <= killed.seconds < 3660
        recorded.end("r1", state="succeeded", seconds=3605.0)
        assert look().runs(limit=9)[0][0].started == began

    def test_a_resumed_run_in_progress_lasts_as_long_as_its_attempts(self, recorded, look):
        recorded.writer.execution("r1", "ExampleGen", STATE.RUNNING)
        recorded.end("r1", state="failed", seconds=30.0)
        now = datetime.datetime.now(datetime.timezone.utc)
        began, again = (now - datetime.timedelta(seconds=seconds) for seconds in (7200, 60))
        properties = with_next_attempt(recorded.store().run_properties("r1"), began, again)
        MetadataWriter(recorded.root).begin_attempt("r1", properties)
        with recorded.root.lock() as note_holder:
            note_holder("r1")
            [row] = look().runs(limit=9)[0]
        assert row.state is RunState.RUNNING
        assert 90 <= row.seconds < 150

    def test_the_attempts_of_a_resumed_run_are_told_and_the_last_execution_of_a_node_counts(self, recorded, look):
        recorded.run("r1", failed="SchemaGen")
        recorded.end("r1", state="failed", seconds=3.0, error="SchemaGen: no schema", trigger="manual")
        recorder = MetadataWriter(recorded.root)
        began = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
        again = began + datetime.timedelta(minutes=1)
        recorder.begin_attempt("r1", with_next_attempt(recorded.store().run_properties("r1"), began, again))
        assert look().runs(limit=9)[0][0].state is RunState.UNFINISHED
        recorded.writer.execution("r1", "SchemaGen", STATE.COMPLETE)
        found = look().run("r1")
        assert found.row.state is RunState.UNFINISHED  # not failed: that attempt is over
        assert [(one.began, one.state, one.error) for one in found.attempts] == [
            (began, "failed", "SchemaGen: no schema"),
            (again, None, ""),
        ]
        recorded.end("r1", state="succeeded", seconds=5.0)
        found = look().run("r1")
        assert (found.row.state, found.row.error) == (RunState.SUCCEEDED, "")
        assert [(one.state, one.seconds) for one in found.attempts] == [("failed", 3.0), ("succeeded", 2.0)]
        [schema_gen] = [node for node in found.nodes if node.node == "SchemaGen"]
        assert schema_gen.state is NodeRunState.EXECUTED

    def test_sorted_and_by_state(self, recorded, reader):
        for run_id, bce in (("a", 0.2), ("b", None), ("c", 0.1)):
            recorded.run(run_id, names=["SchemaGen"])
            recorded.end(run_id, state="succeeded" if bce else "failed", test_bce=bce)
        assert ids(reader.runs(limit=9, sort="test_bce")[0]) == ["a", "c", "b"]
        assert ids(reader.runs(limit=9, sort="test_bce", ascending=True)[0]) == ["c", "a", "b"]
        assert ids(reader.runs(limit=9, state=RunState.SUCCEEDED)[0]) == ["c", "a"]
        rows, page = reader.runs(limit=1, start=1, state=RunState.SUCCEEDED)
        assert (ids(rows), page.total, page.next) == (["a"], 2, "")
        with pytest.raises(UsageError, match=r"'bce'.*test_bce.*started, "):
            reader.runs(limit=9, sort="bce")


class TestRun:
    def test_nodes_come_in_order_with_what_they_read_and_made(self, one_run):
        run = one_run[1].run("r1")
        assert [node.node for node in run.nodes] == list(PIPELINE.names)
        by_name = {node.node: node for node in run.nodes}
        trainer = by_name["Trainer"]
        assert [(use.key, use.artifact.node) for use in trainer.inputs] == [
            ("examples", "ExampleGen"),
            ("transform_graph", "Transform"),
        ]
        assert [(use.key, use.artifact.type, use.artifact.run) for use in trainer.outputs] == [
            ("model", "Model", "r1"),
            ("model_run", "ModelRun", "r1"),
        ]
        assert trainer.after == ("ExampleGen", "DataGate", "Transform")
        assert by_name["PixelProbe"].after == ("ExampleGen", "Transform")  # it is executed beside the Trainer
        assert trainer.reasons == ("as asked",)
        assert trainer.state is NodeRunState.EXECUTED
        assert trainer.properties == {"declared": "of Trainer", "own": 7}  # the key's parts are for `sae why`
        assert run.output("ModelBlessing").key == "blessing"
        assert run.output("Nothing") is None

    def test_metrics_and_slices_are_those_of_the_evaluation(self, one_run):
        run = one_run[1].run("r1")
        assert run.metrics == METRICS
        assert run.slices["label 1"] == {"bce": 0.05, "bce_to_mean_image": 0.3}

    def test_what_was_cached_says_from_which_run(self, recorded, reader):
        recorded.run("r1")
        recorded.replay("r2")
        recorded.replay("r3")
        run = reader.run("r3")
        assert {node.state for node in run.nodes} == {NodeRunState.CACHED}
        assert {node.cached_from for node in run.nodes if node.outputs} == {"r1"}
        assert run.metrics == METRICS

    def test_a_failed_run_says_why_in_the_words_of_the_orchestrator_and_what_did_not_run(self, recorded, look):
        recorded.run("r1", failed="StatisticsGen")
        run = look().run("r1")
        assert [node.node for node in run.nodes] == list(PIPELINE.names)
        by_name = {node.node: node for node in run.nodes}
        assert by_name["StatisticsGen"].state is NodeRunState.FAILED
        assert by_name["StatisticsGen"].error == "StatisticsGen ended"
        assert by_name["Trainer"].state is NodeRunState.NOT_RUN
        journal = event_log.Journal(recorded.root.path, "r1")
        journal(NodeEnded("StatisticsGen", NodeState.FAILED, 1.0, "the disk is full"))
        journal(NodeEnded("Trainer", NodeState.SKIPPED, 0.0, "StatisticsGen did not succeed"))
        journal.close()
        by_name = {node.node: node for node in look().run("r1").nodes}
        assert by_name["StatisticsGen"].error == "the disk is full"
        assert by_name["Trainer"].state is NodeRunState.SKIPPED
        assert by_name["Trainer"].error == "StatisticsGen did not succeed"

    def test_a_pusher_that_had_nothing_to_push_was_skipped(self, recorded, reader):
        recorded.run("r1", blessed=False)
        by_name = {node.node: node for node in reader.run("r1").nodes}
        assert by_name["Pusher"].state is NodeRunState.SKIPPED
        assert by_name["Pusher"].error == "the model is not blessed"

    def test_verdicts_are_no_nodes(self, recorded, reader, tmp_path):
        recorded.run("r1")
        for name, good in (("first", 1), ("second", 0)):
            (tmp_path / name).mkdir()
            (tmp_path / name / "verdict.json").write_text("{}")
            properties = {"verified": good, "node": "", "compared": 2}
            MetadataWriter(recorded.root).record_verification("r1", tmp_path / name, [1, 2], properties)
        run = reader.run("r1")
        assert [node.node for node in run.nodes] == list(PIPELINE.names)
        assert [(one.verified, one.compared, one.node) for one in run.verifications] == [(False, 2, ""), (True, 2, "")]
        assert [(row.state, row.executed) for row in reader.runs(limit=9)[0]] == [(RunState.SUCCEEDED, 14)]

    def test_a_run_that_is_none(self, recorded, reader):
        recorded.run("r1", names=["SchemaGen"])
        with pytest.raises(NotFoundError, match=r"r2.*\br1\b"):
            reader.run("r2")

    def test_the_run_before(self, recorded, reader):
        for run_id in ("r1", "r2"):
            recorded.run(run_id, names=["SchemaGen"])
        assert reader.previous("r2") == "r1"
        assert reader.previous("r1") == ""


class TestArtifacts:
    def test_by_type_node_and_run(self, recorded, reader):
        for run_id in ("r1", "r2"):
            recorded.run(run_id, content=run_id)
        rows, page = reader.artifacts(limit=4)
        assert [(row.run, row.node, row.key) for row in rows] == [
            ("r2", "Report", "report"),
            ("r2", "Pusher", "pushed_model"),
            ("r2", "PushGate", "decision"),
            ("r2", "Probe", "scores"),
        ]
        assert (page.total, page.next) == (None, "4")
        rows, page = reader.artifacts(limit=1, start=1, type_name="Model")
        assert ([(row.run, row.type) for row in rows], page.total, page.next) == ([("r1", "Model")], 2, "")
        rows, _ = reader.artifacts(limit=9, node="trainer")
        assert [(row.run, row.key) for row in rows] == [
            ("r2", "model_run"),
            ("r2", "model"),
            ("r1", "model_run"),
            ("r1", "model"),
        ]
        rows, page = reader.artifacts(limit=1, node="Trainer")
        assert (len(rows), page.next) == (1, "1")
        assert len(reader.artifacts(limit=99, run_id="r1")[0]) == 15
        rows, _ = reader.artifacts(limit=9, run_id="r1", node="Evaluator", type_name="ModelBlessing")
        assert [(row.run, row.key) for row in rows] == [("r1", "blessing")]

    def test_by_node_among_many(self, recorded, reader, monkeypatch):
        monkeypatch.setattr(artifacts, "_FEW", 2)
        recorded.run("r1", content="r1")
        for number in range(7):
            recorded.replay(f"again{number}")
        recorded.run("r2", content="r2")
        rows, page = reader.artifacts(limit=2, node="trainer")
        assert ([(row.run, row.key) for row in rows], page.next) == ([("r2", "model_run"), ("r2", "model")], "2")
        rows, page = reader.artifacts(limit=2, start=2, node="Trainer")
        assert ([(row.run, row.key) for row in rows], page.next) == ([("r1", "model_run"), ("r1", "model")], "")
        rows, page = reader.artifacts(limit=1, node="Trainer", type_name="Model")
        assert ([(row.run, row.key) for row in rows], page.next) == ([("r2", "model")], "1")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"type_name": "Modle"}, r"no type Modle; did you mean Model\? \(there are: .*Examples"),
            ({"node": "Trainr"}, r"no node Trainr; did you mean Trainer\?"),
            ({"run_id": "r9"}, r"no run r9; did you mean r1\?"),
        ],
    )
    def test_what_there_is_none_of_gets_a_suggestion(self, one_run, options, said):
        with pytest.raises(NotFoundError, match=said):
            one_run[1].artifacts(limit=9, **options)

    def test_who_made_it_took_it_over_and_read_it(self, recorded, reader):
        recorded.run("r1")
        recorded.replay("r2")
        number = recorded.outputs("r1", "Trainer")["model"].id
        found = reader.artifact(number)
        assert (found.made_by.run, found.made_by.node, found.made_by.key) == ("r1", "Trainer", "model")
        assert [(use.run, use.node, use.cached) for use in found.taken_by] == [("r2", "Trainer", True)]
        assert [(use.run, use.node, use.cached) for use in found.used_by] == [
            ("r2", "Report", True),
            ("r2", "Pusher", True),
            ("r2", "PushGate", True),
            ("r2", "Evaluator", True),
            ("r2", "Encode", True),
            ("r1", "Report", False),
            ("r1", "Pusher", False),
            ("r1", "PushGate", False),
            ("r1", "Evaluator", False),
            ("r1", "Encode", False),
        ]
        assert found.cut == 0
        assert [file.name for file in found.files] == [
            "Format-Serving/saved_model.pb",
            "Format-Serving/variables/variables.index",
        ]
        assert all(len(file.digest) == 64 for file in found.files)
        assert "files" not in found.properties
        assert not found.gone

    def test_long_lists_are_cut_and_say_by_how_much(self, recorded, reader, monkeypatch):
        monkeypatch.setattr(artifacts, "MOST_USES", 3)
        names = ["SchemaGen", "ExampleGen", "StatisticsGen", "ExampleValidator"]
        recorded.run("r1", names=names)
        for number in range(5):
            recorded.replay(f"again{number}", names=names)
        found = reader.artifact(recorded.outputs("r1", "SchemaGen")["schema"].id)
        # 5 took it over, and 6 read it: 3 of each are listed
        assert (len(found.taken_by), len(found.used_by), found.cut) == (3, 3, 2 + 3)
        assert found.taken_by[0].run == "again4"

    def test_files_that_are_gone_are_said_to_be_and_listed_as_they_were_published(self, recorded, reader):
        recorded.run("r1")
        row = recorded.outputs("r1", "Trainer")["model"]
        shutil.rmtree(row.uri)
        found = reader.artifact(row.id)
        assert found.gone
        assert len(found.files) == 2

    def test_without_a_note_the_files_are_those_that_lie_there(self, recorded, reader):
        recorded.run("r1", names=["SchemaGen"], noted=False)
        found = reader.artifact(recorded.outputs("r1", "SchemaGen")["schema"].id)
        assert [(file.name, file.size, file.digest) for file in found.files] == [
            ("inner/part-1", 4, ""),
            ("part-0", found.files[1].size, ""),
        ]
        assert found.row.content == ""

    def test_what_is_out_of_use_says_so(self, recorded, reader):
        recorded.run("r1", names=["SchemaGen"])
        number = recorded.outputs("r1", "SchemaGen")["schema"].id
        MetadataWriter(recorded.root).mark_out_of_use(number, "it is damaged")
        found = reader.artifact(number)
        assert found.row.state == "out of use"
        assert found.properties["out_of_use"] == "it is damaged"

    @pytest.mark.parametrize(
        ("wanted", "node", "key"),
        [
            ("latest:Trainer", "Trainer", "model"),
            ("r1:trainer:model_run", "Trainer", "model_run"),
            ("latest:Evaluator", "Evaluator", "evaluation"),  # the first that the node declares, not by the alphabet
            ("latest~0:SchemaGen:schema", "SchemaGen", "schema"),
        ],
    )
    def test_an_artifact_is_found_by_run_node_and_key(self, one_run, wanted, node, key):
        recorded, reader = one_run
        assert reader.find_artifact(wanted) == recorded.outputs("r1", node)[key].id

    def test_a_path_that_ends_in_more_digits_than_an_id_has_is_read(self, recorded, reader):
        recorded.run("r1")
        execution = recorded.store().executions("r1")["Trainer"].id
        ends = ("9" * 18, "9" * 19, str(2**63 - 1), str(2**63), "1" * 20, "1" * 5000, "1" * 20 + "/2", "2/" + "1" * 20)
        place = f"{recorded.root.artifacts}/Trainer/odd"
        made = [recorded.writer.artifact(execution, "odd", f"{place}/{end}", index) for index, end in enumerate(ends)]
        assert {reader.artifact(one).made_by.execution for one in made} == {execution}
        assert {*made} <= {row.id for row in reader.artifacts(limit=100)[0]}
        assert {*made} <= {use.artifact.id for node in reader.run("r1").nodes for use in node.outputs}
        assert all(reader.lineage(one) for one in made)

    def test_an_artifact_is_found_by_id_and_by_digest(self, one_run):
        recorded, reader = one_run
        model = recorded.outputs("r1", "Trainer")["model"]
        assert reader.find_artifact(str(model.id)) == model.id
        assert reader.find_artifact(model.content.partition(":")[2][:20]) == model.id
        assert reader.find_artifact(model.content) == model.id

    def test_a_run_whose_id_holds_colons_is_found(self, recorded, reader):
        recorded.run("2020-01-01T10:00:00", names=["SchemaGen"])
        schema = recorded.outputs("2020-01-01T10:00:00", "SchemaGen")["schema"].id
        assert reader.find_artifact("2020-01-01T10:00:00:SchemaGen") == schema
        assert reader.find_artifact("2020-01-01T10:00:00:SchemaGen:schema") == schema

    @pytest.mark.parametrize(
        ("wanted", "said"),
        [
            ("latest:Traner", r"no node Traner; did you mean Trainer\?"),
            ("latest:Trainer:modle", r"no output modle of Trainer in run r1; did you mean model\? \(it has: model, "),
            ("latest:DataGate", r"DataGate has no outputs \(nodes with outputs: ExampleGen, "),
            ("r2:Trainer", r"no run r2; did you mean r1\?"),
            ("9999", "no artifact 9999: give an id"),
            ("99999999999999999999", "no artifact 99999999999999999999: give an id"),
            ("9" * 5000, "no artifact 9999"),
            ("²", "no artifact ²: give an id"),
            ("-1", "no artifact -1"),
            ("", "no artifact : give"),
        ],
    )
    def test_an_artifact_that_is_none(self, one_run, wanted, said):
        with pytest.raises(NotFoundError, match=said):
            one_run[1].find_artifact(wanted)

    def test_previews_are_found_by_the_place_of_the_artifact_also_in_a_moved_root(self, recorded, tmp_path):
        recorded.run("r1")
        shown = Preview("blessing", ())
        uri = recorded.outputs("r1", "Evaluator")["blessing"].uri
        previews.write(previews.folder_of(recorded.root.path, uri), "ModelBlessing", shown, {})
        moved = Root(tmp_path / "elsewhere")
        shutil.move(recorded.root.path, moved.path)
        with open_reader(PIPELINE, None, moved) as reader:
            row = reader.artifact(reader.find_artifact("latest:Evaluator:blessing")).row
            assert row.uri.startswith(str(moved.path))
            assert reader.preview(row) == shown
            assert reader.preview(reader.artifact(reader.find_artifact("latest:Evaluator")).row) is None


class TestLineage:
    def test_all_hops_both_ways_without_what_was_cached(self, recorded, reader):
        recorded.run("r1")
        recorded.replay("r2")
        made = reader.lineage(recorded.outputs("r1", "Trainer")["model"].id)
        assert {step.node for step in made.up} == {"Trainer", "ExampleGen", "SchemaGen", "Transform"}
        assert {step.node for step in made.down} == {"Encode", "Evaluator", "Probe", "PushGate", "Pusher", "Report"}
        assert {step.run for step in (*made.up, *made.down)} == {"r1"}
        assert made.artifacts[made.center].key == "model"
        report = reader.lineage(recorded.outputs("r1", "Report")["report"].id)
        # StatisticsGen, ExampleValidator and DataGate hand nothing on to it
        assert {step.node for step in report.up} == {
            "Report", "Trainer", "ExampleGen", "SchemaGen", "Transform", "Encode", "Evaluator", "PixelProbe", "Probe",
        }  # fmt: skip
        assert report.down == ()

    def test_a_node_that_makes_nothing_is_there_once(self, recorded, reader):
        recorded.run("r1")
        recorded.replay("r2")
        found = reader.lineage(recorded.outputs("r1", "StatisticsGen")["statistics"].id)
        assert [(step.node, step.run) for step in found.down] == [("ExampleValidator", "r1"), ("DataGate", "r1")]

    def test_an_artifact_that_is_none(self, recorded, reader):
        with pytest.raises(NotFoundError, match="no artifact 5"):
            reader.lineage(5)


class TestOtherStores:
    """Stores that this project did not write."""

    @pytest.fixture
    def writer(self, tmp_path):
        return Writer(tmp_path / "others.sqlite")

    @pytest.fixture
    def others(self, writer, tmp_path):
        with open_reader(PIPELINE, str(tmp_path / "others.sqlite"), Root(tmp_path / "unused")) as opened:
            yield opened

    def test_an_empty_one(self, others):
        assert others.runs(limit=9) == ([], others.runs(limit=9)[1])
        assert others.artifacts(limit=9)[0] == []
        assert others.store.artifact_types() == []
        with pytest.raises(NotFoundError, match="no run latest"):
            others.find_run("latest")

    def test_runs_are_found_by_id_and_place_among_more_than_are_read_at_once(self, writer, others):
        for number in range(130):
            writer.context("pipeline_run", f"r{number}")
        writer.context("node", "sparse_autoencoder.Trainer")
        found = [others.find_run(wanted) for wanted in ("latest", "latest~3", "latest~120", "r7", "r12", "r129")]
        assert found == ["r129", "r126", "r9", "r7", "r12", "r129"]
        with pytest.raises(NotFoundError, match="there are 130, the oldest is latest~129"):
            others.find_run("latest~130")
        writer.context("pipeline_run", "latest~3")
        assert others.find_run("latest~3") == "latest~3"

    def test_the_newest_run_and_a_whole_id_are_found_without_reading_all_runs(self, writer, others, monkeypatch):
        for name in ("r1", "r2"):
            writer.context("pipeline_run", name)
        monkeypatch.setattr(others.store, "run_contexts", None)
        assert [others.find_run(wanted) for wanted in ("latest", "latest~1", "r1")] == ["r2", "r1", "r1"]

    def test_a_pipeline_of_other_nodes(self, writer, others):
        first = writer.execution("x", "Load", STATE.COMPLETE)
        table = writer.artifact(first, "table", "gs://bucket/table")
        second = writer.execution("x", "Count", STATE.RUNNING)
        writer.store.put_events(
            [pb.Event(artifact_id=table, execution_id=second, type=pb.Event.INPUT, path=event("in", 1).path)]
        )
        run = others.run("x")
        # its writer may be at work: ML Metadata says that it runs, and nothing here says otherwise
        assert run.row.state is RunState.RUNNING
        assert [(node.node, node.state.value, node.after) for node in run.nodes] == [
            ("Load", "executed", ()),
            ("Count", "running", ("Load",)),
        ]
        found = others.artifact(table)
        assert not found.gone  # a bucket cannot be looked into
        assert found.files == ()
        assert others.preview(found.row) is None
        assert [step.node for step in others.lineage(table).down] == ["Count"]

    def test_contexts_of_the_first_versions_of_tfx(self, writer, others):
        execution = writer.store.put_executions(
            [pb.Execution(type_id=writer.store.put_execution_type(pb.ExecutionType(name="tfx.Trainer")),
                          last_known_state=STATE.COMPLETE)]
        )[0]  # fmt: skip
        contexts = [
            writer.context("pipeline", "taxi"),
            writer.context("run", "taxi.2020-01-01"),
            writer.context("component_run", "taxi.2020-01-01.Trainer"),
        ]
        associations = [pb.Association(execution_id=execution, context_id=context) for context in contexts]
        writer.store.put_attributions_and_associations([], associations)
        run = others.run("taxi.2020-01-01")
        assert [node.node for node in run.nodes] == ["2020-01-01.Trainer"]

    def test_an_execution_without_a_node_goes_by_its_type(self, writer, others):
        kind = writer.store.put_execution_type(pb.ExecutionType(name="some.module.Step"))
        [made] = writer.store.put_executions([pb.Execution(type_id=kind, last_known_state=STATE.COMPLETE)])
        run = writer.context("pipeline_run", "x")
        writer.store.put_attributions_and_associations([], [pb.Association(execution_id=made, context_id=run)])
        assert [node.node for node in others.run("x").nodes] == ["Step"]

    def test_odd_content_is_shown_as_it_is(self, writer, others):
        odd = "<script>alert(1)</script>\n\x1b[31m"
        execution = writer.execution(odd, odd, STATE.FAILED, result="{not json")
        uri = "no/where/7"  # names an execution that there is not
        made = writer.artifact(execution, odd, uri, metrics="[]", files="{}", content_digest="no digest")
        store = writer.store
        kind = store.put_artifact_type(pb.ArtifactType(name="ModelEvaluation"))
        [evaluation] = store.put_artifacts([pb.Artifact(type_id=kind, uri="", state=pb.Artifact.UNKNOWN)])
        [artifact] = store.get_artifacts_by_id([evaluation])
        artifact.custom_properties["metrics"].string_value = json.dumps({"overall": [1], "per_label": 3})
        store.put_artifacts([artifact])
        steps = pb.Event(artifact_id=evaluation, execution_id=execution, type=pb.Event.OUTPUT)
        store.put_events([steps])
        run = others.run(odd)
        assert run.row.error == f"{odd}: {{not json"
        assert run.nodes[0].node == odd
        assert run.metrics == {}
        assert others.artifact(made).made_by.node == odd
        assert others.artifact(evaluation).row.key == ""
        assert others.artifact(evaluation).gone
        assert others.find_artifact(str(made)) == made

    def test_an_artifact_that_was_deleted_is_listed_as_removed(self, writer, tmp_path):
        execution = writer.execution("x", "Load", STATE.COMPLETE)
        for key in ("gone", "there"):
            writer.artifact(execution, key, "/nowhere")
        with contextlib.closing(sqlite3.connect(tmp_path / "others.sqlite")) as database, database:
            database.execute("DELETE FROM Artifact WHERE id = 1")
        with open_reader(PIPELINE, str(tmp_path / "others.sqlite"), Root(tmp_path / "unused")) as others:
            outputs = others.run("x").nodes[0].outputs
            assert [(use.key, use.artifact.removed) for use in outputs] == [("gone", True), ("there", False)]
            assert [row.key for row in others.artifacts(limit=9)[0]] == ["there"]
            with pytest.raises(NotFoundError, match="artifact 1 was deleted from ML Metadata"):
                others.artifact(1)

    def test_two_pipelines(self, writer, others):
        for pipeline, run_id in (("one", "a"), ("two", "b"), ("one", "c")):
            parent = writer.context("pipeline", pipeline)
            child = writer.context("pipeline_run", run_id)
            writer.store.put_parent_contexts([pb.ParentContext(parent_id=parent, child_id=child)])
        assert [(row.id, row.pipeline) for row in others.runs(limit=9)[0]] == [("c", "one"), ("b", "two"), ("a", "one")]
        assert others.previous("c") == "a"
        assert others.previous("b") == ""
