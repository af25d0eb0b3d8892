"""Stores that TFX wrote without this project: what their owners see."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator

import pytest

from pipeline.core.errors import NotFoundError
from pipeline.core.pipeline_root import Root
from pipeline.core.serialization import jsonable
from pipeline.inspection import run_filter, sessions
from pipeline.inspection.locations import open_reader
from pipeline.inspection.reader import Reader
from pipeline.inspection.run_diff import FirstDifference, compare
from pipeline.inspection.views import RunRow, RunState, SessionRow
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import artifact as artifact_text
from pipeline.terminal import differences, json_documents
from pipeline.terminal import run as run_text
from pipeline.terminal import runs as runs_text
from pipeline.terminal.table import Screen
from tests.builders import foreign_stores
from tests.builders.foreign_stores import CLASSIC_RUN, STORES

Open = Callable[[str], Reader]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp("foreign")
    return {name: make(folder / f"{name}.sqlite") for name, make in STORES.items()}


@pytest.fixture
def read(stores: dict[str, pathlib.Path]) -> Iterator[Open]:
    """Open the store with a trait, or at a path."""
    with contextlib.ExitStack() as opened:
        yield lambda name: opened.enter_context(
            open_reader(PIPELINE, str(stores.get(name, name)), Root(pathlib.Path("/nowhere")))
        )


def states(reader: Reader) -> dict[str, str]:
    return {row.id: row.state.value for row in reader.runs(limit=99)[0]}


def nodes(reader: Reader, run: str) -> dict[str, str]:
    return {node.node: node.state.value for node in reader.run(run).nodes}


class TestOldStates:
    @pytest.mark.parametrize("schema", [4, 5, 6, 10])
    def test_the_property_is_the_state(self, read: Open, tmp_path: pathlib.Path, schema: int) -> None:
        reader = read(str(foreign_stores.classic(tmp_path / "store.sqlite", schema)))
        assert states(reader)[CLASSIC_RUN] == "succeeded"
        assert nodes(reader, CLASSIC_RUN) == dict.fromkeys(("CsvExampleGen", "Trainer", "Pusher"), "executed")
        [row] = [row for row in reader.runs(limit=9)[0] if row.id != CLASSIC_RUN]
        assert (row.state.value, row.executed, row.cached) == ("unfinished", 0, 1)
        assert nodes(reader, "latest") == {"CsvExampleGen": "cached", "Trainer": "unfinished"}
        kept = {row.id: row.state for row in reader.artifacts(limit=9)[0]}
        assert (kept[1], kept[4]) == ("live", "pending")

    def test_a_store_without_times_has_those_of_events(self, read: Open) -> None:
        reader = read("classic")
        rows = {row.id: row for row in reader.runs(limit=9)[0]}
        assert rows[CLASSIC_RUN].started == foreign_stores.minutes(1)  # the first node ended
        assert rows[CLASSIC_RUN].seconds == 240.0
        assert [node.ended for node in reader.run(CLASSIC_RUN).nodes] == [foreign_stores.minutes(n) for n in (1, 3, 5)]

    def test_without_any_what_wrote_an_output_is_complete(self, read: Open) -> None:
        reader = read("without_states")
        assert states(reader) == {"r1": "succeeded"}
        assert nodes(reader, "r1") == dict.fromkeys(("CsvExampleGen", "Trainer", "Pusher"), "executed")
        assert reader.runs(limit=1)[0][0].executed == 3


class TestNodeNames:
    def test_a_node_has_the_name_of_its_component(self, read: Open) -> None:
        reader = read("classic")
        assert reader.node_names() == ["CsvExampleGen", "Pusher", "Trainer"]
        model = reader.find_artifact(f"{CLASSIC_RUN}:Trainer")
        [row] = reader.artifacts(limit=9, node="trainer", run_id=CLASSIC_RUN)[0]
        assert (row.id, row.node, row.run) == (model, "Trainer", CLASSIC_RUN)
        assert reader.find_artifact("latest~1:Pusher:pushed_model") == 3
        assert {node.node: node.after for node in reader.run(CLASSIC_RUN).nodes} == {
            "CsvExampleGen": (),
            "Trainer": ("CsvExampleGen",),
            "Pusher": ("Trainer",),
        }

    def test_without_the_property_the_run_is_removed_from_the_name(self, read: Open, tmp_path: pathlib.Path) -> None:
        store = foreign_stores.ForeignStore(tmp_path / "store.sqlite")
        store.classic = True
        made = store.execution("taxi", "2020.1", "Trainer")
        store.artifact(made, "model")
        path = store.close()
        with foreign_stores.opened(path) as database:
            database.execute("DELETE FROM ContextProperty")
            database.execute("DELETE FROM ExecutionProperty WHERE name != 'state'")
        reader = read(str(path))
        assert reader.node_names() == ["Trainer"]
        assert nodes(reader, "latest") == {"Trainer": "executed"}


class TestRetries:
    def test_the_last_execution_of_a_node_counts(self, read: Open) -> None:
        reader = read("retried")
        [row] = reader.runs(limit=9)[0]
        assert (row.state.value, row.executed, row.error) == ("succeeded", 2, "")
        assert nodes(reader, "r1") == {"CsvExampleGen": "executed", "Trainer": "executed"}


class TestPipelines:
    def test_a_name_that_begins_with_that_of_another_pipeline_is_its_own(
        self, read: Open, tmp_path: pathlib.Path
    ) -> None:
        store = foreign_stores.ForeignStore(tmp_path / "store.sqlite")
        store.contexts("taxi", "r1", "", foreign_stores.minutes(0))
        store.contexts("taxi.v2", "r2", "Pusher", foreign_stores.minutes(1))
        store.execution("taxi", "r1", "Trainer", began=foreign_stores.minutes(2))
        reader = read(str(store.close()))
        assert reader.node_names() == ["Pusher", "Trainer"]
        assert nodes(reader, "r1") == {"Trainer": "executed"}
        assert nodes(reader, "r2") == {"Pusher": "not run"}

    def test_executions_name_the_pipeline_where_there_are_no_parents(self, read: Open) -> None:
        reader = read("several_pipelines")
        assert {row.id: row.pipeline for row in reader.runs(limit=9)[0]} == {
            "taxi-1": "taxi",
            "iris-1": "iris",
            "taxi-2": "taxi",
        }
        assert reader.pipelines() == ["iris", "taxi"]
        assert reader.previous("taxi-2") == "taxi-1"

    def test_runs_are_filtered_by_pipeline(self, read: Open) -> None:
        reader = read("several_pipelines")
        rows, page = reader.runs(limit=1, pipeline="taxi")
        assert ([row.id for row in rows], page.total, page.next) == (["taxi-2"], 2, "1")
        rows, page = reader.runs(limit=9, pipeline="taxi", sort="seconds")
        assert page.total == 2
        with pytest.raises(NotFoundError, match=r"taxy.*taxi"):
            reader.runs(limit=9, pipeline="taxy")

    def test_the_list_has_a_column_also_if_only_runs_of_one_are_shown(self, read: Open) -> None:
        reader = read("several_pipelines")
        rows, _ = reader.runs(limit=1)
        assert "pipeline" in runs_text.as_text(Screen(), rows, (), several=True).splitlines()[0].split()


class TestDeadRuns:
    def test_one_without_an_end_that_others_follow_or_that_is_old_is_unfinished(self, read: Open) -> None:
        reader = read("dead_runs")
        assert states(reader) == {"killed": "unfinished", "old": "unfinished", "next": "succeeded"}
        rows = {row.id: row for row in reader.runs(limit=9)[0]}
        assert "2024-03-29" in rows["killed"].error
        assert rows["killed"].seconds == 120.0  # until its last sign
        assert nodes(reader, "killed") == {"CsvExampleGen": "executed", "Trainer": "unfinished"}
        trainer = next(node for node in reader.run("killed").nodes if node.node == "Trainer")
        assert trainer.seconds is None

    def test_the_newest_is_running_for_a_day(self, read: Open) -> None:
        assert states(read("running")) == {"killed": "unfinished", "now": "running"}


class TestUnfinishedOutputs:
    def test_their_state_is_shown(self, read: Open) -> None:
        rows, _ = read("unfinished_outputs").artifacts(limit=99)
        assert {(row.run, row.type): row.state for row in rows if row.run != "good"} == {
            ("failed", "Model"): "pending",
            ("failed", "ModelEvaluation"): "abandoned",
            ("failed", "ExampleStatistics"): "incomplete",
            ("stuck", "Model"): "incomplete",
        }
        assert {row.state for row in rows if row.run == "good"} == {"live"}

    def test_filters_leave_them_out_unless_their_state_is_asked_for(self, read: Open) -> None:
        reader = read("unfinished_outputs")
        rows, page = reader.artifacts(limit=9, type_name="Model")
        assert ([row.run for row in rows], page.total, page.unfinished) == (["good"], 1, 2)
        assert [row.run for row in reader.artifacts(limit=9, node="Trainer")[0]] == ["good"]
        rows, page = reader.artifacts(limit=9, run_id="failed")
        assert (rows, page.total, page.unfinished) == ([], 0, 3)
        rows, page = reader.artifacts(limit=9, type_name="Model", state="pending")
        assert ([row.run for row in rows], page.total) == (["failed"], 1)
        assert [row.run for row in reader.artifacts(limit=9, state="incomplete")[0]] == ["stuck", "failed"]
        assert "2 artifacts" in artifact_text.unfinished_note(reader.artifacts(limit=9, type_name="Model")[1])

    def test_a_node_is_no_name_of_them(self, read: Open) -> None:
        reader = read("unfinished_outputs")
        assert reader.artifact(reader.find_artifact("good:Trainer")).row.type == "Model"
        with pytest.raises(NotFoundError, match=r"\(pending\)"):
            reader.find_artifact("failed:Trainer:model")
        with pytest.raises(NotFoundError, match="incomplete"):
            reader.find_artifact("latest:Trainer")

    def test_a_run_has_none_of_them_as_its_output(self, read: Open) -> None:
        reader = read("unfinished_outputs")
        assert reader.run("failed").output("ModelEvaluation") is None
        assert reader.run("failed").output("ExampleStatistics") is None
        assert reader.run("good").output("Model") is not None


class TestDifferences:
    def test_the_first_is_the_first_node_with_other_properties_or_inputs(self, read: Open) -> None:
        found = compare(read("without_digests"), ["first", "changed"])
        assert found.partings == (FirstDifference("changed", "Trainer", ("num_steps: 100 -> 200",)),)
        assert [(one.field, one.values) for one in found.settings] == [("Trainer num_steps", ("100", "200"))]
        assert {one.node: one.artifacts for one in found.outputs} == {"Trainer": (2, 4), "Pusher": (3, 5)}
        assert len(found.unknown) == 2

    def test_runs_that_made_other_artifacts_are_not_the_same(self, read: Open) -> None:
        found = compare(read("without_digests"), ["first", "again"])
        assert not found.same
        assert [(one.run, one.node) for one in found.partings] == [("again", "")]
        assert {one.node for one in found.outputs} == {"CsvExampleGen", "Trainer", "Pusher"}
        text = differences.as_text(Screen(), found, None)
        assert "not known" in text
        assert "same content" not in text

    def test_a_run_that_reused_all_has_the_same_artifacts_and_properties(self, read: Open) -> None:
        reader = read("without_digests")
        found = compare(reader, ["again", "reused"])
        assert (found.settings, found.outputs, found.states) == ((), (), ())
        assert found.unknown
        trainer = next(node for node in reader.run("reused").nodes if node.node == "Trainer")
        assert trainer.properties["num_steps"] == 100


class TestNodesThatDidNotRun:
    def test_they_are_listed_and_their_run_did_not_succeed(self, read: Open) -> None:
        reader = read("not_run")
        assert states(reader) == {"half": "unfinished", "whole": "succeeded", "nothing": "unfinished"}
        found = nodes(reader, "half")
        assert (found["CsvExampleGen"], found["Trainer"]) == ("executed", "executed")
        assert sorted(name for name, state in found.items() if state == "not run") == [f"Node{n}" for n in range(8)]
        assert set(nodes(reader, "whole").values()) == {"executed"}
        assert nodes(reader, "nothing") == {"Trainer": "not run"}
        rows = {row.id: row for row in reader.runs(limit=9)[0]}
        assert "2 of 10 nodes" in rows["half"].error

    def test_also_in_contexts_of_the_run(self, read: Open) -> None:
        reader = read("not_run_classic")
        assert states(reader) == {"half": "unfinished", "whole": "succeeded"}
        assert nodes(reader, "half") == {"CsvExampleGen": "executed", "Trainer": "not run", "Pusher": "not run"}

    def test_a_node_that_a_later_run_added_is_not_missing_in_earlier_ones(
        self, read: Open, tmp_path: pathlib.Path
    ) -> None:
        store = foreign_stores.ForeignStore(tmp_path / "store.sqlite")
        foreign_stores.taxi_run(store, "r1")
        foreign_stores.taxi_run(store, "r2", first=10)
        store.artifact(store.execution("taxi", "r2", "Evaluator", began=foreign_stores.minutes(15)), "evaluation")
        foreign_stores.taxi_run(store, "r3", first=20)
        store.contexts("taxi", "r3", "BulkInferrer")
        assert states(read(str(store.close()))) == {"r1": "succeeded", "r2": "succeeded", "r3": "unfinished"}


class TestImporterAndPusher:
    def test_an_importer_did_not_reuse_its_own_run(self, read: Open) -> None:
        [importer] = [node for node in read("importer_and_pusher").run("r1").nodes if node.node == "schema_importer"]
        assert (importer.state.value, importer.cached_from) == ("cached", "")

    def test_a_pusher_that_pushed_nothing_is_skipped_in_list_and_run(self, read: Open) -> None:
        reader = read("importer_and_pusher")
        [row] = reader.runs(limit=9)[0]
        assert (row.executed, row.cached, row.skipped) == (0, 1, 1)
        assert nodes(reader, "r1")["Pusher"] == "skipped"
        assert row.state.value == "succeeded"

    def test_a_list_does_not_read_the_outputs_of_each_run(self, read: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        reader = read("without_digests")
        outputs_of, asked = reader.store.outputs_of, []

        def counted(numbers: list[int]) -> object:
            asked.extend([numbers] if numbers else [])
            return outputs_of(numbers)

        monkeypatch.setattr(reader.store, "outputs_of", counted)
        rows, _ = reader.runs(limit=9)
        assert len(asked) == 1
        assert [(row.id, row.executed, row.cached) for row in rows] == [
            ("reused", 0, 3),
            ("again", 3, 0),
            ("changed", 2, 1),
            ("first", 3, 0),
        ]


def cells(*wanted: int) -> list[str]:
    """Return the ids of cells, newest first, by their places in `CELLS`."""
    ids = [f"{pipeline}.{foreign_stores.moment(when)}" for pipeline, when, _, _ in foreign_stores.CELLS]
    return [ids[place] for place in sorted(wanted, reverse=True)]


class TestNotebooks:
    def test_in_a_root_it_is_shown_as_alone(self, read: Open, tmp_path: pathlib.Path) -> None:
        foreign_stores.notebook(tmp_path / "metadata.sqlite")
        alone = read("notebook").runs(limit=9, sessions=True)[0]
        with open_reader(PIPELINE, None, Root(tmp_path)) as reader:
            found = reader.runs(limit=9, sessions=True)[0]
            assert [row.state.value for row in reader.runs(limit=1)[0]] == ["succeeded"]
        assert [(row.id, row.state, row.executed, row.cached) for row in found] == [
            (row.id, row.state, row.executed, row.cached) for row in alone
        ]

    SECOND_DAY, FIRST_DAY, NAMED = (7, 8), (0, 1, 3, 4, 5), (2, 6)

    @pytest.mark.parametrize("schema", [4, 10])
    def test_cells_of_one_pipeline_and_time_are_one_session(
        self, read: Open, tmp_path: pathlib.Path, schema: int
    ) -> None:
        reader = read(str(foreign_stores.notebook(tmp_path / "store.sqlite", schema)))
        rows, page = reader.runs(limit=9, sessions=True)
        expected = [self.SECOND_DAY, self.NAMED, self.FIRST_DAY]
        assert page.total == 3
        assert [row.id for row in rows] == [cells(*one)[0] for one in expected]
        found = [row.session for row in rows if isinstance(row, SessionRow)]
        assert [[one.id for one in session.runs] for session in found] == [cells(*one) for one in expected]
        assert found[2].components == ("CsvExampleGen", "StatisticsGen", "Trainer")
        assert [one.component for one in found[1].runs] == ["Trainer", "CsvExampleGen"]

    def test_its_state_is_that_of_the_newest_cell_of_each_component(self, read: Open) -> None:
        second, named, first = read("notebook").runs(limit=9, sessions=True)[0]
        assert [row.state.value for row in (second, named, first)] == ["succeeded", "unfinished", "succeeded"]
        assert (first.executed, first.cached) == (3, 1)
        assert (first.started, first.seconds) == (foreign_stores.minutes(0), 14 * 60.0)
        assert named.error.startswith("Trainer: no end is recorded")
        assert first.error == ""

    def test_a_list_of_sessions_is_cut_sorted_and_filtered(self, read: Open) -> None:
        reader = read("notebook")
        rows, page = reader.runs(limit=1, start=1, sessions=True)
        assert ([row.pipeline for row in rows], page.total, page.next) == (["penguin"], 3, "2")
        rows, _ = reader.runs(limit=1, ascending=True, sessions=True)
        assert [row.id for row in rows] == cells(*self.FIRST_DAY)[:1]
        rows, page = reader.runs(limit=9, state=RunState.UNFINISHED, sessions=True)
        assert ([row.pipeline for row in rows], page.total) == (["penguin"], 1)
        rows, _ = reader.runs(limit=9, where=run_filter.parse(["seconds<850,seconds>400"]), sessions=True)
        assert [row.id for row in rows] == cells(*self.FIRST_DAY)[:1]
        rows, page = reader.runs(limit=9, pipeline="penguin", sessions=True)
        assert page.total == 1

    def test_without_sessions_each_cell_is_a_run(self, read: Open) -> None:
        rows, page = read("notebook").runs(limit=99)
        assert page.total == len(foreign_stores.CELLS)
        assert not any(isinstance(row, SessionRow) for row in rows)

    @pytest.mark.parametrize("name", [name for name in STORES if name != "notebook"])
    def test_the_lists_of_other_stores_are_the_same(self, read: Open, name: str) -> None:
        reader = read(name)
        seen = [
            [(row.id, row.state, row.error) for row in reader.runs(limit=99, sessions=grouped)[0]]
            for grouped in (False, True)
        ]
        assert seen[0] == seen[1]

    def test_text_and_json_name_cells_and_components(self, read: Open) -> None:
        rows, page = read("notebook").runs(limit=9, sessions=True)
        titles, *lines = runs_text.as_text(Screen(), rows, ()).splitlines()
        assert titles.split()[:7] == ["run", "pipeline", "state", "started", "time", "cells", "components"]
        assert "  5  CsvExampleGen, StatisticsGen, Trainer" in lines[2]
        [found] = [row for row in jsonable(json_documents.runs(rows, page))["runs"] if row["pipeline"] == "penguin"]
        assert found["session"]["components"] == ["CsvExampleGen", "Trainer"]
        assert [(one["component"], one["state"]) for one in found["session"]["runs"]] == [
            ("Trainer", "unfinished"),
            ("CsvExampleGen", "succeeded"),
        ]

    def test_a_session_has_the_tags_of_its_cells(self, read: Open) -> None:
        contexts = read("notebook").store.run_contexts()[:3]
        rows = [RunRow(one.name, "ours", RunState.SUCCEEDED, None, None, tags=tags)
                for one, tags in zip(contexts, (("b",), (), ("a", "b")), strict=True)]  # fmt: skip
        row = sessions.row_of(sessions.CellGroup(tuple(contexts), ("Trainer", "Trainer", "Pusher")), rows)
        assert (row.tags, row.started, row.seconds) == (("a", "b"), None, None)


class TestFailures:
    def test_the_failing_node_and_the_last_line_of_its_error_are_the_error_of_the_run(self, read: Open) -> None:
        reader = read("failed")
        assert {row.id: row.error for row in reader.runs(limit=9)[0]} == {
            "told": 'Trainer: ValueError: no label "tips"',
            "silent": "Trainer: no error is recorded",
        }
        trainer = next(node for node in reader.run("told").nodes if node.node == "Trainer")
        assert trainer.error == foreign_stores.TRACEBACK

    def test_a_run_starts_with_it_and_shows_it_once(self, read: Open) -> None:
        text = run_text.as_text(Screen(), read("failed").run("told"), "store", None, None, "none")
        assert text.splitlines()[1] == 'error: Trainer: ValueError: no label "tips"'
        assert "launcher.py" not in text
        assert text.count("no label") == 2  # at the node, too

    def test_parameters_are_cut_to_a_line_or_whole(self, read: Open) -> None:
        run = read("failed").run("told")
        text = run_text.as_text(Screen(), run, "store", None, None, "none")
        [line] = [line for line in text.splitlines() if "custom_config" in line]
        assert '"option_0": 0' in line
        assert "option_39" not in line
        whole = run_text.parameters_text(Screen(), run)
        assert "option_39" in whole
        assert "input_base" in whole
        assert json_documents.run(run, None, None, {})["nodes"][1]["properties"]["custom_config"] == foreign_stores.LONG

    def test_parameters_leave_out_what_names_the_run(self, read: Open) -> None:
        run = read("notebook").run("latest")
        assert [node.parameters for node in run.nodes] == [{"num_steps": 1445}]
