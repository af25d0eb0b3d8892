"""What runs again and what does not, and what ML Metadata then says: reruns, changes and damage, on the sample."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from components.push import decision as push_decision
from pipeline.core import settings
from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline
from pipeline.inspection import explain as why
from pipeline.metadata import root_store
from pipeline.metadata.properties import CACHE, OUT_OF_USE, PIPELINE_RUN, REASONS
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import CachedNode, MetadataWriter
from pipeline.orchestration import plan
from pipeline.orchestration.summary import Summary
from pipeline.sparse_autoencoder import dataset_cache
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import why as why_text
from tests.e2e.conftest import (
    CHANGED,
    PROJECT,
    QUICK,
    QUICK_OPTIONS,
    ChangedRun,
    SampleRun,
    copy_of_the_project,
    planned,
    run_here,
    states,
)

CACHED = dict.fromkeys(PIPELINE.names, "cached")
OUTPUTS = [(node.name, key) for node in PIPELINE.nodes for key in node.outputs]


def explain(root, *arguments):
    """`sae why` on a root."""
    return why.explain(PIPELINE, open_store(root, read_only=True), root, *arguments)


def copy_of(root: pathlib.Path, place: pathlib.Path) -> pathlib.Path:
    """A copy, with the files' times, at another place: to the pipeline a root that was moved."""
    shutil.copytree(root, place)
    return place


@pytest.fixture
def root(sample_run: SampleRun, tmp_path: pathlib.Path) -> pathlib.Path:
    return sample_run.copy(tmp_path / "root")


def store_of(root: pathlib.Path) -> Store:
    return open_store(Root(root))


def connected(root: pathlib.Path) -> mlmd.MetadataStore:
    """ML Metadata itself."""
    return root_store.of(Root(root)).connect()


def executed(summary: Summary) -> set[str]:
    return {node for node, state in states(summary).items() if state == "executed"}


def to_run(root: pathlib.Path, *assignments: str, **options: Any) -> set[str]:
    """The nodes that a plan says would run; not those that depend on what these make."""
    lines = planned(root, *QUICK, *assignments, **options).nodes
    ran = {line.node for line in lines if line.verdict == "run"}
    assert ran or {line.verdict for line in lines} == {"cached"}
    return ran


def typed(
    root: pathlib.Path, *arguments: str, project: pathlib.Path = PROJECT, command: str = "run"
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """A command as it is typed, and the top-level modules that it imported."""
    script = (
        "import sys\nfrom pipeline import cli\ntry:\n    cli.main(sys.argv[1:])\nfinally:\n"
        "    print('imported', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, command, *QUICK_OPTIONS, *arguments, "--json", "--root", str(root)],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return done, done.stderr.splitlines()[-1].split()


def states_of(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {node["id"]: node["state"] for node in json.loads(done.stdout)["nodes"]}


# --- a rerun that changes nothing ----------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "plan"])
def test_what_changes_nothing_is_told_without_tensorflow_tfx_and_beam(root: pathlib.Path, command: str) -> None:
    done, imported = typed(root, command=command)
    assert not {"tensorflow", "tfx", "apache_beam", "tensorflow_datasets"} & set(imported)
    assert "ml_metadata" in imported
    if command == "run":
        assert states_of(done) == CACHED
    else:
        assert {line["verdict"] for line in json.loads(done.stdout)["nodes"]} == {"cached"}


def test_a_plan_writes_nothing(root: pathlib.Path) -> None:
    def everything() -> dict[str, tuple[int, bytes]]:
        files = [path for path in root.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    before = everything()
    assert to_run(root, "model.l1=1e-4") >= {"Trainer"}
    assert everything() == before


def test_touched_files_and_another_number_of_workers_run_nothing_again(root: pathlib.Path) -> None:
    for path in root.rglob("*"):
        if path.is_file() and path.name != "metadata.sqlite":
            os.utime(path, (1, 1))
    assert states(run_here(root, *QUICK, "engine.beam_workers=2")) == CACHED


def test_a_moved_root_is_mended_and_runs_nothing_again(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    place = tmp_path / "elsewhere" / "root"
    place.parent.mkdir()
    root.rename(place)
    assert to_run(place) == set()  # read before it is mended

    done, _ = typed(place)
    assert states_of(done) == CACHED
    [copy] = place.glob("metadata.sqlite.before-move-*")
    assert str(copy) in done.stderr
    artifacts = connected(place).get_artifacts()
    assert {artifact.uri.startswith(f"{place}/") for artifact in artifacts} == {True}
    pushed = next(artifact for artifact in artifacts if artifact.type == "PushedModel")
    assert pushed.custom_properties["pushed_destination"].string_value == str(place / "serving" / "1")

    done, _ = typed(place)
    assert "before-move" not in done.stderr
    assert states_of(done) == CACHED


# --- recorded as TFX records it ------------------------------------------------------------------


def described(root: pathlib.Path) -> dict[str, Any]:
    """All that ML Metadata holds, but for ids, times and random names; runs are named by their number.

    Left out are the contexts in which results are found again: TFX's hold a digest that it alone can compute, ours one
    of our own, and an execution of either kind is in those of whoever recorded it.
    """
    store = connected(root)
    runs = sorted(store.get_contexts_by_type(PIPELINE_RUN), key=lambda context: context.id)
    numbers = {context.name: f"run {number}" for number, context in enumerate(runs)}

    def values(properties: Any) -> dict[str, str]:
        return {key: numbers.get(value.string_value, str(value)) for key, value in properties.items()}

    def names(contexts: Any) -> tuple[str, ...]:
        of_use = [context for context in contexts if context.type != CACHE]
        return tuple(sorted(f"{context.type} {numbers.get(context.name, context.name)}" for context in of_use))

    kinds = [*store.get_artifact_types(), *store.get_execution_types(), *store.get_context_types()]
    types = {
        f"{type(kind).__name__} {kind.name}": (kind.version, kind.base_type, dict(kind.properties))
        for kind in kinds
        if kind.name != CACHE
    }
    contexts = {
        names([context]): (
            names(store.get_parent_contexts_by_context(context.id)),
            context.external_id,
            {**values(context.properties), **values(context.custom_properties)},
        )
        for context in store.get_contexts()
        if context.type != CACHE
    }
    artifacts = {
        artifact.id: (
            artifact.type,
            artifact.uri,
            artifact.state,
            artifact.external_id,
            bool(artifact.name),
            values(artifact.properties),
            values(artifact.custom_properties),
            names(store.get_contexts_by_artifact(artifact.id)),
        )
        for artifact in store.get_artifacts()
    }
    executions = {}
    for execution in store.get_executions():
        events = [
            (event.type, str(event.path), artifacts[event.artifact_id][:2])
            for event in store.get_events_by_execution_ids([execution.id])
        ]
        place = names(store.get_contexts_by_execution(execution.id))
        assert place not in executions
        executions[place] = {
            "type": execution.type,
            "state": execution.last_known_state,
            "external id": execution.external_id,
            "has a name": bool(execution.name),
            "properties": values(execution.properties),
            "custom properties": values(execution.custom_properties),
            "events": sorted(events),
        }
    return {"types": types, "contexts": contexts, "artifacts": artifacts, "executions": executions}


def configured_for(place: Root) -> ConfiguredPipeline:
    """The pipeline with the settings and the data set of the runs in a root."""
    request = settings.Request(profile="sample", assignments=QUICK, root=str(place.path))
    found = dataset_cache.recall(place, request, settings.resolve(request))
    assert found is not None
    return ConfiguredPipeline(PIPELINE, found.settings, found.dataset, place.serving)


def rerun_by_tfx(root: pathlib.Path, run_id: str) -> None:
    """The same run again through TFX's launcher, with its cache on, told the same parameters as the first run."""
    from tfx.dsl.compiler import compiler, constants
    from tfx.orchestration import metadata as tfx_metadata
    from tfx.orchestration.local import runner_utils
    from tfx.orchestration.portable import launcher, runtime_parameter_utils

    from pipeline.definition import pipeline as definition
    from pipeline.orchestration.tfx import executors

    place = Root(root)
    configured = configured_for(place)
    connection = root_store.of(place).connection_config()
    pipeline = compiler.Compiler().compile(definition.create_pipeline(configured, place.artifacts, connection))
    runtime_parameter_utils.substitute_runtime_parameter(pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    store = store_of(root)
    first = store.executions(store.run_ids()[-1])
    for node in (node.pipeline_node for node in pipeline.nodes):
        name = node.node_info.id
        [execution] = connected(root).get_executions_by_id([first[name].id])
        for key, value in execution.custom_properties.items():
            if key in (REASONS, push_decision.STANDING) or key.startswith("key"):
                node.parameters.parameters[key].field_value.CopyFrom(value)
        node.execution_options.caching_options.enable_cache = True
        launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=tfx_metadata.Metadata(tfx_metadata.sqlite_metadata_connection_config(str(place.metadata))),
            pipeline_info=pipeline.pipeline_info,
            pipeline_runtime_spec=pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, name),
            custom_executor_operators=executors.executor_operators(
                PIPELINE.by_name[name], configured.config.engine, executors.Failures(), executors.Executions()
            ),
        ).launch()
    assert {name: execution.state for name, execution in store.executions(run_id).items()} == CACHED


def test_a_rerun_is_recorded_as_tfx_records_it(sample_run: SampleRun, tmp_path: pathlib.Path) -> None:
    """The same root is rerun once by us and once by TFX, where it was made: TFX's keys contain URIs."""
    made = sample_run.made
    kept = copy_of(made, tmp_path / "kept")

    def put_back() -> None:
        shutil.rmtree(made)
        copy_of(kept, made)

    assert states(run_here(made, *QUICK)) == CACHED
    ours = described(made)
    put_back()
    rerun_by_tfx(made, "by-tfx")
    theirs = described(made)
    put_back()

    # The digest of the manifest and the headline are on a run's context: TFX knows of no manifest, and of no end.
    for held, count in ((ours, 2), (theirs, 1)):
        found = [properties for _, _, properties in held["contexts"].values() if "manifest_digest" in properties]
        assert len(found) == count
        for properties in found:
            del properties["manifest_digest"]
            noted = [name for name in properties if name.startswith("sae_")]
            assert {"sae_state", "sae_dataset", "sae_test_bce"} <= set(noted)
            for name in noted:
                del properties[name]
    # How the model stands is told anew each time by us: it is served by now.
    for held, now in ((ours, True), (theirs, False)):
        found = [one["custom properties"].pop(push_decision.STANDING, "") for one in held["executions"].values()]
        assert sorted(r"\"served\": 1" in text for text in found if text) == [False, now]
    # A cached execution of ours gives no reasons to run. TFX was told those of the first run, for else its key would
    # be another one.
    for held, count in ((ours, len(PIPELINE.names)), (theirs, 2 * len(PIPELINE.names))):
        found = [one["custom properties"] for one in held["executions"].values()]
        assert len(found) == 2 * len(PIPELINE.names)
        assert sum(properties.pop(REASONS, None) is not None for properties in found) == count
    assert ours == theirs


def test_what_follows_a_recorded_rerun_under_tfx_s_launcher_reads_the_same_artifacts(changed: ChangedRun) -> None:
    """In the last run the first nodes were recorded by us, and the Trainer was run by TFX's launcher."""
    store = store_of(changed.root)
    first, last = (store.executions(summary.run_id) for summary in (changed.first, changed.last))
    assert states(changed.last) == {
        **CACHED,
        **dict.fromkeys(("Trainer", "Encode", "Evaluator", "Probe", "PushGate", "Pusher", "Report"), "executed"),
    }
    for node in ("ExampleGen", "Transform"):
        assert last[node].id != first[node].id
        assert store.outputs(last[node].id) == store.outputs(first[node].id)
    inputs = store.inputs(last["Trainer"].id)
    assert set(inputs) == {"examples", "transform_graph"}
    assert inputs == store.inputs(first["Trainer"].id)


def test_a_partial_run_of_plain_tfx_starts_from_a_recorded_rerun(changed: ChangedRun, tmp_path: pathlib.Path) -> None:
    from tfx.orchestration import pipeline as tfx_pipeline
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner

    from pipeline.definition import pipeline as definition

    root = changed.copy(tmp_path / "root")
    place = Root(root)
    configured = configured_for(place)
    pipeline = definition.create_pipeline(configured, place.artifacts, root_store.of(place).connection_config())
    pipeline.enable_cache = False
    options = tfx_pipeline.RunOptions(
        from_nodes=["Evaluator"], to_nodes=["Pusher"], base_pipeline_run_id=changed.again.run_id
    )
    LocalDagRunner().run(pipeline, run_options=options)

    store = store_of(root)
    run_id = store.run_ids()[0]
    executions = store.executions(run_id)
    ran = {name for name, execution in executions.items() if execution.state and execution.state.value == "executed"}
    assert ran == {"Evaluator", "PushGate", "Pusher"}
    decision = push_decision.read(pathlib.Path(store.outputs(executions["PushGate"].id)["decision"].uri))
    assert (decision.push, decision.reason) == (True, "what was pushed before was not looked up")
    recorded = store.executions(changed.again.run_id)
    for name in ("Transform", "Trainer"):
        assert store.outputs(executions[name].id) == store.outputs(recorded[name].id)
    assert store.inputs(executions["Evaluator"].id)["model"] == store.outputs(recorded["Trainer"].id)["model"]


# --- plans and reasons ---------------------------------------------------------------------------


def agrees(made: plan.Plan, summary: Summary) -> None:
    """A run did what was planned; a node that depends on others may have run or not."""
    allowed = {
        "run": {"executed"},
        "cached": {"cached"},
        "depends": {"executed", "cached"},
        "left out": {"skipped"},
    }
    found = states(summary)
    for line in made.nodes:
        assert found[line.node] in allowed[line.verdict], line


def test_a_plan_says_what_a_changed_setting_of_the_model_runs_again(changed: ChangedRun) -> None:
    agrees(changed.plan, changed.last)
    lines = {line.node: line for line in changed.plan.nodes}
    assert lines["Transform"].verdict == "cached"
    assert lines["Transform"].of_run == changed.first.run_id
    assert lines["Trainer"].reasons == ("parameters: epochs: 2 -> 5", "parameters: l1: 0.001 -> 0.0001")
    [reason] = lines["Encode"].reasons
    assert (lines["Encode"].verdict, "Trainer" in reason) == ("depends", True)


@pytest.mark.parametrize(
    ("assignment", "to_node", "ran"),
    [
        # The same images in other files are the same content. The report lists the setting.
        ("data.shard_examples=1000", "", {"ExampleGen", "Report"}),
        # The evaluation says its thresholds; the verdicts on the model are the same, so the Pusher has nothing to do.
        ("evaluation.max_bce=0.61", "Pusher", {"Evaluator", "PushGate"}),
    ],
    ids=["files", "a gate"],
)
def test_a_plan_and_a_run_agree(root: pathlib.Path, assignment: str, to_node: str, ran: set[str]) -> None:
    made = planned(root, *QUICK, assignment, to_node=to_node)
    summary = run_here(root, *QUICK, assignment, to_node=to_node)
    agrees(made, summary)
    assert executed(summary) == ran
    skipped = {node for node, state in states(summary).items() if state not in ("executed", "cached")}
    assert skipped == ({"Encode", "PixelProbe", "Probe", "Report"} if to_node else set())


def test_a_plan_of_a_part_names_the_run_that_the_rest_is_taken_from(changed: ChangedRun) -> None:
    lines = {line.node: line for line in planned(changed.root, *QUICK, from_node="Evaluator", use_cache=False).nodes}
    assert (lines["Trainer"].verdict, lines["Trainer"].of_run) == ("reused", changed.last.run_id)
    run = {node for node, line in lines.items() if line.verdict == "run"}
    assert run == {"Evaluator", "PushGate", "Pusher", "Report"}


def test_why_gives_the_old_and_the_new_value_of_the_setting(changed: ChangedRun) -> None:
    text = why_text.as_text(explain(Root(changed.root), "latest", "Trainer"))
    assert re.search(r"^parameters +epochs: 2 -> 5\n +l1: 0.001 -> 0.0001$", text, re.MULTILINE)
    reasons = "  parameters: epochs: 2 -> 5\n  parameters: l1: 0.001 -> 0.0001\n"
    assert text.startswith(f"Trainer of run {changed.last.run_id}: executed\n{reasons}")
    for part in ("code", "inputs", "packages"):
        assert re.search(rf"^{part} +the same", text, re.MULTILINE)


def test_why_says_whose_outputs_a_cached_node_used(changed: ChangedRun) -> None:
    answer = explain(Root(changed.root), changed.again.run_id, "Trainer")
    assert (answer.state, answer.against, answer.changes) == ("cached", changed.first.run_id, ())
    assert changed.first.run_id in why_text.as_text(answer)


@pytest.mark.parametrize("state", [pb.Execution.FAILED, pb.Execution.CANCELED, pb.Execution.RUNNING])
def test_an_execution_that_did_not_succeed_is_never_used(root: pathlib.Path, state: int) -> None:
    assert to_run(root) == set()
    store = connected(root)
    [execution] = store.get_executions_by_type("components.report.component.ReportGen")
    execution.last_known_state = state
    store.put_executions([execution])
    assert to_run(root) == {"Report"}


# --- changed code and data -----------------------------------------------------------------------


def append(path: pathlib.Path, text: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def test_edited_helpers_run_what_imports_them(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    append(project / "pipeline" / "terminal" / "progress.py", "\n# A comment.\n")
    for path in (*project.rglob("*.py"), *project.rglob("*.html")):
        os.utime(path, (1, 1))
    done, imported = typed(root, project=project)
    assert states_of(done) == CACHED
    assert "tfx" not in imported

    reader, metrics = "components/data/tfds_reader.py", "components/evaluation/image_metrics.py"
    append(project / reader, "\n# A comment.\n")  # ExampleGen's
    append(project / metrics, "\n# A comment.\n")  # of the other five
    done, _ = typed(root, project=project, command="plan")
    reasons = {line["node"]: line["reasons"] for line in json.loads(done.stdout)["nodes"] if line["verdict"] == "run"}
    assert reasons == {
        "ExampleGen": [f"code: {reader} changed"],
        **{node: [f"code: {metrics} changed"] for node in ("Trainer", "Encode", "Evaluator", "PushGate", "Report")},
    }


# --- damage --------------------------------------------------------------------------------------

# Of each output a file to damage; the Pusher's lies in the serving folder.
FILES = {
    ("ExampleGen", "examples"): "Split-train/train-00000-of-00001.tfrecord",
    ("SchemaGen", "schema"): "schema.pbtxt",
    ("StatisticsGen", "statistics"): "Split-test/FeatureStats.pb",
    ("ExampleValidator", "anomalies"): "Split-train/SchemaDiff.pb",
    ("Transform", "transform_graph"): "transform_fn/saved_model.pb",
    ("Trainer", "model"): "Format-Serving/variables/variables.data-00000-of-00001",
    ("Trainer", "model_run"): "history.json",
    ("Encode", "codes"): "codes.parquet",
    ("PixelProbe", "pixel_scores"): "scores.json",
    ("Probe", "scores"): "scores.json",
    ("Evaluator", "evaluation"): "metrics-00000-of-00001.tfrecord",
    ("Report", "report"): "report.html",
}


@pytest.fixture(scope="module")
def damaged(sample_run: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A root that the tests damage and make whole again, each another artifact."""
    return sample_run.copy(tmp_path_factory.mktemp("damaged") / "root")


def output_of(root: pathlib.Path, node: str, key: str) -> Artifact:
    """What stands for a node's output now: that of the newest run in which it was made or used."""
    store = store_of(root)
    run_id = next(run_id for run_id in store.run_ids() if node in store.executions(run_id))
    return store.outputs(store.executions(run_id)[node].id)[key]


def flip_a_byte(path: pathlib.Path) -> None:
    """Changes one byte and keeps size and time."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def tfx_would_use(root: pathlib.Path, artifact_id: int) -> bool:
    """Whether TFX's own cache would hand out an artifact."""
    from tfx.orchestration import metadata as tfx_metadata
    from tfx.orchestration.portable import cache_utils

    connection = tfx_metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite"))
    with tfx_metadata.Metadata(connection) as handle:
        contexts = handle.store.get_contexts_by_type(CACHE)
        found = [cache_utils.get_cached_outputs(handle, cache_context=context) for context in contexts]
    ids = {artifact.id for outputs in found for artifacts in (outputs or {}).values() for artifact in artifacts}
    assert ids
    return artifact_id in ids


def is_made_again(
    root: pathlib.Path, node: str, key: str, wrong: str, capfd: pytest.CaptureFixture[str], all_bytes: bool = False
) -> None:
    """Assert that the damage is a warning, the artifact is out of use, its node ran again, and all else was cached."""
    before = output_of(root, node, key)
    assert to_run(root, all_bytes=all_bytes) == {node}
    capfd.readouterr()
    summary = run_here(root, *QUICK, all_bytes=all_bytes)
    lines = capfd.readouterr().err.splitlines()
    [warning] = [line for line in lines if line.startswith("warning:") and wrong in line]
    assert node in warning
    assert states(summary) == {**CACHED, node: "executed"}

    [artifact] = connected(root).get_artifacts_by_id([before.id])
    assert artifact.state != pb.Artifact.LIVE
    assert artifact.custom_properties[OUT_OF_USE].string_value == wrong
    assert not tfx_would_use(root, before.id)
    after = output_of(root, node, key)
    assert after.live
    assert after.id != before.id
    assert after.content == before.content
    assert states(run_here(root, *QUICK)) == CACHED


def test_files_to_damage_are_named_for_every_output() -> None:
    others = {("Evaluator", "blessing"), ("PushGate", "decision"), ("Pusher", "pushed_model")}
    assert {*FILES, *others} == set(OUTPUTS)


@pytest.mark.parametrize(("node", "key"), FILES)
def test_a_flipped_byte_is_found(damaged: pathlib.Path, node: str, key: str) -> None:
    path = pathlib.Path(output_of(damaged, node, key).uri) / FILES[node, key]
    flip_a_byte(path)
    assert to_run(damaged, all_bytes=True) == {node}
    flip_a_byte(path)


def test_bytes_are_read_if_a_file_is_newer_or_all_are_asked_for(damaged: pathlib.Path) -> None:
    path = pathlib.Path(output_of(damaged, "Encode", "codes").uri) / FILES["Encode", "codes"]
    assert to_run(damaged, all_bytes=True) == set()
    flip_a_byte(path)
    assert to_run(damaged) == set()  # as large and as old as it was: only its bytes tell
    os.utime(path)
    assert to_run(damaged) == {"Encode"}
    flip_a_byte(path)
    assert to_run(damaged) == set()


@pytest.mark.parametrize(("node", "key"), [("ExampleGen", "examples"), ("Probe", "scores")])
def test_an_artifact_with_a_flipped_byte_is_made_again(
    damaged: pathlib.Path, capfd: pytest.CaptureFixture[str], node: str, key: str
) -> None:
    path = pathlib.Path(output_of(damaged, node, key).uri) / FILES[node, key]
    flip_a_byte(path)
    assert tfx_would_use(damaged, output_of(damaged, node, key).id)
    wrong = f"{path} holds other bytes than it was published with"
    if key == "examples":
        os.utime(path)
    is_made_again(damaged, node, key, wrong, capfd, all_bytes=key == "scores")


def test_a_verdict_that_was_turned_round_is_made_again(
    damaged: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = pathlib.Path(output_of(damaged, "Evaluator", "blessing").uri) / "BLESSED"
    path.rename(path.with_name("NOT_BLESSED"))
    is_made_again(damaged, "Evaluator", "blessing", f"{path} is missing", capfd)


def test_a_decision_that_was_turned_round_is_made_again(
    damaged: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = pathlib.Path(output_of(damaged, "PushGate", "decision").uri) / "decision.json"
    size = path.stat().st_size
    path.write_text(path.read_text().replace('"push": true', '"push": false'))
    wrong = f"{path} has {size + 1:,} bytes, it was published with {size:,}"
    is_made_again(damaged, "PushGate", "decision", wrong, capfd)


def test_a_deleted_folder_is_made_again(damaged: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = pathlib.Path(output_of(damaged, "SchemaGen", "schema").uri)
    shutil.rmtree(folder)
    is_made_again(damaged, "SchemaGen", "schema", f"{folder / 'schema.pbtxt'} is missing", capfd)


def test_a_served_model_with_a_flipped_byte_is_pushed_again(damaged: pathlib.Path) -> None:
    versions = [int(path.name) for path in (damaged / "serving").iterdir()]
    flip_a_byte(damaged / "serving" / str(max(versions)) / "saved_model.pb")
    assert to_run(damaged) == {"Pusher"}
    summary = run_here(damaged, *QUICK)
    assert executed(summary) == {"Pusher"}
    assert summary.pushed_version == str(max(versions) + 1)


# --- blessings -----------------------------------------------------------------------------------


def test_a_run_that_would_push_a_model_on_another_one_s_blessing_is_refused(
    changed: ChangedRun, tmp_path: pathlib.Path
) -> None:
    """A store in which the Evaluator's newest execution in the last run stands for that of the first."""
    root = changed.copy(tmp_path / "root")
    store = store_of(root)
    first, last = (store.executions(summary.run_id) for summary in (changed.first, changed.last))
    own = store.execution(first["Evaluator"].id).key
    assert own is not None
    ran = first["Evaluator"].id
    cached = CachedNode("Evaluator", own, ran, store.inputs(ran), store.outputs(ran))
    MetadataWriter(root=Root(root)).record_cached(PIPELINE.name, changed.last.run_id, cached)
    connected_store = connected(root)
    [real] = connected_store.get_executions_by_id([last["Evaluator"].id])
    real.last_known_state = pb.Execution.FAILED
    connected_store.put_executions([real])
    with pytest.raises(UnavailableError, match="blessing"):
        run_here(root, *CHANGED, from_node="Pusher", base_run=changed.last.run_id, use_cache=False)
    assert sorted(path.name for path in (root / "serving").iterdir()) == ["1", "2"]
