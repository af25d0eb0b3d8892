"""The text of a DAG. tests/export runs one with Airflow."""

from __future__ import annotations

import ast
import datetime
import pathlib
import shlex
import subprocess
import sys

import jinja2
import pytest

from pipeline.core.errors import UsageError
from pipeline.export import airflow
from pipeline.scheduler.export import common
from pipeline.scheduler.types import CatchUp, Timing, TimingKind, Work
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders import schedules as examples
from tests.second_pipeline.definition import PIPELINE as SECOND

ROOT, FOLDER = pathlib.Path("/data/root"), pathlib.Path("/data")


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)


def request(work=None, timing=None, root=ROOT, folder=FOLDER, name="dag", **policies):
    return airflow.DagRequest(
        name, work or Work("sample"), root, folder, timing, examples.policies(**policies), examples.NOW
    )


def constants(text):
    """The constants of a DAG, by name."""
    found = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    return {node.targets[0].id: ast.literal_eval(node.value) for node in found}


def options(text):
    """The expressions of the options of a DAG and of its tasks, by name."""
    [block] = [node for node in ast.parse(text).body if isinstance(node, ast.With)]
    given = {word.arg: word.value for word in block.items[0].context_expr.keywords}
    defaults = given.pop("default_args")
    given |= {key.value: value for key, value in zip(defaults.keys, defaults.values, strict=True)}
    return {name: ast.unparse(value) for name, value in given.items()}


def test_nodes_and_command_are_those_of_the_pipeline():
    found = constants(airflow.dag(PIPELINE, request()))
    assert found["UPSTREAM"] == {
        node.name: [name for name in PIPELINE.names if name in node.upstream] for node in PIPELINE.nodes
    }
    assert shlex.split(found["SAE_RUN"]) == [
        *common.program(), "run", "--profile", "sample", "--root", "/data/root"
    ]  # fmt: skip


def test_another_pipeline_is_named_in_the_command():
    text = airflow.dag(SECOND.__class__(**{**vars(SECOND), "location": "tests.x:P"}), request())
    assert "--pipeline tests.x:P run" in constants(text)["SAE_RUN"]
    assert "JUDGED" not in text


def test_only_failures_that_may_pass_are_retried():
    assert constants(airflow.dag(PIPELINE, request()))["FINAL"] == [2, 3, 4, 130]


def test_a_run_that_is_triggered():
    found = options(airflow.dag(PIPELINE, request()))
    assert found["schedule"] == "None"
    assert (found["max_active_runs"], found["max_active_tasks"]) == ("1", "1")
    assert "dagrun_timeout" not in found
    assert "env" not in found


@pytest.mark.parametrize(
    ("timing", "schedule", "start"),
    [
        (
            Timing(TimingKind.CRON, cron="0 3 * * 1-5"),
            "'0 3 * * 1-5'",
            "pendulum.datetime(2026, 11, 24, 20, 30, 0, tz='UTC')",
        ),
        (
            Timing(TimingKind.CRON, cron="0 3 * * *", zone="Europe/Berlin"),
            "'0 3 * * *'",
            "pendulum.datetime(2026, 11, 24, 21, 30, 0, tz='Europe/Berlin')",
        ),
        (
            Timing(TimingKind.EVERY, every=1_209_607.0),
            "timedelta(seconds=1209607)",
            "pendulum.datetime(2026, 11, 24, 20, 30, 0, tz='UTC')",
        ),
    ],
)  # fmt: skip
def test_times(timing, schedule, start):
    found = options(airflow.dag(PIPELINE, request(timing=timing)))
    assert (found["schedule"], found["start_date"]) == (schedule, start)


def test_retries_and_timeout():
    found = options(airflow.dag(PIPELINE, request(retries=4, retry_wait=90.0, timeout=7_200.0)))
    assert found["retries"] == "4"
    assert found["retry_delay"] == "timedelta(seconds=90)"
    assert found["retry_exponential_backoff"] == "DOUBLED"
    assert found["dagrun_timeout"] == found["execution_timeout"] == "timedelta(seconds=7200)"


@pytest.mark.parametrize(
    ("catch_up", "catches_up", "start"), [(CatchUp.ONE, "False", (2026, 11, 20)), (CatchUp.ALL, "True", (2026, 11, 24))]
)
def test_a_schedule(catch_up, catches_up, start):
    schedule = examples.schedule(catch_up=catch_up, jitter=90.0, on_failure="mail root")
    wanted = airflow.of_schedule(schedule, "dag", ROOT, FOLDER, examples.NOW)
    text = airflow.dag(PIPELINE, wanted)
    assert options(text)["catchup"] == catches_up
    assert wanted.start.timetuple()[:3] == start  # missed runs before the export were those of the daemon
    assert "`sae export airflow --schedule nightly`" in text
    assert "jitter of up to 1 min 30 s" in text
    assert "the command after a failure" in text


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (examples.schedule(timing=Timing(TimingKind.DATA_CHANGE, every=600.0)), "only the daemon"),
        (examples.schedule(work=Work("sample", sweep="l1")), "the sweep l1"),
    ],
)
def test_what_airflow_cannot_run_is_refused(schedule, said):
    with pytest.raises(UsageError, match=said):
        airflow.of_schedule(schedule, "dag", ROOT, FOLDER, examples.NOW)


@pytest.mark.parametrize("name", ["", "a b", "a" * 251, "é"])
def test_an_id_that_airflow_refuses(name):
    with pytest.raises(UsageError, match="--name"):
        airflow.dag(PIPELINE, request(name=name))


ODD = "/a b/{{ x }}/{% y %}/{# z #}/$HOME/'\"\\/é\n%"


def test_templates_and_shell_of_airflow_leave_texts_as_they_are(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", ODD)
    work = Work("sample", assignments=(f"data.data_dir={ODD}",))
    text = airflow.dag(PIPELINE, request(work, root=pathlib.Path(ODD), folder=pathlib.Path(ODD)))
    rendered = jinja2.Template(constants(text)["SAE_RUN"]).render()
    done = subprocess.run(
        ["bash", "-c", rendered.replace(shlex.join(common.program()), "printf '%s\\0'", 1)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    words = ["run", "--profile", "sample", "--set", f"data.data_dir={ODD}", "--root", ODD]
    assert done.stdout.split("\0")[:-1] == words
    found = options(text)
    assert jinja2.Template(ast.literal_eval(found["cwd"])).render() == ODD
    [folder] = ast.literal_eval(found["env"]).values()
    assert jinja2.Template(folder).render() == ODD


def test_the_file_is_formatted_and_checked():
    text = airflow.dag(PIPELINE, request(Work("sample", assignments=("model.l1=0.1",)), timeout=60.0))
    for command in (["format", "--diff"], ["check", "--select", "E,F,I,B,D1,N,UP", "--ignore", "E501"]):
        ruff = [
            sys.executable,
            "-m",
            "ruff",
            *command,
            "--isolated",
            "--line-length",
            "120",
            "--stdin-filename",
            "x.py",
        ]
        done = subprocess.run([*ruff, "-"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_day_begins_in_the_time_zone_of_the_dag():
    evening = datetime.datetime(2026, 11, 24, 23, 30, tzinfo=datetime.timezone.utc)
    berlin = Timing(TimingKind.CRON, cron="0 3 * * *", zone="Europe/Berlin")
    assert airflow.midnight(evening, berlin).isoformat() == "2026-11-25T00:00:00+01:00"
    assert airflow.midnight(evening, None).isoformat() == "2026-11-24T00:00:00+00:00"
