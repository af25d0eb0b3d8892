"""DAGs of `sae export airflow`, loaded and run by Airflow."""

from __future__ import annotations

import collections

import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import open_store
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.cluster import sample_runs
from tests.export import airflow

pytestmark = [
    pytest.mark.export,
    pytest.mark.skipif(not airflow.BIN.exists(), reason="`make setup-export` installs Airflow"),
]

GOOD = {"training.epochs": "50"}  # few epochs make no model that the thresholds of the profile accept
NOT_BLESSED = {**GOOD, "evaluation.max_bce": "0.01"}
NODES = PIPELINE.names


def sae(*arguments):
    done = CliRunner().invoke(cli.sae, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output


def options(settings):
    return ["--profile", "sample", *(word for item in settings.items() for word in ("--set", "=".join(item)))]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def server(tmp_path_factory, root):
    """Airflow with a DAG of a schedule, whose model is good, and one whose model is not blessed."""
    found = airflow.Airflow(tmp_path_factory.mktemp("airflow"))
    at = ("--root", root)
    policies = ("--retries", "3", "--retry-wait", "2s", "--timeout", "40m")
    when = ("--cron", "0 3 1 1 *", "--zone", "Europe/Berlin")
    sae("schedule", "add", "yearly", *when, *policies, *options(GOOD), *at)
    sae("export", "airflow", "--schedule", "yearly", *at, "--to", found.dags / "yearly.py")
    sae("export", "airflow", *options(NOT_BLESSED), "--name", "not_blessed", *at, "--to", found.dags / "not_blessed.py")
    with found.running():
        yield found


@pytest.fixture(scope="module")
def run(server, root):
    """A run that begins while another one holds the root; its tasks."""
    with Root(root).lock():
        server.trigger("yearly", "first")
        server.wait_for(lambda: "up_for_retry" in {state for state, _ in server.tasks("yearly", "first").values()})
    assert server.ended("yearly", "first") == "success"
    return server.tasks("yearly", "first")


def newest(root):
    """The newest run of a root, with the execution of each node."""
    store = open_store(Root(root), read_only=True)
    run_id = store.run_ids()[0]
    return run_id, store.executions(run_id)


def test_airflow_knows_times_retries_timeout_and_edges(server):
    server.wait_for(lambda: server.get("dags")["total_entries"] == 2)
    assert server.get("importErrors")["import_errors"] == []
    found = server.get("dags/yearly/details")
    assert found["timetable_summary"] == "0 3 1 1 *"
    next_year = int(found["start_date"][:4]) + 1
    assert found["next_dagrun_run_after"] == f"{next_year}-01-01T02:00:00Z"  # 03:00 in Berlin
    assert (found["catchup"], found["max_active_runs"], found["max_active_tasks"]) == (False, 1, 1)
    assert found["dag_run_timeout"] == "PT40M"
    tasks = {task["task_id"]: task for task in server.get("dags/yearly/tasks")["tasks"]}
    assert set(tasks) == {*NODES, "whole_run"}
    for node in PIPELINE.nodes:
        after = {other.name for other in PIPELINE.nodes if node.name in other.upstream}
        assert set(tasks[node.name]["downstream_task_ids"]) == after or {"whole_run"}
        assert tasks[node.name]["retries"] == 3
        assert tasks[node.name]["retry_delay"]["seconds"] == 2
        assert tasks[node.name]["retry_exponential_backoff"] == 2
        assert tasks[node.name]["execution_timeout"]["seconds"] == 2_400
    assert server.get("dags/not_blessed/details")["timetable_summary"] is None


def test_a_run_has_the_content_of_sae_run(run, root, tmp_path):
    assert {state for state, _ in run.values()} == {"success"}
    run_id, executions = newest(root)
    assert set(executions) == set(NODES)
    assert collections.Counter(one.state.value for one in executions.values()) == {"cached": len(NODES)}
    assert sample_runs.digests(root, run_id) == sample_runs.on_one_machine(tmp_path, settings=GOOD)


def test_each_task_executes_its_node_alone(run, root):
    store = open_store(Root(root), read_only=True)
    executed = collections.Counter(
        node
        for run_id in store.run_ids()
        for node, execution in store.executions(run_id).items()
        if execution.state.value == "executed"
    )
    assert executed == dict.fromkeys(NODES, 1)


def test_a_root_that_another_run_holds_is_tried_again(run):
    tried = {name: tries for name, (_, tries) in run.items()}
    first = {name for name, tries in tried.items() if tries > 1}
    assert first
    assert first <= {node.name for node in PIPELINE.nodes if not node.upstream}


def test_a_model_that_is_not_blessed_fails_the_last_task_alone(server, run, root, tmp_path):
    server.trigger("not_blessed", "second")
    assert server.ended("not_blessed", "second") == "failed"
    tasks = server.tasks("not_blessed", "second")
    assert tasks.pop("whole_run") == ("failed", 1)  # another try would fail again
    assert set(tasks.values()) == {("success", 1)}
    run_id, executions = newest(root)
    assert executions["Report"].state.value == "cached"
    found, expected = sample_runs.digests(root, run_id), sample_runs.on_one_machine(tmp_path, settings=NOT_BLESSED)
    history = {node.name for node in PIPELINE.nodes if node.depends_on_history}  # only one root had a model before
    assert {output for output in expected if found.get(output) != expected[output]} <= {
        output for output in expected if output[0] in history
    }
