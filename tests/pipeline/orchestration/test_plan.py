"""What a run would do, told without doing it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import pytest

from pipeline.core import serialization, settings
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.orchestration import plan
from pipeline.orchestration.portable import checks
from pipeline.orchestration.request import RunRequest
from pipeline.provenance import cache_key, numeric_variables
from pipeline.sparse_autoencoder import dataset_cache
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import plan as text
from pipeline_config import EngineConfig
from tests import PROJECT
from tests.builders.roots import change_bytes, tree

HEAVY = ("tensorflow", "tfx", "apache_beam", "tensorflow_datasets")
# Each takes longer to import than a plan takes.
NOT_NEEDED = ("numpy", "PIL", "asyncio", "http", "ssl", "rich", "psutil")


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    for name in ("SAE_ROOT", "TFDS_DATA_DIR", *numeric_variables.ignored(os.environ, EngineConfig())):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def after_a_run(recorded):
    recorded.run("r1")
    recorded.remember()
    return recorded


def make(recorded, *assignments, **options):
    request = settings.Request(assignments=assignments, root=str(recorded.root.path))
    return plan.plan_run(RunRequest(PIPELINE, request, **options))


def verdicts(made):
    return {line.node: line.verdict for line in made.nodes}


def test_after_a_run_nothing_would_run(after_a_run):
    made = make(after_a_run)
    assert verdicts(made) == dict.fromkeys(PIPELINE.names, "cached")
    assert (made.dataset, made.profile, made.root) == ("mnist 3.0.1", "mnist", str(after_a_run.root.path))
    assert {(line.reasons, line.of_run) for line in made.nodes} == {((), "r1")}


def test_as_text_there_is_a_line_for_each_node_and_each_reason(after_a_run):
    made = make(after_a_run, "training.epochs=60", "model.l1=0.5")
    assert text.as_text(made).splitlines() == [
        f"mnist 3.0.1, profile mnist, {after_a_run.root.path}",
        "",
        "ExampleGen        cached    outputs of run r1",
        "SchemaGen         cached    outputs of run r1",
        "StatisticsGen     cached    outputs of run r1",
        "ExampleValidator  cached    outputs of run r1",
        "DataGate          cached    outputs of run r1",
        "Transform         cached    outputs of run r1",
        "Trainer           run       parameters: epochs: 50 -> 60",
        "                            parameters: l1: 0.001 -> 0.5",
        "Encode            may run   unless the outputs of Trainer stay the same",
        "Evaluator         may run   unless the outputs of Trainer stay the same",
        "PixelProbe        cached    outputs of run r1",
        "Probe             may run   unless the outputs of Encode and Trainer stay the same",
        "PushGate          may run   unless the outputs of Evaluator and Trainer stay the same",
        "Pusher            may run   unless the outputs of Evaluator, PushGate and Trainer stay the same",
        "Report            run       parameters: model.l1: 0.001 -> 0.5",
        "                            parameters: training.epochs: 50 -> 60",
        "",
        "2 would run, 5 may run, if their inputs change, 7 cached",
    ]
    assert text.as_text(make(after_a_run)).splitlines()[-1] == "0 would run, 14 cached"


def test_it_says_which_jobs_would_run_on_which_cluster(after_a_run, monkeypatch):
    monkeypatch.setattr(checks, "require", lambda *_, **__: None)
    flink = ("engine.runner=flink", "engine.flink_master=flink.example.org:8081")
    assert make(after_a_run, *flink).cluster == ""  # all is cached
    made = make(after_a_run, "training.epochs=60", *flink)
    assert (made.cluster, made.on_cluster) == ("Flink at flink.example.org:8081", ("Evaluator",))
    assert "on Flink at flink.example.org:8081: Evaluator" in text.as_text(made).splitlines()
    for runner, cluster in (("spark", "h:1"), ("portable", "h:1"), ("dataflow", "Dataflow")):
        made = make(after_a_run, "data.shard_examples=9", f"engine.runner={runner}", "engine.job_endpoint=h:1")
        assert cluster in made.cluster
        assert made.on_cluster == ("ExampleGen", "StatisticsGen", "Evaluator")
    made = make(after_a_run, "training.epochs=60")
    assert (made.cluster, made.on_cluster) == ("", ())


def test_it_names_the_variables_that_a_run_ignores(after_a_run, monkeypatch):
    assert make(after_a_run).notices == ()
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    made = make(after_a_run)
    [notice] = made.notices
    assert "XLA_FLAGS=--xla_cpu_enable_fast_math=true" in notice
    assert f"warning: {notice}" in text.as_text(made).splitlines()
    assert set(verdicts(made).values()) == {"cached"}


def prepare(recorded, splits=("train", "test"), version="3.0.1"):
    """Makes the folder of the data set one that TFDS reads."""
    folder = recorded.data.parent / version
    folder.mkdir(exist_ok=True)
    info = {"name": "mnist", "fileFormat": "tfrecord", "splits": [{"name": name} for name in splits]}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "features.json").write_text("{}")
    return f"data.data_dir={recorded.data.parent.parent}"


def test_a_missing_split_is_the_error_of_a_run(recorded):
    option = prepare(recorded)
    with pytest.raises(UsageError) as raised:
        make(recorded, option, "data.test_split=tset[:5]")
    for words in ("data.test_split", "tset", "train, test"):
        assert words in str(raised.value)
    make(recorded, option, "data.train_split=train[:50%]+test[10:]", "data.test_split=all")


def test_a_missing_folder_is_named_with_what_to_do(recorded, tmp_path):
    made = make(recorded, f"data.data_dir={tmp_path / 'nowhere'}")
    [notice] = made.notices
    for words in (str(tmp_path / "nowhere"), "download", "TFDS_DATA_DIR"):
        assert words in notice
    assert str(tmp_path / "nowhere") in text.as_text(made).splitlines()[1]


def test_another_version_is_named(recorded):
    option = prepare(recorded)
    recorded.run("r1", option)
    recorded.remember(option)
    assert make(recorded, option).dataset == "mnist 3.0.1"
    prepare(recorded, version="3.0.2")
    made = make(recorded, option)
    assert (made.dataset, set(verdicts(made).values())) == ("", {"run"})
    assert str(recorded.data.parent / "3.0.2") in made.data


def test_as_json_it_is_one_object(after_a_run):
    found = json.loads(serialization.document(make(after_a_run, "training.epochs=60")))
    assert (found["schema_version"], found["dataset"], found["profile"]) == (2, "mnist 3.0.1", "mnist")
    assert found["root"] == str(after_a_run.root.path)
    assert [line["node"] for line in found["nodes"]] == list(PIPELINE.names)
    by_name = {line.pop("node"): line for line in found["nodes"]}
    assert by_name["ExampleGen"] == {"verdict": "cached", "reasons": [], "of_run": "r1"}
    assert by_name["Trainer"] == {"verdict": "run", "reasons": ["parameters: epochs: 50 -> 60"], "of_run": ""}
    assert by_name["Evaluator"] == {
        "verdict": "depends",
        "reasons": ["unless the outputs of Trainer stay the same"],
        "of_run": "",
    }


def test_planning_writes_nothing(after_a_run):
    before = tree(after_a_run.folder)
    for options in ({}, {"use_cache": False}, {"all_bytes": True}, {"from_node": "Trainer"}):
        make(after_a_run, "training.epochs=60", **options)
    assert tree(after_a_run.folder) == before


def test_without_a_root_all_would_run_and_nothing_is_made(tmp_path):
    made = plan.plan_run(RunRequest(PIPELINE, settings.Request(root=str(tmp_path / "none"))))
    assert verdicts(made) == dict.fromkeys(PIPELINE.names, "run")
    assert {line.reasons for line in made.nodes} == {("nothing ran in this root yet",)}
    first, second = text.as_text(made).splitlines()[:2]
    assert first == f"profile mnist, {tmp_path / 'none'}"
    assert second.startswith("data set: mnist is not in ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", [{"code": "components.missing"}, {"code": "", "steps": ("missing.package",)}])
def test_code_of_a_node_that_is_not_there_is_refused_before_the_first_run(recorded, part):
    nodes = tuple(dataclasses.replace(one, **part) if one.name == "Report" else one for one in PIPELINE.nodes)
    pipeline = dataclasses.replace(PIPELINE, nodes=nodes)
    request = settings.Request(root=str(recorded.root.path.parent / "empty"))
    with pytest.raises(UsageError) as planned:
        plan.plan_run(RunRequest(pipeline, request, to_node="Trainer"))
    with pytest.raises(UsageError) as ran:  # a run reads the code of all nodes before it imports it
        cache_key.code_of_nodes(nodes)
    assert str(planned.value) == str(ran.value)
    assert (part["code"] or "missing.package") in str(planned.value)


def test_in_a_root_whose_first_run_is_not_recorded_yet_nothing_ran(recorded):
    made = make(recorded)
    assert {line.reasons for line in made.nodes} == {("nothing ran in this root yet",)}


def test_where_the_data_set_is_not_known_all_would_run(recorded):
    recorded.run("r1")
    made = make(recorded)
    assert verdicts(made) == dict.fromkeys(PIPELINE.names, "run")
    reason = "the data set of profile mnist is not known in this root, or may be another one now"
    assert {line.reasons for line in made.nodes} == {(reason,)}
    assert text.as_text(made).count(reason) == 1


def test_where_the_runs_are_of_another_profile_it_is_named(recorded):
    recorded.run("r1")
    recorded.end("r1", profile="sample")
    recorded.remember_sample()
    [reason] = {line.reasons for line in make(recorded).nodes}
    assert reason[0].endswith("its runs are on mnist_sample: add --profile sample")


def test_where_another_profile_would_not_help_none_is_named(recorded):
    """A run on own data records the default profile; now there is a newer version of the data."""
    options = (prepare(recorded), "data.dataset=cells")
    cells = shutil.copytree(recorded.data.parent, recorded.data.parent.with_name("cells"))
    recorded.run("r1")
    recorded.end("r1", profile="mnist")
    recorded.root.claim_dataset("cells")
    source = recorded.source(name="cells", builder_dir=str(cells / "3.0.1"))
    dataset_cache.remember(recorded.root, recorded.settings(*options), source)
    assert make(recorded, *options).dataset == "cells 3.0.1"
    shutil.copytree(cells / "3.0.1", cells / "4.0.0")
    [reason] = {line.reasons for line in make(recorded, *options).nodes}
    assert reason == ("the data set is not known in this root, or may be another one now; its runs are on cells",)
    request = settings.Request(assignments=options, root=str(recorded.root.path))
    assert plan.dataset_warning(RunRequest(PIPELINE, request)) == ""


def test_that_plan_names_no_data_set(recorded):
    recorded.run("r1")
    made = make(recorded)
    assert made.dataset == ""


def test_where_the_sample_stands_in_its_profile_is_planned_with(recorded):
    prepared = recorded.source(name="mnist_sample", version="1.0.0")
    dataset_cache.remember(recorded.root, recorded.settings(), prepared)
    recorded.run("r1")
    made = make(recorded)
    assert (made.profile, made.dataset) == ("sample", "mnist_sample 1.0.0")
    evaluator = next(line for line in made.nodes if line.node == "DataGate")
    assert "parameters: expected_examples.train: 50000 -> 3572" in evaluator.reasons


@pytest.mark.parametrize(
    ("profile", "of_sample"),
    [("mnist", "sample"), ("mnist_sparse", "sample_sparse"), ("mnist_overcomplete", "sample_overcomplete")],
)
def test_profiles_of_one_data_set_keep_their_own_settings(recorded, profile, of_sample):
    request = settings.Request(profile=profile, root=str(recorded.root.path))
    asked = settings.resolve(request, {})
    recorded.remember()  # by a run of the first profile
    found = dataset_cache.recall(recorded.root, request, asked)
    assert (found.settings.profile, found.settings.config) == (profile, asked.config)
    dataset_cache.remember(recorded.root, asked, recorded.source(name="mnist_sample", version="1.0.0"))
    found = dataset_cache.recall(recorded.root, request, asked)
    assert found.settings.profile == of_sample
    assert found.settings.config.model == asked.config.model


def test_in_a_moved_root_nothing_would_run_and_nothing_is_written(after_a_run):
    after_a_run.root = Root(after_a_run.root.path.rename(after_a_run.folder / "moved"))
    before = tree(after_a_run.root.path)
    assert verdicts(make(after_a_run)) == dict.fromkeys(PIPELINE.names, "cached")
    assert tree(after_a_run.root.path) == before


def test_without_the_cache_all_would_run(after_a_run):
    made = make(after_a_run, use_cache=False)
    assert {(line.verdict, line.reasons) for line in made.nodes} == {("run", ("the cache is not used",))}


def test_bytes_under_an_unchanged_time_are_seen_where_all_are_read(after_a_run):
    change_bytes(after_a_run.folder_of("r1", "SchemaGen", "schema") / "part-0", keep_time=True)
    assert verdicts(make(after_a_run))["SchemaGen"] == "cached"
    [line] = [line for line in make(after_a_run, all_bytes=True).nodes if line.node == "SchemaGen"]
    assert line.verdict == "run"
    assert line.reasons[0].endswith("part-0 holds other bytes than it was published with")


# --- parts -------------------------------------------------------------------------------------


def test_a_part_reuses_what_it_needs_of_the_newest_run_that_has_it(after_a_run):
    after_a_run.run("r2", failed="Transform")
    made = make(after_a_run, "training.epochs=60", from_node="Trainer")
    assert {line.node: (line.verdict, line.of_run) for line in made.nodes} == {
        "ExampleGen": ("reused", "r1"),
        "SchemaGen": ("reused", "r1"),
        "StatisticsGen": ("reused", "r1"),
        "ExampleValidator": ("reused", "r1"),
        "DataGate": ("reused", "r1"),
        "Transform": ("reused", "r1"),
        "Trainer": ("run", ""),
        "Encode": ("depends", ""),
        "PixelProbe": ("cached", "r1"),
        "Probe": ("depends", ""),
        "Evaluator": ("depends", ""),
        "PushGate": ("depends", ""),
        "Report": ("run", ""),
        "Pusher": ("depends", ""),
    }
    assert "ExampleGen        reused    outputs of run r1" in text.as_text(made).splitlines()


def test_a_reused_result_that_differs_from_the_run_says_in_what(after_a_run):
    """The manifest of the run records its own settings, which are not those of the reused model."""
    made = make(after_a_run, "training.epochs=60", from_node="Evaluator")
    differing = {line.node: line.reasons for line in made.nodes if line.verdict == "reused" and line.reasons}
    [(node, [reason])] = differing.items()
    assert node == "Trainer"
    assert "epochs" in reason
    assert "60" in reason
    assert f"{'':<28}{reason}" in text.as_text(made).splitlines()


def test_what_a_part_does_not_need_is_left_out(after_a_run):
    made = make(after_a_run, to_node="StatisticsGen")
    assert [node for node, verdict in verdicts(made).items() if verdict == "cached"] == ["ExampleGen", "StatisticsGen"]
    assert set(verdicts(made).values()) == {"cached", "left out"}
    assert "Trainer           left out" in text.as_text(made).splitlines()


def test_the_run_to_start_from_may_be_named(after_a_run):
    after_a_run.run("r2")
    made = make(after_a_run, from_node="Report", base_run="r1")
    assert {line.of_run for line in made.nodes if line.verdict == "reused"} == {"r1"}
    made = make(after_a_run, from_node="Report")
    assert {line.of_run for line in made.nodes if line.verdict == "reused"} == {"r2"}


def test_nodes_and_base_run_may_be_named_as_in_commands_that_read(after_a_run):
    after_a_run.run("r2")
    made = make(after_a_run, from_node="report", to_node="REPORT", base_run="latest~1")
    assert {line.of_run for line in made.nodes if line.verdict == "reused"} == {"r1"}
    assert [line.node for line in made.nodes if line.verdict in ("run", "cached")] == ["Report"]


def test_what_a_part_begins_with_decides_whether_it_runs(after_a_run):
    """The base's own artifacts are read, not those of the newest run."""
    after_a_run.run("r2", "training.epochs=60")
    assert verdicts(make(after_a_run, from_node="Evaluator", base_run="r1"))["Evaluator"] == "cached"
    after_a_run.run("r3", "training.epochs=70", names=(*PIPELINE.names[:8], "PixelProbe", "Probe"))
    assert verdicts(make(after_a_run, from_node="Evaluator", base_run="r3"))["Evaluator"] == "run"


def test_a_part_is_planned_also_where_the_data_set_is_not_known(recorded):
    recorded.run("r1")
    made = verdicts(make(recorded, from_node="Evaluator"))
    names = ("Trainer", "Encode", "Evaluator", "Probe", "PushGate", "Pusher", "Report")
    assert [made[name] for name in names] == ["reused", "reused", "run", "reused", "run", "run", "run"]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"base_run": "r1"}, UsageError, "--base needs --from-node or --to-node"),
        ({"from_node": "Trainr"}, NotFoundError, r"--from-node Trainr: no such node; did you mean Trainer\?"),
        ({"to_node": "Trainr"}, NotFoundError, "--to-node Trainr"),
        ({"from_node": "Report", "to_node": "ExampleGen"}, UsageError, "no node is between"),
        ({"from_node": "Trainer", "base_run": "r9"}, NotFoundError, "--base r9: no run r9"),
    ],
    ids=str,
)
def test_what_a_run_would_refuse_is_refused(after_a_run, options, error, said):
    with pytest.raises(error, match=said):
        make(after_a_run, **options)


def test_a_part_is_refused_where_no_run_has_what_it_needs(tmp_path, recorded):
    with pytest.raises(NotFoundError, match=f"{tmp_path / 'none'}"):
        plan.plan_run(RunRequest(PIPELINE, settings.Request(root=str(tmp_path / "none")), from_node="Trainer"))
    assert not (tmp_path / "none").exists()
    recorded.run("r1", failed="Transform")
    with pytest.raises(NotFoundError):
        make(recorded, from_node="Trainer")


def test_a_base_run_that_lacks_a_node_is_refused(recorded):
    recorded.run("r1", failed="Evaluator")
    recorded.run("r2", failed="Transform")
    with pytest.raises(NotFoundError, match=r"--base r2.*Transform, Trainer"):
        make(recorded, from_node="Evaluator", base_run="r2")
    with pytest.raises(NotFoundError, match=r"--base r11.*\br1\b"):
        make(recorded, from_node="Evaluator", base_run="r11")


def test_a_blessing_of_another_model_is_refused(after_a_run):
    blessing = after_a_run.outputs("r1", "Evaluator")["blessing"]
    after_a_run.change(blessing.id, model_digest="model-1:" + "f" * 64)
    with pytest.raises(UnavailableError, match=r"blessing.*model"):
        make(after_a_run, from_node="Pusher")


def test_of_other_data_no_profile_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "pipeline.sparse_autoencoder.dataset_folder.prepared_version", lambda data: tmp_path / data.dataset / "1.0.0"
    )
    root = tmp_path / "none"
    request = settings.Request(assignments=["data.dataset=signals"], root=str(root))
    made = plan.plan_run(RunRequest(PIPELINE, request))
    assert made.profile == ""
    assert text.as_text(made).splitlines()[0] == f"no profile, {root}"


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"training\.epochs"):
        plan.plan_run(
            RunRequest(PIPELINE, settings.Request(assignments=["training.epoch=3"], root=str(tmp_path / "none")))
        )
    assert list(tmp_path.iterdir()) == []


# --- what is imported --------------------------------------------------------------------------

CODE = f"""
import pathlib, sys
from pipeline.core import settings
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.inspection import explain
from pipeline.metadata import writer
from pipeline.metadata.store import open_store
from pipeline.orchestration import plan, replay, run
from pipeline.sparse_autoencoder import hints
from pipeline.terminal import plan as text
from pipeline.core.pipeline_root import Root
from pipeline.orchestration.request import RunRequest
root = sys.argv[1]
print(text.as_text(plan.plan_run(RunRequest(PIPELINE, settings.Request(root=root)))).splitlines()[-1])
place = Root(pathlib.Path(root))
print(explain.explain(PIPELINE, open_store(place, read_only=True), place, "latest", "Trainer").state)
print(*sorted(set({(*HEAVY, *NOT_NEEDED)!r}) & {{name.partition(".")[0] for name in sys.modules}}))
"""


@pytest.mark.sqlite_file  # a client of PostgreSQL imports ssl
def test_what_does_not_execute_nodes_imports_nothing_that_only_those_need(after_a_run):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(after_a_run.root.path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=PROJECT,
    )
    assert done.stdout.splitlines() == ["0 would run, 14 cached", "executed", ""]


def test_a_root_whose_files_are_gone_is_planned_as_damaged(after_a_run):
    shutil.rmtree(after_a_run.root.artifacts)
    made = make(after_a_run)
    assert verdicts(made)["SchemaGen"] == "run"
    assert "is damaged" in text.as_text(made)


def test_of_many_reasons_the_first_are_listed_and_the_others_counted():
    line = plan.PlannedNode("Trainer", "run", tuple(f"code: {number}.py is new" for number in range(30)))
    lines = text.as_text(plan.Plan("/root", "", "mnist", (line,))).splitlines()
    assert len(lines) == 2 + 9 + 2
    assert lines[-3].strip() == "and 22 more; --json lists all"


class TestOnACluster:
    GONE = ("engine.runner=flink", "engine.flink_master=127.0.0.1:9")

    def test_a_cluster_that_cannot_be_reached_is_an_error_before_anything_runs(self, after_a_run):
        before = tree(after_a_run.root.path)
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9") as raised:
            make(after_a_run, *self.GONE, "training.epochs=3")
        assert len(str(raised.value).splitlines()) == 1
        assert tree(after_a_run.root.path) == before

    def test_results_of_one_machine_are_reused_without_the_cluster(self, after_a_run):
        assert set(verdicts(make(after_a_run, *self.GONE)).values()) == {"cached"}

    def test_an_option_that_a_setting_gives_is_a_usage_error(self, recorded):
        with pytest.raises(UsageError, match=r"engine\.parallelism"):
            make(recorded, "engine.runner=flink", "engine.beam_options=--parallelism=2")


def test_a_store_whose_server_does_not_answer_is_the_error_of_a_run(tmp_path):
    request = settings.Request(
        assignments=("paths.metadata=postgresql://user@127.0.0.1:1/runs",), root=str(tmp_path / "none")
    )
    with pytest.raises(UnavailableError, match="does not answer"):
        plan.plan_run(RunRequest(PIPELINE, request))
    assert list(tmp_path.iterdir()) == []
