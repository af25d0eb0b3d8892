"""Stores of ML Metadata as TFX writes them without this project, one for each trait; `STORES` lists them.

TFX up to 0.24 (`classic`) puts a run into contexts of the types `run` and `component_run`, and its states into
properties; later ones use `pipeline_run` and `node`, and link contexts as parents.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import pathlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence

import ml_metadata as mlmd
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from tests.builders import foreign_files

Value = str | int | float
STATES = {"complete": 3, "cached": 5, "new": 2, "running": 2, "failed": 4, "cancelled": 6, "unknown": 0}
OUTPUT, INPUT, PENDING_OUTPUT = pb.Event.OUTPUT, pb.Event.INPUT, pb.Event.PENDING_OUTPUT
THEN = datetime.datetime(2024, 3, 29, 10, 0, tzinfo=datetime.timezone.utc)  # when runs began, unless said otherwise
TYPES = {
    "examples": "Examples", "statistics": "ExampleStatistics", "schema": "Schema", "model": "Model",
    "blessing": "ModelBlessing", "evaluation": "ModelEvaluation", "pushed_model": "PushedModel",
    "anomalies": "ExampleAnomalies",
}  # fmt: skip


def minutes(number: float) -> datetime.datetime:
    """Return a time, in minutes after `THEN`."""
    return THEN + datetime.timedelta(minutes=number)


class ForeignStore:
    """Writes a store; `close` sets the times, and the schema if it is an older one."""

    def __init__(self, path: pathlib.Path, classic: bool = False, parents: bool = True, schema: int = 10) -> None:
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        self.path, self.classic, self.parents, self.schema = path, classic, parents, schema
        self.client = mlmd.MetadataStore(config)
        self._times: list[tuple[str, int, datetime.datetime, datetime.datetime]] = []

    def context(self, kind: str, name: str, began: datetime.datetime = THEN, **properties: str) -> int:
        """Return a context, made if it does not exist."""
        known = self.client.get_context_by_type_and_name(kind, name)
        if known is not None:
            return int(known.id)
        declared = dict.fromkeys(properties, pb.STRING)
        type_id = self.client.put_context_type(
            pb.ContextType(name=kind, properties=declared), can_add_fields=True, can_omit_fields=True
        )
        context = pb.Context(type_id=type_id, name=name)
        for key, value in properties.items():
            context.properties[key].string_value = value
        [made] = self.client.put_contexts([context])
        self._times.append(("Context", made, began, began))
        return int(made)

    def contexts(self, pipeline: str, run: str, node: str, began: datetime.datetime = THEN) -> list[int]:
        """Return the contexts of pipeline, run and node; without a node, the first two."""
        of_pipeline = self.context("pipeline", pipeline, began, pipeline_name=pipeline)
        names = {"pipeline_name": pipeline, "run_id": run}
        if self.classic:
            found = [of_pipeline, self.context("run", run, began, **names)]
            if node:
                found.append(self.context("component_run", f"{run}.{node}", began, component_id=node, **names))
            return found
        of_run = self.context("pipeline_run", run, began)
        found = [of_pipeline, of_run]
        if self.parents and of_pipeline not in {one.id for one in self.client.get_parent_contexts_by_context(of_run)}:
            self.client.put_parent_contexts([pb.ParentContext(child_id=of_run, parent_id=of_pipeline)])
        return [*found, self.context("node", f"{pipeline}.{node}", began)] if node else found

    def execution(
        self,
        pipeline: str,
        run: str,
        node: str,
        state: str = "complete",
        *,
        type_name: str = "",
        began: datetime.datetime = THEN,
        ended: datetime.datetime | None = None,
        inputs: Mapping[str, Sequence[int]] | None = None,
        **properties: Value,
    ) -> int:
        """Put an execution that has read artifacts, and return its id."""
        name = type_name or (node if self.classic else f"tfx.components.{node.lower()}.component.{node}")
        type_id = self.client.put_execution_type(pb.ExecutionType(name=name))
        execution = pb.Execution(type_id=type_id)
        if self.classic:
            properties |= {"state": state, "component_id": node, "run_id": run, "pipeline_name": pipeline}
        else:
            execution.last_known_state = STATES[state]
        set_properties(execution, properties)
        [made] = self.client.put_executions([execution])
        contexts = self.contexts(pipeline, run, node, began)
        links = [pb.Association(execution_id=made, context_id=one) for one in contexts]
        self.client.put_attributions_and_associations([], links)
        self._times.append(("Execution", made, began, ended or began + datetime.timedelta(minutes=1)))
        for key, artifacts in (inputs or {}).items():
            for index, artifact in enumerate(artifacts):
                self.event(made, artifact, key, INPUT, index)
        return int(made)

    def artifact(
        self,
        execution: int,
        key: str,
        uri: str = "",
        *,
        state: int = pb.Artifact.LIVE,
        event: int = OUTPUT,
        index: int = 0,
        type_name: str = "",
        **properties: Value,
    ) -> int:
        """Put an output of an execution and return its id."""
        type_id = self.client.put_artifact_type(pb.ArtifactType(name=type_name or TYPES[key]))
        [owner] = self.client.get_executions_by_id([execution])
        uri = uri or f"/home/someone/pipelines/{owner.type.rpartition('.')[2]}/{key}/{execution}"
        artifact = pb.Artifact(type_id=type_id, uri=uri)
        if self.classic:
            names = {value: name.lower() for name, value in pb.Artifact.State.items()}
            properties |= {"state": "published" if state == pb.Artifact.LIVE else names[state]}
        else:
            artifact.state = state
        set_properties(artifact, properties)
        [made] = self.client.put_artifacts([artifact])
        self.event(execution, made, key, event, index)
        return int(made)

    def event(self, execution: int, artifact: int, key: str, kind: int, index: int = 0) -> None:
        """Put an event, and the artifact into the contexts of the execution."""
        path = pb.Event.Path(steps=[pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=index)])
        ended = next(end for table, number, _, end in self._times if (table, number) == ("Execution", execution))
        made = pb.Event(artifact_id=artifact, execution_id=execution, type=kind, path=path)
        made.milliseconds_since_epoch = _milliseconds(ended)
        self.client.put_events([made])
        contexts = self.client.get_contexts_by_execution(execution)
        links = [pb.Attribution(artifact_id=artifact, context_id=one.id) for one in contexts]
        self.client.put_attributions_and_associations(links, [])

    def close(self) -> pathlib.Path:
        """Set times and schema, and return the path."""
        del self.client
        with opened(self.path) as database:
            for table, number, began, ended in self._times:
                database.execute(
                    f"UPDATE {table} SET create_time_since_epoch = ?, last_update_time_since_epoch = ? WHERE id = ?",
                    (_milliseconds(began), _milliseconds(ended), number),
                )
        if self.schema < 10:
            config = pb.ConnectionConfig()
            config.sqlite.filename_uri = str(self.path)
            metadata_store.downgrade_schema(config, self.schema)
        return self.path


def set_properties(message: pb.Execution | pb.Artifact, properties: Mapping[str, Value]) -> None:
    """Set custom properties."""
    for name, value in properties.items():
        field = {int: "int_value", float: "double_value", str: "string_value"}[type(value)]
        setattr(message.custom_properties[name], field, value)


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[sqlite3.Connection]:
    """Yield a store to edit by SQL."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        yield database


def _milliseconds(when: datetime.datetime) -> int:
    return int(when.timestamp() * 1000)


def taxi_run(
    store: ForeignStore,
    run: str,
    pipeline: str = "taxi",
    first: float = 0,
    state: str = "complete",
    **properties: Value,
) -> dict[str, int]:
    """Put a run with three nodes that made something, and return ids of executions by node, of artifacts by key."""
    example_gen = store.execution(pipeline, run, "CsvExampleGen", state, began=minutes(first))
    examples = store.artifact(example_gen, "examples")
    trainer = store.execution(
        pipeline, run, "Trainer", state, began=minutes(first + 2), inputs={"examples": [examples]}, **properties
    )
    model = store.artifact(trainer, "model")
    pusher = store.execution(pipeline, run, "Pusher", state, began=minutes(first + 4), inputs={"model": [model]})
    pushed = store.artifact(pusher, "pushed_model", pushed=1, pushed_destination=f"/serving/{run}")
    return {
        "CsvExampleGen": example_gen, "Trainer": trainer, "Pusher": pusher, "examples": examples, "model": model,
        "pushed_model": pushed,
    }  # fmt: skip


CLASSIC_RUN = "2020-06-17T21:49:51.783778"  # TFX's form of a run's id until 1.0


def classic(path: pathlib.Path, schema: int = 4) -> pathlib.Path:
    """TFX 0.21: states are properties, contexts of nodes contain the run's id, no parents, an old schema."""
    store = ForeignStore(path, classic=True, schema=schema)
    made = taxi_run(store, CLASSIC_RUN)
    other = "2020-06-18T08:00:00.000001"
    again = store.execution("taxi", other, "CsvExampleGen", "cached", began=minutes(60))
    store.event(again, made["examples"], "examples", OUTPUT)
    trainer = store.execution("taxi", other, "Trainer", "new", began=minutes(61), ended=minutes(61))
    store.artifact(trainer, "model", state=pb.Artifact.PENDING)
    return store.close()


def without_states(path: pathlib.Path) -> pathlib.Path:
    """Neither a state nor a property: what has written an output is complete."""
    store = ForeignStore(path)
    taxi_run(store, "r1", state="unknown")
    return store.close()


def several_pipelines(path: pathlib.Path) -> pathlib.Path:
    """Two pipelines, and no parents that say which run is of which."""
    store = ForeignStore(path, parents=False)
    taxi_run(store, "taxi-1")
    taxi_run(store, "iris-1", "iris", 10)
    taxi_run(store, "taxi-2", first=20)
    return store.close()


def retried(path: pathlib.Path) -> pathlib.Path:
    """A run whose trainer failed and was tried again."""
    store = ForeignStore(path)
    examples = store.artifact(store.execution("taxi", "r1", "CsvExampleGen"), "examples")
    inputs = {"examples": [examples]}
    store.execution("taxi", "r1", "Trainer", "failed", began=minutes(2), inputs=inputs)
    store.artifact(store.execution("taxi", "r1", "Trainer", began=minutes(4), inputs=inputs), "model")
    return store.close()


def dead_runs(path: pathlib.Path) -> pathlib.Path:
    """`killed` and `old` never ended: the one is followed by `next`, the other is the newest of its pipeline."""
    store = ForeignStore(path)
    for run, pipeline, first in (("killed", "taxi", 0), ("old", "iris", 5)):
        done = store.execution(pipeline, run, "CsvExampleGen", began=minutes(first))
        examples = store.artifact(done, "examples")
        trainer = store.execution(
            pipeline, run, "Trainer", "running", began=minutes(first + 2), ended=minutes(first + 2),
            inputs={"examples": [examples]},
        )  # fmt: skip
        store.artifact(trainer, "model", state=pb.Artifact.PENDING, event=PENDING_OUTPUT)
    taxi_run(store, "next", first=30)
    return store.close()


def running(path: pathlib.Path) -> pathlib.Path:
    """A run in progress, begun a minute ago after one that was killed."""
    store = ForeignStore(path)
    now = datetime.datetime.now(datetime.timezone.utc)
    for run, ago in (("killed", 50), ("now", 1)):
        began = now - datetime.timedelta(minutes=ago)
        store.execution("taxi", run, "Trainer", "running", began=began, ended=began)
    return store.close()


def unfinished_outputs(path: pathlib.Path) -> pathlib.Path:
    """A good run, then one whose trainer failed: of its outputs, none came to be."""
    store = ForeignStore(path)
    taxi_run(store, "good")
    trainer = store.execution("taxi", "failed", "Trainer", "failed", began=minutes(10))
    store.artifact(trainer, "model", state=pb.Artifact.PENDING, event=PENDING_OUTPUT)
    store.artifact(trainer, "evaluation", state=pb.Artifact.ABANDONED)
    store.artifact(trainer, "statistics")
    stuck = store.execution("taxi", "stuck", "Trainer", "running", began=minutes(20))
    store.artifact(stuck, "model")
    return store.close()


def without_digests(path: pathlib.Path) -> pathlib.Path:
    """`first`, `changed`, `again` and `reused`: runs that change, repeat and reuse others, without content digests."""
    store = ForeignStore(path)
    settings = {"num_steps": 100, "module_path": "trainer@abc", "__execution_set_size__": 1}
    first = taxi_run(store, "first", **settings)
    example_gen = store.execution("taxi", "changed", "CsvExampleGen", "cached", began=minutes(10))
    store.event(example_gen, first["examples"], "examples", OUTPUT)
    trainer = store.execution(
        "taxi", "changed", "Trainer", began=minutes(11), inputs={"examples": [first["examples"]]},
        **settings | {"num_steps": 200, "__execution_set_size__": 2},
    )  # fmt: skip
    model = store.artifact(trainer, "model")
    pusher = store.execution("taxi", "changed", "Pusher", began=minutes(12), inputs={"model": [model]})
    store.artifact(pusher, "pushed_model", pushed=1)
    again = taxi_run(store, "again", first=20, **settings)
    for node, key in (("CsvExampleGen", "examples"), ("Trainer", "model"), ("Pusher", "pushed_model")):
        cached = store.execution("taxi", "reused", node, "cached", began=minutes(30))
        store.event(cached, again[key], key, OUTPUT)
    return store.close()


ELSEWHERE = {
    "examples": "pipelines/taxi/CsvExampleGen/examples/1",
    "model": "/home/someone/taxi/pipelines/taxi/Trainer/model/2",
    "pushed_model": r"C:\Users\someone\taxi\pipelines\taxi\Pusher\pushed_model\3",
    "schema": "gs://bucket/taxi/pipelines/taxi/SchemaGen/schema/4",
}  # URIs by key


def elsewhere(path: pathlib.Path) -> pathlib.Path:
    """URIs that are relative, of another machine, of Windows and of a bucket."""
    store = ForeignStore(path)
    for number, (key, uri) in enumerate(ELSEWHERE.items()):
        made = store.execution("taxi", "r1", f"Node{number}", began=minutes(number))
        store.artifact(made, key, uri)
    return store.close()


def not_run(path: pathlib.Path) -> pathlib.Path:
    """Ten nodes are registered for `half`, two ran; `whole` ran all three of its pipeline; `nothing` ran none."""
    store = ForeignStore(path)
    store.contexts("taxi", "half", "", minutes(0))
    for number in range(8):
        store.contexts("taxi", "half", f"Node{number}", minutes(0))
    example_gen = store.execution("taxi", "half", "CsvExampleGen", began=minutes(0))
    examples = store.artifact(example_gen, "examples")
    store.execution("taxi", "half", "Trainer", began=minutes(2), inputs={"examples": [examples]})
    taxi_run(store, "whole", "iris", first=10)
    store.contexts("penguin", "nothing", "Trainer", minutes(20))
    return store.close()


def not_run_classic(path: pathlib.Path) -> pathlib.Path:
    """The same in contexts of the run: three nodes are registered for `half`, one ran."""
    store = ForeignStore(path, classic=True)
    store.contexts("taxi", "half", "Trainer", minutes(0))
    store.contexts("taxi", "half", "Pusher", minutes(0))
    store.artifact(store.execution("taxi", "half", "CsvExampleGen", began=minutes(0)), "examples")
    taxi_run(store, "whole", first=10)
    return store.close()


def importer_and_pusher(path: pathlib.Path) -> pathlib.Path:
    """An importer, which TFX records as cached, and a pusher that pushed nothing."""
    store = ForeignStore(path)
    importer = store.execution("taxi", "r1", "schema_importer", "cached", began=minutes(0))
    store.artifact(importer, "schema", "/schemas/taxi")
    pusher = store.execution("taxi", "r1", "Pusher", began=minutes(1))
    store.artifact(pusher, "pushed_model", pushed=0)
    return store.close()


def moment(number: float) -> str:
    """Return minutes after `THEN` as TFX writes them into the id of a run: in local time, with microseconds."""
    return (minutes(number).replace(tzinfo=None) + datetime.timedelta(microseconds=1)).isoformat()


NOTEBOOK, NAMED_NOTEBOOK = "interactive-2024-03-29T09_59_59.000001", "penguin"
CELLS = (
    (NOTEBOOK, 0, "CsvExampleGen", "complete"),
    (NOTEBOOK, 5, "StatisticsGen", "complete"),
    (NAMED_NOTEBOOK, 6, "CsvExampleGen", "complete"),
    (NOTEBOOK, 7, "Trainer", "new"),  # TFX records no end of a cell that failed
    (NOTEBOOK, 12, "Trainer", "complete"),
    (NOTEBOOK, 13, "StatisticsGen", "cached"),
    (NAMED_NOTEBOOK, 20, "Trainer", "new"),
    (NOTEBOOK, 24 * 60, "Trainer", "complete"),
    (NOTEBOOK, 24 * 60 + 5, "Pusher", "complete"),
)  # pipeline, when, component and state of each cell: of two sessions of one notebook, and one of another


def notebook(path: pathlib.Path, schema: int = 10) -> pathlib.Path:
    """Two notebooks: TFX's InteractiveContext makes a run of each cell, with one component."""
    store = ForeignStore(path, classic=True, schema=schema)
    for pipeline, when, component, state in CELLS:
        run = f"{pipeline}.{moment(when)}"
        store.execution(pipeline, run, component, state, began=minutes(when), num_steps=when)
    return store.close()


def no_notebook(path: pathlib.Path) -> pathlib.Path:
    """Runs of classic TFX whose ids are times, too: of three nodes, of one that failed, and of a pipeline of one."""
    store = ForeignStore(path, classic=True)
    taxi_run(store, moment(0))
    for number in range(1, 3):
        store.execution("taxi", moment(60 * number), "CsvExampleGen", "failed", began=minutes(60 * number))
        store.execution("iris", moment(60 * number + 1), "CsvExampleGen", began=minutes(60 * number + 1))
    return store.close()


TRACEBACK = """Traceback (most recent call last):

  File "/opt/tfx/orchestration/portable/launcher.py", line 565, in launch

    executor_output = self._run_executor(execution_info)

ValueError: no label "tips"

  in /data/taxi"""  # TFX puts an empty line below each


def failed(path: pathlib.Path) -> pathlib.Path:
    """Runs whose node failed: `told` with TFX's traceback as the error, and long parameters; `silent` without any."""
    store = ForeignStore(path)
    for number, (run, properties) in enumerate({"told": {"__execution_result__": RESULT}, "silent": {}}.items()):
        store.execution("taxi", run, "CsvExampleGen", began=minutes(9 * number), input_base="/data/taxi", span=3)
        store.execution(
            "taxi", run, "Trainer", "failed", began=minutes(9 * number + 2), custom_config=LONG, **properties
        )
    return store.close()


RESULT = json.dumps({"resultMessage": TRACEBACK, "code": 1})
LONG = "{\n" + "".join(f'  "option_{number}": {number},\n' for number in range(40)) + "}"


def models(path: pathlib.Path) -> pathlib.Path:
    """Models: 1 blessed and pushed by its run, 2 not blessed, 3 blessed and pushed by the run `later`, 4 never made."""
    store = ForeignStore(path)
    made = []
    for number, blessed in enumerate((1, 0), 1):
        run = f"r{number}"
        trainer = store.execution("taxi", run, "Trainer", began=minutes(10 * number))
        baseline = {"baseline_model": made[:]} if made else {}
        made.append(store.artifact(trainer, "model"))
        evaluator = store.execution(
            "taxi", run, "Evaluator", began=minutes(10 * number + 1), inputs={"model": made[-1:], **baseline},
        )  # fmt: skip
        store.artifact(evaluator, "blessing", blessed=blessed, current_model_id=made[-1])
        pusher = store.execution("taxi", run, "Pusher", began=minutes(10 * number + 2), inputs={"model": made[-1:]})
        pushed = {"pushed_destination": "/serving/1", "pushed_version": "1"} if blessed else {}
        store.artifact(pusher, "pushed_model", pushed=blessed, **pushed)
    third = store.artifact(store.execution("taxi", "r3", "Trainer", began=minutes(30)), "model")
    for number, node, key, values in (
        (31, "Evaluator", "blessing", {"blessed": 1}),
        (32, "Pusher", "pushed_model", {"pushed": 1, "pushed_destination": "gs://bucket/serving/2"}),
    ):
        made_by = store.execution("taxi", "later", node, began=minutes(number), inputs={"model": [third]})
        store.artifact(made_by, key, **values)
    failed = store.execution("taxi", "r4", "Trainer", "failed", began=minutes(40))
    store.artifact(failed, "model", state=pb.Artifact.PENDING, event=PENDING_OUTPUT)
    return store.close()


FILES = "taxi_files"  # folder beside the store `payloads`, with the artifacts' files


def payloads(path: pathlib.Path) -> pathlib.Path:
    """A run whose files are beside the store: those of the tests of TFX, and small ones made here."""
    store = ForeignStore(path)
    for number, (key, (node, write)) in enumerate(foreign_files.WRITERS.items()):
        execution = store.execution("taxi", "r1", node, began=minutes(number))
        uri = f"{FILES}/{node}/{key}/{execution}"
        store.artifact(execution, key, uri, type_name=foreign_files.TYPES.get(key, ""))
        write(path.parent / uri)
    return store.close()


STORES: Mapping[str, Callable[[pathlib.Path], pathlib.Path]] = {
    "classic": classic,
    "without_states": without_states,
    "several_pipelines": several_pipelines,
    "retried": retried,
    "dead_runs": dead_runs,
    "running": running,
    "unfinished_outputs": unfinished_outputs,
    "without_digests": without_digests,
    "elsewhere": elsewhere,
    "not_run": not_run,
    "not_run_classic": not_run_classic,
    "importer_and_pusher": importer_and_pusher,
    "notebook": notebook,
    "no_notebook": no_notebook,
    "failed": failed,
    "models": models,
    "payloads": payloads,
}  # by trait
